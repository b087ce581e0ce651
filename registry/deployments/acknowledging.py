"""What instances of the serving layer say they apply."""

from datetime import datetime, timedelta
from uuid import UUID

from registry.models import Acknowledgement

WRITTEN_EVERY = timedelta(seconds=60)
INSTANCES_LIMIT = 1000  # of one endpoint; more names than that are a mistake of the sender
FORGOTTEN_AFTER = timedelta(days=7)  # an instance that is gone; names of containers never come back


def acknowledge(
    endpoint_id: UUID,
    instance: str,
    revision: int,
    *,
    mode: str = Acknowledgement.Mode.NORMAL,
    last: tuple[int, str, datetime] | None = None,
    now: datetime,
) -> bool:
    """Note which revision an instance applies; False if that is known and was said within the last minute.

    last: revision, mode and time of the row there is, if there is one. When a new instance appears, those unheard of
    for a week are forgotten; past a thousand of them it is not noted.
    """
    if last is not None and last[:2] == (revision, mode) and now - last[2] < WRITTEN_EVERY:
        return False
    if last is None:
        known = Acknowledgement.objects.filter(endpoint=endpoint_id)
        known.filter(last_seen_at__lt=now - FORGOTTEN_AFTER).delete()
        if known.count() >= INSTANCES_LIMIT:
            return False
    row = Acknowledgement(endpoint_id=endpoint_id, instance=instance, revision=revision, mode=mode, last_seen_at=now)
    Acknowledgement.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["endpoint", "instance"],
        update_fields=["revision", "mode", "last_seen_at"],
    )
    return True

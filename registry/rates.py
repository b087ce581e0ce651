"""How often a thing may be done in a minute, counted in the database for all processes together."""

from datetime import datetime, timedelta

from django.db.models import F

from registry.models import UseCount

KEPT = timedelta(hours=1)


def take(subject: str, *, limit: int, now: datetime) -> int:
    """Use the thing once more in this minute: 0, or the seconds to wait if it was used `limit` times already.

    Of two callers at the limit one conditional UPDATE lets one through.
    """
    minute = now.replace(second=0, microsecond=0)
    count, _ = UseCount.objects.get_or_create(subject=subject, minute=minute)
    below = UseCount.objects.filter(pk=count.pk, uses__lt=limit)
    return 0 if below.update(uses=F("uses") + 1) else 60 - now.second


def used_since(subject: str, since: datetime) -> bool:
    """Whether the thing was used since then, at most an hour ago; to the minute."""
    return UseCount.objects.filter(subject=subject, minute__gte=since.replace(second=0, microsecond=0)).exists()


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Forget the counts of past hours."""
    past = UseCount.objects.filter(minute__lt=now - KEPT)
    if past.exists():
        past.delete()

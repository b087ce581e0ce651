"""The order to forget a subject, and whom no record may come in of any more; light, for the web process too."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit import keyring
from mlops_portal.kit.errors import Invalid
from monitoring.models import Erasure
from monitoring.traffic import limits, privacy, values
from monitoring.traffic.values import Rejected
from registry import audit, permissions
from registry.actors import Actor, actor_label
from registry.models import Team
from registry.permissions import Permission


@transaction.atomic
def request(team: Team, subject_id: str, *, client_key: str, by: Actor, now: datetime) -> Erasure:
    """Order that everything about the subject be forgotten; from now on no record of theirs is stored.

    client_key: the same one again gives the first order. Raises Refused without the permission, Invalid if the subject
    is no text of 1 to 256 characters, or the key was used for another subject.
    """
    permissions.require(by, Permission.TRAFFIC_ERASE, team)
    refs = _refs(team.pk, subject_id)
    if (known := _known(team, client_key, refs)) is not None:
        return known
    erasure = Erasure(team=team, refs=refs, client_key=client_key, requested_at=now, requested_by=actor_label(by)[:128])
    try:
        with transaction.atomic():
            erasure.save(force_insert=True)
    except IntegrityError:  # the same request was faster
        return _known(team, client_key, refs) or erasure
    order(erasure)
    audit.record("subject.erased", erasure, by=by, now=now, team=team)
    return erasure


def refs_of(team_id: UUID) -> list[str]:
    """The references of all subjects of the team that were forgotten."""
    held = Erasure.objects.filter(team=team_id).values_list("refs", flat=True)
    return [ref for refs in held for ref in refs.values()]


def order(erasure: Erasure, *, not_before: datetime | None = None) -> None:
    """Have a worker forget the subject, once more if it was done before."""
    queue.enqueue(
        "monitoring.erase",
        str(erasure.pk),
        payload={"erasure": str(erasure.pk)},
        queue=Job.Queue.MAINTAIN,
        priority=60,  # after the compaction it waits for
        team=erasure.team_id,
        not_before=not_before,
    )


def _refs(team_id: UUID, subject_id: str) -> dict[str, str]:
    try:
        text = values.text(subject_id, "/subject_id", limits.TEXT_LENGTH)
    except Rejected as error:
        raise Invalid(error.detail, field="subject_id") from None
    if not text:
        raise Invalid("Name the subject.", field="subject_id", code="missing_field")
    return {kid: privacy.subject_ref(team_id, text, kid) for kid in keyring.ring().keys}


def _known(team: Team, client_key: str, refs: Mapping[str, str]) -> Erasure | None:
    known = Erasure.objects.filter(team=team, client_key=client_key).first()
    if known and not set(known.refs.values()) & set(refs.values()):
        raise Invalid("This Idempotency-Key was used for another subject.", code="idempotency_key_reused")
    return known

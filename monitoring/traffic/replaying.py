"""Items that were set aside come in after all, once the cause was mended: their version registered, a label added.

Each is judged anew, as if it had just been sent; what still will not do stays, with the new reason.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease, LostLease
from mlops_portal.kit.errors import Conflict
from monitoring.models import IngestBatch, QuarantinedItem
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import inbox, schema, times
from monitoring.traffic.grouping import Moment
from monitoring.traffic.reading import Reading, Reject, begin
from monitoring.traffic.specs import FeatureSpec, ModelSpec, VersionSpec
from monitoring.traffic.values import Rejected
from registry import audit, permissions
from registry.models import RegisteredModel
from registry.permissions import Actor, Permission

AT_ONCE = 1000
RULE_CHANGED = "rule_changed"
_DTYPES = {"hash": "text", "mask": "text", "bucket": "number"}  # of what a rule makes of a value


class NothingSetAside(Conflict):
    """There is nothing that a replay could bring in."""

    code = "nothing_set_aside"


class ItemsMoved(Exception):
    """Somebody else has replayed some of the items since they were read: begin again."""


@transaction.atomic
def request(model: RegisteredModel, *, code: str = "", by: Actor, now: datetime) -> int:
    """Have the items that wait in quarantine, or those of one code, judged anew; returns how many there are.

    Raises Refused without the permission, NothingSetAside if none could be brought in.
    """
    permissions.require(by, Permission.MONITOR_EDIT, model.team)
    waiting = _waiting(model.pk, code).count()
    if not waiting:
        raise NothingSetAside("No item waits that was kept whole; what was not has to be sent again.")
    queue.enqueue(
        "monitoring.replay_items",
        f"{model.pk}:{code}",
        payload={"model": str(model.pk), "code": code},
        team=model.team_id,
    )
    audit.record("items.replayed", model, by=by, now=now, team=model.team, changes={"items": [None, waiting]})
    return waiting


def is_under_way(model: RegisteredModel) -> bool:
    """Whether a replay of the model's items waits or runs."""
    return Job.objects.open().filter(kind="monitoring.replay_items", key__startswith=f"{model.pk}:").exists()


def replay(model_id: UUID, code: str, lease: Lease, now: datetime) -> None:
    """Bring in what will do by now, some items at a time; the others get the new reason.

    Each batch commits alone and marks its items by a conditional update, so nothing comes in twice: safe to call
    twice, and harmless when overtaken. Raises LostLease then, ItemsMoved if another replay was faster.
    """
    model = ModelSpec.of(RegisteredModel.objects.get(pk=model_id))
    replayed = stayed = 0
    newest = 0
    while rows := list(_waiting(model_id, code).filter(pk__gt=newest).order_by("pk")[:AT_ONCE]):
        if not queue.renew(lease):
            raise LostLease(f"job {lease.job_id}: fence {lease.fence} is over")
        newest = rows[-1].pk
        came_in = _replay(model, rows, now)
        replayed, stayed = replayed + came_in, stayed + len(rows) - came_in
    with queue.finishing(lease, {"replayed": replayed, "stayed": stayed}):
        pass


def _waiting(model_id: UUID, code: str) -> QuerySet[QuarantinedItem]:
    """What can be replayed: kept whole, and not known to contradict what is stored."""
    rows = QuarantinedItem.objects.filter(model=model_id, is_whole=True, replayed_at=None)
    return (rows.filter(code=code) if code else rows).exclude(code="request_id_conflict").select_related("batch")


@dataclass(frozen=True, slots=True)
class _Alike:
    """What items have in common that are judged together."""

    kind: str
    label: str
    kid: str
    rules: tuple[tuple[str, str], ...]
    too_old_ok: bool


@transaction.atomic
def _replay(model: ModelSpec, rows: Sequence[QuarantinedItem], now: datetime) -> int:
    """Judge the items, store those that will do and mark all; returns how many came in."""
    came_in = 0
    for alike, members in _sorted(rows).items():
        reading = _judged(model, alike, members, now)
        faults = {reject.fault.index: reject for reject in reading.rejects}
        _note_reasons(members, faults)
        good = [row.pk for i, row in enumerate(members) if i not in faults]
        if not good:
            continue
        if QuarantinedItem.objects.filter(pk__in=good, replayed_at=None).update(replayed_at=now) != len(good):
            raise ItemsMoved("some of the items have been replayed meanwhile")
        decoded = replace(reading.decoded(alike.kind, len(good)), rejects=[])
        digest = sha256(repr(good).encode()).hexdigest()
        inbox.store(
            model,
            alike.kind,
            decoded,
            key=f"replay {uuid4()}",
            body_sha256=digest,
            via=IngestBatch.Via.REPLAY,
            now=now,
        )
        came_in += len(good)
    return came_in


def _sorted(rows: Sequence[QuarantinedItem]) -> dict[_Alike, list[QuarantinedItem]]:
    found: dict[_Alike, list[QuarantinedItem]] = defaultdict(list)
    for row in rows:
        label = json.loads(row.item).get("version") if row.batch.kind == Kind.PREDICTION else None
        rules = tuple(sorted(row.rules.items()))
        # An item that waited must not become too old by waiting; one that was too old stays so.
        too_old_ok = row.code != "too_old"
        found[_Alike(row.batch.kind, label if isinstance(label, str) else "", row.kid, rules, too_old_ok)].append(row)
    return found


def _judged(model: ModelSpec, alike: _Alike, members: Sequence[QuarantinedItem], now: datetime) -> Reading:
    """The reading of the items, as of a body that holds them."""
    reading = begin(model, Moment(times.micros(now), alike.kid, alike.too_old_ok, subjects_are_refs=True))
    target = reading.target(alike.label) if alike.label else None
    items = [_item(row) for row in members]
    if target is not None:
        rules = dict(alike.rules)
        if changed := _changed_rule(target.spec, rules):
            fault = Rejected(RULE_CHANGED, f"The privacy rule of {changed} has changed since; send it again.")
            for index in range(len(members)):
                reading.reject(index, fault, None)
            return reading
        reading.targets[alike.label] = replace(target, spec=_in_stored_form(target.spec, rules))
    schema.read(msgspec.json.encode({"items": items}), schema.JSON, alike.kind, reading)
    return reading


def _changed_rule(version: VersionSpec, rules: Mapping[str, str]) -> str:
    """The first feature whose values stand in quarantine under another rule than its own, or an empty text.

    What was kept as it is can be brought under any rule.
    """
    return next((one.name for one in version.features if rules.get(one.name, one.privacy) != one.privacy), "")


def _in_stored_form(version: VersionSpec, rules: Mapping[str, str]) -> VersionSpec:
    """The version as one that reads what its rules make of values: hashes and masks are texts, buckets are numbers."""
    features = [
        one if one.name not in rules else FeatureSpec(one.name, _DTYPES[one.privacy], required=one.required)
        for one in version.features
        if rules.get(one.name) != "drop"
    ]
    return VersionSpec(version.id, version.label, version.model, tuple(features))


def _note_reasons(members: Sequence[QuarantinedItem], faults: Mapping[int | None, Reject]) -> None:
    """Write down why items stay, with places in the batch they came in."""
    stay = []
    for index, reject in faults.items():
        row = members[index or 0]
        row.code, row.detail = reject.fault.code, reject.fault.detail[:512]
        row.pointer = reject.fault.pointer.replace(f"/items/{index}", f"/items/{row.index}", 1)[:512]
        stay.append(row)
    QuarantinedItem.objects.bulk_update(stay, ["code", "detail", "pointer"])


def _item(row: QuarantinedItem) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(row.item)
    return item | ({"subject_id": row.subject_ref} if row.subject_ref else {})

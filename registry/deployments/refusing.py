"""Two ways in which an activation is refused although its plan is good: approval is needed, or somebody was faster."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from mlops_portal.jobs import queue
from mlops_portal.kit.errors import Conflict, Refused
from mlops_portal.kit.wording import listed, moment
from registry import audit, serving
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.deployments.comparing import differences
from registry.deployments.plan import Arm, Plan, canonical
from registry.models import AuditEntry, Deployment, Endpoint
from registry.permissions import Permission, has

REFUSED = "deployment.refused"
SHOWN_CHANGES = 20


class ApprovalRequired(Refused):
    """A second person has to agree; `url` leads to where that is asked for, empty for who may not propose."""

    code = "approval_required"

    def __init__(self, detail: str, *, url: str = "", intent_id: UUID | None = None) -> None:
        super().__init__(detail)
        self.url = url
        self.intent_id = intent_id

    def members(self) -> Mapping[str, object]:
        """The way on, for programs."""
        return {"url": self.url, "intent_id": str(self.intent_id)} if self.intent_id else {}


class BaseMoved(Conflict):
    """Another revision is served than the caller has seen; `winner` is that one, None if there is none yet."""

    code = "base_moved"

    def __init__(self, detail: str, *, base: int, winner: Deployment | None, changed: list[dict[str, Any]]) -> None:
        super().__init__(detail, field="base")
        self.base = base
        self.winner = winner
        self.changed = changed

    def members(self) -> Mapping[str, object]:
        """The winning revision, and how it differs from the base."""
        winner = self.winner
        return {
            "revision": winner.revision if winner else 0,
            "sha256": winner.sha256 if winner else "",
            "changed": self.changed,
        }


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wanted to have served and could not without approval: enough to propose it."""

    intent_id: UUID
    kind: str  # activate, promote, roll_back, switch_off
    endpoint_id: UUID
    base: int
    plan: Plan
    actor: str
    at: datetime


def base_moved(endpoint: Endpoint, base: int) -> BaseMoved:
    """The conflict that says who was faster and what changed."""
    winner = serving.current(endpoint)
    if winner is None:
        detail = f"{endpoint.slug} was never activated, so there is no revision {base}; its base is 0."
        return BaseMoved(detail, base=base, winner=None, changed=[])
    seen = endpoint.deployments.filter(revision=base).first()
    found = differences(seen, winner) if seen else []
    what = f": {listed([difference.path for difference in found])} changed" if found else ""
    detail = (
        f"{endpoint.slug} no longer serves revision {base} but {winner.revision}, "
        f"by {winner.created_by} at {moment(winner.created_at)}{what}. Read it and decide anew."
    )
    changed = [asdict(difference) for difference in found[:SHOWN_CHANGES]]
    return BaseMoved(detail, base=base, winner=winner, changed=changed)


def require_approval(
    endpoint: Endpoint, plan: Plan, *, kind: str, base: int, by: Actor, now: datetime, what: str = ""
) -> ApprovalRequired:
    """Note the refusal with the intent, order the proposal made of it, and give the error to raise.

    The id follows from who wanted what at which base: the same call repeated gives the same id and one proposal.
    what: the sentence's beginning, where something else than an activation was asked for.
    """
    detail = what or f"What {endpoint.slug} ({endpoint.environment_id}) serves"
    detail += " needs the approval of a second person."
    if not has(by, Permission.DECISION_PROPOSE, endpoint.model.team):
        return ApprovalRequired(detail)
    intent_id = _intent_id(endpoint, plan, kind, base, by)
    with transaction.atomic():
        _note(intent_id, endpoint, plan, kind, base, by, now)
    url = settings.PUBLIC_URL + reverse("review:decision-intent", args=[intent_id])
    return ApprovalRequired(f"{detail} Go on at {url}", url=url, intent_id=intent_id)


def intent(intent_id: UUID) -> Intent | None:
    """The intent behind a refusal, read from the audit trail."""
    entry = AuditEntry.objects.filter(object_type="deployment", object_id=str(intent_id), verb=REFUSED).first()
    if entry is None:
        return None
    said = {name: pair[1] for name, pair in entry.changes.items()}
    content = json.loads(said["plan"])
    plan = Plan(
        arms=tuple(Arm(**arm) for arm in content["arms"]),
        decision_rule=content["decision_rule"],
        fallback=content["fallback"],
        reason=entry.reason,
        copied_from=said.get("copied_from"),
    )
    return Intent(intent_id, said["kind"], UUID(said["endpoint"]), said["base"], plan, entry.actor, entry.at)


def _intent_id(endpoint: Endpoint, plan: Plan, kind: str, base: int, by: Actor) -> UUID:
    owner = actor_label(by)
    if isinstance(by, KeyPrincipal):
        owner = str(by.user_id or owner)  # the successor of a rotated key goes on with the same intents
    name = canonical(["intent", kind, str(endpoint.pk), base, plan.content_sha(), owner])
    return uuid5(NAMESPACE_URL, name)


def _note(intent_id: UUID, endpoint: Endpoint, plan: Plan, kind: str, base: int, by: Actor, now: datetime) -> None:
    """The audit entry, once, and with it the job; a repeated call finds both."""
    if intent(intent_id) is not None:
        return
    wanted = Deployment(pk=intent_id, endpoint=endpoint, revision=base + 1)
    said = {
        "kind": kind,
        "endpoint": str(endpoint.pk),
        "base": base,
        "plan": canonical(plan.content()),
        "copied_from": plan.copied_from,
    }
    for job in settings.INTENT_JOBS:
        queue.enqueue(job, str(intent_id), payload={"intent": str(intent_id)}, team=endpoint.model.team_id)
    audit.record(
        REFUSED,
        wanted,
        by=by,
        now=now,
        team=endpoint.model.team,
        changes={name: [None, value] for name, value in said.items()},
        reason=plan.reason,
    )

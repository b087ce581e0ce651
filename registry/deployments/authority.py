"""On whose authority a revision is served: a person's (or their key's), or an approved decision's."""

from dataclasses import dataclass
from uuid import UUID

from mlops_portal.kit.ruling import Ruling, not_now
from registry.actors import Actor, actor_label
from registry.models import Endpoint
from registry.permissions import Permission, ruling


@dataclass(frozen=True, slots=True)
class Authority:
    """Who serves a revision, and the decision behind it if there is one. Only `review.decisions` names a decision."""

    actor: Actor
    decision_id: UUID | None = None
    content_sha: str = ""

    @classmethod
    def of_person(cls, actor: Actor) -> "Authority":
        """A person or a key, acting alone; the operator's command line counts as neither and needs no approval."""
        return cls(actor)

    @classmethod
    def of_decision(cls, decision_id: UUID, content_sha: str, *, by: Actor = "") -> "Authority":
        """An approved decision, over exactly the plan content with this hash; `by` is whoever applies it."""
        return cls(by or f"decision:{decision_id}", decision_id, content_sha)

    @property
    def label(self) -> str:
        """The text that stands in `created_by`."""
        return actor_label(self.actor)

    def needs_approval(self, endpoint: Endpoint) -> bool:
        """Whether a second person has to agree first."""
        acts_alone = self.decision_id is None and not isinstance(self.actor, str)
        return acts_alone and endpoint.environment.requires_approval


def may_activate(actor: Actor, endpoint: Endpoint) -> Ruling:
    """Whether somebody may ask for another revision; where approval is needed the verb answers with the way to it."""
    if endpoint.retired_at is not None:
        return not_now(f"{endpoint.slug} is retired: the model no longer answers there.")
    return ruling(actor, Permission.DEPLOYMENT_ACTIVATE, endpoint.model.team)

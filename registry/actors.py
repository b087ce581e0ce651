"""Who acts: a person, a program with a key, or the portal itself."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from registry.models import User


@dataclass(frozen=True, slots=True)
class KeyPrincipal:
    """A program that has shown a valid API key; DRF's `request.user` for such requests, and a `Viewer`.

    standings: what the key stands for in its team right now: its own role, or what its owner is at this moment.
    """

    pk: UUID
    key_id: str
    name: str
    team_id: UUID
    team_slug: str
    scopes: frozenset[str]
    standings: frozenset[str]
    model_id: UUID | None = None
    user_id: UUID | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False
    sees_all_teams = False

    @property
    def label(self) -> str:
        """The name under which the key's acts are recorded."""
        return f"key:{self.name}"

    @property
    def key(self) -> str:
        """The public half of the key."""
        return self.key_id

    def __str__(self) -> str:
        return self.label

    def team_filter(self) -> Q:
        """The key's one team, as a condition on Team."""
        return Q(pk=self.team_id)

    def model_filter(self) -> Q:
        """The one model the key is bound to, if it is bound, as a condition on RegisteredModel."""
        return Q(pk=self.model_id) if self.model_id else Q()


Actor = User | KeyPrincipal | str
"""Who brought something about. A text names the portal itself (`system:planner`, `setup`) or its operator's command
line; such an actor is trusted: whoever can run it can also write the database."""


def actor_label(by: Actor) -> str:
    """The text that stands in `created_by` columns and in the audit trail."""
    if isinstance(by, User):
        return by.username
    return by.label if isinstance(by, KeyPrincipal) else by

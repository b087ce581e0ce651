"""A subject that is to be forgotten."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models import Team, Viewer


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Chains over erasures."""

    def visible_to(self, user: Viewer) -> Self:
        """Erasures of teams the person may see."""
        return self.filter(team__in=Team.objects.visible_to(user))


class Erasure(models.Model):
    """One row is the order to forget one subject of a team, and for ever after what keeps their records out.

    Who it is nobody can tell from it: refs are keyed hashes, one per key of the ring.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        REWRITING = "rewriting", "Under way"
        DONE = "done", "Done"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="+")
    refs = models.JSONField()  # {kid: reference}
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    receipt = models.JSONField(default=dict)  # what went: {"records", "outcomes", "items", "unreadable": [sha256]}
    client_key = models.CharField(max_length=255)
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=128)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[ErasureQuerySet] = ErasureQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "client_key"], name="one_erasure_per_request")]

    def __str__(self) -> str:
        return f"erasure {str(self.id)[:8]}"

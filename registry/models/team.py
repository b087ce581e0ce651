"""A team: owner of objects, and the wall between people."""

from typing import ClassVar, Self
from uuid import uuid4

from django.core.validators import RegexValidator
from django.db import models

from registry.models.viewer import Viewer

SLUG = RegexValidator(
    r"^[a-z0-9][a-z0-9_-]{0,62}\Z",
    "Small letters, digits, - and _, at most 63 characters, starting with a letter or digit.",
)


class TeamQuerySet(models.QuerySet["Team"]):
    """Chains over teams."""

    def visible_to(self, user: Viewer) -> Self:
        """Teams the viewer belongs to; admins and auditors see all."""
        return self if user.sees_all_teams else self.filter(user.team_filter())


class Team(models.Model):
    """One row is one team."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    name = models.CharField(max_length=128)
    contact = models.CharField(max_length=254, blank=True, default="")
    cost_centre = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()

    objects: ClassVar[TeamQuerySet] = TeamQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

"""Whoever looks: a person, or a program with a key."""

from typing import Protocol

from django.db.models import Q


class Viewer(Protocol):
    """What `visible_to` needs to know. `User` is one; `registry.permissions.KeyPrincipal` is the other."""

    @property
    def sees_all_teams(self) -> bool:
        """Whether no wall applies."""

    def team_filter(self) -> Q:
        """Teams within the wall, as a condition on Team."""

    def model_filter(self) -> Q:
        """Further narrowing of models (a key bound to one model), as a condition on RegisteredModel."""

"""The audit trail as people and programs read it: who may see which entries, and what they can be filtered by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from mlops_portal.kit.errors import Malformed
from registry.actors import KeyPrincipal
from registry.history import moment
from registry.models import AuditEntry, Membership, RegisteredModel, Team, User
from registry.permissions import Permission, granted, require_somewhere
from registry.permissions.table import member_standings

PARAMETERS = ("team", "actor", "verb", "object", "model", "via", "from", "until")


@dataclass(frozen=True, slots=True)
class TrailQuestion:
    """What somebody asks of the trail, by the names of the query parameters."""

    wanted: Mapping[str, str] = field(default_factory=dict)


def read_question(parameters: Mapping[str, str]) -> TrailQuestion:
    """The question that query parameters ask; other names are not looked at. Raises Malformed for a bad value."""
    wanted = {name: parameters[name].strip() for name in PARAMETERS if parameters.get(name, "").strip()}
    if "via" in wanted and wanted["via"] not in AuditEntry.Via.values:
        raise _malformed("via", wanted["via"], f"is none of {', '.join(AuditEntry.Via.values)}")
    for name in ("from", "until"):
        if name in wanted:
            moment(name, wanted[name])
    return TrailQuestion(wanted)


def visible(viewer: User | KeyPrincipal) -> QuerySet[AuditEntry]:
    """The entries the viewer may read, newest first: those of teams in which they hold audit.view.

    Admins and auditors read all, also what belongs to no team. A key that is bound to one model reads that model's.
    Raises Refused if they hold the right nowhere.
    """
    require_somewhere(viewer, Permission.AUDIT_VIEW)
    entries = AuditEntry.objects.select_related("team").order_by("-seq")
    if isinstance(viewer, KeyPrincipal):
        return entries.filter(Q(model_id=viewer.model_id) if viewer.model_id else Q(), team=viewer.team_id)
    return entries if viewer.sees_all_teams else entries.filter(team__in=_teams(viewer))


def teams(viewer: User) -> QuerySet[Team]:
    """The teams whose trail the person may read."""
    return Team.objects.all() if viewer.sees_all_teams else Team.objects.filter(pk__in=_teams(viewer))


def of_model(model: RegisteredModel) -> QuerySet[AuditEntry]:
    """What happened to the model, its versions, endpoints, tags and aliases, newest first."""
    named = Q(object_type=RegisteredModel._meta.model_name, object_id=str(model.pk))  # rows before the column
    return AuditEntry.objects.filter(Q(model_id=model.pk) | named).select_related("team").order_by("-seq")


def answer(question: TrailQuestion, viewer: User | KeyPrincipal) -> QuerySet[AuditEntry]:
    """The entries that fit, newest first."""
    entries = visible(viewer)
    for name, value in question.wanted.items():
        entries = entries.filter(_FILTERS[name](value))
    return entries


def _teams(viewer: User) -> list[Any]:
    memberships = Membership.objects.filter(user=viewer)
    return [one.team_id for one in memberships if granted(frozenset(member_standings(one)), Permission.AUDIT_VIEW)]


def _until(value: str) -> Q:
    """Up to the time; a day is meant with all its hours."""
    end = moment("until", value)
    return Q(at__lt=end + timedelta(days=1)) if len(value) <= 10 else Q(at__lt=end)


def _object(value: str) -> Q:
    """A type, an id, or a part of what the object was called."""
    return Q(object_type=value.lower()) | Q(object_id=value) | Q(label__icontains=value)


def _verb(value: str) -> Q:
    """A verb such as model.renamed, or all of one kind: model."""
    return Q(verb=value) | Q(verb__startswith=f"{value.removesuffix('.*').removesuffix('.')}.")


_FILTERS: dict[str, Callable[[str], Q]] = {
    "team": lambda value: Q(team__slug=value),
    "actor": lambda value: Q(actor=value),
    "verb": _verb,
    "object": _object,
    "model": lambda value: Q(model_id__in=RegisteredModel.objects.filter(slug=value).values("pk")),
    "via": lambda value: Q(via=value),
    "from": lambda value: Q(at__gte=moment("from", value)),
    "until": _until,
}


def _malformed(name: str, value: str, problem: str) -> Malformed:
    return Malformed(f"{name}={value[:64]!r} {problem}.", code="malformed_parameter")

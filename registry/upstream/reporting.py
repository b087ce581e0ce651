"""Reporting a change: each once, whoever repeats it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mlops_portal.kit.errors import Invalid, Refused
from mlops_portal.kit.ruling import Ruling
from registry import audit, outbox
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.models import ChangeEvent, Endpoint, RegisteredModel, Source, Team
from registry.permissions import Permission, require, ruling
from registry.rules import Checked, json_text

BACK, AHEAD = timedelta(days=400), timedelta(days=1)
PAYLOAD_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """A change as somebody reports it; without a subject it concerns the whole team.

    origin and event_id together name it: the same pair again is the same change. Left out, it is a new one.
    """

    kind: str
    title: str
    started_at: datetime
    ended_at: datetime | None = None
    origin: str = ""
    event_id: str = ""
    source: Source | None = None
    model: RegisteredModel | None = None
    endpoint: Endpoint | None = None
    feature_name: str = ""
    actor: str = ""
    url: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    severity: str = ChangeEvent.Severity.INFO


def change_of(team: Team, values: Mapping[str, Any]) -> Change:
    """The change that plain values describe: slugs for model, endpoint and source, `feature` for its name.

    Raises Invalid if the team has no such model, endpoint or source.
    """
    known: dict[str, QuerySet[Any]] = {
        "model": RegisteredModel.objects.live().filter(team=team),
        "endpoint": Endpoint.objects.filter(model__team=team).select_related("model"),
        "source": Source.objects.filter(team=team),
    }
    fields = {name: value for name, value in values.items() if name not in {"feature", *known}}
    for name, rows in known.items():
        if slug := values.get(name):
            fields[name] = rows.filter(slug=slug).first()
            if fields[name] is None:
                raise Invalid(f"The {name} {slug[:64]!r} does not exist in {team.name}.", field=name)
    return Change(**fields, feature_name=values.get("feature", ""))


def may_report(actor: Actor, team: Team) -> Ruling:
    """Whether somebody may report a change to the team."""
    return ruling(actor, Permission.CHANGE_EVENT_REPORT, team)


@transaction.atomic
def report_change(team: Team, change: Change, *, by: Actor, now: datetime) -> tuple[ChangeEvent, bool]:
    """Note the change; gives its row, and whether it is new. The first report of (origin, event_id) stays as it is.

    Raises Refused without the right, or if a key bound to one model reports about another; Invalid naming every value
    that will not do.
    """
    require(by, Permission.CHANGE_EVENT_REPORT, team)
    with Checked() as checked:
        fields = _check(checked, team, change, now)
    _require_own_model(by, fields["model"])
    fields["origin"] = fields["origin"] or actor_label(by)
    fields["event_id"] = fields["event_id"] or str(uuid4())
    named = {"team": team, "origin": fields["origin"], "event_id": fields["event_id"]}
    if known := ChangeEvent.objects.filter(**named).first():
        return known, False
    event = ChangeEvent(team=team, created_at=now, created_by=actor_label(by), **fields)
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:  # another request reported it in between
        return ChangeEvent.objects.get(**named), False
    changes = {"title": [None, event.title], "kind": [None, event.kind], "origin": [None, event.origin]}
    audit.record("change_event.reported", event, by=by, now=now, team=team, changes=changes)
    outbox.publish("change_event.reported", str(event.pk), document(event), team=team, now=now)
    return event, True


def document(event: ChangeEvent) -> dict[str, Any]:
    """The event as a message gives it."""
    return {
        "id": str(event.pk),
        "kind": event.kind,
        "title": event.title,
        "severity": event.severity,
        "origin": event.origin,
        "source": event.source.slug if event.source else None,
        "model": event.model.slug if event.model else None,
        "endpoint": event.endpoint.slug if event.endpoint else None,
        "feature": event.feature_name,
        "started_at": event.started_at.isoformat().replace("+00:00", "Z"),
        "url": event.url,
    }


def _check(checked: Checked, team: Team, change: Change, now: datetime) -> dict[str, Any]:
    fields = {name: getattr(change, name) for name in Change.__dataclass_fields__}
    checked.choice("kind", change.kind, ChangeEvent.Kind.values)
    checked.choice("severity", change.severity, ChangeEvent.Severity.values)
    fields["title"] = checked.line("title", change.title, limit=256, required=True)
    for name, limit in (("origin", 255), ("event_id", 255), ("actor", 128), ("feature_name", 128)):
        fields[name] = checked.line(name, fields[name], limit=limit)
    fields["url"] = _check_link(checked, change.url)
    fields["payload"] = _check_payload(checked, change.payload)
    _check_times(checked, change, now)
    fields["model"] = _check_subjects(checked, team, change)
    return fields


def _check_times(checked: Checked, change: Change, now: datetime) -> None:
    shown = change.started_at.isoformat()
    if change.started_at < now - BACK:
        checked.refuse("started_at", f"{shown} is over {BACK.days} days ago; nothing is left that it could explain.")
    elif change.started_at > now + AHEAD:
        checked.refuse("started_at", f"{shown} is more than a day ahead; report it when it comes.", code="in_future")
    if change.ended_at is not None and change.ended_at < change.started_at:
        checked.refuse("ended_at", f"{change.ended_at.isoformat()} lies before it started, {shown}; swap them.")


def _check_subjects(checked: Checked, team: Team, change: Change) -> RegisteredModel | None:
    """The model the change is about, if any; every subject has to be the team's own."""
    model = change.model or (change.endpoint.model if change.endpoint else None)
    owned = {"source": change.source and change.source.team_id, "model": model and model.team_id}
    for name, owner in owned.items():
        if owner is not None and owner != team.pk:
            checked.refuse(name, f"It does not belong to {team.name}.")
    if change.endpoint and model and change.endpoint.model_id != model.pk:
        checked.refuse("endpoint", f"{change.endpoint.slug} serves another model than {model.slug}.")
    if change.feature_name and model is None and change.source is None:
        checked.refuse("feature_name", "Name the model or the source of this feature as well.")
    return model


def _check_link(checked: Checked, url: str) -> str:
    url = checked.line("url", url, limit=2048)
    if url and not url.lower().startswith(("https://", "http://")):
        checked.refuse("url", f"{url[:64]!r} is no link; begin it with https:// or leave it out.", received=url)
    return url


def _check_payload(checked: Checked, payload: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(payload)
    size = len(json.dumps(plain, ensure_ascii=False, default=str).encode("utf-8", "replace"))
    if size > PAYLOAD_LIMIT_BYTES:
        checked.refuse("payload", f"It has {size} bytes; {PAYLOAD_LIMIT_BYTES} is the most.", code="too_large")
    if not json_text(plain):
        checked.refuse("payload", "A text in it cannot be stored; remove U+0000.", code="invalid_character")
    return plain


def _require_own_model(by: Actor, model: RegisteredModel | None) -> None:
    if isinstance(by, KeyPrincipal) and by.model_id and (model is None or model.pk != by.model_id):
        raise Refused("This key is bound to one model and reports changes of no other.")

"""Which webhooks get an event, and the bytes they get: the resolver that `OUTBOX_DESTINATIONS` names."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

from registry.models import Team, Webhook
from registry.outbox import Destination

TRANSPORT = "webhook"
TEXT_LIMIT = 4000  # characters of one text in a standard message: receivers read the rest by the API
# What a person chooses from; any other pattern of a type is taken as well.
KINDS: dict[str, str] = {
    "*": "Everything",
    "model.*": "Models: registered, renamed, retired",
    "version.*": "Versions: registered, blocked, deleted",
    "alias.*": "Aliases: set, ended",
    "tag.*": "Tags: set, deleted",
    "endpoint.*": "Endpoints: changed",
    "deployment.*": "Deployments: a revision was activated",
    "change_event.*": "Change events: reported",
    "alert.*": "Alerts: opened, raised, closed",
    "decision.*": "Decisions: submitted, approved, applied",
}
MLFLOW_EVENTS: dict[str, str] = {  # event of MLflow -> our type
    "registered_model.created": "model.registered",
    "model_version.created": "version.registered",
    "model_version_tag.set": "tag.set",
    "model_version_tag.deleted": "tag.deleted",
    "model_version_alias.created": "alias.set",
    "model_version_alias.deleted": "alias.ended",
}
_MLFLOW_OF = {ours: theirs for theirs, ours in MLFLOW_EVENTS.items()}
_MLFLOW_FIELDS: dict[str, dict[str, str]] = {  # field of MLflow -> field of our data
    "registered_model.created": {"name": "model_name", "tags": "tags", "description": "description"},
    "model_version.created": {
        "name": "model_name",
        "version": "version",
        "source": "source",
        "run_id": "run_id",
        "tags": "tags",
        "description": "description",
    },
    "model_version_tag.set": {"name": "model_name", "version": "version", "key": "key", "value": "value"},
    "model_version_tag.deleted": {"name": "model_name", "version": "version", "key": "key"},
    "model_version_alias.created": {"name": "model_name", "alias": "alias", "version": "version"},
    "model_version_alias.deleted": {"name": "model_name", "alias": "alias"},
}
EXAMPLES: dict[str, Any] = {
    "model_name": "example-model",
    "version": "1",
    "source": "s3://models/example/1",
    "run_id": "0123456789abcdef0123456789abcdef",
    "tags": {"example": "yes"},
    "description": "An example",
    "key": "example",
    "value": "yes",
    "alias": "champion",
}


def destinations(type: str, subject: str, data: Mapping[str, Any], team: Team, now: datetime) -> Iterator[Destination]:
    """One message per active webhook of the team that asks for this type. One query.

    An event whose data carry a `sequence` reaches each webhook once, however often it is published.
    """
    once = data.get("sequence") or uuid4()
    for webhook in Webhook.objects.filter(team=team, status=Webhook.Status.ACTIVE, deleted_at=None):
        body = body_for(webhook, type, data, now)
        if body is not None:
            order = f"endpoint:{data.get('endpoint') or subject}" if type == "deployment.activated" else ""
            yield Destination(TRANSPORT, str(webhook.pk), body, f"{type}:{subject}:{once}:{webhook.pk}"[:255], order)


def body_for(webhook: Webhook, type: str, data: Mapping[str, Any], now: datetime) -> bytes | None:
    """The bytes that this webhook gets for the event, or None if it does not ask for it."""
    if webhook.format == Webhook.Format.MLFLOW:
        event = _MLFLOW_OF.get(type, "")
        about_version = not type.startswith("tag.") or bool(data.get("version"))
        return mlflow_body(event, data, now) if event in webhook.events and about_version else None
    return standard_body(type, data, now) if any(fnmatchcase(type, one) for one in webhook.events) else None


def standard_body(type: str, data: Mapping[str, Any], now: datetime) -> bytes:
    """Type, time and facts, as Standard Webhooks has them; long texts are cut."""
    return _bytes({"type": type, "timestamp": _moment(now), "data": {key: _short(data[key]) for key in data}})


def mlflow_body(event: str, data: Mapping[str, Any], now: datetime) -> bytes:
    """The event as MLflow's own server words it."""
    entity, _, action = event.rpartition(".")
    told = {theirs: data.get(ours, "") for theirs, ours in _MLFLOW_FIELDS[event].items()}
    return _bytes({"entity": entity, "action": action, "timestamp": _moment(now), "data": told})


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        return value[: TEXT_LIMIT - 1] + "…"
    return value


def _bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

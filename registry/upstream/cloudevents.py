"""CloudEvents 1.0, structured and binary, as the values of a reported change; CDEvents name their kind themselves."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mlops_portal.kit.errors import Invalid
from registry.models import ChangeEvent

VERSION = "1.0"
HEADER = "ce-"
# Fields of a change that may stand in `data`; everything else in it is kept as the payload.
OURS = ("kind", "title", "model", "endpoint", "source", "feature", "started_at", "ended_at", "severity", "actor", "url")
KINDS: dict[str, str] = {  # beginning of a CDEvents type -> kind
    "dev.cdevents.service.": ChangeEvent.Kind.DEPLOY,
    "dev.cdevents.environment.modified": ChangeEvent.Kind.INFRASTRUCTURE,
    "dev.cdevents.incident.detected": ChangeEvent.Kind.INCIDENT,
}


def from_cloudevent(headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values of the change that a CloudEvent reports, or None if the request is none.

    Binary: the attributes are `ce-*` headers and the body is the data. Structured: the body holds both. Raises Invalid
    for another version, a missing attribute, or data that is no JSON object.
    """
    named = {name.lower(): value for name, value in headers.items()}
    if f"{HEADER}specversion" in named:
        attributes: dict[str, Any] = {
            name.removeprefix(HEADER): unquote(value) for name, value in named.items() if name.startswith(HEADER)
        }
        return _values(attributes, body)
    if "specversion" not in body:
        return None
    if "data_base64" in body:
        raise Invalid("Send the data as JSON in `data`, not as base64.", field="data_base64")
    return _values(body, body.get("data", {}))


def _values(attributes: Mapping[str, Any], data: Any) -> dict[str, Any]:
    if attributes.get("specversion") != VERSION:
        raise Invalid(f"specversion has to be {VERSION}.", field="specversion")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise Invalid(f"A CloudEvent needs the attribute {name}, a text.", field=name)
    if not isinstance(data, Mapping):
        raise Invalid("The data has to be a JSON object.", field="data")
    values = {name: data[name] for name in OURS if name in data and not _is_of_cdevents(attributes, name)}
    values |= {"origin": attributes["source"], "event_id": attributes["id"]}
    if "kind" not in values:
        values["kind"] = _kind(attributes["type"])
    values.setdefault("title", _title(attributes, data))
    if attributes.get("time"):
        values.setdefault("started_at", attributes["time"])
    rest = {name: value for name, value in data.items() if name not in values or name in {"origin", "event_id"}}
    return values | {"payload": {"type": attributes["type"], **({"data": rest} if rest else {})}}


def _is_of_cdevents(attributes: Mapping[str, Any], name: str) -> bool:
    """A CDEvent's data hold `context` and `subject`, in which names mean other things."""
    return name == "source" and str(attributes["type"]).startswith("dev.cdevents.")


def _kind(type: str) -> str:
    for beginning, kind in KINDS.items():
        if type.startswith(beginning):
            return kind
    known = ", ".join(ChangeEvent.Kind.values)
    raise Invalid(f"The type {type[:64]!r} says nothing of its kind; put `kind` into the data: {known}.", field="kind")


def _title(attributes: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The words of the type, and what it is about: "service deployed: pos-api"."""
    subject = data.get("subject")
    about = subject.get("id") if isinstance(subject, Mapping) else attributes.get("subject")
    words = [part for part in str(attributes["type"]).split(".") if not part.isdecimal()]
    what = " ".join(words[2:] if words[:2] == ["dev", "cdevents"] else words)
    return (f"{what}: {about}" if isinstance(about, str) and about else what)[:256]

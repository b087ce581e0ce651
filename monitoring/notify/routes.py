"""Who is written to when an alert moves: the resolver that `OUTBOX_DESTINATIONS` names."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.template.loader import render_to_string

from mlops_portal.kit import wording
from monitoring.models import Alert
from registry.models import RegisteredModel, Role, Team, User
from registry.outbox import Destination

SUBJECT_LENGTH = 200
HEADLINES = {
    "alert.opened": "New alert",
    "alert.reopened": "Alert is back",
    "alert.raised": "Alert is worse",
    "alert.reminded": "Still open, nobody answers for it",
    "alert.closed": "Alert is over",
}


def destinations(type: str, subject: str, data: Mapping[str, Any], team: Team, now: datetime) -> Iterator[Destination]:
    """E-mail to the people of the alert's model: owner, deputy and the team's contact, each once.

    Where none of them has an address, to the team's maintainers. Information only is shown in the portal, never sent.
    The letter is written here, so that what is stored is what is sent, and a replay sends the same.
    """
    if type not in HEADLINES or data["severity"] == Alert.Severity.INFO:
        return
    letter = _letter(type, data)
    for address in _addresses(data["model_id"], team):
        yield Destination("email", address, letter, f"{type}:{subject}:{data['sequence']}:{address}")


def _addresses(model_id: str, team: Team) -> list[str]:
    model = RegisteredModel.objects.select_related("owner", "deputy").filter(pk=model_id).first()
    people = [model.owner, model.deputy] if model else []
    found = [person.email for person in people if person and person.is_active]
    if _is_address(team.contact):
        found.append(team.contact)
    if not found:
        maintainers = User.objects.filter(memberships__team=team, memberships__role=Role.MAINTAINER, is_active=True)
        found = list(maintainers.order_by("username").values_list("email", flat=True))
    once = {address.casefold(): address for address in reversed(found)}
    return list(reversed(once.values()))


def _is_address(contact: str) -> bool:
    """A team's contact is free text; only an address can be written to."""
    try:
        validate_email(contact)
    except ValidationError:
        return False
    return True


def _letter(type: str, data: Mapping[str, Any]) -> bytes:
    headline = HEADLINES[type]
    facts = {
        "headline": headline,
        "alert": data,
        "severity": Alert.Severity(data["severity"]).label,
        "family": Alert.Family(data["family"]).label,
        "since": _moment(data["since_at"]),
        "opened": _moment(data["opened_at"]),
        "closed": _moment(data["closed_at"]),
    }
    subject = f"{headline}: {data['model_name']}: {data['summary']}"
    letter = {
        "subject": " ".join(subject.split())[:SUBJECT_LENGTH],
        "text": render_to_string("email/alert.txt", facts),
        "html": render_to_string("email/alert.html", facts),
    }
    return json.dumps(letter, ensure_ascii=False, sort_keys=True).encode()


def _moment(text: str | None) -> str:
    return f"{wording.moment(datetime.fromisoformat(text))} UTC" if text else ""

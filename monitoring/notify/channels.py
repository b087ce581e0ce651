"""Who is written to when a webhook falls silent: the team's maintainers, by e-mail."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from registry.models import Role, Team, User
from registry.outbox import Destination


def destinations(type: str, subject: str, data: Mapping[str, Any], team: Team, now: datetime) -> Iterator[Destination]:
    """One letter to each maintainer of the team whose webhook was disabled."""
    if type != "channel.disabled":
        return
    facts = {"webhook": data, "team": team, "page": f"{settings.PUBLIC_URL}/webhooks/{data['id']}/"}
    letter = {
        "subject": " ".join(f"Webhook disabled: {data['name']}".split())[:200],
        "text": render_to_string("email/webhook.txt", facts),
        "html": render_to_string("email/webhook.html", facts),
    }
    body = json.dumps(letter, ensure_ascii=False, sort_keys=True).encode()
    maintainers = User.objects.filter(memberships__team=team, memberships__role=Role.MAINTAINER, is_active=True)
    for address in maintainers.order_by("username").values_list("email", flat=True):
        yield Destination("email", address, body, f"{type}:{subject}:{now.isoformat()}:{address}"[:255])

"""What an alert says to the outside: thin facts, written to the outbox in the transaction of the change."""

from datetime import datetime
from typing import Any

from django.conf import settings

from monitoring.models import Alert
from registry import outbox


def url(alert: Alert) -> str:
    """The address of the alert's page; reading it needs a sign-in."""
    return f"{settings.PUBLIC_URL}/alerts/{alert.pk}/"


def document(alert: Alert) -> dict[str, Any]:
    """The alert as a message gives it; a receiver drops a message whose sequence it has passed."""
    return {
        "id": str(alert.pk),
        "model": alert.model.slug,
        "model_id": str(alert.model_id),
        "model_name": alert.model.name,
        "endpoint": alert.endpoint,
        "family": alert.family,
        "severity": alert.severity,
        "state": alert.state,
        "summary": alert.summary,
        "since_at": _text(alert.since_at),
        "opened_at": _text(alert.opened_at),
        "closed_at": _text(alert.closed_at),
        "close_reason": alert.close_reason,
        "reopen_count": alert.reopen_count,
        "sequence": alert.sequence,
        "url": url(alert),
    }


def publish(alert: Alert, verb: str, *, now: datetime) -> None:
    """Write one message per destination: `alert.opened`, `reopened`, `raised`, `closed` or `reminded`."""
    outbox.publish(f"alert.{verb}", str(alert.pk), document(alert), team=alert.model.team, now=now)


def _text(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None

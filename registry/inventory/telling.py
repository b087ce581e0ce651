"""What the outside learns of the inventory: one event per fact, written in the transaction of the fact."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from registry import outbox
from registry.models import Endpoint, ModelVersion, RegisteredModel


def tell(type: str, about: RegisteredModel | ModelVersion, *, now: datetime, **facts: Any) -> None:
    """Publish the event to whoever asked for its type; facts come on top of model, name and version."""
    model = about.model if isinstance(about, ModelVersion) else about
    data = {"id": str(about.pk), "model": model.slug, "model_name": model.name} | facts
    if isinstance(about, ModelVersion):
        data["version"] = str(about.number)
    outbox.publish(type, str(about.pk), data, team=model.team, now=now)


def tell_of_endpoint(endpoint: Endpoint, fields: Iterable[str], *, now: datetime) -> None:
    """Publish that these fields of the endpoint changed; of a new one all of them, of a retired one `retired_at`."""
    data = {
        "id": str(endpoint.pk),
        "endpoint": endpoint.slug,
        "model": endpoint.model.slug,
        "model_name": endpoint.model.name,
        "environment": endpoint.environment_id,
        "fields": sorted(fields),
        "retired": endpoint.retired_at is not None,
    }
    outbox.publish("endpoint.changed", str(endpoint.pk), data, team=endpoint.model.team, now=now)

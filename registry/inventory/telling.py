"""What the outside learns of the inventory: one event per fact, written in the transaction of the fact."""

from datetime import datetime
from typing import Any

from registry import outbox
from registry.models import ModelVersion, RegisteredModel


def tell(type: str, about: RegisteredModel | ModelVersion, *, now: datetime, **facts: Any) -> None:
    """Publish the event to whoever asked for its type; facts come on top of model, name and version."""
    model = about.model if isinstance(about, ModelVersion) else about
    data = {"model": model.slug, "model_name": model.name} | facts
    if isinstance(about, ModelVersion):
        data["version"] = str(about.number)
    outbox.publish(type, str(about.pk), data, team=model.team, now=now)

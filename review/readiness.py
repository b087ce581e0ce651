"""What review can say of a model's week-three readiness (`registry/readiness.py` says what that is)."""

from collections.abc import Iterable
from datetime import datetime

from registry.models import RegisteredModel
from registry.readiness import Items, ReadinessItem

TITLE = "Human sampling with a quota, or a reason why not"


def readiness(models: Iterable[RegisteredModel], *, now: datetime) -> Items:
    """One item for each model. Quotas are not kept yet, so nobody samples, and unknown is no."""
    return {model.pk: [ReadinessItem("sampling", TITLE, "sampling is not set up")] for model in models}

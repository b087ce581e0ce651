"""What readiness has found out about a model, kept beside it."""

from collections.abc import Sequence
from datetime import datetime

from registry.models import RegisteredModel
from registry.readiness import ReadinessItem


def record_readiness(model: RegisteredModel, items: Sequence[ReadinessItem], *, now: datetime) -> RegisteredModel:
    """Keep the answers and the share of those that are yes.

    It is found out, not decided: neither the state that clients compare nor the time of the last change moves, and
    the trail has no entry. An older answer never replaces a newer one.
    """
    share = sum(item.holds for item in items) / len(items) if items else None
    documents = [item.document() for item in items]
    older = RegisteredModel.objects.filter(pk=model.pk).exclude(readiness_at__gt=now)
    older.update(readiness=documents, readiness_share=share, readiness_at=now)
    model.refresh_from_db(fields=["readiness", "readiness_share", "readiness_at"])
    return model

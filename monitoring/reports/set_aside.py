"""Items that were set aside: how many of each reason, and whether a replay could bring them in."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q

from monitoring.models import QuarantinedItem
from registry.models import RegisteredModel


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """The items of one code. waiting: can be replayed; lost: were not kept whole; replayed: have come in."""

    code: str
    waiting: int
    lost: int
    replayed: int
    first_at: datetime
    newest_at: datetime


def set_aside(model: RegisteredModel) -> list[ReasonRow]:
    """The reasons for which items of the model were set aside, the most frequent first; one query."""
    can = Q(replayed_at=None, is_whole=True) & ~Q(code="request_id_conflict")
    by_code = QuarantinedItem.objects.filter(model=model).values("code").order_by()
    counted = by_code.annotate(
        n=Count("pk"),
        waiting=Count("pk", filter=can),
        replayed=Count("pk", filter=Q(replayed_at__isnull=False)),
        first_at=Min("created_at"),
        newest_at=Max("created_at"),
    )
    return [
        ReasonRow(
            row["code"],
            row["waiting"],
            row["n"] - row["waiting"] - row["replayed"],
            row["replayed"],
            row["first_at"],
            row["newest_at"],
        )
        for row in counted.order_by("-n", "code")
    ]

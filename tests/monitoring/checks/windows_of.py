"""Windows of known content, as the checks read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import numpy as np

from monitoring.checks.base import FeatureInfo, Labels, Usage, VersionWindow, WindowData
from monitoring.stats.columns import Column
from monitoring.stats.grid import FeatureSpec, Grid, freeze
from monitoring.stats.profile import CostProfile, LatencyProfile, Operations, Profile, build, build_labels
from monitoring.stats.profile.costs import StageColumns

START = datetime(2026, 10, 1, tzinfo=UTC)
VERSION = UUID(int=7)
DAY = timedelta(days=1)


def rng(seed: int = 7) -> np.random.Generator:
    """A generator of its own for each test."""
    return np.random.default_rng(seed)


def frozen(columns: Mapping[str, Column], *, segments: Sequence[str] = (), score: Column | None = None, **kind) -> Grid:
    """A grid of these reference columns; text columns are categories."""
    specs = [
        FeatureSpec(name, "number" if _is_number(column) else "category", segment=name in segments)
        for name, column in columns.items()
    ]
    return freeze(columns, specs, score, **kind)


def _is_number(column: Column) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind in "fi"


def version(
    reference: Profile | None,
    current: Profile | None,
    *,
    importance: Mapping[str, float] | None = None,
    dropped: Sequence[str] = (),
    number: int = 1,
    id: UUID = VERSION,
    labels: Labels | None = None,
    dimensions: Sequence[str] | None = None,
) -> VersionWindow:
    """One version's share of a window, with the features of its grid."""
    profile = current or reference
    names = list(profile.grid.features) if profile else []
    known = importance or {}
    grid = profile.grid if profile else labels.profile.grid if labels and labels.profile else None
    return VersionWindow(
        id=id,
        number=number,
        current=current,
        reference=reference,
        features=tuple(FeatureInfo(name, known.get(name), name in dropped) for name in names),
        dimensions=tuple(grid.segments if grid and dimensions is None else dimensions or ()),
        labels=labels,
    )


def window(*versions: VersionWindow, usage: Usage | None = None, task: str = "binary", **fields) -> WindowData:
    """A window of seven days."""
    rows = fields.pop("rows", sum(one.rows for one in versions) or sum(h.rows for h in (usage or Usage()).current))
    return WindowData(task, START, START + 7 * DAY, rows, versions, usage or Usage(), **fields)


def compared(before: Mapping[str, Column], now: Mapping[str, Column], *, segments: Sequence[str] = ()) -> WindowData:
    """A window with these columns against a reference with those."""
    grid = frozen(before, segments=segments)
    return window(version(build(before, grid), build(now, grid)))


@dataclass(frozen=True)
class HourOf:
    """An hour profile that no database holds."""

    version_id: UUID
    endpoint: str
    hour: datetime
    rows: int
    errors: int
    fallbacks: int
    calls: int
    amount: Decimal
    amount_missing: int
    blob: bytes


def hour(
    at: datetime,
    *,
    rows: int = 10,
    latency: Column | None = None,
    cost: float | None = None,
    stages: Mapping[str, float] | None = None,
    calls: int | None = None,
    errors: int = 0,
    fallbacks: int = 0,
    endpoint: str = "score",
    version_id: UUID = VERSION,
) -> HourOf:
    """One hour; cost per row."""
    per_stage = stages if stages is not None else {} if cost is None else {"main": cost}
    costs = CostProfile.of({name: StageColumns(np.full(rows, amount)) for name, amount in per_stage.items()})
    held = Operations(
        rows, fallbacks, errors, LatencyProfile.of(np.asarray(latency if latency is not None else [], float)), costs
    )
    return HourOf(
        version_id,
        endpoint,
        at,
        rows,
        errors,
        fallbacks,
        rows if calls is None else calls,
        Decimal(repr(costs.amount)),
        0 if per_stage else rows,
        held.dumps(),
    )


def days_of(first: datetime, count: int, **fields) -> list[HourOf]:
    """One hour at noon of each day."""
    return [hour(first + n * DAY + timedelta(hours=12), **fields) for n in range(count)]


def labels_of(
    task: str,
    *,
    label: Column,
    score: Column | None = None,
    prediction: Column | None = None,
    base: tuple[Column, Column] | None = None,
    base_prediction: Column | None = None,
    segment: Column | None = None,
    base_segment: Column | None = None,
    mature: bool = True,
    rows: int | None = None,
    **kind,
) -> Labels:
    """Outcomes of a window; base: label and score of the reference."""
    values = segment if segment is not None else ["all"] * len(label)
    known = base_segment if base_segment is not None else values
    grid = frozen({"region": list(known)}, segments=["region"], score=score, **kind)
    joined = build_labels(score, prediction, label, {"region": list(values)}, grid, task)
    before = None
    if base is not None:
        where = {"region": list(base_segment) if base_segment is not None else ["all"] * len(base[0])}
        before = build_labels(base[1], base_prediction, base[0], where, grid, task)
    return Labels(rows or joined.rows, joined.n_labelled, joined, before, mature)


def new_id() -> UUID:
    """Another version."""
    return uuid4()

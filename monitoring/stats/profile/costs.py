"""What predictions cost, by stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from monitoring.stats.arrays import FloatArray
from monitoring.stats.columns import as_floats

MAIN_STAGE = "main"


@dataclass(frozen=True, slots=True)
class StageColumns:
    """One stage of a chunk: an amount per row, NaN where the row has no price; calls and units likewise."""

    amount: FloatArray
    calls: FloatArray | None = None
    units: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class StageCost:
    """The sums of one stage over the rows that went through it; n: those rows."""

    n: int = 0
    calls: float = 0.0
    units: float = 0.0
    amount: float = 0.0

    def __add__(self, other: "StageCost") -> "StageCost":
        return StageCost(
            self.n + other.n, self.calls + other.calls, self.units + other.units, self.amount + other.amount
        )


@dataclass(frozen=True, slots=True)
class CostProfile:
    """Costs by stage; n_missing: rows without the price of any stage."""

    stages: dict[str, StageCost] = field(default_factory=dict)
    n_missing: int = 0

    @property
    def amount(self) -> float:
        return sum(stage.amount for stage in self.stages.values())

    @classmethod
    def of(cls, cost: FloatArray | Mapping[str, StageColumns]) -> "CostProfile":
        """Add up costs: one amount per row (stage "main"), or one StageColumns per stage.

        >>> CostProfile.of(np.array([0.5, np.nan, 0.25])).stages["main"]
        StageCost(n=2, calls=2.0, units=0.0, amount=0.75)
        """
        stages = cost if isinstance(cost, Mapping) else {MAIN_STAGE: StageColumns(as_floats(cost))}
        priced = [np.isfinite(columns.amount) for columns in stages.values()]
        return cls(
            stages={name: _stage_cost(columns) for name, columns in stages.items()},
            n_missing=int((~np.logical_or.reduce(priced)).sum()) if priced else 0,
        )

    def __add__(self, other: "CostProfile") -> "CostProfile":
        names = sorted({*self.stages, *other.stages})
        stages = {name: self.stages.get(name, StageCost()) + other.stages.get(name, StageCost()) for name in names}
        return CostProfile(stages=stages, n_missing=self.n_missing + other.n_missing)


def _stage_cost(columns: StageColumns) -> StageCost:
    priced = np.isfinite(columns.amount)
    n = int(priced.sum())
    return StageCost(
        n=n,
        calls=float(n) if columns.calls is None else _sum(columns.calls[priced]),
        units=0.0 if columns.units is None else _sum(columns.units[priced]),
        amount=_sum(columns.amount[priced]),
    )


def _sum(values: FloatArray) -> float:
    """Return the sum of what is finite; beyond the largest float it stays there."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.nan_to_num(values[np.isfinite(values)].sum()))

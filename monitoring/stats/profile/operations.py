"""What running a model took: latency and cost. Needs no grid, so it is known before any reference."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.codec import compress, decompress, pack, reading, unpack
from monitoring.stats.profile.costs import CostProfile, StageCost
from monitoring.stats.profile.latencies import LatencyProfile

MAGIC = b"MLO1"
_LATENCY_SCALARS = ("n_zero", "n_invalid", "minimum", "maximum", "total")
_COUNTERS = ("rows", "n_fallback", "n_error")


@dataclass(frozen=True, slots=True)
class Operations:
    """Rows, fallbacks, errors, latency and cost of an hour or window; add them with `+`."""

    rows: int = 0
    n_fallback: int = 0
    n_error: int = 0
    latency: LatencyProfile = field(default_factory=LatencyProfile.empty)
    cost: CostProfile = field(default_factory=CostProfile)

    def __add__(self, other: "Operations") -> "Operations":
        return Operations.merge_all([self, other])

    @classmethod
    def merge_all(cls, parts: Sequence["Operations"]) -> "Operations":
        """Return all of them together; of none, the empty one."""
        return cls(
            rows=sum(part.rows for part in parts),
            n_fallback=sum(part.n_fallback for part in parts),
            n_error=sum(part.n_error for part in parts),
            latency=LatencyProfile.merge_all([part.latency for part in parts]),
            cost=sum((part.cost for part in parts), start=CostProfile()),
        )

    def dumps(self) -> bytes:
        """Return the bytes: equal content gives equal bytes."""
        header = {name: getattr(self, name) for name in _COUNTERS}
        return compress(pack(MAGIC, header | scalars(self.latency, self.cost), arrays(self.latency)))

    @classmethod
    def loads(cls, blob: bytes) -> "Operations":
        """Return what these bytes hold. Raises ValueError if they are damaged or of another kind."""
        header, held = unpack(MAGIC, decompress(blob))
        with reading():
            latency, cost = restored(header, held)
            rows, n_fallback, n_error = (header[name] for name in _COUNTERS)
            return cls(rows, n_fallback, n_error, latency, cost)


def scalars(latency: LatencyProfile, cost: CostProfile) -> dict[str, object]:
    """Return the JSON part of latency and cost."""
    stages = {name: asdict(stage) for name, stage in cost.stages.items()}
    return {
        "latency": {name: getattr(latency, name) for name in _LATENCY_SCALARS},
        "cost": {"stages": stages, "missing": cost.n_missing},
    }


def arrays(latency: LatencyProfile) -> dict[str, NDArray[Any]]:
    """Return the array part of a latency profile."""
    return {"latency.keys": latency.keys, "latency.counts": latency.counts}


def restored(header: dict[str, Any], held: dict[str, NDArray[Any]]) -> tuple[LatencyProfile, CostProfile]:
    """Return latency and cost from their JSON and array parts."""
    keys = held["latency.keys"].astype(np.uint16)
    stages = {name: StageCost(**stage) for name, stage in sorted(header["cost"]["stages"].items())}
    return (
        LatencyProfile(keys=keys, counts=held["latency.counts"], **header["latency"]),
        CostProfile(stages=stages, n_missing=header["cost"]["missing"]),
    )

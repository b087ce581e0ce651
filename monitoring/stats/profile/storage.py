"""Profiles as bytes: deflated, about half a kilobyte per numeric feature; equal profiles give equal bytes."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.stats.codec import compress, decompress, pack, unpack
from monitoring.stats.grid import Grid
from monitoring.stats.profile.costs import CostProfile, StageCost
from monitoring.stats.profile.latencies import LatencyProfile
from monitoring.stats.profile.window import Profile, SegmentCounts

MAGIC = b"MLP1"
_COUNTERS = ("rows", "n_fallback", "n_error", "n_decided", "n_positive")
_LATENCY_SCALARS = ("n_zero", "n_invalid", "minimum", "maximum", "total")


def dumps(profile: Profile) -> bytes:
    """Return the bytes of a profile."""
    latency, cost = profile.latency, profile.cost
    header: dict[str, object] = {name: getattr(profile, name) for name in _COUNTERS}
    header |= {
        "grid": profile.grid_id,
        "first_at": profile.first_at.isoformat() if profile.first_at else None,
        "last_at": profile.last_at.isoformat() if profile.last_at else None,
        "latency": {name: getattr(latency, name) for name in _LATENCY_SCALARS},
        "cost": {"stages": {name: asdict(stage) for name, stage in cost.stages.items()}, "missing": cost.n_missing},
        "other_top": profile.other_top,
    }
    arrays: dict[str, NDArray[Any]] = {
        "counts": profile.counts,
        "tallies": profile.tallies,
        "moments": profile.moments,
        "latency.keys": latency.keys,
        "latency.counts": latency.counts,
    }
    for position, name in enumerate(sorted(profile.segments)):
        counts = profile.segments[name]
        arrays |= {f"segment.{position}.{part}": getattr(counts, part) for part in ("rows", "nulls", "headline")}
    return compress(pack(MAGIC, header, arrays))


def loads(blob: bytes, grid: Grid) -> Profile:
    """Return the profile of these bytes.

    Raises ValueError if they are damaged, of another kind or counted on another grid.
    """
    header, arrays = unpack(MAGIC, decompress(blob))
    if header["grid"] != grid.id:
        raise ValueError("this profile is counted on another grid")
    return Profile(
        grid=grid,
        counts=arrays["counts"],
        tallies=arrays["tallies"],
        moments=arrays["moments"],
        segments={
            name: SegmentCounts(*(arrays[f"segment.{position}.{part}"] for part in ("rows", "nulls", "headline")))
            for position, name in enumerate(sorted(grid.segments))
        },
        latency=LatencyProfile(
            keys=arrays["latency.keys"].astype(np.uint16), counts=arrays["latency.counts"], **header["latency"]
        ),
        cost=CostProfile(
            stages={name: StageCost(**stage) for name, stage in header["cost"]["stages"].items()},
            n_missing=header["cost"]["missing"],
        ),
        other_top={
            key: dict(sorted(top.items(), key=lambda item: (-item[1], item[0])))
            for key, top in header["other_top"].items()
        },
        first_at=_time(header["first_at"]),
        last_at=_time(header["last_at"]),
        **{name: header[name] for name in _COUNTERS},
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

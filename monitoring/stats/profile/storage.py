"""Profiles as bytes: deflated, about half a kilobyte per numeric feature; equal profiles give equal bytes."""

from datetime import datetime
from typing import Any

from numpy.typing import NDArray

from monitoring.stats.codec import compress, decompress, pack, reading, unpack
from monitoring.stats.grid import Grid
from monitoring.stats.profile.categories import top_values
from monitoring.stats.profile.operations import arrays, restored, scalars
from monitoring.stats.profile.window import MOMENTS, TALLIES, Profile, SegmentCounts

MAGIC = b"MLP1"
_COUNTERS = ("rows", "n_fallback", "n_error", "n_decided", "n_positive")
_SEGMENT_PARTS = ("rows", "nulls", "headline")


def dumps(profile: Profile) -> bytes:
    """Return the bytes of a profile.

    >>> from monitoring.stats.grid import freeze
    >>> empty = Profile.empty(freeze({}, []))
    >>> dumps(loads(dumps(empty), empty.grid)) == dumps(empty)
    True
    """
    header: dict[str, object] = {name: getattr(profile, name) for name in _COUNTERS}
    header |= {
        "grid": profile.grid_id,
        "first_at": profile.first_at.isoformat() if profile.first_at else None,
        "last_at": profile.last_at.isoformat() if profile.last_at else None,
        "other_top": profile.other_top,
        **scalars(profile.latency, profile.cost),
    }
    held: dict[str, NDArray[Any]] = {
        "counts": profile.counts,
        "tallies": profile.tallies,
        "moments": profile.moments,
        **arrays(profile.latency),
    }
    for position, name in enumerate(sorted(profile.segments)):
        counts = profile.segments[name]
        held |= {f"segment.{position}.{part}": getattr(counts, part) for part in _SEGMENT_PARTS}
    return compress(pack(MAGIC, header, held))


def loads(blob: bytes, grid: Grid) -> Profile:
    """Return the profile of these bytes.

    Raises ValueError if they are damaged, of another kind or counted on another grid.
    """
    header, held = unpack(MAGIC, decompress(blob))
    if header.get("grid") != grid.id:
        raise ValueError("this profile is counted on another grid")
    with reading():
        profile = _profile(header, held, grid)
    if not _fits(profile):
        raise ValueError("this profile does not have the cells of its grid")
    return profile


def _profile(header: dict[str, Any], held: dict[str, NDArray[Any]], grid: Grid) -> Profile:
    latency, cost = restored(header, held)
    return Profile(
        grid=grid,
        counts=held["counts"],
        tallies=held["tallies"],
        moments=held["moments"],
        segments={
            name: SegmentCounts(*(held[f"segment.{position}.{part}"] for part in _SEGMENT_PARTS))
            for position, name in enumerate(sorted(grid.segments))
        },
        latency=latency,
        cost=cost,
        other_top={key: top_values(top) for key, top in header["other_top"].items()},
        first_at=_time(header["first_at"]),
        last_at=_time(header["last_at"]),
        **{name: header[name] for name in _COUNTERS},
    )


def _fits(profile: Profile) -> bool:
    """Tell whether every array has the shape that the grid gives it."""
    grid, columns = profile.grid, len(profile.grid.slots)
    shapes = [
        (profile.counts, (grid.cells,)),
        (profile.tallies, (columns, TALLIES)),
        (profile.moments, (columns, MOMENTS)),
    ]
    for name, names in grid.segments.items():
        part, size = profile.segments[name], len(names)
        shapes += [(part.rows, (size,)), (part.nulls, (size, columns)), (part.headline, (size, grid.bins))]
    return all(array.shape == shape for array, shape in shapes)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

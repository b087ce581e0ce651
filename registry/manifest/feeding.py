"""The order in which sources are written: each after what feeds it."""

from collections.abc import Iterable, Mapping

from registry.manifest.faults import Notes
from registry.manifest.loading import Entry
from registry.models import Source


def fed_first(entries: Iterable[Entry], present: Mapping[str, Source], notes: Notes) -> list[Entry]:
    """The sources in such an order. Those of a circle are left out, and the circle is noted."""
    known = {entry.name: entry for entry in entries if entry.name}
    order: dict[str, Entry] = {}
    circled: set[str] = set()
    for start in known:
        path: list[str] = []
        slug: str | None = start
        while slug is not None and slug not in order and slug not in path and slug not in circled:
            path.append(slug)
            slug = _feeder(known.get(slug), present.get(slug))
        if slug is not None and slug in path:
            _note_circle(path[path.index(slug) :], known, notes)
            circled |= set(path)
        if slug in circled:
            continue
        order |= {each: known[each] for each in reversed(path) if each in known}
    return list(order.values())


def _feeder(entry: Entry | None, row: Source | None) -> str | None:
    """What will feed the source: as the manifest says, or else as it is."""
    if entry is not None and "fed_by" in entry.said:
        return entry.said["fed_by"] or None
    return row.fed_by.slug if row is not None and row.fed_by else None


def _note_circle(circle: list[str], known: Mapping[str, Entry], notes: Notes) -> None:
    culprit = next((known[slug] for slug in circle if slug in known), None)
    if culprit is not None:
        way = " ← ".join([*circle, circle[0]])
        detail = f"A source would feed itself: {way}. Take one fed_by out."
        notes.note(culprit.manifest.document, culprit.place("fed_by"), detail)

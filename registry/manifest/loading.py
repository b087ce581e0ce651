"""A manifest as typed values: its objects, with what is said about each and where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.manifest import fields
from registry.manifest.faults import Document, Notes, Path
from registry.manifest.fields import FEATURE, MANIFEST, TABLES, Reading, columns, read_table
from registry.manifest.reading import read_yaml

FORMAT = "inventory/v1"
_PLACES = {kind: columns(table) for kind, table in TABLES.items()}
_FEATURE_PLACES = columns(FEATURE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a manifest. said: columns with their values; what is left out is not said.

    broken: part of it could not be read, so it is not compared; what was wrong is noted.
    """

    kind: str
    name: str  # slug; of a consumer its name
    manifest: "Manifest"
    path: Path
    said: Mapping[str, Any]
    broken: bool = False
    parent: "Entry | None" = None

    def place(self, column: str) -> Path:
        """Where the manifest says it, or would."""
        return (*self.path, *_PLACES[self.kind].get(column, ()))

    def places(self) -> dict[str, Path]:
        """Where everything stands that a verb may name in a fault."""
        found = {column: (*self.path, *path) for column, path in _PLACES[self.kind].items()}
        for i in range(len(self.said.get("features") or ())):
            at = (*self.path, "features", i)
            found[f"features/{i}"] = at
            found |= {f"features/{i}/{column}": (*at, *path) for column, path in _FEATURE_PLACES.items()}
        found |= {f"output/{key}": (*self.path, "output", key) for key in fields.OUTPUT}
        return found


@dataclass(slots=True)
class Manifest:
    """One file: the team whose objects it describes, and the name under which it keeps them ("": it keeps none)."""

    document: Document
    name: str = ""
    team: str = ""
    entries: list[Entry] = field(default_factory=list)


def load_yaml(data: bytes, notes: Notes, file: str = "manifest") -> Manifest:
    """The manifest in the bytes of a YAML file. Every fault of the text or its shape is noted."""
    document = read_yaml(data, file, notes)
    return Manifest(document) if document.value is None else load(document, notes)


def load(document: Document, notes: Notes) -> Manifest:
    """The manifest in plain values. Every fault of its shape is noted."""
    reading, manifest = Reading(document, notes), Manifest(document)
    said = read_table(reading, (), document.value, MANIFEST)
    if said.get("portal", FORMAT) != FORMAT:
        reading.refuse(("portal",), f"{said['portal'][:64]!r} is not a format known here; write {FORMAT}.")
    manifest.name, manifest.team = said.get("name", ""), said.get("team", "")
    if len(manifest.name) > 128 or not manifest.name.isprintable():
        reading.refuse(("name",), "A name is one line of at most 128 characters.")
    for kind in ("source", "model"):
        manifest.entries += _entries(reading, kind, (f"{kind}s",), said.get(f"{kind}s", []), manifest)
    return manifest


def refuse_doubles(manifests: Sequence[Manifest], notes: Notes) -> None:
    """Note every object that is described twice, in one file or in several."""
    seen: dict[tuple[str, str], Entry] = {}
    for entry in (entry for manifest in manifests for entry in manifest.entries):
        if not entry.name:
            continue
        name = f"{entry.parent.name}/{entry.name}" if entry.parent and entry.kind == "consumer" else entry.name
        first = seen.setdefault((entry.kind, name), entry)
        if first is not entry:
            document = first.manifest.document
            where = f"{document.file}:{document.line(first.path)}"
            key = "name" if entry.kind == "consumer" else "slug"
            detail = f"The {entry.kind} {entry.name[:64]} is described twice, first at {where}; remove one."
            notes.note(entry.manifest.document, (*entry.path, key), detail, code="duplicate_key")


def _entries(
    reading: Reading, kind: str, path: Path, value: Any, manifest: Manifest, parent: Entry | None = None
) -> Iterator[Entry]:
    if not isinstance(value, list):
        reading.wrong_type(path, f"a list of {kind}s", value)
        return
    for i, item in enumerate(value):
        yield from _entry(reading, kind, (*path, i), item, manifest, parent)


def _entry(
    reading: Reading, kind: str, path: Path, item: Any, manifest: Manifest, parent: Entry | None
) -> Iterator[Entry]:
    before = len(reading.notes)
    said = read_table(reading, path, item, TABLES[kind])
    if "features" in said:
        said["features"] = _features(reading, (*path, "features"), said["features"])
    broken = len(reading.notes) > before
    nested = {key: said.pop(key) for key in ("endpoints", "consumers") if key in said}
    name = said.pop("name" if kind == "consumer" else "slug", "")
    entry = Entry(kind, name, manifest, path, said, broken, parent)
    yield entry
    for key, children in nested.items():
        yield from _entries(reading, key.removesuffix("s"), (*path, key), children, manifest, entry)


def _features(reading: Reading, path: Path, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        reading.wrong_type(path, "a list of features", value)
        return []
    return [read_table(reading, (*path, i), item, FEATURE) for i, item in enumerate(value)]

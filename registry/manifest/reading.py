"""YAML in: a small, safe part of it, with the line of every value.

Values are built from the parser's events, so nothing of YAML that runs, refers or expands can happen: tags, anchors,
aliases, directives and further documents are refused where they stand. Plain words mean what they mean in YAML 1.2:
`no` is a text, `1e-6` a number.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from registry.manifest.faults import Document, Notes, Path

LIMIT_BYTES = 1024 * 1024
DEPTH_LIMIT = 16
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
WHOLE = re.compile(r"[-+]?[0-9]{1,300}\Z")
REAL = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,5})?\Z")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Stop(Exception):
    """Reading on makes no sense."""


def read_yaml(data: bytes, file: str, notes: Notes) -> Document:
    """The manifest's values with their lines; what is wrong with the text is noted, and then the value is None."""
    empty = Document(file, None)
    if len(data) > LIMIT_BYTES:
        detail = f"It has {len(data)} bytes; {LIMIT_BYTES} is the most. Split it into several manifests."
        notes.note(empty, (), detail, code="too_large")
        return empty
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        notes.note(empty, (), f"Byte {error.start} is not UTF-8; save the file in UTF-8.", code="invalid_character")
        return empty
    return _Reading(text, file, notes).document()


def resolve(text: str) -> Any:
    """What a plain word means.

    >>> [resolve(word) for word in ("~", "true", "no", "24h", "12", "1e-6", ".5")]
    [None, True, 'no', '24h', 12, 1e-06, 0.5]
    """
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if WHOLE.match(text):
        return int(text)
    return float(text) if REAL.match(text) else text


class _Reading:
    """One pass over the events of a text."""

    def __init__(self, text: str, file: str, notes: Notes) -> None:
        self._text, self._file, self._notes = text, file, notes
        self._lines: dict[Path, int] = {}
        self._before = len(notes)
        self._events: Iterator[Any] = iter(())

    def document(self) -> Document:
        """The whole text."""
        value = None
        try:
            self._events = self._checked()
            value = self._value(next(self._events, None), ())
            for _ in self._events:
                pass
        except _Stop:
            pass
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = min(mark.line, self._text.count("\n")) + 1 if mark else 1
            self._refuse((), line, f"This is not YAML: {error.problem or error}.", "invalid_yaml")
        except yaml.YAMLError as error:  # a character that YAML does not take
            self._refuse((), 1, f"This is not YAML: {' '.join(str(error).split())[:200]}.", "invalid_yaml")
        return Document(self._file, None if len(self._notes) > self._before else value, self._lines)

    def _parsed(self) -> Iterator[Any]:
        yield from yaml.parse(self._text, Loader=_Loader)

    def _checked(self) -> Iterator[Any]:
        """The events of the first document that make values; what else YAML can do is refused."""
        documents = 0
        for event in self._parsed():
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse((), line, "A second document starts; put it into a file of its own.", "invalid_yaml")
                    raise _Stop
                if event.version or event.tags:
                    self._refuse((), line, "Directives (%) are not taken; leave them out.", "invalid_yaml")
            elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
                name = f"{sign}{str(event.anchor)[:32]}"
                self._refuse((), line, f"Anchors and aliases ({name}) are not taken; write it out.", "invalid_yaml")
                raise _Stop
            elif getattr(event, "tag", None):
                detail = f"The tag {str(event.tag)[:64]} is not taken; write plain values."
                self._refuse((), line, detail, "invalid_yaml")
                raise _Stop
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                yield event

    def _value(self, event: Any, path: Path) -> Any:
        if event is None:
            self._refuse((), 1, "It is empty; start with `portal: inventory/v1`.", "missing_field")
            raise _Stop
        line = event.start_mark.line + 1
        self._lines.setdefault(path, line)
        if len(path) > DEPTH_LIMIT:
            self._refuse((), line, f"It is nested more than {DEPTH_LIMIT} deep; a manifest is flatter.", "too_deep")
            raise _Stop
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else resolve(event.value)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(path, line, "A key is a word, not a list or an object; quote it.", "invalid_yaml")
                raise _Stop
            key, step = event.value, (*path, event.value)
            if key in made:
                first = self._lines[step]
                detail = f"It stands twice, first in line {first}; remove one."
                self._refuse(step, line, detail, "duplicate_key")
            self._lines[step] = line
            made[key] = self._value(next(self._events), step)
        return made

    def _sequence(self, path: Path) -> list[Any]:
        made: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            made.append(self._value(event, (*path, len(made))))
        return made

    def _refuse(self, path: Path, line: int, detail: str, code: str) -> None:
        self._notes.note(Document(self._file, None, {path: line}), path, detail, code=code)

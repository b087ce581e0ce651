"""A plan: what applying manifests changes, object by object."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_portal.kit.wording import listed
from registry.manifest.fields import TABLES, UNITS_S, columns

CREATE, CHANGE, RETIRE = "create", "change", "retire"
SIGNS = {CREATE: "+", CHANGE: "~", RETIRE: "-"}
VALUE_SHOWN = 120
_WORDS = {
    kind: {column: ".".join(map(str, path)) for column, path in columns(table).items()}
    for kind, table in TABLES.items()
}


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one object; fields: {key of the manifest: (before, after)}."""

    action: str
    kind: str
    name: str
    fields: Mapping[str, tuple[Any, Any]]
    line: int | None = None

    @property
    def sign(self) -> str:
        """+, ~ or -."""
        return SIGNS[self.action]

    def told(self) -> list[str]:
        """One line per field."""
        if self.action == CREATE:
            return [f"{key}: {shown(after)}" for key, (_, after) in self.fields.items()]
        return [f"{key}: {shown(before)} → {shown(after)}" for key, (before, after) in self.fields.items()]


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, in the order in which they are made."""

    changes: Sequence[Change]

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def sha256(self) -> str:
        """Names exactly these changes."""
        plain = [
            [each.action, each.kind, each.name, {k: list(v) for k, v in each.fields.items()}] for each in self.changes
        ]
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()

    def summary(self) -> str:
        """How many objects are created, changed and retired, in a sentence."""
        counts = Counter(each.action for each in self.changes)
        parts = [f"{counts[action]} to {action}" for action in SIGNS if counts[action]]
        return f"{listed(parts)}." if parts else "Nothing to change: the inventory is as the manifest says."

    def text(self) -> str:
        """The plan for a terminal."""
        lines: list[str] = []
        for each in self.changes:
            lines.append(f"{each.sign} {each.kind} {each.name}")
            lines += [f"    {line}" for line in each.told()]
        return "\n".join([*lines, self.summary()])


def in_words(kind: str, changed: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Changed columns by the keys that manifests have for them."""
    words = _WORDS[kind] | {"managed_by": "manifest"}
    found = {}
    for column, (before, after) in changed.items():
        pair = (_lag(before), _lag(after)) if column == "expected_lag_s" else (before, after)
        found[words.get(column, column)] = pair
    return found


def lag(seconds: int) -> str:
    """Seconds as manifests write them.

    >>> lag(86_400), lag(90), lag(0)
    ('1d', '90s', '0s')
    """
    unit = next((unit for unit, size in UNITS_S.items() if seconds and seconds % size == 0), "s")
    return f"{seconds // UNITS_S[unit]}{unit}"


def shown(value: Any) -> str:
    """A value as the plan shows it, cut to one short line."""
    if value in (None, "", [], {}, ()):
        return "—"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def _lag(seconds: int | None) -> str | None:
    return None if seconds is None else lag(seconds)

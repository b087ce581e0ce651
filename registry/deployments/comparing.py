"""What differs between two revisions, leaf by leaf."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.models import Deployment

_ABSENT = object()
_OF_EVERY_REVISION = frozenset({"revision", "sha256"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that differs; None on the side where it is absent."""

    path: str
    was: str | None
    now: str | None


def differences(before: Deployment | None, after: Deployment | None) -> list[Difference]:
    """Every leaf of the served documents that differs, by path; arms are told apart by their labels."""
    old, new = dict(_leaves(_document(before))), dict(_leaves(_document(after)))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Difference(path, old.get(path), new.get(path))
        for path in sorted(paths)
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]


def _document(deployment: Deployment | None) -> dict[str, Any]:
    if deployment is None:
        return {}
    served: dict[str, Any] = json.loads(deployment.document)
    arms = {arm["label"]: {name: arm[name] for name in arm if name != "label"} for arm in served["arms"]}
    return {name: value for name, value in served.items() if name not in _OF_EVERY_REVISION} | {"arms": arms}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    elif path:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

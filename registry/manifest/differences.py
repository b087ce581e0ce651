"""What manifests say otherwise than the inventory."""

from collections.abc import Mapping, Sequence
from typing import Any

from registry.inventory import FeatureDraft
from registry.inventory.features import described
from registry.inventory.output import check_output
from registry.manifest.loading import Entry
from registry.manifest.present import Row, columns_of
from registry.rules import Checked

Changed = dict[str, tuple[Any, Any]]
LISTS = frozenset({"features", "tags"})  # compared item by item


def changed_columns(entry: Entry, row: Row | None) -> Changed:
    """Each column whose value is to become another: (before, after)."""
    said = {key: value for key, value in entry.said.items() if key not in LISTS}
    if row is None:
        return {key: (None, value) for key, value in said.items()}
    now = columns_of(entry.kind, row)
    if (
        entry.kind == "model" and "output" in said
    ):  # completed as the verb will complete it, which also tells its faults
        said["output"] = check_output(Checked(), str(said.get("task", now["task"])), said["output"])
    if entry.manifest.name:
        said["managed_by"] = entry.manifest.name
    return {key: (now[key], value) for key, value in said.items() if now[key] != value}


def changed_features(before: Sequence[FeatureDraft], after: Sequence[FeatureDraft]) -> Changed:
    """What becomes of each feature, or else of their order."""
    was, is_now = ({draft.name: described(draft) for draft in side} for side in (before, after))
    names = [*was, *(name for name in is_now if name not in was)]
    changed: Changed = {
        f"features.{name}": (was.get(name), is_now.get(name)) for name in names if was.get(name) != is_now.get(name)
    }
    if not changed and [*was] != [*is_now]:
        changed["features"] = ([*was], [*is_now])
    return changed


def changed_tags(before: Mapping[str, str], said: Mapping[str, str | None]) -> Changed:
    """What becomes of each tag; None: it goes."""
    return {key: (before.get(key), value) for key, value in said.items() if before.get(key) != value}

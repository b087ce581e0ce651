"""What a model answers: the kind of its score, its classes, its range. One JSON value, checked by task."""

from collections.abc import Mapping
from typing import Any

from registry.models import RegisteredModel
from registry.rules import Checked, is_printable_name

SCORES = ("probability", "number", "none")
CLASSES_LIMIT = 1000
KEYS = frozenset({"score", "classes", "positive", "range", "unit"})
_DEFAULTS: dict[str, dict[str, Any]] = {
    RegisteredModel.Task.BINARY: {
        "score": "probability",
        "classes": ["0", "1"],
        "positive": "1",
        "range": [0, 1],
        "unit": None,
    },
    RegisteredModel.Task.MULTICLASS: {"score": "none", "classes": [], "positive": "", "range": None, "unit": None},
    RegisteredModel.Task.REGRESSION: {"score": "number", "classes": [], "positive": "", "range": None, "unit": None},
    RegisteredModel.Task.RANKING: {"score": "none", "classes": [], "positive": "", "range": None, "unit": None},
}


def check_output(checked: Checked, task: str, output: Mapping[str, Any] | None) -> dict[str, Any]:
    """The complete output description: what is given over the defaults of the task.

    Faults are noted: classes for a task without classes, a binary task without exactly two, a positive class that is
    none of them, a range that runs backwards, anything at all while the task is not said.
    """
    given = dict(output or {})
    if not task:
        if given:
            checked.refuse("output", "What it answers depends on its task; say the task as well.", code="task_not_said")
        return {}
    full = _DEFAULTS.get(task, _DEFAULTS[RegisteredModel.Task.RANKING]) | given
    if unknown := given.keys() - KEYS:
        checked.refuse("output", f"{sorted(unknown)[0][:64]!r} is none of {', '.join(sorted(KEYS))}.")
        return full
    if given.get("score") == "number" and "range" not in given:
        full["range"] = None
    _check_score(checked, full)
    _check_classes(checked, task, full, is_positive_given="positive" in given)
    return full


def _check_score(checked: Checked, full: dict[str, Any]) -> None:
    if full["score"] not in SCORES:
        checked.refuse("output/score", f"{str(full['score'])[:64]!r} is none of {', '.join(SCORES)}.")
    bounds = full["range"]
    if bounds is not None and not _is_range(bounds):
        checked.refuse("output/range", f"{str(bounds)[:64]} is not a range; write [0, 1], low end first.")
    unit = full["unit"]
    if unit is not None and not (isinstance(unit, str) and len(unit) <= 16 and is_printable_name(unit)):
        checked.refuse("output/unit", "A unit is a short text such as min or EUR.")


def _check_classes(checked: Checked, task: str, full: dict[str, Any], *, is_positive_given: bool) -> None:
    classes = full["classes"]
    if not _are_labels(classes):
        checked.refuse("output/classes", f"Classes are up to {CLASSES_LIMIT} different short texts.")
        return
    if task == RegisteredModel.Task.BINARY:
        if len(classes) != 2:
            checked.refuse("output/classes", f"A binary model has two classes, not {len(classes)}.")
        elif not is_positive_given and full["positive"] not in classes:
            full["positive"] = classes[1]
        elif full["positive"] not in classes:
            checked.refuse("output/positive", f"{str(full['positive'])[:64]!r} is none of the classes.")
    elif task == RegisteredModel.Task.MULTICLASS:
        if len(classes) == 1:
            checked.refuse("output/classes", "A multi-class model has at least two classes.")
    elif classes:
        checked.refuse("output/classes", f"A {task} model has no classes; leave them out.")


def _are_labels(classes: Any) -> bool:
    if (
        not isinstance(classes, list | tuple)
        or len(classes) > CLASSES_LIMIT
        or len(set(map(str, classes))) < len(classes)
    ):
        return False
    return all(isinstance(word, str) and 0 < len(word) <= 128 and is_printable_name(word) for word in classes)


def _is_range(bounds: Any) -> bool:
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return False
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in bounds):
        return False
    return bool(-1e308 < bounds[0] < bounds[1] < 1e308)

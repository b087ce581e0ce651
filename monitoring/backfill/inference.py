"""What files say about a model that nobody has registered yet: each conclusion with its reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from mlops_portal.kit.errors import Invalid
from monitoring.backfill.columns import Layout
from monitoring.backfill.files import plain

CATEGORY_VALUES = 50
CATEGORY_SHARE = 0.05
SEGMENT_VALUES = range(2, 13)
SEGMENTS_AT_MOST = 5
REGRESSION_VALUES = 20
MULTICLASS_LABELS = range(3, 101)
SCANNED_VALUES = 1000
_RFC3339 = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$"
_PERSONAL_NAME = re.compile(
    r"(^|_)(e?mail|phone|mobile|name|surname|address|street|iban|birth|birthday|ssn)(_|$)", re.I
)
_PERSONAL_VALUE = {
    "an e-mail address": re.compile(r"^[^@\s]{1,64}@[^@\s]+\.[a-z]{2,}$", re.I),
    "an IBAN": re.compile(r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$"),
    "a card number": re.compile(r"^\d(?:[ -]?\d){12,18}$"),
    "a phone number": re.compile(r"^\+\d[\d ()/-]{6,16}\d$"),
}
_YES = ("1", "true", "yes", "True", "TRUE")


@dataclass(frozen=True, slots=True)
class InferredFeature:
    """One feature as the registry shall hold it, with why."""

    name: str
    dtype: str
    kind: str
    required: bool
    segment: bool
    privacy: str | None  # None: the registry's default
    reason: str


@dataclass(frozen=True, slots=True)
class Inferred:
    """A model read from its files."""

    task: str
    task_reason: str
    output: dict[str, object]
    features: tuple[InferredFeature, ...]
    versions: tuple[str, ...]  # texts as they appear in the files, in order


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the caller knows better; empty means: infer."""

    task: str = ""
    positive: str = ""
    segments: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    dtypes: Mapping[str, str] = field(default_factory=dict)
    privacy: Mapping[str, str] = field(default_factory=dict)


def infer(
    reference: tuple[pa.Table, Layout] | None,
    predictions: tuple[pa.Table, Layout] | None,
    labels: pa.ChunkedArray | None,
    overrides: Overrides,
) -> Inferred:
    """Conclude task, features and versions.

    labels: all known labels (of the reference, else of the outcomes), or None.
    Raises Invalid if there is no file with features, or if the task cannot be told (`--task` is then asked for).
    """
    base = reference or predictions
    if base is None:
        raise Invalid(
            "Without a reference or predictions there is nothing to register a model from.", field="reference"
        )
    task, reason = (overrides.task, "given") if overrides.task else _task(base, labels)
    features = _features(reference, predictions, overrides)
    return Inferred(task, reason, _output(task, base, labels, overrides), features, _versions(predictions or base))


def _features(
    reference: tuple[pa.Table, Layout] | None, predictions: tuple[pa.Table, Layout] | None, overrides: Overrides
) -> tuple[InferredFeature, ...]:
    seen: dict[str, tuple[pa.ChunkedArray, bool, bool]] = {}
    for source, is_reference in ((reference, True), (predictions, False)):
        if source:
            table, layout = source
            for name, column in layout.features.items():
                only_here = not is_reference and reference is not None
                seen.setdefault(name, (plain(table[column]), is_reference, only_here))
    drafts = [
        _feature(name, column, overrides, only_in_predictions=only, in_reference=is_reference)
        for name, (column, is_reference, only) in seen.items()
    ]
    chosen = overrides.segments or _segments(drafts, {name: column for name, (column, _, _) in seen.items()})
    return tuple(
        InferredFeature(d.name, d.dtype, d.kind, d.required, d.name in chosen, d.privacy, d.reason) for d in drafts
    )


def _feature(
    name: str, column: pa.ChunkedArray, overrides: Overrides, *, only_in_predictions: bool, in_reference: bool
) -> InferredFeature:
    dtype, why = (overrides.dtypes[name], "given") if name in overrides.dtypes else _dtype(column)
    is_context = name in overrides.contexts or (only_in_predictions and not overrides.contexts)
    privacy, note = overrides.privacy.get(name), ""
    if privacy is None and dtype in {"text", "category"} and (personal := _personal(name, column)):
        privacy, note = "hash", f"; hashed: {personal}"
    return InferredFeature(
        name=name,
        dtype=dtype,
        kind="context" if is_context else "input",
        required=in_reference and column.null_count == 0,
        segment=False,
        privacy=privacy,
        reason=why + ("; only in the predictions" if only_in_predictions else "") + note,
    )


def _dtype(column: pa.ChunkedArray) -> tuple[str, str]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return "boolean", "a boolean column"
    if pa.types.is_integer(kind):
        return "integer", "a whole-number column"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number", "a number column"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "timestamp", "a time column"
    known = column.drop_null()
    if not len(known):
        return "text", "no values"
    if pc.all(pc.match_substring_regex(known, _RFC3339)).as_py():
        return "timestamp", "every text is an RFC 3339 time"
    distinct = pc.count_distinct(known).as_py()
    if distinct <= CATEGORY_VALUES and distinct <= max(2, CATEGORY_SHARE * len(known)):
        return "category", f"{distinct} distinct values"
    return "text", f"{distinct:,} distinct values"


def _personal(name: str, column: pa.ChunkedArray) -> str:
    if _PERSONAL_NAME.search(name):
        return f"the name {name!r} suggests personal data"
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return ""
    for value in column.drop_null().slice(0, SCANNED_VALUES).to_pylist():
        for what, pattern in _PERSONAL_VALUE.items():
            if pattern.match(value):
                return f"a value looks like {what}"
    return ""


def _segments(drafts: Sequence[InferredFeature], columns: Mapping[str, pa.ChunkedArray]) -> tuple[str, ...]:
    """Categories of 2 to 12 values, fewest first (then by name), at most five."""
    sizes = {
        draft.name: pc.count_distinct(columns[draft.name].drop_null()).as_py()
        for draft in drafts
        if draft.dtype in {"category", "boolean"} and draft.privacy is None
    }
    fitting = sorted((size, name) for name, size in sizes.items() if size in SEGMENT_VALUES)
    return tuple(name for _, name in fitting[:SEGMENTS_AT_MOST])


def _task(base: tuple[pa.Table, Layout], labels: pa.ChunkedArray | None) -> tuple[str, str]:
    table, layout = base
    target = labels
    if target is None and "prediction" in layout.fields:
        target = plain(table[layout.fields["prediction"]])
    if target is not None and pa.types.is_list(target.type):
        return "ranking", "predictions are lists"
    if any(name.startswith("scores.") for name in layout.fields):
        return "multiclass", "there is a score for each class"
    if target is not None:
        values = pc.count_distinct(target.drop_null()).as_py()
        is_text = pa.types.is_string(target.type) or pa.types.is_large_string(target.type)
        if is_text and _is_ranking_text(target):
            return "ranking", "predictions are JSON lists"
        if values == 2 and _is_probability(table, layout):
            return "binary", "two labels and a score between 0 and 1"
        if is_text and values in MULTICLASS_LABELS:
            return "multiclass", f"{values} text labels"
        if not is_text and not pa.types.is_boolean(target.type) and values > REGRESSION_VALUES:
            return "regression", f"a number with {values:,} distinct values"
        if values == 2:
            return "binary", "two labels"
    raise Invalid(
        "The files do not tell what the model predicts; say it with --task binary, multiclass, regression or ranking.",
        field="task",
    )


def _is_ranking_text(target: pa.ChunkedArray) -> bool:
    head = target.drop_null().slice(0, 20).to_pylist()
    return bool(head) and all(text.startswith("[") and text.endswith("]") for text in head)


def _is_probability(table: pa.Table, layout: Layout) -> bool:
    if "score" not in layout.fields:
        return False
    column = plain(table[layout.fields["score"]]).drop_null()
    if not len(column) or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return False
    bounds = pc.min_max(column).as_py()
    return bool(bounds["min"] >= 0 and bounds["max"] <= 1)


def _output(
    task: str, base: tuple[pa.Table, Layout], labels: pa.ChunkedArray | None, overrides: Overrides
) -> dict[str, object]:
    table, layout = base
    if task == "regression":
        return {"score": "number"}
    if task == "ranking":
        return {"score": "none"}
    has_score = "score" in layout.fields or any(name.startswith("scores.") for name in layout.fields)
    output: dict[str, object] = {"score": "probability" if has_score else "none"}
    classes = _classes(table, layout, labels)
    if task == "binary":
        counts = {str(name): number for name, number in classes}
        positive = overrides.positive or next((label for label in counts if label in _YES), "")
        positive = positive or (min(counts, key=lambda label: counts[label]) if counts else "")
        others = [label for label in counts if label != positive]
        return output | {"classes": [*others, positive], "positive": positive}
    return output | {"classes": sorted(str(name) for name, _ in classes)}


def _classes(table: pa.Table, layout: Layout, labels: pa.ChunkedArray | None) -> list[tuple[str, int]]:
    named = [name.removeprefix("scores.") for name in layout.fields if name.startswith("scores.")]
    if named:
        return [(name, 0) for name in named]
    target = labels
    if target is None and "prediction" in layout.fields:
        target = plain(table[layout.fields["prediction"]])
    if target is None:
        return []
    counted = pc.value_counts(as_label(target.drop_null()))
    return [(pair["values"], pair["counts"]) for pair in counted.to_pylist()]


def as_label(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels as text: booleans as true and false, whole numbers without a decimal point."""
    if pa.types.is_floating(column.type):
        return pc.cast(pc.cast(column, pa.int64(), safe=False), pa.string())
    return pc.cast(column, pa.string())


def _versions(source: tuple[pa.Table, Layout]) -> tuple[str, ...]:
    table, layout = source
    return tuple(version_texts(table[layout.fields["version"]])) if "version" in layout.fields else ()


def version_texts(column: pa.ChunkedArray) -> list[str]:
    """The distinct versions of a column as text, in the order in which they appear."""
    texts = pc.cast(plain(column), pa.string())
    return [str(value) for value in pc.unique(texts.drop_null()).to_pylist()]

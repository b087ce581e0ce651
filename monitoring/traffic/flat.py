"""The flat form: tables whose rows are records. Known columns are fields, all others features.

`feature.<name>` names a feature in any case, `scores.<label>` a probability, `stage.<name>.<member>` a stage. A null
cell is a null feature, or an absent field. Columns are converted whole, rows checked by the same compiled types as
JSON; only rows that do not pass are looked at one by one. The same record gives the same content hash in either form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET
from msgspec.structs import astuple

from mlops_portal.kit.errors import Invalid
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import cells, judge, limits, records, schema, settle, times, values
from monitoring.traffic.grouping import Batch
from monitoring.traffic.records import FIELDS, OUTCOME_FIELDS, Row
from monitoring.traffic.schema import Decoded, Reading
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Target, Task
from monitoring.traffic.surprises import Surprises
from monitoring.traffic.values import Rejected

FEATURE, SCORES, STAGE = "feature.", "scores.", "stage."
_PLAIN_FIELDS = frozenset(FIELDS) - {"features", "scores", "stages"}
_STAGE_PARTS = 3


@dataclass(slots=True)
class Layout:
    """Which column of a table is what."""

    fields: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    features: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    scores: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    stages: dict[str, dict[str, pa.ChunkedArray]] = field(default_factory=dict)


def decode(table: pa.Table, kind: str, reading: Reading) -> Decoded:
    """The records of a table, and the rows that are wrong, each with its fault (index = row).

    Raises Invalid (`unsupported_column`) for a column whose type or name is not taken, `empty_batch` without rows.
    """
    cells.require_types(table.schema)
    if not table.num_rows:
        raise Invalid("The batch holds no items.", code="empty_batch")
    if kind == Kind.OUTCOME:
        _outcomes(table, reading)
    else:
        _predictions(table, reading)
    return reading.decoded(kind, table.num_rows)


def _predictions(table: pa.Table, reading: Reading) -> None:
    layout = _layout(table)
    labels = _labels(layout, table.num_rows)
    reading.look_up({label for label in labels if label is not None})
    long = _too_long(table, reading)
    by_label: dict[str | None, list[int]] = {}
    for i, label in enumerate(labels):
        if i not in long:
            by_label.setdefault(label, []).append(i)
    for label, indexes in by_label.items():
        target = reading.targets.get(label) if label else None
        if target is None:
            _reject_all(indexes, label, reading)
        elif len(indexes) == table.num_rows:
            _of_version(layout, indexes, target, reading)
        else:
            _of_version(_layout(table.take(indexes)), indexes, target, reading)


def _too_long(table: pa.Table, reading: Reading) -> set[int]:
    """Rows with a text beyond the size of an item, which are rejected here."""
    found: set[int] = set()
    for column in table.columns:
        found |= cells.longer(column, limits.ITEM_BYTES)
    for i in sorted(found):
        reading.reject(i, Rejected("too_large", f"An item may hold {limits.ITEM_BYTES // 1024} KiB."), None)
    return found


def _layout(table: pa.Table) -> Layout:
    """The columns by their names. Raises Invalid if two of them mean the same."""
    layout = Layout()
    for name, column in zip(table.column_names, table.columns, strict=True):
        parts = name.split(".")
        if name in _PLAIN_FIELDS:
            _put(layout.fields, name, column)
        elif name.startswith(SCORES):
            _put(layout.scores, name.removeprefix(SCORES), column)
        elif name.startswith(STAGE) and len(parts) >= _STAGE_PARTS and parts[-1] in judge.STAGE_FIELDS[1:]:
            _put(layout.stages.setdefault(".".join(parts[1:-1]), {}), parts[-1], column)
        else:
            _put(layout.features, name.removeprefix(FEATURE), column)
    return layout


def _put(found: dict[str, pa.ChunkedArray], name: str, column: pa.ChunkedArray) -> None:
    if name in found:
        raise Invalid(f"{name[:64]} stands in two columns.", code="unsupported_column")
    found[name] = column


def _labels(layout: Layout, rows: int) -> list[str | None]:
    if "version" not in layout.fields:
        return [None] * rows
    return [None if value is None else str(value) for value in cells.texts(layout.fields["version"])]


def _reject_all(indexes: Sequence[int], label: str | None, reading: Reading) -> None:
    for i in indexes:
        if label is None:
            reading.reject(i, Rejected("missing_field", "version is missing.", "/version"), None)
        else:
            reading.reject(i, schema.unknown_version(label), None, label[:64])  # rows of a file are not taken apart


def _of_version(layout: Layout, indexes: Sequence[int], target: Target, reading: Reading) -> None:
    version = target.spec
    noted = _unexpected(layout, {feature.name for feature in version.features}, indexes)
    found, odd = _rows(layout, target, len(indexes))
    try:
        typed = msgspec.convert(found, list[records.flat_type(version, is_clean=True)])  # type: ignore[misc]
        rows = [astuple(one) for one in typed]
        batch = Batch(rows, list(indexes), noted, is_clean=True, suspects=frozenset(odd))
    except msgspec.ValidationError:
        batch = _singly(found, indexes, noted, odd, target, reading)
    by_index = dict(zip(indexes, found, strict=True))
    reading.add(batch, target, lambda index: settle.as_item(by_index[index], version))


def _singly(
    found: Sequence[Row],
    indexes: Sequence[int],
    noted: dict[int, Surprises],
    odd: set[int],
    target: Target,
    reading: Reading,
) -> Batch:
    """Rows that pass the plain types, or `judge`; the others are rejected."""
    plain_type = records.flat_type(target.spec, is_clean=False)
    rows: list[Row] = []
    kept: list[int] = []
    suspects: list[int] = []
    for index, row, i in zip(indexes, found, range(len(found)), strict=True):
        try:
            typed = astuple(msgspec.convert(row, plain_type))
        except msgspec.ValidationError:
            item = settle.as_item(row, target.spec)
            try:
                judgement = judge.prediction(item, target.spec)
            except Rejected as error:
                reading.reject(index, error, item, target.spec.label)
                continue
            typed = judgement.row
            noted[index] = noted.get(index, Surprises()) + judgement.surprises
        suspects += [len(rows)] if i in odd else []
        rows.append(typed)
        kept.append(index)
    return Batch(rows, kept, noted, suspects=frozenset(suspects))


def _unexpected(layout: Layout, known: set[str], indexes: Sequence[int]) -> dict[int, Surprises]:
    """Cells in columns that are no feature of the version, counted by name; their values go no further."""
    noted: dict[int, Surprises] = {}
    for name, column in layout.features.items():
        if name not in known:
            if values.CONTROL.search(name):
                raise Invalid("The name of a column holds a control character.", code="unsupported_column")
            for i in pc.indices_nonzero(pc.is_valid(column)).to_pylist():
                noted.setdefault(indexes[i], Surprises())["unexpected_feature", name[: limits.NAME_LENGTH]] += 1
    return noted


def _rows(layout: Layout, target: Target, rows: int) -> tuple[list[Row], set[int]]:
    """The rows as tuples of FIELDS, and those that hold NaN or an infinity."""
    odd: set[int] = set()
    features = [_feature(layout.features.get(one.name), one, rows, odd) for one in target.spec.features]
    absent: list[Any] = [None] * rows
    columns = {
        name: _field(name, layout.fields[name], target.spec.model, odd) if name in layout.fields else absent
        for name in FIELDS
    }
    columns["version"] = [target.spec.label] * rows
    columns["features"] = list(zip(*features, strict=True)) if features else [()] * rows
    columns["scores"] = _scores(layout.scores, odd) if layout.scores else absent
    columns["stages"] = _stages(layout.stages, odd) if layout.stages else absent
    return list(zip(*columns.values(), strict=True)), odd


def _feature(column: pa.ChunkedArray | None, feature: FeatureSpec, rows: int, odd: set[int]) -> list[Any]:
    if column is None:
        return [UNSET] * rows
    if feature.dtype == "timestamp":
        return cells.seconds(column)
    if feature.is_numeric:
        return _numbers(column, odd)
    return cells.texts(column) if feature.dtype == "category" else cells.raw(column)


def _field(name: str, column: pa.ChunkedArray, model: ModelSpec, odd: set[int]) -> list[Any]:
    if name == "predicted_at":
        return cells.micros(column)
    if name == "prediction":
        return _prediction(column, model, odd)
    if name in {"score", "latency_ms", "cost"}:
        return _numbers(column, odd)
    if name == "revision":
        return cells.whole_numbers(column)
    return cells.raw(column) if name == "fallback" else cells.texts(column)


def _prediction(column: pa.ChunkedArray, model: ModelSpec, odd: set[int]) -> list[Any]:
    if model.task == Task.REGRESSION:
        return _numbers(column, odd)
    return cells.documents(column, list) if model.task == Task.RANKING else cells.labels(column)


def _numbers(column: pa.ChunkedArray, odd: set[int]) -> list[Any]:
    values, endless = cells.numbers(column)
    odd |= endless
    return values


def _scores(columns: Mapping[str, pa.ChunkedArray], odd: set[int]) -> list[dict[str, Any] | None]:
    names = list(columns)
    by_row = zip(*(_numbers(column, odd) for column in columns.values()), strict=True)
    return [
        {name: share for name, share in zip(names, shares, strict=True) if share is not None} or None
        for shares in by_row
    ]


def _stages(stages: Mapping[str, Mapping[str, pa.ChunkedArray]], odd: set[int]) -> list[list[dict[str, Any]] | None]:
    """Of each row the stages that have any member."""
    by_stage = [_stage(name, members, odd) for name, members in stages.items()]
    return [[one for one in row if len(one) > 1] or None for row in zip(*by_stage, strict=True)]


def _stage(name: str, members: Mapping[str, pa.ChunkedArray], odd: set[int]) -> list[dict[str, Any]]:
    names = list(members)
    columns = [
        cells.whole_numbers(column) if member == "calls" else _numbers(column, odd)
        for member, column in members.items()
    ]
    return [
        {"name": name} | {key: value for key, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _outcomes(table: pa.Table, reading: Reading) -> None:
    fields: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name not in OUTCOME_FIELDS:
            raise Invalid(f"An outcome has no field {name[:64]}.", code="unsupported_column")
        _put(fields, name, column)
    long = _too_long(table, reading)
    found, odd = _outcome_rows(fields, reading.model, table.num_rows)
    kinds = {row[1] for row in found if isinstance(row[1], str) and judge.KIND.fullmatch(row[1])}
    rows, indexes = [], []
    for i, row in enumerate(found):
        if i in long:
            continue
        if i in odd or row[1] not in kinds or row[2] is None or not _has_texts(row):
            item = _outcome_item(row)
            try:
                row = judge.outcome(item, reading.model).row
            except Rejected as error:
                reading.reject(i, error, item)
                continue
        rows.append(row)
        indexes.append(i)
    reading.add_outcomes(rows, indexes, lambda index: _outcome_item(found[index]))


def _outcome_rows(fields: Mapping[str, pa.ChunkedArray], model: ModelSpec, rows: int) -> tuple[list[Row], set[int]]:
    odd: set[int] = set()
    absent: list[Any] = [None] * rows
    kinds = cells.texts(fields["kind"]) if "kind" in fields else absent
    columns = [
        cells.texts(fields["request_id"]) if "request_id" in fields else absent,
        kinds,
        _values(fields["value"], kinds, model, odd) if "value" in fields else absent,
        cells.micros(fields["observed_at"]) if "observed_at" in fields else absent,
        cells.micros(fields["predicted_at"]) if "predicted_at" in fields else absent,
    ]
    return list(zip(*columns, strict=True)), odd


def _values(column: pa.ChunkedArray, kinds: Sequence[Any], model: ModelSpec, odd: set[int]) -> list[Any]:
    is_truth = all(kind == "truth" for kind in kinds)
    if is_truth and model.task in {Task.BINARY, Task.MULTICLASS}:
        return cells.labels(column)
    if is_truth and model.task == Task.RANKING:
        return cells.documents(column, dict)
    return _numbers(column, odd)


def _has_texts(row: Row) -> bool:
    times_fit = isinstance(row[3], str | int) and (row[4] is None or isinstance(row[4], str | int))
    return isinstance(row[0], str) and times_fit


def _outcome_item(row: Row) -> dict[str, Any]:
    item = {name: value for name, value in zip(OUTCOME_FIELDS, row, strict=True) if value is not None}
    for name in ("observed_at", "predicted_at"):
        if isinstance(item.get(name), int):
            item[name] = times.Micros(item[name])
    return item

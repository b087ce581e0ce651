"""Checked prediction records of one version as the columns of a payload group."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple

from monitoring.traffic import hashes, judge, privacy, surprises, times
from monitoring.traffic.payload import Group
from monitoring.traffic.records import FIELDS, Row, Stage, values_of
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Task, VersionSpec
from monitoring.traffic.surprises import Surprises

POSITIVE_FROM = 0.5  # until a decision rule of the served revision says otherwise
_TRUTHS: dict[Any, Any] = {True: "true", False: "false", None: None, UNSET: UNSET}
_json = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch is judged, and how strictly about its age.

    subjects_are_refs: the records come from quarantine, where subjects stand as they are stored.
    """

    now_us: int
    kid: str
    too_old_ok: bool = False
    subjects_are_refs: bool = False


@dataclass(slots=True)
class Batch:
    """Records of one version on their way in.

    indexes: where each row stood in the body; noted: what its reader noticed about single rows; is_clean: nothing can
    surprise but nulls; is_screened: no text can hold a control character; suspects: rows to be judged in any case.
    """

    rows: Sequence[Row]
    indexes: Sequence[int]
    noted: dict[int, Surprises] = field(default_factory=dict)
    is_clean: bool = False
    is_screened: bool = False
    suspects: frozenset[int] = frozenset()
    _columns: dict[str, list[Any]] | None = field(default=None, init=False)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The rows turned round, field by field; there has to be a row."""
        if self._columns is None:
            self._columns = dict(zip(FIELDS, map(list, zip(*self.rows, strict=True)), strict=True))
        return self._columns


def group(
    batch: Batch, ats: list[int], version: VersionSpec, moment: Moment, *, is_blocked: bool
) -> tuple[Group, set[int]]:
    """The group of all rows, and those rows that repeat an id of the batch with other content (not yet left out)."""
    given = batch.columns
    features = _feature_columns(batch, version)
    gaps = {feature.name for feature in version.features if surprises.has_gaps(feature, features[feature.name])}
    stored, hashed = _stored(features, gaps, version, moment, is_clean=batch.is_clean)
    columns = _columns(given, ats, version.model, moment)
    columns["content_hash"] = hashes.content_hashes("prediction", [*columns.values(), *hashed])
    conflicts = _conflicts(columns["request_id"], columns["content_hash"])
    if conflicts:
        return Group("", 0, {}), conflicts
    _derive(columns, given, version.model)
    columns["received_at"] = [moment.now_us] * len(batch.rows)
    counted = _counted(batch, ats, features, gaps, version, moment)
    if is_blocked:
        counted["blocked_version", ""] = len(batch.rows)
    made = Group(str(version.id), len(batch.rows), columns, stored, surprises.nested(counted), moment.kid)
    return made, conflicts


def _feature_columns(batch: Batch, version: VersionSpec) -> dict[str, list[Any]]:
    """Feature by feature, typed as they are stored; a missing feature is still UNSET."""
    columns = zip(*_feature_rows(batch), strict=True) if version.features else ()
    return {
        feature.name: _typed(feature, list(column), is_clean=batch.is_clean)
        for feature, column in zip(version.features, columns, strict=True)
    }


def _feature_rows(batch: Batch) -> Iterable[tuple[Any, ...]]:
    rows = batch.columns["features"]
    is_decoded = tuple not in set(map(type, rows))
    return map(astuple if is_decoded else values_of, rows)


def _typed(feature: FeatureSpec, column: list[Any], *, is_clean: bool) -> list[Any]:
    if feature.dtype == "boolean":
        return [_TRUTHS[value] for value in column]
    if feature.dtype == "timestamp":
        return _seconds(column)
    if feature.dtype == "category" and not is_clean:
        return [value if value is None or value is UNSET else judge.category(value) for value in column]
    return column


def _seconds(column: list[Any]) -> list[Any]:
    """Times as seconds since 1970; what is seconds already, null or missing stays."""
    parsed = iter(times.parse_column([value for value in column if isinstance(value, str)]))
    return [next(parsed) / 1_000_000 if isinstance(value, str) else value for value in column]  # type: ignore[operator]


def _stored(
    features: Mapping[str, list[Any]], gaps: set[str], version: VersionSpec, moment: Moment, *, is_clean: bool
) -> tuple[dict[str, list[Any]], list[list[Any]]]:
    """The feature columns as they are stored, and as they are hashed (where a missing one differs from null)."""
    lacking = {name for name in gaps if UNSET in features[name]}
    filled = {
        name: [None if value is UNSET else value for value in column] if name in lacking else column
        for name, column in features.items()
    }
    for feature in version.features:
        if not is_clean and feature.privacy == "keep" and feature.dtype in {"text", "category"}:
            filled[feature.name] = surprises.shortened(filled[feature.name])
    stored = privacy.apply(version.features, filled, version.model.team_id, moment.kid)
    hashed = [hashes.marked(stored[name], features[name]) if name in lacking else stored[name] for name in stored]
    return stored, hashed


def _columns(given: Mapping[str, list[Any]], ats: list[int], model: ModelSpec, moment: Moment) -> dict[str, list[Any]]:
    """The columns of the envelope as they were sent; their order is the order of the content hash."""
    return {
        "request_id": given["request_id"],
        "predicted_at": ats,
        "endpoint": _mapped(given["endpoint"], str, ""),
        "revision": given["revision"],
        "score": given["score"],
        "scores": _mapped(given["scores"], _text),
        "prediction": _mapped(given["prediction"], _shown if model.task != Task.REGRESSION else repr),
        "action": given["action"],
        "latency_ms": given["latency_ms"],
        "cost": given["cost"],
        "stages": _mapped(given["stages"], _stages_text),
        "fallback": _mapped(given["fallback"], bool, absent=False),
        "error": given["error"],
        "subject_ref": _subjects(given["subject_id"], model, moment),
        "trace_id": given["trace_id"],
    }


def _mapped(column: list[Any], change: Any, absent: Any = None) -> list[Any]:
    if column.count(None) == len(column):
        return [absent] * len(column)
    return [absent if value is None else change(value) for value in column]


def _subjects(column: list[Any], model: ModelSpec, moment: Moment) -> list[Any]:
    if moment.subjects_are_refs or column.count(None) == len(column):
        return column
    return privacy.subject_refs(model.team_id, column, moment.kid)


def _shown(prediction: str | list[str]) -> str:
    return prediction if isinstance(prediction, str) else _text(prediction)


def _text(value: Any) -> str:
    return str(_json(value), "utf-8")


def _stages_text(stages: Sequence[Stage]) -> str:
    """By name, because a table has columns and no order of stages."""
    return _text([_stage_members(stage) for stage in sorted(stages, key=lambda stage: stage.name)])


def _stage_members(stage: Stage) -> dict[str, Any]:
    members = {"name": stage.name, "ms": stage.ms, "calls": stage.calls, "units": stage.units, "cost": stage.cost}
    return {name: value for name, value in members.items() if value is not None}


def _conflicts(ids: Sequence[str], content: Sequence[bytes]) -> set[int]:
    if len(set(ids)) == len(ids):
        return set()
    first: dict[str, bytes] = {}
    return {
        i for i, (name, digest) in enumerate(zip(ids, content, strict=True)) if first.setdefault(name, digest) != digest
    }


def _derive(columns: dict[str, list[Any]], given: Mapping[str, list[Any]], model: ModelSpec) -> None:
    """Fill in what follows from what was sent; the content hash is taken before."""
    if model.task == Task.REGRESSION:
        _derive_numbers(columns, given)
    elif model.task == Task.BINARY and model.positive:
        _derive_binary(columns, given["scores"], model)
    elif model.task == Task.MULTICLASS:
        columns["prediction"] = [
            _likeliest(scores, model) if label is None and scores else label
            for label, scores in zip(columns["prediction"], given["scores"], strict=True)
        ]
    if given["stages"].count(None) != len(given["stages"]):
        columns["calls"] = [1 if stages is None else sum(s.calls for s in stages) for stages in given["stages"]]
        columns["cost"] = [
            _stage_cost(stages) if cost is None and stages else cost
            for cost, stages in zip(columns["cost"], given["stages"], strict=True)
        ]


def _derive_numbers(columns: dict[str, list[Any]], given: Mapping[str, list[Any]]) -> None:
    """A score of a regression is its prediction."""
    pairs = list(zip(given["prediction"], given["score"], strict=True))
    columns["prediction_number"] = [score if number is None else number for number, score in pairs]
    columns["score"] = [number if score is None else score for number, score in pairs]
    columns["prediction"] = _mapped(columns["prediction_number"], repr)


def _derive_binary(columns: dict[str, list[Any]], scores: Sequence[Any], model: ModelSpec) -> None:
    if scores.count(None) != len(scores):
        columns["score"] = [
            shares.get(model.positive) if score is None and shares else score
            for score, shares in zip(columns["score"], scores, strict=True)
        ]
    if None in columns["prediction"] and (model.low, model.high) == (0, 1):
        labels = (model.negative, model.positive)
        columns["prediction"] = [
            labels[score >= POSITIVE_FROM] if label is None and score is not None else label
            for label, score in zip(columns["prediction"], columns["score"], strict=True)
        ]


def _likeliest(scores: Mapping[str, float], model: ModelSpec) -> str:
    """The class of the highest probability; of equal ones the first, as registered or by name."""
    order = model.classes or sorted(scores)
    return max(order, key=lambda label: scores[label])


def _stage_cost(stages: Sequence[Stage]) -> float | None:
    costs = [stage.cost for stage in stages if stage.cost is not None]
    return sum(costs) if costs else None


def _counted(
    batch: Batch,
    ats: Sequence[int],
    features: Mapping[str, list[Any]],
    gaps: set[str],
    version: VersionSpec,
    moment: Moment,
) -> Surprises:
    counted: Surprises = Counter()
    for index in batch.indexes if batch.noted else ():
        counted.update(batch.noted.get(index, {}))
    for feature in version.features:
        if feature.name in gaps or not batch.is_clean:
            found = surprises.of_column(feature, features[feature.name], is_clean=batch.is_clean)
            counted.update({(code, feature.name): count for code, count in found.items()})
    if not moment.too_old_ok and min(ats) < moment.now_us - times.LATE_US:
        counted["late", ""] = sum(at < moment.now_us - times.LATE_US for at in ats)
    return counted

"""What ingestion knows of a model and its versions: plain values, loaded per body, kept while nothing changes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from registry.models import Feature, ModelVersion, RegisteredModel

Task = RegisteredModel.Task
_FEATURE_COLUMNS = (
    "version_id",
    "name",
    "dtype",
    "privacy",
    "privacy_options",
    "allowed_min",
    "allowed_max",
    "categories",
    "required",
)
_KEPT_SPECS = 256
_LABEL_LIMIT = 10  # digits of a version number
_LARGEST = 2_147_483_647


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature as a version reads it."""

    name: str
    dtype: str
    privacy: str = "keep"
    edges: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    required: bool = True

    @property
    def is_numeric(self) -> bool:
        """Whether its values are stored as numbers."""
        return self.dtype in {"number", "integer", "timestamp"}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model answers. low, high: bounds of its score, None where it has none."""

    id: UUID
    team_id: UUID
    task: str
    classes: tuple[str, ...] = ()
    positive: str = ""
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, model: RegisteredModel) -> "ModelSpec":
        """The spec of a registered model."""
        return cls.from_columns(model.pk, model.team_id, model.task, model.output)

    @classmethod
    def from_columns(cls, model_id: UUID, team_id: UUID, task: str, output: Mapping[str, Any]) -> "ModelSpec":
        """The spec that these columns of a registered model describe."""
        is_classifier = task in {Task.BINARY, Task.MULTICLASS}
        bounds = output.get("range") if is_classifier else None
        if is_classifier and not bounds and output.get("score", "probability") == "probability":
            bounds = (0.0, 1.0)
        low, high = bounds or (None, None)
        classes, positive = tuple(output.get("classes", ())), str(output.get("positive", ""))
        return cls(model_id, team_id, str(task), classes, positive, low, high)

    @property
    def negative(self) -> str:
        """The other label of a binary model, or an empty text."""
        return next((label for label in self.classes if label != self.positive), "") if self.positive else ""


@dataclass(frozen=True, eq=False, slots=True)
class VersionSpec:
    """What records of one version look like; compared by identity, because one object stands for one state."""

    id: UUID
    label: str
    model: ModelSpec
    features: tuple[FeatureSpec, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A version that records name, as it is at this moment."""

    spec: VersionSpec
    is_blocked: bool
    is_frozen: bool


class VersionRow(NamedTuple):
    """What is read of a version."""

    pk: UUID
    number: int
    status: str
    schema_frozen_at: datetime | None
    schema_revision: int


_specs: dict[tuple[UUID, int, ModelSpec], VersionSpec] = {}


def find(model: ModelSpec, labels: Collection[str]) -> dict[str, Target]:
    """The versions of the model that these labels name; labels that name none, or a deleted one, are left out.

    One query, and one more when a feature list is new or has changed.
    """
    numbers = {number for label in labels if (number := number_of(label))}
    if not numbers:
        return {}
    rows = ModelVersion.objects.filter(model_id=model.id, number__in=numbers, deleted_at=None)
    return targets(map(VersionRow._make, rows.values_list(*VersionRow._fields)), model)


def targets(versions: Iterable[VersionRow], model: ModelSpec) -> dict[str, Target]:
    """The targets of versions by their labels; features are loaded where the kept ones are out of date."""
    rows = list(versions)
    missing = [row for row in rows if (row.pk, row.schema_revision, model) not in _specs]
    if missing:
        listed = _features([row.pk for row in missing])
        _make_room(len(missing))
        for row in missing:
            spec = VersionSpec(row.pk, str(row.number), model, listed.get(row.pk, ()))
            _specs[row.pk, row.schema_revision, model] = spec
    return {str(row.number): _target(row, _specs[row.pk, row.schema_revision, model]) for row in rows}


def _target(row: VersionRow, spec: VersionSpec) -> Target:
    return Target(spec, row.status == ModelVersion.Status.BLOCKED, row.schema_frozen_at is not None)


def current(model_id: UUID) -> tuple[FeatureSpec, ...]:
    """The model's present list of features, of which the next version gets a copy."""
    rows = Feature.objects.current().filter(model=model_id).order_by("name").values(*_FEATURE_COLUMNS)
    return tuple(map(_feature, rows))


def number_of(label: str) -> int | None:
    """The version number a label stands for, or None if no version can have it."""
    plain = label.isascii() and label.isdecimal() and len(label) <= _LABEL_LIMIT and label[0] != "0"
    return int(label) if plain and int(label) <= _LARGEST else None


def _features(version_ids: Collection[UUID]) -> dict[UUID, tuple[FeatureSpec, ...]]:
    listed: dict[UUID, tuple[FeatureSpec, ...]] = {}
    rows = Feature.objects.filter(version__in=version_ids).order_by("name").values(*_FEATURE_COLUMNS)
    for row in rows:
        listed[row["version_id"]] = (*listed.get(row["version_id"], ()), _feature(row))
    return listed


def _feature(row: Mapping[str, Any]) -> FeatureSpec:
    return FeatureSpec(
        name=row["name"],
        dtype=row["dtype"],
        privacy=row["privacy"],
        edges=tuple(float(edge) for edge in row["privacy_options"].get("edges", ())),
        low=row["allowed_min"],
        high=row["allowed_max"],
        categories=tuple(row["categories"]),
        required=row["required"],
    )


def _make_room(wanted: int) -> None:
    """Forget the oldest specs when many are kept; whoever still reads with one keeps it alive."""
    while _specs and len(_specs) + wanted > _KEPT_SPECS:
        _specs.pop(next(iter(_specs)), None)

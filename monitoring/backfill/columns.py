"""Which column of a file is which field: the names of the API, their aliases, and what the caller maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_portal.kit.errors import Invalid

Kind = Literal["reference", "prediction", "outcome"]

PREDICTION_FIELDS = (
    "request_id",
    "version",
    "predicted_at",
    "endpoint",
    "revision",
    "score",
    "prediction",
    "action",
    "latency_ms",
    "cost",
    "fallback",
    "error",
    "subject_id",
    "trace_id",
)
OUTCOME_FIELDS = ("request_id", "kind", "value", "observed_at", "predicted_at")
PREFIXES = ("scores.", "stage.", "feature.")
ALIASES: dict[Kind, dict[str, str]] = {
    "prediction": {"at": "predicted_at", "cost_usd": "cost"},
    "reference": {"at": "predicted_at", "cost_usd": "cost"},
    "outcome": {"at": "observed_at", "label": "value"},
}
FIELDS: dict[Kind, tuple[str, ...]] = {
    "prediction": PREDICTION_FIELDS,
    "reference": (*PREDICTION_FIELDS, "label"),
    "outcome": OUTCOME_FIELDS,
}
_ONLY_OUTCOMES = ("kind", "value", "observed_at")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of one file are used: field by column, and the feature names by column."""

    fields: Mapping[str, str]
    features: Mapping[str, str]
    ignored: tuple[str, ...]


def layout(kind: Kind, columns: Sequence[str], mapped: Mapping[str, str], ignored: Iterable[str]) -> Layout:
    """Sort the columns of a file.

    mapped: field (or feature) name -> column, from `--map`; it wins over aliases and equal names. ignored: columns.
    In an outcomes file every other column is left out; elsewhere every other column is a feature.

    Raises Invalid if a mapped or ignored column is not in the file, or two columns claim one field.
    """
    ignored = tuple(ignored)
    by_column = {column: field for field, column in mapped.items() if column in columns}
    fields: dict[str, str] = {}
    features: dict[str, str] = {}
    left_out: list[str] = []
    for column in columns:
        name = by_column.get(column) or ALIASES[kind].get(column, column)
        if column in ignored:
            left_out.append(column)
        elif name in FIELDS[kind] or name.startswith(("scores.", "stage.")):
            if name in fields:
                raise Invalid(
                    f"The columns {fields[name]!r} and {column!r} both hold {name}; leave one out with --ignore.",
                    field=name,
                )
            fields[name] = column
        elif kind == "outcome" or (kind == "prediction" and name == "label" and column not in by_column):
            left_out.append(column)
        else:
            features[name.removeprefix("feature.")] = column
    return Layout(fields, features, tuple(left_out))


def check_names(kinds: Mapping[Kind, Sequence[str]], mapped: Mapping[str, str], ignored: Iterable[str]) -> None:
    """Raises Invalid if `--map` or `--ignore` names a column that none of the files has."""
    known = {column for columns in kinds.values() for column in columns}
    for column in (*mapped.values(), *ignored):
        if column not in known:
            raise Invalid(f"No file has a column {column!r}; the columns are {', '.join(sorted(known))}.", field=column)

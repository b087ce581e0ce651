"""No column is too bad: every public function answers it with a value or a reason, and lets no NaN or infinity out.

Arguments that cannot be, such as columns of different length, are a ValueError; those stand with each module's tests.
"""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import pytest

from monitoring import stats
from monitoring.stats.results import Divergence, Estimate
from tests.monitoring.stats.edges import CALLS, SITUATIONS

NO_STATISTICS = {  # bytes, names, lookups and inner steps, which are given only what the functions above have let in
    "codec.pack",
    "codec.unpack",
    "codec.reading",
    "codec.compress",
    "codec.decompress",
    "columns.as_text",
    "columns.as_floats",
    "columns.value_hash",
    "calibration.cell_scores",
    "grid.category.value_counts",
    "grid.category.code_counts",
    "grid.latency.latency_edges",
    "grid.numeric.following_float",
    "grid.score.score_place",
    "metrics.definition",
    "metrics.latest",
    "multivariate.ridge_logistic",
    "ordering.quantiles",
    "profile.categories.top_values",
    "profile.errors.count_errors",
    "profile.errors.merge_errors",
    "profile.errors.population",
    "profile.kernel.blocks",
    "profile.kernel.count_cells",
    "profile.merging.merge_moments",
    "profile.numbers.capped",
    "profile.operations.arrays",
    "profile.operations.restored",
    "profile.operations.scalars",
    "profile.rankings.count_rankings",
    "profile.rankings.population",
    "profile.scores.count_scores",
    "profile.scores.population",
    "value.matrix.as_matrix",
    "value.matrix.by_row",
    "value.matrix.row_values",
    "value.thresholds.nearest",
}


def public_functions() -> dict[str, Any]:
    found = {}
    for module in pkgutil.walk_packages(stats.__path__, "monitoring.stats."):
        held = importlib.import_module(module.name)
        for name, function in vars(held).items():
            if not name.startswith("_") and inspect.isfunction(function) and function.__module__ == module.name:
                found[f"{module.name.removeprefix('monitoring.stats.')}.{name}"] = function
    return found


FUNCTIONS = public_functions()


def numbers(answer: Any) -> Iterator[float]:
    """Yield every number of an answer, wherever it stands in it."""
    if is_dataclass(answer) and not isinstance(answer, type):
        yield from numbers([getattr(answer, field.name) for field in fields(answer)])
    elif isinstance(answer, Mapping):
        yield from numbers(list(answer.values()))
    elif isinstance(answer, np.ndarray):
        yield from answer.ravel().tolist() if answer.dtype.kind == "f" else ()
    elif isinstance(answer, float | np.floating):
        yield float(answer)
    elif isinstance(answer, Iterable) and not isinstance(answer, str | bytes | Enum):
        for one in answer:
            yield from numbers(one)


def results(answer: Any) -> Iterator[Estimate | Divergence]:
    """Yield every estimate and divergence of an answer."""
    if isinstance(answer, Estimate | Divergence):
        yield answer
    elif isinstance(answer, Mapping):
        yield from results(list(answer.values()))
    elif isinstance(answer, list | tuple):
        for one in answer:
            yield from results(one)


def test_every_public_function_is_given_the_worst():
    assert set(FUNCTIONS) - set(CALLS) - NO_STATISTICS == set(), "give them something in edges.py"


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", sorted(set(CALLS) & set(FUNCTIONS)))
def test_bad_data_gives_a_value_or_a_reason(name, situation):
    for answer in CALLS[name](FUNCTIONS[name], SITUATIONS[situation]):
        assert all(math.isfinite(number) for number in numbers(answer)), answer
        for result in results(answer):
            assert (result.value is None) == (result.reason is not None), result
            low, high = getattr(result, "low", None), getattr(result, "high", None)
            assert (low is None) == (high is None), result
            if result.value is None:
                assert low is None or result.method == "bounds", result
            elif low is not None:
                assert low <= result.value <= high, result

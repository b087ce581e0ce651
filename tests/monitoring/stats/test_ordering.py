"""Sorting through buckets is sorting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.stats.ordering import SMALL, ascending, distinct, quantiles

LARGE = 3 * SMALL
LARGEST = np.finfo(np.float64).max


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "normal": rng.normal(size=LARGE),
        "lognormal": rng.lognormal(sigma=4, size=LARGE),
        "few values": rng.poisson(3, LARGE).astype(float),
        "one value": np.full(LARGE, 3.5),
        "mostly one value": np.where(rng.random(LARGE) < 0.999, 0.0, rng.normal(size=LARGE)),
        "far outliers": np.concatenate((rng.normal(size=LARGE), [LARGEST, -LARGEST])),
        "the whole range": rng.uniform(-1, 1, LARGE) * LARGEST,
        "neighbouring floats": 1.0 + np.spacing(1.0) * rng.integers(0, 5, LARGE),
        "denormal": rng.normal(size=LARGE) * 5e-324,
        "descending": np.arange(LARGE, 0, -1, dtype=float),
        "small": rng.normal(size=SMALL),
        "empty": np.zeros(0),
    }


@pytest.mark.parametrize("name", columns())
def test_values_come_in_the_order_of_numpy(name: str) -> None:
    values = columns()[name]

    assert np.array_equal(ascending(values), np.sort(values))


def test_the_values_given_stay_as_they_were() -> None:
    values = columns()["normal"]
    before = values.copy()

    ascending(values)

    assert np.array_equal(values, before)


@pytest.mark.parametrize("name", ["normal", "few values", "one value", "empty"])
def test_distinct_values_are_those_of_numpy(name: str) -> None:
    values = np.sort(columns()[name])

    assert np.array_equal(distinct(values), np.unique(values))


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_quantiles_are_those_of_numpy(values: list[float], shares: list[float]) -> None:
    ordered = np.sort(np.array(values))

    with np.errstate(over="ignore", invalid="ignore"):
        assert np.array_equal(quantiles(ordered, shares), np.quantile(ordered, shares), equal_nan=True)

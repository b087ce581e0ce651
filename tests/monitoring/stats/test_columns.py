"""Columns as codes, and the bytes of grids and profiles."""

import numpy as np
import pandas as pd
import pytest

from monitoring.stats.codec import pack, unpack
from monitoring.stats.columns import CodedColumn, as_floats, as_text, encode, value_hash


def test_a_coded_column_stays_as_it_is():
    column = CodedColumn(np.array([0, -1]), ("a",))

    assert encode(column) is column
    assert len(column) == 2


def test_numbers_and_flags_are_counted_as_text():
    assert encode(np.array([1, 2, 1])).values == ("1", "2")
    assert encode(np.array([True, False])).values == ("true", "false")
    assert [as_text(value) for value in (np.True_, 2.5)] == ["true", "2.5"]


def test_null_has_no_code():
    assert encode(["a", None, float("nan"), "a"]).codes.tolist() == [0, -1, -1, 0]


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_a_series_of_pandas_is_encoded_as_its_texts_are(dtype):
    coded = encode(pd.Series(["mist", None, "clear", "mist"], dtype=dtype))

    assert coded.codes.tolist() == [0, -1, 1, 0]
    assert coded.values == ("mist", "clear")


def test_nulls_among_numbers_become_nan():
    assert np.isnan(as_floats([None, 1.0])).tolist() == [True, False]


def test_a_hash_names_a_value_for_ever():
    assert value_hash("mist") == 8717454080162415648
    assert value_hash("\ud800") != value_hash("?")


def test_packed_bytes_come_back():
    arrays = {"small": np.array([1, -2]), "large": np.array([2**40]), "real": np.array([[0.5, np.nan]])}

    header, again = unpack(b"TEST", pack(b"TEST", {"n": 3}, arrays))

    assert header == {"n": 3}
    assert {name: array.dtype.kind for name, array in again.items()} == {"small": "i", "large": "i", "real": "f"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_packing_does_not_depend_on_the_order_of_names():
    a, b = np.array([1]), np.array([2])

    assert pack(b"TEST", {"x": 1, "y": 2}, {"a": a, "b": b}) == pack(b"TEST", {"y": 2, "x": 1}, {"b": b, "a": a})


def test_nan_in_a_header_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack(b"TEST", {"n": float("nan")}, {})

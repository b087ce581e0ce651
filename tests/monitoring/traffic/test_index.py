"""A hash is found where it stands last, and nothing is found that is not there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.traffic import index
from monitoring.traffic.index import HashIndex

hashes = st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 9), st.sampled_from([2**63, 2**64 - 1])))


def column(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


@given(hashes, hashes, st.integers(1, 7))
def test_a_hash_is_found_in_the_last_of_its_rows(held: list[int], others: list[int], block: int) -> None:
    last = {value: row for row, value in enumerate(held)}
    sought = [*held, *others]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_BLOCK", block)
        found = HashIndex(column(held))

    assert found.find(column(sought)).tolist() == [last.get(value, -1) for value in sought]
    assert found.has_repeats == (len(last) < len(held))


@pytest.mark.slow
def test_hashes_that_all_want_one_slot_are_told_apart() -> None:
    """As somebody could arrange who makes up ids until the upper half of their hashes is the same."""
    held = (np.uint64(7) << np.uint64(40)) + np.arange(70_000, dtype=np.uint64)

    found = HashIndex(held)

    assert np.array_equal(found.find(held), np.arange(70_000))
    assert (found.find(held + np.uint64(1 << 50)) == -1).all()


def test_an_index_of_nothing_finds_nothing() -> None:
    assert HashIndex(column([])).find(column([1, 2])).tolist() == [-1, -1]
    assert HashIndex(column([1])).find(column([])).tolist() == []

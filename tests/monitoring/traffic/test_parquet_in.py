"""Parquet bodies: read beside the web process, whatever they do to their reader."""

import numpy as np
import pyarrow as pa
import pytest

from mlops_portal.kit.errors import Invalid, TooLarge
from monitoring.traffic import parquet_file, parquet_in
from tests.monitoring.sending import parquet_of

GOOD = pa.table({"request_id": [f"r-{i}" for i in range(300)], "region": ["EU", "UK", None] * 100, "n": [1.5] * 300})


def test_a_table_comes_back_whole_from_many_row_groups_with_different_words() -> None:
    table = pa.table({"word": [f"word {i}" for i in range(500)], "n": list(range(500))})

    found = parquet_in.read(parquet_of(table, row_group_size=70))

    assert found.column_names == ["word", "n"]
    assert found["word"].cast(pa.string()).to_pylist() == table["word"].to_pylist()
    assert found["n"].to_pylist() == table["n"].to_pylist()


def test_one_reader_serves_many_files() -> None:
    parquet_in.read(parquet_of(GOOD))
    reader = parquet_in._child._process

    parquet_in.read(parquet_of(GOOD))

    assert parquet_in._child._process is reader


def test_a_file_that_ends_its_reader_is_damaged_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    parquet_in.read(parquet_of(GOOD))
    process = parquet_in._child._process
    assert process is not None
    monkeypatch.setattr(process, "poll", lambda: None)  # it dies while it reads
    process.kill()
    process.wait()

    with pytest.raises(Invalid) as caught:
        parquet_in.read(parquet_of(GOOD))

    assert caught.value.code == "damaged_file"
    assert parquet_in.read(parquet_of(GOOD)).num_rows == 300


def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    large = parquet_of(pa.table({f"word{i}": [f"{i} {j}" for j in range(10_000)] for i in range(60)}))
    parquet_in.read(parquet_of(GOOD))
    monkeypatch.setattr(parquet_in, "TIMEOUT_S", 0.0)

    with pytest.raises(Invalid, match="stops its reader"):
        parquet_in.read(large)


@pytest.mark.slow
def test_flipped_bits_are_an_answer_and_never_an_error_of_ours() -> None:
    rng = np.random.default_rng(5)
    good = parquet_of(GOOD)
    for _ in range(150):
        flipped = bytearray(good)
        for _ in range(3):
            flipped[rng.integers(len(flipped))] ^= 1 << rng.integers(8)
        try:
            parquet_in.read(bytes(flipped))
        except (Invalid, TooLarge) as error:
            assert error.code in {"damaged_file", "unsupported_column", "too_large"}  # noqa: PT017


def test_limits_are_named_before_anything_is_decoded() -> None:
    with pytest.raises(TooLarge, match="10 rows"):
        parquet_file.read(parquet_of(GOOD), rows_limit=10)
    with pytest.raises(TooLarge, match="512 columns"):
        parquet_file.read(parquet_of(pa.table({f"c{i}": [1] for i in range(513)})))
    with pytest.raises(TooLarge, match="1,000 row groups"):
        parquet_file.read(parquet_of(pa.table({"n": range(1_001)}), row_group_size=1))
    with pytest.raises(TooLarge, match="once decoded"):
        parquet_file.read(parquet_of(GOOD), decoded_limit=1_000)


def test_texts_are_measured_before_they_are_made() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 1_000]))

    with pytest.raises(TooLarge, match="once decoded"):
        parquet_file.read(parquet_of(pa.table({"word": words})), decoded_limit=2_000_000)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a"]]),
        pa.array([{"a": 1}]),
        pa.array([b"bytes"]),
        pa.array([1], pa.date32()),
        pa.array([1], pa.time64("us")),
        pa.array([1], pa.duration("s")),
        pa.array([b"0" * 16], pa.uuid()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_of_another_type_is_named(column: pa.Array) -> None:
    with pytest.raises(Invalid) as caught:
        parquet_file.read(parquet_of(pa.table({"good": [1], "odd": column})))

    assert caught.value.code == "unsupported_column"
    assert [fault.pointer for fault in caught.value.faults] == ["/odd"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1], pa.int8()),
        pa.array([1], pa.uint64()),
        pa.array([1.5], pa.float32()),
        pa.array([True]),
        pa.array(["a"], pa.large_string()),
        pa.array(["a"]).dictionary_encode(),
        pa.array([1], pa.timestamp("ms", "UTC")),
        pa.array([None]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_of_a_plain_type_is_taken(column: pa.Array) -> None:
    assert parquet_file.read(parquet_of(pa.table({"fine": column}))).num_rows == 1

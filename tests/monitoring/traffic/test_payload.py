"""What goes into an inbox row comes out of it."""

import hashlib
import zlib
from typing import Any

import msgspec
import pytest

from monitoring.traffic import payload
from monitoring.traffic.payload import DamagedPayload, Group, Unpacked


def _predictions(rows: int = 3) -> Group:
    return Group(
        version_id="0193b2f0-0000-7000-8000-000000000001",
        rows=rows,
        columns={
            "request_id": [f"r-{i}" for i in range(rows)],
            "predicted_at": [1_700_000_000_000_000 + i for i in range(rows)],
            "endpoint": ["credit-decision"] * rows,
            "score": [0.1 * i for i in range(rows)],
            "fallback": [False] * rows,
            "content_hash": [bytes([i]) * 16 for i in range(rows)],
        },
        features={"income": [41200.0, None, 3.5][:rows], "region": ["EU"] * rows},
        surprises={"null": {"income": 1}},
    )


def _columns(group: Unpacked) -> dict[str, list[Any]]:
    return {name: _plain(group.column(name)) for name in group.columns}


def _features(group: Unpacked) -> dict[str, list[Any]]:
    return {name: payload.listed(column, group.rows) for name, column in group.features.items()}


def _plain(values: list[Any]) -> list[Any]:
    return [bytes(value) if isinstance(value, list) else value for value in values]  # a hash, as its bytes


def test_what_is_encoded_is_decoded():
    groups = [_predictions(), _predictions(rows=1)]

    decoded = payload.decode(payload.encode(groups))

    assert [group.version_id for group in decoded] == [group.version_id for group in groups]
    assert _columns(decoded[0]) == {name: column for name, column in groups[0].columns.items() if name != "fallback"}
    assert _features(decoded[0]) == groups[0].features
    assert decoded[0].surprises == {"null": {"income": 1}}


def test_a_column_of_defaults_is_left_out_and_read_as_defaults():
    [group] = payload.decode(payload.encode([_predictions()]))

    assert "fallback" not in group.columns
    assert group.column("fallback") == [False, False, False]
    assert group.column("calls") == [1, 1, 1]
    assert group.column("latency_ms") == [None, None, None]


def test_a_column_without_default_is_never_invented():
    [group] = payload.decode(payload.encode([_predictions()]))

    with pytest.raises(KeyError):
        group.column("value_from_nowhere")


def test_a_constant_column_costs_one_value():
    few = Group("v", 2, {"request_id": ["a", "b"]}, {"region": ["a long name of a region"] * 2})
    many = Group(
        "v", 2, {"request_id": ["a", "b"]}, {"region": ["a long name of a region", "another long name of one"]}
    )

    assert len(payload.encode([few])) < len(payload.encode([many]))
    assert _features(payload.decode(payload.encode([few]))[0]) == few.features


@pytest.mark.parametrize("cut", [0, 1, 10, -1], ids=["empty", "one byte", "head", "tail cut"])
def test_a_cut_payload_is_named_damaged(cut: int):
    blob = payload.encode([_predictions()])

    with pytest.raises(DamagedPayload):
        payload.decode(blob[:cut])


def test_a_payload_of_a_later_version_is_refused():
    blob = msgspec.msgpack.encode([2, b"", b""])

    with pytest.raises(DamagedPayload, match="version 2"):
        payload.decode(blob)


def test_a_column_of_another_length_is_refused():
    group = {"version_id": "", "rows": 3, "columns": {"request_id": ["a", "b"]}, "features": {}, "surprises": {}}
    document = {"groups": [group], "dense": [], "dense_crc": 0}
    blob = msgspec.msgpack.encode([1, b"", zlib.compress(msgspec.msgpack.encode(document))])

    with pytest.raises(DamagedPayload, match="2 values for 3 rows"):
        payload.decode(blob)


def _noisy(rows: int = 200) -> Group:
    """A group whose numbers and hashes stand outside of the compressed part, but for one with a null."""
    noise = [i * 0.37 % 1 for i in range(rows)]
    columns = {"request_id": [f"r-{i}" for i in range(rows)], "score": noise, "latency_ms": [*noise[1:], None]}
    columns["content_hash"] = [hashlib.md5(str(i).encode(), usedforsecurity=False).digest() for i in range(rows)]
    return Group("v", rows, columns, {"income": noise, "n": [float(i % 3) for i in range(rows)]})


def test_numbers_that_do_not_compress_come_back_exactly():
    groups = [_noisy(), _predictions(), _noisy(100)]

    decoded = payload.decode(payload.encode(groups))

    for before, after in zip(groups, decoded, strict=True):
        assert _features(after) == before.features
        assert _columns(after) == {name: before.columns[name] for name in after.columns}


def test_numbers_that_do_not_compress_are_handed_out_uncopied():
    [group] = payload.decode(payload.encode([_noisy()]))

    score, digests = group.columns["score"], group.columns["content_hash"]
    assert isinstance(score, memoryview)
    assert isinstance(digests, memoryview)
    assert (score.format, len(score)) == ("d", 200)
    assert digests.shape == (200, 16)
    assert isinstance(group.columns["latency_ms"], list)  # a null is among them


def test_lacking_numbers_are_noticed():
    outer = msgspec.msgpack.decode(payload.encode([_noisy()]))
    short = outer[1][:-8]
    document = msgspec.msgpack.decode(zlib.decompress(outer[2]))
    document["dense_crc"] = zlib.crc32(short)
    blob = msgspec.msgpack.encode([outer[0], short, zlib.compress(msgspec.msgpack.encode(document))])

    with pytest.raises(DamagedPayload, match="lacks numbers"):
        payload.decode(blob)


def test_one_altered_bit_anywhere_is_noticed_or_harmless():
    blob = payload.encode([_noisy()])
    good = payload.decode(blob)

    for place in range(0, len(blob), 7):
        flipped = bytearray(blob)
        flipped[place] ^= 4
        try:
            assert payload.decode(bytes(flipped)) == good
        except DamagedPayload:
            continue


def test_a_short_document_is_stored_as_it_is_and_any_altered_bit_shows():
    blob = payload.encode([Group("v", 1, {"request_id": ["a"], "content_hash": [b"x" * 16]}, {"income": [1.5]})])

    assert b"income" in blob
    for position in range(len(blob)):
        altered = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(payload.DamagedPayload):
            payload.decode(altered)

"""Limits hold before any work is done, and never cost more than they save."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_portal.kit.errors import Malformed, TooLarge
from monitoring.traffic import limits


def test_gzip_is_taken_apart() -> None:
    assert limits.inflate(gzip.compress(b"abc" * 100_000)) == b"abc" * 100_000


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not gzip",
        gzip.compress(b"abc")[:-1],
        gzip.compress(b"abc") + b"x",
        gzip.compress(b"abc") * 2,
        zlib.compress(b"abc"),
        gzip.compress(b"abc")[:-8] + b"\0" * 8,
    ],
    ids=["nothing", "text", "cut", "tail", "twice", "zlib", "checksum"],
)
def test_what_is_not_one_gzip_stream_is_refused(packed: bytes) -> None:
    with pytest.raises(Malformed):
        limits.inflate(packed)


def test_a_gzip_body_may_not_grow_beyond_its_ratio() -> None:
    with pytest.raises(TooLarge, match="100 times"):
        limits.inflate(gzip.compress(b"a" * 3_000_000))


def test_a_small_gzip_body_may_be_as_repetitive_as_it_likes() -> None:
    assert len(limits.inflate(gzip.compress(b"a" * 1_000_000))) == 1_000_000


def test_a_gzip_body_may_not_grow_beyond_the_limit_of_a_body() -> None:
    noise = b"".join(i.to_bytes(4, "big") * 40 for i in range(220_000))

    with pytest.raises(TooLarge, match="32 MiB"):
        limits.inflate(gzip.compress(noise, 1))


@pytest.mark.parametrize(("count", "is_taken"), [(10_000, True), (10_001, False)])
def test_a_batch_holds_ten_thousand_items(count: int, *, is_taken: bool) -> None:
    if is_taken:
        limits.require_count(count)
    else:
        with pytest.raises(TooLarge, match="10,000"):
            limits.require_count(count)


def nested(depth: int, *, as_objects: bool = False) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth if as_objects else b"[" * depth + b"]" * depth


@pytest.mark.parametrize("as_objects", [False, True])
def test_depth_is_counted_exactly(*, as_objects: bool) -> None:
    limits.require_shallow(nested(8, as_objects=as_objects), 8)

    with pytest.raises(Malformed) as caught:
        limits.require_shallow(nested(9, as_objects=as_objects), 8)
    assert caught.value.code == "too_deep"


@pytest.mark.parametrize(
    "text", [b'"[[[[[[[[["', b'["\\"[[[[[[[[["]', b'{"[[[[[[[[[":"]]]]{{{{{{{{{"}', b'"' + b"[" * 99]
)
def test_brackets_in_texts_are_no_nesting(text: bytes) -> None:
    limits.require_shallow(text, 8)


def test_what_is_never_closed_is_deep_too() -> None:
    with pytest.raises(Malformed):
        limits.require_shallow(b"[" * 9, 8)


values = st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(values, st.booleans())
def test_any_json_is_let_through_exactly_up_to_its_depth(value: object, spaced: bool) -> None:  # noqa: FBT001
    text = json.dumps(value, indent=1 if spaced else None).encode()
    depth = depth_of(value)

    limits.require_shallow(text, depth)
    if depth:
        with pytest.raises(Malformed):
            limits.require_shallow(text, depth - 1)

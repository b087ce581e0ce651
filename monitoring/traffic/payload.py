"""What an inbox row holds: accepted records of one batch as columns, grouped by version, in compressed MessagePack.

Columns of predictions (a list each, as long as the group; None where absent): `request_id`, `predicted_at` (µs since
1970, UTC), `endpoint`, `revision`, `score`, `scores` (JSON text), `prediction` (label, repr of a number, or JSON text
of shown ids), `prediction_number`, `action`, `latency_ms`, `cost`, `stages` (JSON text), `calls`, `fallback`, `error`,
`subject_ref`, `trace_id`, `shadow`, `content_hash` (16 bytes), `received_at` (µs).
Columns of outcomes: `request_id`, `kind`, `value_number`, `value_text`, `observed_at`, `predicted_at` (a hint),
`weight`, `content_hash`, `received_at`.
Features hold float or None (number, integer, timestamp in epoch seconds) or text or None (boolean: `true`, `false`).
"""

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

PAYLOAD_V = 1
CODEC = "zlib-1"
_WORTH_COMPRESSING = 4096  # bytes; setting up the compressor costs as much as all else that is done to one record
_SAMPLE = 64  # values that tell whether compressing a column is worth while
PREDICTION_DEFAULTS: dict[str, Any] = {
    "endpoint": "",
    "revision": None,
    "score": None,
    "scores": None,
    "prediction": None,
    "prediction_number": None,
    "action": None,
    "latency_ms": None,
    "cost": None,
    "stages": None,
    "calls": 1,
    "fallback": False,
    "error": None,
    "subject_ref": None,
    "trace_id": None,
    "shadow": False,
}
OUTCOME_DEFAULTS: dict[str, Any] = {"value_number": None, "value_text": None, "predicted_at": None, "weight": None}
_DEFAULTS = PREDICTION_DEFAULTS | OUTCOME_DEFAULTS


class DamagedPayload(Exception):
    """The bytes are not a payload of a version this code reads."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one version (outcomes: of none, `version_id` is empty), column by column.

    surprises: {code: {feature: n}}, what was stored although it surprised; kid: the key of hashed values.
    """

    version_id: str
    rows: int
    columns: dict[str, list[Any]]
    features: dict[str, list[Any]] = field(default_factory=dict)
    surprises: dict[str, dict[str, int]] = field(default_factory=dict)
    kid: str = ""


Column = list[Any] | memoryview


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A group as an inbox row gives it back.

    A column is a list, of a single value if all rows have the same; or, where its values stood outside of what is
    compressed, a view of them: of doubles, or of hashes, shape (rows, bytes of one). A column of defaults is absent.
    """

    version_id: str
    rows: int
    columns: dict[str, Column]
    features: dict[str, Column]
    surprises: dict[str, dict[str, int]]
    kid: str

    def column(self, name: str) -> list[Any]:
        """The values of a column, filled with its default where the sender had nothing to say.

        Raises KeyError if the column is missing and has no default.
        """
        found = self.columns.get(name)
        return listed([_DEFAULTS[name]] if found is None else found, self.rows)


class _Dense(msgspec.Struct, array_like=True):
    """A column whose values stand one after the other, outside of what is compressed: noise costs time, not space."""

    group: int
    part: str  # "columns" or "features"
    name: str
    width: int  # bytes of one value: 8 for doubles, else plain bytes


class _Document(msgspec.Struct):
    groups: list[Group]
    dense: list[_Dense]
    dense_crc: int


class _Blob(msgspec.Struct, array_like=True):
    """packed: the document, compressed; or, where it is short, as it is, with the CRC-32 that zlib would have added."""

    v: int
    dense: bytes = b""
    packed: bytes = b""
    plain_crc: int | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_blob = msgspec.msgpack.Decoder(_Blob).decode
_decode_document = msgspec.msgpack.Decoder(_Document).decode


def encode(groups: Sequence[Group]) -> bytes:
    """The groups as bytes; a column with one value throughout is stored once, one of defaults only not at all."""
    dense: list[_Dense] = []
    pieces: list[bytes] = []
    packed = [_packed(group, i, dense, pieces) for i, group in enumerate(groups)]
    joined = b"".join(pieces)
    document = _encode(_Document(packed, dense, zlib.crc32(joined)))
    if len(document) < _WORTH_COMPRESSING:
        return _encode(_Blob(PAYLOAD_V, joined, document, zlib.crc32(document)))
    return _encode(_Blob(PAYLOAD_V, joined, zlib.compress(document, 1)))


def decode(blob: bytes | memoryview) -> list[Unpacked]:
    """The groups that `encode` wrote.

    Raises DamagedPayload if the bytes are cut, altered or of a later payload version.
    """
    try:
        outer = _decode_blob(blob)
        if outer.v != PAYLOAD_V:
            raise DamagedPayload(f"an inbox payload has version {outer.v}, this code reads {PAYLOAD_V}")
        document = _decode_document(_opened(outer))
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedPayload(f"an inbox payload cannot be read: {error}") from error
    if zlib.crc32(outer.dense) != document.dense_crc:
        raise DamagedPayload("an inbox payload has altered numbers")
    views = _views(document, outer.dense)
    return [_unpacked(group, i, views) for i, group in enumerate(document.groups)]


def _opened(outer: _Blob) -> bytes:
    if outer.plain_crc is None:
        return zlib.decompress(outer.packed)
    if zlib.crc32(outer.packed) != outer.plain_crc:
        raise DamagedPayload("an inbox payload is altered")
    return outer.packed


def _packed(group: Group, i: int, dense: list[_Dense], pieces: list[bytes]) -> Group:
    columns = {
        name: values
        for name, values in group.columns.items()
        if name not in _DEFAULTS or values.count(_DEFAULTS[name]) != group.rows
    }
    features = group.features
    if group.rows > 1:
        columns = {n: _stored(values, _Dense(i, "columns", n, 0), dense, pieces) for n, values in columns.items()}
        features = {n: _stored(values, _Dense(i, "features", n, 0), dense, pieces) for n, values in features.items()}
    return Group(group.version_id, group.rows, columns, features, group.surprises, group.kid)


def _stored(values: list[Any], place: _Dense, dense: list[_Dense], pieces: list[bytes]) -> list[Any]:
    """What stands in the compressed part for a column: its values, one of them, or none if they stand outside."""
    piece = _piece(values)
    if piece is None:
        return _once(values)
    place.width = len(piece) // len(values)
    dense.append(place)
    pieces.append(piece)
    return []


def _piece(values: list[Any]) -> bytes | None:
    """The bytes of a column that compression would hardly shorten (doubles of many values, hashes), else None."""
    sample = values[:_SAMPLE]
    if len(sample) < _SAMPLE or not isinstance(sample[0], float | bytes) or len(set(sample)) < _SAMPLE // 2:
        return None
    try:
        if isinstance(sample[0], float):
            return array("d", values).tobytes()
        return b"".join(values) if len(set(map(len, values))) == 1 else None
    except TypeError:  # a null among them
        return None


def _views(document: _Document, joined: bytes) -> dict[tuple[int, str, str], memoryview]:
    """The columns that stand outside of what is compressed, by group, part and name."""
    found: dict[tuple[int, str, str], memoryview] = {}
    view, start = memoryview(joined), 0
    for place in document.dense:
        rows = document.groups[place.group].rows
        piece = view[start : start + place.width * rows]
        start += place.width * rows
        if len(piece) < place.width * rows:
            break
        is_hash = place.part == "columns" and place.name == "content_hash"
        whole: memoryview[Any] = piece.cast("B", (rows, place.width)) if is_hash else piece.cast("d")
        found[place.group, place.part, place.name] = whole
    if start != len(joined):
        raise DamagedPayload("an inbox payload lacks numbers")
    return found


def _once(values: list[Any]) -> list[Any]:
    """One value instead of many equal ones; a cheap look at both ends spares most columns the count."""
    if len(values) > 1 and values[0] == values[-1] and values.count(values[0]) == len(values):
        return values[:1]
    return values


def _unpacked(group: Group, i: int, views: dict[tuple[int, str, str], memoryview]) -> Unpacked:
    columns = {name: views.get((i, "columns", name), held) for name, held in group.columns.items()}
    features = {name: views.get((i, "features", name), held) for name, held in group.features.items()}
    for column in (*columns.values(), *features.values()):
        if len(column) not in {1, group.rows}:
            raise DamagedPayload(f"a column has {len(column)} values for {group.rows} rows")
    return Unpacked(group.version_id, group.rows, columns, features, group.surprises, group.kid)


def listed(column: Column, rows: int) -> list[Any]:
    """The values of an unpacked column, one per row."""
    values = column if isinstance(column, list) else column.tolist()
    return values * rows if len(values) < rows else values

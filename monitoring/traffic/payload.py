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
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

PAYLOAD_V = 1
CODEC = "zlib-1"
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

    def column(self, name: str) -> list[Any]:
        """The column, filled with its default where the sender had nothing to say.

        Raises KeyError if the column is missing and has no default.
        """
        found = self.columns.get(name)
        return [_DEFAULTS[name]] * self.rows if found is None else found


class _Document(msgspec.Struct):
    v: int
    groups: list[Group]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Document)


def encode(groups: Sequence[Group]) -> bytes:
    """The groups as bytes; a column with one value throughout is stored once, one of defaults only not at all."""
    document = _Document(PAYLOAD_V, [_packed(group) for group in groups])
    return zlib.compress(_encoder.encode(document), 1)


def decode(blob: bytes | memoryview) -> list[Group]:
    """The groups that `encode` wrote.

    Raises DamagedPayload if the bytes are cut, altered or of a later payload version.
    """
    try:
        document = _decoder.decode(zlib.decompress(blob))
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedPayload(f"an inbox payload cannot be read: {error}") from error
    if document.v != PAYLOAD_V:
        raise DamagedPayload(f"an inbox payload has version {document.v}, this code reads {PAYLOAD_V}")
    return [_unpacked(group) for group in document.groups]


def _packed(group: Group) -> Group:
    columns = {
        name: _once(values)
        for name, values in group.columns.items()
        if name not in _DEFAULTS or values.count(_DEFAULTS[name]) != group.rows
    }
    features = {name: _once(values) for name, values in group.features.items()}
    return Group(group.version_id, group.rows, columns, features, group.surprises, group.kid)


def _once(values: list[Any]) -> list[Any]:
    """One value instead of many equal ones; a cheap look at both ends spares most columns the count."""
    if len(values) > 1 and values[0] == values[-1] and values.count(values[0]) == len(values):
        return values[:1]
    return values


def _unpacked(group: Group) -> Group:
    columns = {name: _repeated(values, group.rows) for name, values in group.columns.items()}
    features = {name: _repeated(values, group.rows) for name, values in group.features.items()}
    return Group(group.version_id, group.rows, columns, features, group.surprises, group.kid)


def _repeated(values: list[Any], rows: int) -> list[Any]:
    if len(values) == rows:
        return values
    if len(values) != 1:
        raise DamagedPayload(f"a column has {len(values)} values for {rows} rows")
    return values * rows

"""The byte form of grids and profiles: a magic word, a JSON header, little-endian arrays.

Equal content gives equal bytes on every machine, so that a hash of them is a name.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

_KEPT_DTYPES = ("<f8", "<u8", "<u2")
_DTYPES = (*_KEPT_DTYPES, "<i4", "<i8")
_INT32 = np.iinfo(np.int32)


def pack(magic: bytes, header: Mapping[str, object], arrays: Arrays) -> bytes:
    """Return the canonical bytes of a header and named arrays.

    Whole numbers are written in 32 bits where they fit. Raises ValueError if the header holds NaN.
    """
    written = {name: _narrow(array) for name, array in sorted(arrays.items())}
    directory = [[name, array.dtype.str, list(array.shape)] for name, array in written.items()]
    text = json.dumps(
        {"header": header, "arrays": directory}, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
    return b"".join([magic, struct.pack("<I", len(text)), text, *(array.tobytes() for array in written.values())])


def unpack(magic: bytes, blob: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and arrays of packed bytes.

    Whole numbers come back as int64. Raises ValueError if the magic word or the length is wrong.
    """
    if blob[:4] != magic or len(blob) < 8:
        raise ValueError(f"these bytes do not begin with {magic.decode()}")
    start = 8 + int(struct.unpack("<I", blob[4:8])[0])
    try:
        described = json.loads(blob[8:start])
    except ValueError as error:
        raise ValueError("the header of these bytes is damaged") from error
    _require_directory(described)
    arrays = {}
    for name, dtype, shape in described["arrays"]:
        size = math.prod(shape)
        if start + size * np.dtype(dtype).itemsize > len(blob):
            raise ValueError("these bytes are too short")
        flat = np.frombuffer(blob, dtype=dtype, count=size, offset=start)
        arrays[name] = _widen(flat, dtype).reshape(shape)
        start += flat.nbytes
    if start != len(blob):
        raise ValueError("these bytes are too long")
    return described["header"], arrays


def _require_directory(described: object) -> None:
    """Raise ValueError unless a header names arrays of the known types and possible shapes."""
    listed = (
        described.get("arrays") if isinstance(described, dict) and isinstance(described.get("header"), dict) else None
    )
    if not isinstance(listed, list) or not all(map(_is_entry, listed)):
        raise ValueError("the header of these bytes is damaged")


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, list) or len(entry) != 3:
        return False
    name, dtype, shape = entry
    sizes = shape if isinstance(shape, list) else [None]
    return isinstance(name, str) and dtype in _DTYPES and all(type(size) is int and size >= 0 for size in sizes)


@contextmanager
def reading() -> Iterator[None]:
    """Bytes whose header lacks what a reader looks for, or has something else there, are damaged: a ValueError."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError("the content of these bytes is damaged") from error


def compress(packed: bytes) -> bytes:
    """Deflate packed bytes for storage."""
    return zlib.compress(packed, 6)


def decompress(blob: bytes) -> bytes:
    """Inflate stored bytes. Raises ValueError if they are damaged."""
    try:
        return zlib.decompress(blob)
    except zlib.error as error:
        raise ValueError("these bytes are not a deflated profile") from error


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.str in _KEPT_DTYPES:
        return np.ascontiguousarray(array)
    fits = not array.size or (array.min() >= _INT32.min and array.max() <= _INT32.max)
    return np.ascontiguousarray(array, dtype="<i4" if fits else "<i8")


def _widen(flat: NDArray[Any], dtype: str) -> NDArray[Any]:
    return flat.copy() if dtype in _KEPT_DTYPES else flat.astype(np.int64)

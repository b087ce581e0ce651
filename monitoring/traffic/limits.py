"""What one POST may cost: sizes, counts and depths, each refused by name before any work is done."""

import re
import zlib

from mlops_portal.kit.errors import Malformed, TooLarge

MIB = 1024 * 1024
WIRE_BYTES = 16 * MIB
BODY_BYTES = 32 * MIB  # after gunzip
PARQUET_BYTES = 64 * MIB
GZIP_RATIO = 100
ITEMS = 10_000
ITEM_BYTES = 64 * 1024
DEPTH = 8  # of one record
TEXT_LENGTH = 256  # characters of a text that are kept
STAGES = 10
SHOWN_IDS = 100  # of a ranking
NAME_LENGTH = 128  # of a feature, an endpoint, an action, a trace id
UNEXPECTED_NAMES = 50  # per version and batch

_RATIO_COUNTS_FROM = MIB  # small bodies may be as repetitive as they like
_PIECE = 256 * 1024
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")


def require_size(size_bytes: int, limit: int, what: str) -> None:
    """Raise TooLarge, naming the limit, if the size lies above it."""
    if size_bytes > limit:
        raise TooLarge(f"{what} may hold {limit // MIB} MiB; this one holds more. Send smaller batches.")


def require_count(items: int) -> None:
    """Raise TooLarge if one batch holds more items than 10,000."""
    if items > ITEMS:
        raise TooLarge(f"A batch may hold {ITEMS:,} items, not {items:,}. Send several.")


def inflate(packed: bytes) -> bytes:
    """The body inside one layer of gzip, never more of it in memory than the limit.

    Raises TooLarge if it grows beyond 32 MiB or 100 times its packed size, Malformed if it is not gzip to its end.
    """
    inflater = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    size_bytes = 0
    rest = packed
    try:
        while not inflater.eof:
            piece = inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            if not piece and not rest and not inflater.eof:
                raise Malformed("The gzip body ends too early.")
            pieces.append(piece)
            size_bytes += len(piece)
            require_size(size_bytes, BODY_BYTES, "A body, unpacked,")
            if size_bytes > max(_RATIO_COUNTS_FROM, GZIP_RATIO * len(packed)):
                raise TooLarge(f"A gzip body may grow {GZIP_RATIO} times; this one grows more.")
    except zlib.error as error:
        raise Malformed("The body is not gzip.") from error
    if inflater.unused_data:
        raise Malformed("Something follows the gzip body.")
    return b"".join(pieces)


def require_shallow(text: bytes, depth: int) -> None:
    """Raise Malformed (`too_deep`) if brackets nest deeper than this; linear in the text, without recursion.

    Quoted text is taken out first. Then every round removes the innermost pairs, so what still holds a pair, or an
    open run, after `depth` rounds is deeper.
    """
    if text.count(b"[") + text.count(b"{") <= depth:
        return
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS).translate(_AS_SQUARE)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > depth:
        raise Malformed(f"A record may be nested {DEPTH} deep.", code="too_deep")

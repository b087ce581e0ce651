"""Times as RFC 3339 with an offset, as microseconds since 1970 in UTC; nothing else is a time."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
FUTURE_US = 5 * MINUTE_US  # clocks of senders may be that far ahead
LATE_US = DAY_US
OLD_US = 30 * DAY_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_SHAPE = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII)
_SUFFIXES = ("Z", "+00:00")
_NO_SEPARATORS = str.maketrans("", "", "-:.TZ+")


class BadTime(ValueError):
    """The text is not a time; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Micros(int):
    """A time from a table, in microseconds since 1970; a plain number from a client is no time."""


class Seconds(float):
    """A time of a feature from a table, in seconds since 1970."""


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _US


def moment(us: int) -> datetime:
    """The aware moment, in UTC, of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def written(us: int) -> str:
    """The time as RFC 3339, or its microseconds if it lies beyond the years 1 to 9999."""
    try:
        return moment(us).isoformat()
    except OverflowError:
        return str(us)


def parse(text: str) -> int:
    """The time of one text; fractions beyond microseconds are cut.

    Raises BadTime with code `timezone_required` if only the offset is missing, else `bad_time`.

    >>> parse("1970-01-01T01:00:00.0000019+01:00")
    1
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadTime("bad_time", "A time is written 2025-11-20T09:31:07Z (RFC 3339).")
    day, clock, fraction, zulu, sign, hours, minutes = match.groups()
    if zulu is None and sign is None:
        raise BadTime("timezone_required", "The time has no offset; append Z or +01:00.")
    try:
        at = micros(datetime.fromisoformat(f"{day}T{clock}+00:00"))
    except ValueError as error:
        raise BadTime("bad_time", "There is no such day or hour.") from error
    if fraction:
        at += int(fraction[:6].ljust(6, "0"))
    if sign is None:
        return at
    if int(hours) > 23 or int(minutes) > 59:
        raise BadTime("bad_time", "An offset lies between -23:59 and +23:59.")
    offset = int(hours) * HOUR_US + int(minutes) * MINUTE_US
    return at - offset if sign == "+" else at + offset


def parse_column(values: Sequence[str | int]) -> list[int | BadTime]:
    """The times of many texts, in order, a BadTime where one is none; what is microseconds already stays.

    Senders write all their times in one or two shapes, so texts of one length are checked together, by position.
    """
    if set(map(type, values)) == {str}:
        return _parse_texts(values)  # type: ignore[arg-type]
    texts = [value for value in values if isinstance(value, str)]
    parsed = iter(_parse_texts(texts) if texts else ())
    return [next(parsed) if isinstance(value, str) else value for value in values]


def _parse_texts(texts: Sequence[str]) -> list[int | BadTime]:
    lengths = set(map(len, texts))
    if len(lengths) == 1:
        return _same_length(texts)
    known: dict[str, int | BadTime] = {}
    for length in lengths:
        alike = [text for text in texts if len(text) == length]
        known.update(zip(alike, _same_length(alike), strict=True))
    return [known[text] for text in texts]


def _same_length(texts: Sequence[str]) -> list[int | BadTime]:
    if _is_plain(texts):
        try:
            return [(datetime.fromisoformat(text) - _EPOCH) // _US for text in texts]
        except ValueError:  # a thirteenth month: find out which
            pass
    return [_parsed(text) for text in texts]


def _parsed(text: str) -> int | BadTime:
    try:
        return parse(text)
    except BadTime as error:
        return error


def _is_plain(texts: Sequence[str]) -> bool:
    """Whether every text is YYYY-MM-DDTHH:MM:SS, perhaps a fraction, then Z or +00:00."""
    n, length = len(texts), len(texts[0])
    suffix = next((known for known in _SUFFIXES if texts[0].endswith(known)), "")
    body = length - len(suffix)
    if not suffix or body == 20 or not 19 <= body <= 29:
        return False
    template = "dddd-dd-ddTdd:dd:dd" + "." * (body > 19) + "d" * (body - 20) + suffix
    if suffix != "Z":
        template = template[: -len(suffix)] + suffix.replace("0", "d")
    joined = "".join(texts)
    digits = joined.translate(_NO_SEPARATORS)
    if not (digits.isascii() and digits.isdecimal()) or len(digits) != n * template.count("d"):
        return False
    separated = all(joined[i::length] == mark * n for i, mark in enumerate(template) if mark != "d")
    return separated and (suffix == "Z" or all(text.endswith(suffix) for text in texts))

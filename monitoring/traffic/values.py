"""Single values as records need them: text, number, time, name. What will not do raises `Rejected`."""

import math
import re
from typing import Any

from monitoring.traffic import limits, times
from monitoring.traffic.records import REVISIONS

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
CONTROL = re.compile(r"[\x00-\x1f]")
SHOWN = 64  # characters of a refused value that the answer repeats


class Rejected(Exception):
    """The record is wrong: where (pointer within it), how (code), and what came (None where privacy forbids)."""

    def __init__(self, code: str, detail: str, pointer: str = "", *, received: Any = None, feature: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.received = shown(received)
        self.feature = feature


def shown(value: Any) -> str | None:
    """The start of a refused value, as it may be repeated in an answer and kept in a database."""
    if value is None:
        return None
    text = value if isinstance(value, str) else "true" if value is True else "false" if value is False else str(value)
    return text[:SHOWN].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def request_id(value: Any) -> str:
    """The id, if it is 1 to 128 visible ASCII characters."""
    text = require_text(value, "/request_id")
    require_no_control(text, "/request_id")
    if not REQUEST_ID.fullmatch(text):
        detail = "A request id has 1 to 128 visible ASCII characters and no space."
        raise Rejected("bad_request_id", detail, "/request_id", received=text)
    return text


def time(value: Any, pointer: str, *, feature: str = "", is_shown: bool = True) -> int:
    """The time in microseconds since 1970. Raises Rejected with the code of what is wrong."""
    if isinstance(value, times.Micros):
        return int(value)
    text = require_text(value, pointer, feature=feature, is_shown=is_shown)
    try:
        return times.parse(text)
    except times.BadTime as error:
        shown = text if is_shown else None
        raise Rejected(error.code, error.detail, pointer, received=shown, feature=feature) from error


def double(value: int | float) -> float:
    """The number as a double, infinite if it is beyond them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def number(value: Any, pointer: str) -> float:
    """A finite number; texts and truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("wrong_type", f"{pointer[1:]} must be a number.", pointer, received=value)
    number = double(value)
    if not math.isfinite(number):
        raise Rejected("not_finite", f"{pointer[1:]} is not a finite number.", pointer)
    return number


def amount(value: Any, pointer: str) -> float | None:
    """A number of 0 or more, or None."""
    return None if value is None else not_negative(number(value, pointer), pointer)


def not_negative(number: float, pointer: str) -> float:
    """The number, if it is 0 or more."""
    if number < 0:
        raise Rejected("negative_value", f"{pointer[1:]} must be 0 or more.", pointer, received=number)
    return number


def whole_number(value: Any, pointer: str) -> int | None:
    """A whole number from 0 to the largest a database column holds, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Rejected("wrong_type", f"{pointer[1:]} must be a whole number.", pointer, received=value)
    if value < 0:
        raise Rejected("negative_value", f"{pointer[1:]} must be 0 or more.", pointer, received=value)
    if value > REVISIONS:
        raise Rejected("too_large", f"{pointer[1:]} is at most {REVISIONS}.", pointer)
    return value


def flag(value: Any, pointer: str) -> bool | None:
    """A truth value or None."""
    if value is not None and not isinstance(value, bool):
        raise Rejected("wrong_type", f"{pointer[1:]} must be true or false.", pointer, received=value)
    return value


def name(value: Any, pointer: str) -> str | None:
    """A short text without control characters, or None."""
    return text(value, pointer, limits.NAME_LENGTH)


def text(value: Any, pointer: str, length: int, *, is_shown: bool = True) -> str | None:
    """A text of at most so many characters without control characters, or None."""
    if value is None:
        return None
    text = require_text(value, pointer, is_shown=is_shown)
    require_no_control(text, pointer)
    require_length(text, length, pointer)
    return text


def require_text(value: Any, pointer: str, *, feature: str = "", is_shown: bool = True) -> str:
    """The value, if it is a text."""
    if not isinstance(value, str):
        shown = value if is_shown else None
        raise Rejected("wrong_type", f"{pointer[1:]} must be a text.", pointer, received=shown, feature=feature)
    return value


def require_no_control(text: str, pointer: str) -> None:
    """Raise Rejected if the text holds a control character."""
    if CONTROL.search(text):
        raise Rejected("invalid_character", f"{pointer[1:]} holds a control character.", pointer)


def require_length(text: str, length: int, pointer: str) -> None:
    """Raise Rejected if the text is too long."""
    if len(text) > length:
        raise Rejected("too_large", f"{pointer[1:]} has at most {length} characters, not {len(text)}.", pointer)

"""Checks of the values that people and programs write into the inventory; every fault of a request is told at once."""

import math
import unicodedata
from types import TracebackType
from typing import Any, Self

from mlops_portal.kit.errors import Fault, Invalid
from registry.models.team import SLUG

SHOWN = 64  # characters of a refused value that the answer repeats


class Checked:
    """Collects faults while values are read; leaving the block raises one Invalid with all of them.

    Every method gives back the cleaned value (or a harmless one if it was refused), so that reading goes on.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.faults: list[Fault] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.faults:
            raise as_invalid(self.faults)

    def refuse(self, field: str, detail: str, *, code: str = "invalid", received: object = None) -> None:
        """Note one fault; the sentence names value, bound and remedy."""
        shown = None if received is None else str(received)[:SHOWN]
        self.faults.append(Fault(code, detail, f"{self._prefix}/{field}", received=shown))

    def line(self, field: str, value: str, *, limit: int, required: bool = False) -> str:
        """One line of text in NFC, without control characters, trimmed."""
        value = unicodedata.normalize("NFC", value).strip()
        if required and not value:
            self.refuse(field, "It is empty; give it a text.", code="missing_field")
        self._characters(field, value, limit, allowed="")
        return value

    def text(self, field: str, value: str, *, limit: int = 10_000) -> str:
        """Text of several lines."""
        value = unicodedata.normalize("NFC", value).replace("\r\n", "\n").strip()
        self._characters(field, value, limit, allowed="\n\t")
        return value

    def verbatim(self, field: str, value: str, *, limit: int, controls: str = "\n\r\t") -> str:
        """A text kept exactly as it came, because programs compare it; what cannot be shown is refused."""
        self._characters(field, value, limit, allowed=controls)
        return value

    def slug(self, field: str, value: str) -> str:
        """A text that may stand in an address."""
        if not SLUG.regex.match(value):  # type: ignore[union-attr]
            self.refuse(field, f"{value[:SHOWN]!r} will not do: {SLUG.message}", received=value)
        return value

    def choice(self, field: str, value: str, choices: list[str]) -> str:
        """One of a few words."""
        if value not in choices:
            self.refuse(field, f"{value[:SHOWN]!r} is none of {', '.join(choices)}.", received=value)
        return value

    def number(
        self, field: str, value: float | None, *, low: float | None = None, high: float | None = None
    ) -> float | None:
        """A finite number within bounds, or nothing."""
        if value is None:
            return None
        if not math.isfinite(value):
            self.refuse(field, f"{value} is not a finite number.", code="not_finite", received=value)
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            self.refuse(field, f"{value:g} is outside {_bounds(low, high)}.", received=value)
        return value

    def _characters(self, field: str, value: str, limit: int, *, allowed: str) -> None:
        if len(value) > limit:
            self.refuse(
                field, f"It has {len(value)} characters; {limit} is the most.", code="too_large", received=value
            )
        bad = next((mark for mark in value if mark not in allowed and _is_unfit(mark)), None)
        if bad is not None:
            self.refuse(
                field, f"It holds U+{ord(bad):04X}, which cannot be shown; remove it.", code="invalid_character"
            )


def as_invalid(faults: list[Fault]) -> Invalid:
    """The error that tells all faults; its own sentence and field are those of the first."""
    first = faults[0]
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    field = first.pointer.rsplit("/", 1)[-1]
    return Invalid(f"{field}: {first.detail}{more}", field=field, faults=faults)


def is_printable_name(value: str) -> bool:
    """Whether a text may name something: in NFC, printable, not blank at an end."""
    return value == unicodedata.normalize("NFC", value).strip() and not any(map(_is_unfit, value))


def json_text(value: Any) -> bool:
    """Whether every text within a JSON value can be stored and shown."""
    if isinstance(value, str):
        return not any(mark == "\x00" or "\ud800" <= mark <= "\udfff" for mark in value)
    if isinstance(value, dict):
        return all(json_text(key) and json_text(item) for key, item in value.items())
    return all(map(json_text, value)) if isinstance(value, list) else True


def _is_unfit(mark: str) -> bool:
    """Control characters and lone surrogates; also the marks that turn text around."""
    return (
        unicodedata.category(mark) in {"Cc", "Cs"} or mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"the range from {low:g} up" if low is not None else f"the range up to {high:g}"

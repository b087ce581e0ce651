"""How numbers, times and ids are written, wherever the portal writes them.

Pages, chart names, e-mail and webhooks use these functions, so a value reads the same everywhere. A value that
is missing or not finite is said in words (`MISSING`), never as 0 and never as nothing.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeGuard
from uuid import UUID

MISSING = "no value"
THIN = "\u202f"  # narrow no-break space: a number and its unit stay on one line
MINUS = "\u2212"
EN_DASH = "\u2013"

Number = int | float | Decimal

_SCALED_UNITS = {"%": 100, "pp": 100}  # stored as a share in 0..1, written in hundredths
_SYMBOL_BEFORE = {"USD": "$", "GBP": "£"}
_SYMBOL_AFTER = {"EUR": "€"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: Number | None, *, digits: int = 2) -> str:
    """A plain number with at least `digits` significant digits; whole digits are never rounded away.

    >>> number(0.408), number(412.6), number(3412908), number(-0.5)
    ('0.41', '413', '3,412,908', '−0.50')
    """
    if not _is_known(value):
        return MISSING
    if isinstance(value, int):
        return _signed(f"{value:,}")
    return _fixed(value, _places(value, digits))


def count(value: int | None) -> str:
    """An exact count with thousands commas, for tables.

    >>> count(3412908)
    '3,412,908'
    """
    return MISSING if value is None else _signed(f"{value:,}")


def about(value: Number | None) -> str:
    """A count as prose gives it: exact up to 10,000, then two significant digits with k, M or bn.

    >>> about(9999), about(41_207).replace(THIN, " "), about(3_412_908).replace(THIN, " ")
    ('9,999', '41 k', '3.4 M')
    """
    if not _is_known(value):
        return MISSING
    size = abs(float(value))
    if size < 10_000:
        return number(value)
    step, word = next(pair for pair in ((1e9, "bn"), (1e6, "M"), (1e3, "k")) if size >= pair[0] * 0.9995)
    return f"{number(float(value) / step)}{THIN}{word}"


def percent(share: Number | None, *, digits: int = 2) -> str:
    """A share in 0..1 as per cent; what is neither none nor all is never rounded to 0 or 100.

    >>> [percent(share).replace(THIN, " ") for share in (0.712, 0.0234, 0.9996, 0.000001, 1)]
    ['71 %', '2.3 %', '99.96 %', '< 0.001 %', '100 %']
    """
    if not _is_known(share):
        return MISSING
    hundredths = float(share) * 100
    if 0 < hundredths < 0.001:
        return f"< 0.001{THIN}%"
    if 99.999 < hundredths < 100:
        return f"> 99.999{THIN}%"
    places = _percent_places(hundredths, digits)
    while 99 < hundredths < 100 and round(hundredths, places) >= 100:
        places += 1
    return f"{_fixed(hundredths, places)}{THIN}%"


def points(delta: Number | None) -> str:
    """The change of a share, in percentage points with its sign.

    >>> points(-0.15).replace(THIN, " "), points(0.02).replace(THIN, " ")
    ('−15 pp', '+2 pp')
    """
    if not _is_known(delta):
        return MISSING
    hundredths = float(delta) * 100
    text = _fixed(hundredths, _percent_places(hundredths, 1 if abs(hundredths) >= 1 else 2))
    return f"{'+' if hundredths > 0 else ''}{text}{THIN}pp"


def money(amount: Number | None, currency: str) -> str:
    """An amount with its ISO 4217 currency: two places under 100, whole units above, more for fractions of a cent.

    >>> money(Decimal("1940.4"), "EUR").replace(THIN, " "), money(0.49, "USD"), money(12, "CHF").replace(THIN, " ")
    ('1,940 €', '$0.49', '12.00 CHF')
    """
    if not _is_known(amount):
        return MISSING
    size = abs(float(amount))
    places = 0 if size >= 100 else 2
    if 0 < size < 0.1:
        places = _places(size, 2)
    return _with_currency(_fixed(float(amount), places), currency)


def quantity(value: Number | None, unit: str = "", *, digits: int = 2) -> str:
    """A value with its unit: "%" and "pp" take a share in 0..1, a currency code an amount, any other is appended.

    >>> [quantity(v, u).replace(THIN, " ") for v, u in ((0.71, "%"), (84.2, "ms"), (0.412, ""), (0.49, "EUR"))]
    ['71 %', '84 ms', '0.41', '0.49 €']
    """
    if not _is_known(value):
        return MISSING
    if unit == "%":
        return percent(value, digits=digits)
    if unit == "pp":
        return points(value)
    if _is_currency(unit):
        return money(value, unit)
    text = number(value, digits=digits)
    return f"{text}{THIN}{unit}" if unit else text


def interval(low: Number | None, high: Number | None, unit: str = "", *, like: Number | None = None) -> str:
    """Two bounds to the same place (that of `like`, else of the wider bound), with the unit once.

    >>> interval(0.663, 0.758, "%", like=0.712).replace(THIN, " "), interval(-90, 210, "EUR").replace(THIN, " ")
    ('66–76 %', '−90 to 210 €')
    """
    if not (_is_known(low) and _is_known(high)):
        return MISSING
    scale = _SCALED_UNITS.get(unit, 1)
    least, most = float(low) * scale, float(high) * scale
    guide = float(like) * scale if _is_known(like) else max(abs(least), abs(most))
    places = _percent_places(guide, 2) if unit == "%" else _places(guide, 2)
    link = " to " if least < 0 else EN_DASH
    text = f"{_fixed(least, places)}{link}{_fixed(most, places)}"
    if _is_currency(unit):
        return _with_currency(text, unit)
    return f"{text}{THIN}{unit}" if unit else text


def estimate(
    value: Number | None,
    low: Number | None = None,
    high: Number | None = None,
    n: int | None = None,
    unit: str = "",
) -> str:
    """A value as a sentence part: value, unit, interval and sample size, each where it is known.

    >>> estimate(0.712, 0.663, 0.758, 412, "%").replace(THIN, " ")
    '71 % (66–76 %, n = 412)'
    """
    facts = [interval(low, high, unit, like=value)] if _is_known(low) and _is_known(high) else []
    if n is not None:
        facts.append(f"n = {count(n)}")
    return quantity(value, unit) + (f" ({', '.join(facts)})" if facts else "")


def p_value(p: float | None) -> str:
    """A p-value with its relation; below 0.001 only the bound is worth saying.

    >>> p_value(0.0304), p_value(1e-9)
    ('p = 0.03', 'p < 0.001')
    """
    if not _is_known(p):
        return MISSING
    return "p < 0.001" if p < 0.001 else f"p = {_fixed(p, 3 if p < 0.01 else 2)}"


def plural(amount: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "model"), plural(3, "model"), plural(2, "query", "queries")
    ('1 model', '3 models', '2 queries')
    """
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def listed(parts: Sequence[str], *, limit: int = 3) -> str:
    """Names as a sentence lists them; past `limit` the rest is counted.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    shown, rest = list(parts[:limit]), len(parts) - limit
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def duration(seconds: Number | timedelta | None) -> str:
    """A length of time in its two largest units.

    >>> [duration(s).replace(THIN, " ") for s in (0.04, 3.84, 29, 190, 27000, 187200)]
    ['40 ms', '3.8 s', '29 s', '3 min 10 s', '7 h 30 min', '2 d 4 h']
    """
    length = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if not _is_known(length):
        return MISSING
    length = max(float(length), 0.0)
    if length < 0.0995:
        return f"{round(length * 1000)}{THIN}ms"
    if length < 9.95:
        return f"{length:.1f}{THIN}s"
    whole = round(length)
    for size, word, next_size, next_word in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            return _two_units(whole, size, word, next_size, next_word)
    return f"{whole}{THIN}s"


def since(then: datetime | None, now: datetime) -> str:
    """How long ago something was, within a day; otherwise when it was.

    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> since(noon - timedelta(minutes=41), noon), since(noon - timedelta(days=7), noon)
    ('41\u202fmin ago', '13 Nov, 12:00')
    """
    if then is None:
        return "never"
    age_s = (now - then).total_seconds()
    if not 0 <= age_s < _DAY:
        return moment(then, now)
    if age_s < _MINUTE:
        return "just now"
    size, word = (_HOUR, "h") if age_s >= _HOUR else (_MINUTE, "min")
    return f"{int(age_s // size)}{THIN}{word} ago"


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """A time in UTC; the year is said when it is not that of `now`.

    >>> moment(datetime(2026, 11, 20, 9, 32, tzinfo=UTC)), day(date(2011, 7, 1), date(2026, 1, 1))
    ('20 Nov, 09:32', '1 Jul 2011')
    """
    if at is None:
        return "never"
    in_utc = at.astimezone(UTC)
    return f"{day(in_utc.date(), now.astimezone(UTC).date() if now else None)}, {in_utc:%H:%M}"


def day(on: date, today: date | None = None) -> str:
    """A date; the year is said when it is not that of `today`."""
    year = f" {on.year}" if today and today.year != on.year else ""
    return f"{on.day} {on:%b}{year}"


def days(first: date, last: date, today: date | None = None) -> str:
    """The days from first to last, both included.

    >>> days(date(2026, 11, 13), date(2026, 11, 19)), days(date(2026, 10, 30), date(2026, 11, 5))
    ('13–19 Nov', '30 Oct–5 Nov')
    """
    if first == last:
        return day(last, today)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}{EN_DASH}{day(last, today)}"
    start = day(first, last if first.year != last.year else None)
    return f"{start}{EN_DASH}{day(last, today or (first if first.year != last.year else None))}"


def short_id(value: UUID | str) -> str:
    """The first eight hex digits of an id or a hash: for reading, never for looking up.

    >>> short_id(UUID("4f7c19a2-0000-4000-8000-000000000000"))
    '4f7c19a2'
    """
    return str(value).replace("-", "")[:8]


def _is_known(value: Number | None) -> TypeGuard[Number]:
    return value is not None and math.isfinite(value)


def _is_currency(unit: str) -> bool:
    return len(unit) == 3 and unit.isascii() and unit.isalpha() and unit.isupper()


def _places(value: Number, digits: int) -> int:
    """Decimal places that show `digits` significant digits of the value after rounding."""
    size = abs(float(value))
    if size == 0:
        return 0
    exponent = math.floor(math.log10(size))
    if round(size, digits - 1 - exponent) >= 10 ** (exponent + 1):
        exponent += 1  # 9.96 has become 10
    return max(0, digits - 1 - exponent)


def _percent_places(hundredths: float, digits: int) -> int:
    """Places for the significant digits, without the trailing zeros of a round value."""
    most = _places(hundredths, digits)
    return next((places for places in range(most) if abs(hundredths - round(hundredths, places)) < 1e-9), most)


def _fixed(value: Number, places: int) -> str:
    """The value with so many places; a tiny one as a power of ten, a rounded zero without sign."""
    if places > 6:
        return _signed(f"{float(value):.1e}".replace("e-0", "e-"))
    text = f"{float(value):,.{places}f}"
    return _signed(text if text.strip("-0.,") else text.lstrip("-"))


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def _with_currency(text: str, currency: str) -> str:
    if symbol := _SYMBOL_BEFORE.get(currency):
        sign = MINUS if text.startswith(MINUS) else ""
        return f"{sign}{symbol}{text.removeprefix(MINUS)}"
    return f"{text}{THIN}{_SYMBOL_AFTER.get(currency, currency)}"


def _two_units(whole: int, size: int, word: str, next_size: int, next_word: str) -> str:
    large, rest = divmod(whole, size)
    small = rest // next_size
    return f"{large}{THIN}{word}" + (f" {small}{THIN}{next_word}" if small else "")

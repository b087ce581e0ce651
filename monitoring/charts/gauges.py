"""One value against its gates (bullet) and an estimate with its interval (whisker)."""

from dataclasses import dataclass

from mlops_portal.kit import wording
from monitoring.charts.data import Bullet, Value, Whisker
from monitoring.charts.marks import Dot, Text, pct, plain, settled
from monitoring.charts.scale import is_known, known

BULLET_HEIGHT_PX, WHISKER_HEIGHT_PX = 34, 18
_FILLS = {"ok": "fillok", "warn": "fillwarn", "drift": "fillbad", "worse": "fillbad", "error": "fillbad", "": "fillcur"}
_JUDGED = ("ok", "warn", "drift", "worse")


@dataclass(frozen=True, slots=True)
class Gate:
    """A vertical mark."""

    x: str
    css: str


@dataclass(frozen=True, slots=True)
class DrawnBullet:
    height: int
    name: str
    fill: str
    fill_css: str
    gates: tuple[Gate, ...]
    interval: tuple[str, str] | None
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class DrawnWhisker:
    height: int
    name: str
    reference: str
    interval: tuple[str, str] | None
    dot: Dot | None


def draw_bullet(bullet: Bullet) -> DrawnBullet:
    """A bar from 0 to the value on a scale that holds every gate; without a value the words "no value"."""
    most = _maximum(bullet)
    gates = (("floor", bullet.noise_floor), ("limit w", bullet.warn), ("limit", bullet.limit))
    return DrawnBullet(
        height=BULLET_HEIGHT_PX,
        name=plain(_bullet_name(bullet), 300),
        fill=pct(_share(bullet.value, 0.0, most)) if is_known(bullet.value) else "",
        fill_css=_FILLS.get(bullet.verdict, "fillmute"),
        gates=tuple(Gate(pct(_share(at, 0.0, most)), css) for css, at in gates if is_known(at)),
        interval=_interval(bullet.low, bullet.high, 0.0, most),
        texts=_bullet_texts(bullet, most),
    )


def draw_whisker(whisker: Whisker) -> DrawnWhisker:
    """Dot and interval; the dot is hollow when the verdict is not one of a judged value or the interval holds 0."""
    least, most = whisker.minimum, whisker.maximum
    if not least < most:
        raise ValueError(f"a whisker needs a scale: {least} is not below {most}")
    value, reference = whisker.value, whisker.reference_line
    return DrawnWhisker(
        height=WHISKER_HEIGHT_PX,
        name=plain(_whisker_name(whisker), 300),
        reference=pct(_share(reference, least, most)) if is_known(reference) else "",
        interval=_interval(whisker.low, whisker.high, least, most),
        dot=Dot(pct(_share(value, least, most)), "9", _dot_css(whisker)) if is_known(value) else None,
    )


def _dot_css(whisker: Whisker) -> str:
    low, high = whisker.low, whisker.high
    holds_zero = low is not None and high is not None and low <= 0 <= high
    if whisker.verdict not in _JUDGED or (holds_zero and whisker.minimum < 0):
        return "hollow"
    return {"drift": "bad", "worse": "bad", "warn": "warned"}.get(whisker.verdict, "")


def _maximum(bullet: Bullet) -> float:
    """The end of the scale: as asked for, but never short of the value; else twice the limit."""
    gates = known([bullet.limit, bullet.warn, bullet.noise_floor])
    asked = known([bullet.maximum]) or [2 * max(gates, default=0.0)]
    most = max([*asked, *known([bullet.value, bullet.high]), *(1.05 * gate for gate in gates)])
    return most if most > 0 else 1.0


def _share(value: float, least: float, most: float) -> float:
    return min(max((value - least) / (most - least), 0.0), 1.0)


def _interval(low: Value, high: Value, least: float, most: float) -> tuple[str, str] | None:
    if not (is_known(low) and is_known(high)):
        return None
    return pct(_share(low, least, most)), pct(_share(high, least, most))


def _bullet_texts(bullet: Bullet, most: float) -> tuple[Text, ...]:
    y = BULLET_HEIGHT_PX - 4
    texts = [] if is_known(bullet.value) else [Text(0, y, wording.MISSING)]
    if is_known(bullet.limit):
        texts.append(
            Text(_share(bullet.limit, 0.0, most), y, wording.quantity(bullet.limit, bullet.unit), anchor="middle")
        )
    texts.append(Text(1, y, wording.quantity(most, bullet.unit), anchor="end"))
    if is_known(bullet.noise_floor):
        texts.append(Text(0, y, f"noise {_small(bullet.noise_floor)}"))
    return settled(texts)


def _small(value: float) -> str:
    return "< 0.001" if 0 < value < 0.001 else wording.number(value)


def _bullet_name(bullet: Bullet) -> str:
    value = wording.estimate(bullet.value, bullet.low, bullet.high, unit=bullet.unit)
    gates = (("warning", bullet.warn), ("limit", bullet.limit))
    facts = [f"noise floor {_small(bullet.noise_floor)}"] if bullet.noise_floor is not None else []
    facts += [f"{word} {wording.quantity(gate, bullet.unit)}" for word, gate in gates if gate is not None]
    return ", ".join([f"{bullet.name or 'Value'} {value}", *facts])


def _whisker_name(whisker: Whisker) -> str:
    value = wording.estimate(whisker.value, whisker.low, whisker.high, unit=whisker.unit)
    said = f"{whisker.name or 'Value'} {value}"
    if whisker.reference_line is None:
        return said
    return f"{said}, {whisker.reference_word} {wording.quantity(whisker.reference_line, whisker.unit)}"

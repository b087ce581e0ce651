"""What templates may say: display tables of verdicts, states and tones, and the wording of values.

A verdict judges a measurement, a state is where a thing stands, a tone colours what is neither. A value without
a row in its table raises `UnknownDisplay`: a page never invents a look for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mlops_portal.icons import NAVIGATION, SHAPES
from mlops_portal.kit import clock, wording
from mlops_portal.kit.ruling import Ruling
from mlops_portal.kit.wording import Number
from monitoring.charts import Chart, drawn

register = template.Library()


class UnknownDisplay(LookupError):
    """A verdict, state or tone that no display table knows."""


@dataclass(frozen=True, slots=True)
class Display:
    """How one value looks: shape of its icon ("" for none), word, class."""

    shape: str
    word: str
    css: str


VERDICTS: Mapping[str, Display] = {
    "ok": Display("tick", "Ok", "ok"),
    "warn": Display("triangle", "Warning", "warn"),
    "drift": Display("diamond", "Drift", "bad"),
    "worse": Display("diamond", "Worse", "bad"),
    "insufficient": Display("dashed-ring", "Insufficient", "mute"),
    "no_data": Display("struck-ring", "No data", "mute"),
    "error": Display("crossed-square", "Check failed", "bad"),
}

_PLAIN = {  # states that need no sign
    "done": "Done",
    "cancelled": "Cancelled",
    "superseded": "Superseded",
    "open": "Open",
    "acked": "Acknowledged",
    "closed": "Closed",
    "flapping": "Flapping",
    "quiet": "Quiet",
    "clearing": "Clearing",
    "active": "Active",
    "paused": "Paused",
    "draft": "Draft",
    "live": "Live",
    "retired": "Retired",
    "ready": "Ready",
    "parked": "Parked",
    "replaced": "Replaced",
    "expired": "Expired",
    "sent": "Sent",
    "disabled": "Disabled",
}
STATES: Mapping[str, Display] = {
    "running": Display("arc", "Running", "acc"),
    "loading": Display("arc", "Loading", "acc"),
    "sending": Display("arc", "Sending", "acc"),
    "rewriting": Display("arc", "Rewriting", "acc"),
    "requested": Display("clock", "Requested", "mute"),
    "queued": Display("clock", "Waiting", "mute"),
    "planned": Display("clock", "Planned", "mute"),
    "pending": Display("clock", "Pending", "mute"),
    "waiting": Display("clock", "Waiting", "warn"),
    "no_data": Display("struck-ring", "No data", "mute"),
    "quarantined": Display("crossed-square", "Quarantined", "bad"),
    "failed": Display("crossed-square", "Failed", "bad"),
    "damaged": Display("crossed-square", "Damaged", "bad"),
    "dead": Display("crossed-square", "Given up", "bad"),
    "broken": Display("crossed-square", "Broken", "bad"),
    "notable": Display("triangle", "Notable", "warn"),
    "breaking": Display("diamond", "Breaking", "bad"),
    "blocked": Display("lock", "Blocked", "mute"),
    "info": Display("info", "Info", "acc"),
    "warning": Display("triangle", "Warning", "warn"),
    "critical": Display("diamond", "Critical", "bad"),
    "firing": Display("diamond", "Firing", "bad"),
} | {state: Display("", word, "line") for state, word in _PLAIN.items()}

TONES: Mapping[str, Display] = {
    "ok": Display("tick", "", "ok"),
    "warn": Display("triangle", "", "warn"),
    "bad": Display("diamond", "", "bad"),
    "mute": Display("ring", "", "mute"),
    "info": Display("info", "", "acc"),
    "wait": Display("clock", "", "warn"),
    "silent": Display("struck-ring", "", "mute"),
    "failed": Display("crossed-square", "", "bad"),
    "refused": Display("lock", "", "mute"),
}

MESSAGE_TONES = {"success": "ok", "warning": "warn", "error": "failed", "debug": "mute"}

WEEK_HEIGHTS = {
    "ok": (4, "fillok"),
    "warn": (8, "fillwarn"),
    "drift": (12, "fillbad"),
    "worse": (12, "fillbad"),
    "error": (12, "fillbad"),
}


def look_up(table: Mapping[str, Display], value: object, kind: str) -> Display:
    """The row of the table for the value, or UnknownDisplay naming what it knows."""
    try:
        return table[str(value)]
    except KeyError:
        raise UnknownDisplay(f"no display for {kind} {str(value)!r}; known: {', '.join(table)}") from None


@register.filter
def verdict_display(value: object) -> Display:
    return look_up(VERDICTS, value, "verdict")


@register.filter
def state_display(value: object) -> Display:
    return look_up(STATES, value, "state")


@register.filter
def tone_display(value: object) -> Display:
    return look_up(TONES, value, "tone")


@register.filter
def message_tone(level_tag: str) -> str:
    """The tone of a message of `django.contrib.messages`."""
    return MESSAGE_TONES.get(level_tag, "info")


@register.simple_tag
def icon(shape: str, css: str = "", label: str = "") -> SafeString:
    """One sign; with a label it is an image of that name, without one it is decoration."""
    paths = format_html_join("", '<path class="{}" d="{}"/>', SHAPES[shape])
    name = format_html('role="img" aria-label="{}"', label) if label else format_html('aria-hidden="{}"', "true")
    return format_html('<svg class="i {}" viewBox="0 0 12 12" {}>{}</svg>', css, name, paths)


@register.simple_tag
def nav_icon(name: str) -> SafeString:
    return format_html('<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>', NAVIGATION[name])


@register.simple_tag
def chart(thing: Chart) -> SafeString:
    """Any chart of `monitoring.charts`, drawn by the template of its kind."""
    return render_to_string(f"components/charts/{type(thing).__name__.lower()}.html", {"chart": drawn(thing)})


@register.inclusion_tag("components/_verdict.html")
def verdict(value: object, text: str = "") -> dict[str, object]:
    return {"verdict": value, "text": text}


@register.inclusion_tag("components/_state.html")
def state(value: object, text: str = "") -> dict[str, object]:
    return {"state": value, "text": text}


@register.inclusion_tag("components/_health.html")
def health(value: object, short: str, url: str = "", title: str = "") -> dict[str, object]:
    return {"verdict": value, "short": short, "url": url, "title": title}


@register.inclusion_tag("components/_button.html")
def button(label: str, kind: str = "", ruling: Ruling | None = None, **attributes: str) -> dict[str, object]:
    """A submit button; refused, it stays focusable and is described by the reason."""
    return {"label": label, "kind": kind, "ruling": ruling, **attributes}


@register.inclusion_tag("components/_field.html")
def field(bound: object) -> dict[str, object]:
    return {"field": bound}


@register.inclusion_tag("components/_table.html")
def table(label: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """A plain table of columns (label, numeric); the first cell of a row is its head.

    Raises ValueError if a row has other columns.
    """
    return {"label": label, "columns": columns, "rows": [list(zip(columns, row, strict=True)) for row in rows]}


@register.inclusion_tag("components/_weeks.html")
def weeks(first: object, second: object, third: object) -> dict[str, object]:
    """The survival strip: worst verdict of each of the first three weeks; None while a week is not over."""
    return {"weeks": [_week(number, value) for number, value in enumerate((first, second, third))]}


@register.inclusion_tag("components/_sort.html", takes_context=True)
def sort_header(context: Mapping[str, Any], key: str, label: str, *, numeric: bool = False) -> dict[str, object]:
    """A column head that sorts by `?sort=key`, and by `-key` when pressed again."""
    query = context["request"].GET.copy()
    current = query.get("sort", "")
    query["sort"] = f"-{key}" if current == key else key
    query.pop("cursor", None)
    order = {key: "ascending", f"-{key}": "descending"}.get(current, "none")
    return {"label": label, "numeric": numeric, "order": order, "url": f"?{query.urlencode()}"}


@register.inclusion_tag("components/_facet.html", takes_context=True)
def facet(
    context: Mapping[str, Any], key: str, label: str, options: Sequence[tuple[str, str]], page: str = ""
) -> dict[str, object]:
    """Filter links for one query parameter: all, then each (value, word); of this page or of the one named."""
    query = context["request"].GET
    links = [_facet_link(query, key, value, word, query.get(key, "")) for value, word in (("", "all"), *options)]
    address = reverse(page) if page else ""
    return {"label": label, "links": [link | {"url": f"{address}{link['url']}"} for link in links]}


@register.filter
def percent(share: Number | None) -> str:
    return wording.percent(share)


@register.filter
def points(delta: Number | None) -> str:
    return wording.points(delta)


@register.filter
def number(value: Number | None, digits: int = 2) -> str:
    return wording.number(value, digits=digits)


@register.filter
def count(value: int | None) -> str:
    return wording.count(value)


@register.filter
def about(value: Number | None) -> str:
    return wording.about(value)


@register.filter
def quantity(value: Number | None, unit: str = "") -> str:
    return wording.quantity(value, unit)


@register.filter
def money(amount: Number | None) -> str:
    return wording.money(amount, settings.PORTAL_CURRENCY)


@register.filter
def duration(seconds: Number | timedelta | None) -> str:
    return wording.duration(seconds)


@register.filter
def p_value(p: float | None) -> str:
    return wording.p_value(p)


@register.filter
def short_id(value: UUID | str) -> str:
    return wording.short_id(value)


@register.filter
def day(on: date) -> str:
    """A date in words, with its year unless it is this one."""
    return wording.day(on, clock.now().date())


@register.simple_tag
def days(first: date, last: date) -> str:
    return wording.days(first, last, clock.now().date())


@register.simple_tag
def interval(low: Number | None, high: Number | None, unit: str = "", like: Number | None = None) -> str:
    return wording.interval(low, high, unit, like=like)


@register.simple_tag
def estimate(
    value: Number | None, low: Number | None = None, high: Number | None = None, n: int | None = None, unit: str = ""
) -> str:
    return wording.estimate(value, low, high, n, unit)


@register.simple_tag
def plural(amount: int, one: str, many: str = "") -> str:
    return wording.plural(amount, one, many)


@register.filter
def moment(at: datetime | None) -> SafeString:
    """A time in UTC as `<time>`, with the full ISO form for machines."""
    return _time(at, wording.moment(at, clock.now()))


@register.filter
def since(at: datetime | None) -> SafeString:
    """How long ago, within a day; otherwise when."""
    return _time(at, wording.since(at, clock.now()))


def _time(at: datetime | None, words: str) -> SafeString:
    if at is None:
        return format_html("{}", words)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(timespec="seconds"), wording.moment(at), words
    )


def _week(position: int, value: object | None) -> dict[str, object]:
    height, css = WEEK_HEIGHTS.get(str(value), (2, "track"))
    word = look_up(VERDICTS, value, "verdict").word.lower() if value else "not yet"
    return {"x": position * 9, "y": 12 - height, "height": height, "css": css, "text": f"week {position + 1} {word}"}


def _facet_link(query: Any, key: str, value: str, word: str, chosen: str) -> dict[str, object]:
    changed = query.copy()
    changed.pop(key, None)
    changed.pop("cursor", None)
    if value:
        changed[key] = value
    return {"word": word, "current": value == chosen, "url": f"?{changed.urlencode()}"}

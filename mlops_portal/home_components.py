"""The page of every component in every state, outside production: the reference for eyes and tests."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.ruling import refused
from mlops_portal.templatetags.portal import STATES, TONES, VERDICTS
from monitoring.charts import (
    Bullet,
    Event,
    Histogram,
    Limit,
    Panel,
    Point,
    Revision,
    Series,
    Spark,
    Timeline,
    Whisker,
    values_table,
)

HOSTILE_NAME = '"><svg onload=alert(1)> \u05d0\u05d1\u05d2 \U0001f6b2 ' + "x" * 256
_START = datetime(2026, 9, 21, tzinfo=UTC)
_DAY = timedelta(days=1)


@require_safe
@login_required
def components(request: HttpRequest) -> HttpResponse:
    return render(request, "components/index.html", samples())


urlpatterns = [path("", components, name="components")]  # included outside production only


class SampleForm(forms.Form):
    """A form that is wrong in one place."""

    drift_limit = forms.FloatField(label="Drift limit (PSI)", help_text="The noise floor of this monitor is 0.002.")
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}))
    direction = forms.ChoiceField(
        choices=[("up", "Higher is better"), ("down", "Lower is better")], widget=forms.RadioSelect
    )
    dtype = forms.ChoiceField(choices=[("float", "number"), ("text", "text")], label="Type")
    segment = forms.BooleanField(required=False, label="Measure per value of this feature")

    def clean_drift_limit(self) -> float:
        limit: float = self.cleaned_data["drift_limit"]
        if limit < 0.01:
            raise forms.ValidationError(
                f"{limit} is too near to the noise floor 0.002: it would alert every day. Enter 0.01 or more."
            )
        return limit


@dataclass(frozen=True, slots=True)
class SampleJob:
    pk: str
    state: str
    attempts: int


def samples() -> dict[str, Any]:
    """What the page shows: real component contexts with invented content."""
    timeline = sample_timeline()
    columns, rows = values_table(timeline)
    return {
        "verdicts": VERDICTS,
        "states": STATES,
        "tones": TONES,
        "hostile": HOSTILE_NAME,
        "ruling": refused("Needs 1 more approval, by an approver of this team who did not write it."),
        "conflict": Conflict("Rev 31 was replaced while you read."),
        "form": SampleForm(
            {"drift_limit": "0.001", "reason": "Calmer alerts during the fee waiver", "direction": "up"}
        ),
        "running": SampleJob("5d10c8f4", "running", 1),
        "broken": SampleJob("0a77be12", "quarantined", 5),
        "figures": _figures(),
        "todo": _todo(),
        "checks": _checks(),
        "log": _log(),
        "charts": _charts(),
        "timeline": timeline,
        "columns": columns,
        "rows": rows[:8],
        "whiskers": _whiskers(),
        "bullets": _bullets(),
        "histograms": _histograms(),
        "facet_options": [("open", "open"), ("closed", "closed")],
    }


def sample_timeline(days: int = 60) -> Timeline:
    """A model whose inputs shift twelve days before the end, four panels."""
    shift = days - 12
    changes = ((0.24, "catalog_stream", "8 new categories"), (0.6, "listing-safety v9", "promoted, rev 29"))
    late = ((0.84, "policy", "seller fee waiver starts"), (0.858, "accounts_etl 4.2.0", "schema change"))
    return Timeline(
        start=_START,
        end=_START + days * _DAY,
        step=_DAY,
        panels=(
            Panel(
                "Input drift",
                "",
                (
                    _series(days, lambda day: 0.06 + 0.012 * math.sin(day) + (0.33 if day > shift else 0)),
                    _series(days, lambda day: 0.03 + 0.008 * math.cos(day), role="second", name="scores"),
                ),
                (Limit(0.1, "warning", "warn"), Limit(0.25, "drift at")),
            ),
            Panel(
                "Recall",
                "%",
                (_series(days, lambda day: 0.86 + 0.01 * math.sin(day) - (0.15 if day > shift else 0), half=0.03),),
                (Limit(0.8, "floor", below=True),),
                starts_at_zero=False,
                needs_labels=True,
            ),
            Panel(
                "Latency p95",
                "ms",
                (
                    _series(days, lambda day: None if 20 < day < 24 else 84 + 5 * math.sin(day / 2)),
                    _series(days, lambda day: 138 + 9 * math.sin(day), role="second", name="p99"),
                ),
                (Limit(200, "p99 limit"),),
            ),
            Panel("Cost per 1,000", "EUR", (_series(days, lambda day: 0.42),), (Limit(0.5, "budget"),)),
        ),
        events=tuple(Event(_START + share * days * _DAY, source, text) for share, source, text in (*changes, *late)),
        revisions=(
            Revision(_START - 9 * _DAY, _START + 10 * _DAY, 27),
            Revision(_START + 10 * _DAY, _START + 36 * _DAY, 28, "v8 · 0.60"),
            Revision(_START + 36 * _DAY, _START + 44 * _DAY, 29, "v9"),
            Revision(_START + 44 * _DAY, None, 30, "v9"),
        ),
        immature_from=_START + (days - 5) * _DAY,
        immature_note="labels 64 % in",
    )


def _series(
    days: int, value: Callable[[int], float | None], *, half: float = 0, role: Any = "current", name: str = ""
) -> Series:
    return Series(tuple(_point(day, value(day), half) for day in range(1, days + 1)), role, name)


def _point(day: int, value: float | None, half: float) -> Point:
    if value is None:
        return Point(_START + day * _DAY, None, verdict="no_data")
    verdict = "worse" if half and value < 0.8 else "ok"
    if not half:
        return Point(_START + day * _DAY, value, n=41_000 + day, verdict=verdict)
    return Point(_START + day * _DAY, value, value - half, value + half, 400 + day, verdict)


def _figures() -> list[dict[str, str]]:
    return [
        {"label": "Inputs", "value": "2", "unit": "of 41 drift", "verdict": "drift", "note": "worst: seller_age_days"},
        {"label": "Outputs", "value": "+0.06", "unit": "mean score", "verdict": "warn", "note": "0.31, reference 0.25"},
        {"label": "Recall", "value": "71 %", "verdict": "worse", "note": "66–76 %, n = 412"},
        {"label": "Latency p95", "value": "84", "unit": "ms", "verdict": "ok", "note": "p99 limit 200 ms"},
        {"label": "Business", "value": "no data", "verdict": "no_data", "note": "no outcome since 02:10"},
    ]


def _todo() -> list[dict[str, Any]]:
    return [
        {
            "tone": "bad",
            "subject": "Listing safety",
            "sentence": "misses more violations: recall 71 % (66–76 %, n = 412), floor 80 %.",
            "facts": ("since 13 Nov, 00:00", "first suspect: accounts_etl 4.2.0"),
            "url": "#todo",
            "action": "Open alert",
        },
        {"tone": "silent", "subject": "Invoice reader", "sentence": "has sent no prediction for 7 h 30 min."},
    ]


def _checks() -> list[dict[str, str]]:
    return [
        {"tone": "ok", "text": "Purpose, limits, risk with reason", "fact": "high risk"},
        {"tone": "warn", "text": "Inputs name source and volatility", "fact": "39 of 41"},
        {
            "tone": "mute",
            "text": "Owner and deputy active",
            "fact": "Assign",
            "fix_url": "#checks",
            "tone_word": "missing",
        },
    ]


def _log() -> list[dict[str, Any]]:
    return [
        {"text": "Acknowledgement ended, reminder sent", "at": _START, "note": "mail, in 0.8 s"},
        {"text": "Opened as critical: 2 of 3 windows worse", "at": _START - _DAY, "note": ""},
    ]


def _charts() -> list[tuple[str, Panel | Spark]]:
    few = (*(_point(day, 0.8 + day / 100, 0.02) for day in range(1, 8)), _point(9, 0.7, 0.04))
    nothing = tuple(_point(day, None, 0) for day in range(1, 8))
    recall = _series(20, lambda day: 0.86 - (0.15 if day > 12 else 0) + 0.01 * math.sin(day), half=0.03)
    noise = tuple(0.9 + 0.002 * math.sin(day * 2) for day in range(28))
    fallen = tuple(None if day == 9 else 0.86 - (0.15 if day > 18 else 0) for day in range(28))
    floor = (Limit(0.8, "floor", below=True),)
    return [
        ("Panel", Panel("Recall", "%", (recall,), floor, starts_at_zero=False)),
        ("Panel with a gap", Panel("Precision", "%", (Series(few),), (), starts_at_zero=False)),
        ("Panel, one point", Panel("AUC", "", (Series(few[:1]),), (), starts_at_zero=False)),
        ("Panel, no data", Panel("Recall", "%", (Series(nothing),), floor)),
        ("Spark, noise", Spark(noise, None, "AUC stays at 0.90", "ok")),
        ("Spark, limit crossed", Spark(fallen, 0.8, "Recall fell from 86 % to 71 %, floor 80 %", "worse")),
        ("Spark, no data", Spark((None, None), None, "Recall: no data")),
    ]


def _histograms() -> list[tuple[str, Histogram]]:
    labels = ("0–1", "1–7", "7–30", "30–90", "90–180", "180–365", "1–2 y", "2–3 y", "3–5 y", "5 y+")
    reference = (0.04, 0.06, 0.09, 0.12, 0.14, 0.15, 0.14, 0.11, 0.09, 0.06)
    current = (0.23, 0.09, 0.08, 0.09, 0.10, 0.11, 0.10, 0.08, 0.07, 0.05)
    return [
        ("moved", Histogram(labels, reference, current, "Mass moved to 0–1 days")),
        ("categories", Histogram(("yes", "no", HOSTILE_NAME), (0.78, 0.19, 0.03), (0.64, 0.18, 0.18))),
        ("no reference", Histogram(labels, (), current)),
        ("no data", Histogram(labels, (), ())),
    ]


def _bullets() -> list[tuple[str, Bullet]]:
    psi = partial(Bullet, noise_floor=0.0004, warn=0.1, limit=0.25, name="PSI")
    return [
        ("Drift", psi(0.41, verdict="drift")),
        ("Warning", psi(0.12, verdict="warn")),
        ("Ok", psi(0.04, verdict="ok")),
        ("Off the scale", psi(3.7, verdict="drift")),
        ("Insufficient", psi(0.2, verdict="insufficient", noise_floor=0.18)),
        ("No value", psi(None, verdict="no_data")),
        ("Estimate", Bullet(412, 398, 426, limit=250, name="Latency p95", unit="ms", verdict="worse")),
    ]


def _whiskers() -> list[SimpleNamespace]:
    rows = (
        ("All traffic", 0.71, 0.66, 0.76, "worse"),
        ("Seller: established", 0.84, 0.77, 0.89, "ok"),
        ("Country: PL", 0.69, 0.49, 0.84, "insufficient"),
        ("App: web", None, None, None, "no_data"),
    )
    return [
        SimpleNamespace(
            segment=segment,
            verdict=verdict,
            chart=Whisker(value, low, high, 0.8, 0.4, 1.0, verdict, f"Recall, {segment}", "%", "floor"),
        )
        for segment, value, low, high, verdict in rows
    ]

"""Eight weeks of traffic of four models: generated from a seed, the same for the same day, labelled as demo.

Each `Story` holds what the registry needs to know and two generators: training data, and the traffic with outcomes.
Numbers are drawn per UTC day, so a day does not depend on how many days are asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import expit

DAYS = 56
REFERENCE_ROWS = 6000
_MORNING_TO_NIGHT = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 7, 6, 7, 8, 7, 6, 6, 7, 9, 10, 9, 7, 5, 3, 2], float)
_HOURS = _MORNING_TO_NIGHT / _MORNING_TO_NIGHT.sum()
_WEEK = (1.0, 1.02, 1.0, 1.01, 1.06, 0.9, 0.86)  # Monday first


@dataclass(frozen=True, slots=True)
class Column:
    """A feature as the registry wants it."""

    name: str
    dtype: str
    segment: bool = False
    kind: str = "input"
    categories: tuple[str, ...] = ()
    privacy: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One model of the company and what happens to it."""

    slug: str
    name: str
    team: tuple[str, str]  # slug, name
    task: str
    output: dict[str, Any]
    purpose: str
    limitations: str
    risk: tuple[str, str]
    endpoint: str
    slo_p95_ms: int
    daily_rows: int
    features: tuple[Column, ...]
    draw: Callable[[Generator, int, int | None], pd.DataFrame]  # rng, rows, days before today (None: training)
    label_delay_h: float
    incident: str
    seed: int
    growth: Callable[[int], float] = field(default=lambda _: 1.0)


def reference(story: Story) -> pd.DataFrame:
    """Training data with labels: features, `score`, `prediction`, `label`, `latency_ms`, `cost`."""
    rng = np.random.default_rng([story.seed, 0])
    frame = story.draw(rng, REFERENCE_ROWS, None)
    return frame.drop(columns=[name for name in frame.columns if str(name).startswith("stage.")])


def days(today: date, *, count: int = DAYS) -> list[date]:
    """The days of the demo, oldest first, today included."""
    return [today - timedelta(days=ago) for ago in range(count, -1, -1)]


def predictions(story: Story, day: date, *, now: datetime) -> pd.DataFrame:
    """The predictions of one UTC day that lie before `now`, in order of time, with the truth in column `label`."""
    ago = (now.date() - day).days
    rng = np.random.default_rng([story.seed, day.toordinal()])
    rows = rng.poisson(story.daily_rows * _WEEK[day.weekday()] * story.growth(ago))
    frame = story.draw(rng, rows, ago)
    midnight = datetime.combine(day, time(), UTC)
    hours = rng.choice(24, size=rows, p=_HOURS)
    if "hour" in frame:
        hours = frame["hour"].to_numpy(int)
    seconds = hours * 3600 + rng.integers(0, 3600, rows)
    frame["predicted_at"] = pd.Timestamp(midnight) + pd.to_timedelta(np.sort(seconds), unit="s")
    if "hour" in frame:  # rows follow the clock, so they move together
        frame = frame.sort_values("hour", kind="stable").assign(predicted_at=frame["predicted_at"].to_numpy())
        frame["predicted_at"] = frame["predicted_at"].dt.tz_localize(None).dt.tz_localize("UTC")
    frame.insert(0, "request_id", [f"{story.slug}-{day:%Y%m%d}-{i:05d}" for i in range(rows)])
    frame["version"] = "1"
    frame["endpoint"] = story.endpoint
    return frame[frame["predicted_at"] < now].reset_index(drop=True)


def outcomes(story: Story, frame: pd.DataFrame, *, now: datetime) -> pd.DataFrame:
    """The outcomes of predictions that have arrived by `now`: `request_id`, `value`, `observed_at`, `predicted_at`."""
    if frame.empty:
        return pd.DataFrame(columns=["request_id", "value", "observed_at", "predicted_at"])
    rng = np.random.default_rng([story.seed, 7, len(frame)])
    delay = pd.to_timedelta(rng.gamma(4.0, story.label_delay_h / 4.0, len(frame)), unit="h")
    arrived = pd.DataFrame(
        {
            "request_id": frame["request_id"],
            "value": frame["label"],
            "observed_at": (frame["predicted_at"] + delay).dt.floor("ms"),
            "predicted_at": frame["predicted_at"],
        }
    )
    kept = rng.random(len(frame)) < 0.97  # some outcomes never come
    return arrived[kept & (arrived["observed_at"] < now)].sort_values("observed_at").reset_index(drop=True)


def traffic(story: Story, *, now: datetime, count: int = DAYS) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Day by day: predictions (without the truth) and their outcomes."""
    for day in days(now.date(), count=count):
        frame = predictions(story, day, now=now)
        yield frame.drop(columns="label"), outcomes(story, frame, now=now)


def _since(ago: int | None, start: int, ramp_days: int = 3) -> float:
    """How far an incident that starts `start` days before today has unfolded: 0 before, 1 after the ramp."""
    if ago is None or ago > start:
        return 0.0
    return min(1.0, (start - ago + 1) / ramp_days)


def _latency(rng: Generator, rows: int, median_ms: float, sigma: float = 0.35) -> np.ndarray[Any, Any]:
    return np.round(median_ms * np.exp(sigma * rng.standard_normal(rows)), 1)


def _arrival(rng: Generator, rows: int, ago: int | None) -> pd.DataFrame:
    """Drivers get a bonus for long evening trips: length and hour shift, the harbour grows unpredictable."""
    shift = _since(ago, 17, 4)
    evening = rng.random(rows) < 0.35 * shift
    hour = np.where(evening, rng.integers(18, 24, rows), rng.choice(24, rows, p=_HOURS))
    region = rng.choice(["centre", "north", "airport", "harbour"], rows, p=[0.42, 0.27, 0.19, 0.12])
    bonus = rng.random(rows) < 0.55 * shift
    trip_km = np.round(rng.gamma(2.2, 2.6, rows) + 0.4 + bonus * rng.gamma(3.0, 2.4, rows), 2)
    rain_mm = np.round(np.where(rng.random(rows) < 0.78, 0.0, rng.exponential(1.8, rows)), 1)
    vehicle = rng.choice(["bike", "scooter", "car"], rows, p=[0.3, 0.45, 0.25])
    speed = np.select([vehicle == "bike", vehicle == "scooter"], [15.0, 24.0], 27.0)
    rush = np.isin(hour, [8, 9, 17, 18, 19])
    expected = 4.5 + trip_km / speed * 60 * (1 + 0.28 * rush) + 0.9 * rain_mm
    truth = expected * np.exp(0.11 * rng.standard_normal(rows)) + shift * (region == "harbour") * rng.gamma(
        2.5, 4.0, rows
    )
    forecast = expected * np.exp(0.05 * rng.standard_normal(rows))
    return pd.DataFrame(
        {
            "trip_km": trip_km,
            "hour": hour,
            "region": region,
            "vehicle": vehicle,
            "rain_mm": rain_mm,
            "basket_items": rng.poisson(4.2, rows) + 1,
            "prediction": np.round(forecast, 1),
            "score": np.round(forecast, 1),
            "label": np.round(truth, 1),
            "latency_ms": _latency(rng, rows, 34),
            "cost": np.round(0.00009 * np.exp(0.1 * rng.standard_normal(rows)), 8),
        }
    )


def _feed(rng: Generator, rows: int, ago: int | None) -> pd.DataFrame:
    """A new second stage scores candidates one call at a time: calls, latency and cost triple."""
    slow = _since(ago, 12, 2)
    locale = rng.choice(["de", "fr", "it", "pl"], rows, p=[0.44, 0.26, 0.18, 0.12])
    device = rng.choice(["phone", "tablet", "desktop"], rows, p=[0.7, 0.08, 0.22])
    tenure = np.round(rng.gamma(1.4, 210, rows), 0)
    depth = rng.geometric(0.24, rows)
    affinity = np.round(rng.beta(2.1, 4.3, rows), 4)
    z = -2.0 + 3.2 * affinity - 0.05 * depth + 0.25 * (device == "phone") + 0.45 * rng.standard_normal(rows)
    score = np.round(expit(z), 5)
    clicked = rng.random(rows) < expit(z + 0.3 * rng.standard_normal(rows))
    calls = 1 + rng.poisson(1.0 + 6.0 * slow, rows)
    base_ms = _latency(rng, rows, 24)
    return pd.DataFrame(
        {
            "tenure_days": tenure,
            "session_depth": depth,
            "affinity": affinity,
            "locale": locale,
            "device": device,
            "score": score,
            "prediction": np.where(score >= 0.35, "click", "skip"),
            "label": np.where(clicked, "click", "skip"),
            "latency_ms": np.round(base_ms + calls * rng.gamma(6.0, 5.0, rows), 1),
            "cost": np.round(0.00011 + calls * 0.00021, 8),
            "stage.retrieve.calls": np.ones(rows, int),
            "stage.retrieve.cost": np.full(rows, 0.00011),
            "stage.rerank.calls": calls,
            "stage.rerank.cost": np.round(calls * 0.00021, 8),
        }
    )


def _credit(rng: Generator, rows: int, ago: int | None) -> pd.DataFrame:
    """The policy raises the cut-off: far fewer applications are declined, while the ranking stays as good."""
    cut_off = 0.2 if _since(ago, 20, 1) == 0 else 0.42
    region = rng.choice(["EU", "UK", "US"], rows, p=[0.55, 0.25, 0.2])
    channel = rng.choice(["web", "branch", "partner"], rows, p=[0.62, 0.14, 0.24])
    income = np.round(np.exp(10.45 + 0.48 * rng.standard_normal(rows)), 0)
    utilisation = np.round(rng.beta(1.8, 2.9, rows), 3)
    late = rng.poisson(0.35, rows)
    age_months = rng.integers(3, 320, rows)
    z = -2.9 + 2.9 * utilisation + 0.75 * late - 0.55 * (np.log(income) - 10.45) - 0.0022 * age_months
    score = np.round(expit(z + 0.25 * rng.standard_normal(rows)), 5)
    defaulted = rng.random(rows) < expit(1.2 * z)
    decision = score >= cut_off
    return pd.DataFrame(
        {
            "income": income,
            "utilisation": utilisation,
            "late_payments": late,
            "account_age_months": age_months,
            "region": region,
            "channel": channel,
            "employer": [f"employer {i}" for i in rng.integers(0, 60, rows)],
            "score": score,
            "prediction": np.where(decision, "default", "repaid"),
            "action": np.where(decision, "decline", "approve"),
            "label": np.where(defaulted, "default", "repaid"),
            "latency_ms": _latency(rng, rows, 46),
            "cost": np.round(np.full(rows, 0.0031) * np.exp(0.05 * rng.standard_normal(rows)), 8),
        }
    )


_CLASSES = ("fine", "spam", "unsafe")


def _moderation(rng: Generator, rows: int, ago: int | None) -> pd.DataFrame:
    """A campaign doubles the number of listings; the model itself holds."""
    del ago  # nothing about a listing changes, only how many there are
    language = rng.choice(["en", "de", "es", "pl"], rows, p=[0.5, 0.22, 0.18, 0.1])
    category = rng.choice(["clothes", "home", "phones", "toys", "books"], rows, p=[0.31, 0.26, 0.2, 0.13, 0.1])
    title_length = rng.poisson(38, rows) + 4
    links = rng.poisson(0.25, rows)
    price = np.round(np.exp(3.1 + 0.9 * rng.standard_normal(rows)), 2)
    seller_days = np.round(rng.gamma(1.2, 260, rows), 0)
    logits = np.stack(
        [
            1.9 + 0.0006 * seller_days,
            -0.5 + 1.1 * links - 0.0008 * seller_days,
            -1.0 + 0.5 * (category == "phones") - 0.0003 * seller_days,
        ],
        axis=1,
    )
    logits += 0.7 * rng.standard_normal(logits.shape)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = shares / shares.sum(axis=1, keepdims=True)
    truth = (logits + rng.gumbel(0, 0.75, logits.shape)).argmax(axis=1)
    spam, unsafe = np.round(shares[:, 1], 6), np.round(shares[:, 2], 6)
    return pd.DataFrame(
        {
            "title_length": title_length,
            "links": links,
            "price_eur": price,
            "seller_days": seller_days,
            "category": category,
            "language": language,
            "scores.fine": np.round(1.0 - spam - unsafe, 6),
            "scores.spam": spam,
            "scores.unsafe": unsafe,
            "prediction": np.array(_CLASSES)[shares.argmax(axis=1)],
            "label": np.array(_CLASSES)[truth],
            "latency_ms": _latency(rng, rows, 71),
            "cost": np.round(0.0007 * np.exp(0.08 * rng.standard_normal(rows)), 8),
        }
    )


STORIES: tuple[Story, ...] = (
    Story(
        slug="arrival-time",
        name="Arrival time",
        team=("dispatch", "Dispatch"),
        task="regression",
        output={"score": "number", "unit": "min"},
        purpose="Minutes until the courier is at the door, shown to the customer and used to plan the next trip.",
        limitations="Not for trips over 60 km.",
        risk=("medium", "A wrong promise costs a refund."),
        endpoint="arrival-time-live",
        slo_p95_ms=120,
        daily_rows=620,
        features=(
            Column("trip_km", "number"),
            Column("hour", "integer"),
            Column("region", "category", segment=True, categories=("airport", "centre", "harbour", "north")),
            Column("vehicle", "category", segment=True, categories=("bike", "car", "scooter")),
            Column("rain_mm", "number"),
            Column("basket_items", "integer"),
        ),
        draw=_arrival,
        label_delay_h=0.8,
        incident="Since drivers earn a bonus for long evening trips, trip length and hour have shifted; "
        "the error grows in the harbour.",
        seed=11,
    ),
    Story(
        slug="home-feed",
        name="Home feed",
        team=("discovery", "Discovery"),
        task="binary",
        output={"score": "probability", "classes": ["skip", "click"], "positive": "click"},
        purpose="Probability that a visitor opens the first recommendation of the home page.",
        limitations="Not for visitors under 16.",
        risk=("low", "A bad recommendation is passed over."),
        endpoint="home-feed-live",
        slo_p95_ms=180,
        daily_rows=700,
        features=(
            Column("tenure_days", "number"),
            Column("session_depth", "integer"),
            Column("affinity", "number"),
            Column("locale", "category", segment=True, categories=("de", "fr", "it", "pl")),
            Column("device", "category", segment=True, categories=("desktop", "phone", "tablet")),
        ),
        draw=_feed,
        label_delay_h=3.0,
        incident="The new second stage calls its scorer for each candidate: latency and cost have tripled.",
        seed=22,
    ),
    Story(
        slug="credit-limit",
        name="Credit limit",
        team=("lending", "Lending risk"),
        task="binary",
        output={"score": "probability", "classes": ["repaid", "default"], "positive": "default", "range": [0, 1]},
        purpose="Probability that a credit limit ends in default within the first cycle.",
        limitations="Not for business accounts.",
        risk=("high", "Automated refusal of credit."),
        endpoint="credit-limit-decision",
        slo_p95_ms=150,
        daily_rows=420,
        features=(
            Column("income", "number"),
            Column("utilisation", "number"),
            Column("late_payments", "integer"),
            Column("account_age_months", "integer"),
            Column("region", "category", segment=True, categories=("EU", "UK", "US")),
            Column("channel", "category", segment=True, kind="context", categories=("branch", "partner", "web")),
            Column("employer", "text", privacy="hash"),
        ),
        draw=_credit,
        label_delay_h=96.0,
        incident="Since the policy raised the cut-off, far fewer applications are declined and more of them "
        "default, while the model ranks as well as before.",
        seed=33,
    ),
    Story(
        slug="listing-moderation",
        name="Listing moderation",
        team=("trust", "Trust and safety"),
        task="multiclass",
        output={"score": "probability", "classes": list(_CLASSES)},
        purpose="Sorts new listings into fine, spam and unsafe before they are shown.",
        limitations="Reads titles, not pictures.",
        risk=("high", "Unsafe listings reach buyers."),
        endpoint="listing-moderation-queue",
        slo_p95_ms=250,
        daily_rows=480,
        features=(
            Column("title_length", "integer"),
            Column("links", "integer"),
            Column("price_eur", "number"),
            Column("seller_days", "number"),
            Column("category", "category", segment=True, categories=("books", "clothes", "home", "phones", "toys")),
            Column("language", "category", segment=True, categories=("de", "en", "es", "pl")),
        ),
        draw=_moderation,
        label_delay_h=20.0,
        incident="A sellers' campaign has doubled the number of listings to judge.",
        seed=44,
        growth=lambda ago: 1.0 + 1.15 * _since(ago, 9, 2),
    ),
)

"""What several reports read and say alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from mlops_portal.kit import wording
from monitoring.metrics import words
from monitoring.models import Measurement, Monitor, Run
from monitoring.stats.results import WORST_FIRST, Verdict

PSI = "psi.1"
P95, P99 = "latency_p95.1", "latency_p99.1"
COST = "cost_per_1k.1"
VOLUME = "rows.1"
MAIN_METRIC = {"regression": "mae.1", "binary": "auc.1", "multiclass": "accuracy.1", "ranking": "ndcg_k.1"}
_PLACES = {verdict.value: place for place, verdict in enumerate(WORST_FIRST)}
REASONS = {
    "too_few": "too few records",
    "empty": "no records",
    "all_null": "only nulls",
    "no_reference": "no reference",
    "constant": "constant",
    "one_class": "one class only",
    "no_labels": "no outcomes yet",
    "immature": "outcomes still arriving",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure (`components/_keyfigures.html`)."""

    label: str
    value: str
    unit: str = ""
    verdict: str = ""
    word: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A measurement in a table cell (`components/_health.html`)."""

    verdict: str
    short: str
    url: str = ""
    title: str = ""
    sub: str = ""


UNJUDGED = frozenset({Verdict.no_data, Verdict.insufficient})
NO_DATA = Cell(Verdict.no_data, "no data")


def worst(verdicts: Iterable[str]) -> str:
    """The verdict that needs a person first; an empty text for none."""
    present = set(verdicts)
    return next((verdict.value for verdict in WORST_FIRST if verdict.value in present), "")


def reason_words(reason: str) -> str:
    """A reason in words."""
    return REASONS.get(reason, reason.replace("_", " "))


def said(one: Measurement, unit: str | None = None) -> str:
    """Value with unit, or the reason why there is none."""
    if one.value is None:
        return reason_words(one.reason)
    return wording.quantity(one.value, words(one.metric).unit if unit is None else unit)


def certainty(one: Measurement) -> str:
    """Interval and sample size: "66–76 %, n = 412"; a note where the labelled records are not like the others."""
    bounds = ""
    if one.low is not None and one.high is not None:
        bounds = wording.interval(one.low, one.high, words(one.metric).unit, like=one.value or None) + ", "
    note = ", labelled records are not typical" if one.details.get("is_skewed") else ""
    return f"{bounds}n = {wording.count(one.n)}{note}"


def newest_runs(models: Sequence[UUID]) -> list[Run]:
    """The newest judged run of each monitor of the models with its configuration, in one query."""
    judged = Run.objects.filter(monitor=OuterRef("pk"), is_latest=True, state__in=[Run.State.DONE, Run.State.NO_DATA])
    newest = Monitor.objects.filter(model__in=models).values(
        newest=Subquery(judged.order_by("-window_end").values("pk")[:1])
    )
    return list(Run.objects.filter(pk__in=newest).select_related("monitor", "config").defer("inputs"))


def whole(runs: Iterable[Run]) -> QuerySet[Measurement]:
    """Measurements of runs that are of no single feature or segment."""
    return Measurement.objects.filter(run__in=[run.pk for run in runs], feature="", segment="")


def by_metric(rows: Iterable[Measurement]) -> dict[str, Measurement]:
    """The worst measurement of each metric: of several versions or endpoints that which needs a look."""
    found: dict[str, Measurement] = {}
    for one in rows:
        if one.metric not in found or urgency(one) < urgency(found[one.metric]):
            found[one.metric] = one
    return found


def urgency(one: Measurement) -> tuple[bool, int]:
    """A sort key: what was judged first, the worst of it leading; what could not be judged hides nothing."""
    return (one.verdict in UNJUDGED, rank(one.verdict))


def main_metric(task: str) -> str:
    """The one metric that says most about a model of this task; of a task that nobody has said, the skill."""
    return MAIN_METRIC.get(task, "skill.1")


def leading_performance(whole: Mapping[str, Measurement], task: str) -> Measurement | None:
    """The main metric of the task, unless another one is worse off."""
    main = main_metric(task)
    found = [one for one in whole.values() if one.check_key == "performance"]
    return min(found, key=lambda one: (*urgency(one), one.metric != main, one.metric), default=None)


def largest(rows: Iterable[Measurement]) -> list[Measurement]:
    """One measurement a window, in the order given: of several versions or endpoints that with most records."""
    found: dict[datetime, Measurement] = {}
    for one in rows:
        if one.window_end not in found or one.n > found[one.window_end].n:
            found[one.window_end] = one
    return list(found.values())


def rank(verdict: str) -> int:
    """Its place among verdicts, the one to look at first being 0; unknown or empty ones come last."""
    return _PLACES.get(verdict, len(_PLACES))


def since(ends: dict[UUID, datetime], days_back: dict[UUID, datetime]) -> Q:
    """Windows of each model within its own span: (start, end] by model id."""
    condition = Q(pk__in=[])
    for model, end in ends.items():
        condition |= Q(model=model, window_end__gt=days_back[model], window_end__lte=end)
    return condition

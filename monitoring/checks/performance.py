"""How well the model does where outcomes are known, against the labelled reference."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from monitoring.checks.base import Check, Finding, Labels, VersionWindow, WindowData, interval
from monitoring.checks.config import Performance
from monitoring.stats import classification, regression
from monitoring.stats.gates import is_beyond_chance, performance_verdict
from monitoring.stats.grid.latency import latency_edges
from monitoring.stats.profile import ErrorCounts, LabelProfile
from monitoring.stats.results import Estimate, Reason, Verdict

KEY = "performance"
MAX_SEGMENT_FINDINGS = 50
Values = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is judged: worse by `delta`, an absolute step or a share of the base value."""

    name: str
    better: str = "higher"
    delta: float = 0.02
    is_relative: bool = False

    @property
    def id(self) -> str:
        return f"{self.name}.1"

    def step(self, base: float, config: Performance) -> float:
        """Return by how much it has to be worse to be called so."""
        delta = config.delta.get(self.name, self.delta)
        return delta * abs(base) if self.is_relative else delta


@dataclass(frozen=True, slots=True)
class Task:
    """The metrics of a kind of model, the main one first, and how they are read from a label profile."""

    metrics: tuple[Metric, ...]
    values: Callable[[LabelProfile, str | None, str | None], Values]
    smaller_class: Callable[[LabelProfile, str | None, str | None], int | None]


def measure(data: WindowData, config: Performance) -> list[Finding]:
    """Return the metrics of the task per version, and the main one per segment that is large enough.

    `worse` needs a step and an interval that lies on the worse side of the base; in a segment, being one of many,
    also a difference that chance explains once in a thousand cases, with the noise of both sides. Values of a window
    whose outcomes are still coming in are provisional: they are shown and never alert.
    """
    found: list[Finding] = []
    for version in data.versions:
        labels, task = version.labels, TASKS.get(data.task)
        if labels is None or task is None:
            found.append(_unknown(version, config, TASKS.get(data.task), Reason.undefined))
        elif labels.profile is None or not labels.labelled:
            found.append(_unknown(version, config, task, Reason.empty))
        else:
            found += _of_version(version, labels, labels.profile, task, config)
    return found


CHECK = Check(KEY, measure)


def _unknown(version: VersionWindow, config: Performance, task: Task | None, reason: Reason) -> Finding:
    metric = task.metrics[0].id if task else "skill.1"
    return Finding(KEY, metric, version=version.id, signal=config.signal, reason=reason.value)


def _of_version(
    version: VersionWindow, labels: Labels, profile: LabelProfile, task: Task, config: Performance
) -> Iterator[Finding]:
    wanted = [one for one in task.metrics if config.metrics is None or one.name in config.metrics]
    now = task.values(profile, None, None)
    before = task.values(labels.base, None, None) if labels.base else {}
    smaller = task.smaller_class(profile, None, None)
    for metric in wanted:
        yield _finding(metric, now, before, smaller, version, labels, config)
    for metric in wanted[:1]:
        segments = [
            _of_segment(metric, by, segment, version, labels, profile, task, config)
            for by in version.dimensions
            for segment in profile.grid.segments[by]
        ]
        large = [one for one in segments if one.n >= config.min_labels]
        large.sort(key=lambda one: (one.verdict != Verdict.worse, -one.n, one.segment))
        yield from large[:MAX_SEGMENT_FINDINGS]


def _of_segment(
    metric: Metric,
    by: str,
    segment: str,
    version: VersionWindow,
    labels: Labels,
    profile: LabelProfile,
    task: Task,
    config: Performance,
) -> Finding:
    now, smaller = task.values(profile, by, segment), task.smaller_class(profile, by, segment)
    before = task.values(labels.base, by, segment) if labels.base else {}
    finding = _finding(metric, now, before, smaller, version, labels, config)
    base = before.get(metric.name, Estimate(None))
    if finding.verdict == Verdict.worse and not is_beyond_chance(now[metric.name], base, metric.better):
        finding = replace(finding, verdict=Verdict.ok)  # one of many segments: noise of both sides counts
    return replace(finding, segment=f"{by}={segment}"[:400])


def _finding(
    metric: Metric,
    now: Values,
    before: Values,
    smaller_class: int | None,
    version: VersionWindow,
    labels: Labels,
    config: Performance,
) -> Finding:
    seen, was = now[metric.name], before.get(metric.name, Estimate(None))
    base, base_n = was.value, was.n
    if base_n < config.min_labels:
        base = None
    step = None
    if base is not None:
        step = metric.step(before["mae"].value or 0.0 if metric.name == "bias" else base, config)
    verdict = Verdict.insufficient
    if seen.n >= config.min_labels and base is not None and step is not None:
        judged, against = (_distance_from_zero(seen), abs(base)) if metric.name == "bias" else (seen, base)
        verdict = performance_verdict(judged, against, step, metric.better, smaller_class=smaller_class)
    return Finding(
        KEY,
        metric.id,
        verdict=verdict,
        version=version.id,
        signal=config.signal,
        base_value=base,
        base_n=base_n,
        threshold=step,
        gap=_gap(metric, seen.value, base),
        provisional=not labels.is_mature,
        details={"coverage": labels.coverage, "rows": labels.rows},
        **interval(seen) | _reason(seen, base, verdict, config),
    )


def _reason(seen: Estimate, base: float | None, verdict: Verdict, config: Performance) -> dict[str, str]:
    if seen.reason or verdict != Verdict.insufficient:
        return {}
    if seen.n >= config.min_labels and base is None:
        return {"reason": Reason.no_reference.value}
    return {"reason": Reason.too_few.value}


def _gap(metric: Metric, value: float | None, base: float | None) -> float | None:
    """Return how much worse than the base; 0 if it is better."""
    if value is None or base is None:
        return None
    if metric.name == "bias":
        return max(0.0, abs(value) - abs(base))
    return max(0.0, base - value if metric.better == "higher" else value - base)


def _distance_from_zero(bias: Estimate) -> Estimate:
    """Return a bias without its sign: too low is as bad as too high."""
    if bias.value is None or bias.low is None or bias.high is None:
        return bias
    ends = sorted((abs(bias.low), abs(bias.high)))
    low = 0.0 if bias.low <= 0 <= bias.high else ends[0]
    return replace(bias, value=abs(bias.value), low=low, high=ends[1])


def _binary(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    counts, rates = profile.scores(by, segment), classification.rates(profile.confusion(by, segment))
    return rates | {"auc": classification.auc(counts)}


def _binary_smaller(profile: LabelProfile, by: str | None, segment: str | None) -> int:
    counts = profile.scores(by, segment)
    if counts.n:
        return min(counts.n_negative, counts.n_positive)
    return int(profile.confusion(by, segment).counts.sum(axis=1).min())  # decisions without scores


def _multiclass(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    return classification.rates(profile.confusion(by, segment))


def _regression(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    counts = profile.errors(by, segment)
    found = regression.from_counts(counts)
    return found | {"rmse": _with_interval(found["rmse"], counts)}


def _with_interval(rmse: Estimate, counts: ErrorCounts) -> Estimate:
    """Give the root of the mean squared error a normal interval of the mean square; errors are known by cell."""
    if rmse.value is None or counts.n < 2:
        return rmse
    low, high = latency_edges(counts.absolute.keys)
    squares = ((low + high) / 2) ** 2
    with np.errstate(over="ignore", invalid="ignore"):
        variance = float((counts.absolute.counts * squares**2).sum()) / counts.n - rmse.value**4
        half = float(ndtri(0.975)) * float(np.sqrt(max(variance, 0.0) / counts.n))
        ends = np.sqrt([max(rmse.value**2 - half, 0.0), rmse.value**2 + half])
    if not np.isfinite(ends).all():
        return rmse
    return replace(rmse, low=min(float(ends[0]), rmse.value), high=max(float(ends[1]), rmse.value))


def _no_class(profile: LabelProfile, by: str | None, segment: str | None) -> None:
    return None


def _ranking(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    return profile.rankings(by, segment).estimates()


TASKS: dict[str, Task] = {
    "ranking": Task(
        (Metric("ndcg_k"), Metric("map_k"), Metric("recall_k"), Metric("hit_k"), Metric("mrr")), _ranking, _no_class
    ),
    "binary": Task(
        (Metric("auc"), Metric("accuracy"), Metric("precision"), Metric("recall")), _binary, _binary_smaller
    ),
    "multiclass": Task((Metric("accuracy"),), _multiclass, _no_class),
    "regression": Task(
        (
            Metric("mae", "lower", 0.1, is_relative=True),
            Metric("rmse", "lower", 0.1, is_relative=True),
            Metric("bias", "lower", 0.1, is_relative=True),
        ),
        _regression,
        _no_class,
    ),
}

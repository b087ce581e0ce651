"""How well the model does where outcomes are known, against the labelled reference."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from monitoring.checks.base import Check, Finding, Labels, VersionWindow, WindowData, interval
from monitoring.checks.config import Performance
from monitoring.stats import classification, labelling, regression
from monitoring.stats.gates import is_beyond_chance, performance_verdict
from monitoring.stats.metrics import Better, Step, definition
from monitoring.stats.profile import LabelProfile
from monitoring.stats.results import Estimate, Reason, Verdict

KEY = "performance"
MAX_SEGMENT_FINDINGS = 50
Values = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is judged, by its definition: worse by a step that is absolute or a share of the base value."""

    name: str

    @property
    def id(self) -> str:
        return f"{self.name}.1"

    @property
    def better(self) -> str:
        """The better direction; of what is best at 0 the distance from it is judged."""
        return "higher" if definition(self.id).better == Better.higher else "lower"

    def step(self, base: float, config: Performance) -> float:
        """Return by how much it has to be worse to be called so."""
        usual = definition(self.id).alert
        if not isinstance(usual, Step):
            raise ValueError(f"{self.id} has no step")
        delta = config.delta.get(self.name, usual.by)
        return delta * abs(base) if usual.is_relative else delta


@dataclass(frozen=True, slots=True)
class Task:
    """The metrics of a kind of model, the main one first, and how they are read from a label profile."""

    metrics: tuple[Metric, ...]
    values: Callable[[LabelProfile, str | None, str | None], Values]
    smaller_class: Callable[[LabelProfile, str | None, str | None], int | None]


def measure(data: WindowData, config: Performance) -> list[Finding]:
    """Return the metrics of the task per version, and the main one per segment that is large enough.

    `worse` needs a step, an interval that lies on the worse side of the base, and a difference that chance explains
    once in a thousand cases with the noise of both sides: several metrics are looked at every day, and a reference is
    a sample too. Values of a window whose outcomes are still coming in are provisional: they are shown and never alert.
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
    skew = _skew(profile)
    for metric in wanted:
        finding = _finding(metric, now, before, smaller, version, labels, config)
        yield replace(finding, details={**finding.details, **skew})
    for metric in wanted[:1]:
        segments = [
            _of_segment(metric, by, segment, version, labels, profile, task, config)
            for by in version.dimensions
            for segment in profile.grid.segments[by]
        ]
        large = [one for one in segments if one.n >= config.min_labels]
        large.sort(key=lambda one: (one.verdict != Verdict.worse, -one.n, one.segment))
        yield from large[:MAX_SEGMENT_FINDINGS]


def _skew(profile: LabelProfile) -> dict[str, float | bool]:
    """Return how far labelled rows differ from all by their score, where scores are known."""
    if profile.task != "binary":
        return {}
    skew = labelling.label_skew(profile.scores())
    return {} if skew.value is None else {"label_skew": skew.value, "is_skewed": labelling.is_skewed(skew)}


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
        judged, against = (
            (_distance_from_zero(seen), _distance_from_zero(was)) if metric.name == "bias" else (seen, was)
        )
        verdict = performance_verdict(judged, against.value, step, metric.better, smaller_class=smaller_class)
        if verdict == Verdict.worse and not is_beyond_chance(judged, against, metric.better):
            verdict = Verdict.ok
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
        details={"coverage": labels.coverage, "rows": labels.rows} | _since(labels),
        **interval(seen) | _reason(seen, base, verdict, config),
    )


def _since(labels: Labels) -> dict[str, str]:
    """Say that the base is the first days of the version, not a reference."""
    return {"base_since": labels.base_since.isoformat()} if labels.base_since else {}


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
    rates = classification.rates(profile.confusion(by, segment), seed=None if by else 0)
    return rates | {"auc": classification.auc(profile.scores(by, segment))}


def _binary_smaller(profile: LabelProfile, by: str | None, segment: str | None) -> int:
    counts = profile.scores(by, segment)
    if counts.n:
        return min(counts.n_negative, counts.n_positive)
    return int(profile.confusion(by, segment).counts.sum(axis=1).min())  # decisions without scores


def _multiclass(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    return classification.rates(profile.confusion(by, segment), seed=None if by else 0)


def _regression(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    return regression.from_counts(profile.errors(by, segment))


def _ranking(profile: LabelProfile, by: str | None, segment: str | None) -> Values:
    return profile.rankings(by, segment).estimates()


def _no_class(profile: LabelProfile, by: str | None, segment: str | None) -> None:
    return None


TASKS: dict[str, Task] = {
    "binary": Task(
        (Metric("auc"), Metric("accuracy"), Metric("precision"), Metric("recall")), _binary, _binary_smaller
    ),
    "multiclass": Task((Metric("accuracy"),), _multiclass, _no_class),
    "regression": Task(
        (Metric("mae"), Metric("rmse"), Metric("bias")),
        _regression,
        _no_class,
    ),
    "ranking": Task(
        (Metric("ndcg_k"), Metric("map_k"), Metric("recall_k"), Metric("hit_k"), Metric("mrr")), _ranking, _no_class
    ),
}

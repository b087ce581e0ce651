"""One run in full: what was compared, the verdicts, the features that moved most, everything else it measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Subquery

from mlops_portal.kit import wording
from monitoring.charts import Whisker
from monitoring.metrics import words
from monitoring.models import Measurement, Run
from monitoring.reports import shared
from monitoring.reports.features import FeatureRow, drift_rows, dtypes, feature_row, null_shares
from monitoring.reports.shared import Figure
from monitoring.stats.results import Verdict

SHOWN_SEGMENTS = 12


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One measurement of a table."""

    metric: str
    scope: str
    value: str
    certainty: str
    base: str
    verdict: str
    is_provisional: bool
    whisker: Whisker | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What the page of a run shows."""

    figures: tuple[Figure, ...]
    top: tuple[FeatureRow, ...]
    others: tuple[FeatureRow, ...]
    measured: tuple[MeasuredRow, ...]
    quiet: tuple[MeasuredRow, ...]  # qualities of single features that are all well
    segments: tuple[MeasuredRow, ...]
    segment_metric: str
    verdicts: Mapping[str, int]
    previous_id: UUID | None
    following_id: UUID | None
    older_revisions: Sequence[tuple[UUID, int]]
    newer: tuple[UUID, int] | None
    took_s: float | None
    is_widened: bool


def run_report(run: Run) -> RunReport:
    """Everything the page shows of one run, from its stored measurements. At most eight queries."""
    types, nulls = dtypes(run.model), null_shares(run)
    features = [feature_row(one, types, nulls, run.config.config) for one in drift_rows(run)]
    features.sort(key=lambda row: (row.rank or 99, -(row.value or 0.0), row.name))
    rows = list(run.measurements.exclude(check_key="input_drift", segment="").select_related("version"))
    measured = [one for one in rows if not one.segment]
    segments = [one for one in rows if one.segment]
    revisions = _revisions(run)
    before, after = _neighbours(run)
    return RunReport(
        figures=_figures(run, features, measured),
        top=tuple(row for row in features if row.rank),
        others=tuple(row for row in features if not row.rank),
        measured=tuple(_measured(one) for one in sorted(measured, key=_order) if not _is_quiet(one)),
        quiet=tuple(_measured(one) for one in sorted(measured, key=_order) if _is_quiet(one)),
        segments=_segments(segments),
        segment_metric=words(segments[0].metric).title if segments else "",
        verdicts=Counter([*(row.verdict for row in features), *(one.verdict for one in measured)]),
        previous_id=before,
        following_id=after,
        older_revisions=tuple((pk, number) for pk, number in revisions if number < run.revision),
        newer=next(((pk, number) for pk, number in revisions if number > run.revision), None),
        took_s=_took_s(run),
        is_widened=bool(run.data_start and run.data_start < run.window_start),
    )


def _took_s(run: Run) -> float | None:
    """How long it took; None where it was not timed."""
    if not run.finished_at or not run.started_at or run.finished_at == run.started_at:
        return None
    return (run.finished_at - run.started_at) / timedelta(seconds=1)


def _is_quiet(one: Measurement) -> bool:
    return bool(one.feature) and one.verdict == Verdict.ok


def _revisions(run: Run) -> list[tuple[UUID, int]]:
    same = Run.objects.filter(monitor=run.monitor, window_start=run.window_start, window_end=run.window_end)
    return list(same.order_by("-revision").values_list("pk", "revision"))


def _neighbours(run: Run) -> tuple[UUID | None, UUID | None]:
    others = Run.objects.filter(monitor=run.monitor, is_latest=True).values("pk")
    before = others.filter(window_end__lt=run.window_end).order_by("-window_end")[:1]
    after = others.filter(window_end__gt=run.window_end).order_by("window_end")[:1]
    beside: tuple[UUID | None, UUID | None]
    beside = Run.objects.values_list(Subquery(before), Subquery(after)).get(pk=run.pk)
    return beside


def _figures(run: Run, features: Sequence[FeatureRow], measured: Sequence[Measurement]) -> tuple[Figure, ...]:
    figures = [Figure("Records", wording.count(run.rows), note=_rejects(run))]
    if features:
        counts = Counter(row.verdict for row in features)
        moved = counts[Verdict.drift] + counts[Verdict.warn]
        note = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        figures.insert(0, Figure("Inputs", str(moved), f"of {len(features)} moved", shared.worst(counts), note=note))
    leading = shared.by_metric(measured)
    ranked = sorted(leading.values(), key=lambda one: (shared.rank(one.verdict), one.metric))
    for one in [one for one in ranked if not one.feature][: 6 - len(figures)]:
        figures.append(Figure(words(one.metric).title, shared.said(one), "", one.verdict, note=shared.certainty(one)))
    return tuple(figures)


def _rejects(run: Run) -> str:
    rejected = run.summary.get("rejected")
    return f"{wording.count(rejected)} rejected" if rejected else "none rejected"


def _order(one: Measurement) -> tuple[int, str, str, str]:
    return (shared.rank(one.verdict), one.check_key, one.metric, one.feature)


def _measured(one: Measurement, whisker: Whisker | None = None) -> MeasuredRow:
    unit = words(one.metric).unit
    scope = [one.feature, one.segment, one.endpoint]
    return MeasuredRow(
        metric=words(one.metric).title,
        scope=" · ".join(filter(None, scope)) or "all traffic",
        value=shared.said(one),
        certainty=shared.certainty(one),
        base=wording.quantity(one.base_value, unit) if one.base_value is not None else "",
        verdict=one.verdict,
        is_provisional=one.provisional,
        whisker=whisker,
    )


def _segments(rows: Sequence[Measurement]) -> tuple[MeasuredRow, ...]:
    """The segments with the largest effect, on one common scale for each metric."""
    ranked = sorted(rows, key=lambda one: (shared.rank(one.verdict), -(one.gap or 0.0), one.segment))[:SHOWN_SEGMENTS]
    scales: dict[str, tuple[float, float]] = {}
    for metric in {one.metric for one in ranked}:
        values = [
            value
            for one in ranked
            if one.metric == metric
            for value in (one.value, one.low, one.high, one.base_value)
            if value is not None
        ]
        scales[metric] = _scale(metric, values)
    return tuple(_measured(one, _whisker(one, *scales[one.metric])) for one in ranked)


def _scale(metric: str, values: Sequence[float]) -> tuple[float, float]:
    """The common scale of a metric's rows; that of an error starts at 0."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if words(metric).is_error:
        low = min(low, 0.0)
    margin = (high - low) * 0.05 or 1.0
    return low - margin, high + margin


def _whisker(one: Measurement, minimum: float, maximum: float) -> Whisker:
    return Whisker(one.value, one.low, one.high, one.base_value, minimum, maximum, verdict=one.verdict)

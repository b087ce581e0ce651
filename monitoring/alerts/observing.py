"""The only way into conditions and alerts: a window has been judged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from monitoring.alerts import limits
from monitoring.alerts.conditions import (
    Identity,
    JudgedWindow,
    Scope,
    Signal,
    fingerprint,
    identity,
    is_burning,
    is_too_late,
    take_in,
)
from monitoring.alerts.lifecycle import Occasion, note_too_late, settle
from monitoring.alerts.wording import CHECK_FAILED, NO_DATA
from monitoring.metrics import SILENCE
from monitoring.models import Alert, Condition, Measurement, MeasurementRow, Monitor, Run, VersionTraffic
from monitoring.stats.gates import BREACHES, DAILY, EVENT, HOURLY, UNJUDGED, Rule, segment_speaks
from monitoring.stats.results import Verdict
from registry.models import RegisteredModel

TWO_RUNS = Rule(2, 2, 1)  # of no data, or of failed checks: opens at the second in a row, clears at the first good one
RULES: Mapping[str, Rule] = {
    Monitor.Cadence.HOUR: HOURLY,
    Monitor.Cadence.DAY: DAILY,
    Monitor.Cadence.WEEK: EVENT,
    Monitor.Cadence.EVENT: EVENT,
}
REOPENS_WITHIN: Mapping[str, timedelta] = {
    Monitor.Cadence.HOUR: timedelta(hours=24),
    Monitor.Cadence.DAY: timedelta(days=3),
    Monitor.Cadence.WEEK: timedelta(days=7),
    Monitor.Cadence.EVENT: timedelta(0),
}
OPERATIONAL = frozenset({"error_share", "fallback_share"})  # of output_drift: how serving goes, not what it answers
FAMILIES: Mapping[str, Alert.Family] = {  # of a check
    "input_drift": Alert.Family.DRIFT,
    "output_drift": Alert.Family.DRIFT,
    "disagreement": Alert.Family.DRIFT,
    "data_quality": Alert.Family.QUALITY,
    "skew": Alert.Family.QUALITY,
    "performance": Alert.Family.PERFORMANCE,
    "estimated_performance": Alert.Family.PERFORMANCE,
    "calibration": Alert.Family.PERFORMANCE,
    "business": Alert.Family.PERFORMANCE,
    "latency": Alert.Family.OPERATIONS,
    "cost": Alert.Family.OPERATIONS,
    "volume": Alert.Family.OPERATIONS,
}
Measured = Measurement | MeasurementRow
_STORED = [  # of a condition; the rest never changes
    "state",
    "severity",
    "ring",
    "value",
    "threshold",
    "verdict",
    "measurement",
    "unknown_since",
    "dismissed",
    "changed_at",
]


@transaction.atomic
def observe(model: RegisteredModel, signals: Iterable[Signal], window: JudgedWindow, *, now: datetime) -> None:
    """Let a judged window of a model count: move its conditions, and with them its alerts.

    Runs in the transaction of the caller, under the caller's lease on the work that measured. A condition comes into
    being with its first breach; signals that never breached leave no row. The same revision of a window again changes
    nothing, a higher one replaces it. insufficient, no_data and error never enter a ring and never clear anything.
    """
    seen = {(signal.source, signal.scope): signal for signal in signals}
    fingerprints = [fingerprint(model.pk, signal) for signal in seen.values()]
    known = {identity(one): one for one in Condition.objects.filter(model=model, fingerprint__in=fingerprints)}
    _count(model, seen, known, window, now)


@transaction.atomic(savepoint=False)
def observe_run(run: Run, measurements: Sequence[Measured], *, now: datetime) -> None:
    """Let the measurements of a finished run count, in a number of queries that does not grow with them.

    To be called in the transaction that saves the run, its measurements saved before. A condition of the monitor that
    burns and of which the run says nothing counts as ok where its check was judged: only what is not ok is stored of
    segments and of rare shares. Each monitor has two conditions besides: no data, and checks that fail.
    """
    _one_at_a_time(run)
    mine = Condition.objects.filter(model_id=run.model_id, source__startswith=f"monitor:{run.monitor_id}:")
    known = {identity(one): one for one in mine}
    seen = _measured(run, measurements, known)
    seen |= {(signal.source, signal.scope): signal for signal in _about_the_run(run, measurements)}
    seen |= _unmentioned(run, measurements, known, seen)
    cadence = run.monitor.cadence
    window = JudgedWindow(run.window_end, run.revision, RULES[cadence], REOPENS_WITHIN[cadence], run.quiet)
    _count(run.model, seen, known, window, now)


def _one_at_a_time(run: Run) -> None:
    """Windows of one monitor are observed one after another: two workers would overwrite each other's rings.

    The row of the monitor is the lock; SQLite has one writer anyway.
    """
    Monitor.objects.filter(pk=run.monitor_id).update(state=F("state"))


def _count(
    model: RegisteredModel,
    seen: Mapping[Identity, Signal],
    known: Mapping[Identity, Condition],
    window: JudgedWindow,
    now: datetime,
) -> None:
    concerned = {key: signal for key, signal in seen.items() if key in known or signal.verdict in BREACHES}
    pairs = [(known.get(key) or _new(model, signal, now), signal) for key, signal in concerned.items()]
    burned = {one.pk for one, _ in pairs if is_burning(one)}
    late = [one for one, _ in pairs if is_too_late(one, window.end)]
    changed = [one for one, signal in pairs if take_in(one, signal, window, now=now)]
    if changed:
        _save(changed)
    now_quiet = any(one.pk in burned and not is_burning(one) for one in changed)
    occasion = Occasion(model, window, now, recomputed=now_quiet and window.revision > 1)
    note_too_late(late, occasion)
    settle([one for one, _ in pairs if one.pk in burned or is_burning(one)], occasion)


def _new(model: RegisteredModel, signal: Signal, now: datetime) -> Condition:
    return Condition(
        fingerprint=fingerprint(model.pk, signal),
        model=model,
        source=signal.source,
        family=signal.family,
        scope=signal.scope.document(model.pk),
        changed_at=now,
    )


def _save(changed: Sequence[Condition]) -> None:
    """One upsert for what is new and what moved."""
    Condition.objects.bulk_create(changed, update_conflicts=True, unique_fields=["fingerprint"], update_fields=_STORED)


def _measured(
    run: Run, measurements: Sequence[Measured], known: Mapping[Identity, Condition]
) -> dict[Identity, Signal]:
    """What measurements say that breach, or whose condition came into being before; all others leave no trace."""
    concerned = {
        key: one for one in measurements if (key := _identity(run.monitor_id, one)) in known or one.verdict in BREACHES
    }
    if not concerned:
        return {}
    totals = {_total(one): one for one in measurements if not one.segment}
    ids = _measurement_ids(run)
    at_once = EVENT if _is_silent(run, measurements) else None
    return {
        key: _signal(
            run,
            key,
            one,
            speaks=not one.segment or _says_more(one, totals.get(_total(one))),
            measurement_id=ids[*_total(one), one.segment],
            rule=at_once if one.metric == SILENCE else None,
        )
        for key, one in concerned.items()
    }


def _total(one: Measured) -> tuple[object, ...]:
    """What names the aggregate of a segment."""
    return one.check_key, one.metric, one.version_id, one.endpoint, one.signal, one.feature


def _identity(monitor_id: UUID, one: Measured) -> Identity:
    scope = Scope(str(one.version_id or ""), one.endpoint, one.signal, one.feature, one.segment)
    return f"monitor:{monitor_id}:{one.check_key}:{one.metric}", scope


def _measurement_ids(run: Run) -> dict[tuple[object, ...], int]:
    """Return the ids under which the measurements of a run are stored, by what names each of them."""
    naming = ("check_key", "metric", "version_id", "endpoint", "signal", "feature", "segment")
    return {tuple(name): pk for *name, pk in Measurement.objects.filter(run=run.pk).values_list(*naming, "pk")}


def _signal(run: Run, key: Identity, one: Measured, *, speaks: bool, measurement_id: int, rule: Rule | None) -> Signal:
    """A measurement as a signal. Provisional values, and segments that only repeat their aggregate, are not judged."""
    source, scope = key
    return Signal(
        source=source,
        family=_family(one),
        verdict=Verdict(one.verdict) if speaks and not one.provisional else Verdict.insufficient,
        scope=scope,
        gap=_gap(one),
        threshold=one.threshold,
        value=one.value,
        low=one.low,
        high=one.high,
        n=one.n,
        base=one.base_value,
        limit=limits.crossed(one, run.config.config) if one.verdict in BREACHES else None,
        hard=one.hard,
        measurement_id=measurement_id,
        rule=rule,
    )


def _is_silent(run: Run, measurements: Sequence[Measured]) -> bool:
    """Whether predictions of live traffic have stopped: that opens at once. History that was filled in just ends."""
    if not any(one.metric == SILENCE for one in measurements):
        return False
    live = VersionTraffic.objects.filter(version__model=run.model_id, last_live_at__gte=run.window_start)
    return live.exists()


def _family(one: Measured) -> Alert.Family:
    return Alert.Family.OPERATIONS if one.metric.partition(".")[0] in OPERATIONAL else FAMILIES[one.check_key]


def _gap(one: Measured) -> float | None:
    """Distance from the baseline in the worse direction: of a divergence, its value."""
    return one.value if one.gap is None and one.check_key == "input_drift" else one.gap


def _says_more(segment: Measured, total: Measured | None) -> bool:
    """Whether a segment is news beside its aggregate."""
    whole = (Verdict(total.verdict), _gap(total)) if total else (None, None)
    return segment_speaks(Verdict(segment.verdict), _gap(segment), *whole)


def _about_the_run(run: Run, measurements: Sequence[Measured]) -> Iterator[Signal]:
    """The two conditions every monitor has; the same run cannot speak of both."""
    verdicts = {one.verdict for one in measurements}
    nothing = run.state == Run.State.NO_DATA or verdicts == {Verdict.no_data}
    failed = run.state == Run.State.FAILED or Verdict.error in verdicts
    yield _plain(
        run, NO_DATA, Alert.Family.OPERATIONS, Verdict.warn if nothing else _ok_unless(failed and not verdicts)
    )
    yield _plain(run, CHECK_FAILED, Alert.Family.CONTROL, Verdict.warn if failed else _ok_unless(nothing))


def _plain(run: Run, name: str, family: Alert.Family, verdict: Verdict) -> Signal:
    return Signal(source=f"monitor:{run.monitor_id}:{name}", family=family, verdict=verdict, rule=TWO_RUNS)


def _ok_unless(unknown: bool) -> Verdict:  # noqa: FBT001
    return Verdict.insufficient if unknown else Verdict.ok


def _unmentioned(
    run: Run,
    measurements: Sequence[Measured],
    known: Mapping[Identity, Condition],
    seen: Mapping[Identity, Signal],
) -> dict[Identity, Signal]:
    """Signals for the conditions of which the run says nothing: ok where their check was judged, else unknown."""
    judged = {one.check_key for one in measurements if one.verdict not in UNJUDGED and not one.provisional}
    failed = {one.check_key for one in measurements if one.verdict == Verdict.error}
    rest = Verdict.no_data if run.state == Run.State.NO_DATA else Verdict.insufficient
    rest = Verdict.error if run.state == Run.State.FAILED else rest
    result = {}
    for key, condition in known.items():
        if key not in seen:
            _, _, check, *metric = condition.source.split(":")
            verdict = Verdict.error if check in failed else Verdict.ok if check in judged else rest
            rule = EVENT if metric == [SILENCE] else None
            result[key] = Signal(condition.source, Alert.Family(condition.family), verdict, rule=rule)
    return result

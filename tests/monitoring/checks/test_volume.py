import pytest

from monitoring.checks import volume
from monitoring.checks.base import Usage, WindowData
from monitoring.checks.config import Volume
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import DAY, START, days_of


def judged(rows: int, *, weeks: int = 4, usual: int = 100, days: int | None = None, config: Volume | None = None):
    before = days_of(START - (days or 7 * weeks) * DAY, days or 7 * weeks, rows=usual)
    usage = Usage(
        current=days_of(START, 1, rows=rows) if rows else [],
        before=before,
        started_on=(START - (days or 7 * weeks) * DAY).date(),
    )
    data = WindowData("binary", START, START + DAY, rows, usage=usage)
    [finding] = volume.measure(data, config or Volume())
    return finding


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [(100, Verdict.ok), (125, Verdict.ok), (200, Verdict.warn), (40, Verdict.warn), (129, Verdict.ok)],
)
def test_a_day_is_held_against_the_same_weekday(rows, verdict):
    finding = judged(rows)

    assert (finding.verdict, finding.value, finding.base_value, finding.base_n) == (verdict, rows, 100, 4)


def test_three_weeks_are_compared_with_all_their_days():
    assert judged(200, weeks=3).base_n == 21
    assert judged(200, weeks=3).verdict == Verdict.warn


def test_six_days_are_too_few():
    finding = judged(200, days=6)

    assert (finding.verdict, finding.reason, finding.value) == (Verdict.insufficient, "too_few", 200)


def test_a_silent_day_is_no_data_and_never_a_small_number():
    finding = judged(0)

    assert (finding.verdict, finding.value, finding.base_value) == (Verdict.no_data, None, 100)


def test_a_day_of_the_history_without_a_row_counts_as_none():
    before = days_of(START - 28 * DAY, 28, rows=100)
    kept = [hour for hour in before if hour.hour.date() not in {(START - n * DAY).date() for n in (7, 14, 21)}]
    usage = Usage(current=days_of(START, 1, rows=100), before=kept, started_on=(START - 28 * DAY).date())

    [finding] = volume.measure(WindowData("binary", START, START + DAY, 100, usage=usage), Volume())

    assert finding.base_value == 0
    assert finding.gap is None


def test_days_before_the_first_full_one_are_no_history():
    usage = Usage(
        current=days_of(START, 1, rows=200),
        before=days_of(START - 28 * DAY, 28, rows=100),
        started_on=(START - 5 * DAY).date(),
    )

    [finding] = volume.measure(WindowData("binary", START, START + DAY, 200, usage=usage), Volume())

    assert finding.verdict == Verdict.insufficient


def test_a_widened_window_is_judged_by_its_last_day():
    usage = Usage(
        current=days_of(START - 6 * DAY, 7, rows=50),
        before=days_of(START - 34 * DAY, 28, rows=50),
        started_on=(START - 34 * DAY).date(),
    )

    [finding] = volume.measure(WindowData("binary", START, START + DAY, 50, usage=usage), Volume())

    assert (finding.value, finding.base_value, finding.verdict) == (50, 50, Verdict.ok)


def test_limits_are_those_of_the_monitor():
    assert judged(150, config=Volume(change=0.6)).verdict == Verdict.ok
    assert judged(150).verdict == Verdict.warn

from datetime import timedelta

import pytest

from monitoring.checks import volume
from monitoring.checks.base import Usage, WindowData
from monitoring.checks.config import Volume
from monitoring.stats.results import Verdict
from tests.monitoring.checks.windows_of import DAY, START, days_of, hour

HOUR = timedelta(hours=1)


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


class TestSilence:
    def silence(self, *, until: int, busy: range = range(24), days: int = 28, config: Volume | None = None):
        """What is said of a window in which no prediction came from so many hours after its start on."""
        first = START - days * DAY
        hours = [hour(first + n * HOUR) for n in range(24 * (days + 1)) if n % 24 in busy]
        kept = [one for one in hours if one.hour < START + until * HOUR]
        usage = Usage(
            current=[one for one in kept if one.hour >= START],
            before=[one for one in kept if one.hour < START],
            started_on=first.date(),
        )
        data = WindowData("binary", START, START + DAY, sum(one.rows for one in usage.current), usage=usage)
        return [one for one in volume.measure(data, config or Volume()) if one.metric == "silence.1"]

    @pytest.mark.parametrize(("until", "hours"), [(24, None), (22, None), (21, 4), (10, 15), (0, 25)])
    def test_three_times_the_usual_pause_is_silence(self, until, hours):
        found = self.silence(until=until)

        assert [one.value for one in found] == ([hours] if hours else [])

    def test_it_says_what_is_usual(self):
        [found] = self.silence(until=10)

        assert (found.verdict, found.base_value, found.threshold, found.gap) == (Verdict.warn, 1, 3, 15)
        assert found.base_n == 28 * 24 - 1

    def test_a_day_without_a_row_says_both(self):
        usage = Usage(before=[hour(START - n * HOUR) for n in range(1, 24 * 28)], started_on=(START - 28 * DAY).date())

        found = volume.measure(WindowData("binary", START, START + DAY, usage=usage), Volume())

        assert [(one.metric, one.verdict) for one in found] == [
            ("rows.1", Verdict.no_data),
            ("silence.1", Verdict.warn),
        ]

    def test_whoever_rests_at_night_is_not_silent_at_night(self):
        assert self.silence(until=18, busy=range(8, 18)) == []

    def test_six_days_teach_nothing(self):
        assert self.silence(until=10, days=6) == []

    def test_one_prediction_a_day_may_stay_out_for_two(self):
        assert self.silence(until=0, busy=range(12, 13)) == []

    def test_an_hour_without_a_row_is_none(self):
        usage = Usage(
            current=[hour(START + 20 * HOUR, rows=0)],
            before=[hour(START - n * HOUR) for n in range(1, 24 * 28)],
            started_on=(START - 28 * DAY).date(),
        )

        found = volume.measure(WindowData("binary", START, START + DAY, 1, usage=usage), Volume())

        assert [one.value for one in found if one.metric == "silence.1"] == [25]

    def test_the_factor_is_that_of_the_monitor(self):
        assert self.silence(until=10, config=Volume(silence_factor=16)) == []
        assert self.silence(until=22, config=Volume(silence_factor=2))

"""Times: RFC 3339 with an offset, and nothing else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.traffic import times
from monitoring.traffic.times import BadTime

NOON = times.micros(datetime(2026, 11, 20, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "after_noon_us"),
    [
        ("2026-11-20T12:00:00Z", 0),
        ("2026-11-20t12:00:00z", 0),
        ("2026-11-20T12:00:00.5Z", 500_000),
        ("2026-11-20T12:00:00.123456789Z", 123_456),
        ("2026-11-20T12:00:00.999999999Z", 999_999),
        ("2026-11-20T12:00:00+00:00", 0),
        ("2026-11-20T12:00:00-00:00", 0),
        ("2026-11-20T17:30:00+05:30", 0),
        ("2026-11-20T10:00:00-02:00", 0),
    ],
)
def test_every_spelling_of_a_time_is_read_and_fractions_are_cut(text: str, after_noon_us: int) -> None:
    assert times.parse(text) - NOON == after_noon_us
    assert times.parse_column([text]) == [NOON + after_noon_us]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-11-20T12:00:00", "timezone_required"),
        ("2026-11-20T12:00:00.5", "timezone_required"),
        ("2026-11-20", "bad_time"),
        ("2026-11-20 12:00:00Z", "bad_time"),
        ("2026-11-20T12:00Z", "bad_time"),
        ("2026-11-20T12:00:00,5Z", "bad_time"),
        ("2026-11-20T12:00:00.Z", "bad_time"),
        ("2026-11-20T12:00:00.1234567890Z", "bad_time"),
        ("2026-11-20T12:00:00+0530", "bad_time"),
        ("2026-11-20T12:00:00+24:00", "bad_time"),
        ("2026-11-20T12:00:00+05:60", "bad_time"),
        ("2026-11-20T24:00:00Z", "bad_time"),
        ("2026-11-20T23:59:60Z", "bad_time"),
        ("2026-02-29T12:00:00Z", "bad_time"),
        ("2026-W47-5T12:00:00Z", "bad_time"),
        ("٢٠٢٦-11-20T12:00:00Z", "bad_time"),
        ("2026-11-20T12:00:00Z\n", "bad_time"),
        (" 2026-11-20T12:00:00Z", "bad_time"),
        ("", "bad_time"),
        ("now", "bad_time"),
    ],
)
def test_what_is_no_time_says_why(text: str, code: str) -> None:
    with pytest.raises(BadTime) as caught:
        times.parse(text)

    assert caught.value.code == code
    [found] = times.parse_column([text])
    assert isinstance(found, BadTime)
    assert found.code == code


def test_a_column_of_one_shape_hides_no_misplaced_digit() -> None:
    swapped = ["2026-11-20T12:00:00Z", "2026-1120-T12:00:00Z", "2026-11-2:T1200:00Z0"]

    found = times.parse_column(swapped)

    assert found[0] == NOON
    assert all(isinstance(one, BadTime) for one in found[1:])


def test_microseconds_of_a_table_stay_and_keep_their_places() -> None:
    assert times.parse_column([5, "2026-11-20T12:00:00Z", 7]) == [5, NOON, 7]
    assert times.parse_column([]) == []


@given(
    st.lists(
        st.tuples(
            st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),
            st.sampled_from(["Z", "+00:00", "z", "-03:30"]),
            st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
        )
    )
)
def test_a_column_is_read_as_its_texts_are_read_one_by_one(moments: list[tuple[datetime, str, str]]) -> None:
    texts = [moment.isoformat(timespec=spec) + suffix for moment, suffix, spec in moments]

    assert times.parse_column(texts) == [times.parse(text) for text in texts]


def test_a_time_beyond_the_calendar_is_still_written() -> None:
    assert times.written(NOON) == "2026-11-20T12:00:00+00:00"
    assert times.written(10**18) == str(10**18)

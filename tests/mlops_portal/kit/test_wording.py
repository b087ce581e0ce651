"""Golden words: what a person reads for a number, a time, an id."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from mlops_portal.kit import wording

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def spaced(text: str) -> str:
    """The text with its thin spaces made visible as ordinary ones."""
    return text.replace(wording.THIN, " ")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.71, "71 %"),
        (0.712, "71 %"),
        (0.0234, "2.3 %"),
        (0.04, "4 %"),
        (0.0002, "0.02 %"),
        (0.00000001, "< 0.001 %"),
        (0.9951, "99.5 %"),
        (0.9996, "99.96 %"),
        (0.9999999, "> 99.999 %"),
        (1.04, "104 %"),
        (-0.02, "−2 %"),
        (Decimal("0.5"), "50 %"),
        (None, "no value"),
        (float("nan"), "no value"),
        (float("inf"), "no value"),
    ],
)
def test_a_share_is_written_in_per_cent_and_never_rounded_to_none_or_all(share, words):
    assert spaced(wording.percent(share)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.0, "0"),
        (412, "412"),
        (3412908, "3,412,908"),
        (412.6, "413"),
        (6.83, "6.8"),
        (9.96, "10"),
        (0.408, "0.41"),
        (0.0123, "0.012"),
        (-0.5, "−0.50"),
        (-0.0, "0"),
        (1e-9, "1.0e−9"),
        (1e12, "1,000,000,000,000"),
        (None, "no value"),
    ],
)
def test_a_number_keeps_two_significant_digits_and_all_whole_ones(value, words):
    assert wording.number(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(9_999, "9,999"), (10_000, "10 k"), (41_207, "41 k"), (999_700, "1.0 M"), (3_412_908, "3.4 M"), (2.5e9, "2.5 bn")],
)
def test_prose_shortens_counts_from_ten_thousand_on(value, words):
    assert spaced(wording.about(value)) == words


def test_a_negative_count_has_a_true_minus():
    assert wording.count(-1200) == "−1,200"
    assert spaced(wording.about(-41_207)) == "−41 k"


@pytest.mark.parametrize(
    ("delta", "words"), [(-0.15, "−15 pp"), (0.02, "+2 pp"), (0.003, "+0.3 pp"), (0, "0 pp"), (None, "no value")]
)
def test_the_change_of_a_share_is_in_percentage_points_with_its_sign(delta, words):
    assert spaced(wording.points(delta)) == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (Decimal("1940.40"), "EUR", "1,940 €"),
        (0.49, "EUR", "0.49 €"),
        (0.49, "USD", "$0.49"),
        (-12, "USD", "−$12.00"),
        (12, "CHF", "12.00 CHF"),
        (0.0004, "USD", "$0.00040"),
        (0, "EUR", "0.00 €"),
        (None, "EUR", "no value"),
    ],
)
def test_money_always_names_its_currency(amount, currency, words):
    assert spaced(wording.money(amount, currency)) == words


@pytest.mark.parametrize(
    ("bounds", "unit", "like", "words"),
    [
        ((0.663, 0.758), "%", 0.712, "66–76 %"),
        ((0.0121, 0.0341), "%", 0.0234, "1.2–3.4 %"),
        ((0.75, 0.824), "", 0.79, "0.75–0.82"),
        ((-90, 210), "EUR", None, "−90 to 210 €"),
        ((1310, 2560), "USD", 1940, "$1,310–2,560"),
        ((6.5, 7.1), "min", 6.8, "6.5–7.1 min"),
        ((None, 7.1), "min", 6.8, "no value"),
    ],
)
def test_an_interval_has_the_places_of_its_value_and_the_unit_once(bounds, unit, like, words):
    assert spaced(wording.interval(*bounds, unit, like=like)) == words


def test_an_estimate_is_a_sentence_part_of_what_is_known():
    assert spaced(wording.estimate(0.712, 0.663, 0.758, 412, "%")) == "71 % (66–76 %, n = 412)"
    assert spaced(wording.estimate(0.712, n=412, unit="%")) == "71 % (n = 412)"
    assert spaced(wording.estimate(84.2, unit="ms")) == "84 ms"
    assert wording.estimate(None, n=3) == "no value (n = 3)"


def test_a_quantity_takes_any_unit():
    assert spaced(wording.quantity(-0.15, "pp")) == "−15 pp"
    assert spaced(wording.quantity(0.49, "EUR")) == "0.49 €"
    assert spaced(wording.quantity(38_410.2, "rows")) == "38,410 rows"
    assert wording.quantity(0.412) == "0.41"
    assert wording.quantity(None, "ms") == "no value"


@pytest.mark.parametrize(
    ("p", "words"), [(0.5, "p = 0.50"), (0.0042, "p = 0.004"), (1e-300, "p < 0.001"), (None, "no value")]
)
def test_a_small_p_value_is_only_bounded(p, words):
    assert wording.p_value(p) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.04, "40 ms"),
        (0.4, "0.4 s"),
        (3.84, "3.8 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (190, "3 min 10 s"),
        (27_000, "7 h 30 min"),
        (187_200, "2 d 4 h"),
        (-5, "0 ms"),
        (timedelta(minutes=41), "41 min"),
        (None, "no value"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, words):
    assert spaced(wording.duration(seconds)) == words


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=41), "41 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(hours=24), "19 Nov, 12:00"),
        (timedelta(hours=-1), "20 Nov, 13:00"),
        (timedelta(days=5200), "25 Aug 2012, 12:00"),
    ],
)
def test_the_past_is_relative_for_a_day_only(age, words):
    assert spaced(wording.since(NOON - age, NOON)) == words


def test_what_never_happened_is_said():
    assert wording.since(None, NOON) == "never"
    assert wording.moment(None) == "never"


def test_a_time_is_written_in_utc():
    tokyo = datetime.fromisoformat("2026-11-20T05:00:00+09:00")

    assert wording.moment(tokyo, NOON) == "19 Nov, 20:00"


def test_days_name_month_and_year_once_where_they_agree():
    assert wording.days(date(2026, 11, 13), date(2026, 11, 19)) == "13–19 Nov"
    assert wording.days(date(2026, 10, 30), date(2026, 11, 5)) == "30 Oct–5 Nov"
    assert wording.days(date(2026, 11, 13), date(2026, 11, 13)) == "13 Nov"
    assert wording.days(date(2011, 12, 30), date(2012, 1, 5)) == "30 Dec 2011–5 Jan 2012"
    assert wording.days(date(2011, 7, 1), date(2011, 7, 7), NOON.date()) == "1–7 Jul 2011"


def test_short_ids_are_the_first_eight_hex_digits():
    assert wording.short_id(UUID("4f7c19a2-1234-4000-8000-000000000000")) == "4f7c19a2"
    assert wording.short_id("7f3a9c0e" + "0" * 56) == "7f3a9c0e"


def test_lists_and_plurals_read_as_sentences():
    assert wording.plural(1, "model") == "1 model"
    assert wording.plural(0, "model") == "0 models"
    assert wording.plural(12_000, "query", "queries") == "12,000 queries"
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.listed(list("abcde")) == "a, b, c and 2 more"

"""What of an error may be stored."""

import pytest

from mlops_portal.jobs import scrub


def caught(make) -> BaseException:
    try:
        make()
    except Exception as error:
        return error
    raise AssertionError("it was meant to fail")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("could not convert string to float: 'alice@example.org'", "could not convert string to float: '…'"),
        ("no user alice@example.org here", "no user … here"),
        ("card 4111111111111111 refused", "card … refused"),
        ("connect postgres://root:secret@db:5432/portal", "connect postgres://…@db:5432/portal"),
        ("duplicate key\nDETAIL:  Key (email)=(a@b.org) exists.", "duplicate key"),
        ("chunk of day 12 is damaged", "chunk of day 12 is damaged"),
        ("", ""),
    ],
)
def test_what_may_be_data_is_removed_from_messages(said, kept):
    assert scrub.message(said) == kept


def test_a_traceback_says_where_and_keeps_the_cause():
    def fail() -> None:
        try:
            int("41k")
        except ValueError as error:
            raise RuntimeError("row 7 of 'secret.csv'") from error

    text = scrub.describe(caught(fail))

    assert text.index("ValueError") < text.index("RuntimeError")
    assert 'int("41k")' in text  # a source line
    assert "secret" not in text.rpartition("RuntimeError")[2]
    assert "tests/mlops_portal/jobs/test_scrub.py" in text
    assert 'File "tests/' in text


def test_a_suppressed_context_is_left_out():
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            raise RuntimeError("outer") from None

    assert "KeyError:" not in scrub.describe(caught(fail))


def test_a_long_text_keeps_its_end_within_four_kilobytes():
    text = scrub.tail("x" * 9000 + "é end")

    assert len(text.encode()) <= 4096
    assert text.endswith("é end")


def test_a_cut_in_the_middle_of_a_character_leaves_valid_text():
    assert scrub.tail("é" * 5000).strip("é") == ""


def test_characters_that_no_database_stores_are_replaced():
    text = scrub.tail("a\x00b\ud800c")

    assert "\x00" not in text
    text.encode("utf-8")


def test_exceptions_that_refer_to_each_other_end():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first

    assert scrub.describe(first).count("ValueError") == 2

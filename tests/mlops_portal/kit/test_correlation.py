"""What is written on behalf of a request names it."""

import json
import logging
from threading import Thread

import pytest

from mlops_portal.kit import correlation
from mlops_portal.kit.logs import JsonLines


def line(**extra: str) -> dict[str, str]:
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO"} | extra)
    return json.loads(JsonLines().format(record))


def test_outside_of_requests_there_is_no_id():
    assert correlation.request_id() == ""
    assert "request_id" not in line()


def test_a_log_line_names_the_request():
    with correlation.answering("r-12345678"):
        assert line()["request_id"] == "r-12345678"


def test_what_the_line_says_itself_wins():
    with correlation.answering("r-12345678"):
        assert line(request_id="other")["request_id"] == "other"


def test_another_thread_answers_another_request():
    seen = []
    with correlation.answering("r-12345678"):
        thread = Thread(target=lambda: seen.append(correlation.request_id()))
        thread.start()
        thread.join()

    assert seen == [""]


def test_an_error_ends_it_too():
    with pytest.raises(ZeroDivisionError), correlation.answering("r-12345678"):
        raise ZeroDivisionError

    assert correlation.request_id() == ""

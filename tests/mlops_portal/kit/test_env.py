from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mlops_portal.kit.env import Reader


@pytest.fixture(autouse=True)
def _no_portal_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORTAL_MODE", "PORTAL_DATA_DIR", "PORTAL_FAULTS", "PORTAL_WORKERS", "PORTAL_CURRENCY"):
        monkeypatch.delenv(name, raising=False)


def test_every_problem_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "green")
    monkeypatch.setenv("COUNT", "many")
    monkeypatch.setenv("SWITCH", "maybe")
    env = Reader()
    env.text("MISSING_NAME")
    env.text("COLOUR", choices=("red", "blue"))
    env.number("COUNT", 3, low=1, high=9)
    env.flag("SWITCH")
    env.database("DB_OF_TEST", "mysql://u@h/d")

    with pytest.raises(ImproperlyConfigured) as raised:
        env.finish()

    text = str(raised.value)
    for part in (
        "MISSING_NAME is missing",
        "COLOUR='green' is not one of blue, red",
        "COUNT='many' is not a whole number from 1 to 9",
        "SWITCH='maybe' is neither true nor false",
        "DB_OF_TEST names django.db.backends.mysql",
    ):
        assert part in text


def test_an_unknown_portal_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_CURENCY", "EUR")
    env = Reader()
    env.text("PORTAL_CURRENCY", "USD")

    with pytest.raises(ImproperlyConfigured, match="PORTAL_CURENCY is not a setting"):
        env.finish()


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    monkeypatch.setenv("TOKEN_OF_TEST_FILE", str(secret))
    env = Reader()

    assert env.text("TOKEN_OF_TEST") == "from the file"
    env.finish()


def test_a_secret_file_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST_FILE", str(tmp_path / "nothing"))
    env = Reader()
    env.text("TOKEN_OF_TEST")

    with pytest.raises(ImproperlyConfigured, match=r"TOKEN_OF_TEST_FILE=.*cannot be read"):
        env.finish()


def test_lists_numbers_and_flags_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS_OF_TEST", "a.example, b.example,")
    monkeypatch.setenv("HOPS_OF_TEST", "2")
    monkeypatch.setenv("FLAG_OF_TEST", "Yes")
    env = Reader()

    assert env.names("HOSTS_OF_TEST") == ["a.example", "b.example"]
    assert env.number("HOPS_OF_TEST", 0, low=0, high=8) == 2
    assert env.flag("FLAG_OF_TEST") is True
    assert env.database("DB_OF_TEST", "sqlite:////tmp/x.sqlite3")["ENGINE"].endswith("sqlite3")
    assert env.email("MAIL_OF_TEST", "consolemail://")["EMAIL_BACKEND"].endswith("console.EmailBackend")
    env.finish()

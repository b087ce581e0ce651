import pytest

from mlops_portal.kit import wiring


@pytest.fixture(autouse=True)
def _fresh():
    for cached in (wiring.functions, wiring.table, wiring.named):
        cached.cache_clear()
    yield
    for cached in (wiring.functions, wiring.table, wiring.named):
        cached.cache_clear()


def test_functions_come_in_the_order_of_the_list(settings) -> None:
    settings.SWEEPS = ["math.sqrt", "math.floor"]

    assert [f.__name__ for f in wiring.functions("SWEEPS")] == ["sqrt", "floor"]


def test_a_path_that_leads_nowhere_is_an_import_error(settings) -> None:
    settings.SWEEPS = ["math.nothing"]

    with pytest.raises(ImportError):
        wiring.functions("SWEEPS")


def test_two_tables_may_not_hold_the_same_kind(settings, monkeypatch) -> None:
    monkeypatch.setattr("math.JOBS", {"a.b": print}, raising=False)
    monkeypatch.setattr("cmath.JOBS", {"a.b": print}, raising=False)
    settings.JOB_TABLES = ["math.JOBS", "cmath.JOBS"]

    with pytest.raises(ValueError, match=r"a\.b stands in two tables"):
        wiring.table("JOB_TABLES")


def test_a_mapping_resolves_by_name(settings) -> None:
    settings.OUTBOX_TRANSPORTS = {"root": "math.sqrt"}

    assert wiring.named("OUTBOX_TRANSPORTS")["root"](9) == 3

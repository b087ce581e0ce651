"""The figures of /metrics that are more than a count."""

from datetime import timedelta

import pytest

from mlops_portal import figures
from monitoring.models import Monitor, RejectCount, Run
from tests.monitoring.measured import at, make_monitor, make_run, make_waiting

NOON = at("2026-11-20T12:00")
DAYS = [f"2026-11-{day:02}" for day in range(10, 15)]


def lines() -> list[str]:
    return figures.generate(NOON).decode().splitlines()


def planned(*, since: str, until: str, cadence: str = Monitor.Cadence.DAY) -> Monitor:
    monitor = make_monitor(cadence=cadence)
    monitor.planned_from, monitor.planned_until = at(since), at(until)
    monitor.save()
    return monitor


@pytest.mark.django_db
def test_a_planned_window_without_a_run_is_missed():
    monitor = planned(since="2026-11-10", until="2026-11-15")
    for day in DAYS:
        make_run(monitor, end=day)
    assert figures.windows_missed() == 0

    Run.objects.filter(window_end=at("2026-11-12")).delete()
    assert figures.windows_missed() == 1


@pytest.mark.django_db
def test_windows_of_several_monitors_are_counted_apart():
    complete = planned(since="2026-11-10", until="2026-11-15")
    for day in [*DAYS, "2026-11-15"]:  # one more than the marks promise
        make_run(complete, end=day)
    planned(since="2026-11-10", until="2026-11-12")

    assert figures.windows_missed() == 2


@pytest.mark.django_db
def test_a_run_of_a_gap_covers_every_window_in_it():
    monitor = planned(since="2026-11-10", until="2026-11-15")
    make_run(monitor, end="2026-11-10")
    make_run(monitor, end="2026-11-13", state=Run.State.NO_DATA, hours=168 + 48)
    make_run(monitor, end="2026-11-14")

    assert figures.windows_missed() == 0


@pytest.mark.django_db
def test_an_older_revision_is_no_second_window():
    monitor = planned(since="2026-11-10", until="2026-11-12")
    make_run(monitor, end="2026-11-10", is_latest=False, revision=1, state=Run.State.SUPERSEDED)
    make_run(monitor, end="2026-11-10", revision=2)

    assert figures.windows_missed() == 1


@pytest.mark.django_db
def test_a_paused_monitor_misses_nothing():
    monitor = planned(since="2026-11-10", until="2026-11-12")
    Monitor.objects.filter(pk=monitor.pk).update(state=Monitor.State.PAUSED)

    assert figures.windows_missed() == 0


@pytest.mark.django_db
def test_the_age_of_the_inbox_is_that_of_its_oldest_row():
    model = make_monitor().model
    make_waiting(model, received="2026-11-20T11:58")
    make_waiting(model, received="2026-11-20T11:59")

    assert "portal_inbox_oldest_seconds 120.0" in lines()
    assert 'portal_items_total{code="",result="accepted"} 2.0' in lines()


@pytest.mark.django_db
def test_rejects_are_told_by_their_code_and_the_names_of_codes_are_escaped():
    model = make_monitor().model
    for code, n in (("wrong_type", 3), ('odd"\n\\code', 1)):
        for hour in range(2):
            RejectCount.objects.create(
                model=model, version_label="1", hour=NOON - timedelta(hours=hour), code=code, n=n
            )

    said = lines()

    assert 'portal_items_total{code="wrong_type",result="rejected"} 6.0' in said
    assert 'portal_items_total{code="odd\\"\\n\\\\code",result="rejected"} 2.0' in said


@pytest.mark.django_db
def test_the_number_of_codes_is_capped(monkeypatch):
    monkeypatch.setattr(figures, "MOST_CODES", 2)
    model = make_monitor().model
    for n, code in enumerate(("rare", "some", "most"), start=1):
        RejectCount.objects.create(model=model, version_label="1", hour=NOON, code=code, n=n)

    rejected = [line for line in lines() if 'result="rejected"' in line]

    assert len(rejected) == 2
    assert not any("rare" in line for line in rejected)

"""The frame around every page: where one is, who one is, whether work is done, and at what price."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import ResolverMatch, resolve, reverse

from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import clock
from mlops_portal.shell import SECTIONS, Section, Shell, shell


def page(user: object = None, *, view_name: str = "", **cookies: str) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    request.COOKIES.update(cookies)
    request.resolver_match = ResolverMatch(len, (), {}, url_name=view_name)
    return request


@pytest.mark.parametrize(
    ("view_name", "label"),
    [
        ("home", "Fleet"),
        ("monitoring:alert-detail", "Alerts"),
        ("registry:model-detail", "Models"),
        ("monitoring:model-inputs", "Models"),
        ("monitoring:run-detail", "Monitor runs"),
        ("job-detail", "Jobs"),
        ("registry:team-list", "Teams"),
    ],
)
def test_a_page_belongs_to_one_section(view_name, label):
    here = Shell(page(view_name=view_name)).here

    assert here is not None
    assert here.label == label


def test_a_page_outside_the_sections_marks_none():
    assert Shell(page(view_name="me")).here is None


def test_keys_to_places_are_unique():
    keys = [section.go for section in SECTIONS if section.go]

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.label)
def test_every_section_has_a_page_that_belongs_to_it(section):
    match = resolve(reverse(section.url_name))

    assert match.view_name.startswith(section.pages)


def test_a_section_needs_a_drawn_icon():
    with pytest.raises(ValueError, match="no navigation icon"):
        Section("rocket", "Launch", "home", ("home",))


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("", ""), ('"><script>', "")])
def test_only_known_themes_are_taken_from_the_cookie(cookie, theme):
    assert Shell(page(theme=cookie)).theme == theme


def test_single_keys_can_be_turned_off():
    assert Shell(page(keys="off")).keys_off
    assert not Shell(page()).keys_off


def test_the_layout_of_a_message_follows_who_asks(alice):
    asked_by_htmx = page(alice)
    asked_by_htmx.htmx = True  # type: ignore[attr-defined]

    assert Shell(page()).layout == "signed_out.html"
    assert Shell(page(alice)).layout == "base.html"
    assert Shell(asked_by_htmx).layout == "components/_fragment.html"


def test_a_stranger_costs_no_query(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        frame = shell(page())["shell"]
        assert (frame.open_alert_count, frame.who, frame.theme) == (0, "", "")


def test_the_frame_costs_three_queries_however_often_it_is_read(django_assert_num_queries, alice):
    frame = shell(page(alice))["shell"]

    with django_assert_num_queries(3):
        for _ in range(2):
            assert (frame.open_alert_count, frame.work.tone) == (0, "silent")
            assert frame.who


def beat(age: timedelta, worker: str = "w1") -> None:
    WorkerBeat.objects.create(worker=worker, loop_at=clock.now() - age)


def test_a_fresh_beat_says_that_work_is_done(db):
    beat(timedelta(seconds=3))
    beat(timedelta(days=3), "old")

    assert Shell(page()).work.sentence == "Worker ok"


def test_a_late_beat_is_told(db):
    beat(timedelta(seconds=121))

    work = Shell(page()).work

    assert (work.tone, work.sentence) == ("warn", "Worker silent since")
    assert work.seen_at is not None


def test_a_long_job_is_not_silence(db):
    beat(timedelta(seconds=121))
    now = clock.now()
    Job.objects.create(
        kind="monitoring.compact", key="m", queue="ingest", state=Job.State.RUNNING, attempts=1, fence=1, worker="w1",
        created_at=now, not_before=now, started_at=now, lease_until=now + timedelta(seconds=60),
    )  # fmt: skip

    assert Shell(page()).work.sentence == "Worker busy"


def test_the_row_of_the_sweep_is_no_worker(db):
    beat(timedelta(seconds=1), WorkerBeat.SWEEP)

    assert Shell(page()).work.sentence == "No worker has run yet"

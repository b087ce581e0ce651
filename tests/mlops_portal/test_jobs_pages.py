"""Pages of jobs: who sees what, filters, progress, and the two buttons."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock
from registry.models import AuditEntry, Role
from tests.factories import make_user

LIST = "/jobs/"


def make_job(team, key: str = "k", *, kind: str = "monitoring.compact", state: str = "queued") -> Job:
    queue.enqueue(kind, key, team=team.pk if team else None, max_attempts=1)
    if state != "queued":
        lease = queue.claim("compute")
        assert lease is not None
        if state == "quarantined":
            queue.quarantine(lease, "ValueError", "Traceback: <script>alert(1)</script>")
        if state == "done":
            queue.finish(lease)
    return Job.objects.get(kind=kind, key=key)


def page(client, path: str, **query) -> str:
    response = client.get(path, query)
    assert response.status_code == 200
    return response.content.decode()


def hx(target: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target}


# --- who sees what ---


@pytest.mark.django_db
def test_strangers_are_sent_to_sign_in(client, team):
    job = make_job(team)

    for path in (LIST, reverse("job-detail", args=[job.pk])):
        response = client.get(path)
        assert (response.status_code, response.url.partition("?")[0]) == (302, reverse("sign-in"))


@pytest.mark.django_db
def test_a_member_sees_the_jobs_of_the_team_and_no_others(client, alice, team, other_team):
    make_job(team, "ours")
    make_job(other_team, "theirs")
    make_job(None, "nobodys")
    client.force_login(alice)

    html = page(client, LIST)

    assert "ours" in html
    assert "theirs" not in html
    assert "nobodys" not in html


@pytest.mark.django_db
def test_a_job_of_another_team_is_not_there(client, charlie, team):
    job = make_job(team, state="quarantined")
    client.force_login(charlie)

    assert client.get(reverse("job-detail", args=[job.pk])).status_code == 404
    for name in ("job-retry", "job-cancel"):
        assert client.post(reverse(name, args=[job.pk])).status_code == 404
    assert client.get(reverse("job-detail", args=[uuid4()])).status_code == 404
    job.refresh_from_db()
    assert job.state == "quarantined"


@pytest.mark.django_db
def test_an_administrator_sees_all(client, team, other_team):
    for key, owner in (("ours", team), ("theirs", other_team), ("nobodys", None)):
        make_job(owner, key)
    client.force_login(make_user("root", is_admin=True))

    html = page(client, LIST)

    assert all(key in html for key in ("ours", "theirs", "nobodys"))


# --- the list ---


@pytest.mark.django_db
def test_the_empty_list_says_what_will_be_here(client, alice):
    client.force_login(alice)

    assert "No work yet" in page(client, LIST)
    assert "No job fits these filters" in page(client, LIST, state="done")


@pytest.mark.django_db
def test_filters_stand_in_the_address(client, alice, team):
    make_job(team, "broken", state="quarantined")
    make_job(team, "fresh", kind="monitoring.execute_run")
    client.force_login(alice)

    assert "fresh" not in page(client, LIST, state="quarantined")
    assert "broken" not in page(client, LIST, kind="monitoring.execute_run")
    assert "broken" in page(client, LIST, queue="compute", state="quarantined")
    assert "No job fits" in page(client, LIST, queue="ingest")


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["nonsense", "a\x00b", "x" * 5000, "' OR 1=1 --"])
@pytest.mark.parametrize("name", ["state", "queue", "kind", "cursor"])
def test_nonsense_in_the_address_breaks_nothing(client, alice, team, name, value):
    make_job(team)
    client.force_login(alice)

    page(client, LIST, **{name: value})


@pytest.mark.django_db
def test_older_jobs_are_on_the_next_page(client, alice, team):
    for number in range(53):
        make_job(team, f"job-{number:02}")
        Job.objects.filter(key=f"job-{number:02}").update(created_at=clock.now() - timedelta(minutes=number))
    client.force_login(alice)

    first = page(client, LIST)
    assert "job-49" in first
    assert "job-50" not in first
    cursor = first.partition('rel="next" href="?cursor=')[2].partition('"')[0]
    second = client.get(f"{LIST}?cursor={cursor}").content.decode()
    assert "job-49" not in second
    assert all(f"job-{number}" in second for number in (50, 51, 52))
    assert 'rel="prev"' in second


@pytest.mark.django_db
def test_the_list_costs_as_many_queries_whatever_it_shows(client, alice, team, django_assert_max_num_queries):
    for number in range(20):
        make_job(team, str(number))
    client.force_login(alice)

    with django_assert_max_num_queries(11):
        page(client, LIST)


@pytest.mark.django_db
def test_the_rows_alone_are_what_a_poll_gets(client, alice, team):
    make_job(team)
    client.force_login(alice)

    html = client.get(LIST, headers=hx("job-rows")).content.decode()

    assert html.lstrip().startswith('<div id="job-rows"')
    assert "<html" not in html


# --- one job ---


@pytest.mark.django_db
def test_a_running_job_shows_its_progress_and_asks_to_be_asked_again(client, alice, team):
    queue.enqueue("monitoring.load_reference", "k", team=team.pk)
    lease = queue.claim("compute", worker="host:1:2")
    queue.progress(lease, 3, 12, "row groups")
    client.force_login(alice)
    path = reverse("job-detail", args=[lease.job_id])

    html = page(client, path)
    fragment = client.get(path, headers=hx(f"job-{lease.job_id}"))

    assert "Load reference data" in html
    assert "3 of 12 row groups" in html
    assert "host:1:2" in html
    assert fragment.status_code == 200
    assert f'hx-get="{path}"' in fragment.content.decode()
    assert "<html" not in fragment.content.decode()


@pytest.mark.django_db
def test_polling_stops_with_286_when_the_job_is_over(client, alice, team):
    job = make_job(team, state="done")
    client.force_login(alice)

    response = client.get(reverse("job-detail", args=[job.pk]), headers=hx(f"job-{job.pk}"))

    assert response.status_code == 286
    assert "hx-get" not in response.content.decode()


@pytest.mark.django_db
def test_a_traceback_is_text(client, alice, team):
    job = make_job(team, state="quarantined")
    client.force_login(alice)

    html = page(client, reverse("job-detail", args=[job.pk]))

    assert "Why it was set aside" in html
    assert "&lt;script&gt;" in html
    assert "<script>alert" not in html


@pytest.mark.django_db
def test_a_quarantined_job_can_be_run_again(client, alice, team):
    job = make_job(team, state="quarantined")
    client.force_login(alice)

    response = client.post(reverse("job-retry", args=[job.pk]))

    assert (response.status_code, response.url) == (302, reverse("job-detail", args=[job.pk]))
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("queued", 0)
    entry = AuditEntry.objects.get(verb="job.run_again")
    assert (entry.actor, entry.object_id, entry.team_id) == ("alice", str(job.pk), team.pk)


@pytest.mark.django_db
def test_a_waiting_job_can_be_cancelled(client, alice, team):
    job = make_job(team)
    client.force_login(alice)

    client.post(reverse("job-cancel", args=[job.pk]))

    job.refresh_from_db()
    assert job.state == "cancelled"
    assert AuditEntry.objects.filter(verb="job.cancelled").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "state"), [("job-retry", "queued"), ("job-cancel", "running"), ("job-cancel", "done")]
)
def test_a_step_the_state_does_not_allow_is_a_conflict_with_its_reason(client, alice, team, name, state):
    job = make_job(team, state=state)
    client.force_login(alice)

    response = client.post(reverse(name, args=[job.pk]))

    assert response.status_code == 409
    assert "Only a " in response.content.decode()
    assert not AuditEntry.objects.filter(verb__startswith="job.").exists()


@pytest.mark.django_db
def test_a_viewer_reads_why_the_buttons_do_not_work_and_is_refused(client, team):
    job = make_job(team, state="quarantined")
    client.force_login(make_user("vera", team=team, role=Role.VIEWER))

    html = page(client, reverse("job-detail", args=[job.pk]))

    assert 'aria-disabled="true"' in html
    for name in ("job-retry", "job-cancel"):
        assert client.post(reverse(name, args=[job.pk])).status_code == 403
    job.refresh_from_db()
    assert job.state == "quarantined"


@pytest.mark.django_db
def test_reading_changes_nothing(client, alice, team):
    job = make_job(team, state="quarantined")
    client.force_login(alice)

    for name in ("job-retry", "job-cancel"):
        assert client.get(reverse(name, args=[job.pk])).status_code == 405

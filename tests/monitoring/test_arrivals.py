"""Traffic that names unregistered or blocked versions opens an alert within seconds, and clears it when it stops."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mlops_portal.jobs.models import Job
from monitoring import arrivals
from monitoring.models import Alert, Chunk, Condition, RejectCount
from monitoring.tasks import JOBS
from registry import inventory
from registry.models import OutboxMessage, RegisteredModel, Scope, Team, User
from tests.builders import lease
from tests.factories import api, make_key, make_model, make_version
from tests.monitoring.sending import json_body, make_credit, post, prediction

pytestmark = pytest.mark.django_db

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def model(team: Team, alice: User) -> RegisteredModel:
    return make_model(team=team, slug="eta", owner=alice)


def refuse(model: RegisteredModel, label: str = "8", n: int = 412, *, hour: datetime = NINE, feature: str = "") -> None:
    """Count items that were refused in the hour because nobody has registered their version."""
    same = {"model": model, "version_label": label, "hour": hour, "feature": feature, "code": "unknown_version"}
    row, _ = RejectCount.objects.get_or_create(**same, defaults={"n": 0})
    RejectCount.objects.filter(pk=row.pk).update(n=row.n + n)


def store(model: RegisteredModel, version_number: int, n: int, *, at: datetime, **fields: object) -> Chunk:
    """A file of so many predictions of a version that was blocked when they came."""
    surprises = {"blocked_version": {"": n}} if n else {}
    return Chunk.objects.create(
        model=model,
        version=model.versions.get(number=version_number),
        day=at.date(),
        kind="prediction",
        path=f"{at:%H%M}",
        sha256=f"{at:%H%M}",
        size_bytes=1,
        rows=n or 5,
        first_at=at,
        last_at=at,
        surprises=surprises,
        created_at=at,
        **fields,
    )


def look(now: datetime) -> int:
    """One sweep, and the jobs it ordered; returns how many."""
    arrivals.sweep(now)
    ordered = list(Job.objects.filter(kind="monitoring.watch_arrivals", state="queued"))
    for job in ordered:
        held = lease(job.kind, job.key, **job.payload)
        arrivals.watch(UUID(held.payload["model"]), held, now)
    return len(ordered)


def look_until(end: datetime, *, start: datetime) -> None:
    now = start
    while now <= end:
        look(now)
        now += 10 * MINUTE


class TestUnknownVersions:
    def test_it_opens_at_once_and_says_what_to_do(self, model: RegisteredModel) -> None:
        refuse(model)

        look(NINE + 31 * MINUTE)

        alert = Alert.objects.get()
        assert alert.summary == (
            "Predictions of unregistered version 8: 412 refused within an hour; "
            "register what is missing, or correct the sender"
        )
        assert (alert.model, alert.family, alert.severity) == (model, "operations", "warning")
        assert alert.opened_at == alert.since_at == NINE + 31 * MINUTE
        assert list(OutboxMessage.objects.values_list("type", flat=True)) == ["alert.opened"]

    def test_several_versions_are_one_alert_that_names_the_most_frequent_first(self, model: RegisteredModel) -> None:
        for label, n in (("9", 5), ("8", 400), ("", 2), ("v-next", 60), ("10", 7)):
            refuse(model, label, n)
        refuse(model, "8", 1, feature="income")

        look(NINE + 31 * MINUTE)

        assert Condition.objects.count() == 1
        assert "unregistered versions 8, v-next, 10 and 2 more: 475 refused" in Alert.objects.get().summary

    def test_unprintable_labels_are_others(self, model: RegisteredModel) -> None:
        refuse(model, "", 3)

        look(NINE + 31 * MINUTE)

        assert "unregistered version others: 3 refused" in Alert.objects.get().summary

    def test_other_reasons_open_nothing(self, model: RegisteredModel) -> None:
        RejectCount.objects.create(model=model, version_label="1", hour=NINE, code="wrong_type", n=900)

        assert look(NINE + 31 * MINUTE) == 0
        assert not Condition.objects.exists()

    def test_a_second_look_changes_nothing(self, model: RegisteredModel) -> None:
        refuse(model)
        look(NINE + 31 * MINUTE)
        sequence = Alert.objects.get().sequence

        assert look(NINE + 32 * MINUTE) == 0
        assert Alert.objects.get().sequence == sequence

    def test_the_running_number_is_told_when_it_has_doubled_and_when_the_hour_is_over(
        self, model: RegisteredModel
    ) -> None:
        refuse(model, n=100)
        look(NINE + 5 * MINUTE)

        said = []
        for minute, more in ((20, 99), (25, 1), (40, 1), (63, 0)):
            refuse(model, n=more)
            look(NINE + minute * MINUTE)
            said.append(int(Condition.objects.get().value))

        assert said == [100, 200, 200, 201]
        assert len(Condition.objects.get().ring) == 1
        assert OutboxMessage.objects.count() == 1

    def test_it_clears_after_three_hours_without(self, model: RegisteredModel) -> None:
        refuse(model)

        look_until(NINE + 4 * HOUR, start=NINE + 31 * MINUTE)
        assert Alert.objects.get().closed_at is None
        look(NINE + 4 * HOUR + 2 * MINUTE)

        alert = Alert.objects.get()
        assert (alert.closed_at, alert.close_reason) == (NINE + 4 * HOUR, "cleared")
        assert look(NINE + 5 * HOUR + 2 * MINUTE) == 0

    def test_it_stays_open_while_they_come(self, model: RegisteredModel) -> None:
        for hour in range(6):
            refuse(model, hour=NINE + hour * HOUR)
            look_until(NINE + (hour + 1) * HOUR, start=NINE + hour * HOUR + 10 * MINUTE)

        assert Alert.objects.get().closed_at is None
        assert Condition.objects.get().state == "firing"

    def test_it_comes_back_as_the_same_episode_within_a_day(self, model: RegisteredModel) -> None:
        refuse(model)
        look_until(NINE + 5 * HOUR, start=NINE + 31 * MINUTE)
        refuse(model, hour=NINE + 7 * HOUR)

        look(NINE + 7 * HOUR + 10 * MINUTE)

        alert = Alert.objects.get()
        assert (alert.closed_at, alert.reopen_count) == (None, 1)

    def test_what_came_while_no_worker_ran_is_judged_later(self, model: RegisteredModel) -> None:
        refuse(model)
        refuse(model, hour=NINE + HOUR)

        look(NINE + 3 * HOUR + 10 * MINUTE)

        ring = Condition.objects.get().ring
        assert [entry["end"][11:16] for entry in ring] == ["10:00", "11:00", "12:00"]
        assert Alert.objects.get().opened_at == NINE + HOUR

    def test_the_first_second_of_an_hour_belongs_to_it(self, model: RegisteredModel) -> None:
        refuse(model)

        look(NINE)
        refuse(model, n=412)
        look(NINE + MINUTE)

        [entry] = Condition.objects.get().ring
        assert entry["n"] == 824

    def test_models_are_kept_apart(self, model: RegisteredModel, other_team: Team) -> None:
        other = make_model(team=other_team)
        refuse(model)
        refuse(other, "3")

        assert look(NINE + 31 * MINUTE) == 2
        assert sorted(Alert.objects.values_list("model__slug", flat=True)) == sorted([model.slug, other.slug])

    def test_a_deleted_model_is_left_alone(self, model: RegisteredModel) -> None:
        refuse(model)
        RegisteredModel.objects.update(deleted_at=NINE)

        assert look(NINE + 31 * MINUTE) == 0


class TestBlockedVersions:
    @pytest.fixture
    def blocked(self, model: RegisteredModel) -> RegisteredModel:
        for _ in range(2):
            version = make_version(model)
        inventory.block_version(version, reason="wrong data", by="setup", now=NINE)
        return model

    def test_it_opens_and_names_the_version(self, blocked: RegisteredModel) -> None:
        store(blocked, 2, 700, at=NINE + MINUTE)
        store(blocked, 2, 504, at=NINE + 2 * MINUTE)
        store(blocked, 1, 0, at=NINE + 3 * MINUTE)

        look(NINE + 31 * MINUTE)

        assert Alert.objects.get().summary == (
            "Predictions of blocked version 2: 1,204 within an hour; stop serving what is blocked, or unblock it"
        )

    def test_what_came_before_the_block_is_no_reason(self, blocked: RegisteredModel) -> None:
        store(blocked, 2, 0, at=NINE + MINUTE)

        assert look(NINE + 31 * MINUTE) == 0

    def test_files_that_were_joined_count_once(self, blocked: RegisteredModel) -> None:
        old = [store(blocked, 2, n, at=NINE + n * MINUTE, state="replaced") for n in (10, 20)]
        joined = store(blocked, 2, 30, at=NINE + 21 * MINUTE)
        Chunk.objects.filter(pk__in=[one.pk for one in old]).update(replaced_by=joined)

        look(NINE + 31 * MINUTE)

        assert Condition.objects.get().value == 30

    def test_both_kinds_share_one_alert(self, blocked: RegisteredModel) -> None:
        store(blocked, 2, 30, at=NINE)
        refuse(blocked)

        look(NINE + 31 * MINUTE)

        assert Alert.objects.get().summary.endswith("or correct the sender, with 1 more condition")

    def test_unblocked_it_clears(self, blocked: RegisteredModel) -> None:
        store(blocked, 2, 30, at=NINE)
        look(NINE + 31 * MINUTE)
        inventory.unblock_version(blocked.versions.get(number=2), by="setup", now=NINE)

        look_until(NINE + 5 * HOUR, start=NINE + 32 * MINUTE)

        assert Alert.objects.get().close_reason == "cleared"


class TestSurfaces:
    def test_from_the_sender_to_the_page(self, team: Team, alice: User) -> None:
        model = make_credit(team)
        sender = api(make_key(team=team, scopes=[Scope.INGEST]))
        post(sender, json_body(prediction("a", version="77"), prediction("b", version="1")))
        arrivals.sweep(datetime.now(UTC))
        JOBS["monitoring.watch_arrivals"](lease("monitoring.watch_arrivals", str(model.pk), model=str(model.pk)))
        client = Client()
        client.force_login(alice)

        page = client.get(f"/alerts/{Alert.objects.get().pk}/").content.decode()

        assert "unregistered version 77: 1 refused" in page
        assert "1 of the last 1 hourly windows" in page
        assert f'href="/models/{model.slug}/versions/new/"' in page

    def test_a_blocked_version_leads_to_the_versions(self, model: RegisteredModel, alice: User) -> None:
        inventory.block_version(make_version(model), reason="wrong data", by="setup", now=NINE)
        store(model, 1, 30, at=NINE)
        look(NINE + 31 * MINUTE)
        client = Client()
        client.force_login(alice)

        page = client.get(f"/alerts/{Alert.objects.get().pk}/").content.decode()

        assert "See why it is blocked" in page

    def test_sweeping_costs_the_same_however_much_was_refused(
        self, model: RegisteredModel, django_assert_max_num_queries: CaptureQueriesContext
    ) -> None:
        for hour in range(5):
            for label in range(20):
                refuse(model, str(label), hour=NINE + hour * HOUR)
        look(NINE + 5 * HOUR)

        with django_assert_max_num_queries(5):
            arrivals.sweep(NINE + 5 * HOUR)

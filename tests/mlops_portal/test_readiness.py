"""Week-three readiness: each item by what makes it hold, the share, and when it is measured anew."""

from datetime import timedelta

import pytest
from django.urls import reverse

from mlops_portal import readiness
from monitoring.models import Reference
from registry import inventory
from registry.deployments import Plan
from registry.models import (
    AuditEntry,
    Consumer,
    Endpoint,
    Feature,
    ModelVersion,
    RegisteredModel,
    ServingPointer,
    Source,
    User,
)
from registry.readiness import due
from tests.factories import (
    MIDNIGHT,
    NOON,
    api,
    make_deployment,
    make_endpoint,
    make_key,
    make_measurement,
    make_model,
    make_monitor,
    make_run,
    make_version,
)

LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def model(team, alice, bob):
    """A model of which the inventory knows everything."""
    model = make_model(team=team, slug="credit", name="Credit", owner=alice, features=[("income", "number")])
    RegisteredModel.objects.filter(pk=model.pk).update(
        deputy=bob, purpose="x", limitations="x", risk="high", risk_reason="x"
    )
    source = Source.objects.create(
        slug="ledger", team=team, name="Ledger", kind="table", latency="batch", stability="stable", volatility="low",
        created_at=NOON, created_by="setup", updated_at=NOON,
    )  # fmt: skip
    model.features.update(source=source)
    endpoint = make_endpoint(model, slug="live", slo_p95_ms=100)
    Endpoint.objects.filter(pk=endpoint.pk).update(location="https://x.example")
    Consumer.objects.create(
        endpoint=endpoint, name="desk", kind="service", use="assisted", created_at=NOON, created_by="setup",
        updated_at=NOON,
    )  # fmt: skip
    serve(endpoint, make_version(model))
    serve(endpoint, make_version(model))
    return model


def serve(endpoint, version, *, fallback="action"):
    told = {"kind": "action", "action": "review"} if fallback == "action" else {"kind": fallback}
    make_deployment(endpoint, Plan.single(version.number, fallback=told))


def measured(model, *, now=LATER):
    readiness.measure([RegisteredModel.objects.select_related("owner", "deputy").get(pk=model.pk)], now=now)
    model.refresh_from_db()
    return {item["key"]: item for item in model.readiness}


def test_twelve_items_and_a_new_model_has_none_of_them(team):
    model = make_model(team=team)

    items = measured(model)

    assert len(items) == 12
    assert not any(item["holds"] for item in items.values())
    assert all(item["gap"] for item in items.values())
    assert model.readiness_share == 0


def test_the_inventory_answers_seven(model):
    items = measured(model)

    held = {key for key, item in items.items() if item["holds"]}
    assert held == {"people", "described", "endpoints", "sources", "consumers", "serving", "rollback"}
    assert model.readiness_share == pytest.approx(7 / 12)


@pytest.mark.parametrize(
    ("key", "spoil", "gap"),
    [
        ("people", lambda: User.objects.filter(username="bob").update(is_active=False), "deputy bob is disabled"),
        ("people", lambda: RegisteredModel.objects.update(owner=None), "no owner"),
        ("described", lambda: RegisteredModel.objects.update(risk_reason=""), "no reason for the risk"),
        ("described", lambda: RegisteredModel.objects.update(limitations=""), "no limitations"),
        ("endpoints", lambda: Endpoint.objects.update(slo_p95_ms=None), "live: location or latency limit is missing"),
        ("sources", lambda: Feature.objects.update(source=None), "1 input without a source: income"),
        ("sources", lambda: Source.objects.update(volatility=""), "ledger: latency, stability or volatility"),
        ("consumers", lambda: Consumer.objects.update(retired_at=NOON), "nobody is noted to use live"),
        ("serving", lambda: ServingPointer.objects.update(revision=0, deployment=None), "no endpoint serves"),
        ("rollback", lambda: ModelVersion.objects.filter(number=1).update(deleted_at=NOON), "no older revision"),
    ],
)
def test_what_is_missing_is_named_and_leads_to_its_form(model, key, spoil, gap):
    spoil()

    item = measured(model)[key]

    assert not item["holds"]
    assert gap in item["gap"]
    assert item["fix"]


def test_a_fallback_of_none_is_no_fallback(model):
    serve(Endpoint.objects.get(), ModelVersion.objects.get(number=2), fallback="none")

    assert measured(model)["serving"]["gap"] == "live: without a fallback"


def test_an_endpoint_that_is_off_serves_nothing(model):
    make_deployment(Endpoint.objects.get(), Plan())

    assert measured(model)["serving"]["gap"] == "no endpoint serves a revision"


class TestMeasured:
    def test_a_reference_of_the_served_version_counts_and_that_of_another_does_not(self, model):
        for number, primary in ((1, True), (2, False)):
            Reference.objects.create(
                version=ModelVersion.objects.get(number=number), name="training", source="upload", state="ready",
                is_primary=primary, file_format="csv", path="x", sha256="0" * 64, size_bytes=1, created_at=NOON,
                created_by="alice",
            )  # fmt: skip
        before = measured(model)["reference"]
        Reference.objects.filter(version__number=2).update(is_primary=True)

        assert before["gap"] == "version 2 has no training data to compare with"
        assert measured(model)["reference"]["holds"]

    def test_drift_of_the_last_two_windows_counts(self, model):
        monitor = make_monitor(model)
        days = [MIDNIGHT - timedelta(days=i) for i in range(3)]
        runs = [make_run(monitor, end=end) for end in days]
        for run in (runs[0], runs[2]):
            make_measurement(run, feature="income")
            make_measurement(run, check_key="output_drift", metric="psi.1", signal="score")
        gap = measured(model)["drift"]["gap"]
        make_measurement(runs[1], feature="income")
        make_measurement(runs[1], check_key="output_drift", metric="psi.1", signal="score")

        assert gap == "input drift and output drift not measured in both"
        assert measured(model)["drift"]["holds"]

    def test_a_missing_value_is_no_measurement(self, model):
        monitor = make_monitor(model)
        for i in range(2):
            make_measurement(make_run(monitor, end=MIDNIGHT - timedelta(days=i)), feature="income", value=None)

        assert not measured(model)["drift"]["holds"]

    def test_metrics_name_the_roles_that_are_missing(self, model):
        run = make_run(make_monitor(model))
        make_measurement(run, check_key="performance", metric="recall.1")
        make_measurement(run, check_key="latency", metric="p95.1")

        assert measured(model)["metrics"]["gap"] == "no business metric is measured"


def test_many_models_take_as_many_queries_as_one(team, model, django_assert_max_num_queries):
    models = [model, *(make_model(team=team, owner=model.owner) for _ in range(15))]
    for other in models[1:]:
        make_endpoint(other)
    with django_assert_max_num_queries(12):
        for part in readiness.PARTS:
            part(models, now=NOON)


def test_recording_moves_neither_lock_version_nor_trail(model):
    before = RegisteredModel.objects.get(pk=model.pk)
    entries = AuditEntry.objects.count()

    measured(model)

    assert (model.lock_version, model.updated_at) == (before.lock_version, before.updated_at)
    assert AuditEntry.objects.count() == entries


def test_an_older_answer_never_replaces_a_newer_one(model):
    measured(model)
    newest = model.readiness_at

    inventory.record_readiness(model, [], now=NOON)

    assert model.readiness_at == newest
    assert len(model.readiness) == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda at: RegisteredModel.objects.update(updated_at=at),
        lambda at: Endpoint.objects.update(updated_at=at),
        lambda at: Consumer.objects.update(updated_at=at),
        lambda at: Source.objects.update(updated_at=at),
        lambda at: ServingPointer.objects.update(moved_at=at),
    ],
    ids=["model", "endpoint", "consumer", "source", "revision"],
)
def test_a_change_makes_it_due_and_measuring_settles_that(model, change):
    measured(model, now=LATER)
    assert not due(LATER).exists()
    change(LATER + timedelta(minutes=1))
    now = LATER + timedelta(minutes=2)

    was_due = due(now).exists()
    measured(model, now=now)

    assert was_due
    assert not due(now).exists()


def test_a_day_later_it_is_due_again(model):
    measured(model)

    assert due(LATER + timedelta(hours=25)).exists()


def test_the_job_measures_what_is_due_until_nothing_is(model, team, monkeypatch):
    make_model(team=team)
    monkeypatch.setattr(readiness, "AT_ONCE", 1)
    monkeypatch.setattr("mlops_portal.jobs.queue.renew", lambda lease: True)

    readiness.measure_due(None)

    assert not RegisteredModel.objects.filter(readiness_share=None).exists()


def test_the_sweep_orders_the_job_only_if_something_is_due(model, monkeypatch):
    ordered = []
    monkeypatch.setattr("mlops_portal.jobs.queue.enqueue", lambda kind, key, **options: ordered.append(kind))
    readiness.sweep(LATER)
    measured(model)
    readiness.sweep(LATER)

    assert ordered == ["portal.measure_readiness"]


def test_the_page_and_the_api_show_the_gaps(client, alice, model, team):
    RegisteredModel.objects.filter(pk=model.pk).update(limitations="")
    measured(model)
    client.force_login(alice)

    page = client.get(reverse("registry:model-detail", args=["credit"])).content.decode()
    answer = api(make_key(team=team)).get("/api/v1/models/credit/readiness").json()

    assert "no limitations" in page
    assert f'href="{reverse("registry:model-edit", args=["credit"])}"' in page
    assert answer["share"] == pytest.approx(0.5)
    assert [item["key"] for item in answer["items"] if item["gap"] == "no limitations"] == ["described"]

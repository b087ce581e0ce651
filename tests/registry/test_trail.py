"""The audit trail as it is read: by which way things came in, who sees which entries, filters, and the daily anchor."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.urls import reverse

from mlops_portal.kit import correlation
from mlops_portal.middleware import RequestLog
from registry import anchors, audit, inventory, webhooks
from registry.models import AuditEntry, OutboxMessage, Role
from registry.tasks import JOBS
from tests.factories import NOON, api, make_endpoint, make_key, make_model, make_team, make_user, make_version

AUDIT = reverse("registry:audit-list")


@pytest.fixture
def model(team):
    return make_model(team=team, slug="credit", name="Credit")


@pytest.fixture
def seen(monkeypatch):
    """What the outbox was given."""
    told = []
    monkeypatch.setattr(
        "registry.outbox.publish", lambda type, subject, data, *, team, now: told.append((type, subject, data, team))
    )
    return told


def newest(verb):
    return AuditEntry.objects.filter(verb=verb).latest("seq")


class TestWays:
    def test_a_page_an_api_and_a_job_are_told_apart(self, client, alice, team, model):
        client.force_login(alice)
        client.post(reverse("registry:feature-list", args=["credit"]), {"lines": "income number"})
        by_page = newest("features.changed").via
        api(make_key(team=team, scopes=["registry"])).put(
            "/api/v1/models/credit/features", json.dumps({"features": []}), content_type="application/json"
        )

        assert by_page == "ui"
        assert newest("features.changed").via == "api"
        assert newest("model.registered").via == "job"
        assert audit.verify() is None

    def test_what_comes_by_a_manifest_says_so(self, team, alice):
        with correlation.by_way_of("manifest"):
            entry = audit.record("team.noted", team, by=alice, now=NOON)
            by_command = audit.record("team.noted", team, by="cli:root", now=NOON)

        assert (entry.via, by_command.via) == ("manifest", "manifest")
        assert audit.record("team.noted", team, by=alice, now=NOON).via == "job"

    @pytest.mark.parametrize(
        ("path", "way"),
        [("/api/2.0/mlflow/x", "mlflow"), ("/ajax-api/2.0/mlflow/x", "mlflow"), ("/api/v1/models", "api"), ("/", "ui")],
    )
    def test_the_address_says_which_way(self, path, way, rf):
        ways = []

        RequestLog(lambda request: ways.append(correlation.way()) or HttpResponse())(rf.get(path))

        assert ways == [way]
        assert correlation.way() == ""

    def test_rows_older_than_the_columns_still_verify(self, team):
        first = audit.record("team.noted", team, by="setup", now=NOON)
        row = {name: value for name, value in audit._row(first).items() if name not in audit.LATER}

        old_hash = audit._hash(first.seq, first.prev_hash, row)

        assert audit._hash(first.seq, first.prev_hash, row | {"via": "", "model_id": None}) == old_hash
        assert old_hash != first.hash

    def test_the_way_is_part_of_the_hash(self, team):
        entry = audit.record("team.noted", team, by="setup", now=NOON)
        entry.via = "ui"

        assert audit._hash(entry.seq, entry.prev_hash, audit._row(entry)) != entry.hash


class TestPages:
    def test_a_maintainer_reads_the_own_team_and_nothing_else(self, client, alice, model, other_team):
        make_model(team=other_team, slug="secret-one", name="Secret one")
        client.force_login(alice)

        page = client.get(AUDIT).content.decode()

        assert "model.registered" in page
        assert "Credit" in page
        assert "Secret one" not in page

    def test_a_viewer_is_told_who_may(self, client, victor, model):
        client.force_login(victor)

        assert client.get(AUDIT).status_code == 403
        assert client.get(reverse("registry:model-audit", args=["credit"])).status_code == 403

    def test_an_auditor_reads_everything_also_what_has_no_team(self, client, model):
        audit.record("user.noted", make_user("dora"), by="setup", now=NOON)
        client.force_login(make_user("nina", is_auditor=True))

        page = client.get(AUDIT).content.decode()

        assert "user.noted" in page
        assert "model.registered" in page

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("verb=model", 2),
            ("verb=model.registered", 1),
            ("verb=mod", 0),
            ("actor=alice", 1),
            ("object=credit", 4),
            ("object=endpoint", 1),
            ("model=credit", 5),
            ("via=ui", 0),
            ("from=2026-11-21", 1),
            ("until=2026-11-20", 5),
            ("until=2026-11-20T12:00:00Z", 0),
            ("team=risk&verb=version", 2),
        ],
    )
    def test_a_filter_finds_what_it_says(self, query, count, team, alice, model):
        version = make_version(model)
        make_endpoint(model, slug="live")
        inventory.edit_version(version, description="Better", by=alice, now=NOON + timedelta(days=1))
        inventory.edit_model(model, {"purpose": "x"}, base=model.lock_version, by="setup", now=NOON)
        reader = api(make_key(team=team, role=Role.MAINTAINER, scopes=["read"]))

        found = reader.get(f"/api/v1/audit?{query}").json()["items"]

        if query == "object=credit":
            count = sum("credit" in item["label"].lower() for item in found)
        assert len(found) == count

    @pytest.mark.parametrize(
        "query",
        [
            "via=post",
            "from=yesterday",
            "until=9999-12-31",
            "from=0001-01-01T00:00:00%2B14:00",
            "until=2026-13-01",
            "who=alice",
        ],
    )
    def test_what_cannot_be_asked_is_400(self, query, client, alice):
        client.force_login(alice)

        assert client.get(f"{AUDIT}?{query}").status_code == 400

    def test_the_file_can_be_checked_against_the_chain(self, client, alice, model):
        make_version(model)
        client.force_login(alice)

        lines = client.get(f"{reverse('registry:audit-export')}?verb=version").content.decode().splitlines()

        assert lines[0].endswith("prev_hash,hash")
        assert lines[1].endswith(newest("version.registered").hash)
        assert len(lines) == 2

    def test_a_models_tab_shows_its_versions_and_endpoints_too(self, client, alice, model):
        make_version(model)
        make_endpoint(model, slug="live")
        make_model(team=model.team, slug="other-one")
        client.force_login(alice)

        page = client.get(reverse("registry:model-audit", args=["credit"])).content.decode()

        assert page.count("<code>version.registered</code>") == 1
        assert page.count("<code>endpoint.created</code>") == 1
        assert page.count("<code>model.registered</code>") == 1

    def test_many_entries_take_pages_and_few_queries(self, client, alice, model, django_assert_max_num_queries):
        for _ in range(60):
            audit.record("model.noted", model, by="setup", now=NOON, team=model.team)
        client.force_login(alice)
        client.get(reverse("me"))

        with django_assert_max_num_queries(14):
            page = client.get(AUDIT).content.decode()

        assert "cursor=" in page


class TestApi:
    def test_a_key_reads_its_team_and_pages_do_not_overlap(self, team, model, other_team):
        make_model(team=other_team)
        for _ in range(4):
            make_version(model)
        reader = api(make_key(team=team, scopes=["read"]))

        first = reader.get("/api/v1/audit", {"limit": 3}).json()
        second = reader.get("/api/v1/audit", {"limit": 3, "cursor": first["next"]}).json()

        seqs = [item["seq"] for item in first["items"] + second["items"]]
        assert seqs == sorted(set(seqs), reverse=True)
        assert {item["team"] for item in first["items"]} == {"risk"}

    def test_a_key_bound_to_one_model_reads_that_models_entries(self, team, model):
        make_model(team=team, slug="other-one")

        items = api(make_key(model=model, scopes=["read"])).get("/api/v1/audit").json()["items"]

        assert {item["label"] for item in items if item["object_type"] == "registeredmodel"} == {"Credit"}

    def test_a_contributor_key_is_refused(self, team):
        answer = api(make_key(team=team, role=Role.CONTRIBUTOR, scopes=["read"])).get("/api/v1/audit")

        assert answer.status_code == 403


class TestAnchor:
    def test_the_head_goes_to_every_team_once_a_day(self, model, seen):
        make_team("second")
        head = AuditEntry.objects.latest("seq")

        anchors.anchor(now=NOON)
        anchors.anchor(now=NOON + timedelta(hours=3))

        assert [(type, data["seq"], data["hash"]) for type, _, data, _ in seen] == [
            ("audit.anchor", head.seq, head.hash)
        ] * 2
        assert newest("audit.anchored").object_id == str(head.seq)
        assert audit.verify() is None

    def test_the_next_day_is_anchored_only_if_something_happened(self, model, seen):
        anchors.anchor(now=NOON)

        assert anchors.anchor(now=NOON + timedelta(days=1)) is None
        make_version(model)
        assert anchors.anchor(now=NOON + timedelta(days=1)) is not None

    def test_a_webhook_that_listens_gets_it(self, team, model):
        public = lambda *_: ["93.184.216.34"]  # noqa: E731
        told_by = {"resolver": public, "by": "setup", "now": NOON}
        webhooks.register(team, name="ops", url="https://hooks.example.org/", events=["audit.anchor"], **told_by)
        head = AuditEntry.objects.latest("seq")

        anchors.anchor(now=NOON)

        [message] = OutboxMessage.objects.filter(type="audit.anchor")
        assert message.team == team
        assert head.hash in bytes(message.body).decode()

    def test_the_sweep_orders_it_once(self, model, seen, monkeypatch):
        ordered = []
        monkeypatch.setattr("mlops_portal.jobs.queue.enqueue", lambda kind, key, **options: ordered.append((kind, key)))

        anchors.sweep(NOON)
        anchors.anchor(now=NOON)
        anchors.sweep(NOON)

        assert ordered == [("registry.anchor_audit", "2026-11-20")]
        assert "registry.anchor_audit" in JOBS


def test_the_triggers_are_there_after_all_migrations(db):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps triggers when a column is added")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'registry_auditentry'")
        assert cursor.fetchone() == (2,)

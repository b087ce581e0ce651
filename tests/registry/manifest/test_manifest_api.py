"""The inventory as code by API and on its page."""

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import AuditEntry, RegisteredModel, Scope, Source
from tests.factories import api, make_key, make_model, make_source
from tests.registry.manifest.examples import CREDIT, small

PLAN, APPLY = "/api/v1/inventory/plan", "/api/v1/inventory/apply"
SOURCES = "sources:\n  - {slug: ledger, name: Ledger, kind: table}\n"


@pytest.fixture
def client(team, alice, bob):
    return api(make_key(team=team, scopes=[Scope.REGISTRY]))


@pytest.fixture
def page(alice):
    client = Client()
    client.force_login(alice)
    return client


def send(client, url, text, media="application/yaml"):
    return client.post(url, text, content_type=media)


class TestApi:
    """POST /api/v1/inventory/plan and /apply."""

    def test_a_plan_is_shown_and_applied(self, client):
        plan = send(client, PLAN, CREDIT).json()

        assert plan["summary"] == "5 to create."
        assert plan["changes"][1] == {
            "action": "create",
            "kind": "source",
            "name": "ledger",
            "line": 12,
            "fields": {
                "name": [None, "Ledger"],
                "kind": [None, "table"],
                "latency": [None, "real_time"],
                "stability": [None, "stable"],
                "volatility": [None, "medium"],
                "fed_by": [None, "bureau-feed"],
            },
        }
        assert not RegisteredModel.objects.exists()

        answer = send(client, f"{APPLY}?seen={plan['sha256']}", CREDIT)

        assert (answer.status_code, answer.json()) == (200, plan)
        assert send(client, APPLY, CREDIT).json()["changes"] == []
        assert AuditEntry.objects.first().via == "manifest"

    def test_json_does_the_same(self, client):
        body = {"portal": "inventory/v1", "team": "risk", "sources": [{"slug": "a", "name": "A", "kind": "log"}]}

        answer = client.post(APPLY, body, content_type="application/json")

        assert answer.json()["changes"][0] == {
            "action": "create",
            "kind": "source",
            "name": "a",
            "line": None,
            "fields": {"name": [None, "A"], "kind": [None, "log"]},
        }

    def test_faults_carry_pointer_and_line(self, client):
        answer = send(client, PLAN, small("sources:\n  - {slug: a, name: A, kind: x}\n  - {slug: b, nmae: B}\n"))

        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
        told = [(one["pointer"], one["line"], one["code"]) for one in answer.json()["errors"]]
        assert told == [("/sources/1/nmae", 6, "unknown_field"), ("/sources/0/kind", 5, "invalid")]

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("a: !!python/object/apply:os.system [true]", 422),
            ("a: &a [1]\nb: [*a, *a]", 422),
            ("", 422),
            ("- 1", 422),
            ("a: " + "[" * 1000, 422),
            ("x" * (1024 * 1024 + 1), 413),
        ],
    )
    def test_what_is_not_a_manifest_is_refused(self, client, text, status):
        assert send(client, APPLY, text).status_code == status

    def test_other_media_are_refused(self, client):
        assert send(client, APPLY, CREDIT, "text/plain").status_code == 415
        assert send(client, APPLY, CREDIT, "application/yaml; charset=latin-1").status_code == 415

    def test_parameters_are_strict(self, client):
        assert send(client, f"{PLAN}?prune=yes", CREDIT).json()["code"] == "malformed_parameter"
        assert send(client, f"{PLAN}?seen=x", CREDIT).json()["code"] == "unknown_parameter"

    def test_another_team_is_a_conflict(self, client, other_team):
        make_model(team=other_team, slug="credit")

        answer = send(client, APPLY, CREDIT)

        assert (answer.status_code, answer.json()["code"]) == (409, "not_your_manifest")
        assert answer.json()["errors"][0]["pointer"] == "/models/0/slug"

    def test_a_plan_that_moved_is_a_conflict(self, client, team):
        seen = send(client, PLAN, CREDIT).json()["sha256"]
        make_source(team, slug="ledger")

        answer = send(client, f"{APPLY}?seen={seen}", CREDIT)

        assert (answer.status_code, answer.json()["code"]) == (409, "plan_moved")

    def test_a_key_that_only_reads_plans_nothing(self, team):
        for url in (PLAN, APPLY):
            answer = send(api(make_key(team=team, scopes=[Scope.READ])), url, CREDIT)
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_pruning_by_parameter(self, client):
        send(client, APPLY, small(SOURCES))

        answer = send(client, f"{APPLY}?prune=true", small("sources: []\n"))

        assert answer.json()["summary"] == "1 to retire."


class TestPage:
    """/inventory/."""

    url = "/inventory/"

    def test_a_manifest_is_planned_and_then_applied(self, page, bob):
        answer = page.post(self.url, {"text": CREDIT})
        html = answer.content.decode()
        assert (answer.status_code, RegisteredModel.objects.count()) == (200, 0)
        assert "5 to create." in html
        assert "expected_lag: 1d" in html

        seen = answer.context["plan"].sha256
        answer = page.post(self.url, {"text": CREDIT, "seen": seen})

        assert "5 created." in answer.content.decode()
        assert RegisteredModel.objects.get().owner.username == "alice"

    def test_a_file_may_be_uploaded(self, page, tmp_path):
        path = tmp_path / "risk.yaml"
        path.write_text(small(SOURCES))

        with path.open("rb") as file:
            html = page.post(self.url, {"file": file}).content.decode()

        assert "1 to create." in html
        assert "slug: ledger" in html  # carried along to be applied

    def test_faults_are_listed_with_their_lines(self, page):
        answer = page.post(self.url, {"text": small("sources:\n  - {slug: a, kind: <b>}\n")})

        html = answer.content.decode()
        assert answer.status_code == 422
        assert "manifest:5: sources[0].kind: " not in html  # a new source without a name is not tried
        assert "manifest:5: sources[0]: name is missing" in html
        assert "<b>" not in html.split("<main", 1)[1]

    def test_nothing_to_read_is_told(self, page):
        answer = page.post(self.url, {"text": "  "})

        assert answer.status_code == 422
        assert "Paste a manifest or choose a file" in answer.content.decode()

    def test_a_plan_that_moved_is_shown_as_refused(self, page, team, bob):
        seen = page.post(self.url, {"text": CREDIT}).context["plan"].sha256
        make_source(team, slug="ledger")

        answer = page.post(self.url, {"text": CREDIT, "seen": seen})

        assert answer.status_code == 409
        assert "The inventory changed since this plan was shown" in answer.content.decode()

    def test_nothing_to_change_is_said(self, page):
        page.post(self.url, {"text": small("sources: []\n")})

        assert "Nothing to change." in page.post(self.url, {"text": small("sources: []\n")}).content.decode()

    def test_who_may_not_edit_reads_why(self, victor):
        client = Client()
        client.force_login(victor)

        assert "To edit the inventory takes" in client.get(self.url).content.decode()
        assert client.post(self.url, {"text": CREDIT}).status_code == 403

    def test_a_team_is_exported_from_its_page(self, page, team, charlie):
        make_source(team, slug="ledger")
        url = reverse("registry:team-export", args=["risk"])
        assert url in page.get(reverse("registry:team-detail", args=["risk"])).content.decode()

        answer = page.get(url)

        assert answer["Content-Disposition"] == 'attachment; filename="risk.yaml"'
        assert "slug: ledger" in answer.content.decode()
        page.force_login(charlie)
        assert page.get(url).status_code == 404

    def test_the_page_takes_few_queries(self, page, django_assert_max_num_queries):
        with django_assert_max_num_queries(9):
            page.get(self.url)

    def test_sources_are_written_by_whom_it_was(self, page):
        seen = page.post(self.url, {"text": small(SOURCES)}).context["plan"].sha256
        page.post(self.url, {"text": small(SOURCES), "seen": seen})

        assert Source.objects.get().created_by == "alice"

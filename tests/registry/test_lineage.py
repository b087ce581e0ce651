"""Sources, consumers, aliases, tags, keys and the comparison of versions: pages and API."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from registry import comparison, deployments, history, inventory, lineage
from registry.deployments import Authority, Plan
from registry.inventory import FeatureDraft
from registry.models import Alias, ApiKey, AuditEntry, Consumer, ModelVersion, Role, Source, Tag
from tests.factories import NOON, api, make_endpoint, make_key, make_model, make_user, make_version

HOUR = timedelta(hours=1)


def send(client, method, url, body=None, *, key="intent-1", tag=None):
    headers = {"Idempotency-Key": key} | ({"If-Match": tag} if tag else {})
    return getattr(client, method)(url, json.dumps(body or {}), content_type="application/json", headers=headers)


def make_source(team, slug, **described):
    kind = described.pop("kind", "table")
    return inventory.create_source(team, slug=slug, name=slug.title(), kind=kind, by="setup", now=NOON, **described)


@pytest.fixture
def ledger(team):
    return make_source(team, "ledger")


@pytest.fixture
def feed(team, ledger):
    """Gets its data from the ledger."""
    return make_source(team, "feed", fed_by=ledger)


@pytest.fixture
def credit(team, ledger):
    return make_model(
        team=team, slug="credit", name="Credit", features=[FeatureDraft("income", "number", source=ledger)]
    )


@pytest.fixture
def fraud(team, feed):
    return make_model(team=team, slug="fraud", name="Fraud", features=[FeatureDraft("visits", "number", source=feed)])


@pytest.fixture
def writer(team):
    return api(make_key(team=team, scopes=["registry"]))


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def html(response):
    return response.content.decode()


class TestLineage:
    def test_who_depends_on_a_source_directly_and_by_way_of_another(self, ledger, credit, fraud, alice):
        make_version(credit)  # its copy of the features counts no second time

        found = [
            (one.model.slug, [feature.name for feature in one.features], one.by_way_of and one.by_way_of.slug)
            for one in lineage.dependents(ledger, alice)
        ]

        assert found == [("credit", ["income"], None), ("fraud", ["visits"], "feed")]

    def test_the_list_counts_live_models_and_current_features(self, ledger, feed, credit, fraud, alice):
        make_version(credit)
        inventory.delete_model(fraud, by="setup", now=NOON)

        counts = {source.slug: (source.model_count, source.feature_count) for source in lineage.sources(alice)}

        assert counts == {"ledger": (1, 1), "feed": (0, 0)}

    def test_a_stranger_sees_no_source(self, ledger, credit, charlie):
        assert list(lineage.sources(charlie)) == []


class TestSourcePages:
    def test_the_list_shows_who_feeds_what(self, as_alice, feed, credit, fraud):
        page = html(as_alice.get(reverse("registry:source-list")))

        assert reverse("registry:source-detail", args=["feed"]) in page
        assert f'href="{reverse("registry:model-list")}?source=ledger"' in page

    def test_an_empty_list_says_what_to_do(self, as_alice, client, victor):
        assert "Add a source" in html(as_alice.get(reverse("registry:source-list")))
        client.force_login(victor)
        assert "A contributor of the team" in html(client.get(reverse("registry:source-list")))

    def test_twenty_sources_take_few_queries(self, as_alice, team, credit, django_assert_max_num_queries):
        for i in range(20):
            make_source(team, f"s{i}")
        as_alice.get(reverse("me"))

        with django_assert_max_num_queries(14):
            page = html(as_alice.get(reverse("registry:source-list")))

        assert page.count('class="name"') == 21

    def test_a_source_is_made_changed_and_retired_by_form(self, as_alice, team):
        made = as_alice.post(
            reverse("registry:source-create"),
            {"team": "risk", "slug": "bureau", "name": "Bureau", "kind": "api", "lag_h": "24"},
        )
        source = Source.objects.get(slug="bureau")
        changed = as_alice.post(
            reverse("registry:source-edit", args=["bureau"]),
            {"name": "Credit bureau", "kind": "api", "latency": "batch", "lag_h": "1.5", "base": source.lock_version},
        )
        retired = as_alice.post(reverse("registry:source-retire", args=["bureau"]))

        assert [answer.status_code for answer in (made, changed, retired)] == [302, 302, 302]
        source.refresh_from_db()
        assert (source.name, source.latency, source.expected_lag_s) == ("Credit bureau", "batch", 5400)
        assert source.retired_at is not None

    def test_a_stale_form_is_told(self, as_alice, ledger):
        inventory.edit_source(ledger, {"name": "Main ledger"}, base=1, by="setup", now=NOON)

        answer = as_alice.post(
            reverse("registry:source-edit", args=["ledger"]), {"name": "Mine", "kind": "table", "base": "1"}
        )

        assert answer.status_code == 412
        assert "Read it again" in html(answer)

    def test_a_source_that_is_read_is_not_retired(self, as_alice, ledger, credit):
        answer = as_alice.post(reverse("registry:source-retire", args=["ledger"]))

        assert answer.status_code == 409
        assert "credit still read from ledger" in html(answer)

    def test_the_detail_names_models_and_features(self, as_alice, ledger, credit, fraud):
        page = html(as_alice.get(reverse("registry:source-detail", args=["ledger"])))

        assert "<code>income</code>" in page
        assert "by way of" in page
        assert "read by 2 models" in page

    def test_a_feature_list_links_to_the_source(self, as_alice, credit):
        page = html(as_alice.get(reverse("registry:feature-list", args=["credit"])))

        assert reverse("registry:source-detail", args=["ledger"]) in page


class TestSourceApi:
    def test_create_read_change_retire(self, writer, ledger):
        body = {"slug": "bureau", "name": "Bureau", "kind": "api", "fed_by": "ledger"}
        made = send(writer, "post", "/api/v1/sources", body)
        again = send(writer, "post", "/api/v1/sources", body)
        changed = send(writer, "patch", "/api/v1/sources/bureau", {"stability": "fragile"}, tag=made["ETag"])
        stale = send(writer, "patch", "/api/v1/sources/bureau", {"stability": "stable"}, tag=made["ETag"])
        bare = send(writer, "patch", "/api/v1/sources/bureau", {"stability": "stable"})
        retired = send(writer, "delete", "/api/v1/sources/bureau")

        statuses = [answer.status_code for answer in (made, again, changed, stale, bare, retired)]
        assert statuses == [201, 201, 200, 412, 428, 204]
        assert again["Idempotency-Replayed"] == "true"
        assert (changed.json()["stability"], changed.json()["fed_by"]) == ("fragile", "ledger")

    def test_a_source_shows_its_dependents(self, writer, ledger, credit, fraud):
        assert writer.get("/api/v1/sources/ledger").json()["dependents"] == [
            {"model": "credit", "features": ["income"], "by_way_of": None},
            {"model": "fraud", "features": ["visits"], "by_way_of": "feed"},
        ]

    def test_an_unknown_feeder_and_an_unknown_field_are_named(self, writer):
        unknown = send(writer, "post", "/api/v1/sources", {"slug": "a", "name": "A", "kind": "api", "fed_by": "b"})
        extra = send(writer, "post", "/api/v1/sources", {"slug": "a", "name": "A", "kind": "api", "speed": 1})

        assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/fed_by")
        assert extra.status_code == 400

    def test_features_name_their_source_and_give_it_back(self, writer, credit):
        body = {"features": [{"name": "income", "dtype": "number", "source": "ledger", "source_field": "t.income"}]}

        answer = send(writer, "put", "/api/v1/models/credit/features", body)

        [item] = answer.json()["items"]
        assert (item["source"], item["source_field"]) == ("ledger", "t.income")


class TestConsumers:
    def test_by_form(self, as_alice, credit):
        endpoint = make_endpoint(credit, slug="live")
        address = reverse("registry:consumer-create", args=["live"])
        made = as_alice.post(
            address, {"name": "desk", "kind": "human_process", "use": "assisted", "criticality": "high"}
        )
        consumer = Consumer.objects.get()
        twice = as_alice.post(
            address, {"name": "desk", "kind": "human_process", "use": "assisted", "criticality": "high"}
        )
        changed = as_alice.post(
            reverse("registry:consumer-edit", args=[consumer.pk]),
            {"name": "loan desk", "kind": "human_process", "use": "assisted", "criticality": "low", "base": "1"},
        )
        page = html(as_alice.get(reverse("registry:consumer-list") + "?endpoint=live"))
        retired = as_alice.post(reverse("registry:consumer-retire", args=[consumer.pk]))

        assert [answer.status_code for answer in (made, twice, changed, retired)] == [302, 409, 302, 302]
        assert "loan desk" in page
        assert not endpoint.consumers.active().exists()

    def test_empty_lists_say_what_to_do(self, as_alice, credit):
        make_endpoint(credit, slug="live")

        assert "Go to the models" in html(as_alice.get(reverse("registry:consumer-list")))
        assert "Add a consumer" in html(as_alice.get(reverse("registry:consumer-list") + "?endpoint=live"))

    def test_twenty_consumers_take_few_queries(self, as_alice, credit, django_assert_max_num_queries):
        endpoint = make_endpoint(credit, slug="live")
        for i in range(20):
            inventory.create_consumer(endpoint, name=f"c{i}", kind="service", use="assisted", by="setup", now=NOON)
        as_alice.get(reverse("me"))

        with django_assert_max_num_queries(14):
            page = html(as_alice.get(reverse("registry:consumer-list")))

        assert page.count('class="name"') == 20

    def test_by_api(self, writer, credit):
        make_endpoint(credit, slug="live")
        body = {"endpoint": "live", "name": "desk", "kind": "service", "use": "automated", "output": "probability"}
        made = send(writer, "post", "/api/v1/consumers", body)
        address = f"/api/v1/consumers/{made.json()['id']}"
        changed = send(writer, "patch", address, {"criticality": "high"}, tag=made["ETag"])
        listed = writer.get("/api/v1/consumers?model=credit").json()["items"]
        retired = send(writer, "delete", address)

        assert [answer.status_code for answer in (made, changed, retired)] == [201, 200, 204]
        assert [(one["name"], one["criticality"], one["model"]) for one in listed] == [("desk", "high", "credit")]
        assert writer.get("/api/v1/consumers").json()["items"] == []


class TestAliases:
    def test_by_form_with_history(self, as_alice, credit):
        make_version(credit), make_version(credit)
        address = reverse("registry:alias-list", args=["credit"])
        for number in ("1", "2"):
            assert as_alice.post(address, {"name": "champion", "version": number}).status_code == 302
        page = html(as_alice.get(address))
        dropped = as_alice.post(reverse("registry:alias-drop", args=["credit", "champion"]))

        assert "Where they pointed before" in page
        assert dropped.status_code == 302
        assert not Alias.objects.open().exists()
        assert Alias.objects.count() == 2

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [({"name": "champion", "version": "9"}, "no version 9"), ({"name": "v7", "version": "1"}, "reserved")],
    )
    def test_a_refusal_stands_at_its_field(self, as_alice, credit, body, sentence):
        make_version(credit)

        answer = as_alice.post(reverse("registry:alias-list", args=["credit"]), body)

        assert answer.status_code == 422
        assert sentence in html(answer)

    def test_by_api(self, writer, credit):
        make_version(credit), make_version(credit)
        address = "/api/v1/models/credit/aliases/champion"
        send(writer, "put", address, {"version": 1})
        set_again = send(writer, "put", address, {"version": 2})
        read = writer.get(address).json()
        listed = writer.get("/api/v1/models/credit/aliases").json()["items"]
        gone = send(writer, "delete", address)

        assert (set_again.status_code, gone.status_code) == (200, 204)
        assert (read["version"], [one["version"] for one in read["history"]]) == (2, [1])
        assert [one["name"] for one in listed] == ["champion"]
        assert writer.get(address).status_code == 404
        assert send(writer, "delete", address).status_code == 404

    def test_an_unknown_version_is_named(self, writer, credit):
        answer = send(writer, "put", "/api/v1/models/credit/aliases/champion", {"version": 2**40})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/version")


class TestTags:
    def test_by_form_on_models_and_versions(self, as_alice, credit):
        make_version(credit)
        of_model, of_version = (
            reverse("registry:model-tags", args=["credit"]),
            reverse("registry:version-tags", args=["credit", 1]),
        )
        for address in (of_model, of_version):
            assert as_alice.post(address, {"key": "team/domain", "value": "lending"}).status_code == 302
        page = html(as_alice.get(of_model))
        detail = html(as_alice.get(reverse("registry:version-detail", args=["credit", 1])))
        for name, args in (("model-tag-remove", ["credit"]), ("version-tag-remove", ["credit", 1])):
            assert as_alice.post(reverse(f"registry:{name}", args=args), {"key": "team/domain"}).status_code == 302

        assert "team/domain" in page
        assert "team/domain: lending" in detail
        assert not Tag.objects.exists()

    def test_a_key_that_will_not_do_is_told_at_its_field(self, as_alice, credit):
        answer = as_alice.post(reverse("registry:model-tags", args=["credit"]), {"key": "a\\b", "value": "x"})

        assert answer.status_code == 422
        assert "Names may only contain" in html(answer)

    @pytest.mark.parametrize("thing", ["models/credit", "models/credit/versions/1"])
    def test_by_api(self, writer, credit, thing):
        make_version(credit)
        address = f"/api/v1/{thing}/tags/a/b c"
        made = send(writer, "put", address, {"value": "1"})
        read = writer.get(address).json()
        listed = writer.get(f"/api/v1/{thing}/tags").json()["items"]
        gone = send(writer, "delete", address)

        assert (made.status_code, gone.status_code) == (200, 204)
        assert read == {"key": "a/b c", "value": "1"}
        assert listed == [read]
        assert send(writer, "delete", address).status_code == 404

    def test_a_removed_tag_that_is_not_there_is_404(self, as_alice, credit):
        assert as_alice.post(reverse("registry:model-tag-remove", args=["credit"]), {"key": "x"}).status_code == 404


class TestVersions:
    def test_compare_tells_added_removed_and_changed_features(self, team, ledger, credit):
        left = make_version(credit)
        right = make_version(
            credit,
            features=[FeatureDraft("income", "integer", source=ledger, allowed_min=0), FeatureDraft("age", "integer")],
        )
        third = make_version(credit, features=[])
        inventory.set_tag(right, "note", "better", by="setup", now=NOON)

        compared = comparison.compare(left, right)

        assert [feature.name for feature in compared.added] == ["age"]
        assert [(name, [(p.name, p.left, p.right) for p in pairs]) for name, pairs in compared.changed] == [
            ("income", [("type", "number", "integer"), ("lowest", None, 0.0)])
        ]
        assert [(pair.name, pair.left, pair.right) for pair in compared.tags] == [("note", None, "better")]
        assert [feature.name for feature in comparison.compare(left, third).removed] == ["income"]
        assert comparison.compare(left, left).same_count == 1

    def test_the_page_compares_the_two_newest_unless_told(self, as_alice, credit):
        empty = html(as_alice.get(reverse("registry:version-compare", args=["credit"])))
        make_version(credit), make_version(credit), make_version(credit, features=[])
        address = reverse("registry:version-compare", args=["credit"])

        page = html(as_alice.get(address))

        assert "Nothing to compare" in empty
        assert "0 added, 1 removed, 0 changed, 0 the same" in page
        assert "0 added, 0 removed, 0 changed, 1 the same" in html(as_alice.get(f"{address}?left=1&right=2"))
        assert as_alice.get(f"{address}?left=x").status_code == 400
        assert as_alice.get(f"{address}?left=99&right=1").status_code == 404

    def test_delete_by_page_and_api(self, as_alice, writer, credit):
        make_version(credit), make_version(credit)

        assert as_alice.post(reverse("registry:version-delete", args=["credit", 1])).status_code == 302
        assert send(writer, "delete", "/api/v1/models/credit/versions/2").status_code == 204
        assert not ModelVersion.objects.live().exists()


class TestHistory:
    @pytest.fixture
    def moved(self, credit):
        """An alias and an endpoint that moved from version 1 to version 2 an hour after noon."""
        first, second = make_version(credit), make_version(credit)
        endpoint = make_endpoint(credit, slug="live")
        for i, version in enumerate((first, second)):
            at = NOON + i * HOUR
            inventory.set_alias(credit, "champion", version, by="setup", now=at)
            deployments.activate(
                endpoint, Plan.single(version.number), base=i, authority=Authority.of_person("setup"), now=at
            )
        return credit

    @pytest.mark.parametrize(
        ("at", "alias", "revision"),
        [(NOON - HOUR, None, None), (NOON, 1, 1), (NOON + HOUR / 2, 1, 1), (NOON + HOUR, 2, 2), (None, 2, 2)],
        ids=["before", "at first", "between", "at second", "now"],
    )
    def test_aliases_and_revision_of_a_moment(self, moved, at, alias, revision):
        aliases, serving = history.aliases(moved, at), history.serving(moved, at)

        assert [one.version.number for one in aliases] == ([alias] if alias else [])
        assert [one.deployment and one.deployment.revision for one in serving] == ([revision] if revision else [])

    def test_by_api_and_page(self, writer, as_alice, moved):
        before = writer.get("/api/v1/models/credit?as_of=2026-11-20T12:30:00Z").json()
        now = writer.get("/api/v1/models/credit").json()
        page = html(as_alice.get(reverse("registry:model-detail", args=["credit"]) + "?as_of=2026-11-20T12:30:00Z"))

        assert (before["aliases"], before["serving"][0]["versions"]) == ({"champion": 1}, [1])
        assert (now["aliases"], now["serving"][0]["revision"], now["as_of"]) == ({"champion": 2}, 2, None)
        assert "</a> version 1</p>" in page
        assert "rev 1 since" in page
        assert writer.get("/api/v1/models/credit?as_of=then").status_code == 400


class TestKeys:
    def test_a_person_issues_rotates_and_revokes(self, as_alice, team, credit):
        body = {"team": "risk", "label": "scoring", "scopes": ["ingest"], "model": "credit", "days": 30}
        made = as_alice.post("/api/v1/keys", json.dumps(body), content_type="application/json")
        rotated = as_alice.post(f"/api/v1/keys/{made.json()['id']}/rotate")
        revoked = as_alice.post(f"/api/v1/keys/{rotated.json()['id']}/revoke")
        listed = as_alice.get("/api/v1/keys?team=risk").json()["items"]

        assert [answer.status_code for answer in (made, rotated, revoked)] == [201, 201, 200]
        assert made.json()["key"].startswith("mlp_")
        assert rotated.json()["replaces"] == made.json()["id"]
        assert len(listed) == 2
        assert all("key" not in one for one in listed)
        assert made.json()["key"] not in str(list(AuditEntry.objects.values_list("changes", flat=True)))

    def test_no_key_manages_keys(self, writer):
        assert writer.get("/api/v1/keys").status_code == 403
        assert (
            send(writer, "post", "/api/v1/keys", {"team": "risk", "label": "x", "scopes": ["read"]}).status_code == 403
        )

    def test_a_contributor_sees_no_keys(self, client, team):
        make_key(team=team)
        client.force_login(make_user("carol", team=team, role=Role.CONTRIBUTOR))

        assert client.get("/api/v1/keys").status_code == 403

    def test_what_is_not_there_is_named(self, as_alice, team):
        body = {"team": "risk", "label": "x", "scopes": ["read"], "user": "nobody"}

        answer = as_alice.post("/api/v1/keys", json.dumps(body), content_type="application/json")

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/user")
        assert not ApiKey.objects.exists()

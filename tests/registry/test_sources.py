"""Sources, and the features that are made of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale
from registry import inventory, permissions
from registry.inventory import FeatureDraft
from registry.models import AuditEntry, Feature, Scope, Source
from tests.factories import NOON, api, make_key, make_model, make_source, make_team, make_version

SETUP = {"by": "setup", "now": NOON}


def draft(name="income", **said):
    return FeatureDraft(name=name, dtype="number", **said)


class TestWriting:
    """Creating, changing and retiring."""

    def test_a_source_says_what_was_said_about_it(self, team, alice):
        feed = make_source(team, slug="bureau")

        made = inventory.create_source(
            team,
            slug="ledger",
            name=" Ledger ",
            kind="table",
            latency="real_time",
            stability="stable",
            volatility="medium",
            expected_lag_s=86_400,
            contract_url="https://example.org/contract",
            schema_version="3",
            description="Every booking.",
            fed_by=feed,
            managed_by="credit",
            by=alice,
            now=NOON,
        )

        row = Source.objects.get(slug="ledger")
        assert (row.name, row.latency, row.expected_lag_s, row.fed_by) == ("Ledger", "real_time", 86_400, feed)
        assert (row.managed_by, row.created_by, row.lock_version) == ("credit", "alice", 1)
        entry = AuditEntry.objects.first()
        assert (entry.verb, entry.label, entry.team) == ("source.created", "ledger", team)
        assert entry.changes["fed_by"] == [None, "bureau"]
        assert made == row

    def test_every_fault_is_told_at_once(self, team, other_team):
        with pytest.raises(Invalid) as raised:
            inventory.create_source(
                team,
                slug="Big Table",
                name="",
                kind="database",
                latency="fast",
                stability="rocky",
                volatility="wild",
                expected_lag_s=-1,
                contract_url="a\x00b",
                fed_by=make_source(other_team, slug="theirs"),
                **SETUP,
            )

        assert {fault.pointer for fault in raised.value.faults} == {
            "/slug",
            "/name",
            "/kind",
            "/latency",
            "/stability",
            "/volatility",
            "/expected_lag_s",
            "/contract_url",
            "/fed_by",
        }

    def test_a_taken_slug_is_told_but_not_by_whom(self, team, other_team):
        make_source(other_team, slug="ledger")

        with pytest.raises(Conflict, match="taken") as raised:
            make_source(team, slug="ledger")

        assert (raised.value.code, raised.value.field) == ("name_taken", "slug")
        assert "Other" not in raised.value.detail

    def test_an_address_of_the_portal_is_no_slug(self, team):
        with pytest.raises(Invalid, match="address of the portal"):
            make_source(team, slug="new")

    def test_a_key_is_used_once(self, team):
        make_source(team, slug="a", client_key="k")

        with pytest.raises(Conflict) as raised:
            make_source(team, slug="b", client_key="k")

        assert raised.value.code == "idempotency_in_progress"

    def test_a_change_is_recorded_with_before_and_after(self, team):
        source = make_source(team, slug="ledger")

        inventory.edit_source(source, {"stability": "fragile", "name": source.name}, base=1, **SETUP)

        assert (source.stability, source.lock_version) == ("fragile", 2)
        assert AuditEntry.objects.first().changes == {"stability": ["", "fragile"]}

    def test_nothing_new_is_not_recorded(self, team):
        source = make_source(team)
        before = AuditEntry.objects.count()

        inventory.edit_source(source, {"stability": ""}, base=1, **SETUP)

        assert AuditEntry.objects.count() == before

    def test_a_stale_base_changes_nothing(self, team):
        source = make_source(team)
        inventory.edit_source(source, {"latency": "batch"}, base=1, **SETUP)

        with pytest.raises(Stale):
            inventory.edit_source(source, {"latency": "real_time"}, base=1, **SETUP)

        source.refresh_from_db()
        assert source.latency == "batch"

    def test_only_what_describes_it_may_change(self, team):
        with pytest.raises(ValueError, match="slug"):
            inventory.edit_source(make_source(team), {"slug": "other"}, base=1, **SETUP)

    def test_rights_are_asked(self, team, victor, charlie):
        source = make_source(team)
        for person in (victor, charlie):
            with pytest.raises(Refused):
                inventory.create_source(team, slug="x", name="X", kind="log", by=person, now=NOON)
            with pytest.raises(Refused):
                inventory.edit_source(source, {"name": "Y"}, base=1, by=person, now=NOON)
            with pytest.raises(Refused):
                inventory.retire_source(source, base=1, by=person, now=NOON)

    def test_a_key_of_one_model_writes_no_source(self, team):
        text = make_key(team=team, scopes=[Scope.REGISTRY], model=make_model(team=team))

        with pytest.raises(Refused, match="whole team"):
            inventory.create_source(
                team, slug="x", name="X", kind="log", by=permissions.authenticate_key(text, NOON), now=NOON
            )


class TestFeeds:
    """What feeds what."""

    def test_a_source_does_not_feed_itself_over_any_number_of_steps(self, team):
        a = make_source(team, slug="a")
        b = make_source(team, slug="b", fed_by=a)
        c = make_source(team, slug="c", fed_by=b)

        with pytest.raises(Invalid, match="a ← c ← b ← a"):
            inventory.edit_source(a, {"fed_by": c}, base=1, **SETUP)
        with pytest.raises(Invalid, match="a ← a"):
            inventory.edit_source(a, {"fed_by": a}, base=1, **SETUP)

        assert inventory.edit_source(c, {"fed_by": a}, base=1, **SETUP).fed_by == a

    def test_nobody_feeds_from_another_team(self, team, other_team):
        theirs = make_source(other_team, slug="theirs")

        with pytest.raises(Invalid, match="Risk has no source theirs"):
            inventory.edit_source(make_source(team), {"fed_by": theirs}, base=1, **SETUP)

    @pytest.mark.django_db(transaction=True)
    def test_two_writers_do_not_close_a_circle(self):
        team = make_team("risk")
        for _ in range(3):
            a, b = make_source(team), make_source(team)

            def feed(pair):
                source, feeder = pair
                try:
                    inventory.edit_source(source, {"fed_by": feeder}, base=1, **SETUP)
                except (Invalid, OperationalError):
                    return 0
                finally:
                    connection.close()
                return 1

            with ThreadPoolExecutor(2) as pool:
                done = sum(pool.map(feed, [(a, b), (b, a)]))

            assert done == 1


class TestRetiring:
    """A source goes when nothing reads from it."""

    def test_a_retired_source_is_written_no_more(self, team):
        source = inventory.retire_source(make_source(team), base=1, **SETUP)

        assert source.retired_at == NOON
        assert AuditEntry.objects.first().verb == "source.retired"
        with pytest.raises(Stale):
            inventory.edit_source(source, {"name": "X"}, base=source.lock_version, **SETUP)

    def test_a_source_in_use_stays(self, team):
        source = make_source(team, slug="ledger")
        model = make_model(team=team, slug="credit", features=[draft(source=source)])
        make_source(team, slug="copy", fed_by=source)

        with pytest.raises(Conflict, match="credit and copy still read from ledger") as raised:
            inventory.retire_source(source, base=1, **SETUP)

        assert raised.value.code == "source_in_use"
        source.refresh_from_db()
        assert (source.retired_at, source.lock_version) == (None, 1)
        inventory.retire_model(model, base=1, **SETUP)
        with pytest.raises(Conflict, match=r"^copy still"):
            inventory.retire_source(source, base=1, **SETUP)

    def test_frozen_copies_do_not_hold_it(self, team):
        source = make_source(team)
        model = make_model(team=team, features=[draft(source=source)])
        version = make_version(model)
        inventory.set_features(model, [draft()], **SETUP)

        inventory.retire_source(source, base=1, **SETUP)

        assert version.features.get().source == source


class TestFeatures:
    """A feature names its source."""

    def test_a_version_copies_the_sources(self, team):
        source = make_source(team, slug="ledger")
        model = make_model(team=team, features=[draft(source=source, source_field="bookings.amount")])

        copied = make_version(model).features.get()

        assert (copied.source, copied.source_field) == (source, "bookings.amount")

    def test_a_source_of_another_team_is_unknown(self, team, other_team):
        theirs = make_source(other_team, slug="theirs")

        with pytest.raises(Invalid, match="Risk has no source theirs") as raised:
            make_model(team=team, features=[draft(source=theirs)])

        assert raised.value.faults[0].pointer == "/features/0/source"

    def test_source_may_change_after_traffic_came(self, team):
        version = make_version(make_model(team=team, features=[draft()]))
        inventory.freeze_schema(version, now=NOON)
        version.refresh_from_db()
        source = make_source(team, slug="ledger")

        inventory.set_version_features(version, [draft(source=source, source_field="x")], **SETUP)

        assert version.features.get().source == source
        changes = AuditEntry.objects.first().changes["income"]
        assert changes[1]["source"] == "ledger"

    def test_a_list_with_sources_takes_no_query_per_feature(self, team, django_assert_max_num_queries):
        features = [draft(f"f{i}", source=make_source(team)) for i in range(20)]
        model = make_model(team=team, features=features)

        with django_assert_max_num_queries(4):
            drafts = inventory.drafts_of(Feature.objects.current().filter(model=model))

        assert drafts == [replace(each, privacy="keep") for each in features]

    def test_the_api_reads_and_writes_sources_by_slug(self, team, other_team):
        make_source(team, slug="ledger")
        make_source(other_team, slug="theirs")
        make_model(team=team, slug="credit")
        client = api(make_key(team=team, scopes=[Scope.REGISTRY]))
        url = "/api/v1/models/credit/features"
        body = {"features": [{"name": "income", "dtype": "number", "source": "ledger", "source_field": "amount"}]}

        assert client.put(url, body, content_type="application/json").status_code == 200
        item = client.get(url).json()["items"][0]
        assert (item["source"], item["source_field"]) == ("ledger", "amount")

        answer = client.post(
            "/api/v1/models/credit/versions", {}, content_type="application/json", headers={"Idempotency-Key": "1"}
        )
        assert answer.json()["features"][0]["source"] == "ledger"

        for wrong in ("theirs", "nowhere", ""):
            body["features"][0]["source"] = wrong
            answer = client.put(url, body, content_type="application/json")
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/features/0/source"

    def test_the_form_keeps_and_changes_the_source(self, team, alice):
        source, other = make_source(team, slug="ledger"), make_source(team, slug="bureau")
        model = make_model(team=team, slug="credit", features=[draft(source=source)])
        feature = model.features.get()
        client = Client()
        client.force_login(alice)
        url = reverse("registry:feature-edit", args=["credit", feature.pk])
        assert '<option value="ledger" selected>' in client.get(url).content.decode()
        values = {"name": "income", "dtype": "number", "kind": "input", "required": "on", "source_field": "x"}

        client.post(url, values | {"source": "bureau"})

        feature.refresh_from_db()
        assert (feature.source, feature.source_field) == (other, "x")

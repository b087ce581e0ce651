"""Change events: each reported once, and the models that they may explain."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mlops_portal.kit.errors import Invalid, Refused
from registry import permissions, upstream
from registry.models import AuditEntry, ChangeEvent, Feature, OutboxMessage, Source
from registry.upstream import Change
from tests.factories import NOON, make_endpoint, make_key, make_model


def make_source(team, slug, fed_by=None):
    return Source.objects.create(
        slug=slug, team=team, name=slug, kind="api", fed_by=fed_by, created_at=NOON, created_by="setup", updated_at=NOON
    )


def report(team, by="setup", now=NOON, **fields):
    given = {"kind": "schema", "title": "Column renamed", "started_at": NOON} | fields
    return upstream.report_change(team, Change(**given), by=by, now=now)


class TestReporting:
    def test_the_first_report_counts_and_stays(self, team, alice):
        first, is_new = report(team, by=alice, origin="airflow", event_id="run-7")
        again, is_again = report(team, origin="airflow", event_id="run-7", title="Another title")

        assert (is_new, is_again, again.pk, again.title) == (True, False, first.pk, "Column renamed")
        assert AuditEntry.objects.filter(verb="change_event.reported").count() == 1

    def test_other_teams_and_origins_have_ids_of_their_own(self, team, other_team):
        for one, origin in ((team, "a"), (team, "b"), (other_team, "a")):
            assert report(one, origin=origin, event_id="1")[1]

    def test_without_an_id_it_is_a_new_change_of_its_reporter(self, team, alice):
        first, second = report(team, by=alice)[0], report(team, by=alice)[0]

        assert (first.origin, first.pk != second.pk) == ("alice", True)

    def test_an_endpoint_names_its_model(self, team):
        endpoint = make_endpoint(make_model(team=team))

        assert report(team, endpoint=endpoint)[0].model == endpoint.model

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"kind": "weather"}, "none of deploy"),
            ({"severity": "awful"}, "none of info"),
            ({"title": " "}, "empty"),
            ({"title": "a\nb"}, "cannot be shown"),
            ({"started_at": NOON - timedelta(days=401)}, "over 400 days ago"),
            ({"started_at": NOON + timedelta(days=1, seconds=1)}, "more than a day ahead"),
            ({"ended_at": NOON - timedelta(seconds=1)}, "swap them"),
            ({"url": "javascript:alert(1)"}, "no link"),
            ({"payload": {"a": "x" * 16_400}}, "16384 is the most"),
            ({"payload": {"a": "\x00"}}, "cannot be stored"),
            ({"feature_name": "income"}, "Name the model or the source"),
        ],
    )
    def test_what_will_not_do_is_said(self, team, fields, says):
        with pytest.raises(Invalid, match=says):
            report(team, **fields)

        assert not ChangeEvent.objects.exists()

    def test_the_bounds_themselves_are_taken(self, team):
        report(team, started_at=NOON - timedelta(days=400), ended_at=NOON)
        report(team, started_at=NOON + timedelta(days=1))

    def test_what_belongs_to_others_is_refused(self, team, other_team):
        mine, theirs = make_model(team=team), make_model(team=other_team)
        for fields in ({"model": theirs}, {"source": make_source(other_team, "feed")}):
            with pytest.raises(Invalid, match="does not belong"):
                report(team, **fields)
        with pytest.raises(Invalid, match="another model"):
            report(team, model=mine, endpoint=make_endpoint(make_model(team=team)))

    def test_it_takes_the_right(self, team, victor, charlie):
        for person in (victor, charlie):
            with pytest.raises(Refused):
                report(team, by=person)

    def test_a_key_of_one_model_reports_of_that_model_only(self, team):
        mine, other = make_model(team=team), make_model(team=team)
        key = permissions.authenticate_key(make_key(team=team, scopes=["events"], model=mine), NOON)

        assert report(team, by=key, model=mine)[1]
        for fields in ({}, {"model": other}):
            with pytest.raises(Refused, match="bound to one model"):
                report(team, by=key, **fields)

    def test_nobody_listens_no_message(self, team):
        report(team)

        assert not OutboxMessage.objects.exists()


class TestAffected:
    @pytest.fixture
    def world(self, team, other_team):
        """bureau feeds ledger; credit reads both, fraud reads ledger, churn reads nothing, theirs reads bureau."""
        bureau = make_source(team, "bureau")
        ledger = make_source(team, "ledger", fed_by=bureau)
        models = {
            slug: make_model(team=owner, slug=slug, features=[("income", "number"), ("age", "number")])
            for slug, owner in (("credit", team), ("fraud", team), ("churn", team), ("theirs", other_team))
        }
        for slug, name, source in (
            ("credit", "income", bureau),
            ("credit", "age", ledger),
            ("fraud", "age", ledger),
            ("theirs", "age", bureau),
        ):
            Feature.objects.filter(model=models[slug], name=name).update(source=source)
        return models | {"bureau": bureau, "ledger": ledger}

    def affected(self, team, **fields):
        return [(one.model.slug, one.distance, one.reason) for one in upstream.affected_by(report(team, **fields)[0])]

    def test_a_source_reaches_its_features_and_what_it_feeds(self, team, world):
        assert self.affected(team, source=world["bureau"]) == [
            ("credit", 0, "income comes from bureau"),
            ("theirs", 0, "age comes from bureau"),
            ("fraud", 1, "age comes from ledger, which bureau feeds"),
            ("churn", 2, "it is of the same team"),
        ]

    def test_one_field_of_a_source_reaches_the_features_made_of_it(self, team, world):
        found = self.affected(team, source=world["bureau"], feature_name="age")

        assert found[0] == ("theirs", 0, "age comes from bureau")

    def test_a_feature_of_a_model_is_nearest(self, team, world):
        assert self.affected(team, model=world["fraud"], feature_name="income")[0] == (
            "fraud",
            0,
            "its feature income changed",
        )

    def test_a_model_an_endpoint_and_the_whole_team(self, team, world):
        assert self.affected(team, model=world["churn"])[0] == ("churn", 1, "it is about this model")
        endpoint = make_endpoint(world["churn"], slug="churn-live")
        assert self.affected(team, endpoint=endpoint)[0] == ("churn", 1, "it serves at churn-live")
        assert {distance for _, distance, _ in self.affected(team)} == {2}

    def test_it_takes_three_queries(self, team, world, django_assert_num_queries):
        event = report(team, source=world["bureau"])[0]

        with django_assert_num_queries(3):
            upstream.affected_by(event)


class TestCloudEvents:
    def test_another_body_is_none(self):
        assert upstream.from_cloudevent({}, {"kind": "deploy"}) is None

    @pytest.mark.parametrize(
        ("type", "kind"),
        [
            ("dev.cdevents.service.deployed.0.2.0", "deploy"),
            ("dev.cdevents.service.rolledback.0.2.0", "deploy"),
            ("dev.cdevents.environment.modified.0.2.0", "infrastructure"),
            ("dev.cdevents.incident.detected.0.2.0", "incident"),
        ],
    )
    def test_cdevents_name_their_kind(self, type, kind):
        data = {"context": {"id": "x"}, "subject": {"id": "pos-api", "source": "their words"}}
        body = {"specversion": "1.0", "id": "7", "source": "/tekton", "type": type, "data": data}

        values = upstream.from_cloudevent({}, body)

        assert (values["kind"], values["origin"], values["event_id"]) == (kind, "/tekton", "7")
        assert values["title"].endswith(": pos-api")
        assert "source" not in values
        assert values["payload"]["data"]["subject"]["id"] == "pos-api"

    @pytest.mark.parametrize("type", ["dev.cdevents.environment.created.0.2.0", "com.example.changed"])
    def test_another_type_needs_its_kind_in_the_data(self, type):
        body = {"specversion": "1.0", "id": "7", "source": "/x", "type": type}
        with pytest.raises(Invalid, match="put `kind` into the data"):
            upstream.from_cloudevent({}, body)

        assert upstream.from_cloudevent({}, body | {"data": {"kind": "policy"}})["kind"] == "policy"

    def test_binary_attributes_are_headers(self):
        headers = {
            "ce-specversion": "1.0",
            "ce-id": "7",
            "ce-source": "/caf%C3%A9",
            "ce-type": "com.example.changed",
            "ce-time": "2026-11-20T11:00:00Z",
            "ce-subject": "prices",
        }

        values = upstream.from_cloudevent(headers, {"kind": "business", "model": "credit", "extra": 1})

        assert values == {
            "kind": "business",
            "model": "credit",
            "origin": "/café",
            "event_id": "7",
            "title": "com example changed: prices",
            "started_at": "2026-11-20T11:00:00Z",
            "payload": {"type": "com.example.changed", "data": {"extra": 1}},
        }

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"specversion": "0.3"}, "has to be 1.0"),
            ({"id": ""}, "attribute id"),
            ({"source": 7}, "attribute source"),
            ({"type": None}, "attribute type"),
            ({"data": [1]}, "JSON object"),
            ({"data_base64": "eA=="}, "not as base64"),
        ],
    )
    def test_a_damaged_envelope_is_told(self, change, says):
        body = {"specversion": "1.0", "id": "7", "source": "/x", "type": "a.b", "data": {"kind": "deploy"}} | change

        with pytest.raises(Invalid, match=says):
            upstream.from_cloudevent({}, body)


class TestCommand:
    def run(self, *words):
        out = StringIO()
        call_command("report_change", *words, stdout=out)
        return out.getvalue()

    def test_it_reports_once(self, team):
        make_model(team=team, slug="credit")
        words = ("risk", "New prices", "--kind", "policy", "--model", "credit", "--origin", "erp", "--event-id", "7")

        assert self.run(*words).startswith("Reported: New prices")
        assert self.run(*words).startswith("Known before: New prices")
        assert ChangeEvent.objects.get().model.slug == "credit"

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("nope", "x", "--kind", "policy"), "There is no team nope"),
            (("risk", "x", "--kind", "policy", "--source", "nope"), "does not exist in Risk"),
            (("risk", "x", "--kind", "policy", "--since", "yesterday"), "Write a time such as"),
            (("risk", "x", "--kind", "policy", "--since", "2001-01-01T00:00:00Z"), "over 400 days ago"),
        ],
    )
    def test_what_will_not_do_is_said(self, team, words, says):
        with pytest.raises(CommandError, match=says):
            self.run(*words)

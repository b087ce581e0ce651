"""Manifests become the inventory, once, whole, and only of the own team."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

from mlops_portal.kit.errors import Refused
from registry import inventory, manifest, permissions
from registry.inventory import FeatureDraft
from registry.manifest import NotApplicable, Notes, Unfit
from registry.models import (
    AuditEntry,
    Consumer,
    Endpoint,
    Feature,
    RegisteredModel,
    Scope,
    Source,
    Tag,
)
from tests.factories import NOON, make_endpoint, make_key, make_model, make_source, make_team
from tests.registry.manifest.examples import CREDIT, small


def run(*texts, by="setup", verb=manifest.apply, **options):
    notes = Notes()
    loaded = [manifest.load_yaml(text.encode(), notes, f"m{i}.yaml") for i, text in enumerate(texts)]
    return verb(loaded, notes, by=by, now=NOON, **options)


def plan(*texts, **options):
    return run(*texts, verb=manifest.plan, **options)


def told(text, **options):
    with pytest.raises((Unfit, NotApplicable)) as raised:
        run(text, **options)
    return raised.value.told


@pytest.fixture
def people(alice, bob):
    return alice, bob


class TestTheExampleOfTheDesign:
    """All of section 7."""

    def test_everything_it_says_is_there_afterwards(self, team, people):
        made = run(CREDIT)

        assert [(each.sign, each.kind, each.name) for each in made.changes] == [
            ("+", "source", "bureau-feed"),
            ("+", "source", "ledger"),
            ("+", "model", "credit"),
            ("+", "endpoint", "credit-decision"),
            ("+", "consumer", "credit-decision/loan-desk"),
        ]
        feed = Source.objects.get(slug="bureau-feed")
        assert (feed.expected_lag_s, feed.latency, feed.managed_by) == (86_400, "batch", "credit")
        assert Source.objects.get(slug="ledger").fed_by == feed
        model = RegisteredModel.objects.get()
        assert (model.owner.username, model.deputy.username, model.risk) == ("alice", "bob", "high")
        assert (model.risk_reason, model.task, model.managed_by) == ("Automated refusal of credit.", "binary", "credit")
        assert model.output == {
            "score": "probability",
            "classes": ["repaid", "default"],
            "positive": "default",
            "range": [0, 1],
            "unit": None,
        }
        assert Tag.objects.get().value == "lending"
        income, region, employer, channel = model.features.order_by("position")
        assert (income.source.slug, income.allowed_min, income.rel_tolerance) == ("ledger", 0, 1e-6)
        assert (region.segment, region.categories) == (True, ["EU", "UK", "US"])
        assert (employer.required, employer.privacy, channel.kind) == (False, "hash", "context")
        endpoint = Endpoint.objects.get()
        assert (endpoint.environment_id, endpoint.alias, endpoint.managed_by) == ("production", "champion", "credit")
        assert (endpoint.slo_p95_ms, endpoint.slo_p99_ms, endpoint.timeout_ms) == (120, 300, 500)
        consumer = Consumer.objects.get()
        assert (consumer.use, consumer.criticality, consumer.contact) == ("assisted", "high", "loans@example.org")

    def test_a_second_time_changes_nothing(self, team, people):
        run(CREDIT)
        before = AuditEntry.objects.count()

        assert not plan(CREDIT)
        assert not run(CREDIT)
        assert AuditEntry.objects.count() == before

    def test_each_object_has_one_entry_in_the_trail(self, team, people):
        run(CREDIT)

        labels = list(AuditEntry.objects.order_by("seq").values_list("verb", "label"))
        assert labels[-5:] == [
            ("source.created", "bureau-feed"),
            ("source.created", "ledger"),
            ("model.registered", "credit"),
            ("endpoint.created", "credit-decision"),
            ("consumer.created", "loan-desk"),
        ]

        changed = CREDIT.replace("deputy: bob", "deputy: null").replace("min: 0,", "min: 10,")
        run(changed)

        entry = AuditEntry.objects.first()
        assert entry.verb == "model.changed"
        assert entry.changes["deputy"] == ["bob", None]
        assert entry.changes["feature income"][1]["allowed_min"] == 10
        assert AuditEntry.objects.exclude(pk=entry.pk).first().verb == "consumer.created"

    def test_a_plan_writes_nothing(self, team, people):
        before = AuditEntry.objects.count()

        found = plan(CREDIT)

        assert found
        assert found.sha256 == run(CREDIT).sha256
        assert AuditEntry.objects.count() > before

    def test_the_plan_alone_leaves_no_row(self, team, people):
        before = AuditEntry.objects.count()
        plan(CREDIT)

        assert not RegisteredModel.objects.exists()
        assert not Source.objects.exists()
        assert AuditEntry.objects.count() == before

    def test_the_plan_reads_like_the_manifest(self, team, people):
        run(CREDIT)
        changed = (
            CREDIT.replace("p95_ms: 120", "p95_ms: 100")
            .replace("24h", "90m")
            .replace("{domain: lending}", "{domain: null, tier: gold}")
            .replace("deputy: bob", "deputy: null")
            .replace(", privacy: hash", ", privacy: drop")
        )

        assert plan(changed).text().splitlines() == [
            "~ source bureau-feed",
            "    expected_lag: 1d → 90m",
            "~ model credit",
            "    deputy: bob → —",
            '    features.employer: {"dtype": "text", "required": false, "privacy": "hash"} → '
            '{"dtype": "text", "required": false, "privacy": "drop"}',
            "    tags.domain: lending → —",
            "    tags.tier: — → gold",
            "~ endpoint credit-decision",
            "    slo.p95_ms: 120 → 100",
            "3 to change.",
        ]


class TestWhatIsLeftOut:
    """Left alone; null empties; a list of features is the whole list."""

    def test_a_key_that_is_left_out_is_left_alone(self, team, people):
        run(CREDIT)
        tail = (
            "models: [{slug: credit, features: [{name: income}, {name: region}, {name: employer}, {name: channel}]}]\n"
        )

        assert not plan(small(tail))

    def test_null_empties(self, team, people):
        run(CREDIT)

        run(
            small(
                "sources:\n  - {slug: ledger, fed_by: null, latency: null}\n"
                "models:\n  - {slug: credit, owner: null, purpose: null, risk: null, output: null, features: null,\n"
                "     endpoints: [{slug: credit-decision, slo: null, alias: null, location: null,\n"
                "       consumers: [{name: loan-desk, contact: null}]}]}\n"
            )
        )

        source, model, endpoint = (
            Source.objects.get(slug="ledger"),
            RegisteredModel.objects.get(),
            Endpoint.objects.get(),
        )
        assert (source.fed_by, source.latency) == (None, "")
        assert (model.owner, model.purpose, model.risk, model.risk_reason) == (None, "", "unrated", "")
        assert (model.deputy.username, model.output["classes"]) == ("bob", ["0", "1"])
        assert not Feature.objects.current().exists()
        assert (endpoint.slo_p95_ms, endpoint.timeout_ms, endpoint.alias, endpoint.location) == (None, None, "", "")
        assert Consumer.objects.get().contact == ""

    def test_a_feature_that_is_not_listed_goes(self, team, people):
        run(CREDIT)

        found = run(small("models:\n  - {slug: credit, features: [{name: region}, {name: income}]}\n"))

        assert [each.name for each in Feature.objects.current()] == ["region", "income"]
        assert found.changes[0].fields["features.employer"][1] is None

    def test_another_order_is_a_change(self, team, people):
        run(small("models:\n  - {slug: m, name: M, features: [{name: a, dtype: text}, {name: b, dtype: text}]}\n"))

        found = run(small("models:\n  - {slug: m, features: [{name: b}, {name: a}]}\n"))

        assert found.changes[0].fields == {"features": (["a", "b"], ["b", "a"])}
        assert [each.name for each in Feature.objects.current()] == ["b", "a"]

    def test_other_tags_stay(self, team):
        run(small("models:\n  - {slug: m, name: M, tags: {a: x, b: y}}\n"))

        run(small("models:\n  - {slug: m, tags: {a: null, c: z}}\n"))

        assert dict(Tag.objects.values_list("key", "value")) == {"b": "y", "c": "z"}


class TestWhose:
    """Objects of other teams and other manifests."""

    def test_an_object_of_another_team_is_not_ours(self, team, other_team):
        model = make_model(team=other_team, slug="credit")
        make_endpoint(model, slug="live")
        make_source(other_team, slug="ledger")
        text = small(
            "sources:\n  - {slug: ledger, name: L, kind: log}\n"
            "models:\n  - {slug: credit, name: C}\n"
            "  - {slug: mine, name: Mine, endpoints: [{slug: live, environment: production}]}\n"
        )

        with pytest.raises(NotApplicable) as raised:
            run(text)

        assert (raised.value.status, raised.value.code) == (409, "not_your_manifest")
        assert [fault.pointer for fault in raised.value.faults] == [
            "/sources/0/slug",
            "/models/0/slug",
            "/models/1/endpoints/0/slug",
        ]
        assert "other" not in raised.value.detail.lower().replace("another", "")
        assert not RegisteredModel.objects.filter(slug="mine").exists()

    def test_a_source_of_another_team_does_not_exist(self, team, other_team):
        make_source(other_team, slug="ledger")

        lines = told(small("models:\n  - {slug: m, name: M, features: [{name: a, dtype: text, source: ledger}]}\n"))

        assert lines == ("m0.yaml:5: models[0].features[0].source: Risk has no source 'ledger'; add it under sources.",)

    def test_an_object_of_another_manifest_stays_there(self, team, people):
        run(CREDIT)

        with pytest.raises(NotApplicable, match="kept by the manifest credit") as raised:
            run(CREDIT.replace("name: credit  ", "name: other  "))

        assert raised.value.code == "not_your_manifest"
        assert len(raised.value.faults) == 3  # two sources and the model; what stands below is not reached

    def test_a_manifest_without_a_name_keeps_nothing_and_changes_nothing_that_is_kept(self, team, people):
        run(CREDIT)
        unnamed = CREDIT.replace("name: credit                 # written to managed_by\n", "", 1)

        assert not plan(unnamed)
        with pytest.raises(NotApplicable, match="kept by the manifest credit"):
            run(unnamed.replace("deputy: bob", "deputy: null"))

    def test_what_nobody_keeps_is_taken_over_and_said_so(self, team):
        make_source(team, slug="ledger")

        found = run(small("sources:\n  - {slug: ledger, latency: batch}\n"))

        assert found.changes[0].fields == {"latency": ("", "batch"), "manifest": ("", "credit")}
        assert Source.objects.get().managed_by == "credit"

    def test_an_endpoint_does_not_move(self, team):
        make_endpoint(make_model(team=team, slug="a"), slug="live")
        make_model(team=team, slug="b")

        lines = told(small("models:\n  - {slug: b, endpoints: [{slug: live}]}\n"))

        assert "belongs to the model a; an endpoint does not move" in lines[0]

    def test_what_is_retired_stays_so(self, team):
        inventory.retire_source(make_source(team, slug="ledger"), base=1, by="setup", now=NOON)

        assert "ledger is retired; give the new one another slug" in told(small("sources:\n  - {slug: ledger}\n"))[0]

    def test_a_team_that_one_does_not_see_does_not_exist(self, team, charlie):
        with pytest.raises(Unfit, match="There is no team risk"):
            run(small("models: []\n"), by=charlie)

    def test_a_viewer_may_not(self, team, victor):
        with pytest.raises(Refused):
            run(small("models: []\n"), by=victor)

    def test_a_key_of_one_model_may_not(self, team):
        text = make_key(team=team, scopes=[Scope.REGISTRY], model=make_model(team=team))

        with pytest.raises(Refused, match="bound to one model"):
            run(small("models: []\n"), by=permissions.authenticate_key(text, NOON))


class TestPruning:
    """--prune retires what the manifest kept and describes no more."""

    def test_what_is_gone_is_retired_and_nothing_deleted(self, team, people):
        run(CREDIT)
        make_source(team, slug="by-hand")

        found = run(small("models: []\n"), prune=True)

        assert [(each.action, each.kind, each.name) for each in found.changes] == [
            ("retire", "consumer", "credit-decision/loan-desk"),
            ("retire", "endpoint", "credit-decision"),
            ("retire", "model", "credit"),
            ("retire", "source", "ledger"),
            ("retire", "source", "bureau-feed"),
        ]
        assert RegisteredModel.objects.get().lifecycle == "retired"
        assert set(Source.objects.active().values_list("slug", flat=True)) == {"by-hand"}
        assert not Endpoint.objects.active().exists()
        assert not run(small("models: []\n"), prune=True)

    def test_without_it_everything_stays(self, team, people):
        run(CREDIT)

        assert not run(small("models: []\n"))

    def test_a_manifest_without_a_name_prunes_nothing(self, team):
        assert "Only a manifest with a name prunes" in told("portal: inventory/v1\nteam: risk\n", prune=True)[0]

    def test_files_of_one_name_count_as_one(self, team):
        one = small("sources:\n  - {slug: a, name: A, kind: log}\n")
        two = small("sources:\n  - {slug: b, name: B, kind: log, fed_by: a}\n")

        assert run(two, one, prune=True)
        assert not plan(one, two, prune=True)
        assert [each.name for each in plan(one, prune=True).changes] == ["b"]

    def test_a_source_that_is_still_read_stays(self, team, people):
        run(CREDIT)
        make_model(
            team=team,
            slug="by-hand",
            features=[FeatureDraft(name="x", dtype="number", source=Source.objects.get(slug="ledger"))],
        )

        with pytest.raises(NotApplicable, match="by-hand still read from ledger") as raised:
            run(small("models: []\n"), prune=True)

        assert "source_in_use" in {fault.code for fault in raised.value.faults}
        assert RegisteredModel.objects.get(slug="credit").lifecycle == "draft"

    def test_retiring_takes_the_right(self, team, people):
        run(CREDIT)
        contributor = make_key(team=team, scopes=[Scope.REGISTRY], role="contributor")

        with pytest.raises(Refused):
            run(small("models: []\n"), prune=True, by=permissions.authenticate_key(contributor, NOON))


class TestFaults:
    """All of them, each with file, line, field and remedy."""

    def test_faults_of_every_kind_are_told_together(self, team, alice):
        text = small(
            "sources:\n"
            "  - {slug: Bad Slug, name: X, kind: database}\n"
            "  - {slug: fed, name: F, kind: log, fed_by: nowhere}\n"
            "models:\n"
            "  - slug: credit\n"
            "    nmae: Credit\n"
            "    owner: nobody\n"
            "  - slug: pricing\n"
            "    name: Pricing\n"
            "    owner: zoe\n"
            "    features:\n"
            "      - {name: a}\n"
            "      - {name: b, dtype: number, min: 3, max: 1}\n"
            "    endpoints:\n"
            "      - slug: live\n"
            "        slo: {p95_ms: fast}\n"
            "  - slug: third\n"
            "    name: Third\n"
            "    features: [{name: x, dtype: number, min: 3, max: 1}]\n"
            "    endpoints:\n"
            "      - {slug: other-live, environment: moon}\n"
        )

        lines = told(text)

        assert set(lines) == {
            "m0.yaml:5: sources[0].slug: 'Bad Slug' will not do: Small letters, digits, - and _, at most 63 "
            "characters, starting with a letter or digit.",
            "m0.yaml:5: sources[0].kind: 'database' is none of log, stream, table, api, feature_store, file.",
            "m0.yaml:6: sources[1].fed_by: Risk has no source 'nowhere'; add it under sources.",
            "m0.yaml:9: models[0].nmae: There is no key 'nmae' here; did you mean name?",
            "m0.yaml:13: models[1].owner: There is no user 'zoe'; create the account first, or leave owner out.",
            "m0.yaml:15: models[1].features[0]: dtype is missing; a new feature needs it.",
            "m0.yaml:19: models[1].endpoints[0].slo.p95_ms: This takes a whole number, not a text.",
            "m0.yaml:22: models[2].features[0].min: The range 3 to 1 runs backwards; swap the bounds.",
        }

    def test_a_circle_is_told_where_it_can_be_opened(self, team):
        lines = told(
            small(
                "sources:\n"
                "  - {slug: a, name: A, kind: log, fed_by: c}\n"
                "  - {slug: b, name: B, kind: log, fed_by: a}\n"
                "  - {slug: c, name: C, kind: log, fed_by: b}\n"
            )
        )

        assert lines == (
            "m0.yaml:5: sources[0].fed_by: A source would feed itself: a ← c ← b ← a. Take one fed_by out.",
        )

    def test_feeds_may_be_turned_around(self, team):
        a = "  - {slug: a, name: A, kind: log, fed_by: %s}\n"
        b = "  - {slug: b, name: B, kind: log, fed_by: %s}\n"
        run(small("sources:\n" + a % "null" + b % "a"))

        run(small("sources:\n" + a % "b" + b % "null"))

        assert Source.objects.get(slug="a").fed_by.slug == "b"
        assert Source.objects.get(slug="b").fed_by is None

    def test_an_object_described_twice_is_told_with_both_lines(self, team):
        lines = told(small("sources:\n  - {slug: a, name: A, kind: log}\n  - {slug: a, name: B, kind: log}\n"))

        assert lines == (
            "m0.yaml:6: sources[1].slug: The source a is described twice, first at m0.yaml:5; remove one.",
        )

    def test_one_fault_stops_everything(self, team):
        told(small("sources:\n  - {slug: good, name: G, kind: log}\n  - {slug: bad, name: B, kind: x}\n"))

        assert not Source.objects.exists()

    def test_a_taken_name_is_a_conflict(self, team, other_team):
        make_model(team=other_team, slug="x", name="Credit")

        with pytest.raises(NotApplicable) as raised:
            run(small("models:\n  - {slug: credit, name: Credit}\n"))

        assert (raised.value.code, raised.value.faults[0].pointer) == ("name_taken", "/models/0/name")

    def test_a_contributor_renames_nothing(self, team, people):
        run(CREDIT)
        contributor = make_key(team=team, scopes=[Scope.REGISTRY], role="contributor")

        with pytest.raises(Refused):
            run(
                CREDIT.replace("    name: credit\n", "    name: loans\n"),
                by=permissions.authenticate_key(contributor, NOON),
            )

    def test_a_plan_that_moved_is_not_applied(self, team, people):
        seen = plan(CREDIT).sha256
        make_source(team, slug="ledger")

        with pytest.raises(manifest.applying.Conflict, match="changed since this plan") as raised:
            run(CREDIT, seen=seen)

        assert raised.value.code == "plan_moved"
        assert not RegisteredModel.objects.exists()

    def test_many_models_take_few_queries_when_nothing_changes(self, team, django_assert_max_num_queries):
        body = "models:\n" + "".join(
            f"  - {{slug: m{i}, name: M{i}, tags: {{a: b}}, features: [{{name: x, dtype: text}}],"
            f" endpoints: [{{slug: e{i}, environment: staging}}]}}\n"
            for i in range(20)
        )
        run(small(body))

        with django_assert_max_num_queries(14):
            assert not plan(small(body))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_several_who_apply_at_once_nobody_applies_half():
    make_team("risk")
    body = "sources:\n  - {slug: ledger, name: L, kind: log}\nmodels:\n" + "".join(
        f"  - {{slug: m{i}, name: M{i}, features: [{{name: a, dtype: text, source: ledger}}]}}\n" for i in range(5)
    )

    def apply(_):
        try:
            return len(run(small(body)).changes)
        except (NotApplicable, OperationalError):  # somebody else was faster; a second try finds it done
            return -1
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(apply, range(4)))

    assert done.count(6) == 1
    assert set(done) <= {6, 0, -1}
    assert not run(small(body))
    assert RegisteredModel.objects.count() == 5
    assert AuditEntry.objects.filter(verb__in=["source.created", "model.registered"]).count() == 6

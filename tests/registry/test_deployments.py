"""Revisions: what activating does, all of it or nothing, and who wins a race."""

import ast
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from mlops_portal.jobs.models import Job
from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale
from registry import deployments, inventory
from registry.deployments import ApprovalRequired, Arm, Authority, BaseMoved, Plan
from registry.deployments.plan import canonical, sha256
from registry.models import (
    Alias,
    AuditEntry,
    ChangeEvent,
    Deployment,
    DeploymentArm,
    Endpoint,
    RegisteredModel,
    ServingPointer,
)
from registry.serving import VersionInUse
from tests.factories import NOON, make_deployment, make_endpoint, make_model, make_team, make_user, make_version

ROOT = Path(__file__).resolve().parents[2]
SECOND = timedelta(seconds=1)
CANARY = Plan(
    arms=(Arm("main", "primary", 1, 9_000), Arm("new", "canary", 2, 1_000), Arm("mirror", "shadow", 3, 0, 5_000)),
    decision_rule={
        "kind": "bands",
        "score": "probability",
        "bands": [{"from": 0, "action": "approve"}, {"from": 0.4, "action": "review"}],
    },
    fallback={"kind": "action", "action": "review"},
)


@pytest.fixture
def model(team):
    made = make_model(team=team, slug="credit", features=[("region", "category")])
    for _ in range(3):
        make_version(made)
    return made


@pytest.fixture
def endpoint(model):
    """An endpoint in staging, where one person suffices."""
    return make_endpoint(model, slug="credit-decision", environment="staging", alias="champion")


@pytest.fixture
def live(model):
    """An endpoint in production, where nobody acts alone, at revision 1 with version 1."""
    made = make_endpoint(model, slug="credit-live", environment="production", alias="champion")
    make_deployment(made, 1)
    return made


def activate(endpoint, plan, by, base=0, at=NOON):
    return deployments.activate(endpoint, plan, base=base, authority=Authority.of_person(by), now=at)


def alias_of(model, name="champion"):
    return Alias.objects.open().filter(model=model, name=name).values_list("version__number", flat=True).first()


def test_activating_serves_the_plan_as_the_next_revision(endpoint, model, alice):
    deployment = activate(endpoint, CANARY, alice)

    assert (deployment.revision, deployment.base_revision, deployment.strategy) == (1, 0, "canary")
    assert (deployment.has_shadow, deployment.created_by) == (True, "alice")
    pointer = ServingPointer.objects.get(endpoint=endpoint)
    assert (pointer.revision, pointer.deployment_id) == (1, deployment.pk)
    arms = deployment.arms.values_list("label", "role", "version__number", "weight_bps", "mirror_bps")
    assert list(arms) == [
        ("main", "primary", 1, 9_000, 0),
        ("new", "canary", 2, 1_000, 0),
        ("mirror", "shadow", 3, 0, 5_000),
    ]


def test_the_document_is_canonical_and_its_hash_covers_all_but_itself(endpoint, alice):
    deployment = activate(endpoint, CANARY, alice)

    document = json.loads(deployment.document)
    assert deployment.document == canonical(document)
    claimed = document.pop("sha256")
    assert claimed == deployment.sha256 == sha256(canonical(document))
    assert document["ttl_s"] == 900
    assert document["routing"] == {"unit": "request_id", "salt": endpoint.routing_salt}
    assert document["decision_rule"]["bands"][0] == {"from": 0.0, "action": "approve"}
    assert Plan.of(deployment) == replace(CANARY, decision_rule=document["decision_rule"])


def test_activating_brings_alias_stage_lifecycle_change_event_and_audit_along(endpoint, model, alice):
    activate(endpoint, Plan.single(1), alice)
    second = activate(endpoint, Plan.single(2), alice, base=1, at=NOON + SECOND)

    model.refresh_from_db()
    assert model.lifecycle == RegisteredModel.Lifecycle.LIVE
    assert list(model.versions.order_by("number").values_list("stage", flat=True)) == ["Archived", "Staging", "None"]
    rows = Alias.objects.filter(model=model).order_by("set_at").values_list("version__number", "ended_at", "set_by")
    assert list(rows) == [(1, NOON + SECOND, "alice"), (2, None, "alice")]
    assert Alias.objects.open().get(model=model).deployment == second
    event = ChangeEvent.objects.get(event_id=f"deployment:{second.pk}")
    assert (event.kind, event.title, event.endpoint) == ("deploy", "credit-decision rev 2: version 2", endpoint)
    entry = AuditEntry.objects.filter(verb="deployment.activated").first()
    assert (entry.changes["revision"], entry.object_id) == ([1, 2], str(second.pk))


def test_a_stage_stays_while_another_endpoint_of_the_environment_serves_the_version(endpoint, model, alice):
    other = make_endpoint(model, environment="staging")
    activate(endpoint, Plan.single(1), alice)
    activate(other, Plan.single(1), alice)

    activate(endpoint, Plan.single(2), alice, base=1)

    assert list(model.versions.order_by("number").values_list("stage", flat=True)) == ["Staging", "Staging", "None"]


def test_a_stale_base_changes_nothing_and_says_what_won(endpoint, alice, bob):
    activate(endpoint, Plan.single(1), alice)
    activate(endpoint, Plan.single(2), bob, base=1)

    with pytest.raises(BaseMoved, match="no longer serves revision 1 but 2, by bob") as refusal:
        activate(endpoint, Plan.single(3), alice, base=1)

    assert endpoint.deployments.count() == 2
    members = refusal.value.members()
    assert members["revision"] == 2
    assert {"path": "arms.main.version", "was": "1", "now": "2"} in members["changed"]
    with pytest.raises(BaseMoved, match="never activated"):
        activate(make_endpoint(endpoint.model, environment="staging"), Plan.single(1), alice, base=3)


def test_the_conditional_update_decides_although_the_read_came_too_early(endpoint, alice, monkeypatch):
    activate(endpoint, Plan.single(1), alice)
    check = deployments.activation.check

    def overtaken(*args):
        checked = check(*args)
        monkeypatch.setattr(deployments.activation, "check", check)
        return checked

    real = deployments.activation._require_approved

    def act_first(*args):
        monkeypatch.setattr(deployments.activation, "_require_approved", real)
        activate(endpoint, Plan.single(2), alice, base=1)

    monkeypatch.setattr(deployments.activation, "check", overtaken)
    monkeypatch.setattr(deployments.activation, "_require_approved", act_first)
    with pytest.raises(BaseMoved):
        activate(endpoint, Plan.single(3), alice, base=1)

    assert list(endpoint.deployments.order_by("revision").values_list("revision", flat=True)) == [1, 2]
    assert alias_of(endpoint.model) == 2


def test_a_person_cannot_serve_alone_where_approval_is_needed(live, alice):
    with pytest.raises(ApprovalRequired, match="approval of a second person") as refusal:
        activate(live, Plan.single(2), alice, base=1)

    error = refusal.value
    assert (error.status, error.code) == (403, "approval_required")
    assert error.url.endswith(f"/decisions/intent/{error.intent_id}/")
    assert live.deployments.count() == 1
    wanted = deployments.intent(error.intent_id)
    assert (wanted.kind, wanted.base, wanted.plan.content()) == ("activate", 1, Plan.single(2).content())


def test_the_same_intent_has_one_id_and_one_audit_entry(live, alice, bob):
    def refused(by, version):
        with pytest.raises(ApprovalRequired) as refusal:
            activate(live, Plan.single(version), by, base=1)
        return refusal.value.intent_id

    assert refused(alice, 2) == refused(alice, 2)
    assert len({refused(alice, 2), refused(bob, 2), refused(alice, 3)}) == 3
    assert AuditEntry.objects.filter(verb="deployment.refused").count() == 3


def test_a_refused_activation_orders_the_proposal_only_where_one_is_made(live, alice, settings):
    with pytest.raises(ApprovalRequired):
        activate(live, Plan.single(2), alice, base=1)
    assert not Job.objects.exists()

    settings.INTENT_JOBS = ["review.propose_from_intent"]
    with pytest.raises(ApprovalRequired) as refusal:
        activate(live, Plan.single(3), alice, base=1)
    assert Job.objects.get().payload == {"intent": str(refusal.value.intent_id)}


def test_a_viewer_is_refused_without_a_way_on(live, victor):
    with pytest.raises(Refused, match="you are viewer") as refusal:
        activate(live, Plan.single(2), victor, base=1)

    assert not isinstance(refusal.value, ApprovalRequired)


def test_an_approved_decision_serves_exactly_what_was_approved_and_only_once(live):
    plan = Plan.single(2)
    authority = Authority.of_decision(uuid4(), plan.content_sha())

    deployment = deployments.activate(live, plan, base=1, authority=authority, now=NOON)

    assert deployment.decision_id == authority.decision_id
    with pytest.raises(Conflict, match="applied before"):
        deployments.activate(live, plan, base=2, authority=authority, now=NOON)
    with pytest.raises(Conflict, match="not the one that was approved"):
        deployments.activate(live, Plan.single(3), base=2, authority=authority, now=NOON)
    assert live.deployments.count() == 2
    assert ServingPointer.objects.get(endpoint=live).revision == 2


def test_promoting_replaces_the_primary_and_ends_its_canary(endpoint, model, alice):
    activate(endpoint, CANARY, alice)
    authority, second = Authority.of_person(alice), model.versions.get(number=2)

    promoted = deployments.promote(endpoint, second, base=1, authority=authority, now=NOON)

    assert Plan.of(promoted).arms == (Arm("main", "primary", 2, 10_000), Arm("mirror", "shadow", 3, 0, 5_000))
    assert deployments.promote(endpoint, second, base=0, authority=authority, now=NOON) == promoted
    with pytest.raises(Invalid, match="not the model"):
        deployments.promote(endpoint, make_version(), base=2, authority=authority, now=NOON)


def test_nothing_is_promoted_where_no_primary_serves(endpoint, model, alice):
    authority, first = Authority.of_person(alice), model.versions.get(number=1)
    with pytest.raises(Conflict, match="serves nothing"):
        deployments.promote(endpoint, first, base=0, authority=authority, now=NOON)
    activate(endpoint, Plan(arms=(Arm("a", "variant", 1, 5_000), Arm("b", "variant", 2, 5_000))), alice)

    with pytest.raises(Conflict, match="runs an A/B test"):
        deployments.promote(endpoint, first, base=1, authority=authority, now=NOON)
    assert alias_of(model) is None


def test_a_rollback_is_a_new_revision_with_the_old_plan(endpoint, alice):
    first = activate(endpoint, CANARY, alice)
    activate(endpoint, Plan.single(2), alice, base=1)

    again = deployments.roll_back(endpoint, to=1, base=2, authority=Authority.of_person(alice), now=NOON, reason="bad")

    assert (again.revision, again.copied_from, again.reason) == (3, 1, "bad")
    assert Plan.of(again) == Plan.of(first)


def test_a_rollback_to_what_cannot_serve_any_more_names_every_reason(endpoint, model, alice):
    activate(endpoint, CANARY, alice)
    activate(endpoint, Plan.single(3), alice, base=1)
    inventory.block_version(model.versions.get(number=1), reason="leaks", by=alice, now=NOON)
    model.versions.filter(number=2).update(deleted_at=NOON)

    with pytest.raises(Invalid) as refusal:
        deployments.roll_back(endpoint, to=1, base=2, authority=Authority.of_person(alice), now=NOON)

    told = {fault.pointer: fault.detail for fault in refusal.value.faults}
    assert told == {
        "/arms/0/version": "Version 1 of credit is blocked: leaks",
        "/arms/1/version": "Version 2 of credit is deleted; choose another.",
    }


@pytest.mark.parametrize("to", [0, 2, -1, 2**40])
def test_there_is_no_way_back_to_a_revision_that_never_was(endpoint, model, alice, to):
    activate(endpoint, Plan.single(1), alice)
    other = make_endpoint(model, environment="staging")
    activate(other, Plan.single(1), alice)
    activate(other, Plan.single(2), alice, base=1)

    with pytest.raises(Invalid, match="never had a revision") as refusal:
        deployments.roll_back(endpoint, to=to, base=1, authority=Authority.of_person(alice), now=NOON)

    assert (refusal.value.code, refusal.value.status) == ("plan_invalid", 422)


def test_switching_off_keeps_the_fallback_action_and_ends_the_alias(endpoint, model, alice):
    activate(endpoint, CANARY, alice)

    off = deployments.switch_off(endpoint, base=1, authority=Authority.of_person(alice), now=NOON)

    assert (off.strategy, off.arms.count(), off.fallback) == ("off", 0, {"kind": "action", "action": "review"})
    assert alias_of(model) is None
    assert deployments.endpoints_serving(model) == []


def test_what_served_at_a_moment_is_one_query(endpoint, alice, django_assert_num_queries):
    first = activate(endpoint, Plan.single(1), alice)
    second = activate(endpoint, Plan.single(2), alice, base=1, at=NOON + 60 * SECOND)

    with django_assert_num_queries(4):
        found = [deployments.served_at(endpoint, NOON + seconds * SECOND) for seconds in (-1, 0, 59, 60)]

    assert found == [None, first, first, second]


def test_a_clock_set_back_does_not_turn_history_around(endpoint, alice):
    activate(endpoint, Plan.single(1), alice)

    second = activate(endpoint, Plan.single(2), alice, base=1, at=NOON - timedelta(days=1))

    assert second.created_at == NOON
    assert deployments.served_at(endpoint, NOON) == second


def test_what_serves_cannot_be_retired_and_moves_to_no_other_environment(endpoint, model, alice):
    activate(endpoint, CANARY, alice)

    assert deployments.endpoints_serving(model) == ["credit-decision"]
    assert deployments.endpoints_serving(model.versions.get(number=3)) == ["credit-decision"]
    with pytest.raises(VersionInUse):
        inventory.retire_endpoint(endpoint, base=1, by=alice, now=NOON)
    for patch in ({"environment": "development"}, {"alias": "other"}):
        with pytest.raises(Conflict, match="switch it off before"):
            inventory.edit_endpoint(endpoint, patch, base=1, by=alice, now=NOON)
    endpoint.refresh_from_db()
    deployments.switch_off(endpoint, base=1, authority=Authority.of_person(alice), now=NOON)
    assert inventory.retire_endpoint(endpoint, base=1, by=alice, now=NOON).retired_at == NOON
    with pytest.raises(Conflict, match="retired"):
        activate(Endpoint.objects.get(pk=endpoint.pk), Plan.single(1), alice, base=2)


def test_an_endpoint_that_changed_place_since_it_was_read_serves_nothing(endpoint, alice):
    read = Endpoint.objects.select_related("model__team", "environment").get(pk=endpoint.pk)
    inventory.edit_endpoint(endpoint, {"environment": "production"}, base=1, by=alice, now=NOON)

    with pytest.raises(Conflict, match="environment or alias changed"):
        activate(read, Plan.single(1), alice)

    assert not Deployment.objects.exists()
    assert ServingPointer.objects.get(endpoint=endpoint).revision == 0


def test_one_alias_mirrors_one_endpoint_of_a_model(endpoint, model, alice):
    with pytest.raises(Conflict, match="mirrors another endpoint"):
        make_endpoint(model, alias="champion")
    other = make_endpoint(model)
    with pytest.raises(Conflict, match="mirrors another endpoint"):
        inventory.edit_endpoint(other, {"alias": "champion"}, base=1, by=alice, now=NOON)
    with pytest.raises(Stale):
        inventory.edit_endpoint(other, {"alias": "other"}, base=9, by=alice, now=NOON)


@pytest.mark.parametrize("table", [Deployment, DeploymentArm], ids=["revision", "arm"])
def test_the_database_itself_keeps_revisions(endpoint, alice, table):
    activate(endpoint, Plan.single(1), alice)
    changed = {"reason": "x"} if table is Deployment else {"label": "x"}

    for change in (lambda: table.objects.update(**changed), lambda: table.objects.all()._raw_delete("default")):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            change()

    assert table.objects.count() == 1


def row(endpoint, **fields):
    values = {"revision": 1, "base_revision": 0, "strategy": "off", "document": "{}", "sha256": "0" * 64}
    return Deployment(endpoint=endpoint, created_at=NOON, created_by="x", **values | fields)


ONCE = {"decision_id": UUID(int=1)}


@pytest.mark.parametrize(
    ("constraint", "first", "second"),
    [
        ("revision_follows_its_base", None, {"revision": 3, "base_revision": 1}),
        ("one_revision_per_number", {}, {}),
        ("a_decision_is_applied_once", ONCE, {"revision": 2, "base_revision": 1, **ONCE}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_database_refuses_revisions_that_cannot_be(endpoint, constraint, first, second):
    if first is not None:
        row(endpoint, **first).save()

    with pytest.raises(DatabaseError), transaction.atomic():
        row(endpoint, **second).save()


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "primary", "weight_bps": 10_001},
        {"role": "shadow", "mirror_bps": 10_001},
        {"role": "primary", "mirror_bps": 1},
        {"role": "shadow", "weight_bps": 1},
        {"role": "fallback", "weight_bps": 1},
        {"role": "primary", "label": "twice"},
    ],
    ids=["share", "mirror", "only shadows mirror", "shadow", "fallback", "label"],
)
def test_the_database_refuses_arms_that_cannot_be(endpoint, model, fields):
    deployment = row(endpoint)
    deployment.save()
    version = model.versions.get(number=1)
    DeploymentArm.objects.create(deployment=deployment, version=version, label="twice", role="primary")

    with pytest.raises(DatabaseError), transaction.atomic():
        DeploymentArm.objects.create(deployment=deployment, version=version, **{"label": "other", **fields})


def test_a_pointer_names_its_deployment(endpoint):
    with pytest.raises(DatabaseError), transaction.atomic():
        ServingPointer.objects.filter(endpoint=endpoint).update(revision=1)


def test_nobody_else_writes_pointers_revisions_arms_and_acknowledgements():
    tables = {"ServingPointer", "Deployment", "DeploymentArm", "Acknowledgement"}
    forms = "monitoring/forms.py"  # has an Acknowledgement of its own, of alerts
    writes = {"create", "bulk_create", "update", "delete", "get_or_create", "update_or_create", "bulk_update"}
    wrong = []
    for package in ("mlops_portal", "registry", "monitoring", "review"):
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if (
                "migrations" in path.parts
                or name.startswith("registry/deployments/")
                or name in {"registry/serving.py", forms}
            ):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                head, _, verb = called.rpartition(".")
                if called in tables or (verb in writes and any(f"{table}.objects" in head for table in tables)):
                    wrong.append(f"{name}:{node.lineno} {called}")
    assert wrong == []


def test_only_decisions_act_on_the_authority_of_a_decision():
    wrong = [
        str(path.relative_to(ROOT))
        for package in ("mlops_portal", "registry", "monitoring", "review")
        for path in (ROOT / package).rglob("*.py")
        if "of_decision(" in path.read_text(encoding="utf-8").replace("def of_decision(", "")
        and not str(path.relative_to(ROOT)).startswith("review/decisions")
    ]
    assert wrong == []


def test_activating_stays_within_its_queries(endpoint, alice, django_assert_max_num_queries):
    activate(endpoint, Plan.single(1), alice)
    read = Endpoint.objects.select_related("model__team", "environment").get(pk=endpoint.pk)

    with django_assert_max_num_queries(45):
        activate(read, Plan.single(2), alice, base=1)


@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "sqlite", reason="on PostgreSQL the race below is run as it is")
def test_the_race_has_one_winner_on_a_sqlite_file_too(tmp_path):
    """The database of the other tests lies in memory, where threads cannot wait for each other."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__, "-k", "of_sixteen", "-p", "no:cacheprovider"]
    environment = os.environ | {"TEST_DATABASE": str(tmp_path / "race.sqlite3")}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    assert "1 passed" in done.stdout, done.stdout[-2000:]


IN_MEMORY = connection.vendor == "sqlite" and not os.environ.get("TEST_DATABASE")


@pytest.mark.skipif(IN_MEMORY, reason="needs a file: see the test above")
@pytest.mark.django_db(transaction=True)
def test_of_sixteen_who_activate_at_once_exactly_one_wins():
    model = make_model(team=make_team("risk"))
    for _ in range(16):
        make_version(model)
    endpoint = make_endpoint(model, environment="staging", alias="champion")
    make_deployment(endpoint, 1)
    people = [make_user(team=model.team, role="contributor") for _ in range(16)]
    start, came_to = threading.Barrier(16), []

    def act(number, person):
        read = Endpoint.objects.select_related("model__team", "environment").get(pk=endpoint.pk)
        start.wait()
        try:
            came_to.append(activate(read, Plan.single(number), person, base=1))
        except BaseMoved as error:
            came_to.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act, args=(i + 1, person)) for i, person in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    won = [one for one in came_to if isinstance(one, Deployment)]
    lost = [one for one in came_to if isinstance(one, BaseMoved)]
    assert (len(won), len(lost)) == (1, 15)
    assert list(endpoint.deployments.order_by("revision").values_list("revision", flat=True)) == [1, 2]
    assert {error.members()["revision"] for error in lost} == {2}
    assert AuditEntry.objects.filter(verb="deployment.activated").count() == 2
    assert alias_of(model) == won[0].arms.get().version.number


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("single"), st.integers(1, 4)),
        st.tuples(st.just("canary"), st.integers(1, 3)),
        st.tuples(st.just("ab"), st.integers(1, 3)),
        st.tuples(st.just("back"), st.integers(0, 12)),
        st.tuples(st.just("off"), st.just(0)),
    ),
    max_size=8,
)


class Histories(PropertyCase):
    """Whatever is activated and rolled back in whatever order."""

    @given(acts=ACTS)
    def test_revisions_have_no_gap_hashes_fit_and_the_alias_follows(self, acts):
        model = make_model()
        for _ in range(4):
            make_version(model)
        endpoint = make_endpoint(model, environment="development", alias="champion")
        by = Authority.of_person("setup")
        for base, (act, n) in enumerate(acts):
            at = NOON + base * SECOND
            plans = {
                "single": Plan.single(n),
                "canary": Plan(arms=(Arm("main", "primary", n, 7_000), Arm("new", "canary", n + 1, 3_000))),
                "ab": Plan(arms=(Arm("a", "variant", n, 5_000), Arm("b", "variant", n + 1, 5_000))),
            }
            base = endpoint.deployments.count()
            if act == "off":
                deployments.switch_off(endpoint, base=base, authority=by, now=at)
            elif act == "back" and not 1 <= n <= base:
                with pytest.raises(Invalid):
                    deployments.roll_back(endpoint, to=n, base=base, authority=by, now=at)
            elif act == "back":
                deployments.roll_back(endpoint, to=n, base=base, authority=by, now=at)
            else:
                deployments.activate(endpoint, plans[act], base=base, authority=by, now=at)
            self.check(endpoint)

    def check(self, endpoint):
        rows = list(endpoint.deployments.order_by("revision"))
        assert [one.revision for one in rows] == list(range(1, len(rows) + 1))
        for one in rows:
            document = json.loads(one.document)
            claimed = document.pop("sha256")
            assert claimed == one.sha256 == sha256(canonical(document))
            if one.copied_from:
                assert Plan.of(one) == Plan.of(rows[one.copied_from - 1])
        if not rows:
            return
        primary = Plan.of(rows[-1]).primary
        assert alias_of(endpoint.model) == (primary.version if primary else None)
        spans = list(Alias.objects.filter(model=endpoint.model).order_by("set_at").values_list("set_at", "ended_at"))
        assert all(end is not None and end <= start for (_, end), (start, _) in pairwise(spans))


def test_endpoints_from_before_get_their_pointer_and_a_salt(endpoint):
    ServingPointer.objects.all().delete()
    Endpoint.objects.update(routing_salt="")
    migration = import_module("registry.migrations.0008_every_endpoint_has_a_pointer")

    migration.place_pointers(apps, None)
    migration.place_pointers(apps, None)

    endpoint.refresh_from_db()
    assert endpoint.pointer.revision == 0
    assert len(endpoint.routing_salt) == 16

"""Plans: what may be served and what not, with every reason at once."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_portal.kit.errors import Invalid
from registry import deployments
from registry.deployments import Arm, Plan
from registry.deployments.plan import canonical
from registry.inventory import FeatureDraft
from registry.models import Endpoint
from tests.factories import make_endpoint, make_model, make_version

MAIN = Arm("main", "primary", 1, 10_000)
SEGMENT = {"where": {"region": ["EU"]}, "bands": [{"from": 0, "action": "x"}]}
A, B = Arm("a", "variant", 1, 5_000), Arm("b", "variant", 2, 5_000)


def bands(*pairs, **others):
    return {"kind": "bands", "bands": [{"from": start, "action": action} for start, action in pairs], **others}


def read(endpoint):
    return Endpoint.objects.select_related("model__team", "environment").get(pk=endpoint.pk)


@pytest.fixture
def endpoint(team):
    drafts = [
        FeatureDraft(name="region", dtype="category", segment=True, categories=("EU", "UK")),
        FeatureDraft(name="age", dtype="integer", segment=True),
        FeatureDraft(name="note", dtype="text"),
    ]
    model = make_model(team=team, slug="credit", features=drafts)
    for _ in range(3):
        make_version(model)
    return read(make_endpoint(model, environment="staging"))


def faults(endpoint, plan):
    """Place and sentence of everything that is wrong with a plan."""
    try:
        deployments.check(endpoint, plan)
    except Invalid as error:
        code, found = error.code, error.faults
    else:
        return {}
    assert code == "plan_invalid"
    return {fault.pointer: fault.detail for fault in found}


@pytest.mark.parametrize(
    ("arms", "strategy"),
    [
        ((), "off"),
        ((MAIN,), "single"),
        ((replace(MAIN, weight_bps=1), Arm("new", "canary", 2, 9_999)), "canary"),
        ((A, B), "ab"),
        ((A, replace(B, weight_bps=2_500), Arm("c", "variant", 3, 2_500)), "ab"),
        ((MAIN, Arm("s1", "shadow", 2, 0, 1), Arm("s2", "shadow", 3, 0, 10_000)), "single"),
    ],
)
def test_these_arms_may_be_served(endpoint, arms, strategy):
    checked = deployments.check(endpoint, Plan(arms=arms))

    assert checked.plan.strategy == strategy


@pytest.mark.parametrize(
    ("arms", "place", "words"),
    [
        ((replace(MAIN, weight_bps=9_999),), "/arms", "add up to 9,999 basis points"),
        ((replace(MAIN, weight_bps=10_001),), "/arms/0/weight_bps", "1 to 10000"),
        ((replace(MAIN, weight_bps=-1),), "/arms/0/weight_bps", "1 to 10000"),
        ((MAIN, Arm("x", "canary", 2)), "/arms/1/weight_bps", "1 to 10000"),
        ((MAIN, Arm("x", "shadow", 2, 1, 1)), "/arms/1/weight_bps", "it takes no traffic"),
        ((MAIN, Arm("x", "shadow", 2)), "/arms/1/mirror_bps", "1 to 10000"),
        ((replace(MAIN, mirror_bps=1),), "/arms/0/mirror_bps", "only a shadow mirrors"),
        ((MAIN, replace(MAIN, label="x", weight_bps=1)), "/arms", "2 primary arms"),
        ((Arm("x", "shadow", 1, 0, 1),), "/arms", "0 primary arms"),
        ((replace(A, weight_bps=10_000),), "/arms", "at least two variants"),
        ((replace(MAIN, weight_bps=5_000), replace(B)), "/arms", "exclude each other"),
        ((A, replace(B, weight_bps=4_000), Arm("x", "canary", 3, 1_000)), "/arms", "canary needs a primary"),
        ((replace(MAIN, weight_bps=8_000), *(Arm(x, "canary", 2, 1_000) for x in "xy")), "/arms", "2 canary arms"),
        ((MAIN, *(Arm(x, "fallback", 2) for x in "xy")), "/arms", "2 fallback arms"),
        ((A, replace(B, label="a")), "/arms", "The label a stands at several arms"),
        ((replace(MAIN, label="Main"),), "/arms/0/label", "a-z, 0-9"),
        ((replace(MAIN, label=""),), "/arms/0/label", "a-z, 0-9"),
        ((replace(MAIN, role="boss"),), "/arms/0/role", "'boss' is none of"),
        ((replace(MAIN, version=9),), "/arms/0/version", "credit has no version 9"),
        ((replace(MAIN, version=0),), "/arms/0/version", "credit has no version 0"),
        ((replace(MAIN, version=2**40),), "/arms/0/version", "credit has no version"),
        ((MAIN, *(Arm(f"s{i}", "shadow", 2, 0, 1) for i in range(20))), "/arms", "21 arms; 20 is the most"),
    ],
)
def test_these_arms_may_not(endpoint, arms, place, words):
    found = faults(endpoint, Plan(arms=arms))

    assert words in found[place]


def test_versions_of_another_model_are_none_of_ours(endpoint):
    other = make_version(make_model(), number=5)

    assert faults(endpoint, Plan.single(other.number)) == {"/arms/0/version": "credit has no version 5."}


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_version_that_is_not_ready_does_not_serve(endpoint, status):
    endpoint.model.versions.filter(number=1).update(status=status)

    assert faults(endpoint, Plan.single(1)) == {"/arms/0/version": f"Version 1 of credit is {status}, not ready."}


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "none"},
        bands((0, "approve")),
        bands((0, "approve"), (1, "decline"), score="probability"),
        bands((0, "a"), segments=[{"where": {"region": ["EU"], "age": [1, 2.5, "x"]}, "bands": SEGMENT["bands"]}]),
        {"kind": "argmax"},
        {"kind": "argmax", "min_confidence": 1, "otherwise": "review"},
    ],
)  # fmt: skip
def test_these_rules_may_be_served(endpoint, rule):
    assert faults(endpoint, Plan(arms=(MAIN,), decision_rule=rule)) == {}


@pytest.mark.parametrize(
    ("rule", "place", "words"),
    [
        ({}, "kind", "is none of none, bands, argmax"),
        ({"kind": ["bands"]}, "kind", "is none of"),
        ({"kind": "none", "bands": []}, "bands", "takes kind"),
        ({"kind": "bands"}, "bands", "Give 1 to 50 bands"),
        (bands(), "bands", "Give 1 to 50 bands"),
        (bands(*((i / 100, "x") for i in range(51))), "bands", "Give 1 to 50 bands"),
        ({"kind": "bands", "bands": "0"}, "bands", "Give 1 to 50 bands"),
        ({"kind": "bands", "bands": [{"from": 0}]}, "bands/0", "exactly `from` and `action`"),
        ({"kind": "bands", "bands": [{"from": 0, "action": "a", "to": 1}]}, "bands/0", "exactly"),
        (bands((0.1, "x")), "bands/0/from", "begins at the low end of the score, 0, not at 0.1"),
        (bands((None, "x")), "bands/0/from", "is not a number"),
        (bands((0, "x"), (0.5, "y"), (0.5, "z")), "bands/2/from", "does not lie above 0.5"),
        (bands((0, "x"), (0.5, "y"), (0.4, "z")), "bands/2/from", "does not lie above 0.5"),
        (bands((0, "x"), (math.nan, "y")), "bands/1/from", "not a finite number"),
        (bands((0, "x"), (math.inf, "y")), "bands/1/from", "not a finite number"),
        (bands((0, "x"), (10**400, "y")), "bands/1/from", "not a finite number"),
        (bands((0, "x"), (-1, "y")), "bands/1/from", "does not lie above 0"),
        (bands((0, "x"), (2, "y")), "bands/1/from", "outside the score's range, 0 to 1"),
        (bands((0, "x"), (1e308, "y")), "bands/1/from", "outside the score's range, 0 to 1"),
        (bands((0, "x"), (True, "y")), "bands/1/from", "is not a number"),
        (bands((0, "x"), ("0.5", "y")), "bands/1/from", "is not a number"),
        (bands((0, "")), "bands/0/action", "An action is a short text"),
        (bands((0, "x" * 65)), "bands/0/action", "An action is a short text"),
        (bands((0, "a\nb")), "bands/0/action", "An action is a short text"),
        (bands((0, "x"), score="number"), "score", "gives a probability, not 'number'"),
        (bands((0, "x"), segments={}), "", ""),
        (bands((0, "x"), segments="EU"), "segments", "a list of up to 100"),
        (bands((0, "x"), segments=[SEGMENT] * 101), "segments", "a list of up to 100"),
        (bands((0, "x"), segments=[{"where": {}}]), "segments/0", "exactly `where` and `bands`"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {}}]), "segments/0/where", "names features with values"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {"note": ["x"]}}]), "segments/0/where/note", "are age, region"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {"region": []}}]), "segments/0/where/region", "Give 1 to 200"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {"region": ["FR"]}}]), "segments/0/where/region", "of EU, UK"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {"age": [1, 1]}}]), "segments/0/where/age", "stands twice"),
        (bands((0, "x"), segments=[SEGMENT | {"where": {"age": [None]}}]), "segments/0/where/age", "neither a text"),
        (bands((0, "x"), segments=[SEGMENT | {"bands": []}]), "segments/0/bands", "Give 1 to 50"),
        ({"kind": "argmax", "min_confidence": 1.1, "otherwise": "x"}, "min_confidence", "outside 0 to 1"),
        ({"kind": "argmax", "min_confidence": math.nan, "otherwise": "x"}, "min_confidence", "not a finite"),
        ({"kind": "argmax", "min_confidence": 0.5}, "otherwise", "An action is a short text"),
        ({"kind": "argmax", "otherwise": "x"}, "min_confidence", "is not a number"),
        ({"kind": "argmax", "limit": 1}, "limit", "takes kind, min_confidence, otherwise"),
    ],
)  # fmt: skip
def test_these_rules_may_not(endpoint, rule, place, words):
    found = faults(endpoint, Plan(arms=(MAIN,), decision_rule=rule))

    if words:
        assert words in found[f"/decision_rule/{place}"]
    else:
        assert found == {}


def test_a_rule_fits_what_the_model_answers(team):
    ranking = make_version(make_model(team=team, task="ranking"))
    number = make_version(make_model(team=team, task="regression"))
    at = [read(make_endpoint(one.model)) for one in (ranking, number)]

    assert "gives no score" in faults(at[0], Plan(arms=(MAIN,), decision_rule=bands((0, "x"))))["/decision_rule/score"]
    assert (
        "names no classes" in faults(at[0], Plan(arms=(MAIN,), decision_rule={"kind": "argmax"}))["/decision_rule/kind"]
    )
    assert faults(at[1], Plan(arms=(MAIN,), decision_rule=bands((None, "x"), (-1e300, "y")))) == {}
    assert (
        "begins at null"
        in faults(at[1], Plan(arms=(MAIN,), decision_rule=bands((0, "x"))))["/decision_rule/bands/0/from"]
    )


@pytest.mark.parametrize(
    ("arms", "fallback", "place"),
    [
        ((MAIN,), {"kind": "odd"}, "kind"),
        ((MAIN,), {"kind": "none", "action": "x"}, "action"),
        ((MAIN,), {"kind": "action"}, "action"),
        ((MAIN,), {"kind": "arm", "arm": "gone"}, "arm"),
        ((MAIN,), {"kind": "arm"}, "arm"),
        ((), {"kind": "arm", "arm": "main"}, "arm"),
        ((MAIN, Arm("s", "shadow", 2, 0, 1)), {"kind": "arm", "arm": "s"}, "arm"),
        ((MAIN, Arm("f", "fallback", 2)), {"kind": "none"}, ""),
        ((MAIN, Arm("f", "fallback", 2)), {"kind": "arm", "arm": "main"}, ""),
    ],
)
def test_these_fallbacks_may_not_be_served(endpoint, arms, fallback, place):
    found = faults(endpoint, Plan(arms=arms, fallback=fallback))

    assert f"/fallback/{place}".rstrip("/") in found


@pytest.mark.parametrize("arms", [(MAIN,), (MAIN, Arm("f", "fallback", 2))])
def test_an_arm_may_be_the_fallback(endpoint, arms):
    assert faults(endpoint, Plan(arms=arms, fallback={"kind": "arm", "arm": arms[-1].label})) == {}


def test_all_faults_of_a_plan_are_told_together(endpoint):
    plan = Plan(
        arms=(Arm("Main", "primary", 7, 1),),
        decision_rule=bands((0.5, "")),
        fallback={"kind": "action", "action": ""},
        reason="x" * 4001,
    )

    assert set(faults(endpoint, plan)) == {
        "/arms",
        "/arms/0/label",
        "/arms/0/version",
        "/decision_rule/bands/0/from",
        "/decision_rule/bands/0/action",
        "/fallback/action",
        "/reason",
    }


def test_a_plan_has_a_size_that_clients_can_fetch(endpoint):
    segment = {"where": {"age": [f"{i:0200}" for i in range(200)]}, "bands": [{"from": 0, "action": "x"}]}

    found = faults(endpoint, Plan(arms=(MAIN,), decision_rule=bands((0, "x"), segments=[segment] * 10)))

    assert "bytes; 65,536 is the most" in found["/decision_rule"]


LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_equal_values_have_one_canonical_text(value):
    shuffled = dict(reversed(list(value.items()))) if isinstance(value, dict) else value

    assert canonical(value) == canonical(shuffled)
    assert json.loads(canonical(value)) == value

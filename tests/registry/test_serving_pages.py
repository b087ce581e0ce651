"""Pages of what endpoints serve: now, before, and next; for whom, and how it is refused."""

import re

import pytest
from django.urls import reverse

from mlops_portal.kit import clock
from registry import deployments
from registry.deployments import Arm, Plan
from registry.forms.serving import ActivateForm
from registry.inventory import FeatureDraft
from registry.models import Acknowledgement, Deployment
from tests.factories import NOON, make_deployment, make_endpoint, make_model, make_version

RULE = {
    "kind": "bands",
    "score": "probability",
    "bands": [{"from": 0, "action": "approve"}, {"from": 0.4, "action": "review"}],
    "segments": [{"where": {"region": ["EU", "UK"]}, "bands": [{"from": 0, "action": "review"}]}],
}
CANARY = Plan(
    arms=(Arm("main", "primary", 1, 9_000), Arm("new", "canary", 2, 1_000), Arm("mirror", "shadow", 3, 0, 5_000)),
    decision_rule=RULE,
    fallback={"kind": "action", "action": "review"},
    reason="try it",
)


@pytest.fixture
def model(team):
    region = FeatureDraft(name="region", dtype="category", segment=True)
    made = make_model(team=team, slug="credit", name="Credit", features=[region])
    for _ in range(3):
        make_version(made)
    return made


@pytest.fixture
def endpoint(model):
    return make_endpoint(model, slug="credit-decision", environment="staging")


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def url(name, *args):
    return reverse(f"registry:{name}", args=args or ["credit-decision"])


def html(answer):
    return answer.content.decode()


def form_values(plan, base, **changes):
    values = ActivateForm.initial_of(plan, base) | changes
    return {name: value for name, value in values.items() if value is not None}


def test_the_page_of_an_endpoint_says_what_serves_now(as_alice, endpoint):
    make_deployment(endpoint, CANARY)

    page = html(as_alice.get(url("endpoint-detail")))

    for words in (
        "revision 1",
        "canary",
        "90",
        "sees 50",
        "region EU or UK",
        "from 0.4",
        "The action review.",
        "try it",
    ):
        assert words in page, words
    assert page.count("<h1") == 1
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))


def test_an_endpoint_without_revisions_says_what_to_do(as_alice, endpoint):
    page = html(as_alice.get(url("endpoint-detail")))

    assert "Never activated" in page
    assert "Activate a version" in page
    assert "Roll back" not in page


def test_revisions_are_compared_leaf_by_leaf(as_alice, endpoint):
    make_deployment(endpoint, 1)
    make_deployment(endpoint, CANARY)

    for query in ("?compare=1..2", "?from=1&to=2"):
        page = html(as_alice.get(url("endpoint-detail") + query))
        assert "Revision 1 and 2" in page
        assert "arms.new.version" in page
        assert "decision_rule.bands[1].from" in page
    assert "They serve the same" in html(as_alice.get(url("endpoint-detail") + "?compare=1..1"))
    for query in ("?compare=1..9", "?compare=x..2", "?compare=1..", "?odd=1", "?on=someday"):
        assert as_alice.get(url("endpoint-detail") + query).status_code == 400, query


def test_what_served_on_a_day_is_looked_up(as_alice, endpoint):
    make_deployment(endpoint, 2)

    assert "nothing had been activated" in html(as_alice.get(url("endpoint-detail") + "?on=2026-11-20"))
    assert "revision 1 was served: version 2" in html(as_alice.get(url("endpoint-detail") + "?on=2026-11-21"))
    assert "nothing had been" in html(as_alice.get(url("endpoint-detail") + "?on=2026-11-20T11:59Z"))


def test_instances_show_whether_they_keep_up(as_alice, endpoint):
    make_deployment(endpoint, 1)
    make_deployment(endpoint, 2)
    for instance, revision, mode in (("a", 2, "normal"), ("b", 1, "normal"), ("c", 2, "fallback")):
        deployments.acknowledge(endpoint.pk, instance, revision, mode=mode, now=clock.now())
    deployments.acknowledge(endpoint.pk, "d", 2, now=NOON.replace(year=2020))
    Acknowledgement.objects.filter(instance="d").update(last_seen_at=NOON.replace(year=2020))

    page = html(as_alice.get(url("endpoint-detail")))

    for words in ("up to date", "behind, at rev 1", "uses the fallback", "silent"):
        assert words in page, words


def test_a_plan_is_activated_by_form(as_alice, endpoint):
    answer = as_alice.post(
        url("endpoint-activate"),
        {
            "base": 0,
            "primary": 1,
            "canary": 2,
            "canary_share": "10",
            "shadow": 3,
            "shadow_share": "50",
            "rule": "bands",
            "bands": "0 approve\n0.4 review",
            "segments": "region=EU,UK: 0 review",
            "fallback": "action",
            "action": "review",
            "reason": "try it",
        },
    )

    assert answer.status_code == 302, html(answer)
    deployment = Deployment.objects.get()
    assert (deployment.strategy, deployment.has_shadow, deployment.created_by) == ("canary", True, "alice")
    assert Plan.of(deployment).decision_rule == RULE


def test_the_form_shows_the_present_plan_and_activates_it_unchanged(as_alice, endpoint):
    first = make_deployment(endpoint, CANARY)
    page = html(as_alice.get(url("endpoint-activate")))
    assert "0.4 review" in page
    assert "region=EU,UK: 0 review" in page

    as_alice.post(url("endpoint-activate"), form_values(Plan.of(first), 1))

    assert Plan.of(endpoint.deployments.get(revision=2)) == Plan.of(first)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(arms=(Arm("a", "variant", 1, 5_000), Arm("b", "variant", 2, 5_000))),
        Plan(
            arms=(Arm("main", "primary", 1, 10_000), Arm("spare", "fallback", 2)),
            decision_rule={"kind": "argmax", "min_confidence": 0.6, "otherwise": "review"},
            fallback={"kind": "arm", "arm": "spare"},
        ),
    ],
    ids=["A/B test", "fallback arm"],
)
def test_other_plans_pass_through_the_form_too(as_alice, endpoint, plan):
    first = make_deployment(endpoint, plan)

    answer = as_alice.post(url("endpoint-activate"), form_values(Plan.of(first), 1))

    assert answer.status_code == 302, html(answer)
    assert Plan.of(endpoint.deployments.get(revision=2)) == Plan.of(first)


def test_what_a_plan_gets_wrong_is_told_at_its_field(as_alice, endpoint):
    values = {"base": 0, "primary": 1, "canary": 2, "canary_share": "100", "rule": "bands", "fallback": "action"}

    answer = as_alice.post(url("endpoint-activate"), values | {"bands": "0.1 approve\n0.05 review"})

    assert answer.status_code == 422
    page = html(answer)
    for words in (
        "begins at the low end of the score",
        "An action is a short text",
        "has to be 1 to 10000 basis points",
    ):
        assert words in page, words
    for bands in ("approve", "x approve"):
        assert "is not a number, a space and an action" in html(
            as_alice.post(url("endpoint-activate"), values | {"bands": bands})
        )
    odd = as_alice.post(url("endpoint-activate"), values | {"segments": "region EU"})
    assert "write region=EU,UK" in html(odd)


def test_a_form_that_somebody_overtook_keeps_its_input(as_alice, endpoint):
    make_deployment(endpoint, 1)

    answer = as_alice.post(
        url("endpoint-activate"), {"base": 0, "primary": 2, "rule": "none", "fallback": "none", "reason": "mine"}
    )

    assert answer.status_code == 409
    page = html(answer)
    assert "no longer serves revision 0 but 1, by setup" in page
    assert "mine" in page
    assert '<input type="hidden" name="base" value="1"' in page


def test_rolling_back_and_switching_off_need_a_reason(as_alice, endpoint):
    for version in (1, 2):
        make_deployment(endpoint, version)

    assert as_alice.post(url("endpoint-roll-back"), {"base": 2, "roll_back_to": 1}).status_code == 422
    assert as_alice.post(url("endpoint-switch-off"), {"base": 2}).status_code == 422
    assert as_alice.post(url("endpoint-roll-back"), {"base": 2, "roll_back_to": 7, "reason": "x"}).status_code == 422
    as_alice.post(url("endpoint-roll-back"), {"base": 2, "roll_back_to": 1, "reason": "worse"})
    as_alice.post(url("endpoint-switch-off"), {"base": 3, "reason": "on fire"})

    assert list(endpoint.deployments.order_by("revision").values_list("strategy", "copied_from", "reason")) == [
        ("single", None, ""),
        ("single", None, ""),
        ("single", 1, "worse"),
        ("off", None, "on fire"),
    ]
    assert "Switched off" in html(as_alice.get(url("endpoint-detail")))


def test_where_approval_is_needed_the_way_leads_to_who_can_agree(as_alice, model, bob):
    make_deployment(make_endpoint(model, slug="credit-decision"), 1)
    assert "takes the approval of a second person" in html(as_alice.get(url("endpoint-activate")))

    answer = as_alice.post(url("endpoint-roll-back"), {"base": 1, "roll_back_to": 1, "reason": "again"}, follow=True)

    page = html(answer)
    assert answer.request["PATH_INFO"].startswith("/decisions/intent/")
    for words in ("needs the approval of a second person", "asked for by alice", "bob", "version 1", "again"):
        assert words in page, words
    assert Deployment.objects.count() == 1
    again = as_alice.get(answer.request["PATH_INFO"])
    assert again.status_code == 200
    assert as_alice.post(answer.request["PATH_INFO"]).status_code == 405


def test_an_intent_that_was_overtaken_says_so(as_alice, model):
    endpoint = make_endpoint(model, slug="credit-decision")
    answer = as_alice.post(url("endpoint-activate"), {"base": 0, "primary": 2, "rule": "none", "fallback": "none"})
    make_deployment(endpoint, 1)

    page = html(as_alice.get(answer["Location"]))

    assert "The endpoint has moved on since." in page
    assert "Nobody in Risk has the duty approver" in page


def test_an_intent_of_another_team_does_not_exist(as_alice, model, client, charlie):
    make_endpoint(model, slug="credit-decision")
    answer = as_alice.post(url("endpoint-activate"), {"base": 0, "primary": 2, "rule": "none", "fallback": "none"})
    client.force_login(charlie)

    assert client.get(answer["Location"]).status_code == 404
    assert client.get("/decisions/intent/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_a_viewer_sees_why_the_buttons_are_refused(client, victor, endpoint):
    make_deployment(endpoint, 1)
    client.force_login(victor)

    page = html(client.get(url("endpoint-detail")))

    assert page.count('aria-disabled="true"') == 3
    assert "To activate a revision takes" in page
    for name in ("endpoint-activate", "endpoint-roll-back", "endpoint-switch-off"):
        assert client.post(url(name)).status_code == 403


def test_the_list_shows_what_each_endpoint_serves(as_alice, endpoint, model):
    make_deployment(endpoint, 2)
    make_endpoint(model, slug="credit-live")

    page = html(as_alice.get(reverse("registry:endpoint-list")))
    assert "version 2" in page
    assert "never activated" in page
    narrowed = html(as_alice.get(reverse("registry:endpoint-list") + "?environment=production"))
    assert "credit-decision" not in narrowed
    assert "No endpoint fits" in html(as_alice.get(reverse("registry:endpoint-list") + "?environment=development"))


def test_an_empty_list_says_what_to_do(as_alice):
    assert "No endpoints yet" in html(as_alice.get(reverse("registry:endpoint-list")))


def test_the_overview_of_a_model_shows_what_serves(as_alice, endpoint):
    make_deployment(endpoint, 2)

    page = html(as_alice.get(reverse("registry:model-detail", args=["credit"])))

    assert url("endpoint-detail") in page
    assert "version 2" in page
    assert "rev 1 since" in page


def test_pages_stay_within_their_queries(as_alice, endpoint, model, django_assert_max_num_queries):
    for number in range(20):
        make_deployment(endpoint, number % 3 + 1)
        make_deployment(make_endpoint(model, environment="staging"), 1)
        deployments.acknowledge(endpoint.pk, f"pod-{number}", 20, now=clock.now())

    for address in (url("endpoint-detail"), reverse("registry:endpoint-list"), url("endpoint-activate")):
        with django_assert_max_num_queries(14):
            assert as_alice.get(address).status_code == 200

"""The inventory's pages: what they show, refuse and change, for whom."""

import pytest
from django.urls import reverse

from registry.models import AuditEntry, Feature, ModelVersion, RegisteredModel
from tests.factories import make_endpoint, make_model, make_version

HOSTILE = '"><svg onload=alert(1)>'


@pytest.fixture
def model(team, alice):
    return make_model(
        team=team, slug="credit", name="Credit", owner=alice, features=[("age", "integer"), ("note", "text")]
    )


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def as_victor(client, victor):
    client.force_login(victor)
    return client


@pytest.fixture
def as_charlie(client, charlie):
    client.force_login(charlie)
    return client


def html(response):
    return response.content.decode()


def pages_of(model):
    version = make_version(model)
    endpoint = make_endpoint(model, slug="credit-decision")
    feature = Feature.objects.current().filter(model=model).first()
    return [
        reverse("registry:model-detail", args=[model.slug]),
        reverse("registry:model-edit", args=[model.slug]),
        reverse("registry:model-delete", args=[model.slug]),
        reverse("registry:feature-list", args=[model.slug]),
        reverse("registry:feature-create", args=[model.slug]),
        reverse("registry:feature-edit", args=[model.slug, feature.pk]),
        reverse("registry:version-list", args=[model.slug]),
        reverse("registry:version-create", args=[model.slug]),
        reverse("registry:version-detail", args=[model.slug, version.number]),
        reverse("registry:endpoint-create", args=[model.slug]),
        reverse("registry:endpoint-edit", args=[endpoint.slug]),
        reverse("registry:team-detail", args=[model.team.slug]),
        reverse("registry:team-edit", args=[model.team.slug]),
    ]


WRITES = [
    ("registry:model-edit", ["credit"]),
    ("registry:model-delete", ["credit"]),
    ("registry:feature-list", ["credit"]),
    ("registry:feature-create", ["credit"]),
    ("registry:version-create", ["credit"]),
    ("registry:version-detail", ["credit", 1]),
    ("registry:version-block", ["credit", 1]),
    ("registry:version-unblock", ["credit", 1]),
    ("registry:endpoint-create", ["credit"]),
    ("registry:endpoint-edit", ["credit-decision"]),
    ("registry:endpoint-retire", ["credit-decision"]),
    ("registry:team-edit", ["risk"]),
    ("registry:member-add", ["risk"]),
    ("registry:member-change", ["risk", "alice"]),
    ("registry:member-remove", ["risk", "alice"]),
    ("registry:key-issue", ["risk"]),
]


def test_a_maintainer_sees_every_page(as_alice, model):
    for url in pages_of(model):
        response = as_alice.get(url)

        assert response.status_code == 200, url
        assert html(response).count("<h1") == 1, url


def test_a_stranger_is_sent_to_sign_in(client, model):
    for url in [*pages_of(model), reverse("registry:model-list"), reverse("registry:team-list"), reverse("me")]:
        response = client.get(url)

        assert response.status_code == 302, url
        assert response["Location"].startswith("/sign-in/?next="), url


def test_to_another_team_nothing_of_it_exists(as_charlie, model):
    for url in pages_of(model):
        assert as_charlie.get(url).status_code == 404, url
    for name, args in WRITES:
        assert as_charlie.post(reverse(name, args=args)).status_code == 404, name
    assert "Credit" not in html(as_charlie.get(reverse("registry:model-list")))


def test_a_viewer_reads_but_every_write_is_refused_with_its_reason(as_victor, model):
    pages_of(model)

    for name, args in [*WRITES, ("registry:model-create", []), ("registry:team-create", [])]:
        response = as_victor.post(reverse(name, args=args))
        assert response.status_code == 403, name
        assert any(words in html(response) for words in ("you are viewer", "you have no role")), name
    assert as_victor.get(reverse("registry:model-detail", args=["credit"])).status_code == 200
    assert "Register a version</a>" not in html(as_victor.get(reverse("registry:version-list", args=["credit"])))


def test_an_empty_inventory_says_what_to_do_next(as_alice):
    page = html(as_alice.get(reverse("registry:model-list")))

    assert "No models yet" in page
    assert "manage.py backfill my-model --register --team risk" in page
    assert reverse("registry:model-create") in page


def test_the_list_is_searched_filtered_and_exported(as_alice, model, team):
    make_model(team=team, slug="fraud", name="=cmd()", task="ranking")

    found = html(as_alice.get(reverse("registry:model-list"), {"q": "cred"}))
    assert "Credit</a>" in found
    assert "cmd()" not in found
    assert "No model fits" in html(as_alice.get(reverse("registry:model-list"), {"q": "nothing"}))
    exported = as_alice.get(reverse("registry:model-export"), {"task": "ranking"})
    assert exported["Content-Type"] == "text/csv; charset=utf-8"
    assert exported.content.decode().splitlines()[1].startswith("fraud,'=cmd(),risk,,draft")
    assert as_alice.get(reverse("registry:model-list"), {"colour": "red"}).status_code == 400


def test_the_rows_alone_answer_htmx(as_alice, model):
    response = as_alice.get(reverse("registry:model-list"), headers={"HX-Request": "true", "HX-Target": "model-rows"})

    assert html(response).strip().startswith('<div id="model-rows">')


def test_the_list_takes_as_many_queries_for_20_models_as_for_one(as_alice, team, django_assert_max_num_queries):
    for number in range(20):
        make_version(make_model(team=team, slug=f"m{number}"))
    as_alice.get(reverse("registry:model-list"))

    with django_assert_max_num_queries(10):
        assert html(as_alice.get(reverse("registry:model-list"))).count('class="name"') == 20


def test_the_overview_asks_for_health_and_alerts_and_links_to_them(as_alice, model, django_assert_max_num_queries):
    make_version(model)
    make_endpoint(model, slug="credit-decision")

    with django_assert_max_num_queries(16):
        page = html(as_alice.get(reverse("registry:model-detail", args=["credit"])))

    for name in ("model-health", "model-alerts"):
        url = reverse(f"monitoring:{name}", args=["credit"])
        assert f'hx-get="{url}"' in page
        assert f'<a href="{url}"' in page
    assert "credit-decision" in page


def test_a_model_is_registered_by_form(as_alice, team):
    response = as_alice.post(
        reverse("registry:model-create"),
        {
            "team": "risk",
            "name": "Bike demand",
            "task": "regression",
            "range": "0 1000",
            "unit": "bikes",
            "owner": "alice",
            "risk": "low",
            "purpose": "How many bikes.\r\nPer hour.",
        },
    )

    model = RegisteredModel.objects.get()
    assert response["Location"] == reverse("registry:feature-list", args=["bike-demand"])
    assert model.output == {"score": "number", "classes": [], "positive": "", "range": [0.0, 1000.0], "unit": "bikes"}
    assert (model.owner.username, model.purpose) == ("alice", "How many bikes.\nPer hour.")


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"name": "a/b"}, "name", "Names cannot contain"),
        ({"slug": "Bad"}, "slug", "Small letters"),
        ({"classes": "one"}, "classes", "two classes, not 1"),
        ({"positive": "maybe"}, "positive", "none of the classes"),
        ({"range": "zero one"}, "range", "are not numbers"),
        ({"range": "1 0"}, "range", "low end first"),
        ({"name": "Taken"}, "name", "is taken"),
        ({"team": "other"}, "team", "Select a valid choice"),
    ],
)
def test_a_form_says_at_the_field_what_is_wrong_and_keeps_the_input(as_alice, team, other_team, change, field, says):
    make_model(team=other_team, name="Taken")
    data = {"team": "risk", "name": "Mine", "task": "binary", "risk": "low", "purpose": "kept text"} | change

    response = as_alice.post(reverse("registry:model-create"), data)

    assert response.status_code in {409, 422}
    assert says in str(response.context["form"].errors[field])
    assert "kept text" in html(response)
    assert not RegisteredModel.objects.filter(team=team).exists()


def test_an_edit_over_a_newer_state_is_refused_and_keeps_the_input(as_alice, model):
    url = reverse("registry:model-edit", args=["credit"])
    data = {"name": "Credit", "risk": "high", "purpose": "mine", "classes": "0\n1", "positive": "1", "base": 1}

    first = as_alice.post(url, data)
    second = as_alice.post(url, data | {"purpose": "later"})

    assert first.status_code == 302
    assert second.status_code == 412
    assert "changed by somebody else" in html(second)
    assert "later" in html(second)
    assert RegisteredModel.objects.get().purpose == "mine"


def test_features_are_added_refined_and_removed_without_script(as_alice, model):
    listed = reverse("registry:feature-list", args=["credit"])

    as_alice.post(listed, {"lines": "income number\nhome city category\n\n"})
    row = Feature.objects.current().get(name="income")
    as_alice.post(
        reverse("registry:feature-edit", args=["credit", row.pk]),
        {
            "name": "income",
            "dtype": "number",
            "kind": "input",
            "privacy": "bucket",
            "edges": "0, 1000 5000",
            "allowed_min": "0",
            "segment": "on",
        },
    )
    note = Feature.objects.current().get(name="note")
    as_alice.post(reverse("registry:feature-remove", args=["credit", note.pk]))

    row.refresh_from_db()
    assert (row.privacy_options, row.segment, row.required) == ({"edges": [0.0, 1000.0, 5000.0]}, True, False)
    names = Feature.objects.current().filter(model=model).values_list("name", flat=True)
    assert list(names) == ["age", "income", "home city"]
    assert AuditEntry.objects.filter(verb="features.changed").count() == 3


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("income", "Line 1"),
        ("a number\nb colour", "Line 2"),
        ("Age number", "only in case"),
        ("__proto__ number", "reserved"),
        ("x" * 300 + " number", "300 characters"),
        ("age number", "stands twice"),
    ],
)
def test_a_feature_that_will_not_do_is_named(as_alice, model, lines, says):
    response = as_alice.post(reverse("registry:feature-list", args=["credit"]), {"lines": lines})

    assert response.status_code == 422
    assert says in html(response)
    assert Feature.objects.current().filter(model=model).count() == 2


def test_a_version_is_registered_once_however_often_the_button_is_pressed(as_alice, model):
    url = reverse("registry:version-create", args=["credit"])
    once = as_alice.get(url).context["form"]["once"].value()

    for _ in range(2):
        response = as_alice.post(url, {"once": once, "source": "s3://m/1"})

    assert response["Location"] == reverse("registry:version-detail", args=["credit", 1])
    assert ModelVersion.objects.count() == 1


def test_a_version_is_blocked_with_a_reason_and_unblocked(as_alice, model):
    make_version(model)
    block = reverse("registry:version-block", args=["credit", 1])

    assert as_alice.post(block, {"reason": " "}).status_code == 422
    as_alice.post(block, {"reason": "Wrong encoder"})
    assert "Wrong encoder" in html(as_alice.get(reverse("registry:version-detail", args=["credit", 1])))
    assert as_alice.post(block, {"reason": "again"}).status_code == 409
    as_alice.post(reverse("registry:version-unblock", args=["credit", 1]))
    assert ModelVersion.objects.get().status == "ready"


def test_a_frozen_features_form_lets_only_privacy_and_tolerances_change(as_alice, model):
    version = make_version(model)
    ModelVersion.objects.update(schema_frozen_at=version.created_at)
    row = Feature.objects.get(version=version, name="age")
    url = reverse("registry:feature-edit", args=["credit", row.pk])

    page = as_alice.get(url)
    as_alice.post(url, {"name": "renamed", "dtype": "text", "privacy": "drop", "abs_tolerance": "0.5"})

    row.refresh_from_db()
    assert "has received traffic" in html(page)
    assert page.context["form"].fields["dtype"].disabled
    assert (row.name, row.dtype, row.privacy, row.abs_tolerance) == ("age", "integer", "drop", 0.5)
    looser = as_alice.post(url, {"privacy": "keep"})
    assert looser.status_code == 409
    assert "not looser" in html(looser)


def test_an_endpoint_is_added_changed_and_retired(as_alice, model):
    as_alice.post(
        reverse("registry:endpoint-create", args=["credit"]),
        {"slug": "credit-decision", "environment": "production", "kind": "online", "slo_p95_ms": "120"},
    )
    url = reverse("registry:endpoint-edit", args=["credit-decision"])
    bad = as_alice.post(url, {"environment": "staging", "kind": "online", "slo_p95_ms": "200", "slo_p99_ms": "100"})
    as_alice.post(url, {"environment": "staging", "kind": "batch", "base": "1"})

    assert bad.status_code == 422
    assert "lies under p95" in html(bad)
    endpoint = model.endpoints.get()
    assert (endpoint.environment_id, endpoint.kind, endpoint.slo_p95_ms) == ("staging", "batch", None)
    as_alice.post(reverse("registry:endpoint-retire", args=["credit-decision"]))
    assert as_alice.get(url).status_code == 404


def test_deleting_takes_the_slug_typed_again(as_alice, model):
    url = reverse("registry:model-delete", args=["credit"])

    assert as_alice.post(url, {"slug": "other", "base": 1}).status_code == 422
    as_alice.post(url, {"slug": "credit", "base": 1})

    assert as_alice.get(reverse("registry:model-detail", args=["credit"])).status_code == 404


def test_hostile_names_are_text_everywhere(as_alice, team, alice):
    model = make_model(
        team=team, slug="credit", name=HOSTILE, owner=alice, features=[(HOSTILE, "text"), ("age", "number")]
    )
    team.name = HOSTILE
    team.save()

    for url in [*pages_of(model), reverse("registry:model-list"), reverse("registry:team-list")]:
        assert "<svg onload" not in html(as_alice.get(url)), url


@pytest.mark.parametrize("name", ["version-unblock", "version-block", "endpoint-retire", "member-remove", "key-issue"])
def test_reading_never_changes_anything(as_alice, model, name):
    pages_of(model)
    args = dict(WRITES)[f"registry:{name}"]

    assert as_alice.get(reverse(f"registry:{name}", args=args)).status_code == 405

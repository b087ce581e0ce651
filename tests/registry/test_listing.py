"""The model list: what each filter and order finds, what the facets count, and that pages never overlap."""

import pytest
from django.urls import reverse

from registry import facets, listing
from registry.models import Consumer, Deployment, RegisteredModel, ServingPointer, Source, Tag
from tests.factories import NOON, api, make_endpoint, make_key, make_model, make_team, make_user

MODELS = reverse("registry:model-list")


def make_source(team, slug):
    return Source.objects.create(
        slug=slug, team=team, name=slug.title(), kind="table", created_at=NOON, created_by="setup", updated_at=NOON
    )


def serve(endpoint, strategy):
    deployment = Deployment.objects.create(
        endpoint=endpoint,
        revision=1,
        base_revision=0,
        strategy=strategy,
        document="{}",
        sha256="0" * 64,
        created_at=NOON,
        created_by="setup",
    )
    ServingPointer.objects.filter(endpoint=endpoint).update(revision=1, deployment=deployment, moved_at=NOON)


@pytest.fixture
def credit(team, alice):
    """Everything is known about this model."""
    model = make_model(team=team, slug="credit", name="Credit_default", owner=alice, features=[("income", "number")])
    model.features.update(source=make_source(team, "bureau-feed"))
    RegisteredModel.objects.filter(pk=model.pk).update(readiness_share=0.75, risk="high", lifecycle="live")
    Tag.objects.create(model=model, key="domain", value="Lending 100%")
    endpoint = make_endpoint(model, slug="credit-live")
    serve(endpoint, "canary")
    Consumer.objects.create(
        endpoint=endpoint, name="loan-desk", kind="service", use="assisted", created_at=NOON, created_by="s",
        updated_at=NOON,
    )  # fmt: skip
    return model


@pytest.fixture
def churn(team):
    """Nothing is known about this one."""
    model = make_model(team=team, slug="churn", name="Churn", task="regression", features=[("visits", "number")])
    make_endpoint(model, slug="churn-test", environment="staging")
    return model


def found(viewer, **parameters):
    question = listing.read_question(parameters)
    return [model.slug for model in listing.answer(question, viewer)]


@pytest.mark.parametrize(
    ("parameters", "slugs"),
    [
        ({"q": "T_DEF"}, ["credit"]),
        ({"q": "alic"}, ["credit"]),
        ({"q": "lending 100%"}, ["credit"]),
        ({"q": "g 1%0"}, []),
        ({"q": "BUREAU"}, ["credit"]),
        ({"owner": "none"}, ["churn"]),
        ({"risk": "high"}, ["credit"]),
        ({"environment": "staging"}, ["churn"]),
        ({"strategy": "canary"}, ["credit"]),
        ({"strategy": "never"}, ["churn"]),
        ({"source": "bureau-feed"}, ["credit"]),
        ({"source": "none"}, ["churn"]),
        ({"consumer": "loan-desk"}, ["credit"]),
        ({"consumer": "none"}, ["churn"]),
        ({"readiness_lt": "0.7"}, ["churn"]),
        ({"readiness_lt": "0.8"}, ["churn", "credit"]),
        ({"tag": "domain"}, ["credit"]),
        ({"tag": "domain:Lending 100%"}, ["credit"]),
        ({"tag": "domain:other"}, []),
        ({"sort": "-readiness"}, ["credit", "churn"]),
        ({"sort": "risk"}, ["churn", "credit"]),
        ({"risk": "high", "environment": "staging"}, []),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_says(credit, churn, alice, parameters, slugs):
    assert found(alice, **parameters) == slugs


def test_a_task_that_was_not_said_is_a_value_of_its_own(credit, churn, alice):
    RegisteredModel.objects.filter(pk=churn.pk).update(task="")

    tasks = facets.own_options(listing.read_question({}), alice)["task"]

    assert [(option.value, option.word) for option in tasks] == [
        ("binary", "Binary classification"),
        ("none", "Not said"),
    ]
    assert found(alice, task="none") == ["churn"]


def test_letters_beyond_ascii_are_found_in_any_case(team, alice):
    make_model(team=team, slug="kredit", name="Müller Kredit")

    assert [found(alice, q=q) for q in ("MÜLLER", "müller", "Müll")] == [["kredit"]] * 3


def test_a_tag_whose_key_holds_a_colon_is_found(credit, alice):
    Tag.objects.create(model=credit, key="git:sha", value="ab:cd")

    assert found(alice, tag="git:sha:ab:cd") == ["credit"]


@pytest.mark.parametrize(
    "query", ["strategy=blue", "readiness_lt=80", "readiness_lt=nan", "risk=big", "colour=red", "sort=owner"]
)
def test_what_cannot_be_asked_is_400(query, client, alice):
    client.force_login(alice)

    assert client.get(f"{MODELS}?{query}").status_code == 400


def test_facets_count_what_the_other_filters_leave(credit, churn, alice):
    question = listing.read_question({"risk": "high"})

    own = facets.own_options(question, alice)
    related = facets.related_options(question, alice)

    assert {option.value: option.count for option in own["risk"]} == {"high": 1, "unrated": 1}
    assert {option.value: option.count for option in own["owner"]} == {"alice": 1}
    assert [(option.value, option.count) for option in own["readiness_lt"]] == [("0.8", 1), ("1", 1)]
    assert [(option.value, option.count) for option in related["environment"]] == [("production", 1)]
    assert [(option.value, option.word) for option in related["tag"]] == [
        ("domain:Lending 100%", "domain: Lending 100%")
    ]


def test_facets_count_nothing_of_another_team(credit, churn, charlie):
    question = listing.read_question({})

    counted = facets.own_options(question, charlie) | facets.related_options(question, charlie)

    assert not any(option.count for options in counted.values() for option in options)


def test_pages_of_every_order_cover_all_models_once(team):
    for i in range(7):
        model = make_model(team=team, slug=f"m{i}")
        share = None if i % 3 == 0 else i / 10
        RegisteredModel.objects.filter(pk=model.pk).update(readiness_share=share, risk=["high", "low"][i % 2])
    reader = api(make_key(team=team, scopes=["read"]))
    for sort in listing.ORDERS:
        slugs, cursor = [], ""
        while cursor is not None:
            answer = reader.get("/api/v1/models", {"sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.json()
            slugs += [item["slug"] for item in answer.json()["items"]]
            cursor = answer.json()["next"]

        assert sorted(slugs) == [f"m{i}" for i in range(7)], sort


def test_a_cursor_belongs_to_its_filter_and_order(team):
    for i in range(3):
        make_model(team=team, slug=f"m{i}")
    reader = api(make_key(team=team, scopes=["read"]))
    cursor = reader.get("/api/v1/models", {"limit": 1}).json()["next"]

    assert reader.get("/api/v1/models", {"cursor": cursor, "sort": "-name"}).status_code == 400
    assert reader.get("/api/v1/models", {"cursor": cursor, "risk": "high"}).status_code == 400


def test_the_page_takes_nine_queries_with_twenty_models(team, alice, client, django_assert_max_num_queries):
    for i in range(20):
        make_endpoint(make_model(team=team, slug=f"m{i}", owner=alice))
    client.force_login(alice)
    client.get(reverse("me"))  # the first page of a session saves it

    with django_assert_max_num_queries(9):
        page = client.get(f"{MODELS}?risk=unrated&sort=-readiness").content.decode()

    assert page.count('class="name"') == 20


def test_the_last_order_is_kept(credit, churn, alice, client):
    client.force_login(alice)
    client.get(f"{MODELS}?sort=-risk")

    answer = client.get(f"{MODELS}?lifecycle=live")
    back = client.get(f"{MODELS}?sort=name")

    assert (answer.status_code, answer["Location"]) == (302, f"{MODELS}?lifecycle=live&sort=-risk")
    assert back.status_code == 200
    assert client.get(MODELS).status_code == 200


def test_more_filters_stand_on_a_page_of_their_own_and_as_a_fragment(credit, churn, alice, client):
    client.force_login(alice)
    address = reverse("registry:model-filters")

    page = client.get(f"{address}?risk=high").content.decode()
    part = client.get(address, headers={"HX-Request": "true", "HX-Target": "more-filters"}).content.decode()

    assert f"{MODELS}?risk=high&amp;source=bureau-feed" in page
    assert "<html" not in part
    assert "Bureau-Feed 1" in part
    assert "Never activated 1" in part


def test_the_file_holds_what_the_filters_leave(credit, churn, alice, client):
    client.force_login(alice)

    lines = client.get(f"{reverse('registry:model-export')}?strategy=canary").content.decode().splitlines()

    assert lines[0].startswith("slug,name,team,owner,lifecycle,risk,task,versions,endpoints,serves,readiness")
    assert lines[1].startswith("credit,Credit_default,risk,alice,live,high,binary,0,1,canary,0.75,")
    assert len(lines) == 2


def test_an_admin_sees_models_of_every_team(credit):
    make_model(team=make_team("elsewhere"), slug="far")

    assert found(make_user("root", is_admin=True)) == ["credit", "far"]

"""Pages of change events."""

import pytest
from django.urls import reverse

from registry import upstream
from registry.models import ChangeEvent, Feature, Source
from registry.upstream import Change
from tests.factories import NOON, make_endpoint, make_member, make_model, make_team

CHANGES = "/changes/"


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def html(response):
    return response.content.decode()


def url(name, *args):
    return reverse(f"registry:{name}", args=args)


def make_source(team, slug="bureau"):
    return Source.objects.create(
        slug=slug, team=team, name=slug.title(), kind="api", created_at=NOON, created_by="setup", updated_at=NOON
    )


def report(team, **fields):
    given = {"kind": "schema", "title": "Column renamed", "started_at": NOON} | fields
    return upstream.report_change(team, Change(**given), by="setup", now=NOON)[0]


def test_the_empty_list_says_what_to_do(as_alice, victor):
    assert "Report a change" in html(as_alice.get(CHANGES))
    as_alice.force_login(victor)
    page = html(as_alice.get(CHANGES))
    assert "No change was reported yet" in page
    assert 'aria-disabled="true"' in page


def test_three_fields_are_enough(as_alice, team):
    answer = as_alice.post(url("change-report"), {"title": "New price list", "kind": "policy", "started_at": ""})

    event = ChangeEvent.objects.get()
    assert answer["Location"] == url("change-detail", event.pk)
    assert (event.team, event.kind, event.origin, event.created_by) == (team, "policy", "portal", "alice")


def test_details_name_what_it_is_about(as_alice, team):
    model = make_model(team=team, slug="credit")
    make_endpoint(model, slug="credit-live")
    make_source(team)
    data = {
        "title": "Release 4.2",
        "kind": "deploy",
        "started_at": "2026-11-20T09:30",
        "endpoint": "credit-live",
        "source": "bureau",
        "severity": "breaking",
        "actor": "ops",
        "url": "https://example.org/releases/4.2",
    }

    form = html(as_alice.get(url("change-report") + "?model=credit"))
    as_alice.post(url("change-report"), data)

    event = ChangeEvent.objects.get()
    assert 'value="credit" selected' in form
    assert (event.model, event.source.slug, event.severity) == (model, "bureau", "breaking")
    page = html(as_alice.get(url("change-detail", event.pk)))
    for part in ("Release 4.2", "Breaking", "ops", "https://example.org/releases/4.2", "it serves at credit-live"):
        assert part in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": ""}, "required"),
        ({"kind": "weather"}, "weather"),
        ({"started_at": "2020-01-01T00:00"}, "over 400 days ago"),
        ({"url": "javascript:alert(1)"}, "no link"),
        ({"model": "nothing"}, "Select a valid choice"),
    ],
)
def test_what_will_not_do_is_told_at_its_field(as_alice, change, says):
    answer = as_alice.post(url("change-report"), {"title": "A change", "kind": "policy"} | change)

    assert answer.status_code == 422
    assert says in html(answer)
    assert not ChangeEvent.objects.exists()


def test_whoever_belongs_to_two_teams_names_one(as_alice, alice, team):
    other = make_team("second")
    assert 'name="team"' not in html(as_alice.get(url("change-report")))
    make_member(alice, team=other, role="contributor")

    assert 'name="team"' in html(as_alice.get(url("change-report")))
    as_alice.post(url("change-report"), {"title": "A change", "kind": "policy", "team": "second"})

    assert ChangeEvent.objects.get().team == other


def test_the_list_is_filtered_and_hostile_titles_are_text(as_alice, team):
    model = make_model(team=team, slug="credit")
    report(team, title="<img src=x onerror=alert(1)>", kind="deploy", model=model)
    report(team, title="Another", source=make_source(team))

    page = html(as_alice.get(CHANGES))
    assert "&lt;img src=x" in page
    assert "Another" not in html(as_alice.get(f"{CHANGES}?kind=deploy&model=credit"))
    assert "Another" in html(as_alice.get(f"{CHANGES}?source=bureau"))
    assert "No change fits" in html(as_alice.get(f"{CHANGES}?severity=breaking"))
    fragment = as_alice.get(CHANGES, headers={"HX-Request": "true", "HX-Target": "change-rows"})
    assert "<html" not in html(fragment)


def test_a_model_shows_its_changes_those_of_its_sources_and_of_the_team(as_alice, team):
    model, source = make_model(team=team, slug="credit", features=[("income", "number")]), make_source(team)
    Feature.objects.filter(model=model).update(source=source)
    report(team, title="At the model", model=model)
    report(team, title="At the source", source=source)
    report(team, title="For all")
    report(team, title="At another", model=make_model(team=team))

    card = html(as_alice.get(url("model-changes", "credit")))

    assert [title in card for title in ("At the model", "At the source", "For all", "At another")] == [
        True,
        True,
        True,
        False,
    ]
    assert "<html" not in card
    assert "At the source" in html(as_alice.get(url("source-changes", "bureau")))


def test_strangers_find_nothing_and_viewers_report_nothing(client, victor, charlie, team):
    event = report(team)
    make_model(team=team, slug="credit")
    make_source(team)
    client.force_login(charlie)
    for page in (
        url("change-detail", event.pk),
        url("model-changes", "credit"),
        url("source-changes", "bureau"),
    ):
        assert client.get(page).status_code == 404
    assert "Column renamed" not in html(client.get(CHANGES))

    client.force_login(victor)
    assert client.get(url("change-report")).status_code == 403
    assert client.post(url("change-report"), {"title": "x", "kind": "policy"}).status_code == 403
    assert client.get(url("change-detail", event.pk)).status_code == 200


def test_twenty_rows_take_few_queries(as_alice, team, django_assert_max_num_queries):
    for i in range(20):
        report(team, title=f"Change {i}", model=make_model(team=team))
    model = make_model(team=team, slug="credit")
    report(team, model=model)

    for page in (CHANGES, url("model-changes", "credit"), url("change-detail", ChangeEvent.objects.first().pk)):
        with django_assert_max_num_queries(14):
            assert as_alice.get(page).status_code == 200

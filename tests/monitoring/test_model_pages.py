"""Pages of one model: health over time, its inputs, one input, its alerts."""

import pytest

from monitoring.models import Measurement
from monitoring.reports.health import SPANS
from tests.factories import api, make_key, make_model
from tests.monitoring.shown import HOSTILE, at_home, get, gzipped, make_shown, part, signed_in, text

PAGES = ("", "health/", "inputs/", "inputs/feature_0/", "alerts/", "references/")


@pytest.fixture
def model(team):
    return make_shown(team, days=5)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_heading_and_the_tabs_of_the_model(model, alice, path):
    html = get(alice, f"/models/eta/{path}")

    assert html.count("<h1") == 1
    assert html.count('aria-label="Model sections"') == 1


@pytest.mark.parametrize("path", PAGES)
def test_for_another_team_there_is_no_such_model(model, charlie, path):
    get(charlie, f"/models/eta/{path}", status=404)


@pytest.mark.parametrize(
    ("path", "queries", "kilobytes"),
    [("", 13, 12), ("health/", 12, 12), ("inputs/", 11, 12), ("inputs/feature_0/", 10, 12), ("alerts/", 7, 6)],
)
def test_a_page_keeps_to_its_budget(team, alice, path, queries, kilobytes, django_assert_max_num_queries):
    make_shown(team, features=20, days=28)
    client = at_home(alice)

    with django_assert_max_num_queries(queries):
        html = get(client, f"/models/eta/{path}")

    assert gzipped(html) <= kilobytes * 1024


class TestHealth:
    def test_figures_equal_those_of_the_api(self, model, team, alice):
        client = api(make_key(team=team))
        rows = client.get("/api/v1/models/eta/measurements?metric=mae.1&segment=").json()
        newest = (rows.get("items") or rows.get("results") or rows.get("data"))[0]

        shown = text(get(alice, "/models/eta/health/"))

        assert f"{newest['value']:.1f}" in shown
        assert f"n = {newest['n']}" in shown

    @pytest.mark.parametrize("span", [*SPANS, "nonsense", ""])
    def test_every_span_can_be_asked_for_and_others_are_the_usual_one(self, model, alice, span):
        html = get(alice, f"/models/eta/health/?span={span}")

        assert html.count('aria-current="true"') == 1

    def test_as_a_part_it_is_nothing_but_the_part(self, model, alice):
        html = part(alice, "/models/eta/health/", "model-health").content.decode()

        assert html.lstrip().startswith('<div id="model-health"')
        assert "<h1" not in html

    def test_without_traffic_it_says_what_to_send(self, team, alice):
        make_model(team=team, slug="blank")

        assert "No predictions yet" in get(alice, "/models/blank/health/")


class TestInputs:
    def test_what_moved_most_comes_first(self, model, alice):
        html = get(alice, "/models/eta/inputs/")

        assert html.index("feature_0") < html.index("feature_1")
        assert "3 of 3" in html

    def test_filters_find_and_are_kept_in_the_address(self, model, alice):
        html = get(alice, "/models/eta/inputs/?verdict=drift&q=feature")

        assert "1 of 3" in html
        assert 'name="verdict" value="drift"' in html
        assert "q=feature" in html

    def test_a_filter_without_a_hit_leads_back(self, model, alice):
        assert "No feature fits this filter" in get(alice, "/models/eta/inputs/?q=zzz")

    def test_without_a_reference_it_leads_to_one(self, team, alice):
        make_model(team=team, slug="blank")

        html = get(alice, "/models/blank/inputs/")

        assert "Nothing to compare with yet" in html
        assert "/models/blank/references/" in html


class TestFeature:
    def test_it_shows_the_distance_and_what_moved(self, model, alice):
        shown = text(get(alice, "/models/eta/inputs/feature_0/"))

        assert "PSI 0.41" in shown
        assert "“EU” fell from 50.0" in shown

    def test_a_feature_nobody_measured_is_not_there(self, model, alice):
        get(alice, "/models/eta/inputs/unheard/", status=404)

    def test_a_hostile_name_is_only_text(self, model, alice):
        Measurement.objects.filter(feature="feature_0").update(feature=HOSTILE)

        html = get(alice, "/models/eta/inputs/")

        assert "<svg onload" not in html


class TestAlerts:
    def test_nothing_open_says_so(self, model, alice):
        assert "Nothing needs you here." in get(alice, "/models/eta/alerts/")

    def test_any_method_but_reading_is_refused(self, model, alice):
        assert signed_in(alice).post("/models/eta/alerts/").status_code == 405

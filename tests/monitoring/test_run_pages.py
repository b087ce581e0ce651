"""Pages of runs: the list, one run while and after it is measured, its file, and "run again"."""

import csv
import io
from datetime import timedelta

import pytest

from monitoring.models import Measurement, Run
from registry.models import AuditEntry
from tests.factories import MIDNIGHT, api, make_key, make_run
from tests.monitoring.shown import HOSTILE, at_home, get, gzipped, make_shown, part, signed_in, text


@pytest.fixture
def model(team):
    return make_shown(team)


@pytest.fixture
def run(model) -> Run:
    return Run.objects.get(model=model, monitor__slug="inputs-training", window_end=MIDNIGHT)


class TestList:
    def test_filters_find_and_are_kept_by_the_pages(self, team, alice):
        make_shown(team, days=60)

        html = get(alice, "/runs/?model=eta&monitor=performance")

        assert "inputs-training</td>" not in html
        assert "model=eta" in html
        assert "page=2" in html

    def test_a_filter_without_a_hit_leads_back(self, model, alice):
        assert "No run fits this filter" in get(alice, "/runs/?verdict=ok&monitor=performance")

    def test_without_a_run_it_says_what_brings_one(self, alice):
        assert "No run yet" in get(alice, "/runs/")

    @pytest.mark.parametrize("query", ["page=0", "page=x", "page=9999", "model=%00", "verdict=x"])
    def test_any_address_is_answered(self, model, alice, query):
        assert signed_in(alice).get(f"/runs/?{query}").status_code == 200

    def test_another_team_sees_none(self, model, charlie):
        assert "No run yet" in get(charlie, "/runs/")

    def test_twenty_runs_cost_as_much_as_three(self, team, alice, django_assert_max_num_queries):
        make_shown(team, days=20)
        client = at_home(alice)

        with django_assert_max_num_queries(9):
            get(client, "/runs/")


class TestDetail:
    def test_it_keeps_to_its_budget(self, team, alice, django_assert_max_num_queries):
        make_shown(team, features=40)
        run = Run.objects.get(monitor__slug="inputs-training", window_end=MIDNIGHT)

        client = at_home(alice)

        with django_assert_max_num_queries(13):
            html = get(client, f"/runs/{run.pk}/")

        assert gzipped(html) <= 10 * 1024

    def test_numbers_equal_those_of_the_file_and_the_api(self, run, team, alice):
        lines = signed_in(alice).get(f"/runs/{run.pk}/measurements.csv").getvalue().decode()
        written = {row["metric"] + row["feature"]: row for row in csv.DictReader(io.StringIO(lines))}
        told = (
            api(make_key(team=team)).get(f"/api/v1/models/eta/measurements?run={run.pk}&metric=psi&limit=100").content
        )

        shown = text(get(alice, f"/runs/{run.pk}/"))

        assert written["psi.1feature_0"]["value"] == "0.41"
        assert b"0.41" in told
        assert "PSI 0.41" in shown

    def test_it_says_how_long_it_took_where_that_was_timed(self, run, alice):
        assert "finished" in text(get(alice, f"/runs/{run.pk}/"))
        assert "40 ms" not in text(get(alice, f"/runs/{run.pk}/"))

        Run.objects.filter(pk=run.pk).update(started_at=run.finished_at - timedelta(milliseconds=40))

        assert "in 40 ms" in text(get(alice, f"/runs/{run.pk}/"))

    def test_the_segment_with_the_largest_effect_is_shown(self, model, alice):
        run = Run.objects.get(model=model, monitor__slug="performance", window_end=MIDNIGHT)

        shown = text(get(alice, f"/runs/{run.pk}/"))

        assert "city=Oslo" in shown
        assert "4.0\N{EN DASH}6.2, n = 90" in shown

    def test_a_newer_revision_is_pointed_to(self, run, alice):
        newer = make_run(run.monitor, end=run.window_end, revision=2)

        assert f"/runs/{newer.pk}/" in get(alice, f"/runs/{run.pk}/")

    def test_for_another_team_there_is_no_such_run(self, run, charlie):
        for path in ("", "measurements.csv"):
            get(charlie, f"/runs/{run.pk}/{path}", status=404)

    def test_a_hostile_name_is_only_text(self, run, alice):
        Measurement.objects.filter(run=run, feature="feature_0").update(feature=HOSTILE)

        assert "<svg onload" not in get(alice, f"/runs/{run.pk}/")


class TestPoll:
    def test_while_it_is_measured_the_page_follows(self, run, alice):
        Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING)

        answer = part(alice, f"/runs/{run.pk}/", "run-state")

        assert answer.status_code == 200
        assert "every 2s" in answer.content.decode()

    def test_the_poll_ends_with_the_run(self, run, alice):
        answer = part(alice, f"/runs/{run.pk}/", "run-state")

        assert answer.status_code == 286
        assert "every 2s" not in answer.content.decode()

    @pytest.mark.parametrize(
        ("state", "words"),
        [(Run.State.FAILED, "This run failed."), (Run.State.NO_DATA, "No predictions in this window")],
    )
    def test_what_gave_no_numbers_says_why(self, run, alice, state, words):
        Run.objects.filter(pk=run.pk).update(state=state, error="the chunk is damaged")

        assert words in get(alice, f"/runs/{run.pk}/")


class TestAgain:
    def test_a_person_gets_the_next_revision(self, run, alice):
        answer = signed_in(alice).post(f"/runs/{run.pk}/again/")

        again = Run.objects.get(monitor=run.monitor, window_end=run.window_end, revision=2)
        assert answer.headers["Location"] == f"/runs/{again.pk}/"
        assert AuditEntry.objects.filter(verb="run.requested", actor="alice").exists()

    def test_a_viewer_reads_why_not_and_is_refused_in_the_same_words(self, run, victor):
        shown = text(get(victor, f"/runs/{run.pk}/"))
        answer = signed_in(victor).post(f"/runs/{run.pk}/again/")

        assert answer.status_code == 403
        assert "To edit monitors and references takes" in shown
        assert "To edit monitors and references takes" in text(answer.content.decode())
        assert not Run.objects.filter(revision=2).exists()

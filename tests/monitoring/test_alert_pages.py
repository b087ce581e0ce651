"""Pages of alerts: what needs a person, why, and the answer to it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring import alerts
from monitoring.alerts import messages
from monitoring.models import Alert, Monitor
from monitoring.stats.results import Verdict
from registry.models import Team, User
from tests.factories import MIDNIGHT, NOON, make_measurement, make_model, make_monitor, make_run

LIST = "/alerts/"


@pytest.fixture
def monitor(alice: User, team: Team) -> Monitor:
    return make_monitor(make_model(team=team, slug="eta", name="Arrival times", owner=alice))


def drift(monitor: Monitor, *, psi: float = 0.41, features: tuple[str, ...] = ("trip_km",), days: int = 2) -> Alert:
    for day in range(days - 1, -1, -1):
        run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
        verdict = Verdict.drift if psi >= 0.25 else Verdict.warn
        found = [make_measurement(run, feature=one, value=psi, verdict=verdict) for one in features]
        alerts.observe_run(run, found, now=NOON)
    return Alert.objects.get(model=monitor.model)


def text(html: str) -> str:
    """The words of a page, without marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def page(user: User, url: str, **headers: Any) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class TestList:
    def test_without_alerts_it_says_so(self, alice: User) -> None:
        assert "Nothing needs you" in page(alice, LIST)

    def test_an_alert_is_a_sentence_with_its_model(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)

        html = page(alice, LIST)

        assert "trip_km drifted: PSI 0.41 (n = 10,000), limit 0.10" in text(html)
        assert "Arrival times" in html
        assert reverse("monitoring:alert-detail", args=[alert.pk]) in html

    def test_open_ones_come_first_and_the_most_urgent_of_them(
        self, monitor: Monitor, alice: User, bob: User, team: Team
    ) -> None:
        drift(monitor, psi=0.2)
        drift(make_monitor(make_model(team=team, slug="churn")), psi=0.4)
        answered = drift(make_monitor(make_model(team=team, slug="fraud")), psi=0.3)
        alerts.acknowledge(answered, by=bob, now=NOON)
        over = drift(make_monitor(make_model(team=team, slug="spam")), psi=0.35)
        Alert.objects.filter(pk=over.pk).update(closed_at=MIDNIGHT, close_reason="cleared")

        shown = re.findall(r"PSI (0\.\d+)", page(alice, f"{LIST}?state=all"))

        assert shown == ["0.40", "0.20", "0.30", "0.35"]

    @pytest.mark.parametrize(
        ("query", "is_shown"),
        [
            ("", True),
            ("state=open", True),
            ("state=closed", False),
            ("state=all", True),
            ("state=odd", False),
            ("severity=critical", True),
            ("severity=info", False),
            ("family=drift", True),
            ("family=quality", False),
            ("model=eta", True),
            ("model=other", False),
            ("q=trip", True),
            ("q=Arrival", True),
            ("q=nothing", False),
            ("q=%00", True),
            ("cursor=forged", True),
        ],
    )
    def test_filters_stand_in_the_address(self, monitor: Monitor, alice: User, query: str, *, is_shown: bool) -> None:
        drift(monitor)

        assert ("trip_km drifted" in page(alice, f"{LIST}?{query}")) is is_shown

    def test_six_digits_of_the_id_find_it(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)

        assert "trip_km" in page(alice, f"{LIST}?q={str(alert.pk)[:6]}")
        other = "000000" if not str(alert.pk).startswith("000000") else "ffffff"
        assert "trip_km drifted" not in page(alice, f"{LIST}?q={other}")

    def test_htmx_gets_only_the_rows_and_the_count(self, monitor: Monitor, alice: User) -> None:
        drift(monitor)

        html = page(alice, LIST, **{"HX-Request": "true", "HX-Target": "alert-rows"})

        assert "<html" not in html
        assert 'id="alert-rows"' in html
        assert 'id="open-alert-count"' in html

    def test_pages_join_without_a_gap(self, alice: User, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("monitoring.views.alerts.PAGE", 2)
        for number in range(5):
            drift(make_monitor(make_model(team=team, slug=f"m-{number}")), psi=0.3 if number % 2 else 0.2)
        seen: list[str] = []
        url = LIST
        while url:
            html = page(alice, url)
            seen += re.findall(r"alert ([0-9a-f]{8})", html)
            older = re.search(r'rel="next" href="([^"]+)"', html)
            url = LIST + older[1].replace("&amp;", "&") if older else ""

        assert len(seen) == len(set(seen)) == 5

    def test_another_team_sees_nothing(self, monitor: Monitor, charlie: User) -> None:
        drift(monitor)

        assert "Nothing needs you" in page(charlie, LIST)

    def test_twenty_alerts_cost_as_much_as_one(
        self, alice: User, team: Team, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(20):
            drift(make_monitor(make_model(team=team, slug=f"m-{number}")))
        client = signed_in(alice)
        client.get(LIST)

        with django_assert_max_num_queries(7):
            client.get(LIST)

    def test_a_stranger_is_asked_to_sign_in(self, db: None) -> None:
        assert Client().get(LIST).status_code == 302


class TestDetail:
    def test_it_shows_sentence_evidence_members_and_history(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor, features=("trip_km", "hour"))

        html = page(alice, f"/alerts/{alert.pk}/")
        words = text(html)

        assert "with 1 more feature" in words
        assert "2 of the last 2 daily windows" in words
        assert "2 conditions firing" in words
        assert "Opened" in words
        assert 'role="img"' in html
        assert reverse("monitoring:model-feature", args=["eta", "hour"]) in html

    def test_it_leads_to_the_run_that_opened_it(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)
        run = monitor.runs.get(window_end=alert.opened_at)

        assert reverse("monitoring:run-detail", args=[run.pk]) in page(alice, f"/alerts/{alert.pk}/")

    def test_other_open_alerts_of_the_model_are_named(self, monitor: Monitor, alice: User) -> None:
        for day in (1, 0):
            run = make_run(monitor, end=MIDNIGHT - timedelta(days=day))
            slow = {"check_key": "latency", "metric": "latency_p95.1", "value": 412.0, "verdict": Verdict.warn}
            found = [
                make_measurement(run, feature="trip_km", value=0.41, verdict=Verdict.drift),
                make_measurement(run, endpoint="eta-live", base_value=200.0, details={"limit_ms": 300.0}, **slow),
            ]
            alerts.observe_run(run, found, now=NOON)
        drifting = Alert.objects.get(family="drift")

        words = text(page(alice, f"/alerts/{drifting.pk}/"))

        assert "Also open on this model" in words
        assert "P95 latency at eta-live rose to 412 ms (n = 10,000), limit 300 ms" in words

    def test_a_condition_without_numbers_has_no_chart(self, monitor: Monitor, alice: User) -> None:
        for day in (1, 0):
            alerts.observe_run(make_run(monitor, end=MIDNIGHT - timedelta(days=day), state="no_data"), [], now=NOON)

        assert "No numbers to draw" in page(alice, f"/alerts/{Alert.objects.get().pk}/")

    def test_a_closed_alert_says_why_it_ended(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)
        Alert.objects.filter(pk=alert.pk).update(closed_at=MIDNIGHT, close_reason="recomputed")

        html = page(alice, f"/alerts/{alert.pk}/")

        assert "Late data changed the windows" in html
        assert "Acknowledge" not in text(html)

    def test_hostile_names_are_text(self, alice: User, team: Team) -> None:
        monitor = make_monitor(make_model(team=team, slug="eta", name='"><svg onload=x>'))
        alert = drift(monitor, features=("<b>trip</b>",))

        for url in (LIST, f"/alerts/{alert.pk}/"):
            html = page(alice, url)
            assert "<b>trip</b>" not in html
            assert "<svg onload" not in html

    def test_it_costs_at_most_eighteen_queries(
        self, monitor: Monitor, alice: User, django_assert_max_num_queries: Any
    ) -> None:
        alert = drift(monitor, features=tuple(f"f{i}" for i in range(30)), days=6)
        client = signed_in(alice)
        client.get(f"/alerts/{alert.pk}/")

        with django_assert_max_num_queries(14):
            client.get(f"/alerts/{alert.pk}/")

    def test_another_team_finds_nothing(self, monitor: Monitor, charlie: User) -> None:
        alert = drift(monitor)
        client = signed_in(charlie)

        assert client.get(f"/alerts/{alert.pk}/").status_code == 404
        assert client.post(f"/alerts/{alert.pk}/acknowledge/").status_code == 404
        assert client.post(f"/alerts/{alert.pk}/unacknowledge/").status_code == 404

    def test_messages_link_to_this_page(self, monitor: Monitor) -> None:
        alert = drift(monitor)

        assert messages.url(alert).endswith(reverse("monitoring:alert-detail", args=[alert.pk]))


class TestAcknowledge:
    def test_a_plain_form_leads_back_to_the_alert(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)

        answer = signed_in(alice).post(f"/alerts/{alert.pk}/acknowledge/", {"note": "looking", "hours": "4"})

        assert (answer.status_code, answer["Location"]) == (302, f"/alerts/{alert.pk}/")
        alert.refresh_from_db()
        assert (alert.acknowledged_by, alert.acknowledged_note) == (alice, "looking")
        assert alert.acknowledged_at is not None
        assert alert.acknowledged_until == alert.acknowledged_at + timedelta(hours=4)
        assert "alice answers for it until" in page(alice, f"/alerts/{alert.pk}/")

    def test_htmx_is_told_what_changed(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)

        answer = signed_in(alice).post(f"/alerts/{alert.pk}/acknowledge/", headers={"HX-Request": "true"})

        assert answer.status_code == 204
        assert "alerts-changed" in answer["HX-Trigger"]

    @pytest.mark.parametrize("data", [{"hours": "1000"}, {"hours": "x"}, {"note": "x" * 513}])
    def test_an_odd_form_changes_nothing(self, monitor: Monitor, alice: User, data: dict[str, str]) -> None:
        alert = drift(monitor)

        assert signed_in(alice).post(f"/alerts/{alert.pk}/acknowledge/", data).status_code == 422
        alert.refresh_from_db()
        assert alert.state == "open"

    def test_a_viewer_sees_why_not_and_is_refused_with_the_same_sentence(self, monitor: Monitor, victor: User) -> None:
        alert = drift(monitor)
        reason = alerts.may_acknowledge(victor, alert).reason

        assert reason in text(page(victor, f"/alerts/{alert.pk}/"))
        assert 'aria-disabled="true"' in page(victor, f"/alerts/{alert.pk}/")
        answer = signed_in(victor).post(f"/alerts/{alert.pk}/acknowledge/")
        assert answer.status_code == 403
        assert reason in text(answer.content.decode())

    def test_the_second_person_is_told_who_was_first(self, monitor: Monitor, alice: User, bob: User) -> None:
        alert = drift(monitor)
        alerts.acknowledge(alert, by=alice, now=NOON)

        answer = signed_in(bob).post(f"/alerts/{alert.pk}/acknowledge/")

        assert answer.status_code == 409
        assert "alice has acknowledged this alert" in answer.content.decode()

    def test_a_refusal_fills_the_messages_and_does_not_replace_them(self, monitor: Monitor, alice: User) -> None:
        """The part around the forms swaps itself whole; forms would inherit that for the answer of a refusal."""
        html = page(alice, f"/alerts/{drift(monitor).pk}/")

        forms = re.findall(r"<form[^>]+hx-post[^>]+>", html)
        assert forms
        assert all('hx-swap="innerHTML"' in form for form in forms)

    def test_one_takes_it_back(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)
        alerts.acknowledge(alert, by=alice, now=NOON)
        assert "Take back" in page(alice, f"/alerts/{alert.pk}/")

        signed_in(alice).post(f"/alerts/{alert.pk}/unacknowledge/")

        alert.refresh_from_db()
        assert alert.state == "open"

    def test_reading_never_changes_anything(self, monitor: Monitor, alice: User) -> None:
        alert = drift(monitor)

        for verb in ("acknowledge", "unacknowledge"):
            assert signed_in(alice).get(f"/alerts/{alert.pk}/{verb}/").status_code == 405

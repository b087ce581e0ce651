"""Letters about alerts: who gets them, what they say, what the mail server may answer."""

import json
import smtplib
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from mlops_portal.jobs import worker
from mlops_portal.kit import clock
from monitoring import alerts
from monitoring.alerts import messages
from monitoring.models import Alert, Monitor
from monitoring.notify import email, routes
from monitoring.stats.results import Verdict
from registry import outbox
from registry.models import OutboxMessage, Role, Team, User
from tests.factories import MIDNIGHT, NOON, make_measurement, make_model, make_monitor, make_run, make_user


@pytest.fixture
def monitor(alice: User, team: Team) -> Monitor:
    return make_monitor(make_model(team=team, slug="eta", name="Arrival times", owner=alice))


def open_alert(monitor: Monitor, *, feature: str = "trip_km") -> Alert:
    """A hard break opens at once."""
    run = make_run(monitor, end=MIDNIGHT)
    found = make_measurement(run, feature=feature, value=0.61, verdict=Verdict.drift, threshold=0.1, hard=True)
    alerts.observe_run(run, [found], now=NOON)
    return Alert.objects.get()


def addresses() -> list[str]:
    return list(OutboxMessage.objects.order_by("destination").values_list("destination", flat=True))


def letter() -> dict[str, str]:
    document: dict[str, str] = json.loads(bytes(OutboxMessage.objects.get().body))
    return document


class TestWho:
    def test_the_owner_is_written_to(self, monitor: Monitor) -> None:
        open_alert(monitor)

        assert addresses() == ["alice@example.org"]

    def test_deputy_and_contact_too_each_once(self, monitor: Monitor, bob: User, team: Team) -> None:
        model = monitor.model
        model.deputy = bob
        model.save()
        Team.objects.filter(pk=team.pk).update(contact="Alice@Example.org")

        open_alert(monitor)

        assert addresses() == ["alice@example.org", "bob@example.org"]

    def test_without_an_owner_the_maintainers_are(self, monitor: Monitor, alice: User, bob: User, victor: User) -> None:
        model = monitor.model
        model.owner = None
        model.save()

        open_alert(monitor)

        assert addresses() == ["alice@example.org", "bob@example.org"]

    def test_who_has_left_is_not_written_to(self, monitor: Monitor, alice: User, team: Team) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        make_user("dana", team=team, role=Role.MAINTAINER)

        open_alert(monitor)

        assert addresses() == ["dana@example.org"]

    @pytest.mark.parametrize("contact", ["#risk-oncall", "", "risk@example.org\r\nBcc: x@example.org"])
    def test_a_contact_that_is_no_address_is_not_used(self, monitor: Monitor, team: Team, contact: str) -> None:
        Team.objects.filter(pk=team.pk).update(contact=contact)

        open_alert(monitor)

        assert addresses() == ["alice@example.org"]

    def test_information_is_not_sent(self, monitor: Monitor, team: Team) -> None:
        alert = open_alert(monitor)
        alert.severity = Alert.Severity.INFO

        found = routes.destinations("alert.raised", str(alert.pk), messages.document(alert), team, NOON)

        assert list(found) == []

    def test_messages_of_others_are_not_ours(self, monitor: Monitor, team: Team) -> None:
        assert list(routes.destinations("deployment.activated", "e-1", {}, team, NOON)) == []


class TestLetter:
    def test_it_says_what_since_when_and_where_to_look(self, monitor: Monitor) -> None:
        alert = open_alert(monitor)

        found = letter()

        assert found["subject"].startswith("New alert: Arrival times: trip_km drifted: PSI 0.61 (n = 10,000)")
        for part in ("text", "html"):
            assert "trip_km drifted" in found[part]
            assert "20 Nov, 00:00 UTC" in found[part]
            assert messages.url(alert) in found[part]
        assert "Critical" in found["text"]

    def test_names_are_text_in_html_and_stay_as_they_are_in_plain(self, monitor: Monitor) -> None:
        open_alert(monitor, feature="<b>&trip</b>")

        assert "&lt;b&gt;&amp;trip&lt;/b&gt;" in letter()["html"]
        assert "<b>&trip</b>" in letter()["text"]

    def test_the_same_state_is_written_once(self, monitor: Monitor) -> None:
        alert = open_alert(monitor)
        messages.publish(alert, "opened", now=NOON)

        assert OutboxMessage.objects.count() == 1

    def test_the_end_is_told_too(self, monitor: Monitor) -> None:
        alert = open_alert(monitor)
        Alert.objects.filter(pk=alert.pk).update(closed_at=MIDNIGHT, close_reason="cleared")
        alert.refresh_from_db()

        [found] = routes.destinations("alert.closed", str(alert.pk), messages.document(alert), monitor.model.team, NOON)

        assert "Closed: 20 Nov, 00:00 UTC (cleared)" in json.loads(found.body)["text"]


class TestSending:
    @pytest.fixture
    def message(self, monitor: Monitor) -> OutboxMessage:
        open_alert(monitor)
        return OutboxMessage.objects.get()

    def test_it_has_text_html_and_a_lasting_id(self, message: OutboxMessage) -> None:
        email.send(message)
        email.send(message)

        first, second = mail.outbox
        assert first.to == ["alice@example.org"]
        assert "trip_km" in str(first.body)
        assert first.alternatives[0].mimetype == "text/html"  # type: ignore[attr-defined]
        ids = [message_from_string(one.message().as_string(), policy=default)["Message-ID"] for one in (first, second)]
        assert ids == [f"<{message.pk}@127.0.0.1>"] * 2

    @pytest.mark.parametrize(
        ("destination", "subject"),
        [("a@example.org\r\nBcc: b@example.org", "Hi"), ("a@example.org", "Hi\nBcc: b@example.org")],
    )
    def test_a_line_break_in_a_header_is_final(self, message: OutboxMessage, destination: str, subject: str) -> None:
        message.destination = destination
        message.body = json.dumps({"subject": subject, "text": "", "html": ""}).encode()

        with pytest.raises(outbox.Undeliverable):
            email.send(message)

        assert mail.outbox == []

    @pytest.mark.parametrize(
        ("error", "is_final"),
        [
            (smtplib.SMTPRecipientsRefused({"alice@example.org": (550, b"no such user")}), True),
            (smtplib.SMTPRecipientsRefused({"alice@example.org": (450, b"mailbox busy")}), False),
            (smtplib.SMTPDataError(554, b"spam"), True),
            (smtplib.SMTPDataError(451, b"later"), False),
            (smtplib.SMTPServerDisconnected("gone"), False),
            (TimeoutError("slow"), False),
        ],
        ids=["550", "450", "554", "451", "gone", "slow"],
    )
    def test_only_5xx_is_final(
        self, message: OutboxMessage, monkeypatch: pytest.MonkeyPatch, error: Exception, *, is_final: bool
    ) -> None:
        def refuse(backend: Any, letters: Any) -> int:
            raise error

        monkeypatch.setattr(EmailBackend, "send_messages", refuse)

        with pytest.raises(outbox.Undeliverable if is_final else type(error)):
            email.send(message)

    def test_a_worker_delivers_what_the_alert_wrote(self, message: OutboxMessage) -> None:
        OutboxMessage.objects.filter(pk=message.pk).update(next_at=clock.now())

        assert worker.do_one("deliver")

        message.refresh_from_db()
        assert message.state == OutboxMessage.State.SENT
        assert len(mail.outbox) == 1

    def test_the_console_shows_it(
        self, message: OutboxMessage, settings: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

        email.send(message)

        assert "Subject: New alert: Arrival times" in capsys.readouterr().out

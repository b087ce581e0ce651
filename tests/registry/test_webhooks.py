"""Webhooks: who gets which event, under which signature, and what becomes of a receiver that does not answer."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.conf import settings as portal
from standardwebhooks.webhooks import Webhook as Oracle

from mlops_portal.kit import clock, keyring
from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale, TooMany
from registry import outbox, webhooks
from registry.models import AuditEntry, OutboxMessage, Webhook
from registry.webhooks import secret as secrets
from tests.factories import NOON
from tests.receivers import canary

HOOK = "https://hooks.example.org/portal"


def public(host, port):
    return ["93.184.216.34"]


def register(team, by="setup", **fields):
    given = {"name": "ops", "url": HOOK, "events": ["version.*"], "resolver": public} | fields
    return webhooks.register(team, **given, by=by, now=NOON)


@pytest.fixture
def at(monkeypatch):
    """Sets the wall clock."""

    def set_to(moment):
        monkeypatch.setattr(clock, "now", lambda: moment)

    set_to(NOON)
    return set_to


def publish(team, type="version.registered", subject="v1", now=NOON, **data):
    return outbox.publish(type, subject, {"id": subject} | data, team=team, now=now)


def deliver(message):
    outbox.deliver(message.pk)
    message.refresh_from_db()
    return message


class TestKeeping:
    def test_the_secret_is_given_once_and_stored_locked(self, team, alice):
        webhook, secret = register(team, by=alice)

        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
        assert secret.encode() not in bytes(webhook.secret_ciphertext)
        assert secrets.of(webhook, NOON) == [secret]
        entry = AuditEntry.objects.get()
        assert (entry.verb, entry.actor) == ("webhook.registered", "alice")
        assert secret not in json.dumps(entry.changes)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"name": " "}, "empty"),
            ({"events": []}, "at least one event"),
            ({"events": ["Version Registered"]}, "no type such as"),
            ({"events": ["a.b"] * 1 + [f"x.{'y' * i}" for i in range(1, 60)]}, "50 is the most"),
            ({"format": "xml"}, "none of standard, mlflow"),
            ({"format": "mlflow", "events": ["version.registered"]}, "none of registered_model.created"),
            ({"status": "broken"}, "none of active, disabled"),
            ({"url": "https://10.0.0.1/"}, "not allowed"),
            ({"url": "http://hooks.example.org/"}, "not allowed"),
            ({"url": "ftp://hooks.example.org/"}, "not allowed"),
            ({"url": "https://hooks.example.org:22/"}, "not allowed"),
            ({"resolver": lambda *_: ["93.184.216.34", "127.0.0.1"]}, "not allowed"),
        ],
    )
    def test_what_will_not_do_is_said(self, team, fields, says):
        with pytest.raises(Invalid, match=says):
            register(team, **fields)

        assert not Webhook.objects.exists()

    def test_an_address_inside_has_its_own_code(self, team):
        with pytest.raises(Invalid) as raised:
            register(team, url="https://169.254.169.254/")

        assert (raised.value.code, raised.value.field) == ("address_refused", "url")

    def test_a_name_is_taken_within_the_team_until_it_is_deleted(self, team, other_team):
        webhook, _ = register(team)
        register(other_team)
        with pytest.raises(Conflict, match="choose another"):
            register(team)

        webhooks.delete(webhook, by="setup", now=NOON)

        register(team)
        webhook.refresh_from_db()
        assert (webhook.secret_ciphertext, webhook.deleted_at) == (None, NOON)

    def test_only_who_may_manage_webhooks_does(self, team, victor, charlie):
        webhook, _ = register(team)
        for person in (victor, charlie):
            for act in (
                lambda by: register(team, by=by, name="another"),
                lambda by: webhooks.edit(webhook, {"name": "x"}, base=1, by=by, now=NOON),
                lambda by: webhooks.enable(webhook, base=1, by=by, now=NOON),
                lambda by: webhooks.disable(webhook, base=1, by=by, now=NOON),
                lambda by: webhooks.rotate_secret(webhook, base=1, by=by, now=NOON),
                lambda by: webhooks.delete(webhook, by=by, now=NOON),
                lambda by: webhooks.try_out(webhook, by=by, now=NOON),
            ):
                with pytest.raises(Refused):
                    act(person)

    def test_a_change_is_refused_to_whoever_saw_an_older_state(self, team):
        webhook, _ = register(team)
        webhooks.edit(webhook, {"events": ["*"]}, base=1, by="setup", now=NOON)
        for act in (
            lambda: webhooks.edit(webhook, {"name": "x"}, base=1, by="setup", now=NOON),
            lambda: webhooks.disable(webhook, base=1, by="setup", now=NOON),
            lambda: webhooks.rotate_secret(webhook, base=1, by="setup", now=NOON),
            lambda: webhooks.delete(webhook, base=1, by="setup", now=NOON),
        ):
            with pytest.raises(Stale):
                act()

        webhook.refresh_from_db()
        assert (webhook.events, webhook.lock_version, webhook.name) == (["*"], 2, "ops")

    def test_a_new_address_is_checked_too(self, team):
        webhook, _ = register(team)

        with pytest.raises(Invalid, match="not allowed"):
            webhooks.edit(webhook, {"url": "https://[::1]/"}, base=1, by="setup", now=NOON)

    def test_an_unknown_column_is_a_mistake_of_ours(self, team):
        webhook, _ = register(team)

        with pytest.raises(ValueError, match="not editable"):
            webhooks.edit(webhook, {"team": team}, base=1, by="setup", now=NOON)

    def test_disabled_and_enabled_again(self, team):
        webhook, _ = register(team)
        webhooks.disable(webhook, base=1, by="setup", now=NOON)
        Webhook.objects.filter(pk=webhook.pk).update(failures=9, status_reason="silent")

        webhooks.enable(webhook, base=2, by="setup", now=NOON, resolver=public)

        assert (webhook.status, webhook.failures, webhook.status_reason) == ("active", 0, "")


class TestDestinations:
    @pytest.mark.parametrize(
        ("events", "wanted"),
        [
            (["*"], True),
            (["version.*"], True),
            (["version.registered"], True),
            (["model.*", "version.*"], True),
            (["model.*"], False),
            (["version"], False),
        ],
    )
    def test_a_webhook_gets_the_types_it_asks_for(self, team, events, wanted):
        Webhook.objects.filter(pk=register(team)[0].pk).update(events=events)

        assert bool(publish(team)) is wanted

    def test_only_active_webhooks_of_the_team_get_it_and_it_takes_one_query(
        self, team, other_team, django_assert_num_queries
    ):
        mine, _ = register(team)
        register(other_team)
        off, _ = register(team, name="off", status="disabled")
        gone, _ = register(team, name="gone")
        webhooks.delete(gone, by="setup", now=NOON)

        [message] = publish(team)

        assert message.destination == str(mine.pk)
        webhooks.delete(mine, by="setup", now=NOON)
        with django_assert_num_queries(1):
            assert publish(team) == []
        assert off.status == "disabled"

    def test_the_body_is_type_time_and_facts(self, team):
        register(team)

        [message] = publish(team, value="x" * 5000)

        body = json.loads(bytes(message.body))
        assert (body["type"], body["timestamp"]) == ("version.registered", "2026-11-20T12:00:00.000Z")
        assert body["data"]["id"] == "v1"
        assert len(body["data"]["value"]) == 4000
        assert len(bytes(message.body)) < 20_000

    def test_what_carries_a_sequence_is_written_once(self, team):
        register(team, events=["decision.*"])

        first = publish(team, type="decision.applied", sequence=3)

        assert (len(first), publish(team, type="decision.applied", sequence=3)) == (1, [])
        assert publish(team, type="decision.applied", sequence=4)

    def test_revisions_of_an_endpoint_are_in_line(self, team):
        register(team, events=["*"])

        first, second = (publish(team, type="deployment.activated", subject=i, endpoint="e1")[0] for i in "ab")

        assert first.order_key == second.order_key == "endpoint:e1"
        assert first.created_at < second.created_at
        assert publish(team)[0].order_key == ""

    @pytest.mark.parametrize(
        ("event", "type", "data", "told"),
        [
            (
                "registered_model.created",
                "model.registered",
                {"model_name": "credit", "tags": {"a": "b"}, "description": "d"},
                {"name": "credit", "tags": {"a": "b"}, "description": "d"},
            ),
            (
                "model_version.created",
                "version.registered",
                {
                    "model_name": "credit",
                    "version": "3",
                    "source": "s3://x",
                    "run_id": "r",
                    "tags": {},
                    "description": "",
                },
                {"name": "credit", "version": "3", "source": "s3://x", "run_id": "r", "tags": {}, "description": ""},
            ),
            (
                "model_version_tag.set",
                "tag.set",
                {"model_name": "credit", "version": "3", "key": "k", "value": "v"},
                {"name": "credit", "version": "3", "key": "k", "value": "v"},
            ),
            (
                "model_version_tag.deleted",
                "tag.deleted",
                {"model_name": "credit", "version": "3", "key": "k"},
                {"name": "credit", "version": "3", "key": "k"},
            ),
            (
                "model_version_alias.created",
                "alias.set",
                {"model_name": "credit", "version": "3", "alias": "champion"},
                {"name": "credit", "version": "3", "alias": "champion"},
            ),
            (
                "model_version_alias.deleted",
                "alias.ended",
                {"model_name": "credit", "version": "3", "alias": "champion"},
                {"name": "credit", "alias": "champion"},
            ),
        ],
    )
    def test_an_mlflow_webhook_reads_what_mlflow_would_send(self, team, event, type, data, told):
        register(team, format="mlflow", events=[event])

        [message] = publish(team, type=type, **data)

        entity, action = event.split(".")
        body = json.loads(bytes(message.body))
        assert (body["entity"], body["action"], body["data"]) == (entity, action, told)

    def test_an_mlflow_webhook_hears_of_no_tag_of_a_model_and_of_no_other_event(self, team):
        register(team, format="mlflow", events=list(webhooks.MLFLOW_EVENTS))

        assert publish(team, type="tag.set", model_name="credit", key="k", value="v") == []
        assert publish(team, type="version.blocked") == []


class TestSending:
    def test_the_oracle_accepts_what_is_sent(self, team, receiver, at):
        webhook, secret = register(team, url=receiver.url())
        now = NOON + timedelta(minutes=3)
        at(now)
        [message] = publish(team, now=now)

        deliver(message)

        [taken] = receiver.taken
        assert (message.state, message.attempt_log[0]["status"], taken.method) == ("sent", 200, "POST")
        assert taken.headers["content-type"] == "application/json"
        assert taken.headers["webhook-id"] == f"msg_{message.pk.hex}"
        assert taken.headers["webhook-timestamp"] == str(int(now.timestamp()))
        oracle = Oracle(secret)
        signed = oracle.sign(taken.headers["webhook-id"], now, taken.body.decode())
        assert taken.headers["webhook-signature"] == signed
        webhook.refresh_from_db()
        assert (webhook.last_success_at, webhook.failures) == (now, 0)

    def test_the_test_vector_of_the_standard(self):
        signed = b'msg_01.1700000000.{"type":"decision.applied"}'

        made = secrets.signature("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", signed)

        assert made == "v1,LgytdlhayjenEOGt6mIFLiNveV7EBnr7VoZ452yJhCo="

    def test_while_a_secret_rotates_both_sign_and_after_a_day_the_new_one(self, team, receiver, at):
        webhook, old = register(team, url=receiver.url())
        _, new = webhooks.rotate_secret(webhook, base=1, by="setup", now=NOON)
        for moment in (NOON, NOON + timedelta(hours=24)):
            at(moment)
            deliver(publish(team, now=moment)[0])

        both, one = (taken.headers["webhook-signature"].split() for taken in receiver.taken)
        signed = [
            f"{t.headers['webhook-id']}.{t.headers['webhook-timestamp']}.".encode() + t.body for t in receiver.taken
        ]
        assert both == [secrets.signature(new, signed[0]), secrets.signature(old, signed[0])]
        assert one == [secrets.signature(new, signed[1])]

    def test_the_id_is_constant_and_the_time_is_that_of_the_attempt(self, team, receiver, at):
        register(team, url=receiver.url())
        receiver.replies = [(500, {}, b"busy")]
        message = deliver(publish(team)[0])
        at(message.next_at)
        deliver(message)

        first, second = receiver.taken
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
        assert [(entry["status"], entry["error"]) for entry in message.attempt_log] == [
            (500, "HTTP 500: busy"),
            (200, ""),
        ]

    def test_mlflow_has_its_own_headers_and_signs_with_the_given_secret(self, team, receiver, at):
        register(team, url=receiver.url(), format="mlflow", events=["model_version.created"], secret="s3cret")
        message = deliver(publish(team, model_name="credit", version="1")[0])

        [taken] = receiver.taken
        sent_as, stamp = taken.headers["x-mlflow-delivery-id"], taken.headers["x-mlflow-timestamp"]
        expected = hmac.new(b"s3cret", f"{sent_as}.{stamp}.".encode() + taken.body, hashlib.sha256).digest()
        assert taken.headers["x-mlflow-signature"] == "v1," + base64.b64encode(expected).decode()
        assert (message.state, "webhook-id" in taken.headers) == ("sent", False)

    @pytest.mark.parametrize("given", ["whsec_not base64", "s3cret"])
    def test_an_mlflow_secret_is_a_text_whatever_it_looks_like(self, team, receiver, at, given):
        webhook, _ = register(team, url=receiver.url(), format="mlflow", events=["model_version.created"], secret=given)
        _, new = webhooks.rotate_secret(webhook, base=1, by="setup", now=NOON)

        deliver(publish(team, model_name="credit", version="1")[0])

        [taken] = receiver.taken
        signed = f"{taken.headers['x-mlflow-delivery-id']}.{taken.headers['x-mlflow-timestamp']}.".encode() + taken.body
        expected = [hmac.new(one.encode(), signed, hashlib.sha256).digest() for one in (new, given)]
        assert taken.headers["x-mlflow-signature"].split() == [
            "v1," + base64.b64encode(one).decode() for one in expected
        ]

    def test_an_mlflow_webhook_without_a_secret_is_not_signed(self, team, receiver, at):
        register(team, url=receiver.url(), format="mlflow", events=["model_version.created"])

        deliver(publish(team, model_name="credit", version="1")[0])

        assert "x-mlflow-signature" not in receiver.taken[0].headers
        assert "x-mlflow-delivery-id" in receiver.taken[0].headers

    @pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
    def test_anything_but_2xx_is_a_failure(self, team, receiver, at, status):
        webhook, _ = register(team, url=receiver.url())
        with canary() as inside:
            receiver.replies = [(status, {"Location": inside.url()}, b"no")]

            message = deliver(publish(team)[0])

            assert inside.connections == 0
        webhook.refresh_from_db()
        assert (message.state, message.attempt_log[0]["status"], webhook.failures) == ("pending", status, 1)

    def test_retry_after_lengthens_the_wait(self, team, receiver, at):
        register(team, url=receiver.url())
        receiver.replies = [(429, {"Retry-After": "3600"}, b"")]

        message = deliver(publish(team)[0])

        assert message.next_at == NOON + timedelta(hours=1)

    def test_410_disables_the_webhook_and_tells_the_maintainers(self, team, alice, receiver, at, mailoutbox):
        webhook, _ = register(team, url=receiver.url())
        receiver.replies = [(410, {}, b"")]

        message = deliver(publish(team)[0])
        webhook.refresh_from_db()

        assert (message.state, webhook.status) == ("dead", "disabled")
        assert "410" in webhook.status_reason
        assert AuditEntry.objects.filter(verb="webhook.disabled").count() == 1
        letter = OutboxMessage.objects.get(transport="email")
        assert letter.destination == "alice@example.org"
        deliver(letter)
        [mail] = mailoutbox
        assert mail.subject == "Webhook disabled: ops"
        assert f"/webhooks/{webhook.pk}/" in mail.body

    def test_five_silent_days_and_ten_failures_disable_it(self, team, receiver, at):
        webhook, _ = register(team, url=receiver.url())
        receiver.replies = [(500, {}, b"")] * 30
        for i in range(9):
            at(NOON + timedelta(minutes=i))
            deliver(publish(team)[0])
        at(NOON + timedelta(days=4))
        deliver(publish(team)[0])
        webhook.refresh_from_db()
        assert (webhook.status, webhook.failures) == ("active", 10)

        at(NOON + timedelta(days=5, seconds=1))
        deliver(publish(team)[0])
        webhook.refresh_from_db()

        assert (webhook.status, "five days" in webhook.status_reason) == ("disabled", True)

    def test_a_success_in_between_begins_anew(self, team, receiver, at):
        webhook, _ = register(team, url=receiver.url())
        receiver.replies = [(500, {}, b"")] * 9 + [(200, {}, b"")] + [(500, {}, b"")] * 9
        for i in range(19):
            at(NOON + timedelta(hours=8 * i))
            deliver(publish(team)[0])

        webhook.refresh_from_db()
        assert (webhook.status, webhook.failures) == ("active", 9)

    def test_a_lost_key_breaks_the_webhook_and_a_new_secret_mends_it(self, team, receiver, at, settings, monkeypatch):
        webhook, old = register(team, url=receiver.url())
        lost = keyring.KeyRing({"k9": b"9" * 32}, "k9")
        monkeypatch.setattr(keyring, "ring", lambda: lost)

        message = deliver(publish(team)[0])
        webhook.refresh_from_db()
        assert (message.state, webhook.status, receiver.connections) == ("dead", "broken", 0)
        with pytest.raises(Conflict, match="Rotate"):
            webhooks.enable(webhook, base=webhook.lock_version, by="setup", now=NOON)

        _, new = webhooks.rotate_secret(webhook, base=webhook.lock_version, by="setup", now=NOON)
        webhooks.replay(message, by="setup", now=NOON)
        deliver(message)

        assert (message.state, webhook.status, secrets.of(webhook, NOON)) == ("sent", "active", [new])
        assert old != new

    @pytest.mark.parametrize("end", ["deleted", "disabled"])
    def test_what_waits_for_a_webhook_that_ends_is_given_up(self, team, receiver, at, end):
        webhook, _ = register(team, url=receiver.url())
        [message] = publish(team)
        if end == "deleted":
            webhooks.delete(webhook, by="setup", now=NOON)
        else:
            webhooks.disable(webhook, base=1, by="setup", now=NOON)

        deliver(message)

        assert (message.state, receiver.connections) == ("dead", 0)
        assert end in message.attempt_log[0]["error"]

    def test_a_host_gets_twenty_messages_a_minute(self, team, receiver, at):
        register(team, url=receiver.url())
        messages = [publish(team)[0] for _ in range(22)]

        for message in messages:
            deliver(message)
        assert [message.state for message in messages].count("sent") == 20
        assert (messages[-1].attempts, messages[-1].next_at) == (0, NOON + timedelta(seconds=60))

        at(NOON + timedelta(seconds=60))
        for message in messages:
            deliver(message)

        assert {message.state for message in messages} == {"sent"}

    @pytest.mark.parametrize(("status", "waits"), [(429, True), (502, True), (504, True), (500, False)])
    def test_an_overloaded_receiver_gets_one_message_at_a_time(self, team, receiver, at, status, waits):
        register(team, url=receiver.url())
        receiver.replies = [(status, {}, b"")]
        deliver(publish(team)[0])
        under_way, message = publish(team)[0], publish(team)[0]
        OutboxMessage.objects.filter(pk=under_way.pk).update(state="sending", attempts=1)

        at(NOON + timedelta(minutes=9))
        deliver(message)
        assert ((message.state, message.attempts) == ("pending", 0)) is waits

        at(NOON + timedelta(minutes=12))
        assert deliver(message).state == "sent"

    def test_an_address_that_has_turned_inside_is_refused_at_the_send(self, team, receiver, at, settings):
        register(team, url=receiver.url())
        settings.PORTAL_OUTBOUND_ALLOW = ()

        message = deliver(publish(team)[0])

        assert (message.state, receiver.connections) == ("pending", 0)
        assert "not allowed" in message.attempt_log[0]["error"]


class TestTrying:
    def test_a_test_is_sent_at_once_and_its_answer_shown(self, team, alice, receiver):
        webhook, secret = register(team, url=receiver.url())
        receiver.replies = [(418, {}, b"teapot " * 1000)]

        trial = webhooks.try_out(webhook, by=alice, now=clock.now())

        [taken] = receiver.taken
        assert (trial.success, trial.status, len(trial.answer)) == (False, 418, 1024)
        assert json.loads(taken.body)["type"] == "test"
        assert Oracle(secret).verify(taken.body.decode(), taken.headers)
        assert not OutboxMessage.objects.exists()

    def test_closed_ports_and_refused_addresses_are_told(self, team, alice, receiver, settings):
        webhook, _ = register(team, url=receiver.url())
        Webhook.objects.filter(pk=webhook.pk).update(url="https://127.0.0.1:1/")
        webhook.refresh_from_db()

        assert "not allowed" in webhooks.try_out(webhook, by=alice, now=NOON).error

    def test_mlflow_tries_the_event_asked_for(self, team, alice, receiver):
        events = ["registered_model.created", "model_version_alias.created"]
        webhook, _ = register(team, url=receiver.url(), format="mlflow", events=events)

        webhooks.try_out(webhook, by=alice, now=NOON)
        webhooks.try_out(webhook, event="model_version_tag.set", by=alice, now=NOON)
        with pytest.raises(Invalid, match="none of"):
            webhooks.try_out(webhook, event="prompt.created", by=alice, now=NOON)

        assert [json.loads(taken.body)["entity"] for taken in receiver.taken] == [
            "registered_model",
            "model_version_tag",
        ]

    def test_ten_tests_a_minute_and_person(self, team, alice, bob, receiver):
        webhook, _ = register(team, url=receiver.url())
        for _ in range(10):
            webhooks.try_out(webhook, by=alice, now=NOON)

        with pytest.raises(TooMany) as raised:
            webhooks.try_out(webhook, by=alice, now=NOON)

        assert (raised.value.retry_after_s, len(receiver.taken)) == (60, 10)
        assert webhooks.try_out(webhook, by=bob, now=NOON).success

    def test_a_lost_key_is_told(self, team, alice, receiver, monkeypatch):
        webhook, _ = register(team, url=receiver.url())
        monkeypatch.setattr(keyring, "ring", lambda: keyring.KeyRing({"k9": b"9" * 32}, "k9"))

        trial = webhooks.try_out(webhook, by=alice, now=NOON)

        webhook.refresh_from_db()
        assert ("Rotate" in trial.error, webhook.status, receiver.connections) == (True, "broken", 0)


def test_a_replay_takes_the_right_and_a_dead_message(team, alice, victor, receiver, at):
    register(team, url=receiver.url())
    [message] = publish(team)
    with pytest.raises(Conflict):
        webhooks.replay(message, by=alice, now=NOON)
    OutboxMessage.objects.filter(pk=message.pk).update(state="dead")
    with pytest.raises(Refused):
        webhooks.replay(message, by=victor, now=NOON)

    webhooks.replay(message, by=alice, now=NOON)

    assert deliver(message).state == "sent"
    assert AuditEntry.objects.filter(verb="message.replayed", actor="alice").exists()


def test_the_wiring_names_the_webhooks():
    assert portal.OUTBOX_TRANSPORTS["webhook"] == "registry.webhooks.send"
    assert "registry.webhooks.destinations" in portal.OUTBOX_DESTINATIONS

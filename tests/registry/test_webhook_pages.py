"""Pages of webhooks and of the delivery log."""

import re

import pytest
from django.urls import reverse

from registry import outbox, webhooks
from registry.models import OutboxMessage, Webhook
from tests.factories import NOON


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


def html(response):
    return response.content.decode()


def url(name, *args):
    return reverse(f"registry:{name}", args=args)


def make_webhook(team, receiver, name="ops", **fields):
    given = {"url": receiver.url(), "events": ["*"]} | fields
    return webhooks.register(team, name=name, **given, by="setup", now=NOON)[0]


def make_message(team, state="pending", **fields):
    [message] = outbox.publish("version.registered", "v1", {"n": 1}, team=team, now=NOON)
    OutboxMessage.objects.filter(pk=message.pk).update(state=state, **fields)
    message.refresh_from_db()
    return message


def test_the_empty_list_says_what_to_do_and_the_team_page_leads_there(as_alice, team):
    page = html(as_alice.get(url("webhook-list", "risk")))

    assert "No webhooks yet" in page
    assert url("webhook-create", "risk") in page
    assert url("webhook-list", "risk") in html(as_alice.get(url("team-detail", "risk")))


def test_a_new_webhook_shows_its_secret_once(as_alice, team, receiver):
    answer = as_alice.post(
        url("webhook-create", "risk"), {"name": "ops", "url": receiver.url(), "events": ["version.*", "alias.*"]}
    )

    webhook = Webhook.objects.get()
    secret = re.search(r"whsec_[\w+/=]{40,}", html(answer))[0]
    assert (webhook.events, webhook.created_by) == (["version.*", "alias.*"], "alice")
    assert secret not in html(as_alice.get(url("webhook-detail", webhook.pk)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "https://127.0.0.1/"}, "not allowed"),
        ({"url": "https://169.254.169.254/"}, "not allowed"),
        ({"name": ""}, "required"),
        ({"events": []}, "at least one event"),
        ({"events": ["nonsense"]}, "nonsense"),
    ],
)
def test_what_will_not_do_is_told_at_its_field(as_alice, team, receiver, change, says):
    answer = as_alice.post(
        url("webhook-create", "risk"), {"name": "ops", "url": receiver.url(), "events": ["*"]} | change
    )

    assert answer.status_code == 422
    assert says in html(answer)
    assert not Webhook.objects.exists()


def test_it_is_edited_disabled_activated_and_deleted(as_alice, team, receiver):
    webhook = make_webhook(team, receiver, events=["custom.kind"])
    form = html(as_alice.get(url("webhook-edit", webhook.pk)))
    assert "custom.kind" in form

    data = {"name": "hints", "url": receiver.url(), "events": ["custom.kind", "model.*"], "base": 1}
    assert as_alice.post(url("webhook-edit", webhook.pk), data).status_code == 302
    assert as_alice.post(url("webhook-edit", webhook.pk), data | {"name": "late"}).status_code == 412
    as_alice.post(url("webhook-disable", webhook.pk))
    webhook.refresh_from_db()
    assert (webhook.name, webhook.events, webhook.status) == ("hints", ["custom.kind", "model.*"], "disabled")
    as_alice.post(url("webhook-enable", webhook.pk))
    assert "Keep it" in html(as_alice.get(url("webhook-delete", webhook.pk)))
    assert as_alice.post(url("webhook-delete", webhook.pk))["Location"] == url("webhook-list", "risk")
    assert as_alice.get(url("webhook-detail", webhook.pk)).status_code == 404


def test_a_rotated_secret_is_shown_once_and_both_sign_for_a_day(as_alice, team, receiver):
    webhook = make_webhook(team, receiver)

    page = html(as_alice.post(url("webhook-rotate", webhook.pk)))

    assert re.search(r"whsec_[\w+/=]{40,}", page)
    assert "old secret signs too until" in page
    assert "whsec_" not in html(as_alice.get(url("webhook-detail", webhook.pk)))


def test_a_test_shows_what_came_back(as_alice, team, receiver):
    webhook = make_webhook(team, receiver)
    receiver.replies = [(200, {}, b"thanks"), (500, {}, b"<script>alert(1)</script>")]

    good, bad = (html(as_alice.post(url("webhook-test", webhook.pk))) for _ in range(2))

    assert "The receiver took the test" in good
    assert "thanks" in good
    assert "did not take the test" in bad
    assert "&lt;script&gt;alert(1)" in bad
    receiver.replies = []
    Webhook.objects.filter(pk=webhook.pk).update(url="https://127.0.0.1:1/")
    assert "not allowed" in html(as_alice.post(url("webhook-test", webhook.pk)))


def test_a_broken_and_a_disabled_webhook_say_why(as_alice, team, receiver):
    webhook = make_webhook(team, receiver)
    for status in ("broken", "disabled"):
        Webhook.objects.filter(pk=webhook.pk).update(status=status, status_reason="No message was taken for five days.")

        assert "taken for five days" in html(as_alice.get(url("webhook-detail", webhook.pk)))


def test_the_log_shows_what_was_given_up_and_sends_it_again(as_alice, team, receiver):
    webhook = make_webhook(team, receiver)
    entry = {"at": NOON.isoformat(), "ms": 12, "status": 503, "error": "HTTP 503: busy"}
    dead = make_message(team, state="dead", attempts=10, attempt_log=[entry])
    make_message(team)

    for page in ("webhook-list", "message-list"):
        assert "risk" in html(as_alice.get(url(page, "risk")))
    assert "1 message was given up." in html(as_alice.get(url("webhook-list", "risk")))
    assert "1 message was given up." in html(as_alice.get(url("webhook-detail", webhook.pk)))
    only_dead = html(as_alice.get(url("message-list", "risk") + f"?state=dead&webhook={webhook.pk}"))
    assert "HTTP 503: busy" in only_dead
    assert only_dead.count("<tr>") == 2
    one = html(as_alice.get(url("message-detail", dead.pk)))
    assert "Send again" in one
    assert "HTTP 503: busy" in one
    assert "&quot;version.registered&quot;" in one

    assert as_alice.post(url("message-replay", dead.pk)).status_code == 302
    dead.refresh_from_db()
    assert dead.state == "pending"
    assert as_alice.post(url("message-replay", dead.pk)).status_code == 409


def test_filters_and_their_empty_states(as_alice, team, receiver):
    log = url("message-list", "risk")
    assert "Nothing was sent yet" in html(as_alice.get(log))
    make_webhook(team, receiver)
    make_message(team)

    assert "No message fits" in html(as_alice.get(f"{log}?state=sent"))
    assert "No message fits" in html(as_alice.get(f"{log}?type=%00x"))
    fragment = as_alice.get(log, headers={"HX-Request": "true", "HX-Target": "message-rows"})
    assert "<html" not in html(fragment)


def test_the_log_goes_on_page_by_page(as_alice, team, receiver):
    make_webhook(team, receiver)
    for _ in range(52):
        make_message(team)

    first = html(as_alice.get(url("message-list", "risk") + "?state=pending"))
    older = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    second = html(as_alice.get(url("message-list", "risk") + older))

    assert (first.count("/messages/"), "state=pending" in older) == (
        51 + first.count("/teams/risk/messages/") - 1,
        True,
    )
    assert second.count('class="name"') == 2
    assert "version.registered" in html(as_alice.get(url("message-list", "risk") + "?cursor=forged"))


def test_strangers_find_nothing_and_viewers_may_not(client, victor, charlie, team, receiver):
    webhook = make_webhook(team, receiver)
    message = make_message(team, state="dead")
    pages = [
        ("get", url("webhook-list", "risk")),
        ("get", url("webhook-create", "risk")),
        ("get", url("message-list", "risk")),
        ("get", url("webhook-detail", webhook.pk)),
        ("get", url("message-detail", message.pk)),
        *(("post", url(f"webhook-{verb}", webhook.pk)) for verb in ("edit", "test", "rotate", "enable", "disable")),
        ("post", url("webhook-delete", webhook.pk)),
        ("post", url("message-replay", message.pk)),
    ]
    for person, status in ((charlie, 404), (victor, 403)):
        client.force_login(person)
        for method, page in pages:
            assert getattr(client, method)(page).status_code == status, (person, page)
    assert url("webhook-list", "risk") not in html(client.get(url("team-detail", "risk")))


def test_twenty_rows_take_few_queries(as_alice, team, receiver, django_assert_max_num_queries):
    hooks = [make_webhook(team, receiver, name=f"hook {i}") for i in range(20)]
    outbox.publish("version.registered", "v1", {}, team=team, now=NOON)

    for page in (
        url("webhook-list", "risk"),
        url("message-list", "risk"),
        url("webhook-detail", hooks[0].pk),
        url("message-detail", OutboxMessage.objects.first().pk),
    ):
        with django_assert_max_num_queries(14):
            assert as_alice.get(page).status_code == 200

"""The transport `webhook`: one stored message becomes one signed POST."""

import random
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from mlops_portal.kit import addresses, clock, outbound
from mlops_portal.kit.errors import DomainError
from mlops_portal.kit.outbound import Answer, NoAnswer
from registry import audit, outbox, rates
from registry.models import OutboxMessage, Webhook
from registry.outbox import NotTaken, Postponed, Undeliverable
from registry.webhooks import secret
from registry.webhooks.secret import SecretLost

ACTOR = "system:webhooks"
PER_HOST = 20  # messages a minute, so that a burst of events is no attack on the receiver
OVERLOADED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
CARE_TIME = timedelta(minutes=10)  # after such an answer messages go one at a time
CARE_WAIT_S = 5
SILENT_LIMIT = timedelta(days=5)
FAILURES_LIMIT = 10


def send(message: OutboxMessage) -> int:
    """POST the message's body to its webhook and give back the status, which is one of 2xx.

    Raises Undeliverable if the webhook is gone, disabled or broken, or answers 410, which disables it; Postponed when
    its host has had its share of this minute, or is overloaded and at work on another message; NotTaken for everything
    else. After five days and ten failures without a success the webhook is disabled.
    """
    now = clock.now()
    webhook = Webhook.objects.select_related("team").filter(pk=UUID(message.destination), deleted_at=None).first()
    if webhook is None or webhook.status != Webhook.Status.ACTIVE:
        state = "deleted" if webhook is None else webhook.status
        raise Undeliverable(f"The webhook is {state}.")
    headers = _signed(webhook, message, now)
    _require_turn(webhook, message, now)
    try:
        answer = outbound.request("POST", webhook.url, body=bytes(message.body), headers=headers)
    except (NoAnswer, DomainError) as error:
        _note_failure(webhook, str(error))
        raise NotTaken(str(error)) from None
    return _judge(webhook, answer)


def headers_for(webhook: Webhook, message_id: UUID, body: bytes, now: datetime) -> dict[str, str]:
    """The headers under which the receiver takes the body: its id, the time of this attempt, the signatures.

    Raises SecretLost if the secret cannot be read.
    """
    is_mlflow = webhook.format == Webhook.Format.MLFLOW
    sent_as = message_id.hex if is_mlflow else f"msg_{message_id.hex}"
    at = str(int(now.timestamp()))
    signed = f"{sent_as}.{at}.".encode() + body
    signatures = " ".join(secret.signature(one, signed, is_plain=is_mlflow) for one in secret.of(webhook, now))
    names = (
        ("X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature")
        if is_mlflow
        else ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    told = zip(names, (sent_as, at, signatures), strict=True)
    return {"Content-Type": "application/json"} | {name: value for name, value in told if value}


@transaction.atomic
def break_off(webhook: Webhook, reason: str) -> None:
    """Note that the secret cannot be read; a new one mends it."""
    active = Webhook.objects.filter(pk=webhook.pk, status=Webhook.Status.ACTIVE)
    if active.update(status=Webhook.Status.BROKEN, status_reason=reason, updated_at=clock.now()):
        audit.record("webhook.broken", webhook, by=ACTOR, now=clock.now(), team=webhook.team, reason=reason)


def _signed(webhook: Webhook, message: OutboxMessage, now: datetime) -> dict[str, str]:
    try:
        return headers_for(webhook, message.pk, bytes(message.body), now)
    except SecretLost as error:
        reason = f"Its secret cannot be read: {error}. Rotate the secret."
        break_off(webhook, reason)
        raise Undeliverable(reason) from None


def _require_turn(webhook: Webhook, message: OutboxMessage, now: datetime) -> None:
    """Spare a receiver that is overloaded, and the host of any."""
    sending = OutboxMessage.objects.filter(destination=message.destination, state=OutboxMessage.State.SENDING)
    if rates.used_since(_overload(webhook), now - CARE_TIME) and sending.exclude(pk=message.pk).exists():
        raise Postponed(CARE_WAIT_S * random.uniform(1, 2))  # noqa: S311 (two that wait for each other part)
    host = addresses.parse(webhook.url, schemes=("https", "http")).host
    if wait_s := rates.take(f"host:{host}", limit=PER_HOST, now=now):
        raise Postponed(wait_s)


def _overload(webhook: Webhook) -> str:
    return f"overload:{webhook.pk}"


def _judge(webhook: Webhook, answer: Answer) -> int:
    now = clock.now()
    if answer.is_success:
        Webhook.objects.filter(pk=webhook.pk).update(last_success_at=now, failures=0)
        return answer.status
    reason = f"HTTP {answer.status}" + (f": {answer.excerpt}" if answer.excerpt else "")
    if answer.status == HTTPStatus.GONE:
        _disable(webhook, "The receiver answered 410: it is gone for good.", now)
        raise Undeliverable(reason, status=answer.status)
    if answer.status in OVERLOADED:
        rates.take(_overload(webhook), limit=1, now=now)
    _note_failure(webhook, reason)
    raise NotTaken(reason, status=answer.status, wait_s=answer.retry_after_s)


def _note_failure(webhook: Webhook, reason: str) -> None:
    now = clock.now()
    Webhook.objects.filter(pk=webhook.pk).update(failures=F("failures") + 1)
    long_ago = Q(last_success_at=None) | Q(last_success_at__lt=now - SILENT_LIMIT)
    silent = Webhook.objects.filter(  # a change of the webhook is a new beginning
        long_ago, pk=webhook.pk, failures__gte=FAILURES_LIMIT, updated_at__lt=now - SILENT_LIMIT
    )
    if silent.exists():
        _disable(webhook, f"No message was taken for five days. The last answer: {reason}"[:500], now)


@transaction.atomic
def _disable(webhook: Webhook, reason: str, now: datetime) -> None:
    """Stop sending there, and tell the team by another way. Of two that find it out one tells."""
    active = Webhook.objects.filter(pk=webhook.pk, status=Webhook.Status.ACTIVE)
    if not active.update(
        status=Webhook.Status.DISABLED, status_reason=reason, lock_version=F("lock_version") + 1, updated_at=now
    ):
        return
    audit.record("webhook.disabled", webhook, by=ACTOR, now=now, team=webhook.team, reason=reason)
    told = {"id": str(webhook.pk), "name": webhook.name, "url": webhook.url, "reason": reason}
    outbox.publish("channel.disabled", str(webhook.pk), told, team=webhook.team, now=now)

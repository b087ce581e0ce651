"""Registering, changing and ending webhooks."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from mlops_portal.kit import outbound
from mlops_portal.kit.errors import Conflict, Stale
from mlops_portal.kit.outbound import Resolver
from mlops_portal.kit.ruling import Ruling
from registry import audit, outbox
from registry.actors import Actor, actor_label
from registry.models import OutboxMessage, Team, Webhook
from registry.permissions import Permission, require, ruling
from registry.rules import Checked
from registry.webhooks import secret as secrets
from registry.webhooks.bodies import MLFLOW_EVENTS

EDITABLE = frozenset({"name", "description", "url", "events", "status"})
OLD_SECRET_LIFE = timedelta(hours=24)
EVENTS_LIMIT = 50
SECRET_LIMIT = 1000
_PATTERN = re.compile(r"\*|[a-z_]+\.(\*|[a-z_]+)|test")


def may_manage(actor: Actor, team: Team) -> Ruling:
    """Whether somebody may see and change the team's webhooks and its delivery log."""
    return ruling(actor, Permission.WEBHOOK_MANAGE, team)


def register(
    team: Team,
    *,
    name: str,
    url: str,
    events: Sequence[str],
    description: str = "",
    format: str = Webhook.Format.STANDARD,
    secret: str | None = None,
    status: str = Webhook.Status.ACTIVE,
    client_key: str | None = None,
    client_body_sha: str = "",
    by: Actor,
    now: datetime,
    resolver: Resolver = outbound.resolve,
) -> tuple[Webhook, str]:
    """Send the team's events there from now on; gives the webhook and its secret, which nobody can show again.

    The standard format gets a secret of our making; an MLflow webhook has the one its client gives, or none.
    Raises Refused without the right, Invalid naming every value that will not do (`address_refused` for the address),
    Conflict (`name_taken`) if the team has a webhook of this name.
    """
    require(by, Permission.WEBHOOK_MANAGE, team)
    given = {"name": name, "url": url, "events": events, "description": description, "status": status}
    with Checked() as checked:
        checked.choice("format", format, Webhook.Format.values)
        fields = _check(checked, given, format)
        _check_status(checked, status)
        if len(secret or "") > SECRET_LIMIT:
            checked.refuse("secret", f"It has {len(secret or '')} characters; {SECRET_LIMIT} is the most.")
    outbound.check(url, resolver=resolver)  # before the transaction: the resolver may take its time
    text = (secret or "") if format == Webhook.Format.MLFLOW else secrets.make()
    locked = dict(zip(("secret_ciphertext", "key_id"), secrets.lock(text), strict=True)) if text else {}
    webhook = Webhook(
        team=team,
        format=format,
        client_key=client_key,
        client_body_sha=client_body_sha,
        created_at=now,
        created_by=actor_label(by),
        updated_at=now,
        **fields,
        **locked,
    )
    with transaction.atomic():
        _save(lambda: webhook.save(force_insert=True), webhook)
        changes = {"name": [None, webhook.name], "url": [None, webhook.url], "events": [None, webhook.events]}
        audit.record("webhook.registered", webhook, by=by, now=now, team=team, changes=changes)
    return webhook, text


def edit(
    webhook: Webhook,
    patch: Mapping[str, Any],
    *,
    base: int,
    secret: str | None = None,
    by: Actor,
    now: datetime,
    resolver: Resolver = outbound.resolve,
) -> Webhook:
    """Change what the webhook gets and where; activating it forgets its failures.

    secret: a new one of an MLflow client, which is valid at once. Raises as `register`, and Stale if the webhook
    changed since `base`.
    """
    require(by, Permission.WEBHOOK_MANAGE, webhook.team)
    if webhook.status == Webhook.Status.BROKEN and patch.get("status") == Webhook.Status.ACTIVE and not secret:
        raise Conflict("Its secret cannot be read. Rotate the secret: that makes it active again.", code="wrong_state")
    before = {name: getattr(webhook, name) for name in EDITABLE}
    with Checked() as checked:
        fields = _check(checked, before | dict(patch), webhook.format)
        _check_status(checked, patch.get("status", Webhook.Status.ACTIVE))
    if fields["url"] != webhook.url or (fields["status"] == Webhook.Status.ACTIVE != webhook.status):
        outbound.check(fields["url"], resolver=resolver)
    changes: dict[str, Any] = {key: [before[key], value] for key, value in fields.items() if before[key] != value}
    if secret:
        fields["secret_ciphertext"], fields["key_id"] = secrets.lock(secret)
        fields["status"] = patch.get("status", _mended(webhook))
        changes["secret"] = [None, None]
    if fields["status"] != webhook.status:
        fields |= {"status_reason": "", "failures": 0}
    with transaction.atomic():
        _move(webhook, base=base, now=now, **fields)
        if changes:
            audit.record("webhook.changed", webhook, by=by, now=now, team=webhook.team, changes=changes)
    return webhook


def enable(webhook: Webhook, *, base: int, by: Actor, now: datetime, resolver: Resolver = outbound.resolve) -> Webhook:
    """Send there again, if the address still may be called. Raises as `edit`."""
    return edit(webhook, {"status": Webhook.Status.ACTIVE}, base=base, by=by, now=now, resolver=resolver)


def disable(webhook: Webhook, *, base: int, by: Actor, now: datetime) -> Webhook:
    """Send nothing there until it is enabled; events of this time are not kept for it. Raises as `edit`."""
    return edit(webhook, {"status": Webhook.Status.DISABLED}, base=base, by=by, now=now)


@transaction.atomic
def rotate_secret(webhook: Webhook, *, base: int, by: Actor, now: datetime) -> tuple[Webhook, str]:
    """A new secret, shown once; for 24 hours messages carry the signatures of both.

    A broken webhook becomes active with it, and its old secret, which cannot be read, is dropped. Raises Refused
    without the right, Stale if the webhook changed since `base`.
    """
    require(by, Permission.WEBHOOK_MANAGE, webhook.team)
    text = secrets.make()
    is_broken = webhook.status == Webhook.Status.BROKEN
    fields: dict[str, Any] = dict(zip(("secret_ciphertext", "key_id"), secrets.lock(text), strict=True))
    if is_broken:
        fields |= {"status": _mended(webhook), "status_reason": "", "failures": 0}
        fields |= {"old_secret_ciphertext": None, "old_key_id": "", "old_secret_until": None}
    else:
        fields |= {
            "old_secret_ciphertext": webhook.secret_ciphertext,
            "old_key_id": webhook.key_id,
            "old_secret_until": now + OLD_SECRET_LIFE,
        }
    _move(webhook, base=base, now=now, **fields)
    changes = {"secret": [None, None]}
    audit.record("webhook.rotated", webhook, by=by, now=now, team=webhook.team, changes=changes)
    return webhook, text


@transaction.atomic
def delete(webhook: Webhook, *, base: int | None = None, by: Actor, now: datetime) -> None:
    """End the webhook and forget its secrets; its messages stay in the log. Raises Refused, Stale."""
    require(by, Permission.WEBHOOK_MANAGE, webhook.team)
    forgotten = {"secret_ciphertext": None, "old_secret_ciphertext": None, "old_secret_until": None}
    _move(webhook, base=webhook.lock_version if base is None else base, now=now, deleted_at=now, **forgotten)
    audit.record("webhook.deleted", webhook, by=by, now=now, team=webhook.team)


@transaction.atomic
def replay(message: OutboxMessage, *, by: Actor, now: datetime) -> OutboxMessage:
    """Send a message that was given up once more, with the same id and body.

    Raises Refused without the right, Conflict unless the message was given up.
    """
    require(by, Permission.WEBHOOK_MANAGE, message.team)
    outbox.replay(message, now=now)
    audit.record("message.replayed", message, by=by, now=now, team=message.team)
    return message


def _check(checked: Checked, given: Mapping[str, Any], format: str) -> dict[str, Any]:
    if unknown := given.keys() - EDITABLE:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    fields = dict(given)
    fields["name"] = checked.line("name", given["name"], limit=128, required=True)
    fields["description"] = checked.text("description", given["description"], limit=4000)
    fields["events"] = _check_events(checked, given["events"], format)
    return fields


def _check_events(checked: Checked, events: Sequence[str], format: str) -> list[str]:
    known = list(dict.fromkeys(events))
    if not known:
        checked.refuse("events", "Name at least one event, or * for all of them.", code="missing_field")
    elif len(known) > EVENTS_LIMIT:
        checked.refuse("events", f"{len(known)} events; {EVENTS_LIMIT} is the most: * stands for many.")
    for event in known[:EVENTS_LIMIT]:
        if format == Webhook.Format.MLFLOW:
            checked.choice("events", event, list(MLFLOW_EVENTS))
        elif len(event) > 64 or not _PATTERN.fullmatch(event):
            checked.refuse(
                "events", f"{event[:64]!r} is no type such as version.registered or alert.*.", received=event
            )
    return known


def _check_status(checked: Checked, status: str) -> None:
    checked.choice("status", status, [Webhook.Status.ACTIVE, Webhook.Status.DISABLED])


def _mended(webhook: Webhook) -> str:
    """The status after a new secret."""
    return Webhook.Status.ACTIVE if webhook.status == Webhook.Status.BROKEN else webhook.status


def _move(webhook: Webhook, *, base: int, now: datetime, **fields: Any) -> None:
    row = Webhook.objects.filter(pk=webhook.pk, lock_version=base, deleted_at=None)

    def write() -> None:
        if not row.update(lock_version=base + 1, updated_at=now, **fields):
            raise Stale(f"{webhook.name} was changed by somebody else since you read it. Read it again.")

    _save(write, webhook, str(fields.get("name", "")))
    webhook.refresh_from_db()


def _save(write: Any, webhook: Webhook, name: str = "") -> None:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        name = name or webhook.name
        others = Webhook.objects.filter(team=webhook.team, deleted_at=None).exclude(pk=webhook.pk)
        if others.filter(name=name).exists():
            raise Conflict(
                f"The team has a webhook {name}; choose another name.", code="name_taken", field="name"
            ) from None
        if webhook.client_key and others.filter(client_key=webhook.client_key).exists():
            raise Conflict("A request with this key is running.", code="idempotency_in_progress") from None
        raise

"""API keys: issue, rotate, revoke, and recognise them on the hot path of ingestion.

The text of a key is `mlp_<id>_<secret>_<check>`: 12 base32 characters that name it, 43 base64url characters of
secret (256 random bits), and a 6 character checksum, so that a typo costs no query.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Unauthenticated
from mlops_portal.kit.prepared import Prepared
from mlops_portal.kit.wording import moment
from registry import audit
from registry.actors import Actor, KeyPrincipal, actor_label
from registry.models import ApiKey, Membership, RegisteredModel, Role, Scope, Team, User
from registry.permissions.table import Permission, Standing, require

PREFIX = "mlp_"
ID_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 12, 43, 6
TEXT_LENGTH = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + 1 + CHECK_LENGTH

DAYS, DAYS_LIMIT = 90, 365
KEYS_LIMIT = 200  # usable keys of one team
LABEL_LIMIT = 100
ROTATION_OVERLAP = timedelta(hours=24)  # the old key of a rotation still works so long
USE_IS_NOTED_EVERY = timedelta(minutes=5)

_INVALID = "This API key is not valid."


class _Row(NamedTuple):
    """What recognising a key reads: the key, its team and, one row each, the memberships of its owner."""

    pk: UUID
    key_id: str
    secret_sha256: str
    label: str
    scopes: list[str]
    role: str | None
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    model_id: UUID | None
    team_id: UUID
    team__slug: str
    user_id: UUID | None
    user__is_active: bool | None
    user__is_admin: bool | None
    user__memberships__team_id: UUID | None
    user__memberships__role: str | None
    user__memberships__is_reviewer: bool | None
    user__memberships__is_approver: bool | None


_BY_KEY_ID = Prepared(
    lambda key_id: ApiKey.objects.filter(key_id=key_id).values_list(*_Row._fields), parameters=["key_id"]
)


@dataclass(frozen=True, slots=True)
class _Written:
    """The parts of a key's text."""

    key_id: str
    secret: str

    def text(self) -> str:
        body = f"{PREFIX}{self.key_id}_{self.secret}"
        return f"{body}_{_check(body)}"


@transaction.atomic
def issue_key(
    team: Team,
    *,
    label: str,
    scopes: Collection[str],
    by: Actor,
    now: datetime,
    user: User | None = None,
    role: str | None = None,
    model: RegisteredModel | None = None,
    days: int = DAYS,
) -> tuple[ApiKey, str]:
    """A new key of the team, and its text, which is shown now and never again.

    With `user` it is personal and follows the rights of its owner; without, it is a service key with a role of its
    own (contributor unless said). Raises Refused without the right, Invalid naming the field that is wrong,
    Conflict if the team has 200 usable keys already.
    """
    require(by, Permission.KEY_MANAGE, team)
    if user is None and role is None:
        role = Role.CONTRIBUTOR
    _check_request(team, label, scopes, user, role, model, days)
    if ApiKey.objects.filter(team=team, revoked_at=None, expires_at__gt=now).count() >= KEYS_LIMIT:
        raise Conflict(f"{team.name} has {KEYS_LIMIT} keys in use, the most a team may have. Revoke one first.")
    return _store(team, label, scopes, by, now, user=user, role=role, model=model, lives=timedelta(days=days))


@transaction.atomic
def rotate_key(key: ApiKey, *, by: Actor, now: datetime) -> tuple[ApiKey, str]:
    """A successor with the same rights and length of life, and its text; the old key dies after 24 hours.

    Raises Refused without the right, Conflict if the key is no longer usable.
    """
    require(by, Permission.KEY_MANAGE, key.team)
    usable = ApiKey.objects.filter(pk=key.pk, revoked_at=None, expires_at__gt=now)
    if not usable.update(expires_at=min(key.expires_at, now + ROTATION_OVERLAP)):
        raise Conflict("This key is revoked or has expired; issue a new one.")
    return _store(
        key.team,
        key.label,
        key.scopes,
        by,
        now,
        user=key.user,
        role=key.role,
        model=key.model,
        lives=key.expires_at - key.created_at,
        replaces=key,
    )


@transaction.atomic
def revoke_key(key: ApiKey, *, by: Actor, now: datetime) -> ApiKey:
    """End the key at once. Raises Refused without the right, Conflict if it was revoked before."""
    require(by, Permission.KEY_MANAGE, key.team)
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        raise Conflict("This key is revoked already.")
    key.refresh_from_db()
    audit.record("key.revoked", key, by=by, now=now, team=key.team)
    return key


def authenticate_key(text: str, now: datetime) -> KeyPrincipal:
    """The program behind the key.

    One query for a well-formed text, none for a typo; the secret is compared in constant time. At most every five
    minutes one more statement notes the use. Raises Unauthenticated if the key is unknown, wrong, expired or
    revoked, or if its owner has left the team or is disabled.
    """
    written = _read(text)
    if written is None:
        raise Unauthenticated(_INVALID)
    rows = [_Row(*row) for row in _BY_KEY_ID.rows(written.key_id)]
    stored = rows[0].secret_sha256 if rows else ""
    if not hmac.compare_digest(_digest(written.secret), stored):
        raise Unauthenticated(_INVALID)
    principal = _principal(rows, now)
    _note_use(rows[0], now)
    return principal


def key_from_request(request: HttpRequest) -> str | None:
    """The key a request carries as bearer token or as Basic password; None if it carries no key at all."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    return _basic_password(value) if scheme.lower() == "basic" else None


def require_scope(principal: KeyPrincipal, scope: str) -> None:
    """Raise Refused (`insufficient_scope`) unless the key has the scope."""
    if scope not in principal.scopes:
        held = ", ".join(sorted(principal.scopes))
        raise Refused(f"This takes a key with the scope {scope}; this one has {held}.", code="insufficient_scope")


def _check_request(
    team: Team,
    label: str,
    scopes: Collection[str],
    user: User | None,
    role: str | None,
    model: RegisteredModel | None,
    days: int,
) -> None:
    if not 1 <= len(label) <= LABEL_LIMIT or not label.isprintable():
        raise Invalid(f"A label has 1 to {LABEL_LIMIT} printable characters; {label[:64]!r} has not.", field="label")
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        said = f"{', '.join(unknown)} is not a scope" if unknown else "No scope is chosen"
        raise Invalid(f"{said}; choose from {', '.join(Scope.values)}.", field="scopes")
    if not 1 <= days <= DAYS_LIMIT:
        raise Invalid(f"A key lives 1 to {DAYS_LIMIT} days, not {days}.", field="days")
    if (user is None) == (role is None) or (role is not None and role not in Role.values):
        raise Invalid("A key is either a person's or has a role of its own.", field="role")
    if user is not None and not user.sees_all_teams and not Membership.objects.filter(team=team, user=user).exists():
        raise Invalid(f"{user.username} is not a member of {team.name}.", field="user")
    if model is not None and model.team_id != team.pk:
        raise Invalid("The model does not exist.", field="model")


def _store(
    team: Team,
    label: str,
    scopes: Collection[str],
    by: Actor,
    now: datetime,
    *,
    lives: timedelta,
    **binding: Any,
) -> tuple[ApiKey, str]:
    written = _Written(_random_id(), secrets.token_urlsafe(32))
    key = ApiKey.objects.create(
        key_id=written.key_id,
        secret_sha256=_digest(written.secret),
        team=team,
        label=label,
        scopes=sorted(scopes),
        created_at=now,
        created_by=actor_label(by),
        expires_at=now + lives,
        **binding,
    )
    changes = {"scopes": [None, key.scopes], "expires_at": [None, key.expires_at]}
    audit.record("key.issued", key, by=by, now=now, team=team, changes=changes)
    return key, written.text()


def _random_id() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()[:ID_LENGTH]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:CHECK_LENGTH]


def _read(text: str) -> _Written | None:
    """The parts of a text that is formed like a key and whose checksum fits."""
    if len(text) != TEXT_LENGTH or not text.isascii() or not text.startswith(PREFIX):
        return None
    body, check = text[: -CHECK_LENGTH - 1], text[-CHECK_LENGTH:]
    if text[-CHECK_LENGTH - 1] != "_" or _check(body) != check:
        return None
    start = len(PREFIX)
    return _Written(body[start : start + ID_LENGTH], body[start + ID_LENGTH + 1 :])


def _basic_password(value: str) -> str:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return decoded.partition(":")[2]


def _principal(rows: Sequence[_Row], now: datetime) -> KeyPrincipal:
    """The principal of the one key in `rows` (one row per membership of its owner)."""
    key = rows[0]
    if key.revoked_at is not None:
        raise Unauthenticated("This API key is revoked.")
    if key.expires_at <= now:
        raise Unauthenticated(f"This API key expired on {moment(key.expires_at)}. Issue a new one.")
    standings = {str(key.role)} if key.user_id is None else _owner_standings(rows)
    if not standings:
        raise Unauthenticated("The owner of this API key is no longer in the team.")
    return KeyPrincipal(
        pk=key.pk,
        key_id=key.key_id,
        name=key.label,
        team_id=key.team_id,
        team_slug=key.team__slug,
        scopes=frozenset(key.scopes),
        standings=frozenset(standings),
        model_id=key.model_id,
        user_id=key.user_id,
    )


def _owner_standings(rows: Sequence[_Row]) -> set[str]:
    """What the owner is to the key's team now; nothing if disabled or gone."""
    key = rows[0]
    if not key.user__is_active:
        return set()
    held = {Standing.ADMIN.value} if key.user__is_admin else set()
    for row in rows:
        if row.user__memberships__team_id == key.team_id:
            held.add(str(row.user__memberships__role))
            held |= {Standing.REVIEWER.value} if row.user__memberships__is_reviewer else set()
            held |= {Standing.APPROVER.value} if row.user__memberships__is_approver else set()
    return held


def _note_use(key: _Row, now: datetime) -> None:
    due = now - USE_IS_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > due:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=due)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)

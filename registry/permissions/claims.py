"""Claim links: how a person comes to a password without anybody else ever knowing one.

A link holds a signed text that names the person and a digest of what the account is now. Setting a password changes
that, so a link works once; it works for seven days. The link of an empty portal makes its first administrator.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import salted_hmac

from mlops_portal.kit.errors import NotThere
from registry import audit
from registry.models import User
from registry.permissions.people import check_password, check_person, store_new

LINK_LIVES = timedelta(days=7)
SALT = "registry.claim"
FIRST = "first"
# The first administrator always has this id, so that of two people who claim an empty portal at once one succeeds.
FIRST_ID = uuid5(NAMESPACE_URL, "mlops-portal:first-administrator")

_OVER = "This link was used already, or is older than seven days. An administrator can make a new one."


@dataclass(frozen=True, slots=True)
class Claimant:
    """Whom a link is for; no user: the first administrator, who still has to choose a name."""

    user: User | None = None


def claim_link(user: User | None = None) -> str | None:
    """The address at which the person sets a first or a new password.

    Without a person: the address at which the first administrator is made, or None once anybody exists.
    """
    if user is None and User.objects.exists():
        return None
    token = signing.dumps([FIRST, ""] if user is None else [str(user.pk), _state(user)], salt=SALT)
    return settings.PUBLIC_URL + reverse("claim", args=[token])


def claimant(token: str) -> Claimant:
    """Whom the token is for. Raises NotThere if it is forged, used or over seven days old."""
    try:
        who, state = signing.loads(token, salt=SALT, max_age=LINK_LIVES)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotThere(_OVER) from None
    if who == FIRST:
        if User.objects.exists():
            raise NotThere(_OVER)
        return Claimant()
    user = User.objects.filter(pk=who, is_active=True).first()
    if user is None or _state(user) != state:
        raise NotThere(_OVER)
    return Claimant(user)


@transaction.atomic
def claim_account(token: str, *, password: str, now: datetime, username: str = "", email: str = "") -> User:
    """Set the password of the person the token is for; with the first link, make that person an administrator.

    Raises NotThere if the link is over, Invalid if password, name or address will not do.
    """
    user = claimant(token).user
    if user is None:
        user = User(pk=FIRST_ID, username=username.strip().lower(), email=email.strip().lower(), is_admin=True)
        check_person(user)
        check_password(password, user, field="password")
        user.set_password(password)
        store_new(user)
    else:
        check_password(password, user, field="password")
        before = user.password
        user.set_password(password)
        if not User.objects.filter(pk=user.pk, password=before).update(password=user.password):
            raise NotThere(_OVER)  # the same link, used twice at once
    audit.record("user.claimed", user, by=user, now=now)
    return user


def _state(user: User) -> str:
    """A digest that changes with the password and with the last sign-in."""
    return salted_hmac(SALT, f"{user.pk}{user.password}{user.last_login}").hexdigest()[:32]

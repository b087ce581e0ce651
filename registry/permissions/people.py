"""People: who can sign in at all."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from mlops_portal.kit.errors import Conflict, Invalid
from registry import audit, sessions
from registry.actors import Actor
from registry.models import User
from registry.permissions.table import Permission, require
from registry.rules import Checked

PASSWORD_LIMIT = 128  # characters; beyond, hashing would be the sender's to command


@transaction.atomic
def create_user(
    username: str,
    *,
    email: str,
    is_admin: bool = False,
    is_auditor: bool = False,
    by: Actor,
    now: datetime,
) -> User:
    """A new person, who cannot sign in until they have claimed the account (`claim_link`).

    Raises Refused without the right, Invalid if a value is malformed, Conflict (`name_taken`) if name or address is.
    """
    require(by, Permission.USER_MANAGE, None)
    user = User(username=username, email=email.strip().lower(), is_admin=is_admin, is_auditor=is_auditor)
    check_person(user)
    user.set_unusable_password()
    store_new(user)
    audit.record("user.created", user, by=by, now=now, changes={"is_admin": [None, is_admin]})
    return user


@transaction.atomic
def disable_user(user: User, *, by: Actor, now: datetime) -> User:
    """Shut a person out: sessions and personal keys stop at once. Raises Refused, or Conflict if done."""
    return _set_active(user, active=False, verb="user.disabled", by=by, now=now)


@transaction.atomic
def enable_user(user: User, *, by: Actor, now: datetime) -> User:
    """Let a disabled person in again. Raises Refused without the right, Conflict if they were not disabled."""
    return _set_active(user, active=True, verb="user.enabled", by=by, now=now)


@transaction.atomic
def change_password(user: User, *, old: str, new: str, now: datetime) -> User:
    """Set a new password; every other session of the person ends.

    Raises Invalid if the old password is wrong or the new one too weak.
    """
    if len(old) > PASSWORD_LIMIT or not user.check_password(old):
        raise Invalid("This is not your present password.", field="old")
    check_password(new, user, field="new")
    user.set_password(new)
    user.save(update_fields=["password"])
    audit.record("user.password_changed", user, by=user, now=now)
    return user


def check_password(password: str, user: User, *, field: str) -> None:
    """Raise Invalid unless the password has 12 to 128 characters and is neither common nor like the name."""
    if len(password) > PASSWORD_LIMIT:
        raise Invalid(f"A password has at most {PASSWORD_LIMIT} characters.", field=field)
    if "\x00" in password:
        raise Invalid("A password cannot hold U+0000.", field=field)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field=field) from None


def check_person(user: User) -> None:
    """Raise Invalid unless name and address of a new person are well-formed."""
    with Checked() as checked:
        checked.line("username", user.username, limit=64, required=True)
        checked.line("email", user.email, limit=254, required=True)
        pattern = next(v for v in User._meta.get_field("username").validators if hasattr(v, "regex"))
        if user.username and not pattern.regex.match(user.username):
            checked.refuse("username", "Use small letters, digits, dot, - and _, starting with a letter or digit.")
        try:
            validate_email(user.email)
        except ValidationError:
            checked.refuse("email", "This is not an e-mail address such as ann@example.org.")


def store_new(user: User) -> None:
    """Insert the person, or raise Conflict saying which of the two unique values is taken."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        taken = "username" if User.objects.filter(username=user.username).exists() else "email"
        raise Conflict(f"This {taken} is taken.", code="name_taken", field=taken) from None


def _set_active(user: User, *, active: bool, verb: str, by: Actor, now: datetime) -> User:
    require(by, Permission.USER_MANAGE, None)
    if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
        raise Conflict(f"{user.username} is {'enabled' if active else 'disabled'} already.")
    user.refresh_from_db()
    if not active:
        sessions.end(user)
    audit.record(verb, user, by=by, now=now)
    return user

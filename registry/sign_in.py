"""Signing in: who it is, and that guessing gets slower and slower without ever locking anybody out for good."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.http import HttpRequest

from mlops_portal.kit import peer
from mlops_portal.kit.errors import Invalid, TooMany
from registry import audit
from registry.models import SignInFailure, User
from registry.permissions.people import PASSWORD_LIMIT

WRONG = "User name and password do not match."
USERNAME_LIMIT = 64
FORGOTTEN_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Brake:
    """After `free` failures each further one doubles the wait, up to `longest_s`."""

    subject: str
    free: int
    longest_s: int

    @property
    def key(self) -> str:
        return hashlib.sha256(self.subject.encode()).hexdigest()

    def wait_s(self, failures: int) -> int:
        """Seconds to wait after so many failures.

        >>> [Brake("", 5, 900).wait_s(n) for n in (5, 6, 7, 30)]
        [0, 2, 4, 900]
        """
        beyond = failures - self.free
        return 0 if beyond <= 0 else int(min(2.0 ** min(beyond, 30), self.longest_s))


def brakes(username: str, address: str) -> tuple[Brake, ...]:
    """What slows an attempt: this account from this peer, this peer at any account, this account from anywhere.

    The last begins late and stays short, so that strangers cannot keep the owner out.
    """
    return (
        Brake(f"pair {address} {username}", free=5, longest_s=900),
        Brake(f"peer {address}", free=20, longest_s=900),
        Brake(f"account {username}", free=100, longest_s=30),
    )


def sign_in(request: HttpRequest, *, username: str, password: str, now: datetime) -> User:
    """The person whose name and password these are.

    Raises TooMany (with the seconds to wait; the password is then not looked at) while the account or the peer is
    slowed, Invalid if they do not match. An unknown name costs as much time as a wrong password.
    """
    username = username.strip().lower()
    if len(password) > PASSWORD_LIMIT or len(username) > USERNAME_LIMIT or "\x00" in username + password:
        raise Invalid(WRONG, field="password")
    slowed_by = brakes(username, peer.address(request))
    _require_free(slowed_by, now)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        _note_failure(slowed_by, now)
        raise Invalid(WRONG, field="password")
    _forget(slowed_by)
    return user


@transaction.atomic
def note_success(user: User, *, now: datetime) -> None:
    """Record that the person has signed in."""
    audit.record("user.signed_in", user, by=user, now=now)


def _require_free(slowed_by: tuple[Brake, ...], now: datetime) -> None:
    rows = SignInFailure.objects.filter(pk__in=[brake.key for brake in slowed_by], free_at__gt=now)
    free_at = max((row.free_at for row in rows), default=None)
    if free_at is not None:
        seconds = int((free_at - now).total_seconds()) + 1
        raise TooMany(f"Too many failed attempts. Wait {seconds} s and try again.", retry_after_s=seconds)


def _note_failure(slowed_by: tuple[Brake, ...], now: datetime) -> None:
    """Count the failure under every brake; counts a day old begin anew."""
    SignInFailure.objects.filter(failed_at__lt=now - FORGOTTEN_AFTER).delete()
    blank = [SignInFailure(pk=brake.key, failed_at=now, free_at=now) for brake in slowed_by]
    SignInFailure.objects.bulk_create(blank, ignore_conflicts=True)
    for brake in slowed_by:
        row = SignInFailure.objects.filter(pk=brake.key)
        row.update(failures=F("failures") + 1, failed_at=now, free_at=Case(*_steps(brake, now), default=Value(now)))


def _steps(brake: Brake, now: datetime) -> Iterator[When]:
    """The wait by the count before this failure, as conditions the database decides by: no attempt is lost."""
    failures = brake.free
    while (wait := brake.wait_s(failures + 1)) < brake.longest_s:
        yield When(failures=failures, then=Value(now + timedelta(seconds=wait)))
        failures += 1
    yield When(failures__gte=failures, then=Value(now + timedelta(seconds=brake.longest_s)))


def _forget(slowed_by: tuple[Brake, ...]) -> None:
    """A success clears the account; the peer stays slowed, for it may have guessed at others."""
    kept = {brake.key for brake in slowed_by if brake.subject.startswith("peer ")}
    SignInFailure.objects.filter(pk__in=[brake.key for brake in slowed_by if brake.key not in kept]).delete()

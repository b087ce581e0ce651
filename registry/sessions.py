"""Sessions of signed-in people: they live as long as they are used, eight hours without, seven days at most.

Kept in the database by Django's own store, which this one (`SESSION_ENGINE`) tells when a session ends. They also end
with a new password, a disabled account, and whenever a role or duty changes: `end` gives the person's sessions another
number, and Django drops a session whose number is not the person's own.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import F

from mlops_portal.kit import clock
from registry.models import User

LONGEST = timedelta(days=7)
RENEWED_EVERY = timedelta(minutes=10)  # one write per session and so long, however much it is used
BEGAN = "began_at"


class SessionStore(db.SessionStore):
    """One session. What it holds and how it is signed is Django's."""

    def load(self) -> dict[str, Any]:
        """The content; that of a signed-in person is saved again with a later end, if that is worth a write."""
        row = self._get_session_from_db()  # type: ignore[attr-defined]  # the stubs do not know it
        if row is None:
            return {}
        data: dict[str, Any] = self.decode(row.session_data)
        if SESSION_KEY in data and _ends_at(data, clock.now()) - row.expire_date >= RENEWED_EVERY:
            self.modified = True
        return data

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's own signature)
        """Store the content; the first time somebody is signed in, the seven days begin."""
        if SESSION_KEY in self and BEGAN not in self:
            self[BEGAN] = clock.now().timestamp()
        super().save(must_create)

    def get_session_cookie_age(self) -> int:
        """Seconds until the session ends if it is not used again."""
        now = clock.now()
        return int((_ends_at(self, now) - now).total_seconds())


def end(user: User) -> None:
    """End every session of the person, in the transaction of what gives reason to."""
    User.objects.filter(pk=user.pk).update(session_number=F("session_number") + 1)
    user.refresh_from_db(fields=["session_number"])


def sweep(now: datetime, *, drain: bool = False) -> None:
    """Delete sessions that have ended."""
    over = Session.objects.filter(expire_date__lt=now)
    if over.exists():
        over.delete()


def _ends_at(data: Any, now: datetime) -> datetime:
    idle_end = now + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    began = data.get(BEGAN)
    return idle_end if began is None else min(idle_end, datetime.fromtimestamp(began, tz=now.tzinfo) + LONGEST)

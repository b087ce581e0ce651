"""The person of the demo, and whether a demo is to be loaded; light, for every start of the portal."""

import secrets
from datetime import datetime
from pathlib import Path

from django.conf import settings

from registry import permissions
from registry.models import RegisteredModel, Role, Team, User

USERNAME = "demo"
EMAIL = "demo@localhost.localdomain"
BY = "system:demo"


def is_wanted() -> bool:
    """Whether the portal is still empty, so that the demo disturbs nobody, or a demo was left half loaded."""
    return not RegisteredModel.objects.exists() or _marker().is_file()


def begin(now: datetime) -> datetime:
    """Note that the demo is being loaded, and make its person, so that both are known before the first model is.

    Returns when its loading began: `now`, or the time of the load that was stopped.
    """
    person()
    marker = _marker()
    if marker.is_file() and (begun := marker.read_text(encoding="utf-8").strip()):
        return datetime.fromisoformat(begun)
    marker.touch(mode=0o600)
    marker.write_text(f"{now.isoformat()}\n", encoding="utf-8")
    return now


def finish() -> None:
    """Note that the demo is loaded whole."""
    _marker().unlink(missing_ok=True)


def sign_in() -> tuple[str, str] | None:
    """User name and password of the demo, if it is there."""
    path = _file()
    if not path.is_file() or not User.objects.filter(username=USERNAME, is_active=True).exists():
        return None
    username, _, password = path.read_text(encoding="utf-8").strip().partition(" ")
    return username, password


def person() -> User:
    """The person who owns the demo; at first with a new password, kept in a file that only its owner may read."""
    known = User.objects.filter(username=USERNAME).first()
    if known:
        return known
    password = secrets.token_urlsafe(12)
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"{USERNAME} {password}\n", encoding="utf-8")
    return User.objects.create_user(USERNAME, EMAIL, password)


def joined(slug: str, name: str, member: User, now: datetime) -> Team:
    """The demo's team of that slug, with the person as its maintainer."""
    team = Team.objects.filter(slug=slug).first() or permissions.create_team(slug, name=name, by=BY, now=now)
    if not team.memberships.filter(user=member).exists():
        permissions.add_member(team, member, role=Role.MAINTAINER, by=BY, now=now)
    return team


def _file() -> Path:
    return Path(settings.DATA_DIR) / "demo-sign-in.txt"


def _marker() -> Path:
    return Path(settings.DATA_DIR) / "demo-is-loading"

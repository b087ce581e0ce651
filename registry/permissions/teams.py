"""Teams and their members."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from mlops_portal.kit.errors import Conflict, Invalid, Refused
from mlops_portal.kit.ruling import YES, Ruling, not_now
from registry import audit, sessions
from registry.actors import Actor, actor_label
from registry.models import Membership, Role, Team, User
from registry.permissions.table import Permission, require, ruling
from registry.rules import Checked

MAINTAINER_IS_NEEDED = "A team needs a maintainer; make somebody else maintainer first."


@transaction.atomic
def create_team(slug: str, *, name: str = "", contact: str = "", by: Actor, now: datetime) -> Team:
    """A new team without members.

    Raises Refused without the right, Invalid if slug or name are malformed, Conflict (`name_taken`) if it exists.
    """
    require(by, Permission.TEAM_MANAGE, None)
    with Checked() as checked:
        slug = checked.slug("slug", slug)
        name = checked.line("name", name or slug, limit=128, required=True)
        contact = checked.line("contact", contact, limit=254)
    try:
        with transaction.atomic():
            team = Team.objects.create(slug=slug, name=name, contact=contact, created_at=now)
    except IntegrityError:
        raise Conflict(f"The team slug {slug} is taken.", code="name_taken", field="slug") from None
    audit.record("team.created", team, by=by, now=now, team=team)
    return team


@transaction.atomic
def edit_team(team: Team, *, name: str, contact: str, cost_centre: str, by: Actor, now: datetime) -> Team:
    """Change what describes the team; its slug stays."""
    require(by, Permission.MEMBER_MANAGE, team)
    with Checked() as checked:
        fields = {
            "name": checked.line("name", name, limit=128, required=True),
            "contact": checked.line("contact", contact, limit=254),
            "cost_centre": checked.line("cost_centre", cost_centre, limit=64),
        }
    changes = {key: [getattr(team, key), value] for key, value in fields.items() if getattr(team, key) != value}
    if not changes:
        return team
    Team.objects.filter(pk=team.pk).update(**fields)
    team.refresh_from_db()
    audit.record("team.changed", team, by=by, now=now, team=team, changes=changes)
    return team


@transaction.atomic
def add_member(team: Team, user: User, *, role: str, by: Actor, now: datetime) -> Membership:
    """Take a person into the team. Raises Refused, Invalid for an unknown role, Conflict if already a member."""
    require(by, Permission.MEMBER_MANAGE, team)
    _check_role(role)
    try:
        with transaction.atomic():
            membership = Membership.objects.create(team=team, user=user, role=role, created_at=now)
    except IntegrityError:
        raise Conflict(f"{user.username} is a member of {team.name} already.", field="username") from None
    audit.record("member.added", membership, by=by, now=now, team=team, changes={"role": [None, role]})
    return membership


def may_change_member(by: Actor, membership: Membership, *, role: str | None) -> Ruling:
    """Whether somebody may give the member another role, or with None take them out of the team."""
    answer = ruling(by, Permission.MEMBER_MANAGE, membership.team)
    if not answer:
        return answer
    if role == Role.MAINTAINER:
        return YES
    return last_maintainer(membership, Membership.objects.filter(team=membership.team, role=Role.MAINTAINER).count())


def last_maintainer(membership: Membership, maintainers: int) -> Ruling:
    """Whether the team, which has so many maintainers, can spare the member in that role."""
    is_last = membership.role == Role.MAINTAINER and maintainers <= 1
    return not_now(MAINTAINER_IS_NEEDED) if is_last else YES


@transaction.atomic
def change_member(
    membership: Membership, *, role: str, is_reviewer: bool, is_approver: bool, by: Actor, now: datetime
) -> Membership:
    """Give a member another role and other duties; their sessions end.

    Raises Refused without the right or for a duty somebody would grant themselves, Conflict if the team would be
    left without a maintainer.
    """
    _check_role(role)
    may_change_member(by, membership, role=role).require()
    after = {"role": role, "is_reviewer": is_reviewer, "is_approver": is_approver}
    changes = {name: [getattr(membership, name), value] for name, value in after.items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if not changes:
        return membership
    granted = [name for name in ("is_reviewer", "is_approver") if name in changes and after[name]]
    if granted and by == membership.user:
        raise Refused("Nobody grants themselves a duty; another maintainer or an administrator can.", field=granted[0])
    Membership.objects.filter(pk=membership.pk).update(**after, **_duties(after, granted, membership, by, now))
    membership.refresh_from_db()
    sessions.end(membership.user)
    audit.record("member.changed", membership, by=by, now=now, team=membership.team, changes=changes)
    return membership


@transaction.atomic
def remove_member(membership: Membership, *, by: Actor, now: datetime) -> None:
    """Take a person out of the team; sessions end and personal keys stop at once. Raises as `change_member`."""
    may_change_member(by, membership, role=None).require()
    changes = {"role": [membership.role, None]}
    audit.record("member.removed", membership, by=by, now=now, team=membership.team, changes=changes)
    sessions.end(membership.user)
    membership.delete()


def _check_role(role: str) -> None:
    if role not in Role.values:
        raise Invalid(f"{role[:64]!r} is not a role; choose from {', '.join(Role.values)}.", field="role")


def _duties(
    after: dict[str, object], granted: Sequence[str], membership: Membership, by: Actor, now: datetime
) -> dict[str, object]:
    """When and by whom the duties were given: of the newest one; nothing once the last is gone."""
    if granted:
        return {"duties_granted_at": now, "duties_granted_by": actor_label(by)}
    if after["is_reviewer"] or after["is_approver"]:
        return {"duties_granted_at": membership.duties_granted_at, "duties_granted_by": membership.duties_granted_by}
    return {"duties_granted_at": None, "duties_granted_by": ""}

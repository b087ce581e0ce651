"""Making the inventory what manifests say.

A plan is not computed apart from the work: `plan` does the whole work in a transaction and takes it back, so it finds
every fault that `apply` would find and promises nothing that `apply` would not do.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from mlops_portal.kit.errors import Conflict, Refused
from registry.actors import Actor, KeyPrincipal
from registry.manifest.faults import Notes
from registry.manifest.loading import Manifest, refuse_doubles
from registry.manifest.plans import Plan
from registry.manifest.work import Work
from registry.models import Team
from registry.permissions import Permission, require


def plan(manifests: Sequence[Manifest], notes: Notes, *, prune: bool = False, by: Actor, now: datetime) -> Plan:
    """What `apply` would change, found out by doing it and taking it back. Raises as `apply`."""
    with transaction.atomic():
        found = _run(manifests, notes, prune=prune, by=by, now=now)
        transaction.set_rollback(True)
    return found


@transaction.atomic
def apply(
    manifests: Sequence[Manifest],
    notes: Notes,
    *,
    prune: bool = False,
    seen: str | None = None,
    by: Actor,
    now: datetime,
) -> Plan:
    """Make the inventory what the manifests say, all of it or nothing; a second time changes nothing.

    notes: what reading them has found already. prune: retire what carries the name of one of them and stands in none.
    seen: hash of the plan that was shown, if one was. Raises Refused without the right, Unfit or NotApplicable with
    every fault of every manifest, Conflict (`plan_moved`) if the changes are not those that were shown.
    """
    found = _run(manifests, notes, prune=prune, by=by, now=now)
    if seen is not None and seen != found.sha256:
        raise Conflict("The inventory changed since this plan was shown; look at the new one.", code="plan_moved")
    return found


def _run(manifests: Sequence[Manifest], notes: Notes, *, prune: bool, by: Actor, now: datetime) -> Plan:
    teams = {each.team: team for each in manifests if (team := _team(each, notes, by)) is not None}
    refuse_doubles(manifests, notes)
    work = Work(manifests, teams, notes, by=by, now=now)
    work.write()
    if prune and not notes:
        work.prune()
    notes.raise_any()
    return Plan(work.changes)


def _team(manifest: Manifest, notes: Notes, by: Actor) -> Team | None:
    if not manifest.team:
        return None
    if isinstance(by, KeyPrincipal) and by.model_id:
        raise Refused("This key is bound to one model; a manifest describes a team's inventory.")
    visible = Team.objects.all() if isinstance(by, str) else Team.objects.visible_to(by)
    team = visible.filter(slug=manifest.team).first()
    if team is None:
        notes.note(manifest.document, ("team",), f"There is no team {manifest.team[:64]}; name one of yours.")
        return None
    require(by, Permission.INVENTORY_EDIT, team)
    return team

"""The permission table (docs/permissions.md is drawn from it) and the two questions every surface asks it."""

from enum import StrEnum

from mlops_portal.kit.errors import Refused
from mlops_portal.kit.ruling import YES, Ruling, refused
from mlops_portal.kit.wording import listed
from registry.actors import Actor, KeyPrincipal
from registry.models import Membership, Scope, Team, User


class Permission(StrEnum):
    """Everything somebody may be allowed to do."""

    INVENTORY_VIEW = "inventory.view"
    CHANGE_EVENT_VIEW = "change_event.view"
    MONITOR_VIEW = "monitor.view"
    ALERT_VIEW = "alert.view"
    DECISION_VIEW = "decision.view"
    REVIEW_VIEW = "review.view"
    INVENTORY_EDIT = "inventory.edit"
    INVENTORY_REMOVE = "inventory.remove"
    DEPLOYMENT_ACTIVATE = "deployment.activate"
    DECISION_PROPOSE = "decision.propose"
    CHANGE_EVENT_REPORT = "change_event.report"
    MONITOR_EDIT = "monitor.edit"
    SILENCE_EDIT = "silence.edit"
    ALERT_HANDLE = "alert.handle"
    DECISION_REVIEW = "decision.review"
    DECISION_APPLY = "decision.apply"
    DECISION_EMERGENCY = "decision.emergency"
    ITEM_LABEL = "item.label"
    ITEM_ADJUDICATE = "item.adjudicate"
    REVIEW_MANAGE = "review.manage"
    TRAFFIC_VIEW_RAW = "traffic.view_raw"
    TRAFFIC_ERASE = "traffic.erase"
    KEY_MANAGE = "key.manage"
    WEBHOOK_MANAGE = "webhook.manage"
    MEMBER_MANAGE = "member.manage"
    ROUTE_MANAGE = "route.manage"
    ADAPTATION_MANAGE = "adaptation.manage"
    AUDIT_VIEW = "audit.view"
    USER_MANAGE = "user.manage"
    TEAM_MANAGE = "team.manage"
    ENVIRONMENT_MANAGE = "environment.manage"


class Standing(StrEnum):
    """What somebody is to a team: a role, a duty within it, or one of the two installation-wide flags."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    MAINTAINER = "maintainer"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


_P = Permission
_VIEW = frozenset(
    {
        _P.INVENTORY_VIEW,
        _P.CHANGE_EVENT_VIEW,
        _P.MONITOR_VIEW,
        _P.ALERT_VIEW,
        _P.DECISION_VIEW,
        _P.REVIEW_VIEW,
    }
)
_WORK = frozenset(
    {
        _P.INVENTORY_EDIT,
        _P.DEPLOYMENT_ACTIVATE,
        _P.DECISION_PROPOSE,
        _P.CHANGE_EVENT_REPORT,
        _P.MONITOR_EDIT,
        _P.SILENCE_EDIT,
        _P.ALERT_HANDLE,
    }
)
_RUN_THE_TEAM = frozenset(
    {
        _P.INVENTORY_REMOVE,
        _P.KEY_MANAGE,
        _P.WEBHOOK_MANAGE,
        _P.MEMBER_MANAGE,
        _P.ROUTE_MANAGE,
        _P.ADAPTATION_MANAGE,
        _P.AUDIT_VIEW,
    }
)
_OWN_THE_OUTCOME = frozenset(
    {
        _P.DECISION_APPLY,
        _P.DECISION_EMERGENCY,
        _P.REVIEW_MANAGE,
        _P.TRAFFIC_VIEW_RAW,
        _P.TRAFFIC_ERASE,
    }
)
_RUN_THE_PORTAL = frozenset({_P.USER_MANAGE, _P.TEAM_MANAGE, _P.ENVIRONMENT_MANAGE})

ROLE_PERMISSIONS: dict[Standing, frozenset[Permission]] = {
    Standing.VIEWER: _VIEW,
    Standing.CONTRIBUTOR: _VIEW | _WORK,
    Standing.MAINTAINER: _VIEW | _WORK | _RUN_THE_TEAM | _OWN_THE_OUTCOME,
    Standing.REVIEWER: _VIEW | {_P.ALERT_HANDLE, _P.ITEM_LABEL},
    Standing.APPROVER: _VIEW | {_P.ALERT_HANDLE, _P.DECISION_REVIEW},
    Standing.AUDITOR: _VIEW | {_P.AUDIT_VIEW},
    Standing.ADMIN: _VIEW | _WORK | _RUN_THE_TEAM | _RUN_THE_PORTAL,
}

# Rights that take two standings at once; neither alone gives them.
JOINT_PERMISSIONS: dict[Permission, frozenset[Standing]] = {
    _P.ITEM_ADJUDICATE: frozenset({Standing.MAINTAINER, Standing.REVIEWER}),
}

# A key never exceeds these, whatever its role: no scope approves, applies, labels, handles alerts, or manages people.
SCOPE_PERMISSIONS: dict[Scope, frozenset[Permission]] = {
    Scope.READ: _VIEW | {_P.AUDIT_VIEW},
    Scope.REGISTRY: _VIEW
    | {
        _P.AUDIT_VIEW,
        _P.INVENTORY_EDIT,
        _P.INVENTORY_REMOVE,
        _P.DEPLOYMENT_ACTIVATE,
        _P.DECISION_PROPOSE,
        _P.MONITOR_EDIT,
        _P.TRAFFIC_ERASE,
        _P.WEBHOOK_MANAGE,  # MLflow's clients have nothing but a key
    },
    Scope.INGEST: frozenset(),
    Scope.SERVING: frozenset(),
    Scope.EVENTS: frozenset({_P.CHANGE_EVENT_REPORT}),
}

WORDS: dict[Permission, str] = {
    _P.INVENTORY_VIEW: "see the inventory",
    _P.CHANGE_EVENT_VIEW: "see change events",
    _P.MONITOR_VIEW: "see monitors",
    _P.ALERT_VIEW: "see alerts",
    _P.DECISION_VIEW: "see decisions",
    _P.REVIEW_VIEW: "see reviews",
    _P.INVENTORY_EDIT: "edit the inventory",
    _P.INVENTORY_REMOVE: "remove things from the inventory",
    _P.DEPLOYMENT_ACTIVATE: "activate a revision",
    _P.DECISION_PROPOSE: "propose a decision",
    _P.CHANGE_EVENT_REPORT: "report a change",
    _P.MONITOR_EDIT: "edit monitors and references",
    _P.SILENCE_EDIT: "edit silences",
    _P.ALERT_HANDLE: "handle alerts",
    _P.DECISION_REVIEW: "vote on a decision",
    _P.DECISION_APPLY: "apply a decision",
    _P.DECISION_EMERGENCY: "act in an emergency",
    _P.ITEM_LABEL: "label items",
    _P.ITEM_ADJUDICATE: "settle disputed labels",
    _P.REVIEW_MANAGE: "manage reviews",
    _P.TRAFFIC_VIEW_RAW: "see single predictions",
    _P.TRAFFIC_ERASE: "erase a subject's data",
    _P.KEY_MANAGE: "manage API keys",
    _P.WEBHOOK_MANAGE: "manage webhooks",
    _P.MEMBER_MANAGE: "manage members",
    _P.ROUTE_MANAGE: "manage notification routes",
    _P.ADAPTATION_MANAGE: "manage adaptation policies",
    _P.AUDIT_VIEW: "see the audit trail",
    _P.USER_MANAGE: "manage people",
    _P.TEAM_MANAGE: "manage teams",
    _P.ENVIRONMENT_MANAGE: "manage environments",
}


def granted(standings: frozenset[str], permission: Permission) -> bool:
    """Whether somebody with these standings holds the permission."""
    if permission in JOINT_PERMISSIONS:
        return standings >= JOINT_PERMISSIONS[permission]
    return any(permission in ROLE_PERMISSIONS[Standing(standing)] for standing in standings)


def standings(actor: User | KeyPrincipal, team: Team | None) -> frozenset[str]:
    """What the actor is to the team (or, without a team, to the installation) at this moment; empty for a stranger."""
    if isinstance(actor, KeyPrincipal):
        return actor.standings if team and team.pk == actor.team_id else frozenset()
    if not actor.is_active:
        return frozenset()
    flags = {Standing.ADMIN: actor.is_admin, Standing.AUDITOR: actor.is_auditor}
    held = {standing.value for standing, on in flags.items() if on}
    membership = Membership.objects.filter(team=team, user=actor).first() if team else None
    return frozenset(held | member_standings(membership)) if membership else frozenset(held)


def member_standings(membership: Membership) -> set[str]:
    """Role and duties of one membership."""
    duties = {Standing.REVIEWER: membership.is_reviewer, Standing.APPROVER: membership.is_approver}
    return {str(membership.role)} | {duty.value for duty, on in duties.items() if on}


def has(actor: Actor, permission: Permission, team: Team | None) -> bool:
    """Whether the actor holds the permission in the team now. The portal itself (a text) holds all of them."""
    return bool(ruling(actor, permission, team))


def require(actor: Actor, permission: Permission, team: Team | None) -> None:
    """Raise Refused, with the sentence that says who may, unless the actor holds the permission in the team now."""
    if isinstance(actor, KeyPrincipal) and not _in_scope(actor, permission):
        raise Refused(_scope_reason(actor, permission), code="insufficient_scope")
    ruling(actor, permission, team).require()


def require_view(actor: User | KeyPrincipal, permission: Permission) -> None:
    """Raise Refused (`insufficient_scope`) if the actor is a key that may not read such things at all.

    Which of them it may read, and a person likewise, is decided by `visible_to`.
    """
    if isinstance(actor, KeyPrincipal) and not _in_scope(actor, permission):
        raise Refused(_scope_reason(actor, permission), code="insufficient_scope")


def ruling(actor: Actor, permission: Permission, team: Team | None) -> Ruling:
    """The answer of the table, with its sentence."""
    if isinstance(actor, str):
        return YES
    if isinstance(actor, KeyPrincipal) and not _in_scope(actor, permission):
        return refused(_scope_reason(actor, permission))
    held = standings(actor, team)
    return YES if granted(held, permission) else refused(_role_reason(held, permission, team))


def require_somewhere(actor: User | KeyPrincipal, permission: Permission) -> None:
    """Raise Refused unless the actor holds the permission in any team at all."""
    require_view(actor, permission)
    somewhere(actor, permission).require()


def somewhere(actor: User | KeyPrincipal, permission: Permission) -> Ruling:
    """Whether the actor holds the permission in any team at all."""
    if isinstance(actor, KeyPrincipal):
        if not _in_scope(actor, permission):
            return refused(_scope_reason(actor, permission))
        return YES if granted(actor.standings, permission) else refused(_role_reason(actor.standings, permission, None))
    everywhere = standings(actor, None)
    memberships = Membership.objects.filter(user=actor) if actor.is_active else Membership.objects.none()
    held = [everywhere, *(frozenset(member_standings(membership)) for membership in memberships)]
    if any(granted(each, permission) for each in held):
        return YES
    return refused(_role_reason(frozenset().union(*held), permission, None))


def _in_scope(principal: KeyPrincipal, permission: Permission) -> bool:
    return any(permission in SCOPE_PERMISSIONS[Scope(scope)] for scope in principal.scopes)


def _scope_reason(principal: KeyPrincipal, permission: Permission) -> str:
    enough = [scope.value for scope in Scope if permission in SCOPE_PERMISSIONS[scope]]
    if not enough:
        return f"No API key may {WORDS[permission]}; a person signs in and does it."
    return f"To {WORDS[permission]}, a key needs the scope {' or '.join(enough)}; this one has {_scopes(principal)}."


def _scopes(principal: KeyPrincipal) -> str:
    return listed(sorted(principal.scopes), limit=5)


def _role_reason(held: frozenset[str], permission: Permission, team: Team | None) -> str:
    where = f" in {team.name}" if team else ""
    you_are = f"you are {listed(sorted(held), limit=5)}{where}" if held else f"you have no role{where}"
    return f"To {WORDS[permission]} takes {_who_may(permission)}; {you_are}."


def _who_may(permission: Permission) -> str:
    if permission in JOINT_PERMISSIONS:
        return f"the role {' with the duty '.join(sorted(JOINT_PERMISSIONS[permission]))}"
    able = [standing for standing in Standing if permission in ROLE_PERMISSIONS[standing]]
    words = [_STANDING_WORDS[standing] for standing in able]
    return " or ".join(words)


_STANDING_WORDS = {
    Standing.VIEWER: "the role viewer",
    Standing.CONTRIBUTOR: "the role contributor",
    Standing.MAINTAINER: "the role maintainer",
    Standing.REVIEWER: "the duty reviewer",
    Standing.APPROVER: "the duty approver",
    Standing.AUDITOR: "an auditor",
    Standing.ADMIN: "an administrator",
}

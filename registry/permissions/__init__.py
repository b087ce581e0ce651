"""Teams, roles and keys: who may do what. The table is data; rules about one object are rulings beside their verb."""

from registry.actors import Actor, KeyPrincipal, actor_label
from registry.permissions.claims import claim_account, claim_link, claimant
from registry.permissions.keys import (
    authenticate_key,
    issue_key,
    key_from_request,
    require_scope,
    revoke_key,
    rotate_key,
)
from registry.permissions.people import change_password, create_user, disable_user, enable_user
from registry.permissions.table import (
    JOINT_PERMISSIONS,
    ROLE_PERMISSIONS,
    SCOPE_PERMISSIONS,
    Permission,
    Standing,
    granted,
    has,
    require,
    require_view,
    ruling,
    standings,
)
from registry.permissions.teams import (
    add_member,
    change_member,
    create_team,
    edit_team,
    may_change_member,
    remove_member,
)

__all__ = [
    "JOINT_PERMISSIONS",
    "ROLE_PERMISSIONS",
    "SCOPE_PERMISSIONS",
    "Actor",
    "KeyPrincipal",
    "Permission",
    "Standing",
    "actor_label",
    "add_member",
    "authenticate_key",
    "change_member",
    "change_password",
    "claim_account",
    "claim_link",
    "claimant",
    "create_team",
    "create_user",
    "disable_user",
    "edit_team",
    "enable_user",
    "granted",
    "has",
    "issue_key",
    "key_from_request",
    "may_change_member",
    "remove_member",
    "require",
    "require_scope",
    "require_view",
    "revoke_key",
    "rotate_key",
    "ruling",
    "standings",
]

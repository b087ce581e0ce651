"""What endpoints serve, revision by revision. The only writer of revisions, arms, pointers and acknowledgements."""

from registry.deployments.acknowledging import acknowledge
from registry.deployments.activation import activate, promote, roll_back, switch_off
from registry.deployments.authority import Authority, may_activate
from registry.deployments.checking import check
from registry.deployments.comparing import Difference, differences
from registry.deployments.describing import described_fallback, described_rule, served, summary
from registry.deployments.plan import Arm, Plan
from registry.deployments.refusing import ApprovalRequired, BaseMoved, Intent, intent
from registry.serving import VersionInUse, current, endpoints_serving, require_unused, served_at, with_arms

__all__ = [
    "ApprovalRequired",
    "Arm",
    "Authority",
    "BaseMoved",
    "Difference",
    "Intent",
    "Plan",
    "VersionInUse",
    "acknowledge",
    "activate",
    "check",
    "current",
    "described_fallback",
    "described_rule",
    "differences",
    "endpoints_serving",
    "intent",
    "may_activate",
    "promote",
    "require_unused",
    "roll_back",
    "served",
    "served_at",
    "summary",
    "switch_off",
    "with_arms",
]

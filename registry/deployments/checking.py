"""What a plan has to keep, so that no revision is served that cannot be: every fault of a plan is told at once."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_portal.kit.errors import Invalid
from mlops_portal.kit.wording import listed, plural
from registry.deployments.plan import Arm, Plan
from registry.deployments.plan import canonical as canonical_json
from registry.deployments.rules import check_fallback, check_rule
from registry.models import DeploymentArm, Endpoint, ModelVersion
from registry.models.deployment_arm import WHOLE_BPS
from registry.rules import Checked, as_invalid

ARMS_LIMIT = 20
CONTENT_LIMIT_BYTES = 64 * 1024  # clients fetch it, and each revision keeps it
REASON_LIMIT = 4000
NUMBER_LIMIT = 2**31 - 1  # what the column holds
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_Role = DeploymentArm.Role


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan that may be served, in its canonical form, with the versions its arms name, by number."""

    plan: Plan
    versions: Mapping[int, ModelVersion]


def check(endpoint: Endpoint, plan: Plan) -> CheckedPlan:
    """The plan in canonical form with its versions. Raises Invalid (`plan_invalid`) with every fault."""
    checked = Checked()
    numbers = {arm.version for arm in plan.arms if 0 < arm.version <= NUMBER_LIMIT}
    rows = ModelVersion.objects.filter(model=endpoint.model_id, number__in=numbers)
    versions = {version.number: version for version in rows} if numbers else {}
    _check_arms(checked, plan.arms)
    _check_shares(checked, plan.arms)
    _check_roles(checked, plan.arms)
    for i, arm in enumerate(plan.arms):
        _check_version(checked, f"arms/{i}/version", arm.version, versions.get(arm.version), endpoint)
    answering = [versions[arm.version] for arm in plan.arms if arm.takes_traffic and arm.version in versions]
    canonical = replace(
        plan,
        decision_rule=check_rule(checked, plan.decision_rule, endpoint.model, answering),
        fallback=check_fallback(checked, plan.fallback, plan.arms),
        reason=checked.text("reason", plan.reason, limit=REASON_LIMIT),
    )
    size = 0 if checked.faults else len(canonical_json(canonical.content()).encode())
    if size > CONTENT_LIMIT_BYTES:
        checked.refuse("decision_rule", f"The plan takes {size:,} bytes; {CONTENT_LIMIT_BYTES:,} is the most.")
    if checked.faults:
        raise _plan_invalid(as_invalid(checked.faults))
    return CheckedPlan(canonical, versions)


def _check_arms(checked: Checked, arms: tuple[Arm, ...]) -> None:
    if len(arms) > ARMS_LIMIT:
        checked.refuse("arms", f"{len(arms)} arms; {ARMS_LIMIT} is the most.", code="too_large")
    twice = [label for label, times in Counter(arm.label for arm in arms).items() if times > 1]
    if twice:
        checked.refuse("arms", f"The label {listed(twice)} stands at several arms; give each its own.")
    for i, arm in enumerate(arms):
        if not _LABEL.match(arm.label):
            checked.refuse(
                f"arms/{i}/label",
                f"{arm.label[:64]!r} will not do: 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit.",
                received=arm.label,
            )
        checked.choice(f"arms/{i}/role", arm.role, list(_Role.values))


def _check_shares(checked: Checked, arms: tuple[Arm, ...]) -> None:
    for i, arm in enumerate(arms):
        low = 1 if arm.takes_traffic else 0
        high = WHOLE_BPS if arm.takes_traffic else 0
        if not low <= arm.weight_bps <= high:
            bound = f"{low} to {high} basis points" if high else "0: it takes no traffic"
            checked.refuse(
                f"arms/{i}/weight_bps",
                f"The weight {arm.weight_bps} of {arm.label[:64]} ({arm.role[:16]}) has to be {bound}.",
                received=arm.weight_bps,
            )
        is_shadow = arm.role == _Role.SHADOW
        low, high = (1, WHOLE_BPS) if is_shadow else (0, 0)
        if not low <= arm.mirror_bps <= high:
            bound = f"{low} to {high} basis points" if high else "0: only a shadow mirrors"
            checked.refuse(
                f"arms/{i}/mirror_bps",
                f"The mirrored share {arm.mirror_bps} of {arm.label[:64]} ({arm.role[:16]}) has to be {bound}.",
                received=arm.mirror_bps,
            )
    total = sum(arm.weight_bps for arm in arms)
    if arms and total != WHOLE_BPS:
        checked.refuse("arms", f"The weights add up to {total:,} basis points; they have to make {WHOLE_BPS:,}.")


def _check_roles(checked: Checked, arms: tuple[Arm, ...]) -> None:
    has = Counter(arm.role for arm in arms)
    if not arms:
        return
    if has[_Role.VARIANT] and has[_Role.PRIMARY]:
        checked.refuse("arms", "A primary and variants exclude each other; an A/B test has variants only.")
    elif has[_Role.VARIANT] == 1:
        checked.refuse("arms", "An A/B test has at least two variants; add one, or make this one the primary.")
    elif not has[_Role.VARIANT] and has[_Role.PRIMARY] != 1:
        said = plural(has[_Role.PRIMARY], "primary arm", "primary arms")
        checked.refuse("arms", f"There are {said}; a plan has one, or two and more variants, or no arm (off).")
    if has[_Role.CANARY] and not has[_Role.PRIMARY]:
        checked.refuse("arms", "A canary needs a primary beside it.")
    for role in (_Role.CANARY, _Role.FALLBACK):
        if has[role] > 1:
            checked.refuse("arms", f"There are {has[role]} {role} arms; a plan has at most one.")


def _check_version(checked: Checked, field: str, number: int, version: ModelVersion | None, endpoint: Endpoint) -> None:
    """The version exists, belongs to the model, and may serve."""
    slug = endpoint.model.slug
    if version is None:
        checked.refuse(field, f"{slug} has no version {number}.", code="unknown_version", received=number)
    elif version.deleted_at is not None:
        checked.refuse(field, f"Version {number} of {slug} is deleted; choose another.", received=number)
    elif version.status == ModelVersion.Status.BLOCKED:
        reason = version.blocked_reason[:200]
        checked.refuse(field, f"Version {number} of {slug} is blocked: {reason}", received=number)
    elif version.status != ModelVersion.Status.READY:
        word = version.get_status_display().lower()
        checked.refuse(field, f"Version {number} of {slug} is {word}, not ready.", received=number)


def _plan_invalid(error: Invalid) -> Invalid:
    return Invalid(error.detail, code="plan_invalid", field=error.field, faults=error.faults)

"""Serving another revision: one pointer moves, and everything that follows from it in the same transaction."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.db.models import F

from mlops_portal.kit.errors import Conflict, Invalid
from mlops_portal.kit.faults import fault
from registry.deployments.authority import Authority
from registry.deployments.checking import CheckedPlan, check
from registry.deployments.effects import follow
from registry.deployments.plan import Plan, document
from registry.deployments.refusing import base_moved, require_approval
from registry.models import Deployment, DeploymentArm, Endpoint, ModelVersion, RegisteredModel, ServingPointer
from registry.permissions import Permission, require


def activate(
    endpoint: Endpoint,
    plan: Plan,
    *,
    base: int,
    authority: Authority,
    now: datetime,
    kind: str = "activate",
    what: str = "",
) -> Deployment:
    """Serve the plan as the next revision of the endpoint.

    base: the revision the caller has seen; of several callers with one base exactly one wins. kind and what describe
    the act where it is more than an activation. In one transaction with the alias, the stage, the change event, the
    audit entry and the messages. To be called outside of a transaction, so that a refusal stays on record.
    Raises Refused without the right, Invalid (`plan_invalid`) with every fault of the plan, BaseMoved if another
    revision is active by now, ApprovalRequired where a second person has to agree, Conflict if the endpoint is retired.
    """
    require(authority.actor, Permission.DEPLOYMENT_ACTIVATE, endpoint.model.team)
    checked = check(endpoint, plan)
    pointer = ServingPointer.objects.select_related("deployment").get(endpoint=endpoint)
    if pointer.revision != base:
        raise base_moved(endpoint, base)
    if authority.needs_approval(endpoint):
        raise require_approval(endpoint, checked.plan, kind=kind, base=base, by=authority.actor, now=now, what=what)
    _require_approved(authority, checked.plan)
    with transaction.atomic():
        deployment = _serve(endpoint, checked, pointer, authority, max(now, pointer.moved_at))
        fault("apply.in_txn")
    fault("apply.committed")
    return deployment


def promote(
    endpoint: Endpoint, version: ModelVersion, *, base: int, authority: Authority, now: datetime, what: str = ""
) -> Deployment:
    """Serve the current plan with the version as its primary arm; the present revision if it is that already.

    Raises as `activate`, and Conflict if the endpoint is off or runs an A/B test, which has no primary.
    """
    pointer = ServingPointer.objects.select_related("deployment").get(endpoint=endpoint)
    plan = Plan.of(pointer.deployment) if pointer.deployment else Plan()
    if pointer.deployment is None or plan.primary is None:
        state = "runs an A/B test" if plan.arms else "serves nothing"
        raise Conflict(f"{endpoint.slug} {state}, so it has no primary arm to replace; activate a plan instead.")
    if plan.primary.version == version.number and version.model_id == endpoint.model_id:
        return pointer.deployment
    if version.model_id != endpoint.model_id:
        raise Invalid(f"{endpoint.slug} serves {endpoint.model.slug}, not the model of this version.", field="version")
    promoted = plan.with_primary(version.number)
    return activate(endpoint, promoted, base=base, authority=authority, now=now, kind="promote", what=what)


def roll_back(
    endpoint: Endpoint, *, to: int, base: int, authority: Authority, now: datetime, reason: str = ""
) -> Deployment:
    """Serve, as a new revision, what an earlier one served.

    Raises as `activate`: versions that were deleted, failed or blocked since are named, each with its reason; and
    Invalid if the endpoint never had that revision.
    """
    old = endpoint.deployments.filter(revision=to).first() if 0 < to < 2**31 else None
    if old is None:
        detail = f"{endpoint.slug} never had a revision {to}; choose one of its history."
        raise Invalid(detail, code="plan_invalid", field="roll_back_to")
    plan = replace(Plan.of(old), reason=reason, copied_from=to)
    return activate(endpoint, plan, base=base, authority=authority, now=now, kind="roll_back")


def switch_off(endpoint: Endpoint, *, base: int, authority: Authority, now: datetime, reason: str = "") -> Deployment:
    """Serve nothing, as a new revision without arms; a fallback action stays. Raises as `activate`."""
    present = endpoint.deployments.filter(revision=base).first()
    plan = replace((Plan.of(present) if present else Plan()).off(), reason=reason)
    return activate(endpoint, plan, base=base, authority=authority, now=now, kind="switch_off")


def _require_approved(authority: Authority, plan: Plan) -> None:
    if authority.decision_id is not None and authority.content_sha != plan.content_sha():
        raise Conflict("The plan is not the one that was approved; propose it anew.")


def _serve(
    endpoint: Endpoint, checked: CheckedPlan, pointer: ServingPointer, authority: Authority, at: datetime
) -> Deployment:
    """Move the pointer first, so that the loser of a race gets BaseMoved and not an IntegrityError."""
    base, new_id = pointer.revision, uuid4()
    row = ServingPointer.objects.filter(endpoint=endpoint, revision=base)
    if not row.update(revision=base + 1, deployment_id=new_id, moved_at=at):
        raise base_moved(endpoint, base)
    _hold(endpoint, checked)
    plan = checked.plan
    text, digest = document(endpoint, base + 1, plan, checked.versions)
    deployment = Deployment(
        pk=new_id,
        endpoint=endpoint,
        revision=base + 1,
        strategy=plan.strategy,
        has_shadow=plan.has_shadow,
        decision_rule=plan.decision_rule,
        fallback=plan.fallback,
        document=text,
        sha256=digest,
        base_revision=base,
        copied_from=plan.copied_from,
        reason=plan.reason,
        decision_id=authority.decision_id,
        created_at=at,
        created_by=authority.label,
    )
    _insert(deployment, checked)
    follow(deployment, checked, former=pointer.deployment, authority=authority, at=at)
    return deployment


def _hold(endpoint: Endpoint, checked: CheckedPlan) -> None:
    """Keep model, endpoint and versions as they were checked until the commit; who removes one waits, then sees us.

    The model's row comes before those of its versions, as everywhere, so that two transactions never wait for each
    other.
    """
    live = RegisteredModel.objects.live().filter(pk=endpoint.model_id)
    if not live.update(updated_at=F("updated_at")):
        raise Conflict(f"{endpoint.model.slug} was deleted meanwhile.")
    same = Endpoint.objects.active().filter(pk=endpoint.pk, environment=endpoint.environment_id, alias=endpoint.alias)
    if not same.update(updated_at=F("updated_at")):
        raise Conflict(f"{endpoint.slug} was retired, or its environment or alias changed. Read it and decide anew.")
    if not checked.versions:
        return
    pks = [version.pk for version in checked.versions.values()]
    usable = ModelVersion.objects.live().filter(pk__in=pks, status=ModelVersion.Status.READY)
    if usable.update(updated_at=F("updated_at")) != len(pks):
        raise Conflict("A version of the plan was blocked or deleted meanwhile. Read it and decide anew.")


def _insert(deployment: Deployment, checked: CheckedPlan) -> None:
    try:
        with transaction.atomic(savepoint=deployment.decision_id is not None):
            deployment.save(force_insert=True)
    except IntegrityError:
        if deployment.decision_id is None:
            raise
        raise Conflict("This decision was applied before; a decision is applied once.") from None
    arms = [
        DeploymentArm(
            deployment=deployment,
            version=checked.versions[arm.version],
            label=arm.label,
            role=arm.role,
            weight_bps=arm.weight_bps,
            mirror_bps=arm.mirror_bps,
            position=position,
        )
        for position, arm in enumerate(checked.plan.arms)
    ]
    DeploymentArm.objects.bulk_create(arms)

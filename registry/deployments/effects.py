"""What follows from a revision, in its transaction: model, alias and stage, change event, audit entry, messages."""

from datetime import datetime
from typing import Any

from registry import audit, inventory, outbox
from registry.deployments.authority import Authority
from registry.deployments.checking import CheckedPlan
from registry.deployments.describing import summary
from registry.deployments.plan import Plan
from registry.models import ChangeEvent, Deployment, DeploymentArm, Endpoint, ModelVersion, ServingPointer

ACTIVATED = "deployment.activated"


def follow(
    deployment: Deployment, checked: CheckedPlan, *, former: Deployment | None, authority: Authority, at: datetime
) -> None:
    """Do everything that a revision brings about, and record it."""
    endpoint, plan, by = deployment.endpoint, checked.plan, authority.actor
    model = endpoint.model
    if plan.arms:
        inventory.go_live(model, by=by, now=at)
    before = Plan.of(former) if former else Plan()
    primary = checked.versions[plan.primary.version] if plan.primary else None
    if endpoint.alias:
        _mirror(endpoint, primary, deployment, authority, at)
    if endpoint.environment.legacy_stage and primary is not None:
        _move_stages(endpoint, primary, before, authority, at)
    _report(deployment, plan, authority, at)
    changes: dict[str, list[Any]] = {
        "revision": [deployment.base_revision, deployment.revision],
        "sha256": [former.sha256 if former else None, deployment.sha256],
        "strategy": [former.strategy if former else None, deployment.strategy],
        "arms": [_shares(before), _shares(plan)],
    }
    team = model.team
    audit.record(ACTIVATED, deployment, by=by, now=at, team=team, changes=changes, reason=deployment.reason)
    outbox.publish(ACTIVATED, str(deployment.pk), _told(deployment, plan), team=team, now=at)


def _mirror(
    endpoint: Endpoint, primary: ModelVersion | None, deployment: Deployment, authority: Authority, at: datetime
) -> None:
    """Let the endpoint's alias point at its primary arm, or nowhere while it has none."""
    model, name, by = endpoint.model, endpoint.alias, authority.actor
    if primary is None:
        inventory.end_alias(model, name, by=by, now=at)
    else:
        inventory.set_alias(model, name, primary, by=by, now=at, deployment=deployment)


def _move_stages(endpoint: Endpoint, primary: ModelVersion, before: Plan, authority: Authority, at: datetime) -> None:
    """The new primary gets the stage of its environment, the former one Archived, for clients that read stages."""
    stage, by = endpoint.environment.legacy_stage, authority.actor
    if primary.stage != stage:
        inventory.set_stage(primary, stage, by=by, now=at)
    if before.primary is None or before.primary.version == primary.number:
        return
    former = endpoint.model.versions.filter(number=before.primary.version, stage=stage, deleted_at=None)
    version = former.select_related("model__team").first()
    if version is not None and not _is_primary_elsewhere(version, endpoint):
        inventory.set_stage(version, ModelVersion.Stage.ARCHIVED, by=by, now=at)


def _is_primary_elsewhere(version: ModelVersion, endpoint: Endpoint) -> bool:
    """Whether another endpoint of the environment still serves it as its primary arm."""
    arms = DeploymentArm.objects.filter(version=version, role=DeploymentArm.Role.PRIMARY)
    pointers = ServingPointer.objects.filter(deployment__in=arms.values("deployment"))
    return pointers.filter(endpoint__environment=endpoint.environment_id).exclude(endpoint=endpoint).exists()


def _report(deployment: Deployment, plan: Plan, authority: Authority, at: datetime) -> None:
    """The change event that stands on the time lines of the model."""
    endpoint = deployment.endpoint
    ChangeEvent.objects.create(
        team=endpoint.model.team,
        kind=ChangeEvent.Kind.DEPLOY,
        title=f"{endpoint.slug} rev {deployment.revision}: {summary(plan)}"[:256],
        origin="portal",
        event_id=f"deployment:{deployment.pk}",
        model=endpoint.model,
        endpoint=endpoint,
        started_at=at,
        actor=authority.label[:128],
        payload={"revision": deployment.revision, "sha256": deployment.sha256},
        created_at=at,
        created_by=authority.label,
    )


def _shares(plan: Plan) -> dict[str, str]:
    return {arm.label: f"{arm.role} version {arm.version}, {arm.share}" for arm in plan.arms}


def _told(deployment: Deployment, plan: Plan) -> dict[str, Any]:
    """What receivers learn: a hint to pull; the document itself is served to who may read it."""
    endpoint = deployment.endpoint
    return {
        "endpoint": endpoint.slug,
        "model": endpoint.model.slug,
        "environment": endpoint.environment_id,
        "revision": deployment.revision,
        "sha256": deployment.sha256,
        "strategy": deployment.strategy,
        "summary": summary(plan),
        "activated_at": deployment.created_at.isoformat(),
        "activated_by": deployment.created_by,
    }

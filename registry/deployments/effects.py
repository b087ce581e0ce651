"""What follows from a revision, in its transaction: model, alias and stage, change event, audit entry, messages."""

from datetime import datetime
from typing import Any

from registry import audit, inventory, outbox
from registry.deployments.authority import Authority
from registry.deployments.checking import CheckedPlan
from registry.deployments.describing import summary
from registry.deployments.plan import Plan
from registry.models import Deployment, Endpoint, ModelVersion, RegisteredModel
from registry.upstream import note_deployment

ACTIVATED = "deployment.activated"


def follow(
    deployment: Deployment, checked: CheckedPlan, *, former: Deployment | None, authority: Authority, at: datetime
) -> None:
    """Do everything that a revision brings about, and record it."""
    endpoint, plan, by = deployment.endpoint, checked.plan, authority.actor
    model = endpoint.model
    if plan.arms and model.lifecycle != RegisteredModel.Lifecycle.LIVE:
        inventory.go_live(model, even_if_retired=True, by=by, now=at)
    before = Plan.of(former) if former else Plan()
    primary = checked.versions[plan.primary.version] if plan.primary else None
    if endpoint.alias:
        _mirror(endpoint, primary, deployment, authority, at)
    if endpoint.environment.legacy_stage and primary is not None:
        inventory.mirror_stage(endpoint, primary, before.primary.version if before.primary else None, now=at)
    note_deployment(deployment, f"{endpoint.slug} rev {deployment.revision}: {summary(plan)}", at=at)
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

"""The one door through which people and programs move aliases and stages.

What moves nothing that is served is free; what would move it is a promotion of the endpoint, or a refusal.
"""

from datetime import datetime

from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.wording import listed
from registry import deployments, inventory
from registry.actors import Actor
from registry.deployments import Authority
from registry.models import Alias, DeploymentArm, Endpoint, ModelVersion, RegisteredModel
from registry.models.endpoint import EndpointQuerySet


def assign_alias(model: RegisteredModel, name: str, version: ModelVersion, *, by: Actor, now: datetime) -> Alias:
    """Let the alias point at the version; if an endpoint that serves is bound to it, by promoting the version there.

    Where it points already nothing changes. To be called outside of a transaction. Raises what `inventory.set_alias`
    raises, and for a bound alias what `deployments.promote` raises, ApprovalRequired among it.
    """
    endpoint = _live(model).filter(alias=name).first() if name else None
    if endpoint is None:
        return inventory.set_alias(model, name, version, by=by, now=now)
    bound = Alias.objects.open().filter(model=model, name=name)
    if (row := bound.first()) is not None and row.version_id == version.pk:
        return row
    what = f"Alias {name} of model {model.name} is served by endpoint {endpoint.slug} ({endpoint.environment_id}) and"
    _promote(endpoint, version, what, by=by, now=now)
    # The revision has moved it; unless the alias was bound after the version became the primary arm.
    return bound.filter(version=version).first() or inventory.set_alias(model, name, version, by=by, now=now)


def drop_alias(model: RegisteredModel, name: str, *, by: Actor, now: datetime) -> bool:
    """Let the alias point nowhere; False if it did not exist. Raises Conflict while an endpoint serves by it."""
    endpoint = _live(model).filter(alias=name).first() if name else None
    if endpoint is not None:
        raise Conflict(
            f"Alias {name} mirrors what endpoint {endpoint.slug} serves; promote another version, "
            "or take the alias from the endpoint first."
        )
    return inventory.end_alias(model, name, by=by, now=now)


def move_to_stage(
    version: ModelVersion, stage: str, *, archive_existing: bool = False, by: Actor, now: datetime
) -> ModelVersion:
    """Move the version to a stage; if a live endpoint stands for that stage, by promoting the version there.

    Of several such endpoints none is meant: Conflict. So is leaving the stage as the primary arm of such an endpoint.
    To be called outside of a transaction. Raises besides what `inventory.set_stage` and `deployments.promote` raise.
    """
    entered = list(_live(version.model).filter(environment__legacy_stage=stage.title()))
    if len(entered) > 1:
        slugs = listed([endpoint.slug for endpoint in entered])
        raise Conflict(f"Endpoints {slugs} serve in stage {stage}; promote at one of them, by its alias.")
    if not entered:
        _require_not_leaving(version, stage)
        return inventory.set_stage(version, stage, archive_existing=archive_existing, by=by, now=now)
    endpoint = entered[0]
    what = f"Stage {stage} of model {version.model.name} is served by endpoint {endpoint.slug} and"
    _promote(endpoint, version, what, by=by, now=now)
    version.refresh_from_db()
    if version.stage.lower() == stage.lower() and not archive_existing:
        return version
    return inventory.set_stage(version, stage, archive_existing=archive_existing, by=by, now=now)


def _promote(endpoint: Endpoint, version: ModelVersion, what: str, *, by: Actor, now: datetime) -> None:
    authority = Authority.of_person(by)
    base = endpoint.pointer.revision
    deployments.promote(endpoint, version, base=base, authority=authority, now=now, what=what)


def _require_not_leaving(version: ModelVersion, stage: str) -> None:
    if version.stage == ModelVersion.Stage.NONE or version.stage.lower() == stage.lower():
        return
    primary = DeploymentArm.objects.filter(version=version, role=DeploymentArm.Role.PRIMARY)
    serving = _live(version.model).filter(
        environment__legacy_stage=version.stage, pointer__deployment__in=primary.values("deployment")
    )
    if endpoint := serving.first():
        raise Conflict(
            f"Version {version.number} is the primary arm of endpoint {endpoint.slug}, which stands for stage "
            f"{version.stage}; promote another version first."
        )


def _live(model: RegisteredModel) -> EndpointQuerySet:
    """Endpoints whose present revision has arms; one that never served, or is off, governs nothing."""
    return (
        Endpoint.objects.active().serving().filter(model=model).select_related("model__team", "environment", "pointer")
    )

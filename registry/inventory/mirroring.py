"""The stage of versions follows what endpoints serve, for clients of MLflow that still read stages."""

from datetime import datetime

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from registry.models import DeploymentArm, Endpoint, ModelVersion, ServingPointer


def mirror_stage(endpoint: Endpoint, primary: ModelVersion, former: int | None, *, now: datetime) -> int:
    """Give the new primary the stage of its environment and the former one Archived; returns how many moved.

    former: the number of the primary before. It keeps its stage while another endpoint of the environment still
    serves it. One statement, recorded by the audit entry of the revision that it follows from.
    """
    stage = endpoint.environment.legacy_stage
    enters = Q(pk=primary.pk) & ~Q(stage=stage)
    leaves = Q(number=former, stage=stage) & ~Q(pk=primary.pk) & ~Exists(_primaries_elsewhere(endpoint))
    moving = ModelVersion.objects.live().filter(enters | leaves if former else enters, model=endpoint.model_id)
    target = Case(When(pk=primary.pk, then=Value(stage)), default=Value(ModelVersion.Stage.ARCHIVED.value))
    return moving.update(stage=target, updated_at=now)


def _primaries_elsewhere(endpoint: Endpoint) -> QuerySet[DeploymentArm]:
    pointers = ServingPointer.objects.filter(endpoint__environment=endpoint.environment_id, endpoint__retired_at=None)
    served = pointers.exclude(endpoint=endpoint).values("deployment")
    return DeploymentArm.objects.filter(version=OuterRef("pk"), role=DeploymentArm.Role.PRIMARY, deployment__in=served)

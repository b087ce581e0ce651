"""What endpoints serve: the questions that many ask, and the pointer that every endpoint begins with.

It lies below `inventory` and `deployments`, because both need it: the one before it removes something, the other
before it moves the pointer.
"""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.wording import listed
from registry.models import Deployment, DeploymentArm, Endpoint, ModelVersion, RegisteredModel, ServingPointer

SALT_BYTES = 8


class VersionInUse(Conflict):
    """An endpoint serves it."""

    code = "version_in_use"


def place_pointer(endpoint: Endpoint, *, now: datetime) -> ServingPointer:
    """The pointer of a new endpoint, at revision 0: never activated."""
    return ServingPointer.objects.create(endpoint=endpoint, revision=0, moved_at=now)


def new_salt() -> str:
    """A routing salt: what spreads callers over the arms of one endpoint unlike over those of another."""
    return secrets.token_hex(SALT_BYTES)


def current(endpoint: Endpoint) -> Deployment | None:
    """The revision the endpoint serves now; None if it was never activated."""
    pointer = ServingPointer.objects.filter(endpoint=endpoint).select_related("deployment").first()
    if pointer is None or pointer.deployment is None:
        return None
    pointer.deployment.endpoint = endpoint
    return pointer.deployment


def served_at(endpoint: Endpoint, when: datetime) -> Deployment | None:
    """The revision the endpoint served at a moment, by one indexed query; None if it was not activated by then."""
    until = endpoint.deployments.filter(created_at__lte=when)
    return until.order_by("-created_at", "-revision").first()


def endpoints_serving(thing: ModelVersion | RegisteredModel | Endpoint) -> list[str]:
    """Slugs of the endpoints whose present revision has an arm of the version (or any arm, of a model or endpoint)."""
    match thing:
        case ModelVersion():
            arms = DeploymentArm.objects.filter(version=thing)
        case RegisteredModel():
            arms = DeploymentArm.objects.filter(version__model=thing)
        case Endpoint():
            arms = DeploymentArm.objects.filter(deployment__endpoint=thing)
    # A deployment is in use exactly if a pointer names it.
    served = ServingPointer.objects.filter(deployment__in=arms.values("deployment"))
    return list(served.order_by("endpoint__slug").values_list("endpoint__slug", flat=True))


def require_unused(thing: ModelVersion | RegisteredModel | Endpoint) -> None:
    """Raise VersionInUse, naming the endpoints, if one of them serves it now."""
    slugs = endpoints_serving(thing)
    if slugs:
        what = f"Version {thing.number}" if isinstance(thing, ModelVersion) else str(thing)
        where = "" if slugs == [str(thing)] else f" at {listed(slugs)}"
        raise VersionInUse(f"{what} serves now{where}. Activate another version or switch the endpoint off first.")


def with_arms(deployments: Collection[Deployment]) -> dict[UUID, list[DeploymentArm]]:
    """The arms of some revisions with their versions, by deployment, in one query."""
    found: dict[UUID, list[DeploymentArm]] = {deployment.pk: [] for deployment in deployments}
    for arm in _arms(found):
        found[arm.deployment_id].append(arm)
    return found


def _arms(deployments: Iterable[UUID]) -> Iterable[DeploymentArm]:
    arms = DeploymentArm.objects.filter(deployment__in=list(deployments))
    return arms.select_related("version").order_by("deployment", "position")

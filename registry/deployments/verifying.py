"""Whether what is stored about serving fits together: the rules over several rows, which no constraint can hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_portal.kit.wording import plural
from registry import serving
from registry.deployments.plan import Plan, canonical, sha256
from registry.models import Alias, Deployment, DeploymentArm, Endpoint
from registry.models.deployment_arm import WHOLE_BPS


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that does not fit, and where."""

    endpoint: str
    text: str


def verify() -> Iterator[Misfit]:
    """Everything that does not fit, endpoint by endpoint; nothing, if only the verbs have written."""
    endpoints = Endpoint.objects.select_related("model", "pointer").order_by("slug")
    for endpoint in endpoints.iterator(chunk_size=500):
        yield from (Misfit(endpoint.slug, text) for text in _misfits(endpoint))


def _misfits(endpoint: Endpoint) -> Iterator[str]:
    revisions = list(endpoint.deployments.order_by("revision"))
    arms = serving.with_arms(revisions)
    newest = revisions[-1] if revisions else None
    if [one.revision for one in revisions] != list(range(1, len(revisions) + 1)):
        yield "its revisions do not follow each other without a gap"
    number, pk = (newest.revision, newest.pk) if newest else (0, None)
    pointer = getattr(endpoint, "pointer", None)
    if pointer is None:
        yield "it has no pointer"
    elif (pointer.revision, pointer.deployment_id) != (number, pk):
        yield f"its pointer is at revision {pointer.revision}, the newest one is {number}"
    for one in revisions:
        yield from (f"rev {one.revision}: {text}" for text in _of_revision(one, arms[one.pk], endpoint))
    if newest is not None and endpoint.alias and endpoint.retired_at is None:
        yield from _of_alias(endpoint, Plan.of(newest))


def _of_revision(one: Deployment, arms: list[DeploymentArm], endpoint: Endpoint) -> Iterator[str]:
    body = json.loads(one.document)
    if body.pop("sha256") != one.sha256 or sha256(canonical(body)) != one.sha256:
        yield "the document does not have the hash it claims"
    stored = [(arm.label, arm.role, arm.version.number, arm.weight_bps, arm.mirror_bps) for arm in arms]
    served = [(arm.label, arm.role, arm.version, arm.weight_bps, arm.mirror_bps) for arm in Plan.of(one).arms]
    if stored != served:
        yield "the document does not serve the arms that are stored"
    strangers = [arm.label for arm in arms if arm.version.model_id != endpoint.model_id]
    if strangers:
        yield f"{plural(len(strangers), 'arm')} of another model: {', '.join(strangers)}"
    total = sum(arm.weight_bps for arm in arms)
    if arms and total != WHOLE_BPS:
        yield f"its weights make {total} basis points, not {WHOLE_BPS}"


def _of_alias(endpoint: Endpoint, plan: Plan) -> Iterator[str]:
    name, primary = endpoint.alias, plan.primary
    row = Alias.objects.open().filter(model=endpoint.model_id, name=name).select_related("version").first()
    if plan.arms and (row.version.number if row else None) != (primary.version if primary else None):
        yield f"its alias {name} does not point at the primary arm"

"""Stages: the four words that clients of MLflow move versions between."""

from datetime import datetime

from django.db import transaction

from mlops_portal.kit.errors import Conflict
from registry import audit
from registry.actors import Actor
from registry.models import ModelVersion, RegisteredModel
from registry.permissions import Permission, require
from registry.rules import SHOWN, Checked

Stage = ModelVersion.Stage
ACTIVE = (Stage.STAGING.value, Stage.PRODUCTION.value)


@transaction.atomic
def set_stage(
    version: ModelVersion, stage: str, *, archive_existing: bool = False, by: Actor, now: datetime
) -> ModelVersion:
    """Move the version to a stage, given in any case.

    archive_existing: move all other versions that are in this stage to Archived. Raises Refused without the right,
    Invalid if the stage is unknown or has nothing to archive, Conflict if model or version were deleted meanwhile.
    """
    require(by, Permission.INVENTORY_EDIT, version.model.team)
    stage = canonical_stage(stage)
    if archive_existing:
        _require_active(stage)
    live = RegisteredModel.objects.live().filter(pk=version.model_id)
    versions = ModelVersion.objects.live().filter(model=version.model_id)
    before = version.stage
    # The row of the model first: two transitions of one model follow each other.
    moved = live.update(updated_at=now) and versions.filter(pk=version.pk).update(stage=stage, updated_at=now)
    if not moved:
        raise Conflict(f"{version.model.name} version {version.number} was deleted meanwhile.")
    changes: dict[str, list[object]] = {"stage": [before, stage]}
    if archive_existing:
        others = versions.filter(stage=stage).exclude(pk=version.pk)
        numbers = list(others.values_list("number", flat=True))
        others.update(stage=Stage.ARCHIVED, updated_at=now)
        changes |= {"archived": [None, numbers]} if numbers else {}
    version.refresh_from_db(fields=["stage", "updated_at"])
    audit.record("version.stage_moved", version, by=by, now=now, team=version.model.team, changes=changes)
    return version


def canonical_stage(text: str) -> str:
    """The stage as it is stored. Raises Invalid for another word.

    >>> canonical_stage("production")
    'Production'
    """
    known = {value.lower(): value for value in Stage.values}
    with Checked() as checked:
        if text.lower() not in known:
            words = ", ".join(Stage.values)
            sentence = f"Invalid Model Version stage: {text[:SHOWN]}. Value must be one of {words}."
            checked.refuse("stage", sentence, received=text)
    return known[text.lower()]


def _require_active(stage: str) -> None:
    with Checked() as checked:
        if stage not in ACTIVE:
            sentence = (
                "Model version transition cannot archive existing model versions because "
                f"'{stage}' is not an Active stage. Valid stages are {list(ACTIVE)}"
            )
            checked.refuse("archive_existing_versions", sentence)

"""Aliases: names that point at one version of a model each, with their history."""

import re
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, F, QuerySet, Value
from django.db.models.functions import Greatest

from mlops_portal.kit.errors import Conflict
from registry import audit
from registry.actors import Actor, actor_label
from registry.inventory.telling import tell
from registry.models import Alias, Deployment, ModelVersion, RegisteredModel
from registry.permissions import Permission, require
from registry.rules import SHOWN, Checked

NAME_LIMIT = 255
ATTEMPTS = 20  # each is lost only to another move of the same alias
_NAME = re.compile(r"[\w\-]+\Z")
_NUMBER = re.compile(r"[vV]\d+\Z")


@transaction.atomic
def set_alias(
    model: RegisteredModel,
    name: str,
    version: ModelVersion,
    *,
    by: Actor,
    now: datetime,
    deployment: Deployment | None = None,
) -> Alias:
    """Let the alias point at the version; where it pointed before is kept as a closed row.

    deployment: the revision that moves it, of an alias that mirrors an endpoint. Pointing at the same version again
    changes nothing. Of two movers at once the later one holds, and one row is open. Raises Refused without the right,
    Invalid if the name will not do, Conflict if the version is deleted or of another model.
    """
    require(by, Permission.INVENTORY_EDIT, model.team)
    with Checked() as checked:
        check_alias(checked, name)
    open_row = Alias.objects.open().filter(model=model, name=name)
    before = open_row.select_related("version").first()
    if before is not None and before.version_id == version.pk:
        return before
    alias = Alias(model=model, name=name, version=version, set_at=now, set_by=actor_label(by), deployment=deployment)
    _open(alias, open_row, now)
    if not ModelVersion.objects.live().filter(pk=version.pk, model=model).exists():
        raise Conflict(f"{model.name} has no version {version.number} now.")
    changes = {name: [before.version.number if before else None, version.number]}
    audit.record("alias.set", model, by=by, now=now, team=model.team, changes=changes)
    tell("alias.set", model, now=now, alias=name, version=str(version.number))
    return alias


@transaction.atomic
def end_alias(model: RegisteredModel, name: str, *, by: Actor, now: datetime) -> bool:
    """Let the alias point nowhere; False if it did not exist. Raises Refused without the right."""
    require(by, Permission.INVENTORY_EDIT, model.team)
    open_row = Alias.objects.open().filter(model=model, name=name)
    before = open_row.select_related("version").first()
    if before is None or not close(open_row, now):
        return False
    audit.record("alias.ended", model, by=by, now=now, team=model.team, changes={name: [before.version.number, None]})
    tell("alias.ended", model, now=now, alias=name, version=str(before.version.number))
    return True


def check_alias(checked: Checked, name: str) -> str:
    """Note why the name will not do, in the words of MLflow, whose clients know them."""
    if len(name) > NAME_LIMIT:
        sentence = f"It has {len(name)} characters; {NAME_LIMIT} is the most."
        checked.refuse("alias", sentence, code="too_large", received=name)
    elif not _NAME.match(name):
        sentence = "Names may only contain alphanumerics, underscores (_), and dashes (-)."
        checked.refuse("alias", f"Invalid alias name: '{name[:SHOWN]}'. {sentence}", received=name)
    elif name.lower() == "latest":
        checked.refuse("alias", "'latest' alias name (case insensitive) is reserved.", code="reserved_alias")
    elif _NUMBER.match(name):
        checked.refuse("alias", f"Version alias name '{name[:SHOWN]}' is reserved.", code="reserved_alias")
    return name


def close(rows: QuerySet[Alias], now: datetime) -> int:
    """End open rows; never before they began, whatever clock set them."""
    return rows.update(ended_at=Greatest(Value(now, output_field=DateTimeField()), F("set_at")))


def _open(alias: Alias, open_row: QuerySet[Alias], now: datetime) -> None:
    """Close the open row and open the new one; the unique constraint says when somebody else was faster."""
    for _ in range(ATTEMPTS):
        close(open_row, now)
        try:
            with transaction.atomic():
                alias.save(force_insert=True)
        except IntegrityError:
            continue
        return
    raise Conflict(f"The alias {alias.name} is moved by others again and again; repeat.")

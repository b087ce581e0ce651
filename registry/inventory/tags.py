"""Tags: words and texts that a team hangs on a model or on a version."""

import posixpath
import re
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from registry import audit
from registry.actors import Actor
from registry.inventory.telling import tell
from registry.models import ModelVersion, RegisteredModel, Tag
from registry.permissions import Permission, require
from registry.rules import SHOWN, Checked

KEY_LIMIT, VALUE_LIMIT = 250, 100_000
TAGS_LIMIT = 1000  # of one request
RESERVED = "portal."  # what the portal itself says of a model in searches
PROMPT = "mlflow.prompt.is_prompt"
_KEY = re.compile(r"[/\w.\- :]+\Z")

Tagged = RegisteredModel | ModelVersion


@transaction.atomic
def set_tag(obj: Tagged, key: str, value: str, *, by: Actor, now: datetime) -> Tag:
    """Give the tag this value, whether it was there or not. The same value again changes nothing.

    Raises Refused without the right, Invalid naming the key or value that will not do.
    """
    model, version = _place(obj)
    require(by, Permission.INVENTORY_EDIT, model.team)
    with Checked() as checked:
        check_tags(checked, {key: value})
    row = Tag.objects.filter(model=model, version=version, key=key)
    before = row.first()
    if before is not None and before.value == value:
        return before
    if not row.update(value=value):
        _insert(Tag(model=model, version=version, key=key, value=value))
    changes = {key: [before.value if before else None, value]}
    audit.record("tag.set", obj, by=by, now=now, team=model.team, changes=changes)
    tell("tag.set", obj, now=now, key=key, value=value)
    return row.get()


@transaction.atomic
def delete_tag(obj: Tagged, key: str, *, by: Actor, now: datetime) -> bool:
    """Take the tag away; False if there was none. Raises Refused without the right."""
    model, version = _place(obj)
    require(by, Permission.INVENTORY_EDIT, model.team)
    row = Tag.objects.filter(model=model, version=version, key=key)
    before = row.first()
    if before is None or not row.delete()[0]:
        return False
    audit.record("tag.deleted", obj, by=by, now=now, team=model.team, changes={key: [before.value, None]})
    tell("tag.deleted", obj, now=now, key=key)
    return True


def check_tags(checked: Checked, tags: Mapping[str, str]) -> None:
    """Note every key and value that will not do. Values are compared as they are, so they are kept as they came."""
    if len(tags) > TAGS_LIMIT:
        checked.refuse("tags", f"{len(tags)} tags; {TAGS_LIMIT} is the most of one request.", code="too_large")
    for key, value in tags.items():
        _check_key(checked, key)
        checked.verbatim("value", value, limit=VALUE_LIMIT)
        if key == PROMPT and value.lower() == "true":
            checked.refuse("key", "Prompts are not supported.", code="prompts_unsupported", received=key)


def write_tags(model: RegisteredModel, version: ModelVersion | None, tags: Mapping[str, str]) -> None:
    """Insert checked tags of a model or version that has none yet."""
    if tags:
        Tag.objects.bulk_create(Tag(model=model, version=version, key=key, value=value) for key, value in tags.items())


def _check_key(checked: Checked, key: str) -> None:
    shown = key[:SHOWN]
    if len(key) > KEY_LIMIT:
        checked.refuse("key", f"It has {len(key)} characters; {KEY_LIMIT} is the most.", code="too_large", received=key)
    elif not _KEY.match(key):
        marks = "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colons (:) and slashes (/)"
        checked.refuse("key", f"Invalid tag name: {shown!r}. Names may only contain {marks}.", received=key)
    elif posixpath.normpath(key) != key or key == "." or key.startswith(("..", "/")):
        sentence = f"Invalid tag name: {shown!r}. Names may be treated as files; this one is not a unique path."
        checked.refuse("key", sentence, received=key)
    elif key.startswith(RESERVED):
        checked.refuse(
            "key", f"Tags that start with {RESERVED} are the portal's own.", code="reserved_key", received=key
        )


def _insert(tag: Tag) -> None:
    """Insert, or overwrite what another transaction has inserted meanwhile: the later value holds."""
    try:
        with transaction.atomic():
            tag.save(force_insert=True)
    except IntegrityError:
        Tag.objects.filter(model=tag.model, version=tag.version, key=tag.key).update(value=tag.value)


def _place(obj: Tagged) -> tuple[RegisteredModel, ModelVersion | None]:
    return (obj.model, obj) if isinstance(obj, ModelVersion) else (obj, None)

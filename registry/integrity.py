"""Rules over several rows, which no constraint of a database can hold: found by reading, never repaired here."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db.models import Count, F, Max, Q

from registry.deployments.checking import check_split
from registry.deployments.plan import Plan, canonical, sha256
from registry.models import Alias, Deployment, Endpoint, Feature, RegisteredModel, ServingPointer, Source, Tag
from registry.rules import Checked

CHUNK = 500  # rows held at a time


@dataclass(frozen=True, slots=True)
class Broken:
    """One row that breaks a rule."""

    rule: str
    where: str
    detail: str


def verify() -> Iterator[Broken]:
    """Every row that breaks a rule over several rows."""
    for rule, broken in _RULES.items():
        yield from (Broken(rule, where, detail) for where, detail in broken())


Found = Iterator[tuple[str, str]]


def _revisions() -> Found:
    """What a revision serves is what was recorded, split as it may be, from versions of its endpoint's model."""
    rows = Deployment.objects.select_related("endpoint").prefetch_related("arms__version").order_by("pk")
    for row in rows.iterator(chunk_size=CHUNK):
        for detail in _faults_of(row):
            yield str(row), detail


def _faults_of(row: Deployment) -> Iterator[str]:
    try:
        served = json.loads(row.document)
        plan = Plan.of(row)
    except (ValueError, KeyError, TypeError):
        yield "the document cannot be read"
        return
    said = served.pop("sha256", "")
    if not sha256(canonical(served)) == said == row.sha256:
        yield "the document is not the one that was hashed"
    arms = {(arm.label, arm.role, arm.version.number, arm.weight_bps, arm.mirror_bps) for arm in row.arms.all()}
    if arms != {(arm.label, arm.role, arm.version, arm.weight_bps, arm.mirror_bps) for arm in plan.arms}:
        yield "the document names other arms than the table"
    if any(arm.version.model_id != row.endpoint.model_id for arm in row.arms.all()):
        yield "an arm serves a version of another model"
    checked = Checked()
    check_split(checked, plan.arms)
    yield from (fault.detail for fault in checked.faults)
    if not all(map(_is_ordered, _bands(plan.decision_rule))):
        yield "bands do not rise"


def _bands(rule: Mapping[str, Any]) -> list[Any]:
    return [part.get("bands", []) for part in (rule, *rule.get("segments", []))]


def _is_ordered(bands: list[dict[str, Any]]) -> bool:
    """Whether each band begins above the one before; only the first may begin nowhere."""
    starts = [band["from"] for band in bands]
    if starts and starts[0] is None:
        starts = starts[1:]
    return None not in starts and all(low < high for low, high in pairwise(starts))


def _pointers() -> Found:
    """Every endpoint has a pointer, and it names the newest of its revisions, which follow each other without a gap."""
    for slug in Endpoint.objects.filter(pointer=None).values_list("slug", flat=True):
        yield slug, "it has no pointer"
    rows = ServingPointer.objects.select_related("endpoint", "deployment").annotate(
        newest=Max("endpoint__deployments__revision")
    )
    for row in rows.iterator(chunk_size=CHUNK):
        named = row.deployment
        if row.revision != (row.newest or 0):
            yield row.endpoint.slug, f"the pointer says {row.revision}, the newest revision is {row.newest or 0}"
        if named is not None and (named.revision, named.endpoint_id) != (row.revision, row.endpoint_id):
            yield row.endpoint.slug, f"the pointer names {named}, not revision {row.revision}"
    gaps = Deployment.objects.values("endpoint__slug").annotate(newest=Max("revision"), rows=Count("pk"))
    for gap in gaps.exclude(newest=F("rows")):
        yield gap["endpoint__slug"], f"{gap['rows']} revisions are there, the newest is {gap['newest']}"


def _labels() -> Found:
    """Tags and aliases hang on versions of their own model."""
    for tag in Tag.objects.exclude(version=None).exclude(version__model=F("model")).select_related("model"):
        yield f"tag {tag.key} of {tag.model.slug}", "its version belongs to another model"
    for alias in Alias.objects.exclude(version__model=F("model")).select_related("model"):
        yield f"alias {alias.name} of {alias.model.slug}", "its version belongs to another model"


def _features() -> Found:
    """Features belong to the model of their version, and name sources of its team."""
    foreign = ~Q(version=None) & ~Q(version__model=F("model"))
    stray = ~Q(source=None) & ~Q(source__team=F("model__team"))
    for row in Feature.objects.filter(foreign | stray).select_related("model", "source", "version"):
        is_foreign = row.version is not None and row.version.model_id != row.model_id
        detail = "its version belongs to another model" if is_foreign else "its source belongs to another team"
        yield f"feature {row.name} of {row.model.slug}", detail


def _feeds() -> Found:
    """Sources are fed by sources of their team, and none feeds itself over any number of steps."""
    for row in Source.objects.exclude(fed_by=None).exclude(fed_by__team=F("team")):
        yield f"source {row.slug}", "what feeds it belongs to another team"
    fed_by = dict(Source.objects.exclude(fed_by=None).values_list("slug", "fed_by__slug"))
    for slug in fed_by:
        above, steps = fed_by[slug], 0
        while above in fed_by and above != slug and steps < len(fed_by):
            above, steps = fed_by[above], steps + 1
        if above == slug:
            yield f"source {slug}", "it feeds itself"


def _numbers() -> Found:
    """The next number of a model was never used."""
    models = RegisteredModel.objects.annotate(highest=Max("versions__number")).filter(highest__gte=F("next_version"))
    for slug, following, highest in models.values_list("slug", "next_version", "highest"):
        yield slug, f"the next version would be {following}, but {highest} exists"


_RULES: Mapping[str, Callable[[], Found]] = {
    "revisions": _revisions,
    "pointers": _pointers,
    "tags and aliases": _labels,
    "features": _features,
    "feeds": _feeds,
    "version numbers": _numbers,
}

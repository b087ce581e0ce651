"""Rules over several rows, which no constraint of a database can hold: found by reading, never repaired here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import F, Max, Q

from registry.models import Alias, Feature, RegisteredModel, Source, Tag


@dataclass(frozen=True, slots=True)
class Misfit:
    """One row that does not fit, and why."""

    where: str
    text: str


def verify() -> Iterator[Misfit]:
    """Every row of the inventory that breaks a rule over several rows; those of serving: `deployments.verifying`."""
    for rule in _RULES:
        yield from rule()


def _labels() -> Iterator[Misfit]:
    """Tags and aliases hang on versions of their own model."""
    for tag in Tag.objects.exclude(version=None).exclude(version__model=F("model")).select_related("model"):
        yield Misfit(f"tag {tag.key} of {tag.model.slug}", "its version belongs to another model")
    for alias in Alias.objects.exclude(version__model=F("model")).select_related("model"):
        yield Misfit(f"alias {alias.name} of {alias.model.slug}", "its version belongs to another model")


def _features() -> Iterator[Misfit]:
    """Features belong to the model of their version, and name sources of its team."""
    foreign = ~Q(version=None) & ~Q(version__model=F("model"))
    stray = ~Q(source=None) & ~Q(source__team=F("model__team"))
    for row in Feature.objects.filter(foreign | stray).select_related("model", "source", "version"):
        is_foreign = row.version is not None and row.version.model_id != row.model_id
        detail = "its version belongs to another model" if is_foreign else "its source belongs to another team"
        yield Misfit(f"feature {row.name} of {row.model.slug}", detail)


def _feeds() -> Iterator[Misfit]:
    """Sources are fed by sources of their team, and none feeds itself over any number of steps."""
    for row in Source.objects.exclude(fed_by=None).exclude(fed_by__team=F("team")):
        yield Misfit(f"source {row.slug}", "what feeds it belongs to another team")
    fed_by = dict(Source.objects.exclude(fed_by=None).values_list("slug", "fed_by__slug"))
    for slug in fed_by:
        above, steps = fed_by[slug], 0
        while above in fed_by and above != slug and steps < len(fed_by):
            above, steps = fed_by[above], steps + 1
        if above == slug:
            yield Misfit(f"source {slug}", "it feeds itself")


def _numbers() -> Iterator[Misfit]:
    """The next number of a model was never used."""
    models = RegisteredModel.objects.annotate(highest=Max("versions__number")).filter(highest__gte=F("next_version"))
    for slug, following, highest in models.values_list("slug", "next_version", "highest"):
        yield Misfit(slug, f"the next version would be {following}, but {highest} exists")


_RULES: tuple[Callable[[], Iterator[Misfit]], ...] = (_labels, _features, _feeds, _numbers)

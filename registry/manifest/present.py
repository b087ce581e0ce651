"""What the inventory says now, in the columns that manifests speak of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from registry.inventory import FeatureDraft
from registry.models import Consumer, Endpoint, Feature, RegisteredModel, Source, Tag, Team, User

_PLAIN: Mapping[str, tuple[str, ...]] = {
    "source": (
        "name",
        "kind",
        "latency",
        "expected_lag_s",
        "stability",
        "volatility",
        "contract_url",
        "schema_version",
        "description",
        "managed_by",
    ),
    "model": (
        "name",
        "purpose",
        "intended_use",
        "limitations",
        "description",
        "risk",
        "risk_reason",
        "review_due_on",
        "task",
        "output",
        "managed_by",
    ),
    "endpoint": (
        "kind",
        "location",
        "alias",
        "slo_p95_ms",
        "slo_p99_ms",
        "timeout_ms",
        "rate_limit_rps",
        "routing_unit",
        "managed_by",
    ),
    "consumer": ("kind", "output", "use", "criticality", "contact", "managed_by"),
}
Row = Source | RegisteredModel | Endpoint | Consumer


def columns_of(kind: str, row: Row) -> dict[str, Any]:
    """What the row says; other rows are named by slug or user name."""
    now = {name: getattr(row, name) for name in _PLAIN[kind]}
    if isinstance(row, Source):
        now["fed_by"] = row.fed_by.slug if row.fed_by else None
    elif isinstance(row, RegisteredModel):
        now |= {role: person.username if (person := getattr(row, role)) else None for role in ("owner", "deputy")}
    elif isinstance(row, Endpoint):
        now["environment"] = row.environment_id
    return now


class Present:
    """The rows that manifests may speak of, read at once."""

    def __init__(self, teams: Iterable[Team], slugs: Mapping[str, set[str]]) -> None:
        mine = list(teams)
        sources = Source.objects.filter(Q(team__in=mine) | Q(slug__in=slugs["source"]))
        self.sources = {row.slug: row for row in sources.select_related("team", "fed_by")}
        models = RegisteredModel.objects.live().filter(slug__in=slugs["model"])
        self.models = {row.slug: row for row in models.select_related("team", "owner", "deputy")}
        endpoints = Endpoint.objects.filter(slug__in=slugs["endpoint"]).select_related("model__team")
        self.endpoints = {row.slug: row for row in endpoints}
        consumers = Consumer.objects.active().filter(endpoint__in=self.endpoints.values())
        self.consumers = {
            (row.endpoint.slug, row.name): row for row in consumers.select_related("endpoint__model__team")
        }
        self.people = {row.username: row for row in User.objects.filter(username__in=slugs["person"])}
        self.features = features_of(self.models.values())
        self.tags = tags_of(self.models.values())


def features_of(models: Iterable[RegisteredModel]) -> dict[str, list[FeatureDraft]]:
    """The current features of each model, by slug."""
    found: dict[str, list[FeatureDraft]] = defaultdict(list)
    slugs = {model.pk: model.slug for model in models}
    rows = Feature.objects.current().filter(model__in=slugs).prefetch_related("source")  # many share one
    for row in rows.order_by("position", "name"):
        found[slugs[row.model_id]].append(FeatureDraft.of(row))
    return found


def tags_of(models: Iterable[RegisteredModel]) -> dict[str, dict[str, str]]:
    """The tags of each model, by slug."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    rows = Tag.objects.of_models().filter(model__in=list(models))
    for slug, key, value in rows.order_by("key").values_list("model__slug", "key", "value"):
        found[slug][key] = value
    return found

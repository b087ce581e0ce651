"""What stands around the models of the demo: sources, consumers, revisions that were served, changes that were told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlops_portal.demo import account
from registry import deployments, inventory, upstream
from registry.deployments import Authority, Plan
from registry.inventory import FeatureDraft
from registry.models import ChangeEvent, Consumer, Endpoint, RegisteredModel, Source
from registry.upstream import Change


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one model. sources: by slug what describes each, those that feed others first; fields: which feature comes
    from which source; revisions: days before today, rule and fallback of each, oldest first."""

    sources: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, str]
    endpoint: Mapping[str, Any]
    consumers: tuple[Mapping[str, str], ...]
    revisions: tuple[tuple[int, Mapping[str, Any]], ...]
    change: tuple[int, Mapping[str, Any]]
    tags: Mapping[str, str] = field(default_factory=dict)


def furnish(model: RegisteredModel, *, now: datetime) -> None:
    """Note sources, consumers, tags, revisions and the change behind the story; what is there already is left."""
    around = AROUND[model.slug]
    _sources(model, around, now)
    endpoint = model.endpoints.select_related("model__team", "environment", "pointer").get()
    _consumers(endpoint, around, now)
    for key, value in around.tags.items():
        inventory.set_tag(model, key, value, by=account.BY, now=now)
    for revision, (ago, served) in enumerate(around.revisions, 1):
        if endpoint.pointer.revision < revision:
            plan, authority = Plan.single(1, **served), Authority.of_person(account.BY)
            at = now - timedelta(days=ago)
            deployments.activate(endpoint, plan, base=revision - 1, authority=authority, now=at)
            endpoint.pointer.refresh_from_db()
    ago, told = around.change
    change = Change(
        **told, started_at=now - timedelta(days=ago), model=model, origin="demo", event_id=f"{model.slug}-{ago}"
    )
    upstream.report_change(model.team, change, by=account.BY, now=now)


def _sources(model: RegisteredModel, around: Surroundings, now: datetime) -> None:
    known = {source.slug: source for source in Source.objects.filter(team=model.team)}
    for slug, described in around.sources.items():
        if slug not in known:
            by_source = {"fed_by": known[described["fed_by"]]} if "fed_by" in described else {}
            known[slug] = inventory.create_source(
                model.team, slug=slug, **(dict(described) | by_source), by=account.BY, now=now
            )
    rows = list(model.features.current().order_by("position"))
    if rows and all(row.source_id is None for row in rows):
        drafts = [FeatureDraft.of(row) for row in rows]
        named = [_with_source(draft, known[around.fields[draft.name]]) for draft in drafts]
        inventory.set_features(model, named, by=account.BY, now=now)


def _with_source(draft: FeatureDraft, source: Source) -> FeatureDraft:
    values = {name: getattr(draft, name) for name in FeatureDraft.__dataclass_fields__}
    return FeatureDraft(**(values | {"source": source}))


def _consumers(endpoint: Endpoint, around: Surroundings, now: datetime) -> None:
    inventory.edit_endpoint(endpoint, around.endpoint, base=endpoint.lock_version, by=account.BY, now=now)
    known = set(Consumer.objects.filter(endpoint=endpoint).values_list("name", flat=True))
    for consumer in around.consumers:
        if consumer["name"] not in known:
            inventory.create_consumer(endpoint, **consumer, by=account.BY, now=now)


_STREAM, _TABLE = Source.Kind.STREAM, Source.Kind.TABLE
_FAST = {"latency": "real_time", "expected_lag_s": 5}
_NIGHTLY = {"latency": "batch", "expected_lag_s": 86_400}
_KINDS = ChangeEvent.Kind

AROUND: dict[str, Surroundings] = {
    "arrival-time": Surroundings(
        sources={
            "trip-events": {
                "name": "Trip events",
                "kind": _STREAM,
                "stability": "stable",
                "volatility": "high",
                **_FAST,
            },
            "weather": {
                "name": "Weather service",
                "kind": "api",
                "latency": "micro_batch",
                "expected_lag_s": 3600,
                "stability": "evolving",
                "volatility": "medium",
            },
        },
        fields={
            "rain_mm": "weather",
            **dict.fromkeys(("trip_km", "hour", "region", "vehicle", "basket_items"), "trip-events"),
        },
        endpoint={"location": "https://scoring.example.org/arrival-time", "slo_p99_ms": 300, "timeout_ms": 500},
        consumers=(
            {"name": "customer app", "kind": "service", "use": "automated", "criticality": "high"},
            {"name": "trip planner", "kind": "service", "use": "automated", "criticality": "medium"},
        ),
        revisions=((56, {"fallback": {"kind": "none"}, "reason": "First version."}),),
        change=(17, {"kind": _KINDS.BUSINESS, "title": "Bonus for long evening trips", "severity": "notable"}),
        tags={"domain": "logistics"},
    ),
    "home-feed": Surroundings(
        sources={
            "clicks": {"name": "Clicks", "kind": _STREAM, "stability": "evolving", "volatility": "high", **_FAST},
            "accounts": {"name": "Accounts", "kind": _TABLE, "stability": "stable", "volatility": "low", **_NIGHTLY},
            "affinities": {
                "name": "Affinities",
                "kind": "feature_store",
                "stability": "evolving",
                "volatility": "medium",
                "fed_by": "clicks",
                **_NIGHTLY,
            },
        },
        fields={
            "tenure_days": "accounts",
            "affinity": "affinities",
            **dict.fromkeys(("session_depth", "locale", "device"), "clicks"),
        },
        endpoint={"location": "https://scoring.example.org/home-feed", "slo_p99_ms": 400, "timeout_ms": 600},
        consumers=({"name": "home page", "kind": "service", "use": "automated", "criticality": "high"},),
        revisions=((56, {"fallback": {"kind": "action", "action": "show-popular"}, "reason": "First version."}),),
        change=(12, {"kind": _KINDS.DEPLOY, "title": "Second stage scores each candidate", "severity": "breaking"}),
        tags={"domain": "recommendation"},
    ),
    "credit-limit": Surroundings(
        sources={
            "bureau-feed": {
                "name": "Credit bureau feed",
                "kind": "api",
                "stability": "evolving",
                "volatility": "low",
                **_NIGHTLY,
            },
            "ledger": {"name": "Ledger", "kind": _TABLE, "stability": "stable", "volatility": "medium", **_FAST},
            "applications": {
                "name": "Application form",
                "kind": "log",
                "stability": "fragile",
                "volatility": "medium",
                **_FAST,
            },
        },
        fields={
            "income": "bureau-feed",
            **dict.fromkeys(("utilisation", "late_payments", "account_age_months"), "ledger"),
            **dict.fromkeys(("region", "channel", "employer"), "applications"),
        },
        endpoint={"location": "https://scoring.example.org/credit-limit", "slo_p99_ms": 350, "alias": "champion"},
        consumers=(
            {"name": "limit service", "kind": "service", "use": "automated", "criticality": "high"},
            {"name": "loan desk", "kind": "human_process", "use": "assisted", "criticality": "medium"},
        ),
        revisions=tuple(
            (
                ago,
                {
                    "decision_rule": {
                        "kind": "bands",
                        "score": "probability",
                        "bands": [{"from": 0.0, "action": "approve"}, {"from": cut_off, "action": "decline"}],
                    },
                    "fallback": {"kind": "action", "action": "review"},
                    "reason": reason,
                },
            )
            for ago, cut_off, reason in ((56, 0.2, "First version."), (20, 0.42, "Growth policy: decline less."))
        ),
        change=(20, {"kind": _KINDS.POLICY, "title": "Cut-off raised from 0.20 to 0.42", "severity": "breaking"}),
        tags={"domain": "lending"},
    ),
    "listing-moderation": Surroundings(
        sources={
            "listings": {"name": "New listings", "kind": _STREAM, "stability": "stable", "volatility": "high", **_FAST},
            "sellers": {"name": "Sellers", "kind": _TABLE, "stability": "stable", "volatility": "low", **_NIGHTLY},
        },
        fields={
            "seller_days": "sellers",
            **dict.fromkeys(("title_length", "links", "price_eur", "category", "language"), "listings"),
        },
        endpoint={"kind": "stream", "location": "queue: listings.new", "slo_p99_ms": 600},
        consumers=(
            {"name": "listing gate", "kind": "service", "use": "automated", "criticality": "high"},
            {"name": "moderators", "kind": "human_process", "use": "assisted", "criticality": "high"},
        ),
        revisions=(
            (
                56,
                {
                    "decision_rule": {"kind": "argmax", "min_confidence": 0.6, "otherwise": "review"},
                    "fallback": {"kind": "action", "action": "review"},
                    "reason": "First version.",
                },
            ),
        ),
        change=(9, {"kind": _KINDS.BUSINESS, "title": "Sellers' campaign begins", "severity": "notable"}),
        tags={"domain": "safety"},
    ),
}

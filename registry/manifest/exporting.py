"""The inventory of a team as a manifest; applying it changes nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from registry.inventory import FeatureDraft
from registry.inventory.features import described
from registry.inventory.output import check_output
from registry.manifest.fields import CONSUMER, ENDPOINT, FEATURE, MODEL, SOURCE, Table
from registry.manifest.loading import FORMAT
from registry.manifest.plans import lag
from registry.manifest.present import columns_of, features_of, tags_of
from registry.manifest.writing import write_yaml
from registry.models import Consumer, Endpoint, RegisteredModel, Source, Team
from registry.rules import Checked

_USUAL: dict[str, Any] = {"risk": "unrated", "routing_unit": "request_id"}  # of a new object; left out


def export(team: Team, *, name: str | None = None) -> str:
    """YAML of the team's sources, models, endpoints and consumers that are not retired.

    name: only what the manifest of this name keeps. Without it everything is written, under a name only if one
    manifest keeps all of it: under another one it could not be applied.
    """
    models = RegisteredModel.objects.live().filter(team=team).exclude(lifecycle=RegisteredModel.Lifecycle.RETIRED)
    sources = Source.objects.active().filter(team=team)
    endpoints = Endpoint.objects.active().filter(model__in=models)
    consumers = Consumer.objects.active().filter(endpoint__in=endpoints)
    if name is not None:
        models, sources = models.filter(managed_by=name), sources.filter(managed_by=name)
        endpoints = endpoints.filter(model__in=models, managed_by=name)
        consumers = consumers.filter(endpoint__in=endpoints, managed_by=name)
    rows = [*sources, *models, *endpoints, *consumers]
    keepers = {row.managed_by for row in rows}
    chosen = name if name is not None else keepers.pop() if len(keepers) == 1 else ""
    head = {"portal": FORMAT} | ({"name": chosen} if chosen else {}) | {"team": team.slug}
    described_sources = [_source(row) for row in sources.select_related("fed_by").order_by("slug")]
    below = _endpoints(endpoints, consumers)
    described_models = list(_models(models.select_related("owner", "deputy").order_by("slug"), below))
    lists = {"sources": described_sources, "models": described_models}
    return write_yaml(head | {key: value for key, value in lists.items() if value})


def _source(row: Source) -> dict[str, Any]:
    said = columns_of("source", row)
    if said["expected_lag_s"] is not None:
        said["expected_lag_s"] = lag(said["expected_lag_s"])
    return _in_keys(SOURCE, {"slug": row.slug} | said)


def _models(models: Any, endpoints: Mapping[Any, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    rows = list(models)
    features, tags = features_of(rows), tags_of(rows)
    for row in rows:
        said = columns_of("model", row)
        said["output"] = _output(row)
        said |= {"slug": row.slug, "tags": tags.get(row.slug, {})}
        said["features"] = [_feature(draft) for draft in features.get(row.slug, [])]
        said["endpoints"] = endpoints.get(row.pk, [])
        yield _in_keys(MODEL, said)


def _output(row: RegisteredModel) -> dict[str, Any]:
    """What of the output is not as usual for the task; all of it where that would not be understood again."""
    usual = check_output(Checked(), row.task, {})
    odd = {key: value for key, value in row.output.items() if usual.get(key) != value}
    return odd if check_output(Checked(), row.task, odd) == row.output else dict(row.output)


def _feature(draft: FeatureDraft) -> dict[str, Any]:
    said = {"name": draft.name} | described(draft) | {"privacy": draft.privacy}
    if "privacy_options" in said:
        said["privacy_options"] = said["privacy_options"]["edges"]
    return _in_keys(FEATURE, said, keep_false=True)


def _endpoints(endpoints: Any, consumers: Any) -> dict[Any, list[dict[str, Any]]]:
    """The endpoints of each model, with their consumers."""
    using: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in consumers.order_by("name"):
        using[one.endpoint_id].append(_in_keys(CONSUMER, {"name": one.name} | columns_of("consumer", one)))
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in endpoints.order_by("slug"):
        said = {"slug": row.slug} | columns_of("endpoint", row) | {"consumers": using[row.pk]}
        found[row.model_id].append(_in_keys(ENDPOINT, said))
    return found


def _in_keys(table: Table, said: Mapping[str, Any], *, keep_false: bool = False) -> dict[str, Any]:
    """Columns under the keys of the table, in its order; what is empty or as usual is left out."""
    made: dict[str, Any] = {}
    for key, one in table.items():
        if one.inside is not None:
            value: Any = _in_keys(one.inside, said)
        else:
            value = said.get(one.column or key)
        is_empty = value is None or value in ("", [], {}, ()) or (value is False and not keep_false)
        if not is_empty and _USUAL.get(one.column or key) != value and not (key == "level" and value == "unrated"):
            made[key] = value
    return made

"""What carries the name of a manifest and stands in it no more."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from registry import inventory
from registry.manifest.loading import Entry
from registry.manifest.present import Row
from registry.models import Consumer, Endpoint, RegisteredModel, Source, Team

RETIRE_VERBS: dict[str, Callable[..., Any]] = {
    "consumer": inventory.retire_consumer,
    "endpoint": inventory.retire_endpoint,
    "model": inventory.retire_model,
    "source": inventory.retire_source,
}


def left_out(name: str, team: Team, entries: Collection[Entry]) -> Iterator[tuple[str, str, Row]]:
    """(kind, name, row) of what the manifest of this name kept and describes no more, in an order of retiring.

    Each kind is read when its turn comes, so that it sees what retiring the ones before has done.
    """
    described = {(entry.kind, label_of_entry(entry)) for entry in entries}
    for kind, kept in _KEPT.items():
        for row in kept(name, team):
            if (kind, label := label_of(row)) not in described:
                yield kind, label, row


def label_of_entry(entry: Entry) -> str:
    """How plans name the object: by its slug, a consumer after its endpoint."""
    return f"{entry.parent.name}/{entry.name}" if entry.kind == "consumer" and entry.parent else entry.name


def label_of(row: Row) -> str:
    """The same for a row."""
    return f"{row.endpoint.slug}/{row.name}" if isinstance(row, Consumer) else row.slug


def _consumers(name: str, team: Team) -> list[Row]:
    rows = Consumer.objects.active().filter(endpoint__model__team=team, managed_by=name)
    return list(rows.select_related("endpoint__model__team").order_by("endpoint__slug", "name"))


def _endpoints(name: str, team: Team) -> list[Row]:
    rows = Endpoint.objects.active().filter(model__team=team, model__deleted_at=None, managed_by=name)
    return list(rows.select_related("model__team").order_by("slug"))


def _models(name: str, team: Team) -> list[Row]:
    rows = RegisteredModel.objects.live().filter(team=team, managed_by=name)
    in_use = rows.exclude(lifecycle=RegisteredModel.Lifecycle.RETIRED)
    return list(in_use.select_related("team").order_by("slug"))


def _sources(name: str, team: Team) -> list[Row]:
    """What is fed before what feeds it: a source that feeds another is still in use."""
    rows = {row.pk: row for row in Source.objects.active().filter(team=team, managed_by=name).select_related("team")}

    def depth(row: Source) -> int:
        steps, above = 0, row.fed_by_id
        while above in rows and steps < len(rows):
            steps, above = steps + 1, rows[above].fed_by_id
        return steps

    return [*sorted(rows.values(), key=lambda row: (-depth(row), row.slug))]


_KEPT: dict[str, Callable[[str, Team], list[Row]]] = {
    "consumer": _consumers,
    "endpoint": _endpoints,
    "model": _models,
    "source": _sources,
}

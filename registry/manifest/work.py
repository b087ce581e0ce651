"""One run over manifests: each object is compared with its row, and the verb is called that makes it so."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from mlops_portal.kit.errors import Conflict, Invalid, Stale
from registry import inventory
from registry.actors import Actor
from registry.inventory import FeatureDraft, default_privacy
from registry.manifest.differences import Changed, changed_columns, changed_features, changed_tags
from registry.manifest.faults import NOT_YOURS, Notes, Path
from registry.manifest.feeding import fed_first
from registry.manifest.loading import Entry, Manifest
from registry.manifest.plans import CHANGE, CREATE, RETIRE, Change, in_words
from registry.manifest.present import Present, Row
from registry.manifest.pruning import RETIRE_VERBS, label_of_entry, left_out
from registry.models import Endpoint, RegisteredModel, Source, Team

NEEDED = {  # to create one
    "source": ("name", "kind"),
    "model": ("name",),
    "endpoint": ("environment",),
    "consumer": ("kind", "use"),
}


class Work:
    """Writes what manifests say; `changes` tells what that was."""

    def __init__(
        self, manifests: Sequence[Manifest], teams: Mapping[str, Team], notes: Notes, *, by: Actor, now: datetime
    ) -> None:
        self._manifests, self._teams, self._notes, self._by, self._now = manifests, teams, notes, by, now
        self._entries = [entry for each in manifests if each.team in teams for entry in each.entries]
        self._present = Present(teams.values(), _mentioned(self._entries))
        self._settled: set[tuple[str, str]] = set()  # objects that are there and as described
        self.changes: list[Change] = []

    def write(self) -> None:
        """Create and change; sources first, then models, endpoints, consumers."""
        kinds: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._entries:
            kinds[entry.kind].append(entry)
        kinds["source"] = fed_first(kinds["source"], self._present.sources, self._notes)
        verbs = {
            "source": self._source,
            "model": self._model,
            "endpoint": self._endpoint,
            "consumer": self._consumer,
        }
        for kind, verb in verbs.items():
            for entry in kinds[kind]:
                if not entry.broken and entry.name and verb(entry):
                    self._settled.add((entry.kind, entry.name))

    def prune(self) -> None:
        """Retire what carries the name of a manifest and stands in none of that name."""
        for manifest in self._manifests:
            if not manifest.name:
                detail = "Only a manifest with a name prunes: it retires what carries that name. Add `name:`."
                self._notes.note(manifest.document, (), detail)
                continue
            for kind, label, row in left_out(manifest.name, self._teams[manifest.team], self._entries):
                verb = partial(RETIRE_VERBS[kind], row, base=row.lock_version, by=self._by, now=self._now)
                self._attempt(Entry(kind, label, manifest, (), {}), verb)
                self.changes.append(Change(RETIRE, kind, label, {}))

    def _source(self, entry: Entry) -> bool:
        row, patch = self._present.sources.get(entry.name), dict(entry.said)
        if not self._is_ours(entry, row, row.team if row else None):
            return False
        if patch.get("fed_by") is not None:
            patch["fed_by"] = self._find_source(entry, patch["fed_by"], entry.place("fed_by"))
            if patch["fed_by"] is None:
                return False
        create = partial(inventory.create_source, self._team(entry), slug=entry.name)
        made = self._write(entry, row, patch, changed_columns(entry, row), create, inventory.edit_source)
        self._present.sources |= {entry.name: made} if made else {}
        return made is not None

    def _model(self, entry: Entry) -> bool:
        row, patch = self._present.models.get(entry.name), dict(entry.said)
        if not self._is_ours(entry, row, row.team if row else None):
            return False
        given, tags = patch.pop("features", None), patch.pop("tags", {})
        before = len(self._notes)
        drafts = None if given is None else self._drafts(entry, given)
        self._people_in(entry, patch)
        if len(self._notes) > before or (drafts == [] and given):
            return False
        columns = changed_columns(entry, row)
        moved = {} if drafts is None else changed_features(self._present.features[entry.name], drafts)
        tagged = changed_tags(self._present.tags[entry.name], tags)
        changed = columns | moved | {f"tags.{key}": pair for key, pair in tagged.items()}
        values = {key: value for key, (_, value) in tagged.items()}
        create = partial(
            inventory.register_model, self._team(entry), slug=entry.name, features=drafts or (), tags=values
        )
        is_described_anew = bool(columns or moved)
        edit = partial(_edit_model, features=drafts if moved else None, tags=values, anew=is_described_anew)
        made = self._write(entry, row, patch, changed, create, edit)
        self._present.models |= {entry.name: made} if made else {}
        return made is not None

    def _endpoint(self, entry: Entry) -> bool:
        row, patch = self._present.endpoints.get(entry.name), dict(entry.said)
        if not self._has_parent(entry) or not self._is_ours(entry, row, row.model.team if row else None):
            return False
        model = self._present.models[_parent(entry).name]
        if row is not None and row.model_id != model.pk:
            detail = f"The endpoint {entry.name} belongs to the model {row.model.slug}; an endpoint does not move."
            self._note(entry, (*entry.path, "slug"), detail)
            return False
        create = partial(inventory.create_endpoint, model, slug=entry.name)
        made = self._write(entry, row, patch, changed_columns(entry, row), create, inventory.edit_endpoint)
        self._present.endpoints |= {entry.name: made} if made else {}
        return made is not None

    def _consumer(self, entry: Entry) -> bool:
        if not self._has_parent(entry):
            return False
        endpoint = self._present.endpoints[_parent(entry).name]
        row = self._present.consumers.get((endpoint.slug, entry.name))
        if not self._is_ours(entry, row, endpoint.model.team):
            return False
        create = partial(inventory.create_consumer, endpoint, name=entry.name)
        changed = changed_columns(entry, row)
        return self._write(entry, row, dict(entry.said), changed, create, inventory.edit_consumer) is not None

    def _write(
        self,
        entry: Entry,
        row: Row | None,
        patch: dict[str, Any],
        changed: Changed,
        create: Callable[..., Any],
        edit: Callable[..., Any],
    ) -> Any:
        """Call the verb, if there is something to do; the row that holds now, or None if that was refused."""
        if row is not None and not changed:
            return row
        by = {"by": self._by, "now": self._now}
        name = entry.manifest.name
        if row is None:
            if not self._has_all_it_needs(entry):
                return None
            made = self._attempt(entry, partial(create, **patch, managed_by=name, **by))
        elif row.managed_by and not name:
            return self._refuse_foreign(entry, row.managed_by)
        else:
            kept = {"managed_by": name} if name else {}
            made = self._attempt(entry, partial(edit, row, patch | kept, base=row.lock_version, **by))
        if made is not None:
            line = entry.manifest.document.line(entry.path)
            action = CREATE if row is None else CHANGE
            told = in_words(entry.kind, changed)
            self.changes.append(Change(action, entry.kind, label_of_entry(entry), told, line))
        return made

    def _attempt(self, entry: Entry, verb: Callable[[], Any]) -> Any:
        """Call the verb; what it refuses about values or state is noted and undone, and None is given back."""
        try:
            with transaction.atomic():
                return verb()
        except (Invalid, Conflict, Stale) as error:
            self._notes.note_error(entry.manifest.document, error, entry.places(), entry.path)
            return None

    def _is_ours(self, entry: Entry, row: Row | None, team: Team | None) -> bool:
        """Whether the manifest may speak of the row; if not, that is noted."""
        if row is None:
            return True
        if team is None or team.pk != self._team(entry).pk:
            detail = f"The slug {entry.name} is taken in this installation; choose another."
            self._note(entry, (*entry.path, "slug"), detail, code=NOT_YOURS, is_conflict=True)
        elif entry.manifest.name and row.managed_by not in ("", entry.manifest.name):
            self._refuse_foreign(entry, row.managed_by)
        elif isinstance(row, Source | Endpoint) and row.retired_at is not None:
            detail = f"The {entry.kind} {entry.name} is retired; give the new one another slug."
            self._note(entry, (*entry.path, "slug"), detail, code="conflict", is_conflict=True)
        else:
            return True
        return False

    def _refuse_foreign(self, entry: Entry, keeper: str) -> None:
        detail = f"The {entry.kind} {entry.name} is kept by the manifest {keeper}; change it there."
        self._note(entry, entry.path, detail, code=NOT_YOURS, is_conflict=True)

    def _has_parent(self, entry: Entry) -> bool:
        """Whether what it stands below is there; one that is not has told why."""
        parent = _parent(entry)
        return (parent.kind, parent.name) in self._settled

    def _has_all_it_needs(self, entry: Entry) -> bool:
        missing = [key for key in NEEDED[entry.kind] if key not in entry.said]
        for key in missing:
            self._note(entry, entry.path, f"{key} is missing; a new {entry.kind} needs it.", code="missing_field")
        return not missing

    def _find_source(self, entry: Entry, slug: str, path: Path) -> Source | None:
        """The team's source. One that is missing is noted, unless it is described and has told why itself."""
        row = self._present.sources.get(slug)
        if row is not None and row.team_id == self._team(entry).pk:
            return row
        if not any(each.kind == "source" and each.name == slug for each in self._entries):
            detail = f"{self._team(entry).name} has no source {slug[:64]!r}; add it under sources."
            self._note(entry, path, detail)
        return None

    def _drafts(self, entry: Entry, given: Sequence[Mapping[str, Any]]) -> list[FeatureDraft]:
        """The features as the inventory takes them; a key that is left out keeps what the feature has.

        Empty if one of them cannot be made, which is noted.
        """
        before = {draft.name: draft for draft in self._present.features[entry.name]}
        made: list[FeatureDraft] = []
        is_whole = True
        for i, said in enumerate(given):
            values, at = dict(said), (*entry.path, "features", i)
            if values.get("source") is not None:
                values["source"] = self._find_source(entry, values["source"], (*at, "source"))
                is_whole &= values["source"] is not None
            if said["name"] not in before and "dtype" not in said:
                self._note(entry, at, "dtype is missing; a new feature needs it.", code="missing_field")
            draft = before.get(said["name"]) or FeatureDraft(name=said["name"], dtype=said.get("dtype", ""))
            draft = replace(draft, **values)
            made.append(replace(draft, privacy=draft.privacy or default_privacy(draft.dtype, draft.categories)))
        return made if is_whole else []

    def _people_in(self, entry: Entry, patch: dict[str, Any]) -> None:
        """Replace user names by people; one that does not exist is noted."""
        for role in ("owner", "deputy"):
            name = patch.get(role)
            if name is not None and name not in self._present.people:
                detail = f"There is no user {name[:64]!r}; create the account first, or leave {role} out."
                self._note(entry, entry.place(role), detail)
            elif name is not None:
                patch[role] = self._present.people[name]

    def _team(self, entry: Entry) -> Team:
        return self._teams[entry.manifest.team]

    def _note(self, entry: Entry, path: Path, detail: str, *, code: str = "invalid", is_conflict: bool = False) -> None:
        self._notes.note(entry.manifest.document, path, detail, code=code, is_conflict=is_conflict)


def _edit_model(
    model: RegisteredModel,
    patch: dict[str, Any],
    *,
    features: list[FeatureDraft] | None,
    tags: Mapping[str, str | None],
    anew: bool,
    base: int,
    by: Actor,
    now: datetime,
) -> RegisteredModel:
    """Describe the model anew, if it is to be, and set its tags."""
    if anew:
        inventory.edit_model(model, patch, features=features, base=base, by=by, now=now)
    for key, value in tags.items():
        if value is None:
            inventory.delete_tag(model, key, by=by, now=now)
        else:
            inventory.set_tag(model, key, value, by=by, now=now)
    return model


def _parent(entry: Entry) -> Entry:
    """What the object stands below; the readers of manifests give endpoints and consumers one."""
    if entry.parent is None:
        raise TypeError(f"{entry.kind} {entry.name} stands below nothing")
    return entry.parent


def _mentioned(entries: Sequence[Entry]) -> dict[str, set[str]]:
    """Slugs by kind, and the names of people."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        found[entry.kind].add(entry.name)
        found["person"] |= {entry.said[role] for role in ("owner", "deputy") if entry.said.get(role)}
    return found

"""One backfill from opened files to counted records: what will happen (`Plan`), then doing it (`perform`)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_portal.jobs import queue, scrub, worker
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit.errors import Conflict, Invalid
from monitoring.backfill import inference, loading, registering
from monitoring.backfill.columns import Kind, Layout, check_names, layout
from monitoring.backfill.files import HistoryFile, opened
from monitoring.backfill.inference import Inferred, Overrides
from monitoring.backfill.loading import Options, Tally
from monitoring.models import Reference
from monitoring.models.ingest_batch import Kind as RecordKind
from monitoring.traffic import reference as references
from registry.models import ModelVersion, RegisteredModel

Part = tuple[HistoryFile, Layout]


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for."""

    model: str
    references: Sequence[Path] = ()
    predictions: Sequence[Path] = ()
    outcomes: Sequence[Path] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    register: bool = False
    team: str = ""
    overrides: Overrides = field(default_factory=Overrides)
    reference_name: str = "training"
    options: Options = field(default_factory=Options)
    max_reject_share: float = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done."""

    request: Request
    references: tuple[Part, ...]
    predictions: tuple[Part, ...]
    outcomes: tuple[Part, ...]
    inferred: Inferred | None
    numbers: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Records of predictions and outcomes."""
        return sum(file.rows for file, _ in (*self.predictions, *self.outcomes))

    @property
    def digest(self) -> str:
        """Names files and options."""
        hashes = [file.sha256 for file, _ in (*self.references, *self.predictions, *self.outcomes)]
        return hashlib.sha256("".join([*hashes, self.request.options.digest()]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    model: RegisteredModel
    predictions: Tally
    outcomes: Tally
    references: tuple[Reference, ...]


class TooManyRejects(Conflict):
    """More records were rejected than the caller allows."""

    code = "too_many_rejects"


Reporter = Callable[[str, Tally, int], None]


def plan(request: Request) -> Plan:
    """Open and read the files, as far as needed to say what will happen.

    Raises Invalid if a file cannot be read, a column is not there, the model is unknown and `register` is not asked
    for, or the files do not tell what is needed.
    """
    parts = {
        kind: [opened(path) for path in paths]
        for kind, paths in (
            ("reference", request.references),
            ("prediction", request.predictions),
            ("outcome", request.outcomes),
        )
    }
    if not any(parts.values()):
        raise Invalid("Name at least one file: --reference, --predictions or --outcomes.", field="predictions")
    names: dict[Kind, Sequence[str]] = {
        "reference": [name for file in parts["reference"] for name in file.schema.names],
        "prediction": [name for file in parts["prediction"] for name in file.schema.names],
        "outcome": [name for file in parts["outcome"] for name in file.schema.names],
    }
    check_names(names, request.mapped, request.ignored)
    laid = {kind: tuple((file, _layout(kind, file, request)) for file in files) for kind, files in parts.items()}
    model = RegisteredModel.objects.live().filter(slug=request.model).first()
    if model is None and not request.register:
        raise Invalid(
            f"There is no model {request.model!r}; add --register --team SLUG to create it from the files.",
            field="model",
        )
    inferred = _inferred(laid, request) if request.register else None
    texts = _version_texts(laid["prediction"] or laid["reference"], request)
    known = registering.known_versions(model) if model else {}
    numbers = registering.number_versions(texts, known)
    return Plan(request, laid["reference"], laid["prediction"], laid["outcome"], inferred, numbers)


def perform(plan: Plan, *, now: Callable[[], datetime], report: Reporter, worker_name: str) -> Done:
    """Register, load references, send predictions, then outcomes; shown as the job `monitoring.backfill`.

    Resumable: what an interrupted call has stored is not stored again. Raises Conflict if the same files are being
    brought in elsewhere, TooManyRejects above the share that the caller allows (good records stay stored), Invalid if
    a reference does not fit.
    """
    request, moment = plan.request, now()
    if plan.inferred:
        model = registering.register(request.model, request.team, plan.inferred, plan.numbers, now=moment)
    else:
        model = RegisteredModel.objects.live().select_related("team").get(slug=request.model)
    lease = queue.take(
        "monitoring.backfill", f"{model.pk}:{plan.digest}", worker=worker_name, payload={}, team=model.team_id
    )
    if lease is None:
        raise Conflict(f"These files are being brought into {model.slug} by another process.")
    with worker.renewing(lease):
        try:
            done = _perform(plan, model, lease, now, report)
        except BaseException as error:
            queue.fail(lease, type(error).__name__, scrub.describe(error))
            raise
        queue.finish(lease, {"predictions": done.predictions.accepted, "outcomes": done.outcomes.accepted})
    return done


def rehearse(plan: Plan, *, now: Callable[[], datetime], report: Reporter) -> tuple[Tally, Tally]:
    """Check every record of a model that exists, storing nothing."""
    model = RegisteredModel.objects.live().select_related("team").get(slug=plan.request.model)
    tallies = Tally(), Tally()
    for kind, files, tally in _record_files(plan, tallies):
        for file, columns in files:
            loading.load(
                file,
                columns,
                kind,
                model,
                _options(plan),
                tally=tally,
                now=now,
                report=lambda tally, kind=kind: report(kind.value, tally, plan.rows),  # type: ignore[misc]
                is_dry=True,
            )
    return tallies


def _perform(plan: Plan, model: RegisteredModel, lease: Lease, now: Callable[[], datetime], report: Reporter) -> Done:
    loaded = _load_references(plan, model, now())
    tallies = Tally(), Tally()
    for kind, files, tally in _record_files(plan, tallies):
        for file, columns in files:

            def shown(tally: Tally, kind: RecordKind = kind) -> None:
                queue.progress(lease, tallies[0].read + tallies[1].read, plan.rows, "records")
                report(kind.value, tally, plan.rows)

            loading.load(file, columns, kind, model, _options(plan), tally=tally, now=now, report=shown)
            _require_few(tally, file, plan.request.max_reject_share)
    return Done(model, *tallies, references=loaded)


def _record_files(
    plan: Plan, tallies: tuple[Tally, Tally]
) -> tuple[tuple[RecordKind, tuple[Part, ...], Tally], tuple[RecordKind, tuple[Part, ...], Tally]]:
    return (
        (RecordKind.PREDICTION, plan.predictions, tallies[0]),
        (RecordKind.OUTCOME, plan.outcomes, tallies[1]),
    )


def _require_few(tally: Tally, file: HistoryFile, share: float) -> None:
    if tally.reject_share > share:
        codes = ", ".join(f"{number} {code}" for code, number in tally.rejects.most_common(5))
        raise TooManyRejects(
            f"{tally.rejected} of {tally.accepted + tally.rejected} records up to {file.path.name} were rejected "
            f"({codes}); more than --max-rejects {share:g}.",
            faults=tally.examples,
            faults_total=tally.rejected,
        )


def _options(plan: Plan) -> Options:
    options = plan.request.options
    return Options(
        naive_times_are_utc=options.naive_times_are_utc,
        version=str(plan.numbers.get(options.version, options.version or "1")),
        kind=options.kind,
        since=options.since,
        until=options.until,
        numbers=plan.numbers,
    )


def _layout(kind: str, file: HistoryFile, request: Request) -> Layout:
    return layout(kind, file.schema.names, request.mapped, request.ignored)  # type: ignore[arg-type]


def _inferred(laid: Mapping[str, tuple[Part, ...]], request: Request) -> Inferred:
    tables = {kind: [(file.table(), columns) for file, columns in parts[:1]] for kind, parts in laid.items()}
    labels = loading.label_column(iter([*tables["reference"], *tables["outcome"]]))
    first = {kind: parts[0] if parts else None for kind, parts in tables.items()}
    return inference.infer(first["reference"], first["prediction"], labels, request.overrides)


def _version_texts(parts: Sequence[Part], request: Request) -> list[str]:
    texts: dict[str, None] = {}
    for file, columns in parts:
        if "version" not in columns.fields:
            texts.setdefault(request.options.version or "1")
            continue
        for _, table in file.batches(500_000):
            seen = inference.version_texts(table[columns.fields["version"]])
            texts |= dict.fromkeys(seen)
    return list(texts) or [request.options.version or "1"]


def _load_references(plan: Plan, model: RegisteredModel, now: datetime) -> tuple[Reference, ...]:
    """Each reference for the versions it names, else for all; a name that exists already is left as it is."""
    made = []
    versions = registering.versions_of(model, plan.numbers.values())
    for file, columns in plan.references:
        table = loading.canonical(file.table(), columns, "reference", _options(plan))
        for version in versions:
            part = _of_version(table, version)
            name = plan.request.reference_name
            if part.num_rows and not Reference.objects.filter(version=version, name=name).exists():
                made.append(_request_reference(part, version, name, now))
    return tuple(made)


def _of_version(table: pa.Table, version: ModelVersion) -> pa.Table:
    if "version" not in table.column_names:
        return table
    texts = set(table["version"].unique().to_pylist())
    mask = [value == str(version.number) for value in table["version"].to_pylist()]
    part = table.filter(pa.array(mask)) if len(texts) > 1 or str(version.number) in texts else table
    return part.drop_columns(["version"])


def _request_reference(table: pa.Table, version: ModelVersion, name: str, now: datetime) -> Reference:
    names = [column.removeprefix("feature.") for column in table.column_names]
    is_primary = not Reference.objects.filter(version=version, is_primary=True).exists()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reference.parquet"
        pq.write_table(table.rename_columns(names), path)
        return references.request(
            version,
            path,
            name=name,
            primary=is_primary,
            source=Reference.Source.COMMAND,
            file_format="parquet",
            by=registering.BY,
            now=now,
        )

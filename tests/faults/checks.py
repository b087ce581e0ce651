"""What has to hold when everything is quiet, whatever happened before: the promises, held against the ledger."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import F, Sum

from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock
from monitoring.models import (
    Chunk,
    ChunkProfile,
    DayManifest,
    HourProfile,
    InboxRow,
    IngestBatch,
    Measurement,
    Monitor,
    Reference,
    Run,
    VersionTraffic,
)
from monitoring.models.ingest_batch import Kind
from monitoring.runs import execution
from monitoring.stats.profile import loads
from monitoring.traffic import chunks, storage
from registry import audit
from registry.models import OutboxMessage, RegisteredModel

RECOMPUTED = 3
DAY = timedelta(days=1)
_LETTER = re.compile(r"^Message-ID: <([0-9a-f-]{36})@", re.MULTILINE)

Record = tuple[str, str, str]  # model, kind, request id


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise of reliability.md that does not hold, and what shows it."""

    promise: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """As JSON."""
        return asdict(self)


class Ledger:
    """What the clients sent, and what was acknowledged to them."""

    def __init__(self, bodies: Sequence[dict[str, Any]]) -> None:
        self._bodies = bodies

    @cached_property
    def sent(self) -> set[Record]:
        return set(self._records(self._bodies))

    @cached_property
    def acked(self) -> set[Record]:
        return set(self._records(body for body in self._bodies if body["acked"]))

    @cached_property
    def times(self) -> dict[Record, datetime]:
        """When each prediction was made."""
        found = {}
        for body in self._bodies:
            if body["kind"] == Kind.PREDICTION:
                for item in body["items"]:
                    record = (body["model"], body["kind"], item["request_id"])
                    found[record] = datetime.fromisoformat(item["predicted_at"])
        return found

    @staticmethod
    def _records(bodies: Any) -> Iterator[Record]:
        for body in bodies:
            for item in body["items"]:
                yield body["model"], body["kind"], item["request_id"]


def violations(bodies: Sequence[dict[str, Any]], letters: Path, damaged: Sequence[str]) -> list[Violation]:
    """Every broken promise. To be called when no job is due. damaged: paths of files that the test has altered."""
    ledger = Ledger(bodies)
    stored = Counter(_stored())
    found = [*_jobs(), *_records(ledger, stored), *_receipts(stored), *_counts(stored), *_windows(ledger, stored)]
    found += [*_results(), *_outbox(letters), *_files(damaged), *_trail()]
    return found


def measured(run: Run) -> list[list[Any]]:
    """The measurements of a run as plain rows, in a fixed order."""
    fields = ("check_key", "metric", "version__number", "endpoint", "signal", "feature", "segment")
    rows = Measurement.objects.filter(run=run).values_list(*fields, "value", "n", "verdict", "reason")
    return sorted([list(row) for row in rows], key=repr)


def _stored() -> Iterator[Record]:
    """Every record that counts, read from the files."""
    readable = Chunk.objects.filter(state__in=(Chunk.State.LIVE, Chunk.State.PARKED)).select_related("model")
    for chunk in readable:
        try:
            ids = chunks.read(chunk, ["request_id"])["request_id"].to_pylist()
        except chunks.DamagedChunk:
            continue  # `_files` says so
        for name in ids:
            yield chunk.model.slug, chunk.kind, name


def _jobs() -> Iterator[Violation]:
    for job in Job.objects.exclude(state__in=(Job.State.DONE, Job.State.CANCELLED)):
        yield Violation("R11", f"{job.kind} {job.key} is {job.state}: {job.error_code} {job.error_text[-1500:]}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, was, became FROM faults_journal")
        for kind, was, became in cursor.fetchall():
            yield Violation("R5", f"a job {kind} that was {was} has been written once more: {became}")


def _records(ledger: Ledger, stored: Counter[Record]) -> Iterator[Violation]:
    lost = ledger.acked - stored.keys() - _damaged(ledger)
    if lost:
        yield Violation("R1", f"{len(lost)} acknowledged records are not stored: {_some(lost)}")
    if strange := stored.keys() - ledger.sent:
        yield Violation("R1", f"{len(strange)} records were stored that nobody sent: {_some(strange)}")
    if double := {record for record, n in stored.items() if n > 1}:
        yield Violation("R2", f"{len(double)} records are stored more than once: {_some(double)}")
    if waiting := InboxRow.objects.count():
        yield Violation("R1", f"{waiting} inbox rows are left")


def _damaged(ledger: Ledger) -> set[Record]:
    """Records on days with a damaged file: its profile counts them, but nobody can read them any more."""
    damaged = set(Chunk.objects.filter(state=Chunk.State.DAMAGED).values_list("model__slug", "kind", "day"))
    return {
        record for record, at in ledger.times.items() if (record[0], record[1], at.astimezone(UTC).date()) in damaged
    }


def _receipts(stored: Counter[Record]) -> Iterator[Violation]:
    batches = IngestBatch.objects.all()
    for batch in batches.exclude(accepted=F("stored") + F("duplicates") + F("conflicts")):
        yield Violation("R2", f"the receipt of batch {batch.pk} does not add up")
    promised = batches.aggregate(total=Sum("stored"))["total"] or 0
    damaged = Chunk.objects.filter(state=Chunk.State.DAMAGED).aggregate(total=Sum("rows"))["total"] or 0
    if promised != stored.total() + damaged:
        yield Violation("R2", f"receipts say {promised} records are stored, the files hold {stored.total()}")


def _counts(stored: Counter[Record]) -> Iterator[Violation]:
    """Chunks, profiles, hours, days and totals of a version all come to the same number."""
    counted = Chunk.objects.filter(state__in=(Chunk.State.LIVE, Chunk.State.DAMAGED), kind=Kind.PREDICTION)
    for traffic in VersionTraffic.objects.select_related("version__model", "grid"):
        version = traffic.version
        mine = counted.filter(version=version)
        in_files = sum(
            n for (model, kind, _), n in stored.items() if (model, kind) == (version.model.slug, Kind.PREDICTION)
        )
        damaged = mine.filter(state=Chunk.State.DAMAGED).aggregate(n=Sum("rows"))["n"] or 0
        totals = {
            "files": in_files + damaged,
            "version": traffic.rows,
            "chunks": mine.aggregate(n=Sum("rows"))["n"] or 0,
            "days": DayManifest.objects.filter(version=version).aggregate(n=Sum("rows"))["n"] or 0,
            "hours": HourProfile.objects.filter(chunk__in=mine).aggregate(n=Sum("rows"))["n"] or 0,
        }
        if traffic.grid:
            profiles = ChunkProfile.objects.filter(chunk__in=mine, grid=traffic.grid)
            grid = chunks.grids.load(traffic.grid.pk)
            totals["profiles"] = sum(loads(bytes(one.blob), grid).rows for one in profiles)
        if len(set(totals.values())) > 1:
            yield Violation("R2", f"{version.model.slug}: counts differ: {totals}")


def _windows(ledger: Ledger, stored: Counter[Record]) -> Iterator[Violation]:
    """Every day since the first prediction has its window, once, and each counts what the clients sent."""
    until = datetime.combine(clock.now().date(), datetime.min.time(), UTC)
    damaged = _damaged(ledger)
    counted = {record: at for record, at in ledger.times.items() if stored[record] or record in damaged}
    for model in RegisteredModel.objects.all():
        mine = {record: at for record, at in counted.items() if record[0] == model.slug}
        if not mine:
            continue
        first = _midnight_after(min(mine.values()))
        due = {first + n * DAY for n in range((until - first).days + 1)}
        for monitor in Monitor.objects.filter(model=model, state=Monitor.State.ACTIVE):
            yield from _windows_of(monitor, due, sorted(mine.values()))


def _windows_of(monitor: Monitor, due: set[datetime], made: Sequence[datetime]) -> Iterator[Violation]:
    found = list(Run.objects.latest().filter(monitor=monitor))
    about = f"{monitor.model.slug}/{monitor.slug}"
    ends = Counter(run.window_end for run in found)
    if missing := due - ends.keys():
        yield Violation("R4", f"{about}: no run for {_some(missing)}")
    if double := {end for end, n in ends.items() if n > 1}:
        yield Violation("R5", f"{about}: more than one result for {_some(double)}")
    for run in found:
        rows = sum(run.window_start <= at < run.window_end for at in made)
        if run.state not in {Run.State.DONE, Run.State.NO_DATA}:
            yield Violation("R4", f"{about}: the run until {run.window_end} is {run.state}: {run.error[-800:]}")
        elif run.rows != rows:
            yield Violation("R2", f"{about}: the run until {run.window_end} counts {run.rows} of {rows} records")
        elif run.dirty_at:
            yield Violation("R6", f"{about}: the run until {run.window_end} waits for late records")


def _results() -> Iterator[Violation]:
    """Results can be computed again and are the same."""
    healthy = Run.objects.latest().filter(state=Run.State.DONE).exclude(model__chunks__state=Chunk.State.DAMAGED)
    for run in healthy.select_related("monitor", "model", "config").distinct().order_by("-finished_at")[:RECOMPUTED]:
        again = Counter(
            (one.check_key, one.metric, one.feature, one.segment, one.n) for one in execution.recompute(run)
        )
        saved = Measurement.objects.filter(run=run).values_list("check_key", "metric", "feature", "segment", "n")
        if again != Counter(saved):
            yield Violation("R5", f"{run.monitor.slug} until {run.window_end}: computed again it says otherwise")


def _outbox(letters: Path) -> Iterator[Violation]:
    received = {found for file in letters.glob("*") for found in _LETTER.findall(file.read_text())}
    sent = OutboxMessage.objects.filter(state=OutboxMessage.State.SENT).values_list("pk", flat=True)
    if lost := {str(pk) for pk in sent} - received:
        yield Violation("R9", f"{len(lost)} messages are marked as sent and were never received: {_some(lost)}")
    if stuck := OutboxMessage.objects.exclude(state=OutboxMessage.State.SENT).count():
        yield Violation("R9", f"{stuck} messages are neither sent nor given up")


def _files(damaged: Sequence[str]) -> Iterator[Violation]:
    """Rows name whole files; a day later there are no files but those."""
    for chunk in Chunk.objects.filter(state=Chunk.State.DAMAGED).exclude(path__in=damaged):
        yield Violation("R12", f"{chunk.path} is damaged, and nobody has touched it")
    of = storage.store()
    for chunk in Chunk.objects.filter(state__in=(Chunk.State.LIVE, Chunk.State.PARKED)):
        try:
            with of.opened(chunk.path) as path:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            digest = "no file"
        if digest != chunk.sha256:
            yield Violation("R12", f"{chunk.path} holds {digest}")
    chunks.tidy(clock.now() + timedelta(hours=25))
    named = set(Chunk.objects.exclude(path="").values_list("path", flat=True))
    named |= set(Reference.objects.values_list("path", flat=True))
    if orphans := {path for path, _ in of.files()} - named:
        yield Violation("R12", f"files without a row: {_some(orphans)}")
    if drafts := [draft.name for draft in of.drafts.glob("*")]:
        yield Violation("R12", f"drafts are left: {_some(drafts)}")


def _trail() -> Iterator[Violation]:
    if broken := audit.verify():
        yield Violation("R14", f"the audit trail breaks at {broken.seq}: {broken.reason}")


def _midnight_after(moment: datetime) -> datetime:
    day: date = moment.astimezone(UTC).date()
    return datetime.combine(day, datetime.min.time(), UTC) + DAY


def _some(things: Any) -> str:
    return json.dumps(sorted(map(str, things))[:5])

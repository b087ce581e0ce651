"""What a forked process of the harness does: a command of the portal, or a look at what is stored; answers are JSON."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from mlops_portal import hosting
from mlops_portal.jobs import queue, sql, worker
from mlops_portal.jobs import sweep as sweeping
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock, wiring
from monitoring.models import Chunk, InboxRow, IngestBatch, Reference, Run
from monitoring.models.ingest_batch import Kind
from monitoring.traffic import erasures, inbox, reference, replaying, schema, storage
from registry import deployments, inventory, outbox, permissions
from registry.deployments import Plan
from registry.inventory import FeatureDraft
from registry.models import (
    Alias,
    AuditEntry,
    ChangeEvent,
    DeploymentArm,
    ModelVersion,
    RegisteredModel,
    Role,
    Scope,
    Team,
    User,
)
from registry.outbox import Destination
from tests.faults import checks
from tests.faults.ledger import REGIONS
from tests.faults.trouble import flip

OUTPUT = {"classes": ["repaid", "default"], "positive": "default"}
_JOURNAL = {
    "sqlite": (
        "CREATE TABLE faults_journal (kind TEXT, was TEXT, became TEXT)",
        "CREATE TRIGGER faults_journal AFTER UPDATE ON jobs_job WHEN OLD.state IN ('done', 'cancelled') "
        "AND NEW.state <> OLD.state BEGIN INSERT INTO faults_journal VALUES (OLD.kind, OLD.state, NEW.state); END",
    ),
    "postgresql": (
        "CREATE TABLE faults_journal (kind TEXT, was TEXT, became TEXT)",
        "CREATE FUNCTION faults_journal() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO faults_journal VALUES (OLD.kind, OLD.state, NEW.state); RETURN NULL; END'",
        "CREATE TRIGGER faults_journal AFTER UPDATE ON jobs_job FOR EACH ROW "
        "WHEN (OLD.state IN ('done', 'cancelled') AND NEW.state <> OLD.state) EXECUTE FUNCTION faults_journal()",
    ),
}


def preload() -> None:
    """Import what any act may need, without touching the database."""
    wiring.table("JOB_TABLES")
    wiring.functions("SWEEPS")
    wiring.named("OUTBOX_TRANSPORTS")
    import_module(settings.ROOT_URLCONF)
    _ = get_resolver().reverse_dict
    for name in ("monitoring.traffic.parquet_child", "scipy.stats", "scipy.optimize"):
        import_module(name)


def prepare() -> str:
    """Make tables, a team, a person, a key that may do everything, and a journal of jobs that are written when over."""
    hosting.prepare()
    now = clock.now()
    team = permissions.create_team("risk", name="Risk", by="setup", now=now)
    permissions.create_user("alice", email="alice@example.org", is_admin=True, by="setup", now=now)
    permissions.add_member(team, User.objects.get(username="alice"), role=Role.MAINTAINER, by="setup", now=now)
    with connection.cursor() as cursor:
        for statement in _JOURNAL[connection.vendor]:
            cursor.execute(statement)
    _, text = permissions.issue_key(
        team, label="harness", scopes=list(Scope.values), role=Role.MAINTAINER, by="setup", now=now
    )
    return text


def make_models(slugs: list[str]) -> None:
    """Register models with one version each, number 1, that read a number and a category."""
    team, now = Team.objects.get(slug="risk"), clock.now()
    drafts = [FeatureDraft(name="income", dtype="number"), FeatureDraft(name="region", dtype="category", segment=True)]
    for slug in slugs:
        model = inventory.register_model(
            team, name=slug, slug=slug, task="binary", output=OUTPUT, features=drafts, by="setup", now=now
        )
        inventory.register_version(model, by="setup", now=now)


def activate(slug: str, base: int) -> str:
    """Serve version 1 of a model at its endpoint in staging, which is made if need be; `base_moved` if not in time."""
    model, now = RegisteredModel.objects.select_related("team").get(slug=slug), clock.now()
    if not model.endpoints.exists():
        inventory.create_endpoint(model, slug=slug, environment="staging", alias="champion", by="setup", now=now)
    endpoint = model.endpoints.select_related("model__team", "environment").get()
    authority = deployments.Authority.of_person("setup")
    try:
        revision = deployments.activate(endpoint, Plan.single(1), base=base, authority=authority, now=now)
    except deployments.BaseMoved as error:
        return error.code
    return str(revision)


def served(slug: str) -> dict[str, Any]:
    """Everything that follows from the revisions of a model's endpoint, counted."""
    endpoint = RegisteredModel.objects.get(slug=slug).endpoints.get()
    return {
        "pointer": endpoint.pointer.revision,
        "revisions": endpoint.deployments.count(),
        "arms": DeploymentArm.objects.filter(deployment__endpoint=endpoint).count(),
        "aliases": Alias.objects.open().filter(model=endpoint.model).count(),
        "events": ChangeEvent.objects.filter(endpoint=endpoint).count(),
        "audited": AuditEntry.objects.filter(verb="deployment.activated", label__startswith=f"{slug} ").count(),
    }


def refer(slugs: list[str]) -> None:
    """Hand in training data of these models, as a file."""
    rows = [f"{30_000 + 100 * (i % 97)},{REGIONS[i % 3]},{(i * 37 % 100) / 100}" for i in range(600)]
    text = "\n".join(["income,region,score", *rows]) + "\n"
    for version in ModelVersion.objects.filter(model__slug__in=slugs).select_related("model__team"):
        reference.request(
            version,
            io.BytesIO(text.encode()),
            name="training",
            primary=True,
            source=Reference.Source.COMMAND,
            file_format="csv",
            by="setup",
            now=clock.now(),
        )


def set_aside(slug: str) -> None:
    """Have items of an unregistered version refused, ask for their replay, and order that somebody be forgotten."""
    model, now = RegisteredModel.objects.select_related("team").get(slug=slug), clock.now()
    item = {"request_id": "odd", "version": "77", "predicted_at": now.isoformat(), "features": {"income": 1.0}}
    body = json.dumps({"items": [item]}).encode()
    decoded = schema.decode(body, schema.JSON, Kind.PREDICTION, model, now)
    via = IngestBatch.Via.API
    inbox.accept(model, Kind.PREDICTION, decoded, key="odd", body_sha256="0" * 64, via=via, now=now)
    replaying.request(model, by="setup", now=now)
    erasures.request(model.team, "somebody", client_key=slug, by="setup", now=now)


def work(*, drain: bool = False) -> None:
    """`manage.py work`."""
    call_command("work", drain=drain, timeout=120 if drain else None)


def settle(
    ledger: list[dict[str, Any]], letters: str, *, damaged: Sequence[str] = (), drain: bool = True
) -> list[dict[str, str]]:
    """Do everything that is due, then say which promises are broken. damaged: files that the test has altered."""
    if drain:
        try:
            call_command("work", drain=True, timeout=120)
        except Exception as error:
            return [checks.Violation("R11", f"the drain ended with {error}").as_dict(), *_failed_jobs()]
    return [one.as_dict() for one in checks.violations(ledger, Path(letters), damaged)]


def _failed_jobs() -> Iterator[dict[str, str]]:
    for job in Job.objects.filter(state=Job.State.QUARANTINED):
        yield checks.Violation("R11", f"{job.kind} {job.key}: {job.error_code}\n{job.error_text}").as_dict()


def publish(count: int) -> None:
    """Write messages to the outside, each in its own transaction."""
    for _ in range(count):
        outbox.publish("test.letter", str(uuid4()), {}, team=Team.objects.get(slug="risk"), now=clock.now())


def destinations(type: str, subject: str, data: Mapping[str, Any], team: Team, now: datetime) -> Iterator[Destination]:
    """One letter per message of the harness; those of alerts go their own way."""
    if type == "test.letter":
        body = json.dumps({"subject": subject, "text": "text", "html": "<p>html</p>"}).encode()
        yield Destination("email", "alice@example.org", body, subject)


def inbox_rows() -> int:
    """How many bodies wait."""
    return InboxRow.objects.count()


def sweep() -> None:
    """Order everything that is due."""
    sweeping.sweep(clock.now(), drain=True)


def repeat_every_job() -> list[str]:
    """Deliver each job that was ever done once more, as a broker does that delivers twice; returns the kinds."""
    done = list(Job.objects.filter(state=Job.State.DONE).order_by("finished_at"))
    for job in done:
        again = queue.take(job.kind, job.key, worker=worker.name(), payload=job.payload, queue=job.queue, team=job.team)
        assert again is not None, f"{job.kind} {job.key} is open"
        worker.execute(again)
        assert Job.objects.get(pk=again.job_id).state in {Job.State.DONE, Job.State.QUEUED}, job.kind
    return sorted({job.kind for job in done})


def overtake_every_job() -> dict[str, str]:
    """Claim each waiting job, let another worker take it over and finish it, then do it under the lost lease.

    Returns what the overtaken worker came to, by kind; the checks say whether it has written anything.
    """
    came_to = {}
    while waiting := Job.objects.filter(state=Job.State.QUEUED).order_by("priority", "created_at").first():
        job_id = sql.claim_key(waiting.kind, waiting.key, worker="slow")
        slow = queue._lease(job_id)
        assert slow is not None
        Job.objects.filter(pk=job_id).update(lease_until=sql.database_now() - timedelta(seconds=1))
        quick = queue._lease(sql.claim_key(waiting.kind, waiting.key, worker="quick"))
        assert quick is not None
        worker.execute(quick)
        came_to[waiting.kind] = _outcome_of(slow)
    return came_to


def _outcome_of(lease: Lease) -> str:
    handler = wiring.table("JOB_TABLES")[lease.kind]
    try:
        handler(lease)
    except queue.LostLease:
        return "refused"
    except Exception as error:
        return type(error).__name__
    return "nothing left to do"


def kinds() -> list[str]:
    """The kinds of jobs there are handlers for."""
    return sorted(wiring.table("JOB_TABLES"))


def damage(slug: str) -> str:
    """Alter the oldest file of a model's predictions; its path."""
    chunk = Chunk.objects.live().filter(model__slug=slug, kind="prediction").order_by("day", "first_at").first()
    assert chunk is not None
    with storage.store().opened(chunk.path) as path:
        flip(path)
    return chunk.path


def chunk_states(slug: str) -> dict[str, str]:
    """The state of each chunk of a model, by path."""
    return dict(Chunk.objects.filter(model__slug=slug).values_list("path", "state"))


def runs(slug: str) -> list[dict[str, Any]]:
    """The newest runs of a model with what they say."""
    found = Run.objects.latest().filter(model__slug=slug).order_by("monitor__slug", "window_end")
    return [
        {
            "monitor": run.monitor.slug,
            "end": run.window_end.isoformat(),
            "state": run.state,
            "rows": run.rows,
            "revision": run.revision,
            "summary": run.summary,
            "measurements": checks.measured(run),
        }
        for run in found.select_related("monitor")
    ]


def pages(key: str) -> dict[str, int]:
    """The status of every page that lists or shows what is stored, and of every API route that does."""
    browser = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="alice"))
    headers = {"authorization": f"Bearer {key}"}
    program = Client(raise_request_exception=False, headers=headers, SERVER_NAME="127.0.0.1")
    answers = {path: browser.get(path).status_code for path in _pages()}
    return answers | {path: program.get(path).status_code for path in _routes()}


def _pages() -> Iterator[str]:
    yield from ("/", "/models/", "/runs/", "/alerts/", "/jobs/", "/teams/", "/metrics", "/readyz")
    for slug in RegisteredModel.objects.order_by("created_at").values_list("slug", flat=True)[:3]:
        yield from (f"/models/{slug}/", f"/models/{slug}/health/", f"/models/{slug}/inputs/", f"/models/{slug}/alerts/")
    for pk in Run.objects.order_by("-finished_at").values_list("pk", flat=True)[:3]:
        yield f"/runs/{pk}/"
    for pk in Job.objects.order_by("-created_at").values_list("pk", flat=True)[:3]:
        yield f"/jobs/{pk}/"


def _routes() -> Iterator[str]:
    yield "/api/v1/models"
    for slug in RegisteredModel.objects.order_by("created_at").values_list("slug", flat=True)[:3]:
        of_model = f"/api/v1/models/{slug}"
        yield from (f"{of_model}/runs", f"{of_model}/measurements", f"{of_model}/measurements/export")
        yield f"{of_model}/alerts"
    for pk in Run.objects.order_by("-finished_at").values_list("pk", flat=True)[:3]:
        yield f"/api/v1/runs/{pk}"
    for pk in IngestBatch.objects.order_by("-received_at").values_list("pk", flat=True)[:3]:
        yield f"/api/v1/batches/{pk}"

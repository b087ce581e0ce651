"""A piece of work that has to happen, whatever dies in between."""

from collections.abc import Collection
from datetime import timedelta
from typing import ClassVar, Self
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import Now

TICK = timedelta(milliseconds=1)  # SQLite's clock counts these, our times are finer


class JobQuerySet(models.QuerySet["Job"]):
    """Chains over jobs. What is due is judged by the clock of the database, like every lease."""

    def due(self) -> Self:
        """Jobs a worker may claim at this moment: waiting ones whose time has come, and orphans."""
        orphaned = Q(state=Job.State.RUNNING, lease_until__lt=Now(), attempts__lt=F("max_attempts"))
        waiting = Q(state=Job.State.QUEUED, not_before__lte=Now() + TICK)
        return self.filter(waiting | orphaned)

    def open(self) -> Self:
        """Jobs that are not over: waiting or running."""
        return self.filter(state__in=Job.OPEN)

    def failed(self, kind: str | OuterRef, key: str | OuterRef) -> Self:
        """Those of this work that lie in quarantine."""
        return self.filter(kind=kind, key=key, state=Job.State.QUARANTINED)

    def of_teams(self, teams: Collection[UUID]) -> Self:
        """Jobs that work for one of the teams."""
        return self.filter(team__in=teams)


class Job(models.Model):
    """One row is one piece of work; the row is the work order, a message about it is only a doorbell.

    Written in the transaction that needs the work. `queue` is the only writer of its state. A worker holds the
    job by a lease, and its writes count only while the fence number is the one it was given.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        QUARANTINED = "quarantined", "Quarantined"
        CANCELLED = "cancelled", "Cancelled"

    class Queue(models.TextChoices):
        INGEST = "ingest", "Ingest"
        DELIVER = "deliver", "Deliver"
        COMPUTE = "compute", "Compute"
        MAINTAIN = "maintain", "Maintain"

    OPEN: ClassVar[tuple[str, ...]] = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    queue = models.CharField(max_length=16, choices=Queue)
    priority = models.PositiveSmallIntegerField(default=50)
    team = models.UUIDField(null=True)  # no foreign key: teams live in a package above this one
    payload = models.JSONField(default=dict)
    payload_v = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    again = models.BooleanField(default=False)
    not_before = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=128, blank=True, default="")
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(null=True)
    progress_unit = models.CharField(max_length=32, blank=True, default="")
    progress_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_text = models.TextField(blank=True, default="")
    result = models.JSONField(null=True)

    objects: ClassVar[JobQuerySet] = JobQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(state__in=["queued", "running"]),
                name="job_is_open_once",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False),
                name="running_job_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "priority", "not_before"],
                condition=Q(state__in=["queued", "running"]),
                name="job_to_claim",
            ),
            models.Index(fields=["kind", "key"], condition=Q(state="quarantined"), name="job_quarantined"),
            models.Index(fields=["state", "finished_at"], name="job_to_purge"),
            models.Index(fields=["-created_at", "-id"], name="job_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def is_over(self) -> bool:
        return self.state not in self.OPEN

    @property
    def progress_share(self) -> float | None:
        """Done of total in 0..1; None while the total is unknown."""
        return min(self.progress_done / self.progress_total, 1.0) if self.progress_total else None

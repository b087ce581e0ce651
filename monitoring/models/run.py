"""One measurement of one window."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models
from django.db.models import F, Q

from registry.models import RegisteredModel, Viewer


class RunQuerySet(models.QuerySet["Run"]):
    """Chains over runs."""

    def visible_to(self, user: Viewer) -> Self:
        """Runs of models the person may see."""
        return self.filter(model__in=RegisteredModel.objects.visible_to(user))

    def latest(self) -> Self:  # type: ignore[override]
        """The newest revision of each window."""
        return self.filter(is_latest=True)


class Run(models.Model):
    """One row is one revision of one window of a monitor; it pins the inputs it read and is never overwritten."""

    class Why(models.TextChoices):
        FIRST = "first", "First look"
        LATE = "late", "Late data"
        LABELS = "labels", "New outcomes"
        MANUAL = "manual", "Asked for"
        REPLAY = "replay", "Replay"

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        NO_DATA = "no_data", "No data"
        FAILED = "failed", "Failed"
        SUPERSEDED = "superseded", "Superseded"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    monitor = models.ForeignKey("monitoring.Monitor", on_delete=models.CASCADE, related_name="runs")
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="runs")
    config = models.ForeignKey("monitoring.MonitorRevision", on_delete=models.PROTECT, related_name="+")
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    data_start = models.DateTimeField(null=True)  # earlier than window_start where the window was widened
    revision = models.PositiveIntegerField(default=1)
    why = models.CharField(max_length=16, choices=Why)
    state = models.CharField(max_length=16, choices=State, default=State.PLANNED)
    is_latest = models.BooleanField(default=True)
    quiet = models.BooleanField(default=False)  # planned over 48 h late: alerts open without messages
    inputs = models.JSONField(
        default=dict
    )  # {"chunks": [...], "generations": {...}, "grids": [...], "references": [...]}
    inputs_sha = models.CharField(max_length=64, default="")
    code_version = models.CharField(max_length=32, default="")
    rows = models.PositiveBigIntegerField(default=0)
    coverage_share = models.FloatField(null=True)
    mature = models.BooleanField(null=True)
    matures_at = models.DateTimeField(null=True)  # when labels of this window are old enough to be judged
    dirty_at = models.DateTimeField(null=True)
    dirty_rows = models.PositiveBigIntegerField(default=0)
    summary = models.JSONField(
        default=dict
    )  # {"verdicts": {"drift": 2, …}, "worst": "drift", "top": [{feature, psi, excess, verdict}]}
    error = models.TextField(default="")
    planned_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[RunQuerySet] = RunQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["monitor", "window_start", "window_end", "revision"],
                name="one_run_per_window_and_revision",
            ),
            models.UniqueConstraint(
                fields=["monitor", "window_start", "window_end"],
                condition=Q(is_latest=True),
                name="one_latest_run_per_window",
            ),
            models.UniqueConstraint(
                fields=["monitor", "window_start", "window_end"],
                condition=Q(state__in=["planned", "running"]),
                name="one_open_run_per_window",
            ),
            models.CheckConstraint(condition=Q(window_end__gt=F("window_start")), name="window_ends_after_it_starts"),
        ]
        indexes = [
            models.Index(fields=["model", "-window_end"]),
            models.Index(fields=["monitor", "-window_end"], condition=Q(is_latest=True), name="latest_runs"),
            models.Index(fields=["dirty_at"], condition=Q(dirty_at__isnull=False), name="dirty_runs"),
            models.Index(fields=["matures_at"], condition=Q(mature=False), name="immature_runs"),
        ]

    def __str__(self) -> str:
        return f"run {str(self.id)[:8]}"

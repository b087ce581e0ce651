"""A sign of life of a worker process."""

from django.db import models


class WorkerBeat(models.Model):
    """One row is one worker process. Written by its main loop alone, so a loop that hangs falls silent."""

    SWEEP = "sweep"  # the row whose `loop_at` says when the last sweep began, whoever made it

    worker = models.CharField(max_length=128, primary_key=True)
    queue = models.CharField(max_length=64, blank=True, default="")
    loop_at = models.DateTimeField()
    jobs_done = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.worker

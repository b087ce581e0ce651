"""One model per file; this is their table of contents."""

from mlops_portal.jobs.models.job import Job
from mlops_portal.jobs.models.worker_beat import WorkerBeat

__all__ = ["Job", "WorkerBeat"]

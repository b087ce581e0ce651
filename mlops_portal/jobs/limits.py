"""How long a job of each queue may take, and in which order a worker serves the queues."""

from collections.abc import Mapping

from mlops_portal.jobs.models import Job

LEASE_S = 60
RENEW_S = 20

SERVED_IN_ORDER: tuple[str, ...] = (
    Job.Queue.INGEST,
    Job.Queue.DELIVER,
    Job.Queue.COMPUTE,
    Job.Queue.MAINTAIN,
)

HARD_S: Mapping[str, int] = {
    Job.Queue.INGEST: 120,
    Job.Queue.DELIVER: 60,
    Job.Queue.COMPUTE: 900,
    Job.Queue.MAINTAIN: 3600,
}


def soft_s(queue: str) -> float:
    """Seconds after which the handler is asked to give up, so that a traceback says where it was."""
    return HARD_S[queue] * 0.8

"""Celery's side of the job table: doorbells. Limits, retries and results all live in the table."""

from celery import shared_task

from mlops_portal.jobs import bell, database, worker
from mlops_portal.jobs import sweep as sweeping
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock


@shared_task(name="jobs.ring", ignore_result=True)
def ring(queue: str) -> None:
    """Do at most one due job, then ring again if more is due. A ring lost, doubled or late changes only the delay.

    Sweeps first if nobody has for five seconds: so a worker that was started without the queue `sweep`, or whose
    other children are all busy, still notices what falls due.
    """
    database.allow_long_statements()
    sweeping.sweep_if_due(clock.now())
    if worker.do_one(queue) and Job.objects.due().filter(queue=queue).exists():
        bell.ring(queue)


@shared_task(name="jobs.sweep", ignore_result=True)
def sweep() -> None:
    """Settle what died and create what is due; as harmless twice as once."""
    database.allow_long_statements()
    sweeping.sweep_if_due(clock.now())

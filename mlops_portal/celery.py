"""Celery: any number of workers on any number of machines, over the same job table (`celery -A mlops_portal worker`).

Its messages are doorbells. Work, retries, results and schedules live in the database; a lost message costs seconds.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings
from kombu import Queue

from mlops_portal.jobs import limits

EVERY_S = 5
SWEEP = "sweep"
SWEEP_HARD_S = 120


def delivery(queue: str) -> dict[str, Any]:
    """Where a ring goes, how long it is worth anything, and how long what it starts may take."""
    hard_s = limits.HARD_S.get(queue, SWEEP_HARD_S)
    soft_s = round(hard_s * limits.SOFT_SHARE)
    return {"queue": queue, "expires": EVERY_S, "time_limit": hard_s, "soft_time_limit": soft_s}


def schedule() -> dict[str, dict[str, Any]]:
    """What beat rings: the sweep and every queue. Two beats do no harm."""
    rings = {
        f"ring-{queue}": {
            "task": "jobs.ring",
            "args": [queue],
            "schedule": EVERY_S,
            "options": delivery(queue),
        }
        for queue in limits.SERVED_IN_ORDER
    }
    return {"sweep": {"task": "jobs.sweep", "schedule": EVERY_S, "options": delivery(SWEEP)}, **rings}


def publish(queue: str) -> None:
    """Ring for the queue, once, without retries.

    Raises whatever the broker's absence raises; the caller is a thread that nobody waits for.
    """
    app.send_task("jobs.ring", args=[queue], retry=False, ignore_result=True, **delivery(queue))


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops_portal.settings")
app = Celery("mlops_portal")
app.conf.update(
    broker_url=settings.REDIS_URL or "memory://",
    timezone="UTC",
    task_acks_late=False,  # a late ack repeats a task that kills its worker for ever; the lease repeats it five times
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[Queue(name) for name in (SWEEP, *limits.SERVED_IN_ORDER)],
    task_default_queue="compute",
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=1 << 20,  # KiB: 1 GB
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # for ever
    broker_connection_timeout=1,  # seconds
    broker_transport_options={
        "socket_timeout": 5,  # seconds
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "max_retries": 0,  # of one publish; without it a publish waits for the broker for ever
    },
    beat_schedule=schedule(),
    beat_schedule_filename=str(settings.DATA_DIR / "celerybeat"),
)
app.autodiscover_tasks(["mlops_portal.jobs"])

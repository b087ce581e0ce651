"""Tell Celery that there is work. Nothing depends on it: a lost ring costs at most the five seconds until the next."""

import logging
import os
import threading
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


class Bell:
    """Sends rings from a thread of its own, so that neither a slow nor a dead broker ever holds up a request.

    Rings for one queue that wait for the thread are one ring.
    """

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._changed = threading.Condition()
        self._owner_pid = 0

    def ring(self, queue: str) -> None:
        """Have somebody look at the queue soon; returns at once and never fails."""
        with self._changed:
            self._waiting.add(queue)
            if self._owner_pid != os.getpid():  # the first ring, or the first after a fork: threads do not survive it
                self._owner_pid = os.getpid()
                threading.Thread(target=self._send_for_ever, name="job-bell", daemon=True).start()
            self._changed.notify()

    def _send_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                queues, self._waiting = self._waiting, set()
            for queue in queues:
                self._send(queue)

    @staticmethod
    def _send(queue: str) -> None:
        try:
            # By path: only a process that rings loads Celery, and this package lies below the one that configures it.
            publish: Any = import_string("mlops_portal.celery.publish")
            publish(queue)
        except Exception as error:
            logger.warning("ring not sent", extra={"queue": queue, "error": type(error).__name__})


_bell = Bell()


def ring(queue: str) -> None:
    """Ring for the queue if a broker is configured; returns at once and never fails."""
    if settings.REDIS_URL:
        _bell.ring(queue)

"""Background work of the registry: each handler turns a payload into one domain call."""

from collections.abc import Callable
from uuid import UUID

from mlops_portal.jobs.queue import Lease
from registry import outbox


def deliver_message(lease: Lease) -> None:
    outbox.deliver(UUID(lease.payload["message"]))


JOBS: dict[str, Callable[[Lease], None]] = {"registry.deliver_message": deliver_message}

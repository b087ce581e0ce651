"""Background work of the registry: each handler turns a payload into one domain call."""

from collections.abc import Callable
from uuid import UUID

from mlops_portal.jobs.queue import Lease
from mlops_portal.kit import clock
from registry import anchors, outbox


def deliver_message(lease: Lease) -> None:
    outbox.deliver(UUID(lease.payload["message"]))


def anchor_audit(lease: Lease) -> None:
    anchors.anchor(now=clock.now())


JOBS: dict[str, Callable[[Lease], None]] = {
    "registry.deliver_message": deliver_message,
    "registry.anchor_audit": anchor_audit,
}

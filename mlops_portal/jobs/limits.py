"""How long a job of each queue may take, and in which order a worker serves the queues. Needs no Django."""

from collections.abc import Mapping

LEASE_S = 60
RENEW_S = 20

SERVED_IN_ORDER: tuple[str, ...] = ("ingest", "deliver", "compute", "maintain")

HARD_S: Mapping[str, int] = {"ingest": 120, "deliver": 60, "compute": 900, "maintain": 3600}

SOFT_SHARE = 0.8


def soft_s(queue: str) -> float:
    """Seconds after which the handler is asked to give up, so that a traceback says where it was."""
    return HARD_S[queue] * SOFT_SHARE

"""Settings of the processes that the harness starts: those of the portal, with letters that need no alert."""

from mlops_portal.settings import *  # noqa: F403

OUTBOX_DESTINATIONS = ["tests.faults.acts.destinations"]

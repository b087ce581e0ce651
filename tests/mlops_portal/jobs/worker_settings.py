"""Settings of worker processes that tests start: those of the portal, with handlers of the test's own."""

from mlops_portal.settings import *  # noqa: F403

JOB_TABLES = ["tests.mlops_portal.jobs.handlers.JOBS"]
SWEEPS: list[str] = []

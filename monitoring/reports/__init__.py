"""Numbers for pages, from stored rows only: frozen dataclasses, no model instances, a constant number of queries."""

from monitoring.reports.features import FeatureReport, FeatureRow, feature_report, feature_rows
from monitoring.reports.fleet import FleetRow, fleet_rows, needs_now
from monitoring.reports.health import HealthReport, health
from monitoring.reports.progress import Progress, progress
from monitoring.reports.run import RunReport, run_report
from monitoring.reports.set_aside import ReasonRow, set_aside

__all__ = [
    "FeatureReport",
    "FeatureRow",
    "FleetRow",
    "HealthReport",
    "Progress",
    "ReasonRow",
    "RunReport",
    "feature_report",
    "feature_rows",
    "fleet_rows",
    "health",
    "needs_now",
    "progress",
    "run_report",
    "set_aside",
]

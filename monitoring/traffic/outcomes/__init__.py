"""Outcomes: what became of predictions. They lie on the day of their prediction, joined with it by request id."""

from monitoring.traffic.outcomes.joining import PinnedLabels, label_profile
from monitoring.traffic.outcomes.parked import match_parked

__all__ = ["PinnedLabels", "label_profile", "match_parked"]

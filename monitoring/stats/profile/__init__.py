"""Profile: what a chunk of traffic held, counted on a frozen grid; profiles of chunks add up to windows."""

from monitoring.stats.profile.building import build
from monitoring.stats.profile.categories import CategoryProfile, count_category
from monitoring.stats.profile.costs import CostProfile, StageColumns, StageCost
from monitoring.stats.profile.errors import ErrorCounts
from monitoring.stats.profile.labels import LabelProfile, build_labels
from monitoring.stats.profile.latencies import LatencyProfile
from monitoring.stats.profile.merging import merge, merge_all
from monitoring.stats.profile.numbers import NumericProfile, count_numeric
from monitoring.stats.profile.operations import Operations
from monitoring.stats.profile.rankings import RankCounts
from monitoring.stats.profile.scores import ScoreCounts
from monitoring.stats.profile.storage import dumps, loads
from monitoring.stats.profile.window import Profile, SegmentCounts

__all__ = [
    "CategoryProfile",
    "CostProfile",
    "ErrorCounts",
    "LabelProfile",
    "LatencyProfile",
    "NumericProfile",
    "Operations",
    "Profile",
    "RankCounts",
    "ScoreCounts",
    "SegmentCounts",
    "StageColumns",
    "StageCost",
    "build",
    "build_labels",
    "count_category",
    "count_numeric",
    "dumps",
    "loads",
    "merge",
    "merge_all",
]

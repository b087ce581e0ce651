"""One model per file; this is their table of contents."""

from monitoring.models.alert import Alert
from monitoring.models.alert_member import AlertMember
from monitoring.models.alert_transition import AlertTransition
from monitoring.models.chunk import Chunk
from monitoring.models.chunk_ids import ChunkIds
from monitoring.models.chunk_profile import ChunkProfile
from monitoring.models.condition import Condition
from monitoring.models.day_manifest import DayManifest
from monitoring.models.erasure import Erasure
from monitoring.models.grid import Grid
from monitoring.models.hour_profile import HourProfile
from monitoring.models.inbox_row import InboxRow
from monitoring.models.ingest_batch import IngestBatch
from monitoring.models.label_profile import LabelProfile
from monitoring.models.measurement import Measurement, MeasurementRow
from monitoring.models.monitor import Monitor
from monitoring.models.monitor_revision import MonitorRevision
from monitoring.models.quarantined_item import QuarantinedItem
from monitoring.models.reference import Reference
from monitoring.models.reject_count import RejectCount
from monitoring.models.run import Run
from monitoring.models.version_traffic import VersionTraffic

__all__ = [
    "Alert",
    "AlertMember",
    "AlertTransition",
    "Chunk",
    "ChunkIds",
    "ChunkProfile",
    "Condition",
    "DayManifest",
    "Erasure",
    "Grid",
    "HourProfile",
    "InboxRow",
    "IngestBatch",
    "LabelProfile",
    "Measurement",
    "MeasurementRow",
    "Monitor",
    "MonitorRevision",
    "QuarantinedItem",
    "Reference",
    "RejectCount",
    "Run",
    "VersionTraffic",
]

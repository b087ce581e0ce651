"""Compaction: from the inbox to chunks, and from many small chunks to few."""

from monitoring.traffic.compaction.compacting import compact, order, sweep
from monitoring.traffic.compaction.consolidation import consolidate

__all__ = ["compact", "consolidate", "order", "sweep"]

"""Chunks: immutable files of traffic, with the profiles that stand for them. The only writer of Chunk's files.

Reading by profile costs the same however much traffic there was; reading rows is for joins and re-profiling.
"""

from monitoring.traffic.chunks import grids
from monitoring.traffic.chunks.files import ChunkFile, DamagedChunk, NotWritten, folder, opened, read, write
from monitoring.traffic.chunks.profiling import Hour, column_of, costs_of, hours_of, profile_of, recounted
from monitoring.traffic.chunks.reading import COUNTED, NotProfiled, Pinned, Stretch, days, hours, profile, stretch
from monitoring.traffic.chunks.retention import expire_day, sweep, tidy

__all__ = [
    "COUNTED",
    "ChunkFile",
    "DamagedChunk",
    "Hour",
    "NotProfiled",
    "NotWritten",
    "Pinned",
    "Stretch",
    "column_of",
    "costs_of",
    "days",
    "expire_day",
    "folder",
    "grids",
    "hours",
    "hours_of",
    "opened",
    "profile",
    "profile_of",
    "read",
    "recounted",
    "stretch",
    "sweep",
    "tidy",
    "write",
]

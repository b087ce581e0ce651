"""References: what normal looks like. The only writer of Reference, and of the grid a version is counted on.

This module takes and gives away files; `loading` and `reprofiling` read them, in a worker.
"""

from monitoring.traffic.reference.requesting import (
    SIZE_LIMITS,
    delete,
    make_primary,
    may_delete,
    may_make_primary,
    request,
)

__all__ = ["SIZE_LIMITS", "delete", "make_primary", "may_delete", "may_make_primary", "request"]

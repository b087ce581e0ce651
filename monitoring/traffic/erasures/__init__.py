"""Erasures: a subject is forgotten for good. The only writer of Erasure.

`forgetting` does the work; it is not imported here, because web processes only order it.
"""

from monitoring.traffic.erasures.ordering import order, refs_of, request

__all__ = ["order", "refs_of", "request"]

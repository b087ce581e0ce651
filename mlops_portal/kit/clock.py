"""The one place that reads the wall clock; everything else takes `now` as an argument."""

from datetime import UTC, datetime

from django.utils import timezone


def now() -> datetime:
    """The present moment, aware, UTC, cut to milliseconds so that order equals what clients see."""
    moment = timezone.now().astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

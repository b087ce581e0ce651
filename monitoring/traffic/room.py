"""Whether there is room for more traffic: disk space and the length of the inbox, looked at every few seconds."""

import shutil
import time
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Max, Min

from mlops_portal.kit.errors import DiskLow, TooMany
from monitoring.models import InboxRow

DISK_BYTES = 512 * 1024 * 1024
DISK_SHARE = 0.05
INBOX_ROWS = 1_000_000
LOOK_EVERY_S = 5.0
RETRY_AFTER_S = 30


@dataclass(slots=True)
class _Look:
    """What the last look found, and when (monotonic seconds)."""

    at_s: float = -LOOK_EVERY_S
    is_disk_low: bool = False
    is_inbox_full: bool = False


_last = _Look()


def require_room() -> None:
    """Raise DiskLow under 512 MB or 5 % of free disk, TooMany if the inbox waits with a million bodies."""
    now_s = time.monotonic()
    if now_s - _last.at_s >= LOOK_EVERY_S:
        _last.at_s = now_s
        _last.is_disk_low = is_disk_low()
        _last.is_inbox_full = inbox_rows() > INBOX_ROWS
    if _last.is_disk_low:
        detail = "Less than 512 MB or 5 % of the disk is free. Nothing was stored; send it again later."
        raise DiskLow(detail, retry_after_s=RETRY_AFTER_S)
    if _last.is_inbox_full:
        detail = f"Over {INBOX_ROWS:,} bodies wait to be processed. Nothing was stored; send it again later."
        raise TooMany(detail, retry_after_s=RETRY_AFTER_S)


def look_again() -> None:
    """Forget the last look."""
    _last.at_s = -LOOK_EVERY_S


def is_disk_low() -> bool:
    """Whether the disk of the data folder is nearly full."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    return usage.free < max(DISK_BYTES, DISK_SHARE * usage.total)


def inbox_rows() -> int:
    """About how many bodies wait: rows leave in the order they came, so both ends of the index tell it."""
    ends = InboxRow.objects.aggregate(first=Min("pk"), last=Max("pk"))
    return 0 if ends["last"] is None else int(ends["last"] - ends["first"] + 1)

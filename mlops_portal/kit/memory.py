"""How this process asks the system for memory."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 32 * 1024 * 1024
_LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024


def keep_freed() -> None:
    """Let glibc keep up to 32 MiB of freed memory for the next array instead of returning it to the system.

    Counting a chunk makes and drops thousands of arrays of about a megabyte. By default each of them is fetched from
    the system page by page and given back: a third of the time on a virtual machine. Without glibc nothing happens;
    calling it again changes nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)

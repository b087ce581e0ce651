"""How this process asks the system for memory, and what it does without."""

import ctypes
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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


def spare_pandas() -> None:
    """Let pyarrow believe that pandas is not installed, unless somebody has imported it.

    At its first array it would import pandas, 30 MB and half a second, only to see whether it was given a Series.
    Whoever imports pandas later finds it whole, and pyarrow finds it then. Without pyarrow nothing happens; calling it
    again changes nothing.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None or "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pyarrow.array([])
    finally:
        sys.meta_path.remove(finder)


class _NoPandas(MetaPathFinder):
    """Refuses the import of pandas."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)
        return None

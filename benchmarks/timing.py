"""Time and memory of this process. Standard library only: the peers' environments use it too."""

import resource
import statistics
import time
from collections.abc import Callable


def median_s(work: Callable[[], object], *, times: int = 3) -> dict[str, float]:
    """Median wall and processor time of some calls, in seconds, after one call that does not count."""
    work()
    watches = []
    for _ in range(times):
        watch = Stopwatch()
        work()
        watches.append((watch.wall_s(), watch.cpu_s()))
    wall_s, cpu_s = zip(*watches, strict=True)
    return {"wall_s": statistics.median(wall_s), "cpu_s": statistics.median(cpu_s)}


class Stopwatch:
    """Wall and processor time since its start."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def core_s(self) -> float:
        """Seconds of one core: the processor time where several cores worked, else the wall time."""
        return max(time.perf_counter() - self._wall, time.process_time() - self._cpu)

    def wall_s(self) -> float:
        """Seconds by the clock on the wall."""
        return time.perf_counter() - self._wall

    def cpu_s(self) -> float:
        """Processor time of all threads, in seconds."""
        return time.process_time() - self._cpu


def peak_mb() -> float:
    """The most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

"""Arrays that are dropped leave their memory to those that follow."""

import resource
import subprocess
import sys

from mlops_portal.kit import memory

COUNT_FAULTS = """
import resource, sys
import numpy as np
from mlops_portal.kit import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
def work():
    arrays = [np.ones(150_000) for _ in range(12)]
    return sum(array[0] for array in arrays)
work(), work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_arrays_of_a_job_are_not_fetched_from_the_system_each_time() -> None:
    pages_of_one_round = 12 * 150_000 * 8 // resource.getpagesize()

    assert faults("kept") < pages_of_one_round < faults("given back")


def test_calling_it_again_changes_nothing() -> None:
    memory.keep_freed()
    memory.keep_freed()

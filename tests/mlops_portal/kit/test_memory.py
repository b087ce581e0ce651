"""Arrays that are dropped leave their memory to those that follow."""

import resource
import subprocess
import sys

import pytest

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


USE_ARROW = """
import sys
import pyarrow as pa
from mlops_portal.kit import memory
if sys.argv[1] == "spared":
    memory.spare_pandas()
    memory.spare_pandas()
pa.array(["a"]), pa.table({"a": [1]})
print("pandas" in sys.modules)
import pandas as pd
table = pa.Table.from_pandas(pd.DataFrame({"a": ["x", None]}))
print(table.to_pandas()["a"].isna().tolist(), pa.array(pd.Series([1.0, None])).null_count)
"""


def uses_arrow(how: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", USE_ARROW, how], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_arrow_imports_no_pandas_for_its_own_sake_and_knows_it_when_somebody_does() -> None:
    assert uses_arrow("as it comes") == ["True", "[False, True] 1"]
    assert uses_arrow("spared") == ["False", "[False, True] 1"]


def test_without_arrow_there_is_nothing_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    finders = list(sys.meta_path)

    memory.spare_pandas()

    assert sys.meta_path == finders

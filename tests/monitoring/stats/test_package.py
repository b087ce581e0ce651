"""The package as a whole: it stands alone, its examples run by hand, and nobody has to scroll."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.stats.edges import CALLS
from tests.monitoring.stats.test_edges import FUNCTIONS

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted((ROOT / "monitoring/stats").rglob("*.py"))
LONGEST = 35  # lines, without the docstring
IMPORT_ALL = """
import importlib, pkgutil, sys
from monitoring import stats
for module in pkgutil.walk_packages(stats.__path__, "monitoring.stats."):
    importlib.import_module(module.name)
print(*sorted(sys.modules))
"""


def imported() -> set[str]:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.slow
def test_it_needs_neither_django_nor_anything_of_ours():
    """In a process of its own; what pandas brings along is its own business."""
    loaded = imported()

    tops = {name.partition(".")[0] for name in loaded}
    assert (
        tops & {"django", "rest_framework", "celery", "msgspec", "sklearn", "duckdb", "registry", "mlops_portal"}
        == set()
    )
    assert {name for name in loaded if name.startswith("monitoring.")} == {
        name for name in loaded if name.startswith("monitoring.stats")
    }


@pytest.mark.slow
def test_it_starts_without_the_slow_parts_of_scipy():
    assert {name for name in imported() if name.startswith(("scipy.stats", "scipy.optimize"))} == set()


@pytest.mark.slow
def test_its_results_and_definitions_load_no_heavy_library():
    """Pages read them: the web process knows neither scipy nor pandas."""
    program = "import sys, monitoring.stats.results, monitoring.stats.metrics; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert {name.partition(".")[0] for name in done.stdout.split()} & {"scipy", "pandas", "pyarrow"} == set()


BESIDE = {"profile.merging.merge", "profile.merging.merge_all", "profile.storage.loads"}  # theirs is their neighbour's


@pytest.mark.parametrize("name", sorted((set(CALLS) & set(FUNCTIONS)) - BESIDE))
def test_every_statistic_has_an_example(name):
    assert ">>>" in (FUNCTIONS[name].__doc__ or "")


def functions() -> Iterator[tuple[str, int]]:
    """Yield the place of every function and its lines without the docstring."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                yield f"{path.relative_to(ROOT)}:{node.name}", length


def test_no_function_has_to_be_scrolled():
    assert {where: lines for where, lines in functions() if lines > LONGEST} == {}


def test_the_median_function_is_short():
    lengths = sorted(lines for _, lines in functions())

    assert lengths[len(lengths) // 2] <= 8

"""The fault points that stand in the source."""

import re
from pathlib import Path

from tests.faults.harness import ROOT

PACKAGES = ("mlops_portal", "registry", "monitoring", "review")
_POINT = re.compile(r"""(?<![.\w])fault\("([a-z_]+\.[a-z_]+)"\)""")


def points() -> list[str]:
    """Every name that the source passes to `fault`, sorted."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return sorted({name for file in files for name in _POINT.findall(_text(file))})


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")

"""Pages of docs/ tell the truth about the code."""

import os
import re
from pathlib import Path

import pytest
from django.core.management import call_command

from mlops_portal.problem_codes import CODES
from mlops_portal.settings import env

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_that_is_read_is_explained() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.M))
    read = env.names_read - {"TEST_DATABASE"}

    assert documented == read


def test_drawn_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("draw_docs", "--check")


def test_every_code_in_the_source_is_explained() -> None:
    pattern = re.compile(r'code(?:: str)?\s*=\s*"([a-z_]{4,})"|(?:Rejected|Fault)\(\s*"([a-z_]{4,})"')
    used = {
        code
        for package in ("mlops_portal", "registry", "monitoring")
        for path in (ROOT / package).rglob("*.py")
        for pair in pattern.findall(path.read_text())
        for code in pair
        if code
    }

    of_commands = {"cancelled", "too_many_rejects"}  # never an answer of the API
    assert used - CODES.keys() - of_commands == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_no_page_names_a_path_of_a_machine() -> None:
    home = os.environ.get("HOME", "/nowhere")
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    assert [page.name for page in pages if home + "/" in page.read_text() or "/work/" in page.read_text()] == []

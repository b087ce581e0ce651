"""Writes the pages of docs/ that are drawn from tables of the code; `--check` fails where they differ."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlops_portal.drawn_docs import PAGES


class Command(BaseCommand):
    help = "Write docs/*.md and docs/openapi.yaml from the code, or check that they are current."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not current")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = []
        for name, draw in PAGES.items():
            path, text = settings.BASE_DIR / "docs" / name, draw()
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(name)
            if not options["check"]:
                path.write_text(text, encoding="utf-8")
                self.stdout.write(f"docs/{name} written")
        if stale and options["check"]:
            raise CommandError(f"not current: {', '.join(stale)}; run `make fix`")

"""`import_mlflow`: bring in the models of another MLflow registry with their history."""

import argparse
import os
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops_portal.kit import clock
from mlops_portal.kit.errors import DomainError
from registry.inventory.importing import take_model
from registry.mlflow.importing import Server, Unreadable
from registry.models import ModelVersion, RegisteredModel, Team

TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 (the name of a variable)


class Command(BaseCommand):
    help = (
        "Bring in the models of another MLflow registry: names, version numbers with their gaps, times, descriptions, "
        "sources, runs, stages, tags and aliases. Repeatable: what is here stays, nothing is deleted, prompts are "
        f"passed over. A key of the other registry is read from {TOKEN}."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--uri", required=True, help="such as http://mlflow.example.org")
        parser.add_argument("--team", required=True, help="slug of the team that will own the models")
        parser.add_argument("--since", type=_day, help="only models that changed on this day (2026-01-31) or later")
        parser.add_argument("--dry-run", action="store_true", help="say what would come in, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']!r}; make it with `manage.py team`.")
        host = urlsplit(options["uri"]).hostname
        if not host:
            raise CommandError(f"--uri {options['uri']!r} is no address such as http://mlflow.example.org.")
        key = os.environ.get(TOKEN, "")
        server = Server(options["uri"], {"Authorization": f"Bearer {key}"} if key else {})
        refused = self._take_all(server, team, f"import:{host}", options["since"], is_dry=options["dry_run"])
        if refused:
            raise CommandError(f"{refused} models did not come in; the lines above say why.")

    def _take_all(self, server: Server, team: Team, by: str, since: datetime | None, *, is_dry: bool) -> int:
        models = versions = refused = 0
        try:
            for foreign in server.models(since):
                try:
                    new = _missing(foreign.name, [one.number for one in foreign.versions]) if is_dry else None
                    taken = take_model(team, foreign, by=by, now=clock.now()).versions if new is None else new
                except DomainError as error:
                    refused += 1
                    self.stderr.write(f"{foreign.name}: {error.detail}")
                    continue
                models, versions = models + 1, versions + taken
                self.stdout.write(f"{foreign.name}: {taken} of {len(foreign.versions)} versions are new")
        except Unreadable as error:
            raise CommandError(f"{error}. {models} models came in before; start again to go on.") from error
        verb = "would come" if is_dry else "came"
        self.stdout.write(f"{models} models read; {versions} versions {verb} in.")
        return refused


def _missing(name: str, numbers: list[int]) -> int:
    model = RegisteredModel.objects.live().filter(name=name).first()
    present = set(ModelVersion.objects.filter(model=model).values_list("number", flat=True)) if model else set()
    return len(set(numbers) - present)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-01-31") from None

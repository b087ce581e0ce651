"""`inventory apply|export`: the inventory as code, from the command line."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops_portal.kit import clock
from mlops_portal.kit.errors import DomainError
from registry import manifest
from registry.actors import Actor
from registry.models import Team, User

BY = "cli"
DRIFTED = 2  # exit status of a dry run whose plan is not empty


def readable(name: str) -> Path:
    """A file that is there."""
    path = Path(name)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {name}")
    return path


class Command(BaseCommand):
    help = "Make the inventory what manifests say, or write a team's inventory as a manifest. See docs/inventory.md."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        apply = actions.add_parser("apply", help="make the inventory what the files say, all of it or nothing")
        apply.add_argument("files", nargs="+", type=readable, metavar="FILE", help="a manifest in YAML")
        apply.add_argument(
            "--dry-run", action="store_true", help="print what would change, and exit with 2 if that is anything"
        )
        apply.add_argument(
            "--prune", action="store_true", help="retire what carries the manifest's name and stands in it no more"
        )
        apply.add_argument("--as", dest="username", metavar="USER", help="act as this person, with their rights")
        export = actions.add_parser("export", help="write a team's inventory to standard output")
        export.add_argument("team", metavar="TEAM", help="slug of the team")
        export.add_argument("--name", help="only what the manifest of this name keeps")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._apply(options) if options["action"] == "apply" else self._export(options)
        except (manifest.Unfit, manifest.NotApplicable) as error:
            raise CommandError("\n".join(["nothing was changed.", *error.told])) from error
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _apply(self, options: dict[str, Any]) -> None:
        notes, by = manifest.Notes(), _actor(options["username"])
        manifests = [manifest.load_yaml(file.read_bytes(), notes, str(file)) for file in options["files"]]
        verb = manifest.plan if options["dry_run"] else manifest.apply
        plan = verb(manifests, notes, prune=options["prune"], by=by, now=clock.now())
        self.stdout.write(plan.text() if options["dry_run"] else plan.text(is_done=True))
        if plan and options["dry_run"]:
            raise SystemExit(DRIFTED)

    def _export(self, options: dict[str, Any]) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']}. See: manage.py team list")
        self.stdout.write(manifest.export(team, name=options["name"]), ending="")


def _actor(username: str | None) -> Actor:
    if username is None:
        return BY
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no user {username}. Create one with: manage.py user create {username} --email E")
    return user

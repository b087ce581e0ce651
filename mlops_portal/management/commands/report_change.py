"""`report_change TEAM TITLE --kind KIND`: tell the portal what changed, from a script of the operator."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from mlops_portal.kit import clock
from mlops_portal.kit.body import Moment
from mlops_portal.kit.errors import DomainError
from registry import upstream
from registry.models import ChangeEvent, Team

BY = "cli"
TEXTS = {
    "model": "slug of the model it is about",
    "endpoint": "slug of the endpoint",
    "source": "slug of the source",
    "feature": "feature of the model, or of those made from the source",
    "origin": "who says so; with --event-id it names the change",
    "event-id": "repeated with the same origin, it is the same change",
    "actor": "who changed it",
    "url": "where to read more",
}


class Command(BaseCommand):
    help = "Report a change upstream of the models."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("team", help="slug of the team")
        parser.add_argument("title", help="what changed, in a line")
        parser.add_argument("--kind", choices=ChangeEvent.Kind.values, required=True)
        parser.add_argument("--severity", choices=ChangeEvent.Severity.values, default=ChangeEvent.Severity.INFO.value)
        parser.add_argument("--since", default="", help="such as 2025-11-20T09:31:07Z (default: now)")
        for name, text in TEXTS.items():
            parser.add_argument(f"--{name}", default="", help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']}. Create it with: manage.py team create SLUG")
        now = clock.now()
        values = {name: options[name] for name in ("kind", "title", "severity")}
        values |= {name: options[name] for name in (text.replace("-", "_") for text in TEXTS) if options[name]}
        try:
            values["started_at"] = Moment().to_internal_value(options["since"]) if options["since"] else now
            change = upstream.change_of(team, {"origin": BY} | values)
            event, is_new = upstream.report_change(team, change, by=BY, now=now)
        except DomainError as error:
            raise CommandError(error.detail) from error
        except ValidationError as error:
            raise CommandError(f"--since {options['since']}: {' '.join(map(str, error.detail))}") from error
        self.stdout.write(f"{'Reported' if is_new else 'Known before'}: {event.title} ({event.pk})")

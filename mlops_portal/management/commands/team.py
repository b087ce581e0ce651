"""`team create|add-member|list`: teams from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count

from mlops_portal.kit import clock
from mlops_portal.kit.errors import DomainError
from registry import permissions
from registry.models import Role, Team, User

BY = "cli"


class Command(BaseCommand):
    help = "Make teams and put people into them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a team")
        create.add_argument("slug", help="small letters, digits, - and _")
        create.add_argument("--name", default="", help="what people read (default: the slug)")
        add = actions.add_parser("add-member", help="put a person into a team")
        add.add_argument("team", help="slug of the team")
        add.add_argument("user", help="user name")
        add.add_argument("--role", choices=Role.values, default=Role.VIEWER.value)
        actions.add_parser("list", help="list teams")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action'].replace('-', '_')}")(options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _create(self, options: dict[str, Any]) -> None:
        team = permissions.create_team(options["slug"], name=options["name"], by=BY, now=clock.now())
        self.stdout.write(f"Team {team.slug} ({team.name}) exists now.")

    def _add_member(self, options: dict[str, Any]) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        user = User.objects.filter(username=options["user"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']}. Create it with: manage.py team create SLUG")
        if user is None:
            raise CommandError(
                f"There is no user {options['user']}. Create one with: manage.py user create NAME --email E"
            )
        permissions.add_member(team, user, role=options["role"], by=BY, now=clock.now())
        self.stdout.write(f"{user.username} is {options['role']} of {team.name} now.")

    def _list(self, options: dict[str, Any]) -> None:
        teams = Team.objects.annotate(members=Count("memberships")).order_by("slug")
        for slug, name, members in teams.values_list("slug", "name", "members"):
            self.stdout.write(f"{slug}  {name}  {members} members")

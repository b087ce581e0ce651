"""`user create|claim|disable|enable`: people from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops_portal.kit import clock
from mlops_portal.kit.errors import DomainError
from registry import permissions
from registry.models import User

BY = "cli"


class Command(BaseCommand):
    help = "Invite people and shut them out. A link printed here lets one person set one password, within seven days."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a person and print the claim link")
        create.add_argument("name", help="user name: small letters, digits, dot, - and _")
        create.add_argument("--email", required=True)
        create.add_argument("--admin", action="store_true", help="may manage people and teams")
        create.add_argument("--auditor", action="store_true", help="reads everything, writes nothing")
        for action, text in (
            ("claim", "print a new claim link, for a lost password"),
            ("disable", "shut a person out"),
            ("enable", "let a disabled person in again"),
        ):
            actions.add_parser(action, help=text).add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _create(self, options: dict[str, Any]) -> None:
        user = permissions.create_user(
            options["name"],
            email=options["email"],
            is_admin=options["admin"],
            is_auditor=options["auditor"],
            by=BY,
            now=clock.now(),
        )
        self._print_link(user)

    def _claim(self, options: dict[str, Any]) -> None:
        self._print_link(self._user(options["name"]))

    def _disable(self, options: dict[str, Any]) -> None:
        user = permissions.disable_user(self._user(options["name"]), by=BY, now=clock.now())
        self.stdout.write(f"{user.username} is disabled: sessions and personal keys have ended.")

    def _enable(self, options: dict[str, Any]) -> None:
        user = permissions.enable_user(self._user(options["name"]), by=BY, now=clock.now())
        self.stdout.write(f"{user.username} may sign in again.")

    def _print_link(self, user: User) -> None:
        self.stderr.write(f"{user.username} sets a password at this address, once, within seven days:")
        self.stdout.write(str(permissions.claim_link(user)))

    @staticmethod
    def _user(name: str) -> User:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no user {name}. Create one with: manage.py user create {name} --email E")
        return user

"""`api_key create|list|revoke`: keys for programs, from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops_portal.kit import clock
from mlops_portal.kit.errors import DomainError
from mlops_portal.kit.wording import moment
from registry import permissions
from registry.models import ApiKey, RegisteredModel, Role, Scope, Team, User

BY = "cli"


class Command(BaseCommand):
    help = "Issue, list and revoke API keys. `create` prints the key once, alone on its line of standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="issue a key")
        create.add_argument("--team", required=True, metavar="SLUG")
        create.add_argument("--name", required=True, help="what the key is for; shown in lists and in the audit trail")
        create.add_argument("--scope", action="append", required=True, choices=Scope.values, help="may be repeated")
        create.add_argument("--days", type=int, default=90, help="how long it lives, 1 to 365 (default 90)")
        create.add_argument("--model", metavar="SLUG", help="bind the key to one model")
        create.add_argument("--user", metavar="NAME", help="a personal key, which follows that person's rights")
        create.add_argument("--role", choices=Role.values, help="role of a service key (default contributor)")
        shown = actions.add_parser("list", help="list keys, never their secrets")
        shown.add_argument("--team", metavar="SLUG")
        revoke = actions.add_parser("revoke", help="end a key at once")
        revoke.add_argument("key_id", help="the 12 characters after mlp_, as `list` shows them")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except DomainError as error:
            raise CommandError(error.detail) from error

    def _create(self, options: dict[str, Any]) -> None:
        team = self._team(options["team"])
        key, text = permissions.issue_key(
            team,
            label=options["name"],
            scopes=options["scope"],
            days=options["days"],
            model=self._model(team, options["model"]),
            user=self._user(options["user"]),
            role=options["role"],
            by=BY,
            now=clock.now(),
        )
        self.stderr.write(f"Key {key.key_id} of {team.name}, valid until {moment(key.expires_at)} UTC. Shown only now:")
        self.stdout.write(text)

    def _list(self, options: dict[str, Any]) -> None:
        keys = ApiKey.objects.select_related("team").order_by("team__slug", "label")
        if options["team"]:
            keys = keys.filter(team=self._team(options["team"]))
        now = clock.now()
        for key in keys:
            state = "revoked" if key.revoked_at else "expired" if key.expires_at <= now else "usable"
            used = moment(key.last_used_at, now)
            fields = (key.key_id, key.team.slug, key.label, ",".join(key.scopes), state, f"used {used}")
            self.stdout.write("  ".join(fields))

    def _revoke(self, options: dict[str, Any]) -> None:
        key = ApiKey.objects.select_related("team").filter(key_id=options["key_id"]).first()
        if key is None:
            raise CommandError(f"There is no key {options['key_id']}. See: manage.py api_key list")
        permissions.revoke_key(key, by=BY, now=clock.now())
        self.stdout.write(f"Key {key.key_id} ({key.label}) is revoked.")

    @staticmethod
    def _team(slug: str) -> Team:
        team = Team.objects.filter(slug=slug).first()
        if team is None:
            known = ", ".join(Team.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
            raise CommandError(
                f"There is no team {slug} (teams: {known}). Create it with: manage.py team create {slug} --name NAME"
            )
        return team

    @staticmethod
    def _model(team: Team, slug: str | None) -> RegisteredModel | None:
        if slug is None:
            return None
        model = RegisteredModel.objects.live().filter(team=team, slug=slug).first()
        if model is None:
            raise CommandError(f"{team.name} has no model {slug}.")
        return model

    @staticmethod
    def _user(username: str | None) -> User | None:
        if username is None:
            return None
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username}. Create one with: manage.py user create {username} --email E"
            )
        return user

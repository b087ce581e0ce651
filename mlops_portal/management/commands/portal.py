"""`manage.py portal`: the whole portal with one command."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlops_portal import hosting, readiness_checks
from mlops_portal.demo import account
from mlops_portal.hosting import Address, CannotServe, Errand, Portal, demo_command
from mlops_portal.kit import clock
from registry import permissions


class Command(BaseCommand):
    """Starts the portal."""

    help = "Migrates, then serves the portal and works off its jobs until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=int, default=1, help="web processes (default: %(default)s)")
        parser.add_argument("--no-worker", action="store_true", help="serve only; workers run elsewhere")
        parser.add_argument("--demo", action="store_true", help="load the demo company, if the portal is empty")

    def handle(self, *args: Any, **options: Any) -> None:
        address = Address(options["host"], options["port"])
        if "PUBLIC_URL" not in os.environ:
            os.environ["PUBLIC_URL"] = settings.PUBLIC_URL = address.url  # the children read the environment
        hosting.prepare()
        for problem in readiness_checks.durability():
            raise CommandError(f"The database may lose what it has acknowledged: {problem}")
        workers = 0 if options["no_worker"] else settings.PORTAL_WORKERS
        portal = Portal(address, web_processes=options["workers"], workers=workers)
        if options["demo"] and account.is_wanted():
            account.begin(clock.now())
            portal.errand = Errand(demo_command(), self._say_demo)
        try:
            portal.run(self._say_where)
        except CannotServe as error:
            raise CommandError(str(error)) from None

    def _say_where(self) -> None:
        self.stdout.write(f"The portal is at {settings.PUBLIC_URL} (Ctrl-C stops it).")
        if known := account.sign_in():
            self.stdout.write(f"Sign in to the demo as {known[0]} with the password {known[1]}")
        if link := permissions.claim_link():
            self.stdout.write(f"Nobody has an account yet. Make yours here, within seven days:\n  {link}")
        self.stdout.flush()

    def _say_demo(self, exit_code: int) -> None:
        said = "The demo is loaded; the fleet page shows how its windows are being measured."
        self.stdout.write(f"The demo was not loaded whole (exit code {exit_code})." if exit_code else said)
        self.stdout.flush()

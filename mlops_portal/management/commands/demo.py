"""`manage.py demo`: the demo company into an empty portal, measured to the end."""

import signal
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlops_portal import hosting
from mlops_portal.demo import account, loading
from mlops_portal.jobs import lifeline
from mlops_portal.kit import clock


class Command(BaseCommand):
    """Loads the demo."""

    help = "Loads four demo models with eight weeks of traffic into an empty portal and measures every window."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--load-only", action="store_true", help="leave the measuring to workers that run already")
        parser.add_argument("--child-of", type=int, default=0, help=SUPPRESS)  # what `portal` passes

    def handle(self, *args: Any, **options: Any) -> None:
        if options["child_of"]:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception gives back what the job holds
            lifeline.tie(options["child_of"])
        hosting.prepare()
        if not account.is_wanted():
            raise CommandError("This portal holds models already; the demo goes into an empty one.")
        self.stdout.write("Loading the demo company, eight weeks of four models …")
        loading.load(now=clock.now(), say=self._say)
        if options["load_only"]:
            return
        self._say("measuring every window …")
        drains = [self._drain() for _ in range(settings.PORTAL_WORKERS)]
        codes = [drain.wait() for drain in drains]
        if any(codes):
            raise CommandError("Some windows could not be measured; the jobs page says why.")
        username, password = account.sign_in() or ("", "")
        self.stdout.write(f"The demo is loaded. Sign in as {username} with the password {password}")

    def _say(self, text: str) -> None:
        self.stdout.write(f"  {text}")
        self.stdout.flush()

    @staticmethod
    def _drain() -> "subprocess.Popen[bytes]":
        command = [sys.executable, sys.argv[0], "work", "--drain"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 (our own command line)

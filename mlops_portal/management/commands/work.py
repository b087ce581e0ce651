"""`manage.py work`: a worker process, or a drain."""

import sys
from argparse import SUPPRESS, ArgumentParser
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops_portal.jobs import alarm, database, lifeline, limits, loop, worker
from mlops_portal.kit import wording


class Command(BaseCommand):
    """Works off the job table."""

    help = "Does due jobs: for ever, or with --drain until nothing is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queue",
            action="append",
            choices=limits.SERVED_IN_ORDER,
            help="serve this queue (may be repeated; default: all)",
        )
        parser.add_argument(
            "--drain", action="store_true", help="do everything that is due without waiting times, then end"
        )
        parser.add_argument("--timeout", type=float, metavar="S", help="with --drain: give up after so many seconds")
        parser.add_argument("--child-of", type=int, default=0, help=SUPPRESS)  # what `portal` passes to its workers
        parser.add_argument("--started", default="", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = options["queue"] or limits.SERVED_IN_ORDER
        queues = [queue for queue in limits.SERVED_IN_ORDER if queue in chosen]
        alarm.listen(to_terminal=not options["child_of"])
        with suppress(alarm.Stopping):  # the job it interrupted has been released
            if options["drain"]:
                self._drain(queues, options["timeout"])
            elif options["child_of"]:
                lifeline.tie(options["child_of"])
                loop.serve(queues, started=options["started"], replaceable=True)
            else:
                loop.serve(queues)

    def _drain(self, queues: list[str], timeout_s: float | None) -> None:
        database.allow_long_statements()
        drained = worker.drain(queues, timeout_s=timeout_s, report=self._show)
        if self._on_terminal:
            self.stderr.write("")
        self.stdout.write(
            f"{wording.plural(drained.jobs, 'job')} done, {drained.quarantined} quarantined, {drained.left} left."
        )
        if drained.quarantined:
            raise CommandError("Some jobs were quarantined; the jobs page shows why.", returncode=1)
        if drained.left:
            raise CommandError("The time was up before everything was done.", returncode=1)

    def _show(self, drained: worker.Drained) -> None:
        if self._on_terminal:
            self.stderr.write(f"\r{wording.plural(drained.jobs, 'job')} done", ending="")

    @property
    def _on_terminal(self) -> bool:
        return sys.stderr.isatty()

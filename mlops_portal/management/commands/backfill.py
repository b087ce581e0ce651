"""`manage.py backfill MODEL --reference F --predictions F [--outcomes F]`: history files into traffic."""

import sys
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops_portal.jobs import database, limits, worker
from mlops_portal.kit import clock, wording
from mlops_portal.kit.errors import DomainError
from monitoring.backfill import session
from monitoring.backfill.inference import Inferred, Overrides
from monitoring.backfill.loading import Options, Tally
from monitoring.backfill.session import Done, Plan, Request, TooManyRejects

EXIT_TOO_MANY_REJECTS = 3
LINE_EVERY_S = 5.0


class Command(BaseCommand):
    """Brings history in through the same path as live traffic, but for the limit on age."""

    help = (
        "Brings history (Parquet or CSV) into a model. Known columns: request_id, version, predicted_at (at), "
        "endpoint, score, scores.<label>, prediction, action, latency_ms, cost (cost_usd), fallback, error, "
        "subject_id, stage.<name>.<calls|ms|cost>; label in a reference; request_id, kind, value (label), "
        "observed_at (at) in outcomes. All other columns are features."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Here `--version` is the version of the model, as everywhere in the portal, not that of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="slug of the model")
        for name, text in (
            ("reference", "training data, with label where known"),
            ("predictions", "what the model answered"),
            ("outcomes", "what really happened"),
        ):
            parser.add_argument(f"--{name}", nargs="+", type=Path, default=[], metavar="FILE", help=text)
        parser.add_argument(
            "--map", action="append", default=[], metavar="FIELD=COLUMN", help="a field or feature is in this column"
        )
        parser.add_argument("--ignore", action="append", default=[], metavar="COLUMN", help="leave this column out")
        parser.add_argument(
            "--register", action="store_true", help="create team, model, features and versions that are missing"
        )
        parser.add_argument("--team", default="", metavar="SLUG", help="team of a new model")
        parser.add_argument("--task", default="", choices=["binary", "multiclass", "regression", "ranking"])
        parser.add_argument("--positive", default="", metavar="LABEL", help="positive label of a binary model")
        parser.add_argument(
            "--segment", action="append", default=[], metavar="FEATURE", help="measure per value of this feature"
        )
        parser.add_argument(
            "--context", action="append", default=[], metavar="FEATURE", help="not an input of the model"
        )
        parser.add_argument("--dtype", action="append", default=[], metavar="FEATURE=TYPE")
        parser.add_argument(
            "--privacy", action="append", default=[], metavar="FEATURE=RULE", help="keep, drop, hash, mask"
        )
        parser.add_argument(
            "--version", dest="of_version", default="", metavar="N", help="version of files without that column"
        )
        parser.add_argument("--name", default="training", help="name of the reference")
        parser.add_argument("--kind", default="truth", help="signal of outcomes without that column")
        parser.add_argument("--naive-times", choices=["utc"], help="take times without a zone as UTC")
        parser.add_argument("--since", metavar="TIME", help="only predictions from this time on")
        parser.add_argument("--until", metavar="TIME", help="only predictions before this time")
        parser.add_argument("--max-rejects", type=float, default=0.01, metavar="SHARE", help="more rejected: exit 3")
        parser.add_argument("--dry-run", action="store_true", help="show the plan and the first rejects; store nothing")
        parser.add_argument("--drain", action="store_true", help="then measure everything, as `work --drain`")
        parser.add_argument("--quiet", action="store_true", help="print errors only")

    def handle(self, *args: Any, **options: Any) -> None:
        database.allow_long_statements()
        self._quiet, self._shown_at, self._started = options["quiet"], 0.0, time.monotonic()
        try:
            plan = session.plan(_request(options))
            self._say_plan(plan)
            if options["dry_run"]:
                self._rehearse(plan)
                return
            done = session.perform(plan, now=clock.now, report=self._progress, worker_name=worker.name())
        except TooManyRejects as error:
            self._say_faults(error)
            raise CommandError(error.detail, returncode=EXIT_TOO_MANY_REJECTS) from error
        except DomainError as error:
            self._say_faults(error)
            raise CommandError(error.detail) from error
        self._say_done(done)
        if options["drain"]:
            self._drain()

    def _say_plan(self, plan: Plan) -> None:
        for kind, parts in (
            ("reference", plan.references),
            ("predictions", plan.predictions),
            ("outcomes", plan.outcomes),
        ):
            for file, columns in parts:
                self._say(f"{kind}: {file.path.name}, {wording.count(file.rows)} rows")
                renamed = {name: column for name, column in columns.fields.items() if name != column}
                if renamed:
                    self._say("  " + ", ".join(f"{column} is {name}" for name, column in renamed.items()))
                if columns.ignored:
                    self._say(f"  left out: {', '.join(columns.ignored)}")
        if plan.inferred:
            self._say_inferred(plan.inferred)

    def _say_inferred(self, inferred: Inferred) -> None:
        self._say(f"task: {inferred.task} ({inferred.task_reason})")
        if classes := inferred.output.get("classes"):
            positive = inferred.output.get("positive")
            self._say(f"classes: {', '.join(map(str, classes))}" + (f"; positive: {positive}" if positive else ""))  # type: ignore[call-overload]
        width = max((len(one.name) for one in inferred.features), default=0)
        for one in inferred.features:
            marks = [one.dtype, one.kind, "required" if one.required else "may be null"]
            marks += ["segment"] if one.segment else []
            marks += [f"privacy {one.privacy}"] if one.privacy else []
            self._say(f"  {one.name:<{width}}  {', '.join(marks)} ({one.reason})")

    def _rehearse(self, plan: Plan) -> None:
        if plan.inferred:
            self._say("Nothing was stored. Records are checked against a registered model only.")
            return
        for tally in session.rehearse(plan, now=clock.now, report=self._progress):
            self._say(f"{wording.count(tally.accepted)} good, {wording.count(tally.rejected)} rejected")
            for fault in tally.examples:
                self._say(f"  {fault.pointer}: {fault.code}: {fault.detail}")
        self._say("Nothing was stored.")

    def _progress(self, kind: str, tally: Tally, total: int) -> None:
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if self._quiet or now - self._shown_at < (0.2 if on_terminal else LINE_EVERY_S):
            return
        self._shown_at = now
        rate = tally.read / max(now - self._started, 1e-3)
        rejects = f", {wording.count(tally.rejected)} rejected" if tally.rejected else ""
        share = min(tally.read / total, 1.0) if total else 1.0
        bar = "█" * round(share * 24)
        line = (
            f"{kind:<10} {bar:<24} {share:4.0%} {wording.count(tally.read)} records, {wording.about(rate)}/s{rejects}"
        )
        self.stderr.write(f"\r{line}" if on_terminal else line, ending="" if on_terminal else "\n")

    def _say_done(self, done: Done) -> None:
        if sys.stderr.isatty() and not self._quiet:
            self.stderr.write("")
        for name, tally in (("predictions", done.predictions), ("outcomes", done.outcomes)):
            rejects = "".join(f", {number} {code}" for code, number in tally.rejects.most_common())
            filtered = f", {wording.count(tally.filtered)} outside the time span" if tally.filtered else ""
            self._say(f"{name}: {wording.count(tally.accepted)} accepted{rejects}{filtered}")
        for reference in done.references:
            self._say(f"reference {reference.name} of version {reference.version.number} is being loaded")
        self._say(f"{done.model.slug} is ready to be measured: manage.py work --drain, or a running worker does it.")

    def _say_faults(self, error: DomainError) -> None:
        for fault in error.faults[:20]:
            self.stderr.write(f"{fault.pointer}: {fault.code}: {fault.detail}")

    def _drain(self) -> None:
        drained = worker.drain(limits.SERVED_IN_ORDER)
        self._say(f"{wording.plural(drained.jobs, 'job')} done.")
        if drained.quarantined:
            raise CommandError(f"{drained.quarantined} jobs were quarantined; the jobs page shows why.")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self.stdout.write(text)


def _request(options: dict[str, Any]) -> Request:
    return Request(
        model=options["model"],
        references=options["reference"],
        predictions=options["predictions"],
        outcomes=options["outcomes"],
        mapped=_pairs(options["map"], "--map FIELD=COLUMN"),
        ignored=options["ignore"],
        register=options["register"],
        team=options["team"],
        overrides=Overrides(
            task=options["task"],
            positive=options["positive"],
            segments=tuple(options["segment"]),
            contexts=tuple(options["context"]),
            dtypes=_pairs(options["dtype"], "--dtype FEATURE=TYPE"),
            privacy=_pairs(options["privacy"], "--privacy FEATURE=RULE"),
        ),
        reference_name=options["name"],
        options=Options(
            naive_times_are_utc=options["naive_times"] == "utc",
            version=options["of_version"],
            kind=options["kind"],
            since=_time(options["since"], "--since"),
            until=_time(options["until"], "--until"),
        ),
        max_reject_share=options["max_rejects"],
    )


def _pairs(texts: list[str], usage: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise CommandError(f"{text!r} is not of the form {usage}.")
        pairs[name] = value
    return pairs


def _time(text: str | None, option: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} {text!r} is not a time such as 2025-11-01 or 2025-11-01T06:00Z.") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at

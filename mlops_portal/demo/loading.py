"""The demo company into an empty portal: registered by the same verbs, brought in by the same path as any history."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from mlops_portal.demo import account, company, surroundings
from mlops_portal.demo.company import Story
from mlops_portal.jobs import worker
from monitoring.backfill import session
from monitoring.backfill.loading import Tally
from registry import inventory
from registry.inventory import FeatureDraft
from registry.models import RegisteredModel, User

Say = Callable[[str], None]


def load(*, now: datetime, say: Say, days: int = company.DAYS) -> None:
    """Create the four models with their traffic of `days` days up to `now`, and one person who owns them.

    A demo that was left half loaded is completed: its files are made again as of its first start, and what they hold is
    stored once.
    """
    now = account.begin(now)
    person = account.person()
    for story in company.STORIES:
        known = RegisteredModel.objects.live().filter(slug=story.slug, is_demo=True).first()
        model = known or _registered(story, person, now - timedelta(days=days + 1))
        surroundings.furnish(model, now=now)
        with TemporaryDirectory() as folder:
            done = session.perform(
                session.plan(_files(story, model, Path(folder), now, days)),
                now=lambda: now,
                report=_silent,
                worker_name=worker.name(),
            )
        say(f"{story.name}: {done.predictions.accepted:,} predictions, {done.outcomes.accepted:,} outcomes")
    account.finish()


def _silent(kind: str, tally: Tally, total: int) -> None:
    """The demo says one line a model."""


def _registered(story: Story, person: User, now: datetime) -> RegisteredModel:
    team = account.joined(*story.team, person, now)
    drafts = [
        FeatureDraft(
            column.name,
            column.dtype,
            kind=column.kind,
            segment=column.segment,
            categories=column.categories,
            privacy=column.privacy,
        )
        for column in story.features
    ]
    model = inventory.register_model(
        team,
        name=story.name,
        slug=story.slug,
        task=story.task,
        output=story.output,
        purpose=story.purpose,
        limitations=story.limitations,
        risk=story.risk[0],
        risk_reason=story.risk[1],
        description=f"Demo. {story.incident}",
        owner=person,
        features=drafts,
        is_demo=True,
        by=account.BY,
        now=now,
    )
    inventory.register_version(model, description="Demo version.", by=account.BY, now=now)
    inventory.create_endpoint(
        model, slug=story.endpoint, environment="production", slo_p95_ms=story.slo_p95_ms, by=account.BY, now=now
    )
    return model


def _files(story: Story, model: RegisteredModel, folder: Path, now: datetime, days: int) -> session.Request:
    """Three Parquet files, as a team would export them."""
    company.reference(story).to_parquet(folder / "reference.parquet")
    pairs = list(company.traffic(story, now=now, count=days))
    pd.concat([frame for frame, _ in pairs], ignore_index=True).to_parquet(folder / "predictions.parquet")
    pd.concat([frame for _, frame in pairs if len(frame)], ignore_index=True).to_parquet(folder / "outcomes.parquet")
    return session.Request(
        model=model.slug,
        references=[folder / "reference.parquet"],
        predictions=[folder / "predictions.parquet"],
        outcomes=[folder / "outcomes.parquet"],
    )

"""Plain functions that make rows for tests; everything they do not ask for has a sensible default."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.test import Client

from monitoring.models import Measurement, Monitor, MonitorRevision, Run
from monitoring.stats.results import Verdict
from registry import deployments, inventory, permissions, webhooks
from registry.deployments import Authority, Plan
from registry.inventory import FeatureDraft
from registry.models import (
    ApiKey,
    Consumer,
    Deployment,
    Endpoint,
    Membership,
    ModelVersion,
    RegisteredModel,
    Role,
    Scope,
    Source,
    Team,
    User,
    Webhook,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = NOON.replace(hour=0)
PASSWORD = "seven calm otters paddle"

_serial = count(1)


def make_team(slug: str = "", *, name: str = "") -> Team:
    """A team without members."""
    slug = slug or f"team-{next(_serial)}"
    return Team.objects.create(slug=slug, name=name or slug.title(), created_at=NOON)


def make_user(
    username: str = "",
    *,
    team: Team | None = None,
    role: str = Role.VIEWER,
    is_approver: bool = False,
    is_reviewer: bool = False,
    is_admin: bool = False,
    is_auditor: bool = False,
    password: str | None = None,
) -> User:
    """A person, in one team if it is named; without a password `client.force_login` is the way in (hashing is slow)."""
    username = username or f"user-{next(_serial)}"
    user = User.objects.create_user(
        username, f"{username}@example.org", password, is_admin=is_admin, is_auditor=is_auditor
    )
    if team:
        make_member(user, team=team, role=role, is_approver=is_approver, is_reviewer=is_reviewer)
    return user


def make_member(
    user: User, *, team: Team, role: str = Role.VIEWER, is_approver: bool = False, is_reviewer: bool = False
) -> Membership:
    """The person's place in one more team."""
    duty = {"duties_granted_at": NOON, "duties_granted_by": "setup"} if is_approver or is_reviewer else {}
    return Membership.objects.create(
        team=team, user=user, role=role, is_approver=is_approver, is_reviewer=is_reviewer, created_at=NOON, **duty
    )


def make_model(
    *,
    team: Team | None = None,
    slug: str = "",
    name: str = "",
    task: str = RegisteredModel.Task.BINARY,
    features: Sequence[FeatureDraft | tuple[str, str]] = (),
    output: dict[str, object] | None = None,
    owner: User | None = None,
    is_demo: bool = False,
) -> RegisteredModel:
    """A registered model with its current feature list; features as drafts or as (name, dtype)."""
    slug = slug or f"model-{next(_serial)}"
    return inventory.register_model(
        team or make_team(),
        name=name or slug.replace("-", " ").title(),
        slug=slug,
        task=task,
        output=output,
        owner=owner,
        is_demo=is_demo,
        features=_drafts(features),
        by="setup",
        now=NOON,
    )


def make_version(
    model: RegisteredModel | None = None,
    *,
    number: int | None = None,
    features: Sequence[FeatureDraft | tuple[str, str]] | None = None,
    source_version: str = "",
) -> ModelVersion:
    """The model's next version, with a frozen copy of its current features or with its own list."""
    return inventory.register_version(
        model or make_model(),
        number=number,
        features=None if features is None else _drafts(features),
        source_version=source_version,
        by="setup",
        now=NOON,
    )


def make_endpoint(
    model: RegisteredModel | None = None,
    *,
    slug: str = "",
    environment: str = "production",
    kind: str = Endpoint.Kind.ONLINE,
    slo_p95_ms: int | None = None,
    alias: str = "",
) -> Endpoint:
    """An endpoint of the model, never activated."""
    return inventory.create_endpoint(
        model or make_model(),
        slug=slug or f"endpoint-{next(_serial)}",
        environment=environment,
        kind=kind,
        slo_p95_ms=slo_p95_ms,
        alias=alias,
        by="setup",
        now=NOON,
    )


def make_source(
    team: Team | None = None,
    *,
    slug: str = "",
    kind: str = Source.Kind.TABLE,
    fed_by: Source | None = None,
    **said: Any,
) -> Source:
    """A source of the team."""
    slug = slug or f"source-{next(_serial)}"
    return inventory.create_source(
        team or make_team(), slug=slug, name=slug.title(), kind=kind, fed_by=fed_by, by="setup", now=NOON, **said
    )


def make_consumer(
    endpoint: Endpoint | None = None,
    *,
    name: str = "",
    kind: str = Consumer.Kind.SERVICE,
    use: str = Consumer.Use.AUTOMATED,
    **said: Any,
) -> Consumer:
    """A consumer of the endpoint."""
    name = name or f"consumer-{next(_serial)}"
    return inventory.create_consumer(
        endpoint or make_endpoint(), name=name, kind=kind, use=use, by="setup", now=NOON, **said
    )


def make_deployment(
    endpoint: Endpoint, plan: Plan | int, *, base: int | None = None, at: datetime = NOON
) -> Deployment:
    """The endpoint's next revision: of a plan, or of one version that takes all traffic."""
    return deployments.activate(
        Endpoint.objects.select_related("model__team", "environment").get(pk=endpoint.pk),
        Plan.single(plan) if isinstance(plan, int) else plan,
        base=endpoint.deployments.count() if base is None else base,
        authority=Authority.of_person("setup"),
        now=at,
    )


def make_webhook(team: Team) -> Webhook:
    """A receiver of what happens to versions, at a public address that nobody looks up."""
    webhook, _ = webhooks.register(
        team,
        name="ops",
        url="https://hooks.example.org/",
        events=["version.*"],
        resolver=lambda *_: ["93.184.216.34"],
        by="setup",
        now=NOON,
    )
    return webhook


def make_key(
    *,
    team: Team | None = None,
    scopes: Sequence[str] = (Scope.READ,),
    user: User | None = None,
    role: str | None = None,
    model: RegisteredModel | None = None,
    expires_at: datetime | None = None,
    label: str = "",
) -> str:
    """The text of a new key: a service key with the role maintainer, or with `user` a personal one.

    Valid from now for a year of real time, so that tests which use the real clock can use it.
    """
    row, text = permissions.issue_key(
        team or (model.team if model else make_team()),
        label=label or f"key-{next(_serial)}",
        scopes=scopes,
        user=user,
        role=None if user else role or Role.MAINTAINER,
        model=model,
        by="setup",
        now=NOON,
        days=365,
    )
    ApiKey.objects.filter(pk=row.pk).update(expires_at=expires_at or datetime.now(UTC) + timedelta(days=365))
    return text


def make_monitor(
    model: RegisteredModel | None = None,
    *,
    slug: str = "inputs-training",
    cadence: str = Monitor.Cadence.DAY,
    config: dict[str, object] | None = None,
) -> Monitor:
    """A monitor with its first revision."""
    monitor = Monitor.objects.create(model=model or make_model(), slug=slug, cadence=cadence, created_at=NOON)
    MonitorRevision.objects.create(
        monitor=monitor, number=1, config=config or {}, sha256="0" * 64, created_at=NOON, created_by="setup"
    )
    return monitor


def make_run(
    monitor: Monitor | None = None,
    *,
    end: datetime = MIDNIGHT,
    revision: int = 1,
    state: str = Run.State.DONE,
    quiet: bool = False,
    rows: int = 10_000,
    summary: dict[str, object] | None = None,
) -> Run:
    """A finished run of the seven days before `end`; a higher revision supersedes the runs of the same window."""
    monitor = monitor or make_monitor()
    monitor.runs.filter(window_end=end).update(is_latest=False)
    return Run.objects.create(
        monitor=monitor,
        model=monitor.model,
        config=monitor.revisions.get(number=monitor.revision),
        window_start=end - timedelta(days=7),
        window_end=end,
        revision=revision,
        why=Run.Why.FIRST if revision == 1 else Run.Why.LATE,
        state=state,
        quiet=quiet,
        rows=rows,
        summary=summary or {},
        planned_at=end,
        started_at=end,
        finished_at=end,
    )


def make_measurement(
    run: Run | None = None,
    *,
    feature: str = "",
    value: float | None = 0.02,
    verdict: str = Verdict.ok,
    check_key: str = "input_drift",
    metric: str = "psi.1",
    threshold: float | None = 0.1,
    n: int = 10_000,
    **fields: Any,
) -> Measurement:
    """One measurement of a run; what it does not say of model, window and gap follows from the run and the value."""
    run = run or make_run()
    fields.setdefault("gap", value)
    fields.setdefault("reason", "" if value is not None else "too_few")
    return Measurement.objects.create(
        run=run,
        model=run.model,
        check_key=check_key,
        metric=metric,
        feature=feature,
        value=value,
        verdict=verdict,
        threshold=threshold,
        n=n,
        window_start=run.window_start,
        window_end=run.window_end,
        is_latest=run.is_latest,
        **fields,
    )


def api(key: str) -> Client:
    """A client that sends the key with every request."""
    return Client(headers={"Authorization": f"Bearer {key}"})


def _drafts(features: Sequence[FeatureDraft | tuple[str, str]]) -> list[FeatureDraft]:
    return [
        feature if isinstance(feature, FeatureDraft) else FeatureDraft(name=feature[0], dtype=feature[1])
        for feature in features
    ]

"""A measured company for the browser: two demo models with two weeks of traffic, brought in and measured for real."""

from dataclasses import dataclass, replace

import pytest

from mlops_portal.demo import account, company, loading
from mlops_portal.jobs import worker
from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock
from monitoring.models import Alert, Run
from registry import deployments, inventory, outbox, upstream
from registry.deployments import ApprovalRequired, Authority
from registry.models import Endpoint, Feature, Role, User
from registry.upstream import Change
from tests.factories import PASSWORD, make_member, make_model, make_team, make_user, make_version, make_webhook

DAYS = 16  # the incidents of the demo begin 15 days before today
MEASURED = ("arrival-time", "credit-limit")


@dataclass(frozen=True, slots=True)
class Company:
    """Who is there, and the addresses of every page with what is on it."""

    owner: User
    viewer: User
    outsider: User
    run: Run
    alert: Alert
    pages: dict[str, str]


def build() -> Company:
    """Two models measured to the end, one new model that nothing has reached yet, three people."""
    with pytest.MonkeyPatch.context() as patch:
        stories = [story for story in company.STORIES if story.slug in MEASURED]
        patch.setattr(company, "STORIES", tuple(replace(story, daily_rows=200) for story in stories))
        loading.load(now=clock.now(), say=lambda _: None, days=DAYS)
    worker.drain(Job.Queue.values, timeout_s=120)
    owner = User.objects.get(username=account.USERNAME)
    owner.set_password(PASSWORD)
    owner.save()
    viewer, outsider = make_user("victor"), make_user("charlie", team=make_team("other"), role=Role.MAINTAINER)
    for membership in owner.memberships.select_related("team"):
        make_member(viewer, team=membership.team, role=Role.VIEWER)
    make_version(make_model(team=owner.memberships.first().team, slug="fresh", name="Fresh model"))
    run = Run.objects.filter(model__slug="arrival-time", monitor__slug="inputs-training", is_latest=True)
    newest, alert = run.order_by("window_end").last(), Alert.objects.open().latest("opened_at")
    assert newest
    pages = _pages(newest, alert) | _inventory_pages(newest) | _outward_pages(newest) | _intent(newest, owner)
    return Company(owner, viewer, outsider, newest, alert, pages)


def _inventory_pages(run: Run) -> dict[str, str]:
    """What feeds the model, who uses it, its labels and its trail, each with something on it."""
    model, now = run.model, clock.now()
    source = inventory.create_source(model.team, slug="gps", name="GPS traces", kind="stream", by="setup", now=now)
    drafts = inventory.drafts_of(Feature.objects.current().filter(model=model))
    inventory.set_features(model, [replace(draft, source=source) for draft in drafts], by="setup", now=now)
    inventory.set_tag(model, "domain", "delivery", by="setup", now=now)
    version = inventory.register_version(model, by="setup", now=now)
    inventory.set_alias(model, "candidate", version, by="setup", now=now)
    endpoint = Endpoint.objects.get(model=model)
    kept = {"kind": "service", "use": "automated", "by": "setup", "now": now}
    consumer = inventory.create_consumer(endpoint, name="dispatcher", **kept)
    return {
        "registry:model-filters": "/models/filters/",
        "registry:model-audit": f"/models/{model.slug}/audit/",
        "registry:model-tags": f"/models/{model.slug}/tags/",
        "registry:alias-list": f"/models/{model.slug}/aliases/",
        "registry:version-compare": f"/models/{model.slug}/versions/compare/",
        "registry:version-tags": f"/models/{model.slug}/versions/1/tags/",
        "registry:source-list": "/sources/",
        "registry:source-create": "/sources/new/",
        "registry:source-detail": "/sources/gps/",
        "registry:source-edit": "/sources/gps/edit/",
        "registry:consumer-list": "/consumers/",
        "registry:consumer-list, of an endpoint": f"/consumers/?endpoint={endpoint.slug}",
        "registry:consumer-edit": f"/consumers/{consumer.pk}/",
        "registry:consumer-create": f"/endpoints/{endpoint.slug}/consumers/new/",
        "registry:audit-list": "/audit/",
    }


def _outward_pages(run: Run) -> dict[str, str]:
    """What changed around the model, and who is told of it."""
    team, now = run.model.team, clock.now()
    change = Change(kind="schema", title="Column renamed", started_at=now, model=run.model)
    event, _ = upstream.report_change(team, change, by="setup", now=now)
    webhook = make_webhook(team)
    [message] = outbox.publish("version.registered", "v1", {}, team=team, now=now)
    return {
        "registry:change-list": "/changes/",
        "registry:change-list, nothing": "/changes/?kind=incident",
        "registry:change-report": "/changes/report/",
        "registry:change-detail": f"/changes/{event.pk}/",
        "registry:webhook-list": f"/teams/{team.slug}/webhooks/",
        "registry:webhook-create": f"/teams/{team.slug}/webhooks/new/",
        "registry:webhook-detail": f"/webhooks/{webhook.pk}/",
        "registry:webhook-edit": f"/webhooks/{webhook.pk}/edit/",
        "registry:webhook-delete": f"/webhooks/{webhook.pk}/delete/",
        "registry:message-list": f"/teams/{team.slug}/messages/",
        "registry:message-detail": f"/messages/{message.pk}/",
        "registry:manifest-apply": "/inventory/",
    }


def _intent(run: Run, owner: User) -> dict[str, str]:
    """The page of a change that needs a second person."""
    endpoint = Endpoint.objects.select_related("model__team", "environment").get(model=run.model)
    authority = Authority.of_person(owner)
    with pytest.raises(ApprovalRequired) as refused:
        deployments.switch_off(endpoint, base=1, authority=authority, now=clock.now(), reason="Too late.")
    return {"review:decision-intent": f"/decisions/intent/{refused.value.intent_id}/"}


def _pages(run: Run, alert: Alert) -> dict[str, str]:
    """Address by URL name; a second state of the same page is told apart after a comma."""
    slug, team = run.model.slug, run.model.team.slug
    feature = Feature.objects.current().filter(model=run.model).order_by("name").first()
    endpoint = Endpoint.objects.get(model=run.model)
    performance = Run.objects.filter(model=run.model, monitor__slug="performance").order_by("window_end").last()
    operations = Run.objects.filter(model=run.model, monitor__slug="operations").order_by("window_end").last()
    job = Job.objects.latest("created_at")
    assert feature
    assert performance
    assert operations
    return {
        "home": "/",
        "home, one team": f"/?team={team}",
        "search": "/search/?q=a",
        "search, nothing": "/search/?q=zzzz",
        "me": "/me/",
        "job-list": "/jobs/",
        "job-detail": f"/jobs/{job.pk}/",
        "api-docs": "/api/docs/",
        "problem-detail": "/problems/unknown_version/",
        "registry:model-list": "/models/",
        "registry:model-create": "/models/new/",
        "registry:model-detail": f"/models/{slug}/",
        "registry:model-detail, fresh": "/models/fresh/",
        "registry:model-edit": f"/models/{slug}/edit/",
        "registry:model-delete": f"/models/{slug}/delete/",
        "registry:feature-list": f"/models/{slug}/features/",
        "registry:feature-create": f"/models/{slug}/features/new/",
        "registry:feature-edit": f"/models/{slug}/features/{feature.pk}/",
        "registry:version-list": f"/models/{slug}/versions/",
        "registry:version-create": f"/models/{slug}/versions/new/",
        "registry:version-detail": f"/models/{slug}/versions/1/",
        "registry:endpoint-create": f"/models/{slug}/endpoints/new/",
        "registry:endpoint-list": "/endpoints/",
        "registry:endpoint-detail": f"/endpoints/{endpoint.slug}/?compare=0..1",
        "registry:endpoint-activate": f"/endpoints/{endpoint.slug}/activate/",
        "registry:endpoint-edit": f"/endpoints/{endpoint.slug}/edit/",
        "registry:team-list": "/teams/",
        "registry:team-detail": f"/teams/{team}/",
        "monitoring:alert-list": "/alerts/?state=all",
        "monitoring:alert-list, nothing": "/alerts/?q=zzzz",
        "monitoring:alert-detail": f"/alerts/{alert.pk}/",
        "monitoring:run-list": "/runs/",
        "monitoring:run-detail": f"/runs/{run.pk}/",
        "monitoring:run-detail, performance": f"/runs/{performance.pk}/",
        "monitoring:run-detail, operations": f"/runs/{operations.pk}/",
        "monitoring:model-health": f"/models/{slug}/health/",
        "monitoring:model-alerts": f"/models/{slug}/alerts/",
        "monitoring:model-inputs": f"/models/{slug}/inputs/",
        "monitoring:model-inputs, fresh": "/models/fresh/inputs/",
        "monitoring:model-feature": f"/models/{slug}/inputs/trip_km/",
        "monitoring:set-aside-list": f"/models/{slug}/set-aside/",
        "monitoring:reference-upload": f"/models/{slug}/references/",
    }

"""Every route of the resolver, new ones included: nobody in without credentials, nothing of another team, no change
by a viewer. A route that is to be public, or that takes an argument these tests do not know, has to be named here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from monitoring import alerts
from monitoring.models import Alert, IngestBatch, Reference
from registry import deployments, inventory, outbox, upstream
from registry.deployments import ApprovalRequired, Authority
from registry.models import ApiKey, Role, Scope, Source, Team
from registry.permissions.table import SCOPE_PERMISSIONS
from registry.upstream import Change
from tests.factories import (
    NOON,
    api,
    make_deployment,
    make_endpoint,
    make_key,
    make_measurement,
    make_model,
    make_monitor,
    make_run,
    make_user,
    make_version,
    make_webhook,
)
from tests.registry.permissions_table import CELLS

PUBLIC = {"sign-in", "sign-out", "claim", "healthz", "readyz", "api-schema", "api-docs", "problem-detail"}
DEVELOPMENT = {"components", "component-fragment", "home_components"}  # not routed in production
OWN = {"password-change", "look-change"}  # a viewer's own account
NOWHERE = {"mlflow:nowhere-detail", "workspace-nowhere"}  # 404 to everybody: what MLflow has and the portal has not
READS = {"mlflow:version-latest"}  # a POST that only reads
UNSAFE = ("post", "put", "patch", "delete")
# What each change needs, by the names of routes (with a method where the methods of one differ). A route that takes an
# unsafe method and stands neither here nor in the sets above fails the test.
NEEDS = """
inventory.edit       registry-api: model-list model-detail.patch feature-list version-list version-feature-list
inventory.edit       registry-api: alias-detail model-tag version-tag source-list source-detail.patch consumer-list
inventory.edit       registry-api: consumer-detail.patch manifest-plan manifest-apply endpoint-list
inventory.edit       registry-api: endpoint-detail.patch
inventory.remove     registry-api: model-detail.delete version-detail source-detail.delete consumer-detail.delete
inventory.remove     registry-api: endpoint-detail.delete
deployment.activate  registry-api: revision-list
key.manage           registry-api: key-list key-rotate key-revoke
webhook.manage       registry-api: webhook-list webhook-detail webhook-test webhook-rotate message-replay
change_event.report  registry-api: change-event-list
inventory.edit       mlflow: model-create model-update model-tag model-untag alias-detail version-create version-update
inventory.edit       mlflow: version-transition version-tag version-untag
inventory.remove     mlflow: model-rename model-delete version-delete
webhook.manage       mlflow: webhook-search webhook-read webhook-test
traffic.erase        monitoring-api: erasure-list
monitor.edit         monitoring-api: set-aside-replay reference-list reference-detail reference-make-primary
alert.handle         monitoring-api: alert-acknowledge
inventory.edit       registry: model-create model-edit feature-list feature-create feature-edit feature-remove
inventory.edit       registry: model-tags model-tag-remove alias-list alias-drop version-tags version-tag-remove
inventory.edit       registry: version-create version-detail endpoint-create endpoint-edit source-create source-edit
inventory.edit       registry: consumer-create consumer-edit manifest-apply
inventory.remove     registry: model-delete version-delete version-block version-unblock endpoint-retire source-retire
inventory.remove     registry: consumer-retire
deployment.activate  registry: endpoint-activate endpoint-roll-back endpoint-switch-off
team.manage          registry: team-create
member.manage        registry: team-edit member-add member-change member-remove
key.manage           registry: key-issue key-rotate key-revoke
webhook.manage       registry: webhook-create webhook-edit webhook-test webhook-rotate webhook-enable webhook-disable
webhook.manage       registry: webhook-delete message-replay
change_event.report  registry: change-report
alert.handle         monitoring: alert-acknowledge alert-unacknowledge
monitor.edit         monitoring: run-again set-aside-replay reference-upload reference-make-primary
monitor.edit         - job-retry job-cancel
"""
NO_KEY = {"key.manage", "member.manage", "team.manage", "alert.handle"}  # what no key may do
INGEST = {"monitoring-api:prediction-take", "monitoring-api:outcome-take"}  # a scope, not a right of people


@dataclass(frozen=True, slots=True)
class Route:
    """One route with arguments that name objects of team risk."""

    name: str
    url: str
    has_object: bool

    @property
    def is_api(self) -> bool:
        return self.url.startswith(("/api/v1/", "/api/2.0/", "/api/3.0/"))


@pytest.fixture
def known(team: Team, alice) -> dict[str, Any]:
    """A value for every argument a route can have; all of them belong to team risk."""
    model = make_model(team=team, slug="credit", features=[("income", "number")])
    version, endpoint = make_version(model), make_endpoint(model, slug="credit-live")
    run = make_run(make_monitor(model))
    alerts.observe_run(run, [make_measurement(run, feature="income", value=0.9, verdict="drift", hard=True)], now=NOON)
    make_deployment(endpoint, version.number)
    with pytest.raises(ApprovalRequired) as refused:
        deployments.switch_off(endpoint, base=1, authority=Authority.of_person(alice), now=NOON)
    make_key(team=team, label="sender")
    queue.enqueue("monitoring.compact", str(model.pk), queue="ingest", team=team.pk)
    reference = Reference.objects.create(
        version=version,
        name="training",
        source="upload",
        state="ready",
        file_format="csv",
        path="x",
        sha256="0" * 64,
        size_bytes=1,
        created_at=NOON,
        created_by="alice",
    )
    batch = IngestBatch.objects.create(
        team=team,
        model=model,
        kind="prediction",
        key="k",
        body_sha256="0" * 64,
        via="api",
        answer={},
        received=1,
        accepted=1,
        rejected=0,
        received_at=NOON,
    )
    webhook = make_webhook(team)
    [message] = outbox.publish("version.registered", "v1", {}, team=team, now=NOON)
    source = Source.objects.create(
        slug="bureau", team=team, name="Bureau", kind="api", created_at=NOON, created_by="setup", updated_at=NOON
    )
    change = Change(kind="schema", title="Column renamed", started_at=NOON, source=source)
    event, _ = upstream.report_change(team, change, by="setup", now=NOON)
    inventory.set_tag(model, "domain", "lending", by="setup", now=NOON)
    inventory.set_alias(model, "champion", version, by="setup", now=NOON)
    consumer = inventory.create_consumer(
        endpoint, name="loan-desk", kind="service", use="assisted", by="setup", now=NOON
    )
    return {
        "webhook_id": webhook.pk,
        "message_id": message.pk,
        "event_id": event.pk,
        "number": version.number,
        "run_id": run.pk,
        "alert_id": Alert.objects.get().pk,
        "reference_id": reference.pk,
        "batch_id": batch.pk,
        "job_id": Job.objects.get(key=str(model.pk)).pk,
        "feature_id": model.features.get(version=None).pk,
        "feature": "income",
        "username": "alice",
        "key_id": ApiKey.objects.get(label="sender").key_id,
        "path": "experiments/list",
        "consumer_id": consumer.pk,
        "key": "domain",
        "name": "champion",
        "code": "unknown_version",
        "token": "nonsense",
        "revision": 1,
        "intent_id": refused.value.intent_id,
        "slug": {
            "models": model.slug,
            "endpoints": endpoint.slug,
            "serving": endpoint.slug,
            "teams": team.slug,
            "sources": source.slug,
        },
    }


@pytest.fixture
def routes(known) -> list[Route]:
    return list(_routes(get_resolver(), known))


def _routes(resolver: URLResolver, known: dict[str, Any], namespace: str = "", prefix: str = "") -> Iterator[Route]:
    for one in resolver.url_patterns:
        path = f"{prefix}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from _routes(one, known, f"{one.namespace}:" if one.namespace else namespace, path)
        elif isinstance(one, URLPattern) and one.name not in DEVELOPMENT and not path.startswith("components/"):
            arguments = {name: _value(known, name, path) for name in one.pattern.converters}
            name = f"{namespace}{one.name}"
            yield Route(name, reverse(name, kwargs=arguments), bool(arguments))


def _value(known: dict[str, Any], name: str, path: str) -> Any:
    value = known[name]
    return value[path.removeprefix("api/v1/").split("/")[0]] if isinstance(value, dict) else value


def _send(client: Client, method: str, route: Route) -> int:
    if method == "get":
        return client.get(route.url).status_code
    media = "application/json" if route.is_api else "application/x-www-form-urlencoded"
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'} if route.is_api else {}
    return getattr(client, method)(
        route.url, "{}" if route.is_api else "", content_type=media, headers=headers
    ).status_code


def test_the_list_of_public_routes_is_short_and_true(routes):
    assert len(PUBLIC) <= 8
    assert {route.name for route in routes} >= PUBLIC


def test_without_credentials_nothing_but_the_public_routes_answers(routes):
    client, found = Client(REMOTE_ADDR="192.0.2.7"), []  # metrics answer this machine
    for route in routes:
        if route.name in PUBLIC | NOWHERE:
            continue
        for method in ("get", *UNSAFE):
            answer = getattr(client, method)(route.url)
            to_sign_in = answer.status_code == 302 and answer.headers["Location"].startswith(
                reverse(settings.LOGIN_URL)
            )
            if not to_sign_in and answer.status_code not in (401, 405):
                found.append((method, route.name, answer.status_code))

    assert found == []


def test_what_belongs_to_another_team_does_not_exist(routes, charlie):
    client = Client()
    client.force_login(charlie)
    key = api(make_key(team=charlie.memberships.get().team, scopes=list(Scope.values)))
    found = []
    for route in routes:
        if route.name in PUBLIC or not route.has_object:
            continue
        for method in ("get", *UNSAFE):
            status = _send(key if route.is_api else client, method, route)
            if status not in (404, 405):
                found.append((method, route.name, status))

    assert found == []


def test_a_viewer_changes_nothing(routes, victor, team):
    client = Client()
    client.force_login(victor)
    key = api(make_key(team=team, user=victor))
    found = []
    for route in routes:
        if route.name in PUBLIC | OWN | READS:
            continue
        for method in UNSAFE:
            status = _send(key if route.is_api else client, method, route)
            if status not in (403, 404, 405):
                found.append((method, route.name, status))

    assert found == []


def _needs() -> dict[str, str]:
    """The right that each route, or one method of it, takes."""
    found = {}
    for line in NEEDS.strip().splitlines():
        permission, namespace, *names = line.split()
        found |= {f"{namespace.strip('-')}{name}": permission for name in names}
    return found


def _unsafe(routes: list[Route]) -> Iterator[tuple[Route, str, str]]:
    """Every change that can be asked for, with the right it takes."""
    needs = _needs()
    for route in routes:
        if route.name in PUBLIC | OWN | NOWHERE | READS | INGEST:
            continue
        for method in UNSAFE:
            yield route, method, needs.get(f"{route.name}.{method}") or needs.get(route.name, "")


PERSONAS = {
    "viewer": {"role": Role.VIEWER},
    "contributor": {"role": Role.CONTRIBUTOR},
    "maintainer": {"role": Role.MAINTAINER},
    "reviewer": {"role": Role.VIEWER, "is_reviewer": True},
    "approver": {"role": Role.VIEWER, "is_approver": True},
    "auditor": {"is_auditor": True},
    "admin": {"is_admin": True},
}


@pytest.mark.parametrize("persona", PERSONAS)
def test_everybody_changes_exactly_what_the_table_of_rights_grants(persona, routes, team):
    person = make_user(f"the-{persona}", **{"team": team, **PERSONAS[persona]})
    granted = {permission for permission, role, is_granted in CELLS if is_granted and role in {persona, "viewer"}}
    if persona in {"auditor", "admin"}:
        granted = {permission for permission, role, is_granted in CELLS if is_granted and role == persona}
    client, found = Client(), []
    client.force_login(person)
    key = api(make_key(team=team, user=person, scopes=list(Scope.values)))
    for route, method, permission in _unsafe(routes):
        may = permission in granted and not (route.is_api and permission in NO_KEY)
        status = _send(key if route.is_api else client, method, route)
        if status == 405:
            continue
        if not permission:
            found.append((method, route.name, "has no entry"))
        elif may == (status in {401, 403}) or (not may and status not in {403, 404}):
            found.append((method, route.name, permission, status))

    assert found == []


def test_a_key_that_has_expired_opens_nothing(routes, team):
    expired = make_key(team=team, scopes=list(Scope.values))
    ApiKey.objects.filter(key_id=expired.split("_")[1]).update(expires_at=NOON)
    key, found = api(expired), []
    for route in routes:
        if not route.is_api or route.name in PUBLIC | NOWHERE:
            continue
        for method in ("get", *UNSAFE):
            status = _send(key, method, route)
            if status not in {401, 405}:
                found.append((method, route.name, status))

    assert found == []


@pytest.mark.parametrize("scope", Scope.values)
def test_a_key_changes_nothing_beyond_its_scope(scope, routes, team):
    key, found = api(make_key(team=team, scopes=[scope])), []
    within = {str(permission) for permission in SCOPE_PERMISSIONS[Scope(scope)]}
    for route, method, permission in _unsafe(routes):
        if route.is_api and permission not in within:
            status = _send(key, method, route)
            if status not in {403, 404, 405}:
                found.append((method, route.name, permission, status))
    if scope != Scope.INGEST:
        found += [
            (route.name, scope)
            for route in routes
            if route.name in INGEST and _send(key, "post", route) not in {403, 404}
        ]

    assert found == []

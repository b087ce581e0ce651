"""The registry at its promised size, and what one call of MLflow's API costs there, whole request included."""

import gc
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, reset_queries  # noqa: E402
from django.test import Client  # noqa: E402

from registry import permissions  # noqa: E402
from registry.models import Alias, Membership, ModelVersion, RegisteredModel, Scope, Tag, Team, User  # noqa: E402

MODELS, VERSIONS, TAGS, LARGE = 10_000, 100_000, 200_000, 5_000
ROUNDS, WARM = 60, 3
START = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "/api/2.0/mlflow/"
BIG, MIDDLE = "model-00000", "model-05000"
AT_ONCE = 5_000
PROMPT = "tag.`mlflow.prompt.is_prompt` != 'true'"


@dataclass(frozen=True, slots=True)
class Measured:
    """One call: what it does (given the round), the promised p95, the promised number of queries (0: none)."""

    act: Callable[[int], Any]
    limit_ms: float
    queries: int = 0


def main() -> None:
    """Build, measure, print one JSON object."""
    call_command("collectstatic", interactive=False, verbosity=0)  # pages name their files by content
    team = Team.objects.create(slug="bench", name="Bench", created_at=START)
    scopes = [Scope.REGISTRY]
    _, key = permissions.issue_key(
        team, label="bench", scopes=scopes, role="maintainer", by="setup", now=datetime.now(UTC)
    )
    build(team)
    gc.collect()
    gc.freeze()  # as the web process does, and of the rows that were built nothing is left to look through
    gc.set_threshold(50_000, 20, 20)
    calls = measured(Caller(key)) | inventory_pages(team)
    figures = {name: figures_of(one) for name, one in calls.items() if wanted(name)}
    print(json.dumps({"models": MODELS, "versions": VERSIONS, "tags": Tag.objects.count(), "calls": figures}))


def wanted(name: str) -> bool:
    """Whether BENCH_ONLY, if set, is part of the name."""
    return os.environ.get("BENCH_ONLY", "") in name


def build(team: Team) -> None:
    """10,000 models with 100,000 versions, one of them with 5,000; 200,000 tags; an alias per model."""
    common = {"created_by": "bench"}
    models = [
        RegisteredModel(
            pk=UUID(int=i + 1),
            team=team,
            name=f"model-{i:05d}",
            slug=f"model-{i:05d}",
            created_at=at(i),
            updated_at=at(i * 7),
            next_version=LARGE + 1 if i == 0 else 11,
            **common,
        )
        for i in range(MODELS)
    ]
    RegisteredModel.objects.bulk_create(models, batch_size=AT_ONCE)
    versions = []
    for i, model in enumerate(models):
        count = LARGE if i == 0 else (10 if i <= VERSIONS - LARGE - 9 * (MODELS - 1) else 9)
        for number in range(1, count + 1):
            serial = len(versions)
            stage = ("Production", "Staging", "Archived")[number - 1] if number <= 3 else "None"
            source, moved = f"s3://bucket/{i}/{number}", at((serial * 7919) % VERSIONS)
            versions.append(
                ModelVersion(
                    pk=UUID(int=serial + 1_000_000),
                    model=model,
                    number=number,
                    source=source,
                    storage_uri=source,
                    run_id=f"run{serial:06d}",
                    stage=stage,
                    created_at=at(serial),
                    updated_at=moved,
                    **common,
                )
            )
    ModelVersion.objects.bulk_create(versions, batch_size=AT_ONCE)
    tags = [Tag(model=model, key="domain", value=f"domain-{i % 200}") for i, model in enumerate(models)]
    tags += [Tag(model=model, key=f"team-{i % 20}", value="x" * (i % 90)) for i, model in enumerate(models)]
    for serial, version in enumerate(versions):
        tags.append(Tag(model_id=version.model_id, version=version, key="framework", value=f"kind-{serial % 500}"))
        if serial < TAGS - 2 * MODELS - VERSIONS:
            tags.append(Tag(model_id=version.model_id, version=version, key=f"metric-{serial % 40}", value=str(serial)))
    Tag.objects.bulk_create(tags, batch_size=AT_ONCE)
    firsts = [version for version in versions if version.number == 2]
    Alias.objects.bulk_create(
        [Alias(model_id=one.model_id, version=one, name="champion", set_at=START, set_by="bench") for one in firsts],
        batch_size=AT_ONCE,
    )


def at(serial: int) -> datetime:
    """A moment of its own for each row."""
    return START + timedelta(seconds=serial)


class Caller:
    """The client, in this process: middleware, authentication, database and JSON are in the time."""

    def __init__(self, key: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key}", "Host": "127.0.0.1"})

    def get(self, path: str, **parameters: Any) -> Any:
        """A GET that has to succeed."""
        answer = self.client.get(BASE + path, parameters)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)

    def send(self, method: str, path: str, **body: Any) -> Any:
        """Another method that has to succeed."""
        answer = getattr(self.client, method)(BASE + path, json.dumps(body), content_type="application/json")
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)


def measured(call: Caller) -> dict[str, Measured]:
    """Every call of the promise."""
    found = {
        "get model with 10 versions": Measured(lambda i: call.get("registered-models/get", name=name(i)), 15, 5),
        "get model with 5,000 versions": Measured(lambda i: call.get("registered-models/get", name=BIG), 15, 5),
        "get version": Measured(lambda i: call.get("model-versions/get", name=name(i), version="4"), 15, 4),
        "get by alias": Measured(lambda i: call.get("registered-models/alias", name=name(i), alias="champion"), 15, 4),
        "download uri": Measured(
            lambda i: call.get("model-versions/get-download-uri", name=name(i), version="4"), 15, 4
        ),
        "latest versions of 5,000": Measured(
            lambda i: call.get("registered-models/get-latest-versions", name=BIG), 15, 5
        ),
    }
    found |= searches(call, "model", "registered-models/search", "registered_models", MODEL_FILTERS, MODEL_ORDERS)
    found |= searches(call, "version", "model-versions/search", "model_versions", VERSION_FILTERS, VERSION_ORDERS)
    found |= {
        "version search, 10,000 rows": Measured(
            lambda i: call.get("model-versions/search", max_results=10_000), 1000, 5
        ),
        "create version in a model of 5,000": Measured(
            lambda i: call.send(
                "post", "model-versions/create", name=BIG, source="s3://b/x", tags=[{"key": "k", "value": "v"}]
            ),
            30,
            0,
        ),
        "set alias": Measured(
            lambda i: call.send("post", "registered-models/alias", name=BIG, alias="next", version=str(i % 9 + 1)),
            30,
            0,
        ),
        "set tag": Measured(
            lambda i: call.send("post", "registered-models/set-tag", name=BIG, key="k", value=str(i)), 30, 0
        ),
        "transition": Measured(
            lambda i: call.send(
                "post", "model-versions/transition-stage", name=BIG, version=str(i % 9 + 1), stage="Staging"
            ),
            30,
            0,
        ),
        "rename a model with 5,000 versions and back": Measured(lambda i: rename(call, i), 60, 0),
        "create model": Measured(
            lambda i: call.send("post", "registered-models/create", name=f"new {i} {time.time_ns()}"), 30, 0
        ),
    }
    return found


def inventory_pages(team: Team) -> dict[str, Measured]:
    """The model list as a maintainer of the one team that has them all sees it, with 50 rows and counted filters."""
    person = User.objects.create_user("reader", "reader@example.org")
    Membership.objects.create(team=team, user=person, role="maintainer", created_at=START)
    client = Client(headers={"Host": "127.0.0.1"})
    client.force_login(person)

    def page(query: str) -> Callable[[int], Any]:
        def act(i: int) -> Any:
            client.cookies.pop("model-order", None)  # another order would be remembered, and led to
            answer = client.get(f"/models/?{query}")
            assert answer.status_code == 200, answer.content
            return answer

        return act

    asked = {"": "inventory page", "q=047": "inventory page by text", "sort=-updated": "inventory page by last change"}
    asked |= {"tag=domain:domain-7": "inventory page by tag", "risk=unrated&sort=-readiness": "inventory page by risk"}
    return {name: Measured(page(query), 80, 9) for query, name in asked.items()}


MODEL_FILTERS = {
    "name =": "name = 'model-04711'",
    "name !=": "name != 'model-04711'",
    "name LIKE": "name LIKE '%-047%'",
    "name ILIKE": "name ILIKE '%MODEL-047%'",
    "name LIKE, no hit": "name LIKE '%nothing%'",
    "name IN": "name IN ('model-04711', 'model-00001', 'nobody')",
    "name NOT IN": "name NOT IN ('model-04711', 'model-00001')",
    "tag =": "tags.domain = 'domain-7'",
    "tag !=": "tags.domain != 'domain-7'",
    "tag LIKE": "tags.domain LIKE '%-77'",
    "tag ILIKE": "tags.domain ILIKE 'DOMAIN-7%'",
    "tag LIKE, no hit": "tags.domain LIKE '%nothing%'",
    "tag ! of a rare key": "tags.`team-7` != 'y'",
    "portal tag": "tags.`portal.team` = 'bench'",
    "the client's own filter": PROMPT,
    "three clauses": "name LIKE 'model-0%' AND tags.domain = 'domain-7' AND tags.`team-7` LIKE 'x%'",
}
MODEL_ORDERS = ("name ASC", "name DESC", "timestamp ASC", "timestamp DESC")
VERSION_FILTERS = {
    "name =": f"name = '{BIG}'",
    "name !=": f"name != '{BIG}'",
    "name LIKE": "name LIKE 'model-047%'",
    "name ILIKE": "name ILIKE 'MODEL-047%'",
    "name LIKE, no hit": "name LIKE '%nothing%'",
    "name IN": "name IN ('model-04711', 'model-00001', 'nobody')",
    "name NOT IN": f"name NOT IN ('{BIG}', 'model-00001')",
    "run_id =": "run_id = 'run054321'",
    "run_id !=": "run_id != 'run054321'",
    "run_id LIKE": "run_id LIKE '%4321'",
    "run_id IN": "run_id IN ('run054321', 'run000007')",
    "source_path =": "source_path = 's3://bucket/4711/3'",
    "source_path LIKE": "source_path LIKE '%/4711/%'",
    "source_path ILIKE": "source_path ILIKE 'S3://BUCKET/47%'",
    "version_number =": "version_number = 4999",
    "version_number >": "version_number > 4900",
    "version_number <": "version_number < 3",
    "tag =": "tags.framework = 'kind-7'",
    "tag !=": "tags.framework != 'kind-7'",
    "tag LIKE": "tags.framework LIKE '%-77'",
    "tag LIKE, no hit": "tags.framework LIKE '%nothing%'",
    "tag ! of a rare key": "tags.`metric-7` != 'y'",
    "name and number": f"name = '{BIG}' AND version_number >= 2500",
    "the client's own filter": PROMPT,
}
VERSION_ORDERS = (
    "last_updated_timestamp DESC",
    "name ASC",
    "name DESC",
    "version_number ASC",
    "creation_timestamp DESC",
)


def searches(
    call: Caller, what: str, path: str, items: str, filters: dict[str, str], orders: tuple[str, ...]
) -> dict[str, Measured]:
    """A page of 100 by every filter, by every order at its beginning and at its end."""
    queries = 6 if what == "model" else 5
    found = {
        f"{what} search, first page of 100": Measured(lambda i: call.get(path, max_results=100), 40, queries),
        f"{what} search, last page of 100": Measured(last_page(call, path, {}), 40, queries),
    }
    for name_, text in filters.items():
        limit = 20 if name_ == "run_id =" else 40
        act = lambda i, text=text: call.get(path, max_results=100, filter=text)  # noqa: E731
        found[f"{what} search by {name_}"] = Measured(act, limit, queries)
    for order in orders:
        act = lambda i, order=order: call.get(path, max_results=100, order_by=order)  # noqa: E731
        found[f"{what} search in order {order}"] = Measured(act, 40, queries)
        found[f"{what} search in order {order}, deep"] = Measured(
            last_page(call, path, {"order_by": order}), 40, queries
        )
    return found


def last_page(call: Caller, path: str, given: dict[str, str]) -> Callable[[int], Any]:
    """A call of the last page that is full: its token is looked for once, by large steps."""
    tokens: list[str] = []

    def act(i: int) -> Any:
        while not tokens:
            token, before, step = "", "", 1000 if "registered" in path else 10_000
            while True:
                page = call.get(path, **given, max_results=step, **({"page_token": token} if token else {}))
                before, token = token, page.get("next_page_token", "")
                if not token:
                    tokens.append(before)
                    break
        return call.get(path, **given, max_results=100, page_token=tokens[0])

    return act


def name(i: int) -> str:
    """Another small model each time."""
    return f"model-{(i * 97) % (MODELS - 1) + 1:05d}"


def rename(call: Caller, i: int) -> Any:
    """The large model to another name and back."""
    call.send("post", "registered-models/rename", name=BIG, new_name=f"big one {i}")
    return call.send("post", "registered-models/rename", name=f"big one {i}", new_name=BIG)


def figures_of(one: Measured) -> dict[str, float]:
    """p95 and median over the rounds, and the queries of one more call."""
    for i in range(WARM):
        one.act(i)
    taken = []
    for i in range(ROUNDS if one.limit_ms < 500 else 6):
        before = time.perf_counter()
        one.act(i)
        taken.append((time.perf_counter() - before) * 1e3)
    queries = [queries_of(one.act, i) for i in range(2)]
    p95 = statistics.quantiles(taken, n=20)[-1]
    limits = {"limit_ms": one.limit_ms, "queries_limit": one.queries}
    return {"p95_ms": p95, "median_ms": statistics.median(taken), "queries": max(queries)} | limits


def queries_of(act: Callable[[int], Any], i: int) -> int:
    """How many statements the call sends."""
    connection.force_debug_cursor = True
    reset_queries()
    act(i)
    connection.force_debug_cursor = False
    if os.environ.get("BENCH_SQL"):
        for query in connection.queries:
            print(query["time"], query["sql"][:3000])
    return sum(not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")) for query in connection.queries)


if __name__ == "__main__":
    main()

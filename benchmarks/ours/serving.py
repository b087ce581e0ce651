"""Before and after the polls: an endpoint with a revision and a key, and how long the next revisions take."""

import json
import sys
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.ours import company
from benchmarks.timing import Stopwatch
from mlops_portal.kit import clock
from registry import deployments, inventory, permissions
from registry.deployments import Authority, Plan
from registry.models import Endpoint, Role, Scope

TIMES = 100


def prepare(_: object) -> None:
    """Make an endpoint in staging that serves version 1, and a key that may poll it; print the tag and the key."""
    version = company.make_version([f"n{i:02d}" for i in range(20)])
    inventory.register_version(version.model, by="setup", now=clock.now())
    model, now = version.model, clock.now() - timedelta(minutes=1)
    endpoint = inventory.create_endpoint(
        model, slug="credit-decision", environment="staging", alias="champion", by="setup", now=now
    )
    authority = Authority.of_person("setup")
    revision = deployments.activate(endpoint, Plan.single(1), base=0, authority=authority, now=now)
    _, text = permissions.issue_key(
        model.team, label="bench", scopes=[Scope.SERVING], role=Role.MAINTAINER, by="setup", now=now
    )
    print(json.dumps({"etag": revision.etag, "key": text}))


def activate(_: object) -> None:
    """Activate versions 1 and 2 in turn; print the 95th percentile, and the statements of one activation."""
    authority, took = Authority.of_person("setup"), []
    for base in range(1, TIMES + 1):
        watch = Stopwatch()
        _next(base, authority)
        took.append(watch.wall_s())
    with CaptureQueriesContext(connection) as captured:
        _next(TIMES + 1, authority)
    statements = [query["sql"] for query in captured.captured_queries]
    counted = [sql for sql in statements if not sql.startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
    print(json.dumps({"p95_s": sorted(took)[int(0.95 * TIMES)], "statements": len(counted)}))


def _next(base: int, authority: Authority) -> None:
    endpoint = Endpoint.objects.select_related("model__team", "environment").get(slug="credit-decision")
    plan = Plan.single(base % 2 + 1)
    deployments.activate(endpoint, plan, base=base, authority=authority, now=clock.now())


if __name__ == "__main__":
    {"prepare": prepare, "activate": activate}[sys.argv[1]](json.loads(sys.argv[2]))

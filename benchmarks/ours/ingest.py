"""Before and after the load: a model with a key, and what the inbox holds of it."""

import json
import sys
from datetime import timedelta

from django.db.models import Sum

from benchmarks.ours import company
from mlops_portal.kit import clock
from monitoring.models import InboxRow, IngestBatch
from monitoring.traffic import payload
from registry import permissions
from registry.models import Role, Scope


def prepare(names: list[str]) -> None:
    """Make a model and print a key that may send its predictions."""
    version = company.make_version(names)
    now = clock.now() - timedelta(minutes=1)
    team = version.model.team
    _, text = permissions.issue_key(
        team, label="bench", scopes=[Scope.INGEST], role=Role.MAINTAINER, by="setup", now=now
    )
    print(json.dumps(text))


def stored(_: object) -> None:
    """Print how many records are stored, by their receipts, by their inbox rows and by their distinct ids."""
    mine = InboxRow.objects.filter(codec=payload.CODEC)
    ids: set[str] = set()
    for blob in mine.values_list("payload", flat=True).iterator(chunk_size=16):
        for group in payload.decode(bytes(blob)):
            ids.update(group.column("request_id"))
    peer = InboxRow.objects.exclude(codec=payload.CODEC)
    print(
        json.dumps(
            {
                "receipts": IngestBatch.objects.filter(inbox__in=mine).aggregate(n=Sum("accepted"))["n"] or 0,
                "rows": mine.aggregate(n=Sum("items"))["n"] or 0,
                "ids": len(ids),
                "peer": peer.aggregate(n=Sum("items"))["n"] or 0,
            }
        )
    )


if __name__ == "__main__":
    {"prepare": prepare, "stored": stored}[sys.argv[1]](json.loads(sys.argv[2]))

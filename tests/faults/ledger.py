"""Clients of the portal, and their ledger: what was sent, what was acknowledged, what nobody knows."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

REGIONS = ("EU", "UK", "US")
ANSWER_S = 10.0
PAUSE_S = 0.1
REFUSED = frozenset({401, 403, 404, 422})  # no repetition helps


class Refused(AssertionError):
    """The portal says that this body will never do; no body of the harness deserves it."""


class NeverAcknowledged(AssertionError):
    """The portal did not take a body in time."""


@dataclass(eq=False, slots=True)
class Body:
    """One request of a client; answers: the status of each attempt, 0 where the answer never came."""

    model: str
    kind: str
    items: list[dict[str, Any]]
    acked: bool = False
    answers: list[int] = field(default_factory=list)
    receipt: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/api/v1/models/{self.model}/{self.kind}s"


class Ledger:
    """Every body that was ever sent. Thread-safe."""

    def __init__(self) -> None:
        self._bodies: list[Body] = []
        self._lock = threading.Lock()

    def note(self, body: Body) -> None:
        with self._lock:
            if body not in self._bodies:
                self._bodies.append(body)

    def document(self) -> list[dict[str, Any]]:
        """As JSON, for the checks."""
        with self._lock:
            return [
                {"model": one.model, "kind": one.kind, "acked": one.acked, "items": one.items} for one in self._bodies
            ]


@dataclass(frozen=True, slots=True)
class Sender:
    """A client that repeats a body until it is acknowledged, as clients are told to do."""

    port: int
    key: str
    ledger: Ledger

    def send(self, body: Body, *, patience_s: float = 60.0) -> Body:
        """Raises NeverAcknowledged when the patience is over."""
        self.ledger.note(body)
        until = time.monotonic() + patience_s
        while not self.attempt(body):
            if time.monotonic() > until:
                raise NeverAcknowledged(f"{body.path}: {body.answers[-20:]}")
            time.sleep(PAUSE_S)
        return body

    def attempt(self, body: Body) -> bool:
        """Send it once; whether it was acknowledged."""
        self.ledger.note(body)
        document = json.dumps({"items": body.items}).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("POST", body.path, document, headers)
            answer = connection.getresponse()
            text = answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            body.answers.append(0)
            return False
        finally:
            connection.close()
        body.answers.append(status)
        if status in REFUSED:
            raise Refused(f"{body.path}: {status} {text!r}")
        if status == 202:
            body.receipt = json.loads(text)
            body.acked = True
        return status == 202


def send_all(sender: Sender, bodies: Sequence[Body], *, senders: int) -> None:
    """Send the bodies from so many threads at once; raises what the first of them that failed raised."""
    waiting, errors, lock = list(bodies), [], threading.Lock()

    def client() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                body = waiting.pop(0)
            try:
                sender.send(body)
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=client) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def midnight() -> datetime:
    """The last one, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def predictions(model: str, *, days_ago: int, count: int = 12, name: str = "r", subject: str = "") -> Body:
    """Predictions spread over one of the last days. subject: whom every third of them is about."""
    start = midnight() - timedelta(days=days_ago)
    items = []
    for i in range(count):
        score = round((i * 37 % 100) / 100, 2)
        items.append(
            {
                "request_id": f"{name}-{days_ago}-{i}",
                "version": "1",
                "predicted_at": (start + timedelta(seconds=86_399 * i / count)).isoformat(),
                "features": {"income": 30_000.0 + 1000 * (i % 17), "region": REGIONS[i % 3]},
                "score": score,
                "prediction": "default" if score >= 0.5 else "repaid",
                "latency_ms": 10.0 + i,
            }
        )
        if subject and i % 3 == 0:
            items[-1]["subject_id"] = subject
    return Body(model, "prediction", items)


def outcomes(of: Body, *, every: int = 2) -> Body:
    """The truth about every second of the predictions, an hour later."""
    items = [
        {
            "request_id": item["request_id"],
            "kind": "truth",
            "value": item["prediction"],
            "observed_at": (datetime.fromisoformat(item["predicted_at"]) + timedelta(hours=1)).isoformat(),
            "predicted_at": item["predicted_at"],
        }
        for item in of.items[::every]
    ]
    return Body(of.model, "outcome", items)

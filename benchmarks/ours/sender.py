"""A lean sender: some keep-alive connections that post prepared bodies one after the other. Loopback only."""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

HOST = "127.0.0.1"
LONGEST_S = 30.0


@dataclass(slots=True)
class Tally:
    """What came of the bodies."""

    bodies: list[bytes]
    answered: int = 0
    refused: list[str] = field(default_factory=list)


def bodies(count: int, items: int, features: list[str], prefix: str) -> list[bytes]:
    """Bodies of records with ids of their own; the values of the features come from a pool."""
    rng = random.Random(count * items)  # noqa: S311 (data, no secret)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    pool = [json.dumps({name: _value(rng, name) for name in features}, separators=(",", ":")) for _ in range(997)]
    made = []
    for i in range(count):
        records = [
            f'{{"request_id":"{prefix}-{i}-{j}","version":"1","predicted_at":"{now}","endpoint":"credit-decision",'
            f'"score":{rng.random():.6f},"prediction":"repaid","latency_ms":{20 + 30 * rng.random():.3f},'
            f'"features":{pool[(i * items + j) % len(pool)]}}}'
            for j in range(items)
        ]
        made.append(('{"items":[' + ",".join(records) + "]}").encode())
    return made


def _value(rng: random.Random, name: str) -> float | str:
    return round(rng.gauss(40_000, 9_000), 2) if name[0] == "n" else f"value {rng.randrange(8)}"


async def post_all(port: int, path: str, key: str, made: list[bytes], connections: int) -> tuple[Tally, float]:
    """Post every body once, or as many as the time allows; returns what came of them and the seconds it took."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    requests = [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in made]
    tally = Tally(requests)
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Connection(tally, begun + LONGEST_S), HOST, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in opened))
    return tally, time.perf_counter() - begun


class _Connection(asyncio.Protocol):
    """One connection: a body, its answer, the next body. Written without streams, which would cost half a record."""

    def __init__(self, tally: Tally, until: float) -> None:
        self._tally = tally
        self._until = until
        self._answer = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        if head.startswith(b"HTTP/1.1 202"):
            self._tally.answered += 1
        else:
            self._tally.refused.append((head[:40] + body[:300]).decode(errors="replace"))
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._tally.refused.append(f"the connection was lost: {error}")
            self.ended.set_result(None)

    def _next(self) -> None:
        self._answer = b""
        if self._tally.bodies and time.perf_counter() < self._until:
            self._transport.write(self._tally.bodies.pop())
        else:
            self.ended.set_result(None)
            self._transport.close()


def main(order: dict[str, object]) -> None:
    """Post a warm-up that does not count and then the bodies that do; print what came of both."""
    port, path, key = int(order["port"]), str(order["path"]), str(order["key"])
    items, count, connections = int(order["items"]), int(order["bodies"]), int(order["connections"])
    acknowledged = 0
    for part, of_part in (("warm", max(connections, count // 5)), ("timed", count)):
        made = bodies(of_part, items, list(order["features"]), f"{order['name']}-{part}")
        tally, taken_s = asyncio.run(post_all(port, path, key, made, connections))
        acknowledged += tally.answered * items
    print(
        json.dumps(
            {
                "posts_per_s": tally.answered / taken_s,
                "records_per_s": tally.answered * items / taken_s,
                "acknowledged": acknowledged,
                "refused": tally.refused[:3],
            }
        )
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

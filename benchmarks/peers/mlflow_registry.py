"""MLflow's own registry server on the data of the bench, scaled down: medians in ms, by the names of our calls."""

import json
import statistics
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

ROUNDS = 20


class Server:
    """The server's REST API."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/2.0/mlflow/"

    def get(self, path, **parameters):
        with urllib.request.urlopen(f"{self.base}{path}?{urllib.parse.urlencode(parameters)}") as answer:  # noqa: S310
            return json.load(answer)

    def send(self, method, path, **body):
        request = urllib.request.Request(  # noqa: S310
            self.base + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)


def main(port, models):
    """Fill the server, then measure."""
    server = Server(port)
    versions = models * 3

    def fill(i):
        name = f"model-{i:05d}"
        server.send("POST", "registered-models/create", name=name, tags=[{"key": "domain", "value": f"d{i % 50}"}])
        for number in range(1, 4):
            tags = [{"key": "n", "value": str(number)}]
            server.send(
                "POST", "model-versions/create", name=name, source=f"s3://b/{i}/{number}", run_id=f"r{i}", tags=tags
            )
        server.send("POST", "registered-models/alias", name=name, alias="champion", version="2")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(models)))
    middle = f"model-{models // 2:05d}"
    calls = {
        "get model with 10 versions": lambda i: server.get("registered-models/get", name=middle),
        "get version": lambda i: server.get("model-versions/get", name=middle, version="1"),
        "get by alias": lambda i: server.get("registered-models/alias", name=middle, alias="champion"),
        "download uri": lambda i: server.get("model-versions/get-download-uri", name=middle, version="1"),
        "model search, first page of 100": lambda i: server.get("registered-models/search", max_results=100),
        "version search, first page of 100": lambda i: server.get("model-versions/search", max_results=100),
        "create version in a model of 5,000": lambda i: server.send(
            "POST", "model-versions/create", name=middle, source="s3://b/x"
        ),
        "set alias": lambda i: server.send(
            "POST", "registered-models/alias", name=middle, alias="next", version=str(i % 3 + 1)
        ),
        "set tag": lambda i: server.send("POST", "registered-models/set-tag", name=middle, key="k", value=str(i)),
    }
    medians = {name: median_ms(call) for name, call in calls.items()}
    version = server_version(port)
    print(json.dumps(medians | {"version": version, "models": models, "versions": versions}))


def server_version(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version") as answer:
        return answer.read().decode()


def median_ms(call):
    """The median of some calls, after one that does not count."""
    call(0)
    taken = []
    for i in range(ROUNDS):
        before = time.perf_counter()
        call(i)
        taken.append((time.perf_counter() - before) * 1e3)
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

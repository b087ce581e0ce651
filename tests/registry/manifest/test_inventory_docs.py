"""docs/inventory.md: its commands run as they stand, and give what the page says."""

import json
import re
import shlex
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from registry.manifest.fields import CONSUMER, ENDPOINT, FEATURE, MANIFEST, MODEL, SOURCE
from registry.models import RegisteredModel, Source

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/inventory.md"
DRIFTED = 2


class Shell:
    """Runs the two commands of the page, `manage.py` and `curl`, within the test."""

    def __init__(self):
        self.names, self.answers, self.exits = {}, {}, []

    def run(self, line):
        line = re.sub(r"\$(\w+)", lambda found: self.names[found[1]], line)
        if assigned := re.fullmatch(r"(\w+)=\$\((.*)\)", line):
            self.names[assigned[1]] = self.manage(shlex.split(assigned[2])[1:]).strip()
        elif assigned := re.fullmatch(r"(\w+)=(\S+)", line):
            self.names[assigned[1]] = assigned[2]
        else:
            words = shlex.split(line, comments=True)
            {"manage.py": self.manage, "curl": self.curl}[words[0]](words[1:])

    def manage(self, words):
        out, code = StringIO(), 0
        try:
            call_command(*words, stdout=out, stderr=StringIO())
        except SystemExit as ended:
            code = ended.code
        self.exits.append((words[0], code))
        return out.getvalue()

    def curl(self, words):
        url = next(word for word in words if word.startswith("http")).removeprefix(self.names["PORTAL"])
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        data = next((words[i + 1] for i, word in enumerate(words) if word in {"-d", "--data-binary"}), None)
        media = headers.pop("Content-Type", "")
        if data is not None and data.startswith("@"):
            data = (ROOT / data[1:]).read_bytes()
        client = Client(headers=headers)
        answer = client.get(url) if data is None else client.post(url, data, content_type=media)
        assert answer.status_code in {200, 201}, answer.content
        self.answers[url] = answer.json()


def commands():
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S):
        text = block.replace("\\\n", " ")
        while text:
            line, _, text = text.partition("\n")
            while line.count("'") % 2:  # a body over several lines
                more, _, text = text.partition("\n")
                line = f"{line}\n{more}"
            if line.strip():
                yield line


class Registry(BaseHTTPRequestHandler):
    """What an MLflow server answers to the two questions of the import: one model with one version."""

    def do_GET(self):
        times = {"creation_timestamp": 1_700_000_000_000, "last_updated_timestamp": 1_700_000_000_000}
        answers = {
            "registered-models": {"registered_models": [{"name": "Recovery", **times}]},
            "model-versions": {"model_versions": [{"name": "Recovery", "version": "3", "source": "s3://r/3", **times}]},
        }
        body = json.dumps(answers[urlsplit(self.path).path.split("/")[-2]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def mlflow():
    """The address of an MLflow server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.django_db
def test_the_walk_of_the_page_leads_where_it_says(monkeypatch, mlflow):
    monkeypatch.chdir(ROOT)
    shell = Shell()
    for line in commands():
        shell.run(line.replace("http://127.0.0.1:5000", mlflow))

    assert RegisteredModel.objects.filter(managed_by="lending").count() == 10
    recovery = RegisteredModel.objects.get(managed_by="")
    assert (recovery.name, recovery.next_version) == ("Recovery", 4)
    assert [code for name, code in shell.exits if name == "inventory"] == [DRIFTED, 0, 0]
    assert [one["slug"] for one in shell.answers["/api/v1/models?owner=none"]["items"]] == [
        "early-repayment",
        "recovery",
    ]
    readers = shell.answers["/api/v1/sources/ledger"]["dependents"]
    assert sorted(one["model"] for one in readers) == ["affordability", "credit-default"]
    assert shell.answers["/api/v1/inventory/plan"]["changes"] == []
    assert shell.answers["/api/v1/endpoints/credit-decision"]["serving"]["revision"] == 1
    assert shell.answers["/api/v1/endpoints/credit-decision?as_of=2025-03-03T12:00:00Z"]["serving"] is None
    assert Source.objects.get(slug="ledger").managed_by == "lending"


def test_every_key_of_the_tables_is_on_the_page():
    rows = dict(
        re.findall(r"^\| (manifest|source|model|feature|endpoint|consumer) \| (.*) \|$", PAGE.read_text(), re.M)
    )
    tables = {
        "manifest": MANIFEST,
        "source": SOURCE,
        "model": MODEL,
        "feature": FEATURE,
        "endpoint": ENDPOINT,
        "consumer": CONSUMER,
    }
    for kind, table in tables.items():
        told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", rows[kind]))))
        keys = {key for key in table if key != "slug"}
        inner = {key for one in table.values() for key in (one.inside or {})}
        assert (keys | inner) - told == set(), kind

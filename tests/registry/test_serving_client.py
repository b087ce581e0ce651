"""The client of docs/serving.md, word for word, against a portal that answers by HTTP."""

import io
import json
import re
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from registry.deployments import Arm, Plan
from registry.models import Acknowledgement
from tests.factories import make_deployment, make_endpoint, make_key, make_model, make_team, make_version

PAGE = Path(__file__).resolve().parents[2] / "docs/serving.md"
CANARY = Plan(arms=(Arm("main", "primary", 1, 9_000), Arm("new", "canary", 2, 1_000)))


@pytest.fixture
def written():
    """What the page's Python defines."""
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    exec("\n".join(found), names)  # noqa: S102 (our own page)
    return SimpleNamespace(**names)


@pytest.fixture
def endpoint(transactional_db):
    model = make_model(team=make_team("risk"))
    for _ in range(2):
        make_version(model)
    return make_endpoint(model, environment="staging")


@pytest.fixture
def client_of(written, endpoint, live_server):
    """A client with a clock that the test moves."""
    time = SimpleNamespace(now=0.0)
    key = make_key(team=endpoint.model.team, scopes=["serving"])
    url = f"{live_server.url}/api/v1/serving/{endpoint.slug}"
    return written.Serving(url, key, "pod-7", clock=lambda: time.now), time


def test_it_is_as_short_as_promised(written):
    assert len(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)[0].splitlines()) <= 50


def test_it_follows_the_portal_and_says_what_it_applies(client_of, endpoint):
    client, _ = client_of
    client.poll()
    assert client.document["revision"] == 0

    make_deployment(endpoint, CANARY)
    client.poll()
    assert client.document["revision"] == 1
    client.poll()
    assert Acknowledgement.objects.get().revision == 1

    make_deployment(endpoint, 2)
    client.poll()
    assert client.document["arms"][0]["version"] == "2"


def test_callers_stay_on_one_arm_and_are_split_as_asked(client_of, endpoint):
    client, _ = client_of
    make_deployment(endpoint, CANARY)
    client.poll()

    arms = Counter(client.arm(f"caller-{i}")["label"] for i in range(4_000))

    assert client.arm("caller-1") == client.arm("caller-1")
    assert 320 < arms["new"] < 480
    make_deployment(endpoint, Plan())
    client.poll()
    assert client.arm("caller-1") is None


def test_it_keeps_the_last_good_document_and_falls_back_after_a_silence(client_of, endpoint, monkeypatch):
    client, time = client_of
    make_deployment(endpoint, 1)
    client.poll()

    def away(*args, **kwargs):
        raise urllib.error.URLError("away")

    with monkeypatch.context() as patch:
        patch.setattr(urllib.request, "urlopen", away)
        time.now = 900.0
        client.poll()
        assert not client.is_silent()
        time.now = 901.0
        client.poll()
        assert client.is_silent()
        assert client.document["revision"] == 1

    client.poll()
    assert not client.is_silent()
    assert Acknowledgement.objects.get().mode == "fallback"


def test_it_refuses_what_is_older_or_damaged(client_of, endpoint, monkeypatch):
    client, _ = client_of
    older = make_deployment(endpoint, 1).document
    make_deployment(endpoint, 2)
    client.poll()
    held = client.document
    damaged = json.dumps(held | {"revision": 3})

    for text in (older, damaged, "not json"):
        answer = io.BytesIO(text.encode())
        answer.headers = {"ETag": '"x"'}
        with monkeypatch.context() as patch:
            patch.setattr(urllib.request, "urlopen", lambda *args, answer=answer, **kwargs: answer)
            client.poll()
        assert client.document == held

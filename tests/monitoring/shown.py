"""Measured models for the tests of pages, as plain rows, and what a browser would ask for."""

import gzip
import re
from datetime import timedelta

from django.http import HttpResponse
from django.test import Client

from monitoring.models import Monitor, Run, VersionTraffic
from monitoring.stats.results import Verdict
from registry.models import RegisteredModel, Team, User
from tests.factories import MIDNIGHT, make_measurement, make_model, make_monitor, make_run, make_version

HISTOGRAM = {"labels": ["EU", "UK", "other"], "reference": [50, 30, 20], "current": [20, 30, 50]}
HOSTILE = '"><svg onload=alert(1)>\N{GRINNING FACE}'
CONFIG = {"checks": {"input_drift": {"warn": 0.1, "drift": 0.25, "overrides": {}}}}


def make_shown(
    team: Team, *, slug: str = "eta", name: str = "Arrival times", features: int = 3, days: int = 3, psi: float = 0.41
) -> RegisteredModel:
    """A regression model with three monitors and a run of each a day; its first feature has drifted."""
    names = [f"feature_{number}" for number in range(features)]
    model = make_model(team=team, slug=slug, name=name, task="regression", features=[(one, "number") for one in names])
    version = make_version(model)
    first = MIDNIGHT - timedelta(days=days + 1)
    VersionTraffic.objects.create(version=version, first_at=first, newest_at=MIDNIGHT, last_live_at=MIDNIGHT, rows=9)
    inputs = make_monitor(model, slug="inputs-training", config=CONFIG)
    performance, operations = make_monitor(model, slug="performance"), make_monitor(model, slug="operations")
    for ago in range(days - 1, -1, -1):
        _measure_inputs(inputs, names, ago, psi)
        _measure_errors(performance, ago)
        _measure_operations(operations, ago)
    return model


def _ran(monitor: Monitor, ago: int, worst: str) -> Run:
    return make_run(monitor, end=MIDNIGHT - timedelta(days=ago), summary={"worst": worst})


def _measure_inputs(monitor: Monitor, names: list[str], ago: int, psi: float) -> None:
    run = _ran(monitor, ago, Verdict.drift)
    for number, name in enumerate(names):
        is_first = number == 0
        make_measurement(
            run,
            feature=name,
            value=psi if is_first else 0.01,
            verdict=Verdict.drift if is_first else Verdict.ok,
            rank=1 if is_first else None,
            details={"p_value": 0.0001, "floor": 0.004, "bins": 3, "histogram": HISTOGRAM},
        )
        make_measurement(run, feature=name, metric="null_share.1", check_key="data_quality", value=0.0, gap=0.0)
    make_measurement(run, metric="psi.1", check_key="output_drift", value=0.02)


def _measure_errors(monitor: Monitor, ago: int) -> None:
    run = _ran(monitor, ago, Verdict.worse)
    worse = {"check_key": "performance", "base_value": 2.0, "base_n": 900, "threshold": 0.2, "verdict": Verdict.worse}
    make_measurement(run, metric="mae.1", value=4.4, low=4.3, high=4.6, gap=2.4, n=412, **worse)
    make_measurement(run, metric="mae.1", value=5.1, low=4.0, high=6.2, gap=3.1, n=90, segment="city=Oslo", **worse)


def _measure_operations(monitor: Monitor, ago: int) -> None:
    run = _ran(monitor, ago, Verdict.ok)
    make_measurement(
        run,
        metric="latency_p95.1",
        check_key="latency",
        value=61.0,
        base_value=60.0,
        threshold=60.0,
        gap=1.0,
        details={"limit_ms": 120},
    )
    make_measurement(
        run, metric="cost_per_1k.1", check_key="cost", value=0.5, base_value=0.4, threshold=0.25, gap=0.25, n=642
    )
    make_measurement(run, metric="rows.1", check_key="volume", value=642.0, base_value=620.0, threshold=0.3, gap=0.03)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def at_home(user: User) -> Client:
    """Signed in, with the first request over, which writes the session."""
    client = signed_in(user)
    client.get("/me/")
    return client


def get(user: User | Client, url: str, *, status: int = 200) -> str:
    """The page as the person sees it, or a client that has signed in before."""
    answer = (user if isinstance(user, Client) else signed_in(user)).get(url)
    assert answer.status_code == status, f"{url} answers {answer.status_code}"
    return answer.content.decode()


def part(user: User, url: str, target: str) -> HttpResponse:
    """A fragment, as htmx asks for it."""
    return signed_in(user).get(url, headers={"HX-Request": "true", "HX-Target": target})


def text(html: str) -> str:
    """The words of a page, without marks; thin spaces as plain ones."""
    words = re.sub(r"<[^>]+>", " ", html).replace("\N{NARROW NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", words)


def gzipped(html: str) -> int:
    """Bytes on the wire."""
    return len(gzip.compress(html.encode(), 6))

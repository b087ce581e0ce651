"""Many callers at once: every number once, one open row per alias, no answer that a client would repeat for minutes."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections

from registry.models import Alias, ModelVersion, RegisteredModel, Tag
from tests.factories import make_key, make_model, make_team, make_version
from tests.registry.mlflow.calls import Calls

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).resolve().parents[3]
in_memory = connection.vendor == "sqlite" and not os.environ.get("TEST_DATABASE")  # there threads lock each other out
needs_file = pytest.mark.skipif(in_memory, reason="runs on a database file, by the test at the end")
THREADS, CREATED = 8, 40


@pytest.fixture
def key(transactional_db):
    return make_key(team=make_team("risk"), scopes=["registry"])


def at_once(key, acts):
    """The answers of acts that run in threads of their own."""

    def run(act):
        try:
            return act(Calls(key))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, acts))


def model_of(key):
    return make_model(team=RegisteredModel._meta.get_field("team").related_model.objects.get(), name="m1", slug="m1")


@needs_file
def test_forty_versions_by_eight_threads_have_forty_numbers(key):
    model_of(key)
    create = lambda call: call.post("model-versions/create", name="m1", source="s3://b/x")  # noqa: E731

    answers = at_once(key, [create] * CREATED)

    assert {status for status, _ in answers} == {200}
    assert sorted(int(answer["model_version"]["version"]) for _, answer in answers) == list(range(1, CREATED + 1))


@needs_file
def test_of_aliases_moved_at_once_one_row_is_open(key):
    model = model_of(key)
    for _ in range(4):
        make_version(model)

    def move(number):
        return lambda call: call.post("registered-models/alias", name="m1", alias="champion", version=str(number))

    answers = at_once(key, [move(i % 4 + 1) for i in range(24)])

    assert {status for status, _ in answers} == {200}
    assert Alias.objects.open().count() == 1


@needs_file
def test_of_models_created_at_once_under_one_name_one_is_made(key):
    create = lambda call: call.post("registered-models/create", name="m1")  # noqa: E731

    answers = at_once(key, [create] * THREADS)

    assert sorted(status for status, _ in answers) == [200] + [400] * (THREADS - 1)
    assert {answer["error_code"] for status, answer in answers if status == 400} == {"RESOURCE_ALREADY_EXISTS"}


@needs_file
def test_names_that_would_share_a_slug_are_all_made(key):
    names = [f"credit {mark}" for mark in "!?.+=&%#"]

    answers = at_once(key, [lambda call, name=name: call.post("registered-models/create", name=name) for name in names])

    assert {status for status, _ in answers} == {200}
    assert RegisteredModel.objects.values("slug").distinct().count() == len(names)


@needs_file
def test_tags_set_and_stages_moved_at_once_all_succeed(key):
    model = model_of(key)
    for _ in range(3):
        make_version(model)

    def act(i):
        if i % 2:
            return lambda call: call.post("registered-models/set-tag", name="m1", key="k", value=str(i))
        body = {"name": "m1", "version": str(i % 3 + 1), "stage": "Production", "archive_existing_versions": True}
        return lambda call: call.post("model-versions/transition-stage", **body)

    answers = at_once(key, [act(i) for i in range(24)])

    assert {status for status, _ in answers} == {200}
    assert Tag.objects.count() == 1
    assert ModelVersion.objects.filter(stage="Production").count() == 1


@pytest.mark.skipif(not in_memory, reason="the tests above have run")
def test_all_of_this_holds_on_a_database_file(tmp_path):
    env = os.environ | {"TEST_DATABASE": str(tmp_path / "portal.sqlite3"), "PORTAL_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]

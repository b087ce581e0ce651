"""The key ring: where keys come from, and that nobody else can read them."""

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mlops_portal.kit import keyring


def written(**keys: bytes) -> str:
    return json.dumps({kid: base64.b64encode(key).decode() for kid, key in keys.items()})


@pytest.fixture(autouse=True)
def _read_again() -> Iterator[None]:
    keyring.ring.cache_clear()
    yield
    keyring.ring.cache_clear()


def test_the_first_use_makes_a_file_that_only_its_owner_reads(settings: Any, tmp_path: Path) -> None:
    settings.KEY_RING, settings.KEY_RING_FILE = "", tmp_path / "data" / "keys.json"

    first = keyring.ring()
    keyring.ring.cache_clear()

    assert keyring.ring() == first
    assert stat.S_IMODE(settings.KEY_RING_FILE.stat().st_mode) == 0o600
    assert [len(key) for key in first.keys.values()] == [32]
    assert list(settings.KEY_RING_FILE.parent.iterdir()) == [settings.KEY_RING_FILE]


def test_processes_that_start_at_once_agree_on_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    threads = [Thread(target=keyring._create, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keyring.parse(path.read_text(), "keys.json").keys) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_the_environment_wins_and_its_last_key_is_in_use(settings: Any) -> None:
    settings.KEY_RING = written(old=b"a" * 32, new=b"b" * 32)

    ring = keyring.ring()

    assert ring.current == "new"
    assert set(ring.keys) == {"old", "new"}


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"k": "short"}', '{"k": 5}', '{"": "' + "A" * 43 + '="}', written(k=b"x" * 31)],
)
def test_a_ring_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="KEY_RING"):
        keyring.parse(text, "KEY_RING")


def test_derived_keys_differ_by_key_and_purpose_and_are_the_same_each_time() -> None:
    ring = keyring.KeyRing({"a": b"a" * 32, "b": b"b" * 32}, "b")

    found = [ring.derived(kid, purpose) for kid in "ab" for purpose in ("privacy:1", "privacy:2")]

    assert len(set(found)) == 4
    assert ring.derived("a", "privacy:1") == found[0]
    assert found[0] not in ring.keys.values()
    with pytest.raises(KeyError):
        ring.derived("lost", "privacy:1")

"""Privacy rules: what is left of a value."""

import math
from uuid import UUID

import pytest

from mlops_portal.kit import keyring
from monitoring.traffic import privacy
from monitoring.traffic.specs import FeatureSpec

RISK, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> None:
    two = keyring.KeyRing({"k1": b"1" * 32, "k2": b"2" * 32}, "k2")
    monkeypatch.setattr(keyring, "ring", lambda: two)


def stored(
    rule: str, values: list[object], *, name: str = "employer", kid: str = "k2", team: UUID = RISK, **spec: object
):
    feature = FeatureSpec(name, "text", privacy=rule, **spec)  # type: ignore[arg-type]
    return privacy.apply_column(feature, values, team, kid)


def test_a_hash_is_the_same_for_equal_values_and_hides_them() -> None:
    first, second, other, null = stored("hash", ["Acme", "Acme", "Bolt", None])

    assert first == second != other
    assert null is None
    assert len(first) == 26
    assert "acme" not in first.lower()


@pytest.mark.parametrize("change", [{"name": "owner"}, {"kid": "k1"}, {"team": OTHER}], ids=str)
def test_a_hash_depends_on_feature_key_and_team(change: dict[str, object]) -> None:
    assert stored("hash", ["Acme"]) != stored("hash", ["Acme"], **change)  # type: ignore[arg-type]


def test_a_hash_does_not_depend_on_how_a_letter_is_composed() -> None:
    composed, decomposed = stored("hash", ["Caf\u00e9", "Cafe\u0301"])

    assert composed == decomposed


def test_a_name_and_a_value_cannot_be_shifted_into_each_other() -> None:
    assert stored("hash", ["bc"], name="a") != stored("hash", ["c"], name="ab")


def test_a_mask_leaves_four_characters() -> None:
    assert stored("mask", ["DE89370400440532013000", "1234", "12", ""]) == ["****3000", "****", "****", "****"]


def test_a_bucket_leaves_the_edge_below() -> None:
    feature = FeatureSpec("age", "number", privacy="bucket", edges=(0.0, 18.0, 65.0))

    found = privacy.apply_column(feature, [0.0, 17.9, 18.0, 200.0, -3.0, None], RISK, "k2")

    assert found == [0.0, 0.0, 18.0, 65.0, math.nextafter(0.0, -math.inf), None]


def test_a_dropped_feature_has_no_column_and_the_others_keep_their_order() -> None:
    features = [FeatureSpec("b", "text", privacy="drop"), FeatureSpec("c", "number"), FeatureSpec("a", "text")]

    kept = privacy.apply(features, {"b": ["x"], "c": [1.0], "a": ["y"]}, RISK, "k2")

    assert list(kept.items()) == [("c", [1.0]), ("a", ["y"])]


def test_a_single_value_is_stored_as_a_column_stores_it() -> None:
    for rule in ("keep", "hash", "mask"):
        feature = FeatureSpec("employer", "text", privacy=rule)
        assert [privacy.apply_value(feature, "Acme Corp", RISK, "k1")] == stored(rule, ["Acme Corp"], kid="k1")
    assert privacy.apply_value(FeatureSpec("employer", "text", privacy="drop"), "Acme", RISK, "k1") is None
    assert privacy.apply_value(FeatureSpec("employer", "text", privacy="hash"), None, RISK, "k1") is None


def test_a_subject_is_found_again_by_its_team_only() -> None:
    mine = privacy.subject_ref(RISK, "c-991", "k2")

    assert privacy.subject_refs(RISK, ["c-991", None], "k2") == [mine, None]
    assert privacy.subject_ref(OTHER, "c-991", "k2") != mine
    assert mine != stored("hash", ["c-991"])[0]


def test_hashes_are_made_with_the_key_in_use() -> None:
    assert privacy.current_kid() == "k2"

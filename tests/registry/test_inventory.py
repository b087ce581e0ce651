"""Models, versions, features and endpoints: the verbs, without any surface."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from mlops_portal.kit.errors import Conflict, Invalid, Refused, Stale
from registry import inventory
from registry.inventory import FeatureDraft
from registry.models import AuditEntry, Endpoint, Feature, ModelVersion, RegisteredModel
from tests.factories import NOON, make_endpoint, make_model, make_team, make_version

SETUP = {"by": "setup", "now": NOON}


def drafts(*names, dtype="number", **options):
    return [FeatureDraft(name=name, dtype=dtype, **options) for name in names]


class TestModels:
    """Registering and describing."""

    @pytest.mark.parametrize(
        ("task", "given", "full"),
        [
            (
                "binary",
                None,
                {"score": "probability", "classes": ["0", "1"], "positive": "1", "range": [0, 1], "unit": None},
            ),
            (
                "binary",
                {"classes": ["no", "yes"]},
                {"score": "probability", "classes": ["no", "yes"], "positive": "yes", "range": [0, 1], "unit": None},
            ),
            (
                "binary",
                {"score": "number", "positive": "0"},
                {"score": "number", "classes": ["0", "1"], "positive": "0", "range": None, "unit": None},
            ),
            ("multiclass", None, {"score": "none", "classes": [], "positive": "", "range": None, "unit": None}),
            (
                "regression",
                {"unit": "min"},
                {"score": "number", "classes": [], "positive": "", "range": None, "unit": "min"},
            ),
            ("ranking", None, {"score": "none", "classes": [], "positive": "", "range": None, "unit": None}),
        ],
    )
    def test_an_output_is_completed_by_task(self, team, task, given, full):
        assert make_model(team=team, task=task, output=given).output == full

    @pytest.mark.parametrize(
        ("task", "output"),
        [
            ("binary", {"classes": ["a", "b", "c"]}),
            ("binary", {"classes": ["a", "a"]}),
            ("binary", {"classes": ["a", 1]}),
            ("binary", {"classes": "ab"}),
            ("binary", {"positive": "2"}),
            ("binary", {"range": [0, float("inf")]}),
            ("binary", {"range": [True, 2]}),
            ("binary", {"range": [0]}),
            ("binary", {"score": "logit"}),
            ("multiclass", {"classes": ["only"]}),
            ("regression", {"classes": ["a", "b"]}),
            ("regression", {"unit": "x" * 17}),
            ("regression", {"unit": 7}),
            ("ranking", {"colour": "red"}),
        ],
    )
    def test_an_output_that_contradicts_itself_is_refused(self, team, task, output):
        with pytest.raises(Invalid) as raised:
            make_model(team=team, task=task, output=output)

        assert raised.value.faults[0].pointer.startswith("/output")

    def test_every_fault_is_told_at_once(self, team, charlie):
        with pytest.raises(Invalid) as raised:
            inventory.register_model(
                team, name="a:b", slug="Bad", task="x", risk="huge", purpose="\x00", owner=charlie, **SETUP
            )

        assert {fault.pointer for fault in raised.value.faults} == {
            "/name",
            "/slug",
            "/task",
            "/risk",
            "/purpose",
            "/owner",
        }

    def test_a_viewer_registers_nothing(self, team, victor):
        with pytest.raises(Refused):
            inventory.register_model(team, name="A", task="binary", by=victor, now=NOON)

    def test_an_edit_names_what_changed(self, team, alice, bob):
        model = make_model(team=team, owner=alice)

        inventory.edit_model(model, {"purpose": "New.", "owner": bob, "risk": "unrated"}, base=1, by=alice, now=NOON)

        assert AuditEntry.objects.get(verb="model.changed").changes == {
            "purpose": ["", "New."],
            "owner": ["alice", "bob"],
        }

    def test_of_two_edits_of_one_state_one_wins(self, team, alice):
        model = make_model(team=team)
        copy = RegisteredModel.objects.get(pk=model.pk)
        inventory.edit_model(model, {"purpose": "First."}, base=1, by=alice, now=NOON)

        with pytest.raises(Stale):
            inventory.edit_model(copy, {"purpose": "Second."}, base=1, by=alice, now=NOON)

        assert RegisteredModel.objects.get().purpose == "First."

    def test_a_rename_to_a_taken_name_changes_nothing(self, team, alice):
        make_model(team=team, name="Taken")
        model = make_model(team=team, name="Mine")

        with pytest.raises(Conflict, match="taken"):
            inventory.edit_model(model, {"name": "Taken"}, base=1, by=alice, now=NOON)

        model.refresh_from_db()
        assert (model.name, model.lock_version) == ("Mine", 1)

    def test_what_cannot_be_edited_is_a_programming_error(self, team, alice):
        with pytest.raises(ValueError, match="lifecycle"):
            inventory.edit_model(make_model(team=team), {"lifecycle": "live"}, base=1, by=alice, now=NOON)

    def test_a_model_goes_live_once(self, team):
        model = make_model(team=team)

        assert [inventory.go_live(model, **SETUP) for _ in range(2)] == [True, False]
        assert model.lifecycle == "live"

    def test_a_model_is_retired(self, team, alice, victor):
        model = make_model(team=team)

        with pytest.raises(Refused):
            inventory.retire_model(model, base=1, by=victor, now=NOON)
        assert inventory.retire_model(model, base=1, by=alice, now=NOON).lifecycle == "retired"

    def test_only_one_live_model_has_a_name_whatever_the_verb_says(self, team):
        model = make_model(team=team, name="One", slug="one")
        other = make_model(team=team)

        for field, value in (("name", "One"), ("slug", "one"), ("name", ""), ("name", "a/b"), ("name", "a:b")):
            with pytest.raises(IntegrityError), transaction.atomic():
                RegisteredModel.objects.filter(pk=other.pk).update(**{field: value})
        inventory.delete_model(model, **SETUP)
        RegisteredModel.objects.filter(pk=other.pk).update(name="One", slug="one")


class TestFeatures:
    """Lists of features."""

    @pytest.mark.parametrize(
        ("dtype", "categories", "privacy"),
        [
            ("number", (), "keep"),
            ("integer", (), "keep"),
            ("boolean", (), "keep"),
            ("timestamp", (), "keep"),
            ("category", (), "keep"),
            ("text", (), "hash"),
            ("text", ("a", "b"), "keep"),
        ],
    )
    def test_privacy_is_chosen_by_type(self, team, dtype, categories, privacy):
        model = make_model(team=team, features=drafts("x", dtype=dtype, categories=categories))

        assert model.features.get().privacy == privacy

    @pytest.mark.parametrize(
        ("names", "says"),
        [
            (("",), "needs a name"),
            (("x" * 129,), "129 characters"),
            (("x" * 300,), "300 characters"),
            (("a\x00b",), "cannot be shown"),
            (("a\nb",), "cannot be shown"),
            (("a\u202eb",), "cannot be shown"),
            (("e\u0301",), "not in NFC"),
            ((" a",), "not in NFC"),
            (("__proto__",), "reserved"),
            (("constructor",), "reserved"),
            (("Age", "age"), "only in case"),
            (("STRASSE", "straße"), "only in case"),
            (("age", "age"), "stands twice"),
        ],
    )
    def test_a_name_that_will_not_do_is_refused(self, team, names, says):
        with pytest.raises(Invalid, match=says) as raised:
            make_model(team=team, features=drafts(*names))

        assert raised.value.faults[-1].pointer.endswith("/name")

    @pytest.mark.parametrize("name", ['x"; DROP', "a.b", "%s", "日本", "with space", "é", "x" * 128, "😀"])
    def test_odd_names_are_names(self, team, name):
        assert make_model(team=team, features=drafts(name)).features.get().name == name

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"dtype": "number", "allowed_min": 2, "allowed_max": 1}, "allowed_min"),
            ({"dtype": "number", "allowed_min": float("nan")}, "allowed_min"),
            ({"dtype": "text", "allowed_max": 1}, "allowed_min"),
            ({"dtype": "number", "categories": ("a",)}, "categories"),
            ({"dtype": "category", "categories": ("a", "a")}, "categories"),
            ({"dtype": "category", "categories": ("a\x00",)}, "categories"),
            ({"dtype": "category", "categories": tuple(map(str, range(1001)))}, "categories"),
            ({"dtype": "colour"}, "dtype"),
            ({"dtype": "number", "kind": "output"}, "kind"),
            ({"dtype": "number", "privacy": "encrypt"}, "privacy"),
            ({"dtype": "number", "privacy": "hash"}, "privacy"),
            ({"dtype": "number", "privacy": "mask"}, "privacy"),
            ({"dtype": "text", "privacy": "bucket"}, "privacy"),
            ({"dtype": "number", "privacy": "bucket"}, "privacy_options"),
            ({"dtype": "number", "privacy": "bucket", "privacy_options": {"edges": [2, 1]}}, "privacy_options"),
            ({"dtype": "number", "privacy": "bucket", "privacy_options": {"edges": ["1"]}}, "privacy_options"),
            ({"dtype": "number", "privacy": "bucket", "privacy_options": {"edges": [1], "x": 1}}, "privacy_options"),
            ({"dtype": "number", "privacy": "keep", "privacy_options": {"edges": [1]}}, "privacy_options"),
            ({"dtype": "number", "abs_tolerance": -1}, "abs_tolerance"),
            ({"dtype": "number", "importance": float("inf")}, "importance"),
        ],
    )
    def test_a_draft_that_will_not_do_is_refused_at_its_field(self, team, options, field):
        good = FeatureDraft(name="good", dtype="number")

        with pytest.raises(Invalid) as raised:
            make_model(team=team, features=[good, FeatureDraft(name="x", **options)])

        assert raised.value.faults[0].pointer == f"/features/1/{field}"

    def test_a_list_has_a_length_limit(self, team):
        with pytest.raises(Invalid, match="513 features"):
            make_model(team=team, features=drafts(*(f"f{number}" for number in range(513))))

    def test_a_feature_that_keeps_its_name_keeps_its_row(self, team):
        model = make_model(team=team, features=drafts("a", "b"))
        kept = Feature.objects.get(name="b").pk

        rows = inventory.set_features(model, [*drafts("b", segment=True), *drafts("c")], **SETUP)

        assert [(row.name, row.position, row.segment) for row in rows] == [("b", 0, True), ("c", 1, False)]
        assert rows[0].pk == kept
        assert AuditEntry.objects.get(verb="features.changed").changes == {
            "a": [{"dtype": "number", "privacy": "keep"}, None],
            "b": [{"dtype": "number", "privacy": "keep"}, {"dtype": "number", "privacy": "keep", "segment": True}],
            "c": [None, {"dtype": "number", "privacy": "keep"}],
        }

    def test_the_same_list_again_is_not_recorded(self, team):
        model = make_model(team=team, features=drafts("a"))

        inventory.set_features(model, drafts("a"), **SETUP)

        assert not AuditEntry.objects.filter(verb="features.changed").exists()

    def test_versions_keep_the_list_they_were_registered_with(self, team):
        version = make_version(make_model(team=team, features=drafts("a")))

        inventory.set_features(version.model, drafts("b"), **SETUP)

        assert [feature.name for feature in version.features.all()] == ["a"]

    def test_a_draft_of_a_row_makes_the_same_row(self, team):
        given = FeatureDraft(
            "age", "integer", "context", segment=True, required=False, privacy="bucket",
            privacy_options={"edges": [18, 65]}, allowed_min=0, allowed_max=120, importance=0.5, description="Years.",
        )  # fmt: skip
        model = make_model(team=team, features=[given])

        assert FeatureDraft.of(model.features.get()) == given

    def test_constraints_hold_whatever_the_verb_says(self, team):
        version = make_version(make_model(team=team, features=drafts("a", "b")))

        for rows in (Feature.objects.current(), Feature.objects.filter(version=version)):
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.filter(name="b").update(name="a")
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(allowed_min=2, allowed_max=1)


class TestVersions:
    """Numbers that are never used twice."""

    def test_history_keeps_its_numbers_and_the_next_comes_after(self, team):
        model = make_model(team=team)

        numbers = [make_version(model, number=number).number for number in (None, 7, 3, None)]

        assert numbers == [1, 7, 3, 8]

    def test_a_number_is_used_once(self, team):
        version = make_version(make_model(team=team))

        with pytest.raises(Conflict, match="has a version 1 already"):
            make_version(version.model, number=1)
        assert make_version(version.model).number == 2

    @pytest.mark.parametrize("number", [0, -1, 2**31])
    def test_a_number_has_bounds(self, team, number):
        with pytest.raises(Invalid):
            make_version(make_model(team=team), number=number)

    def test_a_client_key_makes_one_version(self, team):
        model = make_model(team=team)
        inventory.register_version(model, client_key="k", **SETUP)

        with pytest.raises(Conflict, match="running"):
            inventory.register_version(model, client_key="k", **SETUP)
        assert ModelVersion.objects.count() == 1

    def test_a_deleted_model_gets_no_version(self, team):
        model = make_model(team=team)
        inventory.delete_model(RegisteredModel.objects.get(), **SETUP)

        with pytest.raises(Conflict, match="deleted"):
            make_version(model)

    def test_a_schema_is_frozen_once(self, team):
        version = make_version(make_model(team=team))

        assert [inventory.freeze_schema(version, now=NOON) for _ in range(2)] == [True, False]

    def test_a_frozen_list_refuses_everything_that_came_too_late_at_once(self, team):
        version = make_version(make_model(team=team, features=drafts("a", "b", "c")))
        inventory.freeze_schema(version, now=NOON)
        version.refresh_from_db()

        with pytest.raises(Conflict) as raised:
            inventory.set_version_features(
                version, [*drafts("a", dtype="integer"), *drafts("b", segment=True), *drafts("d")], **SETUP
            )

        assert raised.value.code == "schema_frozen"
        details = " ".join(fault.detail for fault in raised.value.faults)
        assert all(words in details for words in ("c cannot be removed", "d cannot be added", "a: dtype", "b: segment"))

    @pytest.mark.parametrize(
        ("was", "to", "allowed"),
        [("keep", "bucket", True), ("bucket", "drop", True), ("drop", "keep", False), ("bucket", "keep", False)],
    )
    def test_a_frozen_privacy_only_becomes_stricter(self, team, was, to, allowed):
        def draft(privacy):
            options = {"edges": [1]} if privacy == "bucket" else {}
            return drafts("a", privacy=privacy, privacy_options=options)

        version = make_version(make_model(team=team, features=draft(was)))
        inventory.freeze_schema(version, now=NOON)
        version.refresh_from_db()

        if allowed:
            inventory.set_version_features(version, draft(to), **SETUP)
        else:
            with pytest.raises(Conflict, match="not looser"):
                inventory.set_version_features(version, draft(to), **SETUP)
        assert version.features.get().privacy == (to if allowed else was)

    def test_blocking_takes_a_reason_and_a_ready_version(self, team, alice):
        version = make_version(make_model(team=team))

        with pytest.raises(Invalid):
            inventory.block_version(version, reason=" ", by=alice, now=NOON)
        inventory.block_version(version, reason="Leaks.", by=alice, now=NOON)
        assert not version.is_usable
        with pytest.raises(Conflict):
            inventory.block_version(version, reason="Again.", by=alice, now=NOON)
        inventory.unblock_version(version, by=alice, now=NOON)
        assert version.is_usable

    def test_constraints_hold_whatever_the_verb_says(self, team):
        model = make_model(team=team)
        make_version(model)
        other = ModelVersion.objects.filter(pk=make_version(model).pk)

        for change in ({"number": 1}, {"number": 0}, {"status": "blocked"}, {"blocked_reason": "x"}):
            with pytest.raises(IntegrityError), transaction.atomic():
                other.update(**change)

    @pytest.mark.django_db(transaction=True)
    def test_many_writers_get_different_numbers(self):
        model = make_model(team=make_team())

        def write(_):
            while True:
                try:
                    return make_version(RegisteredModel.objects.get(pk=model.pk)).number
                except OperationalError as error:  # an SQLite database in memory does not wait for its lock
                    if "locked" not in str(error):
                        raise
                finally:
                    connection.close()

        with ThreadPoolExecutor(8) as pool:
            numbers = list(pool.map(write, range(16)))

        assert sorted(numbers) == list(range(1, 17))


class TestEndpoints:
    """Where models are served."""

    def test_a_slug_is_taken_once_in_the_installation(self, team, other_team):
        make_endpoint(make_model(team=other_team), slug="e")

        with pytest.raises(Conflict, match="is taken"):
            make_endpoint(make_model(team=team), slug="e")

    def test_a_stale_copy_changes_nothing(self, team, alice):
        endpoint = make_endpoint(make_model(team=team))
        inventory.edit_endpoint(endpoint, {"location": "first"}, base=1, by=alice, now=NOON)

        with pytest.raises(Stale):
            inventory.edit_endpoint(endpoint, {"location": "second"}, base=1, by=alice, now=NOON)

        assert Endpoint.objects.get().location == "first"

    def test_only_what_changed_is_recorded(self, team, alice):
        endpoint = make_endpoint(make_model(team=team))

        inventory.edit_endpoint(endpoint, {"environment": "staging", "kind": "online"}, base=1, by=alice, now=NOON)

        changes = AuditEntry.objects.get(verb="endpoint.changed").changes
        assert changes == {"environment": ["production", "staging"]}

    def test_a_retired_endpoint_is_over(self, team, alice):
        endpoint = make_endpoint(make_model(team=team))
        inventory.retire_endpoint(endpoint, base=1, by=alice, now=NOON)

        with pytest.raises(Stale):
            inventory.edit_endpoint(endpoint, {"kind": "batch"}, base=2, by=alice, now=NOON)
        assert not Endpoint.objects.active().exists()

    def test_a_viewer_changes_none(self, team, victor):
        endpoint = make_endpoint(make_model(team=team))

        for attempt in (
            lambda: inventory.edit_endpoint(endpoint, {"kind": "batch"}, base=1, by=victor, now=NOON),
            lambda: inventory.retire_endpoint(endpoint, base=1, by=victor, now=NOON),
            lambda: inventory.create_endpoint(endpoint.model, slug="x", environment="staging", by=victor, now=NOON),
        ):
            with pytest.raises(Refused):
                attempt()

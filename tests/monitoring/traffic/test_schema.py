"""Bodies become records: every shape in every format, and two ways of reading that agree."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_portal.kit.errors import Invalid, WrongMedia
from monitoring.traffic import flat, judge, records, schema, signals, times
from monitoring.traffic.payload import Group
from monitoring.traffic.schema import JSON, NDJSON, PARQUET, Decoded
from monitoring.traffic.specs import FeatureSpec, ModelSpec, Target, VersionSpec
from tests.monitoring.sending import json_body, lines, parquet_of

NOW = datetime(2025, 11, 20, 10, tzinfo=UTC)
AT = "2025-11-20T09:31:07.120Z"
FEATURES = (
    FeatureSpec("channel", "category"),
    FeatureSpec("employer", "text", privacy="hash", required=False),
    FeatureSpec("income", "number", low=0),
    FeatureSpec("n", "integer", required=False),
    FeatureSpec("opened", "timestamp", required=False),
    FeatureSpec("owner", "boolean", required=False),
    FeatureSpec("region", "category", categories=("EU", "UK")),
    FeatureSpec("secret", "text", privacy="drop", required=False),
)
GIVEN = {"income": 41200, "region": "EU", "channel": "web"}


def target(task: str = "binary", features: tuple[FeatureSpec, ...] = FEATURES, **model: Any) -> Target:
    """Version 7 of a model."""
    if task == "binary":
        model = {"classes": ("repaid", "default"), "positive": "default", "low": 0.0, "high": 1.0} | model
    spec = ModelSpec(UUID(int=1), UUID(int=2), task, **model)
    return Target(VersionSpec(UUID(int=7), "7", spec, features), is_blocked=False, is_frozen=True)


def reading(of: Target, **options: Any) -> schema.Reading:
    begun = schema.start(of.spec.model, NOW, targets={"7": of}, **options)
    begun.find, begun.signals, begun.current = lambda labels: {}, signals.Signals, tuple
    return begun


def read(body: bytes, of: Target, *, media: str = JSON, kind: str = "prediction", **options: Any) -> Decoded:
    return schema.read(body, media, kind, reading(of, **options))


def item(request_id: str = "r-1", *, features: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    base = {"request_id": request_id, "version": "7", "predicted_at": AT, "score": 0.31}
    return base | {"features": GIVEN | (features or {})} | fields


def only(decoded: Decoded) -> Group:
    assert decoded.errors == []
    [group] = decoded.groups
    return group


def test_the_example_of_the_contract_is_answered_word_for_word() -> None:
    first = item("r-1", endpoint="credit-decision", revision=14, prediction="repaid", action="approve")
    first |= {"subject_id": "c-991", "latency_ms": 38.2}
    first["stages"] = [{"name": "score", "ms": 9.5, "cost": 0.00004}, {"name": "bureau", "calls": 2, "units": 2}]
    second = {"request_id": "r-2", "version": "7", "predicted_at": "2025-11-20T09:31:08Z"}
    second |= {"features": {"income": "41k"}, "fallback": True, "error": "timeout", "action": "review"}

    decoded = read(json_body(first, second), target())

    assert (decoded.received, decoded.accepted) == (2, 1)
    [fault] = decoded.errors
    assert (fault.index, fault.pointer, fault.code) == (1, "/items/1/features/income", "wrong_type")
    assert (fault.detail, fault.received) == ("income must be a number.", "41k")
    columns = decoded.groups[0].columns
    assert (columns["calls"], columns["cost"]) == ([3], [0.00004])
    assert columns["predicted_at"] == [times.parse(AT)]
    assert columns["received_at"] == [times.micros(NOW)]
    assert "c-991" not in str(columns)


FLAT_AT = pa.array([datetime(2025, 11, 20, 9, 31, 7, 120_000, tzinfo=UTC)], pa.timestamp("us", "UTC"))


def row(**columns: Any) -> pa.Table:
    """One row in the flat form."""
    known = {"request_id": ["r-1"], "version": ["7"], "predicted_at": FLAT_AT}
    return pa.table(
        known | {name: value if isinstance(value, pa.Array) else [value] for name, value in columns.items()}
    )


SHAPES = {
    "binary": (
        target(),
        item(prediction="repaid", action="approve", endpoint="e", revision=14, latency_ms=38.2, cost=0.5, trace_id="t")
        | {"fallback": False, "subject_id": "c-1"},
        row(score=0.31, prediction="repaid", action="approve", endpoint="e", revision=14, latency_ms=38.2, cost=0.5)
        .append_column("trace_id", [["t"]])
        .append_column("subject_id", [["c-1"]])
        .append_column("income", [[41200]])
        .append_column("region", pa.chunked_array([pa.array(["EU"]).dictionary_encode()]))
        .append_column("feature.channel", [["web"]]),
    ),
    "every type of feature": (
        target(),
        item(features={"n": 3, "owner": True, "opened": "2025-11-19T00:00:00.5Z", "employer": "Acme", "channel": 7}),
        row(score=0.31, income=41200.0, region="EU", n=3.0, owner=True, employer="Acme", channel=7).append_column(
            "opened", pa.chunked_array([pa.array([1_763_510_400_500], pa.timestamp("ms", "UTC"))])
        ),
    ),
    "stages": (
        target(),
        item(stages=[{"name": "score", "ms": 9.5, "cost": 0.1}, {"name": "bureau.two", "calls": 2}]),
        row(score=0.31, income=41200, region="EU", channel="web")
        .append_column("stage.bureau.two.calls", [[2]])
        .append_column("stage.score.ms", [[9.5]])
        .append_column("stage.score.cost", [[0.1]]),
    ),
    "multiclass": (
        target("multiclass", (), classes=("bike", "car", "bus"), low=0.0, high=1.0),
        item(score=None, scores={"bike": 0.7, "car": 0.2, "bus": 0.1}, prediction="bike") | {"features": {}},
        row(prediction="bike", **{"scores.car": 0.2, "scores.bus": 0.1, "scores.bike": 0.7}),
    ),
    "regression": (
        target("regression", ()),
        item(score=None, prediction=17.4) | {"features": {}},
        row(prediction=17.4),
    ),
    "ranking": (
        target("ranking", ()),
        item(score=None, prediction=["i3", "i9", "i1"]) | {"features": {}},
        row(prediction='["i3", "i9", "i1"]'),
    ),
    "null feature": (
        target(),
        item(features={"income": None}),
        row(score=0.31, income=pa.array([None], pa.float64()), region="EU", channel="web"),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_is_the_same_in_every_format(shape: str) -> None:
    of, given_item, table = SHAPES[shape]

    by_json = only(read(json_body(given_item), of))
    by_lines = only(read(lines(given_item), of, media=NDJSON))
    by_parquet = only(read(parquet_of(table), of, media=PARQUET))
    by_table = only(flat.decode(table, "prediction", reading(of, too_old_ok=True)))

    assert by_json == by_lines == by_parquet == by_table


OUTCOME = {"request_id": "r-1", "observed_at": AT, "predicted_at": "2025-11-18T09:31:07Z"}
OUTCOME_SHAPES = {
    "label": (target(), {"kind": "truth", "value": "default"}, "default"),
    "label as a number": (target(classes=("0", "1"), positive="1"), {"kind": "truth", "value": 1}, 1),
    "label as a truth value": (target(classes=("0", "1"), positive="1"), {"kind": "truth", "value": True}, True),
    "proxy": (target(), {"kind": "complaint", "value": True}, True),
    "number": (target("regression", ()), {"kind": "truth", "value": 17}, 17),
    "relevances": (target("ranking", ()), {"kind": "truth", "value": {"i9": 1, "i77": 2}}, '{"i77":2,"i9":1.0}'),
}


@pytest.mark.parametrize("shape", OUTCOME_SHAPES)
def test_an_outcome_is_the_same_in_every_format(shape: str) -> None:
    of, fields, cell = OUTCOME_SHAPES[shape]
    table = pa.table(
        {"request_id": ["r-1"], "observed_at": FLAT_AT, "kind": [fields["kind"]], "value": [cell]}
        | {"predicted_at": pa.array([datetime(2025, 11, 18, 9, 31, 7, tzinfo=UTC)], pa.timestamp("ns", "UTC"))}
    )

    by_json = only(read(json_body(OUTCOME | fields), of, kind="outcome"))
    by_lines = only(read(lines(OUTCOME | fields), of, kind="outcome", media=NDJSON))
    by_parquet = only(read(parquet_of(table), of, kind="outcome", media=PARQUET))

    assert by_json == by_lines == by_parquet


def hash_of(given_item: dict[str, Any] | bytes) -> bytes:
    body = given_item if isinstance(given_item, bytes) else json_body(given_item)
    return bytes(only(read(body, target())).columns["content_hash"][0])


def test_what_is_the_same_record_has_the_same_hash() -> None:
    usual = hash_of(item())
    turned = {name: item()[name] for name in reversed(item())}

    assert hash_of(turned) == usual
    assert hash_of(json_body(item()).replace(b"0.31", b"0.310")) == usual
    assert hash_of(json_body(item()).replace(b"41200", b"4.12e4")) == usual
    assert hash_of(item(predicted_at="2025-11-20T10:31:07.12+01:00")) == usual
    assert hash_of(item(fallback=False)) == usual
    assert hash_of(item(features={"shoe_size": 43})) == usual


@pytest.mark.parametrize(
    "change",
    [
        {"score": 0.32},
        {"action": "review"},
        {"prediction": "default"},
        {"fallback": True},
        {"predicted_at": "2025-11-20T09:31:07.121Z"},
        {"features": {"income": 41201}},
        {"features": {"employer": None}},
        {"features": {"employer": "Acme"}},
        {"subject_id": "c-1"},
        {"stages": [{"name": "a"}]},
    ],
    ids=str,
)
def test_what_is_another_record_has_another_hash(change: dict[str, Any]) -> None:
    assert hash_of(item(**change)) != hash_of(item())


def test_null_and_missing_are_different_records() -> None:
    missing = item()
    del missing["features"]["channel"]

    assert hash_of(item(features={"channel": None})) != hash_of(missing)


def test_the_hash_of_a_record_does_not_depend_on_its_company() -> None:
    others = [item(f"x-{i}", action="a", stages=[{"name": "s"}], features={"employer": "Acme"}) for i in range(3)]

    group = only(read(json_body(*others, item()), target()))

    assert group.columns["content_hash"][3] == hash_of(item())


def test_a_hidden_value_leaves_no_trace_in_the_group() -> None:
    group = only(read(json_body(item(features={"employer": "Acme Corp", "secret": "hunter2"})), target()))

    assert "secret" not in group.features
    assert "Acme" not in str(group)
    assert "hunter2" not in str(group)
    assert hash_of(item(features={"secret": "a"})) == hash_of(item(features={"secret": "b"}))


@pytest.mark.parametrize(("score", "label"), [(0.49, "repaid"), (0.5, "default"), (None, None)])
def test_a_binary_label_follows_from_the_score(score: float | None, label: str | None) -> None:
    assert only(read(json_body(item(score=score)), target())).columns["prediction"] == [label]


def test_a_binary_score_follows_from_the_probabilities() -> None:
    group = only(read(json_body(item(score=None, scores={"repaid": 0.2, "default": 0.8})), target()))

    assert (group.columns["score"], group.columns["prediction"]) == ([0.8], ["default"])


def test_a_class_follows_from_the_probabilities_and_the_first_of_equals_wins() -> None:
    of = target("multiclass", (), classes=("bus", "bike", "car"), low=0.0, high=1.0)
    body = json_body(item(score=None, scores={"car": 0.4, "bike": 0.4, "bus": 0.2}) | {"features": {}})

    assert only(read(body, of)).columns["prediction"] == ["bike"]


def test_a_score_of_a_regression_is_its_prediction() -> None:
    of = target("regression", ())

    by_score = only(read(json_body(item(score=17, prediction=None) | {"features": {}}), of))
    by_number = only(read(json_body(item(score=None, prediction=17.0) | {"features": {}}), of))

    for group in (by_score, by_number):
        assert group.columns["prediction_number"] == group.columns["score"] == [17.0]
        assert group.columns["prediction"] == ["17.0"]


def test_labels_are_free_while_no_classes_are_registered() -> None:
    of = target("multiclass", ())

    assert only(read(json_body(item(prediction="whatever") | {"features": {}}), of)).columns["prediction"] == [
        "whatever"
    ]


def test_records_of_several_versions_are_sorted_into_groups() -> None:
    seven = target()
    eight = Target(VersionSpec(UUID(int=8), "8", seven.spec.model, FEATURES), is_blocked=True, is_frozen=False)
    begun = reading(seven)
    begun.find = lambda labels: {"8": eight} if "8" in labels else {}

    decoded = schema.read(
        json_body(item("a"), item("b", version="8"), item("c"), item("d", version="9")), JSON, "prediction", begun
    )

    found = {group.version_id: group.columns["request_id"] for group in decoded.groups}
    assert found == {str(seven.spec.id): ["a", "c"], str(eight.spec.id): ["b"]}
    assert decoded.surprises == {"blocked_version": {"": 1}}
    assert decoded.unfrozen == [eight.spec.id]
    assert [(fault.index, fault.code) for fault in decoded.errors] == [(3, "unknown_version")]


def test_a_table_of_several_versions_is_sorted_too() -> None:
    table = pa.table(
        {
            "request_id": ["a", "b", None, "d"],
            "version": [7, 9, 7, None],
            "predicted_at": pa.concat_arrays([FLAT_AT] * 4),
            "income": [1.0, 2.0, 3.0, 4.0],
        }
    )

    decoded = flat.decode(table, "prediction", reading(target()))

    assert decoded.groups[0].columns["request_id"] == ["a"]
    assert [(fault.index, fault.code) for fault in decoded.errors] == [
        (1, "unknown_version"),
        (2, "missing_field"),
        (3, "missing_field"),
    ]


def test_a_column_named_as_a_field_is_a_feature_with_its_prefix() -> None:
    of = target(features=(FeatureSpec("score", "number"),))

    group = only(read(parquet_of(row(score=0.3, **{"feature.score": 700.0})), of, media=PARQUET))

    assert (group.columns["score"], group.features) == ([0.3], {"score": [700.0]})


def test_two_columns_of_one_meaning_are_refused() -> None:
    with pytest.raises(Invalid, match="income stands in two columns"):
        read(parquet_of(row(income=1.0, **{"feature.income": 2.0})), target(), media=PARQUET)


def test_history_may_be_as_old_as_it_likes() -> None:
    body = json_body(item(predicted_at="2011-01-01T00:00:00Z"))

    assert [fault.code for fault in read(body, target()).errors] == ["too_old"]
    group = only(read(body, target(), too_old_ok=True))
    assert group.surprises == {}


def test_a_feature_whose_name_msgspec_cannot_compare_is_read_all_the_same() -> None:
    of = target(features=(FeatureSpec('a "quoted" name', "number"), FeatureSpec("b\\c", "number")))
    body = json_body(item() | {"features": {'a "quoted" name': 1, "b\\c": 2}})

    assert only(read(body, of)).features == {'a "quoted" name': [1.0], "b\\c": [2.0]}


@pytest.mark.parametrize("name", ["class", "__init__", "1", "a b", "f0", "ünï", "x" * 128, "a.b", "%s", "features"])
def test_any_registered_name_is_read(name: str) -> None:
    of = target(features=(FeatureSpec(name, "number"), FeatureSpec("other", "number")))

    group = only(read(json_body(item() | {"features": {"other": 2, name: 1}}), of))

    assert group.features == {name: [1.0], "other": [2.0]}


def test_fifty_unexpected_names_are_kept_and_no_more() -> None:
    body = json_body(item(features={f"new-{i}": 1 for i in range(80)}))

    assert len(read(body, target()).surprises["unexpected_feature"]) == 50


def test_other_media_are_refused() -> None:
    with pytest.raises(WrongMedia):
        read(b"{}", target(), media="text/csv")


def test_an_unknown_column_of_outcomes_is_refused() -> None:
    with pytest.raises(Invalid, match="no field colour"):
        read(parquet_of(pa.table({"request_id": ["a"], "colour": ["red"]})), target(), kind="outcome", media=PARQUET)


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "income": st.integers(-5, 10**17) | st.floats(0, 1e6),
    "region": st.sampled_from(["EU", "UK", "US"]),
    "channel": st.text(max_size=300) | st.integers(0, 9),
    "n": st.integers(-9, 9) | st.floats(0, 9),
    "owner": st.booleans(),
    "opened": st.sampled_from([AT, "2025-11-20", "2025-11-20T00:00:00"]),
}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "score": st.floats(-0.2, 1.2) | st.just(1 + 1e-10),
    "prediction": st.sampled_from(["repaid", "default", "maybe"]),
    "scores": st.sampled_from([{"repaid": 0.5, "default": 0.5}, {"repaid": 1.0}, {"repaid": 0.9, "default": 0.9}]),
    "action": st.text(max_size=9),
    "revision": st.integers(-1, 2**33),
    "latency_ms": st.floats(-1, 100),
    "stages": st.lists(
        st.fixed_dictionaries({"name": st.text(max_size=5)}, optional={"calls": st.integers(-1, 3)}), max_size=3
    ),
    "fallback": st.booleans(),
    "error": st.text(max_size=300),
    "predicted_at": st.sampled_from([AT, "2025-11-20T09:31:07", "2025-11-21T09:31:07Z", "2025-01-01T00:00:00Z"]),
    "request_id": st.text(min_size=1, max_size=4),
}
ITEMS = st.builds(
    lambda fields, features, names: item("r-1") | fields | {"features": GIVEN | features | names},
    st.fixed_dictionaries({}, optional={name: values | ODD for name, values in FIELDS.items()}),
    st.fixed_dictionaries({}, optional={name: values | ODD for name, values in VALUES.items()}),
    st.dictionaries(st.sampled_from(["zip", "shoe_size"]), ODD, max_size=1),
)


@given(st.lists(ITEMS, min_size=1, max_size=4))
def test_reading_many_records_at_once_and_judging_each_alone_agree(items: list[dict[str, Any]]) -> None:
    of = target()
    for i, one in enumerate(items):
        one["request_id"] = f"{i}{one['request_id']}" if isinstance(one["request_id"], str) else one["request_id"]
    together = read(json.dumps({"items": items}).encode(), of)
    alone = [read(json_body(one), of) for one in items]

    codes = {fault.index: fault.code for fault in together.errors}
    assert [codes.get(i) for i in range(len(items))] == [next((f.code for f in d.errors), None) for d in alone]
    kept = {digest for group in together.groups for digest in group.columns["content_hash"]}
    assert kept == {digest for decoded in alone for group in decoded.groups for digest in group.columns["content_hash"]}
    total: Counter[tuple[str, str]] = Counter()
    for decoded in alone:
        total.update({(code, name): n for code, names in decoded.surprises.items() for name, n in names.items()})
    found = together.surprises
    assert {(code, name): n for code, names in found.items() for name, n in names.items()} == total


ASKED_OF_COLUMNS = {"invalid_character", "bad_request_id", "bad_probabilities", "timezone_required", "bad_time"}


@given(ITEMS)
def test_what_the_compiled_types_take_judge_takes_unchanged(one: dict[str, Any]) -> None:
    of = target()
    raw = json.dumps(one).encode()
    try:
        compiled = msgspec.structs.astuple(records.plain_item(of.spec)(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    code, judged = judged_row(raw, of)

    assert code in ASKED_OF_COLUMNS or (judged[0], judged[5:]) == (compiled[0], compiled[5:])


def judged_row(raw: bytes, of: Target) -> tuple[str, records.Row]:
    """The code of the fault that judge finds in a record, or the row it makes of it."""
    try:
        return "", judge.prediction(json.loads(raw), of.spec).row
    except judge.Rejected as error:
        return error.code, ()

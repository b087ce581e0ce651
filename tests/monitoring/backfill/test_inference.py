import pyarrow as pa
import pytest

from mlops_portal.kit.errors import Invalid
from monitoring.backfill.columns import check_names, layout
from monitoring.backfill.inference import Overrides, infer

N = 1000


def source(kind: str = "reference", **columns):
    table = pa.table(columns)
    return table, layout(kind, table.schema.names, {}, ())


def feature(inferred, name: str):
    return next(one for one in inferred.features if one.name == name)


def base(**more):
    return source(
        request_id=[f"r{i}" for i in range(N)],
        at=["2026-01-01T00:00:00Z"] * N,
        version=["1"] * N,
        score=[i / N for i in range(N)],
        label=[i * 0.5 for i in range(N)],
        **more,
    )


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False] * 500, "boolean"),
        (list(range(N)), "integer"),
        ([i / 3 for i in range(N)], "number"),
        (["2026-01-01T00:00:00+01:00", "2026-01-01t10:00:00.5z"] * 500, "timestamp"),
        (["a", "b", "c", "d"] * 250, "category"),
        ([f"word {i}" for i in range(N)], "text"),
        ([f"v{i % 51}" for i in range(N)], "text"),
        ([None] * N, "text"),
    ],
)
def test_dtype_follows_the_values(values, dtype) -> None:
    column = pa.array(values, pa.string()) if values[0] is None else pa.array(values)
    table, _ = base()
    table = table.append_column("x", column)
    inferred = infer((table, layout("reference", table.schema.names, {}, ())), None, table["label"], Overrides())

    assert feature(inferred, "x").dtype == dtype
    assert feature(inferred, "x").reason


def test_known_columns_and_aliases_are_no_features() -> None:
    reference = base(income=[1.0] * N, cost_usd=[0.1] * N, latency_ms=[3.0] * N)

    inferred = infer(reference, None, reference[0]["label"], Overrides())

    assert [one.name for one in inferred.features] == ["income"]
    assert inferred.versions == ("1",)


def test_a_column_of_the_predictions_alone_is_context() -> None:
    reference = base(income=[1.0] * N)
    predictions = source("prediction", request_id=["a"], income=[1.0], channel=["web"])

    inferred = infer(reference, predictions, reference[0]["label"], Overrides())

    assert feature(inferred, "channel").kind == "context"
    assert feature(inferred, "income").kind == "input"


def test_required_means_never_null_in_the_reference() -> None:
    reference = base(full=[1.0] * N, holey=[None] + [1.0] * (N - 1))

    inferred = infer(reference, None, reference[0]["label"], Overrides())

    assert feature(inferred, "full").required
    assert not feature(inferred, "holey").required


def test_the_five_smallest_categories_become_segments() -> None:
    sizes = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "thirteen": 13, "one": 1}
    reference = base(**{name: [f"v{i % size}" for i in range(N)] for name, size in sizes.items()})

    inferred = infer(reference, None, reference[0]["label"], Overrides())

    assert {one.name for one in inferred.features if one.segment} == {"two", "three", "four", "five", "six"}


@pytest.mark.parametrize(
    ("columns", "task"),
    [
        ({"score": [0.2] * 40, "label": ["yes", "no"] * 20}, "binary"),
        ({"score": [0.2] * 40, "label": [1, 0] * 20}, "binary"),
        ({"score": [3.5] * 40, "label": [float(i) for i in range(40)]}, "regression"),
        ({"label": ["a", "b", "c", "d"] * 10}, "multiclass"),
        ({"scores.a": [0.5] * 40, "scores.b": [0.5] * 40, "label": ["a", "b"] * 20}, "multiclass"),
        ({"prediction": [["x", "y"]] * 40}, "ranking"),
        ({"prediction": ['["x","y"]'] * 40}, "ranking"),
    ],
)
def test_the_task_follows_labels_and_scores(columns, task) -> None:
    reference = source(**columns, age=[1.0] * 40)
    labels = reference[0]["label"] if "label" in columns else None

    assert infer(reference, None, labels, Overrides()).task == task


def test_an_undecided_task_is_asked_for() -> None:
    reference = source(age=[1.0] * 40, label=[1.0, 2.0, 3.0, 4.0] * 10)

    with pytest.raises(Invalid, match="--task"):
        infer(reference, None, reference[0]["label"], Overrides())
    assert infer(reference, None, reference[0]["label"], Overrides(task="regression")).task_reason == "given"


def test_the_positive_label_is_yes_or_else_the_rarer() -> None:
    yes = source(score=[0.5] * 40, label=["yes", "no"] * 20)
    rare = source(score=[0.5] * 40, label=["default"] * 3 + ["repaid"] * 37)

    assert infer(yes, None, yes[0]["label"], Overrides()).output["positive"] == "yes"
    assert infer(rare, None, rare[0]["label"], Overrides()).output == {
        "score": "probability",
        "classes": ["repaid", "default"],
        "positive": "default",
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer_email", ["n/a"] * N),
        ("contact", ["ann@example.org"] * N),
        ("account", ["DE89370400440532013000"] * N),
        ("line", ["+49 151 1234567"] * N),
    ],
)
def test_personal_data_are_hashed(name, values) -> None:
    reference = base(**{name: values})

    found = feature(infer(reference, None, reference[0]["label"], Overrides()), name)

    assert found.privacy == "hash"
    assert "hashed" in found.reason


def test_what_the_caller_says_wins() -> None:
    reference = base(code=[1, 2] * 500, email=["a@b.io"] * N)
    overrides = Overrides(
        dtypes={"code": "category"},
        privacy={"email": "drop"},
        segments=("code",),
        contexts=("code",),
        task="regression",
    )

    inferred = infer(reference, None, reference[0]["label"], overrides)

    code = feature(inferred, "code")
    assert (code.dtype, code.segment, code.kind) == ("category", True, "context")
    assert feature(inferred, "email").privacy == "drop"


class TestLayout:
    def test_a_mapped_column_wins_over_its_own_name(self) -> None:
        found = layout("prediction", ["id", "ts", "x"], {"request_id": "id", "predicted_at": "ts", "age": "x"}, ())

        assert found.fields == {"request_id": "id", "predicted_at": "ts"}
        assert found.features == {"age": "x"}

    def test_a_feature_prefix_frees_a_known_name(self) -> None:
        assert layout("prediction", ["feature.score", "score"], {}, ()).features == {"score": "feature.score"}

    def test_two_columns_for_one_field_are_refused(self) -> None:
        with pytest.raises(Invalid, match="'at' and 'predicted_at' both hold predicted_at"):
            layout("prediction", ["at", "predicted_at"], {}, ())

    def test_ignored_and_foreign_columns_of_outcomes_are_left_out(self) -> None:
        assert layout("outcome", ["request_id", "label", "note"], {}, ()).ignored == ("note",)
        assert layout("reference", ["a", "b"], {}, ("b",)).features == {"a": "a"}

    def test_the_truth_in_a_predictions_file_is_not_a_feature(self) -> None:
        assert layout("prediction", ["age", "label"], {}, ()).features == {"age": "age"}

    def test_an_unknown_column_is_named_with_those_there_are(self) -> None:
        with pytest.raises(Invalid, match="No file has a column 'ags'; the columns are age"):
            check_names({"prediction": ["age"]}, {"age": "ags"}, ())

"""The part of YAML that manifests may use; everything else is refused where it stands (H3)."""

import time

import pytest
import yaml

from registry.manifest import Document, Notes, load, load_yaml
from registry.manifest.faults import Unfit
from registry.manifest.reading import read_yaml, resolve
from registry.manifest.writing import write_yaml
from tests.registry.manifest.examples import CREDIT, small


def read(data):
    """Value and faults."""
    notes = Notes()
    document = read_yaml(data if isinstance(data, bytes) else data.encode(), "m.yaml", notes)
    return document.value, lines_of(notes)


def lines_of(notes):
    try:
        notes.raise_any()
    except Unfit as error:
        return list(error.told)
    return []


def shape(text):
    notes = Notes()
    load_yaml(text.encode(), notes, "m.yaml")
    return lines_of(notes)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: !!python/object/apply:os.system ['true']", 1, "The tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a:\n  b: !!python/object:builtins.object {}", 2, "python/object"),
        ("a: !!str 1", 1, "is not taken; write plain values"),
        ("a: !local x", 1, "The tag !local is not taken"),
        ("a: &x [1]\nb: *x", 1, "Anchors and aliases (&x) are not taken"),
        ("b: *x", 1, "Anchors and aliases (*x) are not taken"),
        ("a: {<<: *x}", 1, "(*x)"),
        ("%YAML 1.1\n---\na: 1", 1, "Directives (%) are not taken"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, "Directives (%) are not taken"),
        ("a: 1\n---\nb: 2", 2, "A second document starts"),
        ("a: 1\nb: 2\na: 3", 3, "a: It stands twice, first in line 1; remove one."),
        ("a:\n  - {b: 1, b: 2}", 2, "a[0].b: It stands twice"),
        ("? [a]\n: 1", 1, "A key is a word"),
        ("a: [1", 1, "This is not YAML"),
        ("a: 1\n\tb: 2", 2, "This is not YAML"),
        ("a: 'x\x00y'", 1, "This is not YAML"),
        ('a: "\\ud800"', 1, "This is not YAML"),
        ("", 1, "It is empty; start with `portal: inventory/v1`"),
        ("# nothing\n", 1, "It is empty"),
        ("a: " + "[" * 50 + "]" * 50, 1, "nested more than 16 deep"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(text, line, words):
    value, told = read(text)

    assert value is None
    assert told
    assert told[0].startswith(f"m.yaml:{line}: ")
    assert words in told[0]


def test_no_constructor_runs(tmp_path):
    trace = tmp_path / "trace"

    value, told = read(f"a: !!python/object/apply:pathlib.Path.touch ['{trace}']")

    assert (value, len(told)) == (None, 1)
    assert not trace.exists()


def test_a_billion_laughs_end_at_the_first():
    text = "a: &a [lol, lol]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
    )
    started = time.perf_counter()

    value, told = read(text)

    assert (value, len(told)) == (None, 1)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " * 10_000, "{a: " * 100_000, "- " * 100_000])
def test_deep_nesting_ends_early(text):
    started = time.perf_counter()

    value, told = read(text)

    assert (value, len(told)) == (None, 1)
    assert time.perf_counter() - started < 0.5


def test_a_megabyte_is_the_most():
    value, told = read(b"a: " + b"x" * 1024 * 1024)

    assert value is None
    assert told == ["m.yaml: It has 1048579 bytes; 1048576 is the most. Split it into several manifests."]


def test_other_encodings_are_refused():
    assert read("a: ü".encode("latin-1"))[1] == ["m.yaml: Byte 3 is not UTF-8; save the file in UTF-8."]
    assert read("a: 1".encode("utf-16"))[0] is None
    assert read(b"\xef\xbb\xbfa: 1") == ({"a": 1}, [])


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("no", "no"),
        ("on", "on"),
        ("NO", "NO"),
        ("24h", "24h"),
        ("1e-6", 1e-6),
        ("-3", -3),
        ("007", 7),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        (".inf", ".inf"),
        (".", "."),
        ("2027-01-31", "2027-01-31"),
        ("~", None),
        ("9" * 301, "9" * 301),
    ],
)
def test_plain_words_mean_what_they_say(word, meaning):
    assert resolve(word) == meaning
    assert type(resolve(word)) is type(meaning)


def test_quoted_words_are_texts():
    assert read("""{a: "1", b: 'true', c: "null"}""") == ({"a": "1", "b": "true", "c": "null"}, [])


class TestShape:
    """Keys and kinds of values."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("- 1", ["m.yaml:1: This takes an object, not a list."]),
            ("portal: inventory/v1", ["m.yaml:1: team is missing; add it."]),
            (
                "portal: inventory/v2\nteam: risk",
                ["m.yaml:1: portal: 'inventory/v2' is not a format known here; write inventory/v1."],
            ),
            (
                small("modles: []"),
                ["m.yaml:4: modles: There is no key 'modles' here; did you mean models?"],
            ),
            (
                small("xyz: 1"),
                ["m.yaml:4: xyz: There is no key 'xyz' here; known are portal, name, team, sources, models."],
            ),
            (small("models: {a: 1}"), ["m.yaml:4: models: This takes a list of models, not an object."]),
            (
                small("models: null"),
                [
                    "m.yaml:4: models: null cannot empty this; give a value, or leave the key out to leave it alone.",
                ],
            ),
            (small("models: [1]"), ["m.yaml:4: models[0]: This takes an object, not a number."]),
            (small("models:\n  - name: x"), ["m.yaml:5: models[0]: slug is missing; add it."]),
            (
                small("models:\n  - slug: 7"),
                ['m.yaml:5: models[0].slug: This takes a text, not a number; put it in quotes: "7".'],
            ),
            (
                small("sources:\n  - slug: a\n    expected_lag: 24"),
                ["m.yaml:6: sources[0].expected_lag: '24' is not a duration; write 90s, 15m, 24h or 7d."],
            ),
            (
                small("models:\n  - slug: a\n    review_due_on: 31.1.2027"),
                ["m.yaml:6: models[0].review_due_on: '31.1.2027' is not a date; write 2027-03-31."],
            ),
            (
                small("models:\n  - slug: a\n    features: [{name: x, segment: yes}]"),
                ["m.yaml:6: models[0].features[0].segment: This takes true or false, not a text."],
            ),
            (
                small("models:\n  - slug: a\n    features: [{name: x, min: 1e999}]"),
                ["m.yaml:6: models[0].features[0].min: This number does not fit a double."],
            ),
            (
                small("models:\n  - slug: a\n    endpoints: [{slug: b, rate_limit_rps: 99999999999}]"),
                ["m.yaml:6: models[0].endpoints[0].rate_limit_rps: 99999999999 is not within 0 to 2147483647."],
            ),
            (
                small("models:\n  - slug: a\n    output: {clases: [a, b]}"),
                ["m.yaml:6: models[0].output.clases: There is no key 'clases' here; did you mean classes?"],
            ),
            (
                small('models:\n  - slug: a\n    purpose: "a\\0b"'),
                ["m.yaml:6: models[0].purpose: It holds a character that cannot be stored; remove it."],
            ),
            (
                small("models:\n  - slug: a\n    tags: {k: 1}"),
                ['m.yaml:6: models[0].tags.k: This takes a text, not a number; put it in quotes: "1".'],
            ),
        ],
    )
    def test_a_wrong_shape_is_told_with_line_field_and_remedy(self, text, told):
        assert shape(text) == told

    def test_all_faults_are_told_together(self):
        told = shape("portal: 1\nteam: 2\nsources: 3\nmodels: 4\nother: 5\n")

        assert [line.split(":")[1] for line in told] == ["5", "1", "2", "3", "4"]

    def test_the_example_has_none(self):
        assert shape(CREDIT) == []

    def test_json_is_told_by_pointer(self):
        notes = Notes()
        load(Document("body", {"portal": "inventory/v1", "team": "risk", "models": [{"slug": 1}]}), notes)

        with pytest.raises(Unfit) as raised:
            notes.raise_any()

        fault = raised.value.faults[0]
        assert (fault.pointer, fault.line, fault.code) == ("/models/0/slug", None, "wrong_type")


@pytest.mark.parametrize(
    "value",
    [
        {"a": "1", "b": "true", "c": "", "d": "null", "e": "1e-6", "f": "~"},
        {"a": "x: y", "b": "x #y", "c": "- x", "d": "[x]", "e": "*x", "f": "!x", "g": "@x", "h": "x ", "i": "..."},
        {"a": 'x"y\\z', "b": "two\nlines", "c": "tab\t", "d": "\u2028\u00a0\ufeff", "e": "ünï 🚀", "f": "\r"},
        {"a": [1, 2.5, 1e-06, 1e22, True, None, "x"], "b": [], "c": {}, "d": [[1, 2], ["a"]]},
        {"a": [{"b": {"c": ["x" * 120, "y"]}}, {"d": [{"e": 1}]}]},
        {"a": {"key: odd": "v", "1": 2, "true": False}},
    ],
)
def test_what_is_written_reads_back(value):
    text = write_yaml(value)

    assert read(text) == (value, [])


def test_what_is_written_is_yaml_for_others_too():
    value = {"a": "no", "b": ["x", 1], "c": {"d": None}}

    assert yaml.safe_load(write_yaml(value | {"a": "nope"})) == value | {"a": "nope"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (small("models: []", team='""'), "m.yaml:3: team: It is empty; give it a text."),
        (small("models:\n  - {slug: ' '}"), "m.yaml:5: models[0].slug: It is empty; give it a text."),
        (
            small("models:\n  - {slug: a, endpoints: [{slug: b, consumers: [{name: ''}]}]}"),
            "m.yaml:5: models[0].endpoints[0].consumers[0].name: It is empty; give it a text.",
        ),
        (
            small("models:\n  - {slug: a, features: [{name: ''}]}"),
            "m.yaml:5: models[0].features[0].name: It is empty; give it a text.",
        ),
    ],
)
def test_what_names_an_object_is_not_empty(text, told):
    assert shape(text) == [told]


def test_a_flood_of_faults_is_counted_and_ends_soon():
    started = time.perf_counter()
    notes = Notes()
    load(Document("body", {"portal": "inventory/v1", "team": "risk"} | {f"k{i}": 1 for i in range(100_000)}), notes)

    with pytest.raises(Unfit) as raised:
        notes.raise_any()

    assert time.perf_counter() - started < 5
    assert (len(raised.value.faults), raised.value.faults_total) == (1000, 100_000)
    assert raised.value.told[-1] == "and 99000 more"


def test_a_key_of_a_megabyte_is_cut():
    notes = Notes()
    load(Document("body", {"portal": "inventory/v1", "team": "risk", "x" * 1_000_000: 1}), notes)

    with pytest.raises(Unfit) as raised:
        notes.raise_any()

    assert len(raised.value.detail) < 500
    assert len(raised.value.faults[0].pointer) < 500

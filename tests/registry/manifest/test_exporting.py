"""What is exported says what is there: applying it changes nothing."""

from unicodedata import normalize

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry import inventory, manifest
from registry.inventory import FeatureDraft
from registry.manifest import Notes
from registry.models import Source, Team
from tests.factories import NOON, make_consumer, make_endpoint, make_model, make_source
from tests.registry.manifest.examples import CREDIT
from tests.registry.manifest.test_applying import plan, run

SLUGS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True).filter(lambda slug: slug != "new")
MARKS = st.characters(
    exclude_categories=("Cc", "Cs"), exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
TEXTS = st.text(MARKS, max_size=30)
LINES = st.text(MARKS, min_size=1, max_size=20).filter(lambda text: text.strip())
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)
WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8).map(lambda word: normalize("NFC", word))


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def features(draw):
    dtype = draw(st.sampled_from(["number", "integer", "boolean", "category", "text", "timestamp"]))
    made = {"dtype": dtype} | draw(
        optional(
            kind=st.sampled_from(["input", "context"]),
            segment=st.booleans(),
            required=st.booleans(),
            description=TEXTS,
            source_field=TEXTS,
            abs_tolerance=st.floats(0, 10),
            rel_tolerance=st.floats(0, 10),
            importance=NUMBERS,
        )
    )
    if dtype in {"number", "integer"} and draw(st.booleans()):
        low, high = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=2)))
        made |= {"min": low, "max": high}
    if dtype == "number" and draw(st.booleans()):
        made |= {"privacy": "bucket", "edges": sorted(draw(st.sets(NUMBERS, min_size=1, max_size=4)))}
    if dtype == "category":
        made |= {"categories": draw(st.lists(st.sampled_from(["EU", "no", "1", "x y", "~"]), unique=True))}
    return made


def outputs(task):
    said = {
        "binary": [None, {}, {"classes": ["no", "yes"]}, {"score": "number", "positive": "0"}, {"range": None}],
        "multiclass": [None, {"classes": ["a", "b", "1"]}],
        "regression": [None, {"unit": "min"}, {"range": [-1, 2.5]}],
    }
    return st.sampled_from(said[task])


@st.composite
def models(draw, sources):
    task = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    feature_names = draw(st.lists(WORDS.map(str.lower), unique_by=str.casefold, max_size=4))
    listed = [{"name": name} | draw(features()) for name in feature_names if name == name.casefold()]
    for feature in listed:
        if sources and draw(st.booleans()):
            feature["source"] = draw(st.sampled_from(sources))
    return {"task": task, "features": listed} | draw(
        optional(
            purpose=TEXTS,
            description=st.text(MARKS | st.sampled_from("\n\t"), max_size=30),
            limitations=TEXTS,
            risk=optional(level=st.sampled_from(["high", "low", "unrated"]), reason=TEXTS),
            review_due_on=st.dates().map(str),
            output=outputs(task),
            tags=st.dictionaries(WORDS, TEXTS, max_size=3),
        )
    )


@st.composite
def documents(draw):
    source_slugs = draw(st.lists(SLUGS, unique=True, max_size=3))
    sources = []
    for i, slug in enumerate(source_slugs):
        source = {"slug": slug, "name": draw(LINES), "kind": draw(st.sampled_from(["log", "table", "api"]))}
        source |= draw(
            optional(
                latency=st.sampled_from(["batch", "real_time"]),
                expected_lag=st.sampled_from(["0s", "90s", "15m", "36h", "7d"]),
                stability=st.sampled_from(["stable", "fragile"]),
                description=TEXTS,
            )
        )
        if i and draw(st.booleans()):
            source["fed_by"] = source_slugs[i - 1]
        sources.append(source)
    endpoints = iter(draw(st.lists(SLUGS, unique=True, min_size=3, max_size=3)))
    found = []
    for slug in draw(st.lists(SLUGS, unique=True, max_size=3)):
        model = {"slug": slug, "name": slug} | draw(models(source_slugs))
        endpoint = {"slug": next(endpoints), "environment": draw(st.sampled_from(["staging", "production"]))}
        endpoint |= draw(
            optional(
                kind=st.sampled_from(["online", "batch"]),
                location=TEXTS,
                slo=optional(p95_ms=st.integers(1, 100), p99_ms=st.integers(100, 900)),
                rate_limit_rps=st.integers(1, 1000),
                alias=st.sampled_from(["champion", ""]),
            )
        )
        names = draw(st.lists(WORDS, unique=True, max_size=2))
        endpoint["consumers"] = [
            {"name": name, "kind": "report", "use": "assisted", "contact": draw(TEXTS)} for name in names
        ]
        found.append(model | {"endpoints": [endpoint]})
    head = {"portal": "inventory/v1", "team": "risk"} | ({"name": draw(WORDS)} if draw(st.booleans()) else {})
    return head | {"sources": sources, "models": found}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=documents())
def test_applying_an_export_is_an_empty_plan(team, document):
    text = manifest.write_yaml(document)
    with transaction.atomic():
        run(text)

        assert not plan(text)
        exported = manifest.export(team)
        assert not plan(exported), exported
        transaction.set_rollback(True)


def test_the_example_comes_back_as_it_was(team, alice, bob):
    run(CREDIT)

    assert manifest.export(team) == (
        "portal: inventory/v1\n"
        "name: credit\n"
        "team: risk\n"
        "sources:\n"
        "  - slug: bureau-feed\n"
        "    name: Credit bureau feed\n"
        "    kind: api\n"
        "    latency: batch\n"
        "    expected_lag: 1d\n"
        "    stability: evolving\n"
        "    volatility: low\n"
        "  - slug: ledger\n"
        "    name: Ledger\n"
        "    kind: table\n"
        "    latency: real_time\n"
        "    stability: stable\n"
        "    volatility: medium\n"
        "    fed_by: bureau-feed\n"
        "models:\n"
        "  - slug: credit\n"
        "    name: credit\n"
        "    owner: alice\n"
        "    deputy: bob\n"
        "    purpose: Probability that a consumer loan defaults within 12 months.\n"
        "    limitations: Not for business loans.\n"
        "    risk: {level: high, reason: Automated refusal of credit.}\n"
        "    task: binary\n"
        "    output: {classes: [repaid, default], positive: default}\n"
        "    tags: {domain: lending}\n"
        "    features:\n"
        "      - {name: income, dtype: number, source: ledger, min: 0.0, rel_tolerance: 1e-06, privacy: keep}\n"
        "      - {name: region, dtype: category, segment: true, categories: [EU, UK, US], privacy: keep}\n"
        "      - {name: employer, dtype: text, required: false, privacy: hash}\n"
        "      - {name: channel, kind: context, dtype: category, segment: true, privacy: keep}\n"
        "    endpoints:\n"
        "      - slug: credit-decision\n"
        "        environment: production\n"
        "        kind: online\n"
        '        location: "https://scoring.example.org/credit"\n'
        "        alias: champion\n"
        "        slo: {p95_ms: 120, p99_ms: 300, timeout_ms: 500}\n"
        "        consumers:\n"
        "          - name: loan-desk\n"
        "            kind: human_process\n"
        "            output: probability\n"
        "            use: assisted\n"
        "            criticality: high\n"
        "            contact: loans@example.org\n"
    )


def test_what_was_made_by_hand_is_exported_without_a_name(team, alice):
    source = make_source(team, slug="ledger")
    model = make_model(
        team=team, slug="credit", owner=alice, features=[FeatureDraft(name="a", dtype="text", source=source)]
    )
    make_consumer(make_endpoint(model, slug="live"), name="desk")

    exported = manifest.export(team)

    assert "name: credit\n" not in exported.splitlines()[1]
    assert not plan(exported)


def test_a_team_of_several_manifests_is_exported_whole_or_by_name(team, alice, bob):
    run(CREDIT)
    make_source(team, slug="by-hand")

    assert not plan(manifest.export(team))
    assert manifest.export(team).startswith("portal: inventory/v1\nteam: risk\n")
    assert manifest.export(team, name="credit").startswith("portal: inventory/v1\nname: credit\nteam: risk\n")
    assert "by-hand" not in manifest.export(team, name="credit")
    assert not plan(manifest.export(team, name="credit"), prune=True)


def test_what_is_retired_or_of_other_teams_is_left_out(team, other_team):
    make_model(team=other_team, slug="theirs")
    inventory.retire_source(make_source(team, slug="gone"), base=1, by="setup", now=NOON)
    inventory.retire_model(make_model(team=team, slug="over"), base=1, by="setup", now=NOON)

    assert manifest.export(team) == "portal: inventory/v1\nteam: risk\n"


def test_a_feature_may_name_a_retired_source(team):
    source = make_source(team, slug="old")
    model = make_model(team=team, slug="credit", features=[FeatureDraft(name="a", dtype="text", source=source)])
    Source.objects.update(retired_at=NOON)

    assert not plan(manifest.export(team))
    assert model.slug in manifest.export(team)


@pytest.mark.usefixtures("team")
def test_notes_of_an_export_are_none():
    notes = Notes()
    manifest.load_yaml(manifest.export(Team.objects.get()).encode(), notes)

    assert not notes

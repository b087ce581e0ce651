import msgspec
import pytest

from mlops_portal.kit.errors import Invalid
from monitoring.checks import config as configs
from monitoring.checks.config import (
    AgainstPrevious,
    AgainstReference,
    Checks,
    InputDrift,
    MonitorConfig,
    OutputDrift,
    Thresholds,
    Volume,
)

CONFIG = MonitorConfig(
    window_hours=24,
    baseline=AgainstPrevious(days=14),
    segments=("region",),
    checks=Checks(
        input_drift=InputDrift(features=("income",), overrides={"income": Thresholds(warn=0.2, drift=0.4)}),
        output_drift=OutputDrift(parts=("score", "error")),
        volume=Volume(z=4.0),
    ),
)


def test_what_is_stored_reads_back_as_written():
    stored = msgspec.json.decode(msgspec.json.encode(configs.dump(CONFIG)))

    assert configs.load(stored) == CONFIG


def test_every_default_is_written_out_so_that_a_new_default_changes_no_stored_monitor():
    stored = configs.dump(MonitorConfig(window_hours=24, checks=Checks(input_drift=InputDrift())))

    assert stored["checks"]["input_drift"]["hard_break"] == 0.5
    assert stored["grace_minutes"] == 5


def test_the_digest_names_the_content():
    same = configs.load(configs.dump(CONFIG))
    other = msgspec.structs.replace(CONFIG, grace_minutes=6)

    assert configs.digest(same) == configs.digest(CONFIG) != configs.digest(other)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"window_hours": 24},
        {"window_hours": 0, "checks": {}},
        {"window_hours": 24, "checks": {"horoscope": {}}},
        {"window_hours": 24, "checks": {"volume": {"zz": 1}}},
        {"window_hours": 24, "checks": {"volume": {"z": -1}}},
        {"window_hours": 24, "checks": {}, "baseline": {"kind": "previous", "days": 6}},
        {"window_hours": 24, "checks": {"input_drift": {"metric": "ks"}}},
        "text",
    ],
)
def test_anything_else_is_refused(stored):
    with pytest.raises(Invalid) as caught:
        configs.load(stored)

    assert caught.value.code == "monitor_invalid"


def test_overrides_stand_before_the_thresholds_of_the_check():
    check = CONFIG.checks.input_drift

    assert check.thresholds("income").warn == 0.2
    assert check.thresholds("age").warn == 0.1


@pytest.mark.parametrize(
    ("segments", "wanted"), [("declared", True), ("none", False), (("region",), True), (("channel",), False)]
)
def test_segments_are_those_declared_or_named(segments, wanted):
    config = MonitorConfig(window_hours=24, checks=Checks(volume=Volume()), segments=segments)

    assert config.wants_segment("region") is wanted


def test_only_previous_days_reach_back():
    assert CONFIG.baseline_days == 14
    assert MonitorConfig(window_hours=24, checks=Checks(), baseline=AgainstReference()).baseline_days == 0

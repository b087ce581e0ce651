import pytest

from mlops_portal.kit.errors import Conflict, Invalid
from monitoring import monitors
from monitoring.checks import config as configs
from monitoring.checks.config import Checks, InputDrift, MonitorConfig, Thresholds, Volume
from monitoring.models import Monitor, Reference
from registry.models import AuditEntry
from tests.factories import NOON, make_model, make_version
from tests.monitoring.measured import make_monitor, make_traffic


def make_reference(version, **fields):
    values = {"name": "training", "source": "upload", "state": "ready", "is_primary": True, "created_at": NOON}
    return Reference.objects.create(
        version=version,
        file_format="csv",
        path="r",
        sha256="0" * 64,
        size_bytes=1,
        created_by="setup",
        **values | fields,
    )


class TestDefaults:
    def test_traffic_brings_operations(self, db):
        version = make_version()
        make_traffic(version, first="2026-10-01 10:20", newest="2026-10-02 23:00")

        made = monitors.create_defaults(version.model, NOON)

        assert [monitor.slug for monitor in made] == ["operations"]
        config = configs.load(made[0].revisions.get().config)
        assert dict(config.checks.items()).keys() == {"volume", "latency", "cost", "output_drift"}
        assert (config.window_hours, config.baseline_days) == (24, 28)

    def test_a_primary_reference_brings_inputs_and_performance(self, db):
        version = make_version()
        make_reference(version)

        made = {monitor.slug: monitor for monitor in monitors.create_defaults(version.model, NOON)}

        assert made.keys() == {"inputs-training", "performance"}
        config = configs.load(made["inputs-training"].revisions.get().config)
        assert dict(config.checks.items()).keys() == {"input_drift", "output_drift", "data_quality"}
        assert config.window_hours == 168
        assert {monitor.cadence for monitor in made.values()} == {"day"}

    @pytest.mark.parametrize("fields", [{"state": "loading"}, {"is_primary": False}])
    def test_a_reference_that_is_not_ready_or_not_primary_brings_nothing(self, db, fields):
        version = make_version()
        make_reference(version, **fields)

        assert monitors.create_defaults(version.model, NOON) == []

    def test_a_second_call_adds_nothing_and_each_monitor_is_audited_once(self, db):
        version = make_version()
        make_reference(version)
        monitors.create_defaults(version.model, NOON)

        assert monitors.create_defaults(version.model, NOON) == []
        assert AuditEntry.objects.filter(verb="monitor.created").count() == 2

    def test_complete_reaches_the_models_that_lack_them(self, db):
        with_traffic, without = make_version(), make_model()
        make_traffic(with_traffic, first="2026-10-01 10:20", newest="2026-10-02 23:00")

        monitors.complete([with_traffic.model_id], NOON)
        monitors.complete([with_traffic.model_id], NOON)

        assert Monitor.objects.get().model_id == with_traffic.model_id
        assert not without.monitors.exists()


class TestChange:
    def test_it_makes_the_next_revision_and_keeps_the_old_one(self, alice):
        monitor = make_monitor()
        config = MonitorConfig(window_hours=24, checks=Checks(volume=Volume()))

        revision = monitors.change(monitor, config, base=1, by=alice, now=NOON, reason="too noisy")

        assert (monitor.revision, revision.number, revision.reason) == (2, 2, "too noisy")
        assert configs.load(revision.config) == config
        assert configs.load(monitor.revisions.get(number=1).config).checks.input_drift
        assert AuditEntry.objects.get(verb="monitor.changed").reason == "too noisy"

    def test_a_stale_base_changes_nothing(self, alice):
        monitor = make_monitor()
        config = MonitorConfig(window_hours=24, checks=Checks(volume=Volume()))
        monitors.change(monitor, config, base=1, by=alice, now=NOON)

        with pytest.raises(Conflict, match="no longer at revision 1"):
            monitors.change(monitor, config, base=1, by=alice, now=NOON)

        assert monitor.revisions.count() == 2

    @pytest.mark.parametrize(
        ("checks", "pointer"),
        [
            (Checks(), "/checks"),
            (Checks(input_drift=InputDrift(warn=0.3)), "/checks/input_drift/warn"),
            (
                Checks(input_drift=InputDrift(overrides={"age": Thresholds(warn=0.25)})),
                "/checks/input_drift/overrides/age/warn",
            ),
        ],
    )
    def test_a_contradiction_is_named_by_field(self, alice, checks, pointer):
        with pytest.raises(Invalid) as caught:
            monitors.change(make_monitor(), MonitorConfig(window_hours=24, checks=checks), base=1, by=alice, now=NOON)

        assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_pause_and_resume_say_when_there_is_nothing_to_do(alice):
    monitor = make_monitor()

    monitors.pause(monitor, by=alice, now=NOON, reason="holidays")
    assert monitor.state == "paused"
    with pytest.raises(Conflict, match="already paused"):
        monitors.pause(monitor, by=alice, now=NOON)
    monitors.resume(monitor, by=alice, now=NOON)

    assert monitor.state == "active"
    with pytest.raises(Conflict):
        monitors.resume(monitor, by=alice, now=NOON)

import errno

import pytest

from mlops_portal.kit import faults


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch):
    def arm(text: str) -> None:
        monkeypatch.setattr(faults, "_traps", faults.parse(text))
        faults._hits.clear()

    return arm


def test_an_unarmed_point_does_nothing() -> None:
    faults.fault("compact.renamed")


def test_a_point_fails_at_its_nth_hit_only(armed) -> None:
    armed("here:raise:2")

    faults.fault("here")
    faults.fault("elsewhere")
    with pytest.raises(faults.Planted):
        faults.fault("here")
    faults.fault("here")


def test_a_full_disk_can_be_planted(armed) -> None:
    armed("here:enospc:1")

    with pytest.raises(OSError, match="No space left") as raised:
        faults.fault("here")
    assert raised.value.errno == errno.ENOSPC


def test_sleep_takes_its_seconds(armed, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", slept.append)
    armed("here:sleep:1.5:1")

    faults.fault("here")

    assert slept == [1.5]


@pytest.mark.parametrize("text", ["here", "here:burn:1", "here:raise", "here:sleep:1", "here:raise:x"])
def test_what_is_not_point_action_nth_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"PORTAL_FAULTS|invalid literal"):
        faults.parse(text)

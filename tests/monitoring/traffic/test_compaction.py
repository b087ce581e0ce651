from datetime import timedelta

import pytest

from monitoring.models import Chunk, DayManifest, HourProfile, InboxRow, VersionTraffic
from monitoring.traffic import chunks
from tests.builders import DAY, day_of, make_credit_version, send
from tests.monitoring.traffic.conftest import compact, counts

pytestmark = pytest.mark.django_db


def test_a_day_of_predictions_becomes_one_chunk() -> None:
    version = make_credit_version()
    now = DAY + timedelta(days=1)
    batch = send(version, day_of(rows=200), now=now)

    compact(version.model)

    chunk = Chunk.objects.get()
    assert (chunk.rows, chunk.state, chunk.day) == (200, Chunk.State.LIVE, DAY.date())
    assert counts(batch) == {"stored": 200, "duplicates": 0, "conflicts": 0, "parked": 0}
    assert not InboxRow.objects.exists()
    assert DayManifest.objects.get().rows == 200
    assert HourProfile.objects.count() == 24
    assert VersionTraffic.objects.get().last_live_at == now
    assert len(chunks.read(chunk)) == 200

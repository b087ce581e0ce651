"""PSI of real traffic against a plain numpy computation of the same definition.

The data (UCI Bike Sharing, CC BY 4.0) lies beside the repository; without it these tests are skipped.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitoring.stats.divergence import psi
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.profile import build, merge_all

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("PORTAL_SHARED_DATA", ROOT.parent / "shared" / "data")) / "bike"
NUMBERS = {"temp": "number", "atemp": "number", "humidity": "number", "windspeed": "number"}
WHOLE = {"month": "integer", "hour": "integer", "weekday": "integer"}
TEXTS = {"season": "category", "holiday": "category", "workingday": "category", "weathersit": "category"}
SCHEMA = [FeatureSpec(name, dtype, segment=name == "weathersit") for name, dtype in (NUMBERS | WHOLE | TEXTS).items()]
WEEKS = ["2011-10-01", "2011-11-05", "2012-01-28", "2012-04-28", "2012-07-07", "2012-10-27", "2012-12-29"]

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no bike data at {DATA} (PORTAL_SHARED_DATA)")


def columns(frame):
    numbers = {name: frame[name].to_numpy(np.float64) for name in NUMBERS | WHOLE}
    return numbers | {name: frame[name].to_numpy(object) for name in TEXTS}


def profiled(frame, grid):
    return build(columns(frame), grid, score=frame["score"].to_numpy())


def plain(reference, window, bounds):
    counts = [
        np.bincount(np.searchsorted(bounds, side, "right"), minlength=len(bounds) + 1) for side in (reference, window)
    ]
    return plain_psi(*counts)


def plain_text(reference, window):
    values = sorted({*reference, *window})
    return plain_psi(*(np.array([(side == value).sum() for value in values]) for side in (reference, window)))


def plain_psi(a, c):
    used = a + c > 0
    p, q = ((side[used] + 0.5) / (side.sum() + used.sum() / 2) for side in (a, c))
    return float(((q - p) * np.log(q / p)).sum())


@pytest.fixture(scope="module")
def frames():
    files = [pd.read_parquet(DATA / f"{name}.parquet") for name in ("reference", "predictions")]
    return [frame.assign(at=pd.to_datetime(frame["at"])) for frame in files]


@pytest.fixture(scope="module")
def grid(frames):
    return freeze(columns(frames[0]), SCHEMA, frames[0]["score"].to_numpy(), "number")


def week(frame, start):
    begin = pd.Timestamp(start, tz="UTC")
    return frame[(frame["at"] >= begin) & (frame["at"] < begin + pd.Timedelta(days=7))]


@pytest.mark.parametrize("start", WEEKS)
def test_psi_of_a_week_is_that_of_plain_numpy(frames, grid, start):
    reference, traffic = frames[0], week(frames[1], start)
    was, now = profiled(reference, grid), profiled(traffic, grid)

    for name in NUMBERS | WHOLE:
        expected = plain(reference[name], traffic[name], np.unique(np.quantile(reference[name], np.arange(1, 10) / 10)))
        tolerance = 5e-4 if name in NUMBERS else 0.005 + 0.03 * expected
        assert psi(was.headline(name), now.headline(name)).value == pytest.approx(expected, abs=tolerance), name
    for name in TEXTS:
        expected = plain_text(reference[name].to_numpy(), traffic[name].to_numpy())
        assert psi(was.headline(name), now.headline(name)).value == pytest.approx(expected, abs=0.005 + 0.03 * expected)
    deciles = np.quantile(reference["score"], np.arange(1, 10) / 10)
    expected = plain(reference["score"], traffic["score"], deciles)
    assert psi(was.score_headline(), now.score_headline()).value == pytest.approx(expected, abs=5e-4)


def test_all_traffic_drifts_as_the_data_sheet_says(frames, grid):
    was, now = (profiled(frame, grid) for frame in frames)

    found = {name: psi(was.headline(name), now.headline(name)).value for name in grid.features}

    assert found["season"] == pytest.approx(1.0, abs=0.05)
    assert (found["temp"], found["atemp"]) == pytest.approx((0.25, 0.25), abs=0.005)
    assert (found["humidity"], found["windspeed"]) == pytest.approx((0.03, 0.01), abs=0.005)
    assert psi(was.score_headline(), now.score_headline()).value == pytest.approx(0.009, abs=0.0005)
    assert max(found[name] for name in ("hour", "weekday", "workingday", "weathersit")) < 0.1


def test_the_hour_never_drifts_in_any_week(frames, grid):
    was = profiled(frames[0], grid)
    starts = pd.date_range("2011-10-01", "2012-12-22", freq="7D")

    weekly = [
        psi(was.headline("hour"), profiled(week(frames[1], str(start.date())), grid).headline("hour"))
        for start in starts
    ]

    assert max(result.value for result in weekly) <= 0.0055


def test_days_add_up_to_the_week(frames, grid):
    traffic = week(frames[1], "2012-07-07")
    days = [profiled(day, grid) for _, day in traffic.groupby(traffic["at"].dt.date)]

    summed = merge_all(days)

    assert len(days) == 7
    assert summed.counts.tolist() == profiled(traffic, grid).counts.tolist()
    assert summed.segments["weathersit"].rows.sum() == len(traffic)

"""Drift of 100,000 x 50 from two data frames in memory, against Evidently, NannyML and whylogs."""

from benchmarks import datasets, peering, processes
from benchmarks.report import Line, Lines, at_least, seconds


def lines() -> Lines:
    """Cold: grid, two profiles, all metrics. Stored: all metrics from two profiles that are there already."""
    paths = datasets.drift_pair()
    ours = processes.ours("drift", *paths)
    cold = f"{seconds(ours['cold_s'])} ({ours['metrics']} distances)"

    evidently = peering.measure("evidently", *paths)
    name = f"Evidently {evidently['version']}"
    yield _line("cold drift 100k x 50", cold, f"{name} DataDriftPreset", evidently["preset_s"], ours["cold_s"], 40)
    yield _line("cold drift 100k x 50", cold, f"{name} its tests alone", evidently["tests_s"], ours["cold_s"], 8)

    whylogs = peering.measure("whylogs", *paths)
    name = f"whylogs {whylogs['version']}"
    yield _line("cold drift 100k x 50", cold, f"{name} two profiles, scores", whylogs["cold_s"], ours["cold_s"], 20)

    nannyml = peering.measure("nannyml", *paths)
    name = f"NannyML {nannyml['version']}"
    yield _line("cold drift 100k x 50", cold, f"{name} JS", nannyml["js_s"], ours["cold_s"], 10)
    yield _line("cold drift 100k x 50", cold, f"{name} KS + chi2", nannyml["ks_chi2_s"], ours["cold_s"], 1.5)

    warm = seconds(ours["stored_s"])
    yield _line("drift of two stored profiles", warm, "whylogs drift scores", whylogs["stored_s"], ours["stored_s"], 50)


def _line(name: str, ours: str, peer: str, theirs_s: float, ours_s: float, promised: float) -> Line:
    ratio = theirs_s / ours_s
    return Line(name, ours, f"{peer} {seconds(theirs_s)}", ratio, at_least(ratio, promised, "x"))

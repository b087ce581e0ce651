"""Drift of 100,000 x 50 from two data frames in memory, against Evidently, NannyML and whylogs.

The ratios are of processor time: another process on the machine lengthens everybody's wall time, but not all alike.
"""

from benchmarks import datasets, peering, processes
from benchmarks.report import Line, Lines, at_least, seconds

COLD, STORED = "cold drift 100k x 50", "drift of two stored profiles"


def lines() -> Lines:
    """Cold: grid, two profiles, all metrics. Stored: all metrics from two profiles that are there already."""
    paths = datasets.drift_pair()
    ours = processes.ours("drift", *paths)
    evidently, whylogs, nannyml = (peering.measure(name, *paths) for name in ("evidently", "whylogs", "nannyml"))
    evidently_name, whylogs_name, nannyml_name = (
        f"{name} {peer['version']}"
        for name, peer in (("Evidently", evidently), ("whylogs", whylogs), ("NannyML", nannyml))
    )
    for method, theirs, promised in (
        (f"{evidently_name} DataDriftPreset", evidently["preset"], 40),
        (f"{evidently_name} its tests alone", evidently["tests"], 8),
        (f"{whylogs_name} profiles and scores", whylogs["cold"], 20),
        (f"{nannyml_name} JS", nannyml["js"], 10),
        (f"{nannyml_name} KS + chi2", nannyml["ks_chi2"], 1.5),
    ):
        yield _line(COLD, ours["cold"], method, theirs, promised)
    yield _line(STORED, ours["stored"], f"{whylogs_name} scores", whylogs["stored"], None)
    yield Line("distances computed for that", f"{ours['metrics']}, with p-values")


def _line(name: str, ours: dict[str, float], peer: str, theirs: dict[str, float], promised: float | None) -> Line:
    ratio = theirs["cpu_s"] / ours["cpu_s"]
    promise = at_least(ratio, promised, "x") if promised else None
    return Line(name, _written(ours), f"{peer} {_written(theirs)}", ratio, promise)


def _written(taken: dict[str, float]) -> str:
    return f"{seconds(taken['cpu_s'])} (wall {seconds(taken['wall_s'])})"

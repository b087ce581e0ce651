"""Metrics of a classifier by segment against scikit-learn, and the bootstrap of a threshold sweep."""

from benchmarks import processes
from benchmarks.report import Line, Lines, at_least, at_most, seconds


def lines() -> Lines:
    """Both sides take AUC, average precision, Brier score, log loss and ECE of 3M rows and of 20 segments."""
    ours, theirs = (processes.ours("statistics", side) for side in ("ours", "theirs"))
    ratio = theirs["cpu_s"] / ours["cpu_s"]
    yield Line(
        "five metrics, 3M rows and 20 segments",
        f"{seconds(ours['wall_s'])} ({seconds(ours['cpu_s'])} of processor time)",
        f"scikit-learn {theirs['version']} {seconds(theirs['wall_s'])} ({seconds(theirs['cpu_s'])})",
        ratio,
        at_least(ratio, 20, "x"),
    )
    sweep = processes.ours("statistics", "bootstrap")
    yield Line(
        "1,000 bootstraps x 200 thresholds, 1M rows",
        f"{seconds(sweep['wall_s'])} after binning",
        promise=at_most(sweep["wall_s"] * 1e3, 300, " ms"),
    )
    intervals = processes.ours("statistics", "intervals")
    area, groups = intervals["area"]["wall_s"], intervals["groups"]
    yield Line("AUC with its interval, from counts", seconds(area), promise=at_most(area * 1e3, 1, " ms"))
    yield Line(
        "200 bootstraps of the AUC x 21 groups",
        f"{seconds(groups['wall_s'])} ({seconds(groups['cpu_s'])} of processor time)",
        promise=at_most(groups["cpu_s"], 1, " s"),
    )

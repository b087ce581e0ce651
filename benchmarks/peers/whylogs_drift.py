"""whylogs: a profile of each side and its drift scores. Prints JSON; run in its own environment."""

import json
import sys
import warnings
from importlib.metadata import version

import pandas as pd
import whylogs
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from benchmarks.timing import median_s


def main(reference_path: str, current_path: str) -> None:
    """Print the median times: everything, and drift of two profiles that are there already."""
    warnings.simplefilter("ignore")
    reference, current = pd.read_parquet(reference_path), pd.read_parquet(current_path)

    def cold() -> object:
        sides = [whylogs.log(frame).view() for frame in (current, reference)]
        return calculate_drift_scores(*sides, with_thresholds=True)

    stored = [whylogs.log(frame).view() for frame in (current, reference)]
    print(
        json.dumps(
            {
                "version": version("whylogs"),
                "cold": median_s(cold, times=3),
                "stored": median_s(lambda: calculate_drift_scores(*stored, with_thresholds=True), times=3),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])

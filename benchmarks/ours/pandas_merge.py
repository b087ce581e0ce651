"""The peer of the outcome join: the same files read and merged with pandas, nothing counted."""

import json
import sys

import pandas as pd

from benchmarks.timing import Stopwatch, peak_mb


def main(files: dict[str, list[str]]) -> None:
    """Join three times; print the median."""
    taken, cpu = [], []
    for _again in range(3):
        watch = Stopwatch()
        predictions = _read(files["prediction"], ["request_id", "predicted_at", "score", "prediction"])
        outcomes = _read(files["outcome"], ["request_id", "value_text", "observed_at", "received_at"])
        latest = outcomes.sort_values(["observed_at", "received_at"]).drop_duplicates("request_id", keep="last")
        joined = predictions.merge(latest, on="request_id", how="left")
        taken.append(watch.wall_s())
        cpu.append(watch.cpu_s())
        assert joined["value_text"].notna().all()
        del predictions, outcomes, latest, joined
    print(
        json.dumps(
            {
                "version": pd.__version__,
                "wall_s": sorted(taken)[1],
                "cpu_s": sorted(cpu)[1],
                "peak_mb": peak_mb(),
            }
        )
    )


def _read(paths: list[str], columns: list[str]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path, columns=columns) for path in paths], ignore_index=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

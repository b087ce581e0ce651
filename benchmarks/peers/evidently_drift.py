"""Evidently: the default preset, and its statistical tests alone. Prints JSON; run in its own environment."""

import json
import sys
import warnings
from importlib.metadata import version

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

from benchmarks.timing import median_s


def main(reference_path: str, current_path: str) -> None:
    """Print the median times."""
    warnings.simplefilter("ignore")
    reference, current = pd.read_parquet(reference_path), pd.read_parquet(current_path)
    numbers = [name for name in reference if reference[name].dtype.kind == "f"]
    texts = [name for name in reference if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)

    def preset() -> object:
        sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
        return Report([DataDriftPreset()]).run(*sides).dict()

    def tests() -> list[object]:
        found = []
        for name in reference:
            kind = ColumnType.Numerical if name in numbers else ColumnType.Categorical
            test = get_stattest(reference[name], current[name], kind, None)
            found.append(test(reference[name], current[name], kind, None))
        return found

    print(
        json.dumps(
            {
                "version": version("evidently"),
                "preset": median_s(preset, times=3),
                "tests": median_s(tests, times=3),
                "features": len(tests()),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])

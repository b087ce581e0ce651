"""NannyML: univariate drift by Jensen-Shannon, and by KS with chi2. Prints JSON; run in its own environment."""

import json
import sys
import warnings
from importlib.metadata import version

import nannyml
import pandas as pd

from benchmarks.timing import median_s


def main(reference_path: str, current_path: str) -> None:
    """Print the median times; the window is one chunk, as ours is."""
    warnings.simplefilter("ignore")
    reference, current = pd.read_parquet(reference_path), pd.read_parquet(current_path)

    def drift(continuous: str, categorical: str) -> object:
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=list(reference),
            continuous_methods=[continuous],
            categorical_methods=[categorical],
            chunk_number=1,
        )
        return calculator.fit(reference).calculate(current)

    print(
        json.dumps(
            {
                "version": version("nannyml"),
                "js": median_s(lambda: drift("jensen_shannon", "jensen_shannon"), times=3),
                "ks_chi2": median_s(lambda: drift("kolmogorov_smirnov", "chi2"), times=3),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])

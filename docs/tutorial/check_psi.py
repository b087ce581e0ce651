"""Recomputes the PSI of three windows with plain numpy: `check_psi.py BIKE_FOLDER MEASUREMENTS.csv`."""

import sys

import numpy as np
import pandas as pd

bike, measurements = sys.argv[1:3]
reference = pd.read_parquet(f"{bike}/reference.parquet")
traffic = pd.read_parquet(f"{bike}/predictions.parquet")
traffic["at"] = pd.to_datetime(traffic["at"])
portal = pd.read_csv(measurements).query("check == 'input_drift' and segment.isna()")


def psi(feature, window):
    r, c = reference[feature], window[feature]
    if r.dtype.kind in "OTU" or str(r.dtype) in ("str", "string"):
        values = sorted(set(r) | set(c))
        a, b = (side.value_counts().reindex(values, fill_value=0).to_numpy() for side in (r, c))
    else:
        edges = np.unique(np.quantile(r, np.arange(0.1, 1, 0.1)))
        a, b = (np.bincount(np.searchsorted(edges, side, "right"), minlength=len(edges) + 1) for side in (r, c))
    a, b = a[a + b > 0], b[a + b > 0]
    p, q = (a + 0.5) / (a.sum() + len(a) / 2), (b + 0.5) / (b.sum() + len(b) / 2)
    return float(((q - p) * np.log(q / p)).sum())


for end in ("2011-11-12", "2012-05-05", "2012-12-08"):
    end = pd.Timestamp(end, tz="UTC")
    window = traffic[(traffic["at"] >= end - pd.Timedelta(days=7)) & (traffic["at"] < end)]
    rows = portal[pd.to_datetime(portal["window_end"]) == end].set_index("feature")
    print(end.date(), "n =", len(window))
    for feature in rows.sort_values("value", ascending=False).index:
        print(f"  {feature:<11} portal {rows.value[feature]:.4f}  numpy {psi(feature, window):.4f}")

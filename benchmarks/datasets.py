"""Seeded data that every side of a comparison reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import WORK

NUMERIC, CATEGORIES = 40, 10
SHAPES = ("normal", "lognormal", "gamma", "uniform", "poisson", "cents", "mostly zero", "student")


def drift_pair(rows: int = 100_000) -> tuple[Path, Path]:
    """A reference and a window of 40 numbers and 10 categories; every fifth column has drifted."""
    paths = WORK / f"reference-{rows}.parquet", WORK / f"current-{rows}.parquet"
    for seed, path in enumerate(paths):
        if not path.exists():
            WORK.mkdir(parents=True, exist_ok=True)
            table = pa.table(columns(rows, seed=seed, shift=0.2 * seed))
            pq.write_table(table, path, compression="zstd")
    return paths


def columns(rows: int, *, seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Columns by name: n00 to n39 numbers of eight shapes, c00 to c09 texts of 3 to 30 values."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for i in range(NUMERIC):
        made[f"n{i:02d}"] = numbers(rng, SHAPES[i % len(SHAPES)], rows, shift if i % 5 == 0 else 0.0)
    for i in range(CATEGORIES):
        made[f"c{i:02d}"] = texts(rng, 3 * (i + 1), rows, shift if i % 5 == 0 else 0.0)
    return made


def numbers(rng: np.random.Generator, shape: str, rows: int, shift: float) -> np.ndarray:
    """Numbers of one shape, moved by `shift` of about a standard deviation."""
    if shape == "normal":
        return rng.normal(shift, 1, rows)
    if shape == "lognormal":
        return rng.lognormal(shift, 1, rows)
    if shape == "gamma":
        return rng.gamma(2 + shift, 2, rows)
    if shape == "uniform":
        return rng.uniform(shift, 1 + shift, rows)
    if shape == "poisson":
        return rng.poisson(4 + shift, rows).astype(np.float64)
    if shape == "cents":
        return np.round(rng.normal(100 + 20 * shift, 20, rows), 2)
    if shape == "mostly zero":
        return np.where(rng.random(rows) < 0.6 - shift, 0.0, rng.exponential(10, rows))
    return rng.standard_t(3, rows) + shift


def texts(rng: np.random.Generator, values: int, rows: int, shift: float) -> np.ndarray:
    """Texts of which each is rarer than the one before."""
    shares = 0.9 ** np.arange(values) + shift * (np.arange(values) == values - 1)
    names = np.array([f"value {i}" for i in range(values)], dtype=object)
    return names[rng.choice(values, rows, p=shares / shares.sum())]

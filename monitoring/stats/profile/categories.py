"""Text values counted on kept bins and OTHER."""

from dataclasses import dataclass, field

import numpy as np

from monitoring.stats.arrays import IntArray
from monitoring.stats.columns import Column, encode
from monitoring.stats.grid import CategoryGrid
from monitoring.stats.grid.category import code_counts

MAX_OTHER_TOP = 20


@dataclass(frozen=True, slots=True, eq=False)
class CategoryProfile:
    """The values of one boolean, category or text column.

    counts: per kept value, OTHER last; n: their sum. n_unseen: rows of OTHER whose value the reference never
    had. other_top: the most frequent values of OTHER, for display only.
    """

    counts: IntArray
    n: int
    n_null: int = 0
    n_invalid: int = 0
    n_missing: int = 0
    n_unseen: int = 0
    other_top: dict[str, int] = field(default_factory=dict)


def count_category(column: Column, grid: CategoryGrid) -> CategoryProfile:
    """Count a text column on the bins of a grid.

    >>> from monitoring.stats.grid import category_grid
    >>> profile = count_category(["a", "b", None], category_grid(["a", "a"]))
    >>> profile.counts.tolist(), profile.n_null, profile.n_unseen, profile.other_top
    ([1, 1], 1, 1, {'b': 1})
    """
    coded = encode(column)
    per_code = code_counts(coded)
    bins = grid.bins_of(coded.values)
    counts = np.bincount(bins, per_code, minlength=grid.cells).astype(np.int64)
    rest = np.flatnonzero((bins == grid.cells - 1) & (per_code > 0))
    names = [coded.values[code] for code in rest]
    unseen = per_code[rest][grid.is_unseen(names)]
    return CategoryProfile(
        counts=counts,
        n=int(counts.sum()),
        n_null=len(coded) - int(counts.sum()),
        n_unseen=int(unseen.sum()),
        other_top=top_values(dict(zip(names, per_code[rest].tolist(), strict=True))),
    )


def top_values(counts: dict[str, int]) -> dict[str, int]:
    """Return the twenty most frequent values, ties in alphabetical order.

    >>> top_values({"b": 2, "a": 2, "c": 3})
    {'c': 3, 'a': 2, 'b': 2}
    """
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_OTHER_TOP])

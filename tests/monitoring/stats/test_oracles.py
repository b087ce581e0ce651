"""Numbers from profiles against scipy on the raw columns, for every kind of column the portal meets."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, entropy, kstwo, wasserstein_distance
from scipy.stats import ks_2samp as scipy_ks

from monitoring.stats.divergence import hellinger, js, kl, linf, psi, tvd
from monitoring.stats.grid import FeatureSpec, freeze
from monitoring.stats.profile import build
from monitoring.stats.twosample import chi2_homogeneity, cramers_v, ks, ks_exact, wasserstein, wasserstein_exact

pytestmark = pytest.mark.slow

N_REF, N_CUR = 20_000, 5_000


def with_nulls(rng, values):
    return np.where(rng.random(len(values)) < 0.4, np.nan, values)


def modes(rng, n):
    return rng.normal(size=n) + 8 * (rng.random(n) < 0.3)


KINDS = {
    "normal": lambda rng, n, shift: rng.normal(shift, 1, n),
    "lognormal": lambda rng, n, shift: rng.lognormal(shift, 1, n),
    "bimodal": lambda rng, n, shift: modes(rng, n) + shift,
    "discrete": lambda rng, n, shift: rng.poisson(4 + 3 * shift, n).astype(float),
    "many values": lambda rng, n, shift: np.round(rng.normal(shift, 1, n), 2),
    "heavy-tailed": lambda rng, n, shift: rng.standard_t(3, n) + shift,
    "mostly zero": lambda rng, n, shift: np.where(rng.random(n) < 0.6 - shift, 0.0, rng.lognormal(size=n)),
    "null-ridden": lambda rng, n, shift: with_nulls(rng, rng.normal(shift, 1, n)),
    "constant": lambda _rng, n, shift: np.full(n, 7.0 + shift),
    "tiny numbers": lambda rng, n, shift: rng.normal(shift, 1, n) * 1e-30,
}


def both(kind, shift, n_ref=N_REF, n_cur=N_CUR):
    """Return the columns, the grid of the reference and both profiles of a drawn feature x."""
    rng = np.random.default_rng(11)
    reference, window = KINDS[kind](rng, n_ref, 0.0), KINDS[kind](rng, n_cur, shift)
    grid = freeze({"x": reference}, [FeatureSpec("x", "number")])
    return reference, window, grid.features["x"], build({"x": reference}, grid), build({"x": window}, grid)


def finite(values):
    return values[np.isfinite(values)]


def on_bins(values, bounds):
    return np.bincount(np.searchsorted(bounds, finite(values), "right"), minlength=len(bounds) + 1)


def plain_psi(a, c):
    p, q = ((side + 0.5) / (side + 0.5).sum() for side in (a, c))
    return ((q - p) * np.log(q / p)).sum()


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_ks_from_a_profile_is_that_of_the_rows(kind, shift):
    reference, window, _, before, now = both(kind, shift)

    counted = ks(before.feature("x").counts, now.feature("x").counts)

    exactly = ks_exact(reference, window)
    if kind == "constant" and not shift:
        assert (counted.reason, exactly.reason) == ("constant", "constant")
        return
    oracle = scipy_ks(finite(reference), finite(window), method="asymp")
    assert exactly.value == pytest.approx(oracle.statistic, abs=1e-9)
    assert counted.value <= exactly.value + 1e-12
    assert counted.value == pytest.approx(oracle.statistic, abs=1e-3)
    n, m = exactly.n_ref, exactly.n_cur
    assert exactly.p_value == pytest.approx(kstwo.sf(exactly.value, round(n * m / (n + m))), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "constant"])
def test_wasserstein_from_a_profile_is_that_of_the_rows(kind, shift):
    reference, window, grid, before, now = both(kind, shift)
    sides = before.feature("x").counts, now.feature("x").counts

    clipped = [np.clip(finite(side), grid.clip_low, grid.clip_high) for side in (reference, window)]

    assert wasserstein(*sides, grid).value == pytest.approx(wasserstein_distance(*clipped) / grid.scale, abs=2e-3)
    raw = wasserstein_exact(reference, window).value
    assert raw == pytest.approx(wasserstein_distance(finite(reference), finite(window)), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "constant"])
def test_headline_distances_are_those_of_the_rows_on_the_same_bins(kind, shift):
    reference, window, grid, before, now = both(kind, shift)
    counted = before.headline("x"), now.headline("x")
    bins = len(grid.labels)

    rows = [
        np.bincount(np.searchsorted(grid.bounds, finite(side), "right"), minlength=bins) for side in (reference, window)
    ]
    a, c = (side[rows[0] + rows[1] > 0] for side in rows)

    assert [side.tolist() for side in counted] == [side.tolist() for side in rows]
    p, q = ((side + 0.5) / (side + 0.5).sum() for side in (a, c))
    assert psi(*counted).value == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-9)
    assert kl(*counted).value == pytest.approx(entropy(q, p), abs=1e-9)
    p, q = a / a.sum(), c / c.sum()
    assert js(*counted).value == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-7)
    assert tvd(*counted).value == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-9)
    assert linf(*counted).value == pytest.approx(np.abs(p - q).max(), abs=1e-9)
    assert hellinger(*counted).value == pytest.approx(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2), abs=1e-9)
    oracle = chi2_contingency([a, c], correction=False)
    assert chi2_homogeneity(*counted).value == pytest.approx(oracle.statistic, rel=1e-9, abs=1e-9)
    assert chi2_homogeneity(*counted).p_value == pytest.approx(oracle.pvalue, rel=1e-9, abs=1e-12)
    assert 0 <= cramers_v(*counted).value <= 1


WITHOUT_ATOMS = set(KINDS) - {"constant", "discrete", "mostly zero"}  # a heavy value has a bin of its own


@pytest.mark.parametrize("kind", sorted(WITHOUT_ATOMS))
def test_psi_of_a_profile_is_that_of_plain_deciles(kind):
    reference, window, _, before, now = both(kind, 0.2)
    bounds = np.quantile(finite(reference), np.arange(1, 10) / 10)

    plain = plain_psi(on_bins(reference, bounds), on_bins(window, bounds))

    assert psi(before.headline("x"), now.headline("x")).value == pytest.approx(plain, abs=5e-4)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_column_is_counted_exactly(kind, n):
    reference, window, grid, before, now = both(kind, 0.3, n_ref=n, n_cur=n)
    sides = before.feature("x").counts, now.feature("x").counts

    counted, exactly = ks(*sides), ks_exact(reference, window)

    assert (sides[0].sum(), sides[1].sum()) == (np.isfinite(reference).sum(), np.isfinite(window).sum())
    if exactly.value is not None and counted.value is not None:
        assert counted.value <= exactly.value + 1e-12
    raw = wasserstein(*sides, grid, clip=False)
    assert (raw.value is None) == (wasserstein_exact(reference, window).value is None)

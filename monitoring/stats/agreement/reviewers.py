"""Agreement of people who label the same items, raw and beyond chance.

Two forms of input: a square table of the first against the second rater (`Confusion`), or counts of items by label,
shape (items, labels), for any number of raters. All answers equal leaves nothing beyond chance to measure:
`zero_denominator`, never 1.
"""

import numpy as np
from scipy.special import ndtri, stdtrit

from monitoring.stats.arrays import FloatArray, IntArray
from monitoring.stats.classification import rates
from monitoring.stats.intervals import rate, wilson
from monitoring.stats.results import Confusion, Estimate, Reason

_EVEN = 1e-12  # below it, a spread or an expected disagreement is rounding


def raw_agreement(counts: IntArray) -> Estimate:
    """Return the share of pairs of raters that agree, as the mean over items with at least two ratings.

    counts: ratings per item and label. Wilson's interval with as many effective items as have the variance seen;
    with two raters those are the items.

    Raises ValueError for counts that are negative or have another shape.

    >>> raw_agreement(np.array([[2, 0], [1, 1], [0, 2], [0, 2]])).value
    0.75
    """
    rated = _rated(counts)
    if not len(rated):
        return Estimate(None, method="wilson", reason=Reason.empty)
    size = rated.sum(axis=1)
    agreed = (rated * (rated - 1)).sum(axis=1) / (size * (size - 1))
    share, spread, n = float(agreed.mean()), float(agreed.var()), len(agreed)
    n_eff = n * share * (1 - share) / spread if spread > _EVEN else float(n)
    low, high = wilson(share * n_eff, n_eff)
    return Estimate(share, low, high, n=n, n_eff=n_eff, method="wilson")


def cohen(table: Confusion) -> Estimate:
    """Return Cohen's kappa of two raters, with a normal interval by its asymptotic standard error.

    It covers 91 to 97 % from 20 items of the rarer label on (for a kappa of 0.9 from 200 items); with fewer it is too
    narrow, down to 60 % at five. That of `alpha` is better there.

    Cohen, Educational and Psychological Measurement 20 (1960); Fleiss, Cohen and Everitt, Psychological Bulletin 72
    (1969), for the error.

    >>> kappa = cohen(Confusion(("0", "1"), np.array([[150, 10], [6, 34]])))
    >>> round(kappa.value, 5), round((kappa.high - kappa.value) / 1.959964, 5)
    (0.75904, 0.0571)
    """
    n, value = table.n, rates(table)["kappa"].value
    if value is None:
        return _none(n, "normal")
    p = table.counts / n
    first, second = p.sum(axis=1), p.sum(axis=0)
    chance = float(first @ second)
    off = p * (second[:, None] + first[None, :]) ** 2
    agreeing = float((np.diag(p) * (1 - (first + second) * (1 - value)) ** 2).sum())
    disagreeing = (1 - value) ** 2 * float(off.sum() - np.trace(off))
    spread = agreeing + disagreeing - (value - chance * (1 - value)) ** 2
    if spread <= _EVEN:
        return _without_width(value, chance, n, "normal")
    half = float(ndtri(0.975) * np.sqrt(spread / n)) / (1 - chance)
    return _within(value, value - half, value + half, n, "normal")


def fleiss(counts: IntArray) -> Estimate:
    """Return Fleiss' kappa of a fixed number of raters per item, with a jackknife interval over items.

    counts: ratings per item and label; items nobody rated are left out.

    Raises ValueError if items have different numbers of ratings, for which `alpha` is made.

    Fleiss, Psychological Bulletin 76 (1971).

    >>> round(fleiss(np.array([[3, 0], [2, 1], [0, 3], [0, 3]])).value, 6)
    0.657143
    """
    rated = _rated(counts, least=1)
    size = rated.sum(axis=1)
    if len(rated) and size.min() != size.max():
        raise ValueError("Fleiss' kappa needs the same number of ratings of every item; alpha does not")
    if not len(rated) or size[0] < 2:
        return Estimate(None, n=len(rated), n_eff=len(rated), method="jackknife", reason=_too_little(rated))
    agreed = (rated * (rated - 1)).sum(axis=1) / (size * (size - 1))
    by_label, total, items = rated.sum(axis=0), int(rated.sum()), len(rated)
    observed, chance = 1 - agreed.mean(), 1 - float(((by_label / total) ** 2).sum())
    others_observed = 1 - (agreed.sum() - agreed) / max(items - 1, 1)
    others_chance = 1 - (((by_label - rated) / np.maximum(total - size, 1)[:, None]) ** 2).sum(axis=1)
    return _beyond_chance(float(observed), chance, others_observed, others_chance)


def alpha(counts: IntArray) -> Estimate:
    """Return Krippendorff's alpha of nominal labels, with a jackknife interval over items.

    counts: ratings per item and label. Labels may be missing: items may have different numbers of ratings, and
    those with fewer than two are left out.

    Krippendorff, Content Analysis (2004), chapter 11.

    >>> round(alpha(np.array([[2, 0], [2, 0], [1, 1], [0, 2]])).value, 6)
    0.533333
    """
    rated = _rated(counts)
    if not len(rated):
        return Estimate(None, method="jackknife", reason=Reason.empty)
    size, by_label, total = rated.sum(axis=1), rated.sum(axis=0), int(rated.sum())
    apart = (size**2 - (rated**2).sum(axis=1)) / (size - 1)
    others = total - size
    observed, chance = float(apart.sum()) / total, float(_expected(by_label, np.array(total)))
    others_observed = (apart.sum() - apart) / np.maximum(others, 1)
    return _beyond_chance(observed, chance, others_observed, _expected(by_label - rated, others))


def _expected(by_label: IntArray, total: IntArray) -> FloatArray:
    """Return the disagreement of two ratings drawn from all of them without putting back."""
    return np.asarray((total**2 - (by_label**2).sum(axis=-1)) / np.maximum(total * (total - 1), 1))


def specific_agreement(table: Confusion, label: str, reason: Reason = Reason.zero_denominator) -> Estimate:
    """Return how often the second rater says a label when the first does: 2a / (2a + b + c).

    a: both say it; b, c: one of them. Wilson's interval of a / (a + b + c), of which the value is a function.
    reason: why there is no value if nobody says it.

    Raises ValueError for a label that is not in the table.

    Cicchetti and Feinstein, Journal of Clinical Epidemiology 43 (1990).

    >>> specific_agreement(Confusion(("0", "1"), np.array([[6, 1], [1, 2]])), "1").value
    0.6666666666666666
    """
    if label not in table.labels:
        raise ValueError(f"{label} is not one of the labels")
    place = table.labels.index(label)
    both = int(table.counts[place, place])
    either = int(table.counts[place].sum() + table.counts[:, place].sum()) - both
    jaccard = rate(both, either, reason if table.n else Reason.empty)
    if jaccard.value is None or jaccard.low is None or jaccard.high is None:
        return jaccard
    value, low, high = (2 * share / (1 + share) for share in (jaccard.value, jaccard.low, jaccard.high))
    return Estimate(value, low, high, n=either, n_eff=either, method="wilson")


def positive_agreement(table: Confusion) -> Estimate:
    """Return the specific agreement of the second of two labels; `no_positives` if nobody says it.

    Raises ValueError for another number of labels.

    >>> round(positive_agreement(Confusion(("0", "1"), np.array([[150, 10], [6, 34]]))).value, 5)
    0.80952
    """
    return specific_agreement(table, _of_two(table)[1], Reason.no_positives)


def negative_agreement(table: Confusion) -> Estimate:
    """Return the specific agreement of the first of two labels; `no_negatives` if nobody says it.

    Raises ValueError for another number of labels.

    >>> round(negative_agreement(Confusion(("0", "1"), np.array([[150, 10], [6, 34]]))).value, 5)
    0.94937
    """
    return specific_agreement(table, _of_two(table)[0], Reason.no_negatives)


def _of_two(table: Confusion) -> tuple[str, ...]:
    if len(table.labels) != 2:
        raise ValueError("positive and negative agreement are of two labels")
    return table.labels


def _rated(counts: IntArray, least: int = 2) -> IntArray:
    """Return the items with enough ratings."""
    if counts.ndim != 2 or (counts < 0).any():
        raise ValueError("counts of items by label are needed")
    return np.asarray(counts[counts.sum(axis=1) >= least], dtype=np.int64)


def _too_little(rated: IntArray) -> Reason:
    return Reason.too_few if len(rated) else Reason.empty


def _beyond_chance(observed: float, chance: float, others_observed: FloatArray, others_chance: FloatArray) -> Estimate:
    """Return 1 - observed / chance disagreement; others_*: the same two without each of the items in turn.

    The interval is that of the jackknife over items with Student's t, on the scale of log(1 - value), where it is
    less skewed and stays below 1; none if the figure hangs on a single item.
    """
    n = len(others_observed)
    if chance <= _EVEN:
        return _none(n, "jackknife")
    value = 1 - observed / chance
    if n < 2 or others_chance.min() <= _EVEN:
        return Estimate(value, n=n, n_eff=n, method="jackknife")
    others = 1 - others_observed / others_chance
    se = float(np.sqrt((n - 1) / n * ((others - others.mean()) ** 2).sum()))
    if se <= _EVEN:
        return _without_width(value, 1 - chance, n, "jackknife")
    factor = float(np.exp(stdtrit(n - 1, 0.975) * se / (1 - value)))
    return _within(value, 1 - (1 - value) * factor, 1 - (1 - value) / factor, n, "jackknife")


def _without_width(value: float, chance: float, n: int, method: str) -> Estimate:
    """Return the value with Wilson's interval of the raw agreement, for raters that always or never agree.

    chance: the agreement expected by chance.
    """
    low, high = ((share - chance) / (1 - chance) for share in wilson((chance + value * (1 - chance)) * n, n))
    return _within(value, low, high, n, method)


def _within(value: float, low: float, high: float, n: int, method: str) -> Estimate:
    return Estimate(value, max(low, -1.0), min(high, 1.0), n=n, n_eff=n, method=method)


def _none(n: int, method: str) -> Estimate:
    return Estimate(None, n=n, n_eff=n, method=method, reason=Reason.zero_denominator if n else Reason.empty)

"""Tiers, not ranks: p-values of differences, corrected for all comparisons made.

Tier 1 is whatever cannot be shown to be worse than the best; it is taken away, and so on. The
best is chosen by its score on the same photos, so its rivals are not comparisons fixed before:
the largest of many equal scores lies above the others by luck. Correcting for the m - 1 pairs
with the best only cries wolf in 13 % of boards of ten equal entries (simulated, see the tests),
so all m (m - 1) / 2 pairs are counted.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest

from footwork.records import Estimate
from footwork.scores import Floats

ALPHA = 0.05


def p_of_difference(difference: Estimate, freedom: float = np.inf) -> float:
    """Return the two-sided p of 'no difference', in [0, 1], from a 95 % interval.

    freedom: degrees of freedom of Student's t behind the interval, the normal distribution by
    default. The interval is read as value +- t standard errors, the longer side where it is
    clipped, so that p < 0.05 exactly where it leaves out 0. Tails of t, since resamples cannot
    count the small probabilities that a correction asks for. An interval that says nothing,
    [-1, 1], has p = 1.
    """
    if difference.low <= -1 and difference.high >= 1:
        return 1.0
    reach = max(difference.high - difference.value, difference.value - difference.low)
    if reach == 0:
        return 1.0 if difference.value == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(difference.value) * stdtrit(freedom, 0.975) / reach))


def holm(p: Floats) -> Floats:
    """Return p-values corrected for being (n,) many, in the same order, in [0, 1].

    A corrected value below alpha is a finding; the chance of any false one is at most alpha,
    however the comparisons depend on each other.
    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6, 65-70.
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1)
    return corrected


def tiers(corrected: Floats, alpha: float = ALPHA) -> tuple[int, ...]:
    """Return the tier of every entry, from 1.

    corrected: (m, m) symmetric corrected p-values of all pairs (see `holm`), the entries in the
    order of their scores, best first. An entry whose difference to the best is less certain can
    be in a better tier than one of a higher score.
    """
    tier = np.zeros(len(corrected), dtype=np.int64)
    number = 0
    while len(left := np.flatnonzero(tier == 0)):
        number += 1
        best = left[0]
        alike = corrected[best, left] >= alpha
        alike[0] = True
        tier[left[alike]] = number
    return tuple(tier.tolist())


def pair_table(p: Floats, m: int) -> NDArray[np.float64]:
    """Lay out the p-values of the pairs (0, 1), (0, 2), ... (m - 2, m - 1) as (m, m), 1 on the
    diagonal.
    """
    table = np.ones((m, m))
    rows, columns = np.triu_indices(m, 1)
    table[rows, columns] = table[columns, rows] = p
    return table


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided p of 'a and b are right equally often' on the same photos.

    only_a, only_b: photos that only one of the two gets right. The photos must be independent
    (no copies, no groups), and each answered once.
    Source: McNemar 1947, doi:10.1007/BF02295996, as the exact binomial test.
    """
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)

"""How many standard errors an interval reaches, where groups of photos are few."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

SMALL_CLASS = 5  # groups; a class with fewer gets its exact bound added, see `intervals`


@dataclass(frozen=True)
class Reach:
    """freedom: degrees of freedom of Student's t. inflation: what the error is multiplied by."""

    freedom: float
    inflation: float

    @property
    def errors(self) -> float:
        """How many standard errors a 95 % interval reaches to either side; near 2."""
        return self.inflation * float(stdtrit(self.freedom, 0.975))


def of_all(groups: int, classes: int) -> Reach:
    """Return the reach of a mean over all groups, beside 2 `classes` pretended ones."""
    return Reach(max(groups - classes, 1), sqrt(1 + 2 * classes / groups))


def class_by_class(groups: NDArray[np.int64], least: Reach) -> Reach:
    """Return the reach of a mean over classes; groups: (k,) of each class.

    A class of g groups is taken to add a variance in proportion to 1 / g: its g - 1 degrees of
    freedom count accordingly (Satterthwaite 1946, doi:10.2307/3002019), and so does the
    (g + 2) / g that its two pretended groups ask for. Never less careful than `least`, as it
    would be where groups hold several classes. Classes of fewer than SMALL_CLASS groups are left
    out, since their exact bounds are added anyway.
    """
    counted = groups[groups >= SMALL_CLASS].astype(np.float64)
    if not len(counted):
        return least
    share = 1 / counted / (1 / counted).sum()
    freedom = 1 / float((share**2 / (counted - 1)).sum())
    inflation = sqrt(float((share * (counted + 2) / counted).sum()))
    return Reach(min(freedom, least.freedom), max(inflation, least.inflation))

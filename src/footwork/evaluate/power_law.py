"""Power laws through learning curves: score = a - b * photos ** -c, and what they can say.

Source of the form: Hestness et al. 2017, arXiv:1712.00409; Viering and Loog 2023, The Shape of
Learning Curves, doi:10.1109/TPAMI.2022.3220744, who also show how far off any law can be.
"""

from dataclasses import dataclass

import numpy as np

from footwork.scores import Floats

# Of c. Below, a curve hardly bends within what anybody measures and a is anything; above, it is
# flat after the first few photos.
EXPONENTS = np.geomspace(0.2, 2.0, 46)


@dataclass(frozen=True)
class PowerLaw:
    """Laws of many draws. a: (...,) in [0, 1], the score that no number of photos exceeds;
    b: (...,) at least 0; c: (...,) one of EXPONENTS.
    """

    a: Floats
    b: Floats
    c: Floats

    def at(self, photos: float) -> Floats:
        """(...,) the score with so many training photos, in [0, 1]."""
        score: Floats = np.clip(self.a - self.b * photos**-self.c, 0, 1)
        return score

    def photos_for(self, score: float) -> Floats:
        """(...,) training photos that reach `score`; inf where the law never does."""
        short = self.a - score
        with np.errstate(divide="ignore", over="ignore"):
            needed: Floats = np.where(
                short > 0, (self.b / np.where(short > 0, short, 1)) ** (1 / self.c), np.inf
            )
        return needed


def fit_power_law(photos: Floats, score: Floats) -> PowerLaw:
    """Fit the law to scores by weighted least squares, exactly for every exponent of a grid.

    photos: (s,) training photos, at least 3 different ones; score: (..., s) in [0, 1].
    A point weighs as its number of photos: the spread of what a trained model scores falls about
    with the root of that, and large sizes are what a forecast starts from.
    Bounds: 0 <= a <= 1, b >= 0 (more photos are never worse).
    """
    y = np.atleast_2d(score).reshape(-1, len(photos))
    weight = photos / photos.sum()
    mean = y @ weight
    best = np.full(len(y), np.inf)
    found = np.zeros((3, len(y)))
    for c in EXPONENTS:
        x = photos**-c
        middle = weight @ x
        b = np.maximum(-((y - mean[:, None]) @ (weight * (x - middle)))
                       / (weight @ (x - middle) ** 2), 0)  # fmt: skip
        a = mean + b * middle
        # On the bound a = 1 the best b is that of a line through it.
        b = np.where(a > 1, np.maximum((1 - y) @ (weight * x) / (weight @ x**2), 0), b)
        a = np.minimum(a, 1)
        error = (y - a[:, None] + b[:, None] * x) ** 2 @ weight
        better = error < best - 1e-15
        best = np.where(better, error, best)
        found[:, better] = np.stack([a, b, np.full(len(y), c)])[:, better]
    shape = np.shape(score)[:-1]
    return PowerLaw(*(part.reshape(shape) for part in found))

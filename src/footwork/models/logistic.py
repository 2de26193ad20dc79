"""Multinomial logistic regression on several subsets of the same rows at once.

The objective of scikit-learn's `LogisticRegression(C, class_weight="balanced")`, by the same
method: Newton's, each step found by conjugate gradients to the accuracy that it deserves (Nocedal
and Wright, Numerical Optimization, 2006, algorithm 7.1), each fit starting from the one before.
Own code, because choosing a penalty inside 25 folds takes 1,000 fits of a few hundred rows, and
scikit-learn spends four fifths of them on checks of its input and on Python between small
products. Here the inner folds are columns of one product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Linears = tuple[Floats, Floats]  # weights (m, d, k) and biases (m, k), one head per subset

MOST_STEPS = 1000
MOST_HALVINGS = 40
FLAT = 1e-12  # the least curvature that a step is scaled by
AT_ONCE = 2**24  # log odds in memory: heads x rows x classes
ROUNDING = 8 * np.finfo(np.float64).eps  # of a loss, below which no step can be told from another


def along(
    rows: Floats,
    y: NDArray[np.int64],
    k: int,
    subsets: Sequence[NDArray[np.int64]],
    strengths: Sequence[float],
    tolerance: float,
) -> Iterator[Linears]:
    """Yield for each strength the heads fitted on every subset.

    rows: (n, d), finite; y: (n,) in [0, k); subsets: indices of rows, each class among them;
    strengths: C, the larger, the weaker the penalty, from strong to weak for speed; tolerance:
    how far the objective, divided by the number of rows, may lie above its lowest. Classes weigh
    the same in every subset. Of two classes the log odds are halved between both columns.
    """
    # Along these axes the Hessian is nearly diagonal, so that its diagonal says most about it.
    _, axes = np.linalg.eigh(rows.T @ rows)
    turned = np.column_stack([rows @ axes, np.ones(len(rows))])
    size = max(1, AT_ONCE // (len(rows) * k))
    parts = [Problems.of(turned, y, k, subsets[i : i + size]) for i in range(0, len(subsets), size)]
    starts = [np.zeros((len(part.count), k, turned.shape[1])) for part in parts]
    for strength in strengths:
        starts = [
            part.solved(strength, start, tolerance)
            for part, start in zip(parts, starts, strict=True)
        ]
        found = np.concatenate(starts)
        yield axes @ found[:, :, :-1].transpose(0, 2, 1), found[:, :, -1].copy()


@dataclass(frozen=True)
class Problems:
    """m problems side by side.

    rows: (n, p), the last column 1; columns: their transpose, a copy, a quarter faster to
    multiply with; truth: (1, k, n), one-hot; share: (m, 1, n), how much a row counts in a
    problem, 0 outside its subset, sum 1; count: (m,) rows of each. Weights are (m, k, p), the
    last of each p the bias.
    """

    rows: Floats
    columns: Floats
    truth: Floats
    share: Floats
    count: Floats

    @classmethod
    def of(
        cls,
        rows: Floats,
        y: NDArray[np.int64],
        k: int,
        subsets: Sequence[NDArray[np.int64]],
    ) -> "Problems":
        share = np.zeros((len(subsets), 1, len(rows)))
        for j, inside in enumerate(subsets):
            share[j, 0, inside] = 1 / (k * np.bincount(y[inside], minlength=k)[y[inside]])
        count = np.array([len(inside) for inside in subsets], dtype=np.float64)
        columns = np.ascontiguousarray(rows.T)
        return cls(rows, columns, np.eye(k)[:, y][None], share, count)

    def only(self, kept: NDArray[np.bool_]) -> "Problems":
        return replace(self, share=self.share[kept], count=self.count[kept])

    def solved(self, strength: float, start: Floats, tolerance: float) -> Floats:
        """Return weights, (m, k, p), whose loss is within the tolerance of the lowest."""
        _, k, p = start.shape
        ridge = np.zeros((len(start), 1, p))
        # scikit-learn penalises the one column that two classes have; halves need twice that.
        ridge[:, 0, :-1] = (2.0 if k == 2 else 1.0) / (strength * self.count[:, None])
        found, going = start.copy(), np.arange(len(start))
        now = State.at(self, ridge, start, times(start, self.columns))
        for _ in range(MOST_STEPS):
            now, ahead = now.stepped(tolerance)
            found[going] = now.weights
            if not ahead.any():
                break
            if not ahead.all():  # work for those that are not there yet, only
                going, now = going[ahead], now.only(ahead)
        return found


@dataclass(frozen=True)
class State:
    """Where m problems stand. scores, proba: (m, k, n) log odds of `weights`; loss: (m,)."""

    problems: Problems
    ridge: Floats
    weights: Floats
    scores: Floats
    proba: Floats
    loss: Floats

    @classmethod
    def at(cls, problems: Problems, ridge: Floats, weights: Floats, scores: Floats) -> "State":
        shifted = scores - scores.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(axis=1, keepdims=True)
        surprise = np.log(total) - (shifted * problems.truth).sum(axis=1, keepdims=True)
        loss = dots(problems.share, surprise) + dots(ridge * weights, weights) / 2
        return cls(problems, ridge, weights, scores, powers / total, loss)

    def only(self, kept: NDArray[np.bool_]) -> "State":
        return State(
            self.problems.only(kept),
            self.ridge[kept],
            self.weights[kept],
            self.scores[kept],
            self.proba[kept],
            self.loss[kept],
        )

    def stepped(self, tolerance: float) -> tuple["State", NDArray[np.bool_]]:
        """Take one Newton step; return the new state and which problems are to go on.

        Those whose loss was less than tolerance above the lowest before the step are done with it.
        """
        p = self.problems
        gradient = times(p.share * (self.proba - p.truth), p.rows) + self.ridge * self.weights
        step = self.newton(gradient)
        change, slope = times(step, p.columns), dots(gradient, step)
        length = np.ones(len(slope))
        for _ in range(MOST_HALVINGS):
            new = self.moved(length[:, None, None], step, change)
            short = new.loss > self.loss + 1e-4 * length * slope + ROUNDING * self.loss
            if not short.any():
                break
            length[short] /= 2
        return new, slope < -2 * np.maximum(tolerance, ROUNDING * self.loss)

    def moved(self, length: Floats, step: Floats, change: Floats) -> "State":
        weights, scores = self.weights + length * step, self.scores + length * change
        return State.at(self.problems, self.ridge, weights, scores)

    def newton(self, gradient: Floats) -> Floats:
        """Solve Hessian x step = -gradient by conjugate gradients, roughly where far away."""
        p = self.problems
        diagonal = times(p.share * self.proba * (1 - self.proba), p.rows**2) + self.ridge
        diagonal = np.maximum(diagonal, FLAT)  # a bias has none where everything is sure
        size = np.abs(gradient).sum(axis=(1, 2))
        enough = np.minimum(0.5, np.sqrt(size)) * size
        step, rest = np.zeros_like(gradient), gradient
        eased = self.eased(rest, diagonal)
        way, product = -eased, dots(rest, eased)
        for _ in range(20 * gradient.shape[2]):
            going = np.abs(rest).sum(axis=(1, 2)) > enough
            if not going.any():
                break
            bent = self.bent(way)
            curvature = dots(way, bent)
            going &= (curvature > 0) & (product > 0)
            if not going.any():  # all that is left is rounding
                break
            length = np.divide(product, curvature, out=np.zeros_like(product), where=going)
            step = step + length[:, None, None] * way
            rest = rest + length[:, None, None] * bent
            eased = self.eased(rest, diagonal)
            before, product = product, dots(rest, eased)
            ratio = np.divide(product, before, out=np.zeros_like(product), where=going)
            way = ratio[:, None, None] * way - eased
        return step

    @staticmethod
    def eased(rest: Floats, diagonal: Floats) -> Floats:
        eased = rest / diagonal
        # The same for all biases changes nothing: rounding alone would lead there, without end.
        eased[:, :, -1] -= eased[:, :, -1].mean(axis=1, keepdims=True)
        return eased

    def bent(self, way: Floats) -> Floats:
        """Return the Hessian times a direction, (m, k, p)."""
        p = self.problems
        change = times(way, p.columns)
        change -= (self.proba * change).sum(axis=1, keepdims=True)
        change *= self.weighed
        return times(change, p.rows) + self.ridge * way

    @cached_property
    def weighed(self) -> Floats:
        return self.problems.share * self.proba


def times(values: Floats, table: Floats) -> Floats:
    """(m, k, a) x (a, b) -> (m, k, b), as one product."""
    m, k, a = values.shape
    product: Floats = (values.reshape(m * k, a) @ table).reshape(m, k, table.shape[1])
    return product


def dots(one: Floats, other: Floats) -> Floats:
    """The scalar product of each of m pairs, (m,)."""
    m = len(one)
    products: Floats = np.einsum("ij,ij->i", one.reshape(m, -1), other.reshape(m, -1))
    return products

"""The recipe `probe` over repeated folds: plain scikit-learn against footwork.

    python bench/probe_speed.py [--quick] [--photos 396] [--features 1280] [--classes 2]

The peer is what a scikit-learn user writes: a Pipeline of StandardScaler and
LogisticRegressionCV (balanced, same strengths, same inner folds, log loss), once per outer fold.
Rounds (one repeat of five folds each) are interleaved; medians, their ratio and its range are
printed. Two checks of the answers: at the strength that ours chose, a plain pipeline must give
the same probabilities within 1e-4 (the run fails otherwise); and how often both sides, each with
its own rule for the strength, give the same class. The features are drawn: correlated, sparse,
clipped at 0 like those of a network; they say nothing about accuracy on photos.
"""

import argparse
import os
import statistics
import sys
import time
import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from footwork.folds import Fold, cross_validation
from footwork.machine import describe_machine, library_versions
from footwork.models.head import VARIANCES, fit_probe, inner_cut, out_of_fold

SEED, FOLDS = 12, 5


def drawn(n: int, d: int, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw (n, d) features by which most photos can be told apart, and labels."""
    rng = np.random.default_rng(SEED)
    y = rng.integers(0, k, n)
    hidden = rng.normal(size=(n, 40)) * np.geomspace(3, 0.3, 40)
    hidden += 0.3 * rng.normal(size=(k, 40))[y]
    x = hidden @ rng.normal(size=(40, d)) + 3 * rng.normal(size=(n, d))
    return np.maximum(x, 0).astype(np.float32), y


def peer(x: NDArray[np.float32], y: NDArray[np.int64], group: NDArray[np.int64]) -> Pipeline:
    k = int(y.max()) + 1
    inner = [(fold.train, fold.test) for fold in inner_cut(y, group, k, seed=SEED, most=5)]
    chosen = LogisticRegressionCV(
        Cs=[variance / x.shape[1] for variance in VARIANCES],
        cv=inner,
        class_weight="balanced",
        scoring="neg_log_loss",
        max_iter=5000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    return make_pipeline(StandardScaler(), chosen).fit(x, y)


def peer_answers(
    x: NDArray[np.float32], y: NDArray[np.int64], group: NDArray[np.int64], cut: list[Fold]
) -> NDArray[np.float64]:
    answers = np.empty((len(y), int(y.max()) + 1))
    for fold in cut:
        fitted = peer(x[fold.train], y[fold.train], group[fold.train])
        answers[fold.test] = fitted.predict_proba(x[fold.test])
    return answers


def largest_difference(
    x: NDArray[np.float32], y: NDArray[np.int64], group: NDArray[np.int64], fold: Fold
) -> float:
    """Compare probabilities with those of a plain pipeline at the same strength, to its limit."""
    probe = fit_probe(x[fold.train], y[fold.train], group[fold.train], int(y.max()) + 1, seed=SEED)
    plain = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=probe.strength, class_weight="balanced", tol=1e-8, max_iter=50_000),
    ).fit(x[fold.train].astype(np.float64), y[fold.train])
    expected = plain.predict_proba(x[fold.test].astype(np.float64))
    return float(np.abs(probe.predict_proba(x[fold.test]) - expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one repeat instead of five")
    parser.add_argument("--photos", type=int, default=396)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("error", RuntimeWarning)
    x, y = drawn(options.photos, options.features, options.classes)
    group = np.arange(len(y))
    repeats = 1 if options.quick else 5
    cuts = cross_validation(
        y, group, image=[f"{i:06d}" for i in group], folds=FOLDS, repeats=repeats, seed=SEED
    )
    fit_probe(x[:60], y[:60], group[:60], options.classes, seed=SEED)  # imports, warm caches
    ours, theirs, same = [], [], []
    for cut in cuts:
        started = time.perf_counter()
        mine = out_of_fold(x, y, group, options.classes, [cut], seed=SEED)[0]
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        other = peer_answers(x, y, group, cut)
        theirs.append(time.perf_counter() - started)
        same.append(float((mine.argmax(axis=1) == other.argmax(axis=1)).mean()))
        right = [float((answers.argmax(axis=1) == y).mean()) for answers in (mine, other)]
        print(
            f"repeat {len(ours)}: footwork {ours[-1]:.2f} s, scikit-learn {theirs[-1]:.2f} s, "
            f"same class {same[-1]:.3f}, right {right[0]:.3f} and {right[1]:.3f}"
        )
    difference = max(largest_difference(x, y, group, fold) for fold in cuts[0])

    machine = describe_machine()
    versions = library_versions(("scikit-learn", "numpy", "scipy"))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(f"{options.photos} photos x {options.features} features, {options.classes} classes")
    print(
        f"{machine.cpu}, {machine.cores} cores, load {os.getloadavg()[0]:.1f}, Python "
        f"{machine.python}, {', '.join(f'{name} {number}' for name, number in versions.items())}"
    )
    print(
        f"5 x 5 folds: footwork {5 * statistics.median(ours):.1f} s, "
        f"scikit-learn {5 * statistics.median(theirs):.1f} s; ratio "
        f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    )
    print(
        f"same class: {statistics.mean(same):.4f}; largest difference at equal C: {difference:.1e}"
    )
    if difference > 1e-4:
        sys.exit("The answers do not agree: the rotation or the fit is not exact any more.")


if __name__ == "__main__":
    main()

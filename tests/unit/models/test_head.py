"""The recipe `probe`: what it agrees with, what it may not see, what it withstands."""

import numpy as np
import pytest
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.folds import Fold, cross_validation
from footwork.models import head
from footwork.models.head import Probe, fit_probe, out_of_fold, smallest_untold

pytestmark = pytest.mark.filterwarnings("error")  # a fit that does not converge warns


def photos(
    n: int, d: int, k: int, *, signal: float = 1.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features like a network's: correlated, some always 0, none negative; classes uneven."""
    rng = np.random.default_rng(seed)
    share = np.arange(2, 2 + k) / np.arange(2, 2 + k).sum()
    y = np.concatenate([np.arange(k), rng.choice(k, n - k, p=share)]).astype(np.int64)
    hidden = rng.normal(size=(n, 12)) + signal * rng.normal(size=(k, 12))[y]
    x = np.maximum(hidden @ rng.normal(size=(12, d)) + rng.normal(size=(n, d)), 0)
    x[:, rng.random(d) < 0.05] = 0
    return x.astype(np.float32), y


def fitted_at(
    monkeypatch: pytest.MonkeyPatch,
    strength: float,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    k: int,
) -> Probe:
    monkeypatch.setattr(head, "choose_strength", lambda *_args, **_rest: (strength, None))
    return fit_probe(x, y, np.arange(len(y)), k, seed=0)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(("n", "d"), [(60, 200), (150, 20)])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_agrees_with_a_plain_pipeline(
    monkeypatch: pytest.MonkeyPatch, k: int, n: int, d: int, strength: float
) -> None:
    """With more features than photos (rotated) and with fewer."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = photos(n, d, k, signal=0.4)
    fresh, _ = photos(40, d, k, signal=0.4, seed=1)
    plain = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=10_000),
    ).fit(x.astype(np.float64), y)

    probe = fitted_at(monkeypatch, strength, x, y, k)

    for rows in (x, fresh):
        expected = plain.predict_proba(rows.astype(np.float64))
        assert np.abs(probe.predict_proba(rows) - expected).max() < 1e-4
    assert probe.weights.shape == (d, k)
    assert probe.bias.shape == (k,)


def test_classes_weigh_the_same_however_many_photos_they_have() -> None:
    """Each photo of one class five times over: the same head, if the sum of weights is kept."""
    x, y = photos(40, 8, 2, signal=0.3)
    rows = ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)).astype(np.float64)
    more = np.concatenate([np.flatnonzero(y == 0), np.repeat(np.flatnonzero(y == 1), 5)])

    few = head.fit_linear(rows, y, 2, 0.1)
    many = head.fit_linear(rows[more], y[more], 2, 0.1 * 40 / len(more))

    assert np.abs(few.weights).max() > 0.1
    assert np.allclose(few.weights, many.weights, atol=1e-6)
    assert np.allclose(few.bias, many.bias, atol=1e-6)


@pytest.mark.parametrize("k", [2, 3])
def test_nothing_of_the_test_side_reaches_the_head(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    """Wild test photos, shuffled test labels and groups: the fold's head keeps every bit."""
    x, y = photos(60, 90, k)
    group = np.arange(60) // 2
    fold = cross_validation(
        y, group, image=[f"{i:02d}" for i in range(60)], folds=3, repeats=1, seed=1
    )[0][0]
    heads: list[Probe] = []
    original = fit_probe

    def remembered(*args: NDArray[np.int64], **rest: int) -> Probe:
        heads.append(original(*args, **rest))  # type: ignore[arg-type]
        return heads[-1]

    monkeypatch.setattr(head, "fit_probe", remembered)
    out_of_fold(x, y, group, k, [[fold]], seed=5)
    rng = np.random.default_rng(0)
    x[fold.test] = 1e6 * rng.normal(size=(len(fold.test), 90))
    y[fold.test] = rng.integers(0, k, len(fold.test))
    group[fold.test] = 1000
    out_of_fold(x, y, group, k, [[fold]], seed=5)

    before, after = heads
    assert before.strength == after.strength
    for name in ("mean", "scale", "weights", "bias"):
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes()


def test_out_of_fold_answers_are_those_of_the_folds_own_heads() -> None:
    x, y = photos(50, 70, 3)
    group = np.arange(50)
    folds = cross_validation(
        y, group, image=[f"{i:02d}" for i in range(50)], folds=3, repeats=2, seed=1
    )
    told: list[int] = []

    answers = out_of_fold(x, y, group, 3, folds, seed=5, progress=told.append)

    assert answers.shape == (2, 50, 3)
    assert told == [1] * 6
    for repeat, cut in enumerate(folds):
        for fold in cut:
            probe = fit_probe(x[fold.train], y[fold.train], group[fold.train], 3, seed=5)
            assert np.array_equal(answers[repeat, fold.test], probe.predict_proba(x[fold.test]))
    assert np.abs(answers.sum(axis=2) - 1).max() < 1e-12
    again = out_of_fold(x, y, group, 3, folds, seed=5)
    assert again.tobytes() == answers.tobytes()


def test_the_number_of_threads_changes_no_bit() -> None:
    from threadpoolctl import threadpool_limits

    x, y = photos(120, 600, 2)
    probes = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            probes.append(fit_probe(x, y, np.arange(120), 2, seed=0))

    assert probes[0].weights.tobytes() == probes[1].weights.tobytes()


def test_untested_photos_have_no_answer() -> None:
    x, y = photos(40, 10, 2)
    fold = Fold(train=np.arange(30), test=np.arange(30, 35))

    answers = out_of_fold(x, y, np.arange(40), 2, [[fold]], seed=0)

    assert np.isnan(answers[0]).all(axis=1).tolist() == [True] * 30 + [False] * 5 + [True] * 5


def test_what_can_be_learnt_is_learnt() -> None:
    x, y = photos(90, 300, 3, signal=1.0)
    group = np.arange(90)
    folds = cross_validation(
        y, group, image=[f"{i:02d}" for i in range(90)], folds=5, repeats=1, seed=1
    )

    answers = out_of_fold(x, y, group, 3, folds, seed=0)

    assert (answers[0].argmax(axis=1) == y).mean() > 0.95


def test_noise_gets_the_strongest_penalty() -> None:
    """The rule takes the smallest C that is not clearly worse, and noise makes none better."""
    x, _ = photos(80, 200, 2)
    y = np.arange(80) % 2
    length = ((x - x.mean(axis=0)) ** 2 / np.maximum(x.var(axis=0), 1e-12)).sum() / 80

    probe = fit_probe(x, y, np.arange(80), 2, seed=0)

    assert probe.strength == pytest.approx(head.VARIANCES[0] / length, rel=1e-3)


@pytest.mark.parametrize("k", [2, 3])
def test_perfect_separation_stays_finite(k: int) -> None:
    x, y = photos(60, 100, k, signal=0)
    x += 1000 * np.eye(k, 100, dtype=np.float32)[y]

    probe = fit_probe(x, y, np.arange(60), k, seed=0)

    assert np.isfinite(probe.weights).all()
    assert (probe.predict_proba(x).argmax(axis=1) == y).all()
    assert np.isfinite(probe.predict_proba(1e6 * x)).all()


def test_constant_and_identical_photos_are_no_division_by_zero() -> None:
    """Dead features keep scale 1; with only dead ones every class is as likely."""
    x, y = photos(40, 30, 2)
    x[:, :5] = 7.3
    some = fit_probe(x, y, np.arange(40), 2, seed=0)
    assert (some.scale[:5] == 1).all()
    assert np.abs(some.weights[:5]).max() < 1e-12

    none = fit_probe(np.full((40, 30), 0.1, np.float32), y, np.arange(40), 2, seed=0)
    assert np.allclose(none.predict_proba(x[:1] * 0 + np.float32(0.1)), 0.5, atol=1e-6)


def test_too_few_groups_for_inner_folds_give_the_stated_strength() -> None:
    """One group of a class can only be on one side, so there is nothing to choose by."""
    x, y = photos(30, 10, 2)
    x = ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)).astype(np.float32)
    one_scene = np.where(y == 1, 99, np.arange(30))
    two_scenes = np.where(y == 1, 98 + np.arange(30) % 2, np.arange(30))
    stated = head.DEFAULT_VARIANCE / (x.std(axis=0) > 0.5).sum()

    assert fit_probe(x, y, one_scene, 2, seed=0).strength == pytest.approx(stated)
    assert len(head.inner_cut(y, two_scenes, 2, seed=0, most=5)) == 2


def test_a_group_counts_as_one_draw_when_strengths_are_told_apart() -> None:
    """The same losses tell two strengths apart over 40 photos and not over 4 groups."""
    better = np.zeros(40)
    worse = np.where(np.arange(40) < 30, 1.0, -2.0)  # mean 0.25; error 0.21, or 0.65 by group
    loss = np.stack([worse, better])

    assert smallest_untold(loss, np.arange(40)) == 1
    assert smallest_untold(loss, np.arange(40) // 10) == 0


def test_the_rotation_is_exact() -> None:
    """Distances, lengths and the way back to features: nothing is lost."""
    rows = np.random.default_rng(0).normal(size=(20, 50))
    rows[7] = rows[3]  # less than full rank

    inside, basis = head.compact(rows)

    assert inside.shape == (20, 20)
    assert basis is not None
    assert np.allclose(inside @ inside.T, rows @ rows.T)
    assert np.allclose(inside @ basis.T, rows)
    assert head.compact(rows.T)[1] is None


def test_values_that_are_not_finite_are_refused() -> None:
    x, y = photos(30, 10, 2)
    probe = fit_probe(x, y, np.arange(30), 2, seed=0)
    x[3, 2], x[9, 1] = np.nan, np.inf

    with pytest.raises(DataError, match="features of 2 of 30 photos are not finite"):
        fit_probe(x, y, np.arange(30), 2, seed=0)
    with pytest.raises(DataError, match="2 of 30"):
        probe.predict_proba(x)


def test_a_class_without_training_photos_is_refused() -> None:
    x, y = photos(30, 10, 2)

    with pytest.raises(DataError, match=r"Class 2 .* none of the 30 photos"):
        fit_probe(x, y, np.arange(30), 3, seed=0)

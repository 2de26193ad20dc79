"""Settings, splits and weights of the original's recipe; none of it needs Keras."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

from footwork.errors import DataError
from footwork.models.seed import (
    SeedSettings,
    class_weights,
    epoch_order,
    initial_head,
    original_split,
    validation_split,
)

LABEL = np.array([0] * 106 + [1] * 76 + [2] * 124)
CLASSES = ("heel_hook", "toe_hook", "others")


def test_the_defaults_are_the_original_ones() -> None:
    s = SeedSettings()
    assert (s.epochs, s.patience, s.batch, s.learning_rate) == (100, 30, 32, 1e-5)
    assert (s.flip, s.rotation, s.zoom, s.stretch) == ("horizontal_and_vertical", 0.2, 0.2, 0.2)
    assert (s.side, s.dropout, s.contract) == (224, 0.2, "unit-range")
    assert not s.restore_best


def test_the_split_has_the_original_sizes_and_state() -> None:
    """306 photos became 195, 49 and 62."""
    fold = original_split(LABEL, CLASSES)
    _, tested = train_test_split(np.arange(306), test_size=0.2, random_state=12)
    assert sorted(tested) == fold.test.tolist()
    assert (len(fold.train), len(fold.test)) == (244, 62)
    fit, held = validation_split(LABEL[fold.train], np.arange(244), SeedSettings(), 0)
    assert (len(fit), len(held)) == (195, 49)
    assert sorted([*fit, *held]) == list(range(244))


def test_a_class_that_the_plain_split_loses_is_named() -> None:
    label = np.zeros(50, dtype=np.int64)
    label[0] = 1
    with pytest.raises(DataError, match="no test photo of rare"):
        original_split(label, ("common", "rare"))


def test_grouped_validation_keeps_groups_together_and_classes_even() -> None:
    group = np.repeat(np.arange(30), 4)
    label = np.repeat(np.arange(30) % 3, 4)
    fit, held = validation_split(label, group, SeedSettings(split="grouped"), 1)
    assert not set(group[fit]) & set(group[held])
    assert np.bincount(label[held]).tolist() == [8, 8, 8]
    plain, _ = validation_split(label, group, SeedSettings(), 1)
    assert set(group[plain]) == set(group), "the original's split tears groups apart"


def test_too_few_photos_to_validate_are_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        validation_split(np.array([0, 1, 0]), np.arange(3), SeedSettings(), 0)


def test_class_weights_are_the_balanced_ones() -> None:
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=LABEL)
    np.testing.assert_allclose(class_weights(LABEL, 3, SeedSettings()), wanted, rtol=1e-6)
    assert class_weights(LABEL, 4, SeedSettings())[3] == 1.0
    assert (class_weights(LABEL, 3, SeedSettings(class_weights=False)) == 1).all()


def test_heads_and_orders_follow_the_seed() -> None:
    first, again = (initial_head(10, 3, SeedSettings(), 4) for _ in range(2))
    assert [kernel.shape for kernel, _ in first] == [(10, 256), (256, 128), (128, 3)]
    for (kernel, bias), (other, _) in zip(first, again, strict=True):
        assert (kernel == other).all()
        assert not bias.any()
        assert np.abs(kernel).max() <= np.sqrt(6 / sum(kernel.shape))
    assert (initial_head(10, 3, SeedSettings(), 5)[0][0] != first[0][0]).any()
    assert sorted(epoch_order(9, 1, 0)) == list(range(9))
    assert (epoch_order(9, 1, 0) != epoch_order(9, 1, 1)).any()

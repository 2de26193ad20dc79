"""Which bases a recipe that trains is tried on."""

from typing import Any, cast

import pytest

from footwork.errors import DataError, UsageError
from footwork.evaluate import training
from footwork.models.bases import Base, registry
from footwork.models.recipes import find_recipes
from footwork.progress import Progress
from footwork.project import Config

BASES = registry()
LITE, POSE = BASES["efficientnet_lite0"], BASES["pose"]
NOTHING = cast(Any, None)


class Heard(Progress):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Trainings that are asked for, as (recipe, base); none takes place."""
    asked: list[tuple[str, str]] = []

    def remembered(base: Base, recipe: Any, *_rest: Any) -> None:
        asked.append((recipe.name, base.name))

    monkeypatch.setattr(training, "train_entry", remembered)
    return asked


def train(names: list[str], bases: list[tuple[Base, ...]], heard: Heard) -> None:
    recipes = find_recipes(names, Config())
    training.train_entries(recipes, bases, NOTHING, NOTHING, NOTHING, heard)


def test_a_base_that_cannot_be_trained_is_left_out_and_named(tried: list[tuple[str, str]]) -> None:
    """So that `probe` on pose and `seed` on a network can stand in one comparison."""
    heard = Heard()
    train(["probe", "seed"], [(POSE,), (LITE,), (POSE, LITE)], heard)
    assert tried == [("seed", "efficientnet_lite0")]
    assert len(heard.said) == 2
    assert heard.said[0].startswith("seed: without pose. pose is no network")
    assert heard.said[1].startswith("seed: without pose+efficientnet_lite0.")


@pytest.mark.parametrize(("bases", "error"), [([(POSE,)], DataError), ([(LITE, POSE)], UsageError)])
def test_with_no_other_it_is_an_error(
    bases: list[tuple[Base, ...]], error: type[Exception], tried: list[tuple[str, str]]
) -> None:
    with pytest.raises(error):
        train(["seed"], bases, Heard())
    assert not tried


def test_recipes_on_features_train_nothing(tried: list[tuple[str, str]]) -> None:
    train(["probe"], [(POSE,)], Heard())
    assert not tried

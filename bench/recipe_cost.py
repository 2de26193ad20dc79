"""What a comparison costs: 25 folds of `probe`, features included, against naive Keras training.

    python bench/recipe_cost.py [--photos 306] [--base efficientnet_lite0] [--draws 8]

The peer is the original's way: one split, 100 epochs of Keras `fit` with augmentation and the
frozen base in every step; extrapolated from timed steps and validations (medians of rounds that
are interleaved with ours). Ours decodes all photos, extracts their features into an empty cache
and trains 5 x 5 heads. Beside it: `strong`, with four changed draws of each photo and heads chosen
inside the folds, and the bank that `footwork ablate` uses. The photos are noise:
their content changes no time, and nothing here says anything about accuracy.
"""

import argparse
import hashlib
import io
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from footwork.folds import cross_validation
from footwork.machine import cores, describe_machine
from footwork.models.bases import registry
from footwork.models.features import feature_key, features
from footwork.models.fit import Trainer
from footwork.models.head import out_of_fold
from footwork.models.mlp import fit_mlp
from footwork.models.networks import Prepared, prepare
from footwork.models.recipes import Recipe, find_recipes
from footwork.models.seed import SeedSettings
from footwork.models.trainable import trainable, training_keras
from footwork.models.views import MILD
from footwork.project import Config

FOLDS, REPEATS, SEED = 5, 5, 12


def jpegs(n: int) -> dict[str, bytes]:
    """Draw n JPEGs of 333 x 254 pixels, as large as the photos that were published."""
    found = {}
    for i in range(n):
        small = np.random.default_rng(i).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(small).resize((333, 254), Image.Resampling.BICUBIC).save(out, "JPEG")
        found[hashlib.sha256(out.getvalue()).hexdigest()] = out.getvalue()
    return found


def recipe_seconds(
    recipe: Recipe, photos: dict[str, bytes], prepared: Prepared, label: NDArray[np.int64]
) -> float:
    """Time features into an empty cache, of every view that the recipe sees, and 25 heads."""
    images, group = sorted(photos), np.arange(len(label))
    folds = cross_validation(label, group, image=images, folds=FOLDS, repeats=REPEATS, seed=SEED)
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        seen = [
            features(
                images,
                prepared,
                feature_key(prepared, view, "right"),
                photos.__getitem__,
                Path(cache),
                lambda _: None,
            ).vectors
            for view in (None, *(f"{MILD}{n + 1}" for n in range(recipe.bank)))
        ]
        bank = np.stack(seen[1:]) if seen[1:] else None
        out_of_fold(seen[0], label, group, 3, folds, seed=SEED, kind=recipe.kind, bank=bank)
        return time.perf_counter() - started


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--photos", type=int, default=306)
    asked.add_argument("--base", default="efficientnet_lite0")
    asked.add_argument("--draws", type=int, default=8)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    settings, base = SeedSettings(), registry()[given.base]
    label = np.arange(given.photos) % 3
    photos = jpegs(given.photos)
    held_back = round(0.2 * given.photos)
    train = given.photos - held_back
    held = round(0.2 * train)
    train -= held
    with training_keras("this bench") as keras:
        from footwork.models.layers import Augmentation

        network = trainable(keras, base, settings.side)
        trainer = Trainer(keras, network, settings, 3)
        side = network.contract.side
        pixels = np.random.default_rng(0).integers(0, 256, (32, side, side, 3), dtype=np.uint8)
        sample = base.contract.apply(pixels[:8]) if base.contract.side == side else None
        if sample is None:
            raise SystemExit(f"{base.name} takes another side than {side}; choose another base.")
        prepared = prepare(base, lambda: sample)
        probe, strong = find_recipes(["probe", "strong"], Config())
        ours, heads, epochs = [], [], []
        for _ in range(given.rounds):
            ours.append(recipe_seconds(probe, photos, prepared, label))
            heads.append(recipe_seconds(strong, photos, prepared, label))
            timed = trainer.timed(pixels, label[:32])
            epochs.append(timed.epoch(train, held, settings.batch))
        started = time.perf_counter()
        network_ = prepared.open(cores())
        drawn = Augmentation(settings, side, SEED)(pixels)
        vectors = network_.vectors(base.contract.apply(drawn, settings.contract))
        draw = (time.perf_counter() - started) / len(pixels)
    bank = np.resize(vectors, (given.draws, train, vectors.shape[1]))
    started = time.perf_counter()
    fit_mlp(bank, label[:train], bank[0, :held], label[:held], 3, settings, SEED)
    head = time.perf_counter() - started
    machine = describe_machine()
    mine, naive = statistics.median(ours), 100 * statistics.median(epochs)
    whole = draw * given.photos * (given.draws + 1) + FOLDS * REPEATS * head
    print(f"{machine.cpu}, {machine.cores} cores; {given.photos} photos, {given.base}")
    print(f"probe, {FOLDS * REPEATS} folds, features included: {mine:8.1f} s   {spread(ours)}")
    print(f"naive Keras, one split, 100 epochs:         {naive:8.1f} s   {spread(epochs)} x 100")
    print(f"ratio: {naive / mine:.0f} ({100 * min(epochs) / max(ours):.0f} to "
          f"{100 * max(epochs) / min(ours):.0f})")  # fmt: skip
    strongest = statistics.median(heads)
    print(f"strong, the same:                           {strongest:8.1f} s   {spread(heads)}, "
          f"{naive / strongest:.0f} times less than naive Keras")  # fmt: skip
    print(f"bank of {given.draws} draws and {FOLDS * REPEATS} heads of `seed`: {whole:8.1f} s, "
          f"{naive * FOLDS * REPEATS / whole:.0f} times less than as many real fits")  # fmt: skip


def spread(seconds: list[float]) -> str:
    return f"({min(seconds):.1f} to {max(seconds):.1f})"


if __name__ == "__main__":
    main()

"""The recipe `finetune`: head first, then the last layers of the base at a low rate.

In this order because a head drawn at random would pull the base's features out of shape before
it says anything (Kumar et al. 2022, arXiv:2202.10054). The head is the recipe `probe`, fitted on
the frozen base and put into the network; where no epoch lowers the validation loss below the
one it begins with, it is what answers.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from footwork.models.finetune import FinetuneSettings
from footwork.models.fit import BATCH_NORM, Fitted, Labels, Pixels, Trainer, leaves
from footwork.models.head import fit_probe
from footwork.models.trainable import Trainable
from footwork.models.views import changed

NO_GAIN = "no epoch beat the head on the frozen base, which therefore answers"


class Mild:
    """Changes photos so that they keep their label: mirror, light, mild crop and turn."""

    def __init__(self, side: int, seed: int) -> None:
        self.side, self.rng = side, np.random.default_rng([seed, 9])

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return a batch (n, side, side, 3) uint8 of another such batch."""
        return np.stack([changed(picture, self.side, self.rng) for picture in pixels])


class FinetuneTrainer(Trainer):
    """A base with one softmax layer on it, trained from its end. Use inside `training_keras`."""

    def __init__(self, keras: Any, base: Trainable, settings: FinetuneSettings, k: int) -> None:
        self.finetuning = settings
        super().__init__(keras, base, settings.training(), k)

    def thaw(self) -> None:
        chosen = last_layers(self.base.model, self.finetuning.depth)
        self.base.model.trainable = False
        for layer in chosen:
            layer.trainable = True

    def optimizer(self) -> Any:
        made = self.keras.optimizers.AdamW(
            self.finetuning.learning_rate, weight_decay=self.finetuning.weight_decay
        )
        made.exclude_from_weight_decay(var_names=["bias"])
        return made

    def changing(self) -> list[Any]:
        still = {id(v) for v in self.base.model.variables if not v.trainable}
        return [v for v in self.model.variables if id(v) not in still]

    def fit(
        self,
        train: tuple[Pixels, Labels],
        held: tuple[Pixels, Labels],
        seed: int,
        epoch_done: Callable[[], None],
        say: Callable[[str], None],
        group: Labels | None = None,
    ) -> Fitted:
        """Train as `Trainer.fit` does; kept is 0 where the head on the frozen base answers."""
        done = super().fit(train, held, seed, epoch_done, say, group)
        return done if done.kept else replace(done, remarks=(*done.remarks, NO_GAIN))

    def augmentation(self, seed: int) -> Mild:
        return Mild(self.base.contract.side, seed)

    def begin(self, train: tuple[Pixels, Labels], held: tuple[Pixels, Labels], seed: int) -> None:
        """Put the probe of the frozen base into the network and see how it validates."""
        self.fresh(seed)
        pixels, labels = train
        features = self.base.model.predict(
            self.inputs(pixels), batch_size=self.settings.batch, verbose=0
        )
        probe = fit_probe(features, labels, self.group, self.k, seed=seed)
        kernel = probe.weights / probe.scale[:, None]
        (layer,) = self.dense
        layer.kernel.assign(kernel.astype(np.float32))
        layer.bias.assign((probe.bias - probe.mean @ kernel).astype(np.float32))
        said = self.model.evaluate(
            self.inputs(held[0]), held[1], batch_size=self.settings.batch, verbose=0,
            return_dict=True,
        )  # fmt: skip
        self.loss_at_start = float(said["loss"])

    def stopping(self) -> Any:
        start = self.loss_at_start

        class FromTheStart(self.keras.callbacks.EarlyStopping):  # type: ignore[misc, name-defined]
            def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
                super().on_train_begin(logs)
                self.best, self.best_weights = start, self.model.get_weights()

        return FromTheStart(patience=self.settings.patience, restore_best_weights=True)


def last_layers(model: Any, depth: float) -> list[Any]:
    """Return the last layers of a network that have weights and are no batch-norm.

    depth: their share of all such layers, rounded up.
    """
    model.trainable = True
    layers = [layer for layer in leaves(model) if layer.trainable_variables]
    layers = [layer for layer in layers if type(layer).__name__ != BATCH_NORM]
    return layers[len(layers) - math.ceil(depth * len(layers)) :]

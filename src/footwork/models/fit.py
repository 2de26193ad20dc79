"""Real training by Keras `fit`: photos through augmentation, base and head, fold by fold.

The network is built once; every fold starts again from the same base weights, a fresh head
and a fresh optimiser.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from footwork.errors import EnvironmentProblem
from footwork.models.contract import InputContract
from footwork.models.seed import SeedSettings, class_weights, epoch_order, initial_head
from footwork.models.trainable import Trainable

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

BATCH_NORM = "BatchNormalization"
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Fitted:
    """One finished fit. curves: (epochs, 4) float64, columns as CURVES; best: the epoch of the
    lowest validation loss and kept: that whose weights answer, both counted from 1 (0: the
    starting weights). remarks: what went wrong on the way, for the report.
    """

    curves: NDArray[np.float64]
    best: int
    kept: int
    seconds: float
    batch: int
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Timed:
    """Seconds for one training step of a whole batch, and for validating as many photos."""

    step: float
    validation: float

    def epoch(self, train: int, held: int, batch: int) -> float:
        """Expected seconds of an epoch of `train` photos with `held` to validate on."""
        return (train * self.step + held * self.validation) / batch


class Trainer:
    """A base with the original's head on it. Use inside `trainable.training_keras`.

    loss_at_start: the validation loss of the starting weights, where they may answer, too.
    group: which of the photos in training belong together.
    """

    def __init__(self, keras: Any, base: Trainable, settings: SeedSettings, k: int) -> None:
        self.keras, self.base, self.settings, self.k = keras, base, settings, k
        self.loss_at_start = math.inf
        self.group: Labels = np.arange(0)
        self.thaw()
        layers = keras.layers
        inputs = keras.Input((base.contract.side, base.contract.side, 3))
        x = base.model(inputs)
        self.dense = []
        for width in settings.widths:
            self.dense.append(layers.Dense(width, activation="relu"))
            x = layers.Dropout(settings.dropout, seed=len(self.dense))(self.dense[-1](x))
        self.dense.append(layers.Dense(k, activation="softmax"))
        self.model = keras.Model(inputs, self.dense[-1](x))
        self.model.compile(
            optimizer=self.optimizer(),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            # XLA on a processor takes minutes to compile a base and then runs it more slowly.
            jit_compile=keras.config.backend() == "jax",
        )
        self.model.optimizer.build(self.model.trainable_variables)
        kept = [*self.model.optimizer.variables, *self.changing()]
        self.start = [
            (variable, np.array(keras.ops.convert_to_numpy(variable))) for variable in kept
        ]

    def thaw(self) -> None:
        """Say which weights of the base are trained.

        Batch-norm keeps its statistics, as Keras advises for transfer learning. What keeps them is
        that the layer is not trainable: `base(inputs, training=False)` does not (Keras 3.15 lets
        the `training` of the outermost model win).
        """
        self.base.model.trainable = not self.settings.frozen
        for layer in leaves(self.base.model):
            if type(layer).__name__ == BATCH_NORM:
                layer.trainable = False

    def optimizer(self) -> Any:
        return self.keras.optimizers.Adam(self.settings.learning_rate)

    def stopping(self) -> Any:
        return self.keras.callbacks.EarlyStopping(
            patience=self.settings.patience, restore_best_weights=self.settings.restore_best
        )

    def changing(self) -> list[Any]:
        """Return the variables of the model that training moves, random states included."""
        frozen = {id(v) for v in self.base.model.variables} if self.settings.frozen else set()
        return [v for v in self.model.variables if id(v) not in frozen]

    def fresh(self, seed: int) -> None:
        """Forget all training; start from a head drawn by `seed`."""
        for variable, value in self.start:
            variable.assign(value)
        head = initial_head(self.base.vector_size, self.k, self.settings, seed)
        for layer, (kernel, bias) in zip(self.dense, head, strict=True):
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)

    def begin(self, train: tuple[Pixels, Labels], held: tuple[Pixels, Labels], seed: int) -> None:
        """Put the weights in place that the first epoch starts from."""
        self.fresh(seed)

    def timed(self, pixels: Pixels, labels: Labels) -> Timed:
        """Time a batch of photos: one step after the one that compiles, and one validation."""
        batch = min(self.settings.batch, len(pixels))
        x, y = pixels[:batch], labels[:batch]
        self.fresh(0)
        draw = self.augmentation(0)
        self.model.train_on_batch(self.inputs(draw(x)), y)
        started = time.perf_counter()
        self.model.train_on_batch(self.inputs(draw(x)), y)
        step = time.perf_counter() - started
        self.model.test_on_batch(self.inputs(x), y)
        started = time.perf_counter()
        self.model.test_on_batch(self.inputs(x), y)
        scale = self.settings.batch / batch
        return Timed(step * scale, (time.perf_counter() - started) * scale)

    def augmentation(self, seed: int) -> Any:
        from footwork.models.layers import Augmentation

        return Augmentation(self.settings, self.base.contract.side, seed)

    def inputs(self, values: NDArray[Any]) -> NDArray[np.float32]:
        return fed(self.base.contract, values, self.settings)

    def fit(
        self,
        train: tuple[Pixels, Labels],
        held: tuple[Pixels, Labels],
        seed: int,
        epoch_done: Callable[[], None],
        say: Callable[[str], None],
        group: Labels | None = None,
    ) -> Fitted:
        """Train on photos (n, side, side, 3) with labels, validating on `held` after each epoch.

        group: (n,) codes of photos that belong together; all apart where not given.
        Where memory runs out the batch is halved and training begins again, which `say` tells.
        Raises EnvironmentProblem if even single photos do not fit.
        """
        self.group = np.arange(len(train[1])) if group is None else group
        batch, remarks = self.settings.batch, []
        while True:
            try:
                done = self.fit_once(train, held, seed, batch, epoch_done)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if batch == 1:
                    raise EnvironmentProblem(
                        "There is not enough memory to train on single photos; use a smaller "
                        "base or side."
                    ) from error
                batch //= 2
                remarks.append(f"memory ran out, so the batch was halved to {batch} photos")
                say(f"Memory ran out: training goes on with {batch} photos a batch.")
                continue
            remarks += done.remarks
            for remark in done.remarks:
                say(f"{remark[0].upper()}{remark[1:]}.")
            return Fitted(done.curves, done.best, done.kept, done.seconds, batch, tuple(remarks))

    def fit_once(
        self,
        train: tuple[Pixels, Labels],
        held: tuple[Pixels, Labels],
        seed: int,
        batch: int,
        epoch_done: Callable[[], None],
    ) -> Fitted:
        started = time.perf_counter()
        self.begin(train, held, seed)
        guard = guarded(self, epoch_done)
        self.model.fit(
            batches(self, train, seed, batch),
            steps_per_epoch=math.ceil(len(train[1]) / batch),
            shuffle=False,  # done in `batches`
            validation_data=(self.inputs(held[0]), held[1]),
            epochs=self.settings.epochs,
            callbacks=[self.stopping(), guard],
            verbose=0,
        )
        curves = np.array(guard.rows, dtype=np.float64).reshape(-1, len(CURVES))
        best = int(np.argmin(curves[:, 2])) + 1 if len(curves) else 0
        kept = best if self.settings.restore_best and not guard.trouble else len(curves)
        if kept and curves[:, 2].min() >= self.loss_at_start:
            kept = 0
        remarks = (guard.trouble,) if guard.trouble else ()
        return Fitted(curves, best, kept, time.perf_counter() - started, batch, remarks)

    def predict(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return (n, k) probabilities of the trained network; photos are not augmented."""
        values = self.model.predict(self.inputs(pixels), batch_size=self.settings.batch, verbose=0)
        proba = np.asarray(values, dtype=np.float64)
        whole: NDArray[np.float64] = proba / proba.sum(axis=1, keepdims=True)
        return whole

    def save(self, file: Path) -> None:
        """Save the trained network as a .keras file that answers with log odds, (n, k)."""
        last = self.dense[-1]
        odds = self.keras.layers.Dense(self.k)
        model = self.keras.Model(self.model.inputs[0], odds(last.input))
        odds.set_weights(last.get_weights())
        model.save(str(file))


def fed(
    contract: InputContract, values: NDArray[Any], settings: SeedSettings
) -> NDArray[np.float32]:
    """Return what the network is fed: (n, side, side, 3) of values in [0, 255] under `contract`."""
    return contract.apply(values, settings.contract)


def batches(trainer: Trainer, train: tuple[Pixels, Labels], seed: int, batch: int) -> Iterator[Any]:
    """Yield (inputs, labels, class weights) for ever, shuffled in each epoch, augmented anew.

    One stream, because a back end may fetch ahead: with a keras.utils.PyDataset, Keras 3.15 on
    TensorFlow begins an iterator after each epoch that it throws away again, whose batches would
    be augmented for nothing and move the random numbers on.
    """
    pixels, labels = train
    draw = trainer.augmentation(seed)
    weight = class_weights(labels, trainer.k, trainer.settings)
    for epoch in itertools.count():
        order = epoch_order(len(labels), seed, epoch)
        for start in range(0, len(labels), batch):
            rows = order[start : start + batch]
            yield trainer.inputs(draw(pixels[rows])), labels[rows], weight[labels[rows]]


def guarded(trainer: Trainer, epoch_done: Callable[[], None]) -> Any:
    """Return a callback that keeps the curves and stops at a loss that is not a number.

    The weights of the last good epoch are then put back.
    """

    class Guard(trainer.keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[list[float]] = []
            self.step = 0
            self.trouble = ""
            self.good = self.copied()

        def copied(self) -> list[NDArray[Any]]:
            to_numpy = trainer.keras.ops.convert_to_numpy
            return [np.array(to_numpy(variable)) for variable in trainer.changing()]

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.step += 1
            if not self.trouble and not math.isfinite(float((logs or {}).get("loss", 0.0))):
                self.stop(f"the loss was not a number at step {self.step}")

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            row = [float((logs or {}).get(name, math.nan)) for name in CURVES]
            if not self.trouble and not all(math.isfinite(value) for value in row):
                self.stop(f"the validation loss was not a number after step {self.step}")
            if not self.trouble:
                self.rows.append(row)
                self.good = self.copied()
                epoch_done()

        def stop(self, what: str) -> None:
            epoch = len(self.rows)
            kept = f"the weights of epoch {epoch}" if epoch else "the starting weights"
            self.trouble = f"{what} (epoch {epoch + 1}); training stopped there with {kept}"
            self.model.stop_training = True

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            if self.trouble:
                for variable, value in zip(trainer.changing(), self.good, strict=True):
                    variable.assign(value)

    return Guard()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of any back end says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    kind, text = type(error).__name__, str(error)
    return kind in ("ResourceExhaustedError", "OutOfMemoryError") or (
        "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower()
    )


def leaves(layer: Any) -> Iterator[Any]:
    """Yield the layers inside a network that have none inside themselves, in its order."""
    inside = layer._flatten_layers(include_self=False, recursive=False)
    for one in inside:
        yield from leaves(one)
    if not inside:
        yield layer

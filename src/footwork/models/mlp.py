"""The head of `seed` trained in NumPy on features, step for step as Keras's `fit` would.

Same starting weights, order of photos, batches, dropout rate, class weights, Adam, early stopping;
thousands of steps a second where a fit through the base makes a few. Each photo has K draws of
its augmentation in the bank; every epoch takes one of them at random, where `fit` draws anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from footwork.models.fit import CURVES, Fitted
from footwork.models.seed import Layers, SeedSettings, class_weights, epoch_order, initial_head

Floats = NDArray[np.float32]
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # keras.optimizers.Adam
CLIP = 1e-7  # of probabilities, keras.config.epsilon()


@dataclass(frozen=True)
class Head:
    layers: Layers

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:  # noqa: N803
        """Return (n, k) probabilities of (n, d) features."""
        proba: NDArray[np.float64] = forward(self.layers, X)[-1].astype(np.float64)
        return proba


def forward(layers: Layers, X: Floats, masks: list[Floats] | None = None) -> list[Floats]:  # noqa: N803
    """Return the input of each layer and the probabilities; masks: of the two dropouts."""
    seen = [X]
    for i, (kernel, bias) in enumerate(layers[:-1]):
        x = np.maximum(seen[-1] @ kernel + bias, 0)
        seen.append(x if masks is None else x * masks[i])
    kernel, bias = layers[-1]
    scores = seen[-1] @ kernel + bias
    scores -= scores.max(axis=1, keepdims=True)
    proba = np.exp(scores)
    return [*seen, proba / proba.sum(axis=1, keepdims=True)]


def surprise(proba: Floats, y: NDArray[np.int64]) -> Floats:
    chosen = np.clip(proba[np.arange(len(y)), y], CLIP, 1 - CLIP)
    loss: Floats = -np.log(chosen)
    return loss


class Adam:
    def __init__(self, layers: Layers, rate: float) -> None:
        self.rate, self.step = rate, 0
        self.first = [[np.zeros_like(part) for part in layer] for layer in layers]
        self.second = [[np.zeros_like(part) for part in layer] for layer in layers]

    def update(self, layers: Layers, gradients: Layers) -> None:
        self.step += 1
        alpha = np.float32(self.rate * np.sqrt(1 - BETA2**self.step) / (1 - BETA1**self.step))
        for i, layer in enumerate(layers):
            for j, part in enumerate(layer):
                g, m, v = gradients[i][j], self.first[i][j], self.second[i][j]
                m += (g - m) * np.float32(1 - BETA1)
                v += (g * g - v) * np.float32(1 - BETA2)
                part -= alpha * m / (np.sqrt(v) + np.float32(EPSILON))


def fit_mlp(
    draws: Floats,
    y: NDArray[np.int64],
    held: Floats,
    held_y: NDArray[np.int64],
    k: int,
    settings: SeedSettings,
    seed: int,
) -> tuple[Head, Fitted]:
    """Train the head on features of augmented photos.

    draws: (K, n, d) float32, K draws of each training photo; held: (m, d), the validation photos
    as they are. Classes in [0, k). Training stops at a loss that is not a number, with the
    weights of the last good epoch. Same arguments, same result on one machine.
    """
    layers = initial_head(draws.shape[2], k, settings, seed)
    weights = class_weights(y, k, settings)
    adam, rng = Adam(layers, settings.learning_rate), np.random.default_rng([seed, 8])
    rows: list[list[float]] = []
    best, kept, waited = copied(layers), copied(layers), 0
    lowest, trouble = np.inf, ""
    for epoch in range(settings.epochs):
        order = epoch_order(len(y), seed, epoch)
        drawn = rng.integers(len(draws), size=len(y))
        row = one_epoch(layers, adam, draws, y, weights, order, drawn, settings, rng)
        proba = forward(layers, held)[-1]
        row += [float(surprise(proba, held_y).mean()), share(proba, held_y)]
        if not np.isfinite(row).all():
            trouble = (
                f"the loss was not a number after step {adam.step} (epoch {epoch + 1}); training "
                f"stopped there with the weights of epoch {epoch}"
            )
            layers = kept
            break
        rows.append(row)
        kept = copied(layers)
        if row[2] < lowest:
            lowest, best, waited = row[2], kept, 0
        else:
            waited += 1
            if waited >= settings.patience:
                break
    if settings.restore_best and not trouble:
        layers = best
    curves = np.array(rows, dtype=np.float64).reshape(-1, len(CURVES))
    at = int(np.argmin(curves[:, 2])) + 1 if rows else 0
    last = at if settings.restore_best and not trouble else len(rows)
    remarks = (trouble,) if trouble else ()
    return Head(layers), Fitted(curves, at, last, 0.0, settings.batch, remarks)


def one_epoch(
    layers: Layers,
    adam: Adam,
    draws: Floats,
    y: NDArray[np.int64],
    weights: Floats,
    order: NDArray[np.int64],
    drawn: NDArray[np.int64],
    settings: SeedSettings,
    rng: np.random.Generator,
) -> list[float]:
    """Train on all photos once, in place; return loss and accuracy as Keras reports them."""
    loss, right = 0.0, 0.0
    for start in range(0, len(y), settings.batch):
        batch = order[start : start + settings.batch]
        x, truth, weight = draws[drawn[batch], batch], y[batch], weights[y[batch]]
        masks = [dropped(rng, len(batch), width, settings.dropout) for width in settings.widths]
        seen = forward(layers, x, masks)
        loss += float((weight * surprise(seen[-1], truth)).sum())
        right += share(seen[-1], truth) * len(batch)
        adam.update(layers, backward(layers, seen, masks, truth, weight))
    return [loss / len(y), right / len(y)]


def backward(
    layers: Layers, seen: list[Floats], masks: list[Floats], y: NDArray[np.int64], weight: Floats
) -> Layers:
    """Return the gradients of the mean over the batch of weight times cross-entropy."""
    delta = seen[-1].copy()
    delta[np.arange(len(y)), y] -= 1
    delta *= (weight / np.float32(len(y)))[:, None]
    gradients: Layers = []
    for i in range(len(layers) - 1, -1, -1):
        gradients.append((seen[i].T @ delta, delta.sum(axis=0)))
        if i:
            delta = (delta @ layers[i][0].T) * masks[i - 1] * (seen[i] > 0)
    return gradients[::-1]


def dropped(rng: np.random.Generator, n: int, width: int, rate: float) -> Floats:
    """Return an (n, width) mask of 0 and 1 / (1 - rate)."""
    if not rate:
        return np.ones((n, width), np.float32)
    kept: Floats = (rng.random((n, width), dtype=np.float32) >= rate).astype(np.float32)
    kept /= np.float32(1 - rate)
    return kept


def share(proba: Floats, y: NDArray[np.int64]) -> float:
    return float((proba.argmax(axis=1) == y).mean())


def copied(layers: Layers) -> Layers:
    return [(kernel.copy(), bias.copy()) for kernel, bias in layers]

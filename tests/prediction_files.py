"""Small files of predictions as other people write them, for the tests of `judge`."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CLASSES = ("heel_hook", "others", "toe_hook")
Row = dict[str, str]


def rows_of(
    model: str,
    skill: float,
    *,
    photos: Sequence[int] = range(30),
    seed: int = 0,
    repeats: int = 0,
    folds: int = 0,
) -> list[Row]:
    """Rows of one model with probabilities; photo i is of class i % 3."""
    rng = np.random.default_rng([seed, len(model)])
    rows = []
    for repeat in range(max(repeats, 1)):
        for i in photos:
            logits = rng.normal(size=3) + skill * np.eye(3)[i % 3]
            proba = np.exp(logits) / np.exp(logits).sum()
            row = {"image": f"{i:03}.jpg", "label": CLASSES[i % 3], "model": model}
            row |= {f"p_{name}": f"{p:.4f}" for name, p in zip(CLASSES, proba, strict=True)}
            if repeats:
                row["repeat"] = str(repeat + 1)
            if folds:
                row["fold"] = str((i + repeat) % folds + 1)
            rows.append(row)
    return rows


def answers_of(rows: Sequence[Row]) -> list[Row]:
    """The same rows with a prediction instead of probabilities."""
    return [
        {k: v for k, v in row.items() if not k.startswith("p_")}
        | {"prediction": max(CLASSES, key=lambda name: float(row[f"p_{name}"]))}
        for row in rows
    ]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path

"""Back-test of learning-curve forecasts: a power law, 'it stays as it is', and half-way.

    python bench/curve_backtest.py [--parts 10] [--repeats 2] [--json FILE]

A part of the photos (a quarter, a half, two thirds) is drawn at random, class by class; a curve
is measured on it as `footwork curve` does; what it forecasts for the training size of the whole
is compared with what the whole scores there. Errors are absolute, of macro-F1. The score of the
whole is itself measured on the same photos, so that its own luck is in every error; for simulated
photos it is the score on 4,000 fresh ones.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork import scores
from footwork.errors import DataError
from footwork.evaluate.curve import CurveTable, measure_curve
from footwork.evaluate.forecast import forecast_at, resampled, scores_at
from footwork.evaluate.power_law import fit_power_law
from footwork.importing.layouts import find_rows
from footwork.models.bases import registry
from footwork.models.features import feature_key, features
from footwork.models.head import fit_probe
from footwork.models.networks import prepare
from footwork.predictions import Photos

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDS = 5


@dataclass(frozen=True)
class Data:
    vectors: NDArray[np.float32]
    photos: Photos
    classes: tuple[str, ...]

    def rows(self, rows: NDArray[np.int64]) -> "Data":
        p = self.photos
        some = Photos(
            tuple(p.image[i] for i in rows), tuple(p.path[i] for i in rows),
            p.label[rows], p.group[rows], p.group_name,
        )  # fmt: skip
        return Data(self.vectors[rows], some, self.classes)

    def with_vectors(self, vectors: NDArray[np.floating]) -> "Data":
        return Data(vectors.astype(np.float32), self.photos, self.classes)


def made(vectors: NDArray[np.floating], label: NDArray[np.int64]) -> Data:
    names = tuple(hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(label)))
    order = np.argsort(np.array(names))
    named = tuple(names[i] for i in order)
    photos = Photos(named, named, label[order], np.arange(len(label)), named)
    classes = tuple(f"class{k}" for k in range(int(label.max()) + 1))
    return Data(vectors[order].astype(np.float32), photos, classes)


def real(source: Path, where: dict[str, str], cache: Path) -> Data:
    base = registry()["efficientnet_lite0"]
    prepared = prepare(base, lambda: np.zeros((1, base.contract.side, base.contract.side, 3), "f4"))
    of = {}
    for row in find_rows(source, where=where).rows:
        of[hashlib.sha256(row.path.read_bytes()).hexdigest()] = row
    images = tuple(sorted(of))
    key = feature_key(prepared, None, "right")
    seen = features(
        images, prepared, key, lambda i: of[i].path.read_bytes(), cache, lambda _n: None
    )
    classes = tuple(sorted({row.label for row in of.values()}))
    label = np.array([classes.index(of[image].label) for image in images])
    photos = Photos(images, images, label, np.arange(len(images)), images)
    return Data(seen.vectors, photos, classes)


def simulated(photos: int, classes: int, apart: float, seed: int) -> Data:
    """Normal clouds in 64 dimensions whose centres are `apart`; the first class is half of all."""
    rng = np.random.default_rng([seed, classes])
    share = np.full(classes, 0.5 / (classes - 1))
    share[0] = 0.5
    label = np.repeat(np.arange(classes), np.maximum((share * photos).astype(int), 1))
    centres = np.random.default_rng(classes).normal(0, apart / 8, (classes, 64))
    return made(centres[label] + rng.normal(0, 1, (len(label), 64)), label)


def part_of(data: Data, share: float, rng: np.random.Generator) -> Data:
    label = data.photos.label
    rows = [rng.permutation(np.flatnonzero(label == k)) for k in range(len(data.classes))]
    return data.rows(np.sort(np.concatenate([mine[: round(share * len(mine))] for mine in rows])))


def curve(data: Data, repeats: int, seed: int) -> CurveTable:
    return measure_curve(
        data.vectors, data.photos, data.classes, folds=FOLDS, repeats=repeats, seed=seed
    )


def fresh_score(data: Data, fresh: Data, rng: np.random.Generator, size: int) -> float:
    """Macro-F1 on fresh photos, trained on `size` of `data`; mean over 5 draws."""
    found = []
    for _ in range(5):
        some = part_of(data, size / len(data.photos), rng)
        probe = fit_probe(
            some.vectors, some.photos.label, some.photos.group, len(data.classes), seed=0
        )
        answers = probe.predict_proba(fresh.vectors).argmax(axis=1)
        counts = scores.confusions(fresh.photos.label, answers, fresh.classes)
        found.append(float(scores.macro_f1(scores.tally(counts))))
    return float(np.mean(found))


def backtest(
    name: str, data: Data, truth: Callable[[int], float], parts: int, repeats: int
) -> list[dict[str, float | str]]:
    """Return one row per share and part that allowed a curve."""
    rows: list[dict[str, float | str]] = []
    full = len(data.photos) * (FOLDS - 1) // FOLDS
    there = truth(full)
    for share in (1 / 4, 1 / 2, 2 / 3):
        for part in range(parts):
            rng = np.random.default_rng([part, round(share * 100)])
            try:
                table = curve(part_of(data, share, rng), repeats, part)
            except DataError as error:
                print(f"{name}, {share:.0%}: {error}")
                break
            value, draws = scores_at(table), resampled(table, part)
            said, _ = forecast_at(table, value, draws, full)
            law = fit_power_law(table.trained, value[:, 0])
            rows.append({
                "data": name, "share": round(share, 2), "from": float(table.trained[-1]),
                "to": full, "there": there, "law": float(law.at(full)),
                "low": said.low, "high": said.high, "dull": float(value[-1, 0]),
            })  # fmt: skip
    return rows


def summary(rows: list[dict[str, float | str]]) -> None:
    """Print mean absolute errors of the law, of the dull forecast, and half-way, as is said."""
    print(f"{'data':30} {'from':>5} {'to':>5} {'score':>6} {'law':>7} {'dull':>7} {'half':>7}"
          f" {'law bias':>9} {'dull bias':>9} {'in interval':>12}")  # fmt: skip
    names = ("law", "dull", "there", "from", "to", "low", "high")
    for name, share in sorted({(str(r["data"]), float(r["share"])) for r in rows}):
        some = [r for r in rows if (r["data"], r["share"]) == (name, share)]
        get = {k: np.array([float(r[k]) for r in some]) for k in names}
        off = {k: get[k] - get["there"] for k in ("law", "dull")}
        off["half"] = (off["law"] + off["dull"]) / 2
        inside = np.mean((get["low"] <= get["there"]) & (get["there"] <= get["high"]))
        errors = " ".join(f"{np.abs(one).mean():7.4f}" for one in off.values())
        print(f"{name:30} {get['from'].mean():5.0f} {get['to'].mean():5.0f} "
              f"{get['there'].mean():6.3f} {errors} {off['law'].mean():+9.4f} "
              f"{off['dull'].mean():+9.4f} {inside:6.0%} of {len(some)}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        rows = []
        for name, data, truth in cases(Path(cache)):
            if asked.only in name:
                rows += backtest(name, data, truth, asked.parts, asked.repeats)
                summary([row for row in rows if row["data"] == name])
    print()
    summary(rows)
    print(f"{time.perf_counter() - started:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


def cases(cache: Path) -> list[tuple[str, Data, Callable[[int], float]]]:
    found: list[tuple[str, Data, Callable[[int], float]]] = []

    def as_whole(data: Data) -> Callable[[int], float]:
        return lambda _size: float(scores_at(curve(data, 4, 99))[-1, 0])

    if SHARED.is_dir():
        insects = real(SHARED / "hymenoptera" / "manifest.csv", {}, cache)
        tiles = real(SHARED / "climbing_tiles" / "manifest.csv", {"best": "1"}, cache)
        rng = np.random.default_rng(0)
        d = insects.vectors.shape[1]
        spread = insects.vectors.std(axis=0)
        grain = rng.normal(0, 1, insects.vectors.shape)
        weak = {
            "hymenoptera": insects,
            "hymenoptera, 8 projections": insects.with_vectors(
                insects.vectors @ rng.normal(0, 1, (d, 8))
            ),
            "hymenoptera, 32 projections": insects.with_vectors(
                insects.vectors @ rng.normal(0, 1, (d, 32))
            ),
            "hymenoptera, noise x 4": insects.with_vectors(insects.vectors + 4 * spread * grain),
            "hymenoptera, noise x 8": insects.with_vectors(insects.vectors + 8 * spread * grain),
            "climbing_tiles": tiles,
        }
        found += [(name, data, as_whole(data)) for name, data in weak.items()]
    for classes, apart in ((3, 2.0), (3, 4.0), (6, 3.0)):
        data = simulated(400, classes, apart, seed=1)
        fresh = simulated(4000, classes, apart, seed=2)
        wide = simulated(2000, classes, apart, seed=3)
        found.append((
            f"simulated, {classes} classes, {apart:g} apart", data,
            partial(fresh_score, wide, fresh, np.random.default_rng(5)),
        ))  # fmt: skip
    return found


if __name__ == "__main__":
    main()

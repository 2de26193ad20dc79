"""`footwork judge` on 20 models x 10,000 photos x 25 repeats: seconds, memory, agreement.

    python bench/judge_speed.py [--quick] [--models 20] [--photos 10000] [--repeats 25]

Draws a table of probabilities (rows shuffled, Parquet), runs the command in a process of its own
and prints its wall time, CPU time and peak memory. The peer is scikit-learn's f1_score on the
same table, once per model and repeat: it gives the same macro-F1 (the run fails beyond 1e-12)
without intervals, pairs or checks, and its time is printed beside ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from footwork.machine import describe_machine
from footwork.tables import read_table, write_parquet

CLASSES = np.array(["heel_hook", "others", "toe_hook"], dtype=object)


def write_table(path: Path, models: int, photos: int, repeats: int) -> None:
    rng = np.random.default_rng(12)
    n, k = models * photos * repeats, len(CLASSES)
    label = rng.integers(k, size=photos)
    model = np.repeat(np.arange(models), photos * repeats)
    repeat = np.tile(np.repeat(np.arange(repeats), photos), models)
    photo = np.tile(np.arange(photos), models * repeats)
    hard = rng.normal(size=(photos, k))  # what all models see in a photo
    logits = hard[photo] + 0.7 * rng.normal(size=(n, k))
    logits[np.arange(n), label[photo]] += 0.3 + 0.03 * model
    proba = np.exp(logits)
    proba /= proba.sum(axis=1, keepdims=True)
    order = rng.permutation(n)
    image = np.array([rng.bytes(32).hex() for _ in range(photos)], dtype=object)
    names = np.array([f"model_{i:02}" for i in range(models)], dtype=object)
    columns = {
        "image": image[photo[order]],
        "label": CLASSES[label[photo[order]]],
        "model": names[model[order]],
        "repeat": repeat[order],
        "fold": ((photo + repeat) % 5)[order],
    }
    write_parquet(path, columns | {f"p_{c}": proba[order, i] for i, c in enumerate(CLASSES)})


def peer(path: Path) -> tuple[dict[str, float], float]:
    """Return the mean macro-F1 per model, and the seconds after reading."""
    table = read_table(path)
    clock = time.perf_counter()
    predicted = np.column_stack([table[f"p_{c}"] for c in CLASSES]).argmax(axis=1)
    place = {name: i for i, name in enumerate(CLASSES)}
    truth = np.array([place[name] for name in table["label"]])
    found = {}
    for name in sorted(set(table["model"])):
        mine = table["model"] == name
        scores = [
            f1_score(truth[rows], predicted[rows], average="macro")
            for r in np.unique(table["repeat"])
            for rows in [mine & (table["repeat"] == r)]
        ]
        found[str(name)] = float(np.mean(scores))
    return found, time.perf_counter() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 models, 500 photos, 2 repeats")
    for name, value in (("models", 20), ("photos", 10_000), ("repeats", 25)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    if asked.quick:
        asked.models, asked.photos, asked.repeats = 3, 500, 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.parquet"
        write_table(path, asked.models, asked.photos, asked.repeats)
        command = [sys.executable, "-m", "footwork", "judge", str(path), "--json"]
        clock = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - clock
        assert status == 0, status
        theirs, peer_seconds = peer(path)
    ours = {one["model"]: one["macro_f1"]["value"] for one in json.loads(printed)["entries"]}
    worst = max(abs(ours[name] - value) for name, value in theirs.items())
    megabytes = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(describe_machine())
    print(f"{asked.models} models x {asked.photos:,} photos x {asked.repeats} repeats")
    print(f"footwork judge: {seconds:.1f} s wall, {usage.ru_utime + usage.ru_stime:.1f} s CPU, "
          f"{megabytes:,.0f} MB at most")  # fmt: skip
    print(f"scikit-learn, scores alone: {peer_seconds:.1f} s; largest difference {worst:.1e}")
    assert worst < 1e-12, "the scores must agree"


if __name__ == "__main__":
    main()

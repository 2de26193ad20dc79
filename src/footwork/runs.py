"""A run's folder is the record of one experiment; reports and comparisons read nothing else.

runs/<time>-<name>/
  config.toml          what was asked, as it prints
  environment.json     versions, machine, seeds, hashes of data and weights, timings
  entries.json         one EntryInfo per entry
  predictions.parquet  out-of-fold predictions (see footwork.predictions)
  external.parquet     predictions on an external test set, if there is one
  history.parquet      losses per epoch of what Keras trained (see footwork.histories)
  ablation.json        what each choice of the original costs (see footwork.ablations)
  leak.parquet         predictions with and without groups, if there are any (evaluate.leak)
  null.parquet         scores on permuted labels, if that was asked for (evaluate.permuted)
  bodies.parquet       the climbers' joints, if a base looked for them (see footwork.bodies)
  conflicts.json       photos that were left out because they carry two labels
  metrics.json         the leaderboard, derived from predictions.parquet
  report.html
"""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from footwork.ablations import Ablation, read_ablation
from footwork.bodies import Bodies, read_bodies
from footwork.errors import DataError, UsageError, nearest
from footwork.files import PARTIAL, unwritable
from footwork.histories import History, read_histories
from footwork.predictions import Predictions, read_predictions
from footwork.records import Disputed, EntryInfo, Environment
from footwork.tables import Column, read_table, write_parquet


@dataclass(frozen=True)
class Run:
    folder: Path
    environment: Environment
    entries: tuple[EntryInfo, ...]
    predictions: Predictions
    external: Predictions | None = None
    leak: Predictions | None = None
    histories: tuple[History, ...] = ()
    ablation: Ablation | None = None
    disputed: tuple[Disputed, ...] = ()
    permuted: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def config_text(self) -> str:
        return (self.folder / "config.toml").read_text(encoding="utf-8")


@dataclass(frozen=True)
class RunFolder:
    partial: Path
    final: Path


@contextlib.contextmanager
def new_run_folder(runs: Path, name: str, started: str) -> Iterator[RunFolder]:
    """Yield a partial folder to fill; it becomes `runs/<time>-<name>` only on success.

    started: ISO 8601 in UTC. A name that is taken gets a number behind it.
    """
    stamp = re.sub(r"[^0-9T]", "", started.split("+")[0]).replace("T", "-")
    slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:40] or "run"
    final = runs / f"{stamp}-{slug}"
    number = 1
    while final.exists():
        number += 1
        final = runs / f"{stamp}-{slug}-{number}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=runs))
    except OSError as error:
        raise unwritable(runs, error) from error
    try:
        yield RunFolder(partial, final)
        partial.chmod(0o755)
        partial.rename(final)
    except OSError as error:
        raise unwritable(final, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def run_names(runs: Path) -> list[str]:
    """Return the names of the finished runs in the folder `runs`, oldest first."""
    return sorted(path.name for path in runs.glob("*") if not path.name.startswith("."))


def find_run(runs: Path, name: str | None) -> Path:
    """Return the folder of the run called `name` (its beginning will do), or of the newest."""
    known = run_names(runs)
    if not known:
        raise UsageError(f"There are no runs in {runs} yet; `footwork compare` makes one.")
    if name is None:
        return runs / known[-1]
    matching = [run for run in known if run.startswith(Path(name).name)]
    if len(matching) != 1:
        found = f"{len(matching)} runs begin with it" if matching else nearest(name, known)
        raise UsageError(f"There is no single run {name!r}: {found}")
    return runs / matching[0]


def read_run(folder: Path) -> Run:
    """Read a finished run. Raises DataError if a part is missing or damaged."""
    try:
        environment = Environment.model_validate_json((folder / "environment.json").read_bytes())
        listed: list[Any] = json.loads((folder / "entries.json").read_bytes())
        entries = tuple(EntryInfo.model_validate(item) for item in listed)
        conflicts = folder / "conflicts.json"  # absent in runs of before there were copies
        disputed = json.loads(conflicts.read_bytes()) if conflicts.exists() else []
        known = tuple(Disputed.model_validate(item) for item in disputed)
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not a finished run: {error.filename} is missing.") from None
    except ValueError as error:
        raise DataError(f"{folder} is damaged or of another version: {error}") from error
    return Run(
        folder=folder,
        environment=environment,
        entries=entries,
        predictions=read_predictions(folder / "predictions.parquet"),
        external=optional(folder / "external.parquet"),
        leak=optional(folder / "leak.parquet"),
        histories=read_histories(folder / "history.parquet"),
        ablation=read_ablation(folder / "ablation.json"),
        permuted=read_null(folder / "null.parquet"),
        bodies=read_bodies(folder / "bodies.parquet"),
        disputed=known,
    )


def optional(path: Path) -> Predictions | None:
    return read_predictions(path) if path.exists() else None


def write_null(path: Path, permuted: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the scores on permuted labels, one row per entry and permutation."""
    entries = sorted(permuted)
    columns: dict[str, Column] = {
        "entry": np.array([e for e in entries for _ in permuted[e]], dtype=object),
        "permutation": np.concatenate([np.arange(len(permuted[e])) for e in entries]),
        "macro_f1": np.concatenate([permuted[e] for e in entries]),
    }
    write_parquet(path, columns)


def read_null(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read what `write_null` wrote; {} where there is no such file. Raises DataError."""
    if not path.exists():
        return {}
    table = read_table(path)
    if set(table) != {"entry", "permutation", "macro_f1"}:
        raise DataError(f"{path} is damaged or of another version: its columns are {list(table)}.")
    entry, order = np.asarray(table["entry"]), np.asarray(table["permutation"])
    score = np.asarray(table["macro_f1"], dtype=np.float64)
    return {
        str(one): score[entry == one][np.argsort(order[entry == one])] for one in np.unique(entry)
    }

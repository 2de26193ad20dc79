"""A run's folder is the record of one experiment; reports and comparisons read nothing else.

runs/<time>-<name>/
  config.toml          what was asked, as it prints
  environment.json     versions, machine, seeds, hashes of data and weights, timings
  entries.json         one EntryInfo per entry
  predictions.parquet  out-of-fold predictions (see footwork.predictions)
  external.parquet     predictions on an external test set, if there is one
  metrics.json         the leaderboard, derived from predictions.parquet
  report.html
"""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from footwork.errors import DataError, UsageError, nearest
from footwork.files import PARTIAL, unwritable
from footwork.predictions import Predictions, read_predictions
from footwork.records import EntryInfo, Environment


@dataclass(frozen=True)
class Run:
    folder: Path
    environment: Environment
    entries: tuple[EntryInfo, ...]
    predictions: Predictions
    external: Predictions | None = None

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
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not a finished run: {error.filename} is missing.") from None
    except ValueError as error:
        raise DataError(f"{folder} is damaged or of another version: {error}") from error
    external = folder / "external.parquet"
    return Run(
        folder=folder,
        environment=environment,
        entries=entries,
        predictions=read_predictions(folder / "predictions.parquet"),
        external=read_predictions(external) if external.exists() else None,
    )

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

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from footwork.errors import DataError
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

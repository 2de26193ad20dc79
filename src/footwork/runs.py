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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from footwork.errors import DataError
from footwork.predictions import Predictions, read_predictions

Position = Literal["right", "unit-range", "right-then-divided"]
Verified = Literal["verified", "unverified", "random"]


class Record(BaseModel):
    """Base of everything that is kept as JSON: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EntryInfo(Record):
    """What an entry is, and what it costs; its scores live in the leaderboard.

    contract: how its inputs were fed; anything but 'right' was broken on purpose.
    weights: verified (known hash), unverified (a user's file) or random (never trained).
    milliseconds: median time of one photo alone, from its bytes to its class, on this machine.
    megabytes: the network and the head as files. vector_size: numbers per photo.
    notes: sentences that a reader must see beside the score.
    """

    entry: str
    base: str
    recipe: str
    contract: Position = "right"
    weights: Verified
    weights_sha256: str
    licence: str
    side: int
    view: str
    vector_size: int
    runtime: str
    precision: str
    milliseconds: float
    megabytes: float
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A name that tells the entries of one run apart."""
        broken = "" if self.contract == "right" else f" [{self.contract}]"
        return f"{self.base} · {self.recipe}{broken}"


class DataInfo(Record):
    """What was compared on. `drawn` data is drawn by code and never carries a claim."""

    name: str
    photos: int
    groups: int
    per_class: dict[str, int]
    rejected: int
    conflicts: int
    provisional: int
    drawn: bool
    sha256: str  # over the sorted (image, label, group) rows
    notes: tuple[str, ...] = ()


class Environment(Record):
    """Everything needed to run it again: versions, machine, seeds, hashes, timings."""

    footwork: str
    python: str
    platform: str
    cpu: str
    cores: int
    versions: dict[str, str]
    started: str  # ISO 8601, UTC
    seconds: dict[str, float]  # per step
    seed: int
    folds: int
    repeats: int
    split: Literal["cv", "given"]
    decoded: int  # images decoded and put through a network in this run; the rest was cached
    data: DataInfo


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

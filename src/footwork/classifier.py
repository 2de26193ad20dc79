"""A Classifier: a folder that holds all that is needed to name the class of a photo.

    classifier.json   what it is, what it promises, and the hashes of the other files
    NAME.*            its networks (.onnx, .keras, or MediaPipe's .task), with no outside parts
    head.npz          the fitted head: plain arrays, nothing is ever unpickled
    card.md           the same for people: the model card

Everything in the folder is checked against its hash before it is used, and nothing in it can
name a file elsewhere. `predict` knows nothing but this folder.
"""

import io
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from footwork.errors import DataError
from footwork.files import PARTIAL, sha256_of, unwritable, write_bytes, write_text
from footwork.images import read_bytes
from footwork.machine import cores
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.features import (
    CHUNK,
    Extraction,
    FeatureKey,
    Locate,
    Read,
    Seen,
    ahead,
    feature_key,
    nowhere,
)
from footwork.models.head import Probe
from footwork.models.networks import Form, Prepared, reopened
from footwork.models.pose import unpacked
from footwork.models.sights import Sight, blocks_of
from footwork.models.views import Box, Landmarks, View, needs_body, region_box
from footwork.progress import Progress
from footwork.project import ClassName
from footwork.records import DataInfo, EntryScores, Floors, Record, Verified

FORMAT = "footwork classifier 1"
FACTS, HEAD, CARD = "classifier.json", "head.npz", "card.md"
MAX_NETWORK = 2**31  # bytes; an ONNX file cannot be larger


class BaseFacts(Record):
    """A base model inside: its file, how to run it, and where it came from.

    views: what it is shown; joined: their vectors stand side by side, else they are averaged.
    """

    file: str = Field(pattern=r"^[a-z]+[0-9]*\.(onnx|keras|task)$")
    name: str
    kind: Literal["lite", "keras", "pose", "foundation", "file"]
    form: Form
    contract: InputContract
    views: tuple[View, ...] = Field(min_length=1)
    joined: bool
    vector_size: int = Field(gt=0, le=1_000_000)
    runtime: str
    precision: Literal["float32", "bfloat16"]
    decoder: str
    licence: str
    weights: Verified
    weights_sha256: str


class Promise(Record):
    """What may be expected on fresh photos of the same kind: the out-of-fold scores of the recipe.

    run: the run that measured them; kind, folds, repeats, photos, groups: as in its leaderboard.
    """

    run: str
    kind: Literal["recipe", "model"]
    folds: int
    repeats: int
    photos: int
    groups: int
    scores: EntryScores
    floors: Floors


class ClassifierFacts(Record):
    """classifier.json.

    locator: the network that finds the climber, where a view is a part of one. files: name ->
    SHA-256 of every network and the head.
    """

    format: Literal["footwork classifier 1"] = "footwork classifier 1"
    name: str
    made_at: str
    footwork: str
    classes: tuple[ClassName, ...] = Field(min_length=2)
    bases: tuple[BaseFacts, ...] = Field(min_length=1, max_length=16)
    locator: BaseFacts | None
    recipe: str
    seed: int
    promise: Promise
    data: DataInfo
    versions: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Answers:
    """What a classifier says of n photos. proba: (n, k), NaN rows where reason is not ''."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    proba: NDArray[np.float64]
    reasons: tuple[str, ...]

    def label(self, row: int) -> str | None:
        """The likeliest class of a photo; None if it could not be read."""
        return None if self.reasons[row] else self.classes[int(self.proba[row].argmax())]

    @property
    def failed(self) -> int:
        return sum(reason != "" for reason in self.reasons)


class Classifier:
    """Made by `load`. May be used from many threads at once."""

    def __init__(
        self,
        folder: Path,
        facts: ClassifierFacts,
        sights: Sequence[Sight],
        locator: Sight | None,
        head: Probe,
    ) -> None:
        self.folder = folder
        self.facts = facts
        self._sights = sights
        self._locator = locator
        self._head = head

    @classmethod
    def load(cls, folder: Path | str) -> "Classifier":
        """Read and check a classifier's folder; the networks are started when first used.

        Raises DataError for a folder that is none, is damaged or is of a newer format,
        MissingExtra where a network needs a part of footwork that is not installed.
        """
        folder = Path(folder)
        facts = read_facts(folder)
        sights = [read_sight(folder, facts, base) for base in facts.bases]
        locator = None if facts.locator is None else read_sight(folder, facts, facts.locator)
        head = read_head(folder, facts, sum(blocks_of(sights)))
        return cls(folder, facts, sights, locator, head)

    def predict(self, photos: Sequence[Path], progress: Progress | None = None) -> Answers:
        """Return class probabilities of photos. One that cannot be read is a row with its reason.

        A network's last digits depend on how many photos it sees at once: the probabilities of
        the same photo agree to about 1e-6, not to the last bit.
        """
        names = [str(path) for path in photos]
        return self._answers(names, lambda i: read_bytes(photos[i]), progress or Progress())

    def predict_bytes(self, photos: Sequence[bytes]) -> Answers:
        """Return class probabilities of photos given as the bytes of their files."""
        names = [str(i) for i in range(len(photos))]
        return self._answers(names, lambda i: photos[i], Progress())

    def _answers(
        self, names: Sequence[str], read: Callable[[int], bytes], progress: Progress
    ) -> Answers:
        proba = np.full((len(names), len(self.facts.classes)), np.nan)
        reasons = [""] * len(names)
        numbered = [str(i) for i in range(len(names))]
        chunks = [numbered[i : i + CHUNK] for i in range(0, len(numbered), CHUNK)]

        def work(chunk: Sequence[str]) -> Seen:
            return self._vectors(chunk, lambda row: read(int(row)))

        with (
            progress.task("predicting", len(names)) as advance,
            ThreadPoolExecutor(cores()) as threads,
        ):
            for good, vectors, failed in ahead(threads, work, chunks, 2 * cores()):
                rows = [int(number) for number in good]
                if rows:
                    proba[rows] = self._head.predict_proba(vectors)
                for number, reason in failed.items():
                    reasons[int(number)] = reason
                advance(len(good) + len(failed))
        return Answers(self.facts.classes, tuple(names), proba, tuple(reasons))

    def _vectors(self, chunk: Sequence[str], read: Read) -> Seen:
        """Return the vectors of the photos that all networks could see, and the other reasons."""
        bodies: dict[str, Landmarks | None] = {}
        if self._locator is not None:
            found, said, _ = look(self._locator, self._locator.keys[0], chunk, read)
            bodies = {name: unpacked(one) for name, one in zip(found, said, strict=True)}
        good, failed = list(chunk), dict[str, str]()
        parts: list[NDArray[np.float32]] = []
        for one in self._sights:
            for key in one.keys:
                where = partial(locate, bodies, key.view)
                names, said, reasons = look(one, key, good, read, where)
                vectors = one.prepared.vectors(said)
                stay = [i for i, name in enumerate(good) if name in set(names)]
                parts = [part[stay] for part in parts]
                parts.append(vectors)
                good, failed = names, failed | reasons
        of_sights, start = [], 0
        for one in self._sights:
            of_sights.append(one.vectors(parts[start : start + len(one.keys)]))
            start += len(one.keys)
        return good, np.concatenate(of_sights, axis=1), failed


def locate(bodies: Mapping[str, Landmarks | None], view: str, name: str) -> Box | None:
    return region_box(bodies.get(name), view) if needs_body(view) else None


def look(
    one: Sight, key: FeatureKey, chunk: Sequence[str], read: Read, where: Locate = nowhere
) -> Seen:
    return Extraction(one.prepared, key, read, where, check=False).vectors(chunk)


def save_classifier(
    folder: Path,
    facts: ClassifierFacts,
    networks: Mapping[str, Prepared],
    head: Probe,
    card: str,
) -> Path:
    """Write a classifier's folder, whole or not at all.

    networks: by the file name that `facts` gives them. facts.files is filled in here. Raises
    EnvironmentProblem if it cannot be written, DataError if `folder` exists.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; give the classifier another name.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial_folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        for name, prepared in networks.items():
            model = prepared.model()
            if isinstance(model, Path):
                shutil.copyfile(model, partial_folder / name)
            else:
                write_bytes(partial_folder / name, model)
        write_bytes(partial_folder / HEAD, head_bytes(head))
        files = {name: sha256_of(partial_folder / name) for name in (*networks, HEAD)}
        whole = facts.model_copy(update={"files": files})
        write_text(partial_folder / FACTS, whole.model_dump_json(indent=1))
        write_text(partial_folder / CARD, card)
        partial_folder.chmod(0o755)
        partial_folder.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return folder


def base_facts(one: Sight, file: str) -> BaseFacts:
    """Return what a classifier keeps of a sight. file: the name of its network, no suffix."""
    prepared, key = one.prepared, one.keys[0]
    base = prepared.base
    return BaseFacts(
        file=f"{file}.{prepared.form}",
        name=base.name,
        kind=base.kind,
        form=prepared.form,
        contract=base.contract,
        views=tuple(key.view for key in one.keys),
        joined=one.joined,
        vector_size=prepared.vector_size,
        runtime=prepared.runtime,
        precision=key.precision,
        decoder=key.decoder,
        licence=base.licence,
        weights=prepared.weights,
        weights_sha256=prepared.weights_sha256,
    )


def read_facts(folder: Path) -> ClassifierFacts:
    """Read classifier.json. Raises DataError that says what is wrong with it."""
    file = folder / FACTS
    try:
        raw = json.loads(file.read_bytes())
        said = raw.get("format") if isinstance(raw, dict) else None
        if said != FORMAT and isinstance(said, str) and said.startswith("footwork classifier "):
            raise DataError(
                f"{folder} is of the format {said!r}, and this footwork reads {FORMAT!r}. "
                "Use the footwork that made it or a newer one: pip install -U footwork"
            )
        return ClassifierFacts.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} is not a classifier: it has no {FACTS}. `footwork train` makes one."
        ) from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{file} is damaged: {key}: {first['msg']}. Train it again.") from None
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}. Train it again.") from error


def read_sight(folder: Path, facts: ClassifierFacts, kept: BaseFacts) -> Sight:
    network = folder / kept.file
    check_file(network, facts.files.get(kept.file, ""))
    base = Base(
        name=kept.name,
        kind=kept.kind,
        contract=kept.contract,
        weights=str(network),
        licence=kept.licence,
        vector_size=kept.vector_size,
    )
    prepared = reopened(
        base,
        kept.form,
        network,
        weights=kept.weights,
        weights_sha256=kept.weights_sha256,
        vector_size=kept.vector_size,
        runtime=kept.runtime,
        precision=kept.precision,
    )
    keys = tuple(feature_key(prepared, view, "right") for view in kept.views)
    return Sight(prepared, keys, kept.joined)


def check_file(file: Path, sha256: str) -> None:
    """Raise DataError unless `file` is a regular file whose bytes have this hash."""
    if file.is_symlink() or not file.is_file():
        raise DataError(f"{file} is missing; the classifier is not complete. Train it again.")
    if file.stat().st_size > MAX_NETWORK or sha256_of(file) != sha256:
        raise DataError(
            f"{file} is not the file that the classifier was saved with (its SHA-256 differs), so "
            "it is not used. Copy the folder again, or train it again."
        )


ARRAYS = ("mean", "scale", "weights", "bias", "strength")
HIDDEN = ("hidden_weights", "hidden_bias")  # of a head with a layer in front
MOST_UNITS = 4096


def head_bytes(head: Probe) -> bytes:
    strength = np.array(head.strength, dtype=np.float64)
    arrays = dict(
        zip(ARRAYS, (head.mean, head.scale, head.weights, head.bias, strength), strict=True)
    )
    if head.hidden is not None:
        arrays |= dict(zip(HIDDEN, head.hidden, strict=True))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_head(folder: Path, facts: ClassifierFacts, size: int) -> Probe:
    """Read the head for vectors of `size` numbers; DataError if it is none."""
    file, classes = folder / HEAD, len(facts.classes)
    check_file(file, facts.files.get(HEAD, ""))
    try:
        with np.load(file, allow_pickle=False) as arrays:
            layered = HIDDEN[0] in arrays
            found = {name: arrays[name] for name in (*ARRAYS, *(HIDDEN if layered else ()))}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"{file} is not a head: {error}. Train it again.") from error
    units = min(found[HIDDEN[1]].size, MOST_UNITS) if layered else size
    shapes = {
        "mean": (size,), "scale": (size,), "weights": (units, classes), "bias": (classes,),
        "strength": (), "hidden_weights": (size, units), "hidden_bias": (units,),
    }  # fmt: skip
    for name, array in found.items():
        if array.shape != shapes[name] or array.dtype != np.float64 or not finite(array):
            raise DataError(
                f"{file} is not the head of this classifier: {name} is {array.dtype} "
                f"{array.shape}, it should be finite float64 {shapes[name]}. Train it again."
            )
    return Probe(
        found["mean"],
        found["scale"],
        found["weights"],
        found["bias"],
        float(found["strength"]),
        (found[HIDDEN[0]], found[HIDDEN[1]]) if layered else None,
    )


def finite(array: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(array).all())


def photos_in(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files as given, and for a folder every file below it, sorted, hidden ones left out.

    Whatever is not a photo is for the classifier to say.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for below in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in below.relative_to(path).parts)
            if not hidden and below.is_file():
                yield below

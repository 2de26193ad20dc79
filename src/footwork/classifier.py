"""A Classifier: a folder that holds all that is needed to name the class of a photo.

    classifier.json   what it is, what it promises, and the hashes of the other files
    network.*         the base model (.onnx, .keras, or MediaPipe's .task), with no outside parts
    head.npz          the fitted head: plain arrays, nothing is ever unpickled
    card.md           the same for people: the model card

Everything in the folder is checked against its hash before it is used, and nothing in it can
name a file elsewhere. `predict`, `serve` and `export` know nothing but this folder.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from footwork.errors import DataError
from footwork.files import PARTIAL, sha256_of, unwritable, write_bytes, write_text
from footwork.images import read_bytes
from footwork.machine import cores
from footwork.models.bases import Base
from footwork.models.contract import Crop, InputContract
from footwork.models.features import CHUNK, Extraction, FeatureKey, ahead
from footwork.models.head import Probe
from footwork.models.networks import Form, Prepared, reopened
from footwork.progress import Progress
from footwork.project import ClassName
from footwork.records import DataInfo, EntryScores, Floors, Record, Verified

FORMAT = "footwork classifier 1"
FACTS, HEAD, CARD = "classifier.json", "head.npz", "card.md"
MAX_NETWORK = 2**31  # bytes; an ONNX file cannot be larger


class BaseFacts(Record):
    """The base model inside: how to run it, and where it came from."""

    name: str
    kind: Literal["lite", "keras", "pose", "file"]
    form: Form
    contract: InputContract
    view: Crop
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
    """classifier.json. files: name -> SHA-256 of network and head."""

    format: Literal["footwork classifier 1"] = "footwork classifier 1"
    name: str
    made_at: str
    footwork: str
    classes: tuple[ClassName, ...] = Field(min_length=2)
    base: BaseFacts
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

    def __init__(self, folder: Path, facts: ClassifierFacts, prepared: Prepared, head: Probe):
        self.folder = folder
        self.facts = facts
        self._head = head
        base = facts.base
        self._prepared = prepared
        self._key = FeatureKey(
            base=base.name,
            weights_sha256=base.weights_sha256,
            contract=base.contract,
            view=base.view,
            position="right",
            runtime=base.runtime,
            precision=base.precision,
            decoder=base.decoder,
        )

    @classmethod
    def load(cls, folder: Path | str) -> "Classifier":
        """Read and check a classifier's folder; the network itself is started when first used.

        Raises DataError for a folder that is none, is damaged or is of a newer format,
        MissingExtra where its network needs a part of footwork that is not installed.
        """
        folder = Path(folder)
        facts = read_facts(folder)
        network = folder / network_name(facts.base.form)
        for file in (network, folder / HEAD):
            check_file(file, facts.files.get(file.name, ""))
        head = read_head(folder / HEAD, facts.base.vector_size, len(facts.classes))
        base = Base(
            name=facts.base.name,
            kind=facts.base.kind,
            contract=facts.base.contract,
            weights=str(network),
            licence=facts.base.licence,
            vector_size=facts.base.vector_size,
        )
        prepared = reopened(
            base,
            facts.base.form,
            network,
            weights=facts.base.weights,
            weights_sha256=facts.base.weights_sha256,
            vector_size=facts.base.vector_size,
            runtime=facts.base.runtime,
            precision=facts.base.precision,
        )
        return cls(folder, facts, prepared, head)

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
        work = Extraction(self._prepared, self._key, lambda row: read(int(row)), check=False)
        numbered = [str(i) for i in range(len(names))]
        proba = np.full((len(names), len(self.facts.classes)), np.nan)
        reasons = [""] * len(names)
        chunks = [numbered[i : i + CHUNK] for i in range(0, len(numbered), CHUNK)]
        with (
            progress.task("predicting", len(names)) as advance,
            ThreadPoolExecutor(cores()) as threads,
        ):
            for good, vectors, failed in ahead(threads, work.vectors, chunks, 2 * cores()):
                rows = [int(number) for number in good]
                if rows:
                    proba[rows] = self._head.predict_proba(vectors)
                for number, reason in failed.items():
                    reasons[int(number)] = reason
                advance(len(good) + len(failed))
        return Answers(self.facts.classes, tuple(names), proba, tuple(reasons))


def save_classifier(
    folder: Path, facts: ClassifierFacts, prepared: Prepared, head: Probe, card: str
) -> Path:
    """Write a classifier's folder, whole or not at all. facts.files is filled in here.

    Raises EnvironmentProblem if it cannot be written, DataError if `folder` exists.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; give the classifier another name.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        network = partial / network_name(prepared.form)
        model = prepared.model()
        if isinstance(model, Path):
            shutil.copyfile(model, network)
        else:
            write_bytes(network, model)
        write_bytes(partial / HEAD, head_bytes(head))
        files = {file.name: sha256_of(file) for file in (network, partial / HEAD)}
        whole = facts.model_copy(update={"files": files})
        write_text(partial / FACTS, whole.model_dump_json(indent=1))
        write_text(partial / CARD, card)
        partial.chmod(0o755)
        partial.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def network_name(form: Form) -> str:
    return f"network.{form}"


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


def head_bytes(head: Probe) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=head.mean,
        scale=head.scale,
        weights=head.weights,
        bias=head.bias,
        strength=np.float64(head.strength),
    )
    return buffer.getvalue()


def read_head(file: Path, size: int, classes: int) -> Probe:
    """Read a head for (n, size) vectors and `classes` classes; DataError if it is none."""
    shapes = {
        "mean": (size,), "scale": (size,), "weights": (size, classes), "bias": (classes,),
        "strength": (),
    }  # fmt: skip
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} is not a head: {error}. Train it again.") from error
    for name, array in found.items():
        if array.shape != shapes[name] or array.dtype != np.float64 or not finite(array):
            raise DataError(
                f"{file} is not the head of this classifier: {name} is {array.dtype} "
                f"{array.shape}, it should be finite float64 {shapes[name]}. Train it again."
            )
    return Probe(
        found["mean"], found["scale"], found["weights"], found["bias"], float(found["strength"])
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

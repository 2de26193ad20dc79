"""Verbs that check: learning curves, the doctor, two runs side by side."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
from footwork.errors import DataError, UsageError
from footwork.files import write_text
from footwork.findings import timestamp
from footwork.models.bases import chosen, registry
from footwork.progress import Progress
from footwork.project import FILE, find_project, open_project
from footwork.runs import find_run, new_run_folder, read_run
from footwork.verbs.photos import HERE, Place

if TYPE_CHECKING:
    from footwork.evaluate.diff import RunDiff
    from footwork.evaluate.doctor.findings import Diagnosis
    from footwork.evaluate.doctor.patient import Patient
    from footwork.evaluate.doctor.script import Script
    from footwork.evaluate.forecast import Curve
    from footwork.models.bases import Base
    from footwork.models.contract import InputContract

CURVES = "curves"


@dataclass(frozen=True)
class Curved:
    """A learning curve and the folder that holds it: curve.parquet, curve.json, curve.png."""

    folder: Path
    curve: "Curve"

    @property
    def picture(self) -> Path:
        return self.folder / "curve.png"


def curve(
    again: str | None = None,
    *,
    project: Place = HERE,
    base: str | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    target: float | None = None,
    progress: Progress | None = None,
) -> Curved:
    """Measure macro-F1 against the number of photos, and say what more of them would do.

    again: the beginning of an earlier curve's name, to derive and draw it anew without
    measuring. base: the first of [compare] bases if None; its probe is what learns. target: the
    wanted score, above 0 and below 1. What is not given is taken from footwork.toml.
    """
    from footwork.evaluate.curve import CurveFacts, measure_curve, read_curve, write_curve
    from footwork.evaluate.dataset import data_set, sides
    from footwork.evaluate.forecast import curve_of
    from footwork.models.features import feature_key, features
    from footwork.models.networks import prepare
    from footwork.reporting.learning_curve import curve_png
    from footwork.verbs.patients import sample

    if target is not None and not 0 < target < 1:
        raise UsageError(f"--target is a score between 0 and 1; it is {target:g}.")
    opened = open_project(project)
    shown = progress or Progress()
    if again is not None:
        folder = find_run(opened.folder / CURVES, again)
        table, facts = read_curve(folder)
        made = curve_of(
            table, title=facts.title, target=target or facts.target, seed=facts.seed,
            drawn=facts.drawn,
        )  # fmt: skip
        write_text(folder / "curve.json", made.model_dump_json(indent=1))
        curve_png(made, folder / "curve.png")
        return Curved(folder, made)
    settings = opened.config.compare
    seed = settings.seed if seed is None else seed
    known = registry(opened)
    one = chosen(known, base or settings.bases[0])
    started = timestamp()
    with Catalog.open(opened.folder) as catalog:
        everything = data_set(catalog.labelled(), opened.config.classes)
        data = everything.subset(sides(everything).inside)
        prepared = prepare(one, lambda: sample(one.contract, data.photos.image, catalog.read))
        key = feature_key(prepared, None, "right")
        with shown.task(f"features {one.name}", len(data.photos)) as advance:
            seen = features(data.photos.image, prepared, key, catalog.read, opened.cache, advance)
    good = seen.good()
    data = data.subset(good)
    repeats = settings.repeats if repeats is None else repeats
    folds = settings.folds if folds is None else folds
    title = f"probe on {one.name}"
    with shown.task(title, 7 * repeats * folds, unit="fits") as advance:
        table = measure_curve(
            seen.vectors[good], data.photos, data.classes, folds=folds, repeats=repeats,
            seed=seed, advance=advance,
        )  # fmt: skip
    made = curve_of(table, title=title, target=target, seed=seed, drawn=opened.config.drawn)
    facts = CurveFacts(
        title=title, target=target, seed=seed, drawn=opened.config.drawn,
        classes=data.classes,
        trained=tuple(table.trained.tolist()), trained_groups=tuple(table.trained_groups.tolist()),
    )  # fmt: skip
    with new_run_folder(opened.folder / CURVES, opened.config.name, started) as place:
        write_curve(table, facts, place.partial)
        write_text(place.partial / "curve.json", made.model_dump_json(indent=1))
        curve_png(made, place.partial / "curve.png")
    return Curved(place.final, made)


def doctor(
    folder: Place | None = None,
    *,
    project: Place = HERE,
    new: Place | None = None,
    script: Mapping[str, object] | None = None,
    cache: Place | None = None,
    progress: Progress | None = None,
) -> "Diagnosis":
    """Look for what spoils a comparison, in a project or any folder of photos; writes nothing.

    folder: class folders, split folders, a table of photos, or a project; the project around
    `project` if None. new: photos from where the classifier will be used. script: what a Keras
    script does, keys as the fields of footwork.evaluate.doctor.script.Script. cache: where
    features of a folder without a project are kept; nowhere if None.
    """
    from pydantic import ValidationError

    from footwork.evaluate.doctor.examine import examine
    from footwork.evaluate.doctor.script import Script
    from footwork.verbs import patients

    try:
        described = Script.model_validate(dict(script or {}))
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        raise UsageError(f"--{one['loc'][0]}: {one['msg']} (found {one['input']!r})") from None
    shown = progress or Progress()
    place = Path(folder) if folder is not None else find_project(project)
    opened = open_project(place) if place is not None and (place / FILE).is_file() else None
    known = registry(opened)
    if described.base is not None:
        chosen(known, described.base)
    contracts = {name: one.contract for name, one in known.items()}
    if place is None:
        if described.empty:
            raise UsageError(
                "There is no project here. Name a folder of photos: footwork doctor FOLDER, or "
                "describe a script: footwork doctor --base ResNet50 --rescale 1/255 …"
            )
        return examine(None, described, contracts)
    with tempfile.TemporaryDirectory(prefix="footwork-doctor-") as scratch:
        fresh = patients.new_photos(Path(new), shown) if new is not None else None
        if opened is None:
            kept = Path(cache) if cache is not None else Path(scratch)
            patient = patients.of_folder(place, fresh, kept, shown)
            return examined(patient, described, known, contracts)
        with Catalog.open(opened.folder) as catalog:
            patient = patients.of_project(opened, catalog, fresh, shown)
            return examined(patient, described, known, contracts)


def examined(
    patient: "Patient",
    described: "Script",
    known: Mapping[str, "Base"],
    contracts: Mapping[str, "InputContract"],
) -> "Diagnosis":
    """Examine a patient with the eyes of the script's own base, where its weights are here."""
    from footwork.evaluate.doctor.examine import examine
    from footwork.verbs.patients import with_eyes

    if described.base is not None:
        with_eyes(patient, known[described.base])
    return examine(patient, described, contracts)


def diff(first: Place, second: Place, *, project: Place = HERE) -> "RunDiff":
    """Compare two runs: beginnings of names in the project, or paths of runs anywhere."""
    from footwork.evaluate.diff import diff_runs

    return diff_runs(read_run(run_folder(first, project)), read_run(run_folder(second, project)))


def run_folder(run: Place, project: Place) -> Path:
    path = Path(run)
    if (path / "environment.json").is_file():
        return path.resolve()
    if path.is_dir() and len(path.parts) > 1:
        raise DataError(f"{path} is not a finished run: it has no environment.json.")
    return find_run(open_project(project).runs, str(run))

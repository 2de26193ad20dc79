"""Findings about what answers without looking at what the photos show: file facts, lettering."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.evaluate.doctor.findings import Finding, Looked, fine, listed, not_checked
from footwork.evaluate.doctor.patient import FOLDS, REPEATS, File, Patient, table_of
from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.leaderboard import floors_of
from footwork.evaluate.words import reference, two
from footwork.folds import cross_validation
from footwork.scores import Floats

# Of macro-F1 above chance, with certainty: less is no short cut worth a name. Photos of two
# classes always differ a little in size and sharpness, ants and bees by 0.07 for certain.
ABOVE = 0.1
MOSTLY, ELSEWHERE = 0.6, 0.3  # share of a class that one value makes up, and of the others
COMMON = 2  # files with a value, at least, for it to be a fact of its own
LETTERED = 0.15  # of a class's photos
CHANCE = 0.001  # p below which lettering goes with a class


def shortcut(patient: Patient) -> Finding | Looked:
    """Whether size, shape, format, compression, source and author alone give the class away."""
    files = patient.unique
    photos = patient.photos_of(files)
    try:
        folds = cross_validation(
            photos.label, photos.group, image=photos.image, folds=FOLDS, repeats=REPEATS,
            seed=patient.seed, classes=patient.classes,
        )  # fmt: skip
    except DataError as error:
        return not_checked("shortcut", str(error))
    facts = fact_table(files)
    proba = np.full((REPEATS, len(files), len(patient.classes)), np.nan)
    for repeat, cut in enumerate(folds):
        for fold in cut:
            proba[repeat, fold.test] = forest(
                facts[fold.train], photos.label[fold.train], facts[fold.test], patient.seed
            )
    table = table_of(photos, patient.classes, {"facts": proba}, folds)
    score = GroupBootstrap(table, kind="recipe", seed=patient.seed).estimate("facts")
    floors = floors_of(photos.label, patient.classes, patient.seed)
    floor = reference(floors)
    said = (
        f"file facts alone (size, shape, format, bytes per pixel, source, author) score a macro-F1 "
        f"of {two(score.value)} ({two(score.low)} to {two(score.high)}), chance {two(floor)}"
    )
    if score.low <= floor + ABOVE:
        return fine("shortcut", f"{said}.")
    shares = dominated(files, photos.label, patient.classes)
    title = "The class can be told without looking at the photo"
    if shares:
        title = f"{shares[0][1]} is mostly {shares[0][2]}, the others are not"
    return Finding(
        check="shortcut",
        title=title,
        evidence=(f"{said}.", *(words for _, _, _, words in shares[:5])),
        cost=None,
        cost_words=(
            f"up to {two(score.value - floor)} of macro-F1 can be had without looking; on photos "
            "from elsewhere that part is lost"
        ),
        mend="collect each class from the same sources; footwork import OTHER --external",
    )


def forest(train: Floats, label: NDArray[np.int64], test: Floats, seed: int) -> NDArray[np.float64]:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=60, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )
    proba: NDArray[np.float64] = model.fit(train, label).predict_proba(test)
    return proba


def fact_table(files: tuple[File, ...]) -> Floats:
    """Return (n, facts): log width, log height, log shape, log bytes per pixel, then one column
    per format, source and author that several files have.
    """
    width = np.array([file.width for file in files], dtype=np.float64)
    height = np.array([file.height for file in files], dtype=np.float64)
    size = np.array([file.size for file in files], dtype=np.float64)
    numbers = [np.log(width), np.log(height), np.log(width / height), np.log(size / width / height)]
    for fact in ("format", "source", "author"):
        values = [getattr(file, fact) for file in files]
        for value, count in sorted(Counter(values).items()):
            if value and COMMON <= count < len(files):
                numbers.append(np.array([one == value for one in values], dtype=np.float64))
    return np.column_stack(numbers)


def dominated(
    files: tuple[File, ...], label: NDArray[np.int64], classes: tuple[str, ...]
) -> list[tuple[float, str, str, str]]:
    """Return (how much more, class, value, sentence) of values that one class has mostly."""
    found = []
    values = {
        "source": [file.source for file in files],
        "author": [f"by {file.author}" if file.author else "" for file in files],
        "format": [file.format for file in files],
        "size": [f"{file.width} x {file.height}" for file in files],
    }
    for mine in values.values():
        column = np.array(mine, dtype=object)
        for k, name in enumerate(classes):
            inside, others = column[label == k], column[label != k]
            if not len(others):
                continue
            value, count = Counter(inside.tolist()).most_common(1)[0]
            share, elsewhere = count / len(inside), float((others == value).mean())
            if value and share >= MOSTLY and elsewhere <= ELSEWHERE:
                words = f"{value}: {share:.0%} of {name}, {elsewhere:.0%} of the others."
                found.append((share - elsewhere, name, value, words))
    return sorted(found, key=lambda one: (-one[0], one[1:]))


def text(patient: Patient) -> Finding | Looked:
    """Lettering across the picture, in one class more than in the others or in many photos."""
    from scipy.stats import fisher_exact

    if patient.lettered is None:
        return not_checked("text", "no photo was measured.")
    files = patient.unique
    label = patient.photos_of(files).label
    has = np.array([file.image in patient.lettered for file in files])
    shares = {}
    for k, name in enumerate(patient.classes):
        inside, others = has[label == k], has[label != k]
        table = [[inside.sum(), len(inside) - inside.sum()],
                 [others.sum(), len(others) - others.sum()]]  # fmt: skip
        p = float(fisher_exact(table, alternative="greater").pvalue)
        if (inside.mean() >= LETTERED and p < CHANCE) or inside.mean() >= 2 * LETTERED:
            shares[name] = float(inside.mean())
    overall = f"{has.sum()} of {len(files)} photos carry large lettering (a heuristic)"
    if not shares:
        return fine("text", f"{overall}, no class more than its part.")
    most = max(shares, key=lambda name: (shares[name], name))
    photos, more = listed([file.path for file, one in zip(files, has, strict=True) if one])
    value, words = cost_of_text(patient, has)
    return Finding(
        check="text",
        title=f"{shares[most]:.0%} of {most} carry lettering across the picture",
        evidence=(
            f"{overall}.",
            *(f"{n}: {has[label == k].mean():.0%}." for k, n in enumerate(patient.classes)),
        ),
        cost=value,
        cost_words=words,
        mend='footwork clean, with [clean] reject = ["large_text"] in footwork.toml',
        photos=photos,
        more=more,
    )


def cost_of_text(patient: Patient, has: NDArray[np.bool_]) -> tuple[float | None, str]:
    """Macro-F1 with all photos, and trained and tested without the lettered ones."""
    from footwork.evaluate.doctor.patient import Answers

    def score(answers: Answers) -> float:
        table = table_of(answers.photos, patient.classes, {"a": answers.proba}, answers.folds)
        return GroupBootstrap(table, kind="recipe", seed=patient.seed).entry("a").value("macro_f1")

    if patient.eyes is None:
        return None, f"not measured: {patient.no_eyes}"
    try:
        whole = patient.fair
        rows = np.flatnonzero(~has)
        files = [patient.unique[i] for i in rows]
        photos = patient.photos_of(files)
        proba, folds = patient.answered(photos, whole.vectors[rows])
        left = Answers(photos, whole.vectors[rows], proba, folds)
        a, b = score(whole), score(left)
    except DataError as error:
        return None, f"not measured: {error}"
    return abs(a - b), f"macro-F1 {two(a)} with them, {two(b)} with those photos left out"

"""Findings about what is on which side: copies, conflicts, size and evenness of the test set."""

from collections import defaultdict

import numpy as np

from footwork.errors import DataError
from footwork.evaluate.doctor.findings import Finding, Looked, fine, listed, not_checked
from footwork.evaluate.doctor.patient import Patient, difference
from footwork.evaluate.leaderboard import floors_of
from footwork.evaluate.words import difference_in_words, two, two_digits
from footwork.models.head import fit_probe

WIDEST = 0.2  # of macro-F1 between the ends of the range of guessing: a tenth to each side
UNEVEN = 0.15  # of the expected photos of a class, over or under


def copies(patient: Patient) -> Finding | Looked:
    """Copies and near-copies on both sides of a split, or that nothing keeps on one side."""
    files, sides = patient.files, patient.sides
    members = defaultdict(list)
    for i, file in enumerate(files):
        members[patient.cluster[file.image]].append(i)
    torn = [
        rows
        for rows in members.values()
        if len(rows) > 1
        and (len({sides[i] for i in rows}) > 1 if patient.has_split else apart(patient, rows))
    ]
    if not torn:
        pairs = sum(len(rows) - 1 for rows in members.values())
        kept = f"{pairs} copies, each on one side" if pairs else "no copies and no near-copies"
        said = f"{kept} ({len(files)} files compared by perceptual hash, not mirrored)."
        leak = patient.pretended(patient.eyes) if patient.eyes is not None else None
        return fine("copies", said if leak is None else f"{said} {leak}")
    rows = [i for group in torn for i in group]
    leaked = [i for i in rows if sides[i] == "test"] if patient.has_split else rows
    photos, more = listed([files[i].path for i in rows])
    if patient.has_split:
        title = f"{len(leaked)} test photos have a copy among the training photos"
        mend = "footwork import FOLDER, footwork dedupe, footwork compare --split cv"
    else:
        title = f"{len(rows)} files are copies or near-copies that a random split would tear apart"
        mend = (
            "footwork dedupe" if patient.is_project else "footwork import FOLDER; footwork dedupe"
        )
    named = " = ".join(files[i].path for i in torn[0][:3])
    evidence = [f"{len(torn)} groups of copies; for instance {named}."]
    value, words = cost_of_copies(patient, leaked)
    return Finding(
        check="copies", title=title, evidence=tuple(evidence), cost=value, cost_words=words,
        mend=mend, photos=photos, more=more,
    )  # fmt: skip


def apart(patient: Patient, rows: list[int]) -> bool:
    """Whether copies are several files that no given group holds together."""
    groups = {patient.files[i].group for i in rows}
    return len(groups) > 1 or "" in groups


def cost_of_copies(patient: Patient, leaked: list[int]) -> tuple[float | None, str]:
    """Return how much macro-F1 the copies fake: a number, and words with its interval."""
    if patient.eyes is None:
        return None, f"not measured: {patient.no_eyes}"
    files = [f for f in patient.files if patient.cluster[f.image] not in patient.disputed]
    try:
        if patient.has_split:
            return cost_in_split(patient, leaked)
        photos, vectors = patient.photos_of(files), patient.vectors(files)
        alone = np.arange(len(files), dtype=np.int64)
        torn, _ = patient.answered(photos, vectors, fold_groups=alone)
        kept, folds = patient.answered(photos, vectors)
        a, b, gap = difference(photos, patient.classes, torn, kept, folds, patient.seed)
    except DataError as error:
        return None, f"not measured: {error}"
    return max(gap.value, 0.0), (
        f"macro-F1 {two(a.value)} with copies torn apart, {two(b.value)} with them together: "
        f"{difference_in_words(gap)} is made up"
    )


def cost_in_split(patient: Patient, leaked: list[int]) -> tuple[float | None, str]:
    """The same test photos, trained with and without their copies."""
    clusters = {patient.cluster[patient.files[i].image] for i in leaked}
    rows = [
        i
        for i, file in enumerate(patient.files)
        if patient.sides[i] and patient.cluster[file.image] not in patient.disputed
    ]
    files = [patient.files[i] for i in rows]
    photos, vectors = patient.photos_of(files), patient.vectors(files)
    good = np.isfinite(vectors).all(axis=1)
    test = np.array([patient.sides[i] == "test" for i in rows]) & good
    clean = np.array([patient.cluster[file.image] not in clusters for file in files])
    answers = []
    for train in (~test & good, ~test & good & clean):
        if len(np.unique(photos.label[train])) < len(patient.classes):
            raise DataError("without the copies a class has no training photo.")
        probe = fit_probe(
            vectors[train], photos.label[train], photos.group[train], len(patient.classes),
            seed=patient.seed,
        )  # fmt: skip
        answers.append(probe.predict_proba(vectors[test])[None])
    tested = [file for file, is_test in zip(files, test, strict=True) if is_test]
    a, b, gap = difference(
        patient.photos_of(tested), patient.classes, answers[0], answers[1], [], patient.seed
    )
    return max(gap.value, 0.0), (
        f"macro-F1 on the test photos {two(a.value)}, and {two(b.value)} without their copies in "
        f"training: {difference_in_words(gap)} is made up"
    )


def conflicts(patient: Patient) -> Finding | Looked:
    """Photos, or near-copies of one photo, under several classes."""
    found = [(set(paths), set(names)) for paths, names in patient.conflicts]
    for cluster in sorted(patient.disputed):
        mine = [file for file in patient.files if patient.cluster[file.image] == cluster]
        found.append(({file.path for file in mine}, {file.label for file in mine}))
    if not found:
        return fine("conflicts", "no photo lies under two classes.")
    photos, more = listed([path for paths, _ in found for path in paths])
    paths, names = found[0]
    return Finding(
        check="conflicts",
        title=f"{len(found)} photos lie under several classes",
        evidence=(f"for instance {' = '.join(sorted(paths))}: {', '.join(sorted(names))}.",),
        cost=None,
        cost_words="each is answered wrongly under one of its labels, whatever the model",
        mend="footwork label PHOTO CLASS",
        photos=photos,
        more=more,
    )


def test_size(patient: Patient) -> Finding | Looked:
    """How far mere luck moves a score on so many test photos."""
    tested = [
        f
        for f, side in zip(patient.files, patient.sides, strict=True)
        if side == "test" or not patient.has_split
    ]
    label = patient.photos_of(tested).label
    return size_verdict(label, patient.classes, "test photos" if patient.has_split else "photos")


def size_verdict(label: np.ndarray, classes: tuple[str, ...], what: str) -> Finding | Looked:
    missing = set(range(len(classes))) - set(label.tolist())
    if missing:
        name = classes[min(missing)]
        return Finding(
            check="test_size", title=f"Class {name} has no {what}", evidence=(),
            cost=None, cost_words="its score does not exist", mend="footwork compare --split cv",
        )  # fmt: skip
    guess = floors_of(label, classes, seed=0).guessing
    said = (
        f"uniform guessing on these {len(label)} {what} scores a macro-F1 of {two(guess.low)} to "
        f"{two(guess.high)} by luck alone"
    )
    if guess.high - guess.low <= WIDEST:
        return fine("test_size", f"{said}.")
    needed = len(label) * ((guess.high - guess.low) / WIDEST) ** 2
    return Finding(
        check="test_size",
        title=f"{len(label)} {what} are too few to tell models apart",
        evidence=(
            f"{said}; smaller differences than {two(guess.high - guess.low)} say nothing.",
            f"It takes about {two_digits(needed)} to bring that down to a tenth on each side.",
        ),
        cost=None,
        cost_words=f"scores move by {two((guess.high - guess.low) / 2)} to each side by luck",
        mend="footwork compare --split cv (tests every photo), or more photos: footwork curve",
    )


def unstratified(patient: Patient) -> Finding | Looked:
    """Class shares that differ between the sides of the given split."""
    if not patient.has_split:
        return not_checked("unstratified", "there is no given split.")
    label = patient.photos_of(patient.files).label
    test = np.array([side == "test" for side in patient.sides])
    used = np.array([side is not None for side in patient.sides])
    k = len(patient.classes)
    counts = np.bincount(label[test], minlength=k)
    expected = np.bincount(label[used], minlength=k) * test.sum() / used.sum()
    off = counts - expected
    wrong = np.flatnonzero((np.abs(off) > UNEVEN * expected) & (np.abs(off) > 2))
    if not len(wrong):
        return fine("unstratified", "the test side holds every class in proportion.")
    worst = int(wrong[np.abs(off[wrong] / expected[wrong]).argmax()])
    return Finding(
        check="unstratified",
        title="The test side does not hold the classes in proportion",
        evidence=tuple(
            f"{patient.classes[c]}: {counts[c]} test photos, {expected[c]:.0f} in proportion."
            for c in wrong
        ),
        cost=None,
        cost_words=f"the score of {patient.classes[worst]} rests on {counts[worst]} photos",
        mend="footwork compare --split cv (stratified folds)",
    )

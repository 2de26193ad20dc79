"""Single checks of the doctor on photos that need not exist."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.evaluate.doctor import looking, script, shortcuts, splits
from footwork.evaluate.doctor.examine import examine
from footwork.evaluate.doctor.findings import CHECKS, Finding, by_cost
from footwork.evaluate.doctor.patient import File, Patient
from footwork.evaluate.doctor.script import Script, contract, turner
from footwork.models.bases import registry

CONTRACTS = {name: base.contract for name, base in registry().items()}


def file_of(
    i: int, label: str, *, split: str | None = None, width: int = 500, height: int = 400,
    source: str = "", author: str = "", group: str = "", form: str = "jpeg", image: str = "",
) -> File:  # fmt: skip
    return File(
        image=image or f"{i:064x}", path=f"{label}/{i:03}.jpg", label=label, split=split,
        group=group, source=source, author=author, format=form, width=width, height=height,
        size=40_000 + 37 * (i % 17) * 1000,
    )  # fmt: skip


def patient_of(
    files: list[File],
    *,
    pairs: tuple[tuple[str, str], ...] = (),
    lettered: frozenset[str] | None = frozenset(),
    is_project: bool = False,
) -> Patient:
    """A patient that no model looks at."""

    def read(image: str) -> bytes:
        raise AssertionError(f"{image} was read")

    return Patient(
        subject="photos", files=tuple(files), pairs=pairs, conflicts=(), unreadable=(), new=(),
        lettered=lettered, read=read, cache=Path("none"), eyes=None, no_eyes="no eyes",
        is_project=is_project,
    )  # fmt: skip


def sized(i: int) -> tuple[int, int]:
    return [(500, 333), (375, 500), (640, 480), (400, 400)][i % 4]


def plain(n: int = 80) -> list[File]:
    return [
        file_of(i, "ab"[i % 2], width=sized(i // 2)[0], height=sized(i // 2)[1]) for i in range(n)
    ]


def test_file_facts_that_go_with_nothing_are_fine() -> None:
    assert shortcuts.shortcut(patient_of(plain())).state == "fine"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fact", "value", "told"),
    [
        ("source", "webcam", "webcam: 100% of b"),
        ("author", "Anna", "by Anna: 100% of b"),
        ("format", "png", "png: 100% of b"),
        ("width", 421, "421 x 317: 100% of b"),
    ],
)
def test_a_fact_that_gives_the_class_away_is_named(fact: str, value: str | int, told: str) -> None:
    files = plain()
    changed: dict[str, Any] = {fact: value} | ({"height": 317} if fact == "width" else {})
    files = [replace(file, **changed) if file.label == "b" else file for file in files]
    found = shortcuts.shortcut(patient_of(files))

    assert isinstance(found, Finding)
    assert any(line.startswith(told) for line in found.evidence), found.evidence
    assert "is mostly" in found.title


def test_lettering_in_one_class_is_found_and_evenly_spread_is_fine() -> None:
    files = plain()
    bees = frozenset(file.image for file in files if file.label == "b")
    some = frozenset(file.image for file in files[:8])

    one_sided = shortcuts.text(patient_of(files, lettered=bees))
    assert isinstance(one_sided, Finding)
    assert one_sided.cost_words == "not measured: no eyes"
    assert shortcuts.text(patient_of(files, lettered=some)).state == "fine"  # type: ignore[union-attr]


@given(st.integers(0, 1000))
def test_copies_are_found_wherever_the_split_tears_them_and_only_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side = rng.integers(2, size=40)
    side[:4] = 0, 0, 1, 1
    files = [file_of(i, "ab"[i % 2], split=("train", "test")[side[i]]) for i in range(40)]
    mates = [(i, i + 2) for i in range(0, 36, 4) if rng.random() < 0.5]
    pairs = tuple((files[a].image, files[b].image) for a, b in mates)
    found = splits.copies(patient_of(files, pairs=pairs))
    torn = [(a, b) for a, b in mates if side[a] != side[b]]

    assert isinstance(found, Finding) == bool(torn)
    if isinstance(found, Finding):
        assert found.title.startswith(f"{len(torn)} test photos")
        assert {path for pair in torn for path in (files[pair[0]].path, files[pair[1]].path)} == (
            set(found.photos)
        )


def test_copies_that_a_project_keeps_together_are_fine() -> None:
    files = [file_of(i, "ab"[i % 2], group=f"g{i // 4}") for i in range(16)]
    together = ((files[0].image, files[2].image),)
    apart = ((files[0].image, files[6].image),)

    kept = patient_of(files, pairs=together, is_project=True)
    assert splits.copies(kept).state == "fine"  # type: ignore[union-attr]
    torn = splits.copies(patient_of(files, pairs=apart, is_project=True))
    assert isinstance(torn, Finding)
    assert torn.mend == "footwork dedupe"


def test_the_same_bytes_under_two_classes_are_a_conflict() -> None:
    files = [*plain(), file_of(900, "b", image=f"{0:064x}")]
    found = splits.conflicts(patient_of(files))

    assert isinstance(found, Finding)
    assert found.photos == ("a/000.jpg", "b/900.jpg")
    assert splits.conflicts(patient_of(plain())).state == "fine"  # type: ignore[union-attr]


@pytest.mark.parametrize(("photos", "enough"), [(62, False), (150, True)])
def test_a_test_set_in_which_luck_moves_scores_is_too_small(photos: int, enough: bool) -> None:
    found = splits.test_size(patient_of(plain(photos)))

    assert isinstance(found, Finding) is not enough
    if isinstance(found, Finding):
        assert "by luck alone" in found.evidence[0]


def test_uneven_sides_are_told_with_their_numbers() -> None:
    files = [
        file_of(i, "ab"[i % 2], split="test" if i % 8 in (0, 2, 4, 1) else "train")
        for i in range(160)
    ]
    found = splits.unstratified(patient_of(files))

    assert isinstance(found, Finding)
    assert "a: 60 test photos, 40 in proportion." in found.evidence
    even = [file_of(i, "ab"[i % 2], split="test" if i % 4 < 2 else "train") for i in range(160)]
    assert splits.unstratified(patient_of(even)).state == "fine"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"base": "EfficientNetV2B0", "rescale": "none"}, False),
        ({"base": "EfficientNetV2B0", "rescale": "1/255"}, True),
        ({"base": "EfficientNetV2B0", "preprocess": True}, False),
        ({"base": "EfficientNetV2B0", "preprocess": True, "rescale": "1/255"}, True),
        ({"base": "ResNet50", "rescale": "none"}, True),
        ({"base": "ResNet50", "rescale": "1/255"}, True),
        ({"base": "ResNet50", "preprocess": True}, False),
        ({"base": "MobileNetV2", "rescale": "1/127.5-1"}, False),
        ({"base": "MobileNetV2", "rescale": "1/255"}, True),
        ({"base": "VGG16", "rescale": "1/127.5-1"}, True),
    ],
)
def test_the_input_contract_of_described_scripts(said: dict[str, object], wrong: bool) -> None:
    found = contract(Script.model_validate(said), CONTRACTS, None)

    assert isinstance(found, Finding) is wrong, found
    if isinstance(found, Finding):
        assert "expects values in" in found.evidence[0]


def test_what_is_not_described_is_not_checked() -> None:
    found = examine(None, Script(base="ResNet50", preprocess=True), CONTRACTS)

    assert found.findings == ()
    states = {one.check: one.state for one in found.looked}
    assert states["contract"] == "fine"
    assert states["squash"] == states["augmentation"] == "not checked"


@given(st.permutations(list(CHECKS)), st.lists(st.none() | st.floats(0, 1), min_size=11))
def test_findings_are_sorted_by_cost_measured_ones_first(
    names: list[str], costs: list[float | None]
) -> None:
    made = [
        Finding.model_validate(
            {"check": name, "title": "t", "evidence": (), "cost": cost, "cost_words": "",
             "mend": ""}
        )
        for name, cost in zip(names, costs, strict=False)
    ]  # fmt: skip
    found = by_cost(made)
    measured = [one.cost for one in found if one.cost is not None]
    others = [CHECKS.index(one.check) for one in found if one.cost is None]

    assert measured == sorted(measured, reverse=True)
    assert others == sorted(others)
    assert all(one.cost is not None for one in found[: len(measured)])
    assert by_cost(made[::-1])[len(measured) :] == found[len(measured) :]


def test_a_quarter_turn_back_and_forth_is_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)

    assert (turner(360)(pixels) == pixels).all()
    assert not (turner(30)(pixels) == pixels).all()
    assert turner(30)(pixels[:, :25]).shape == (40, 25, 3)


def test_squash_is_told_only_where_photos_are_not_square() -> None:
    square = [file_of(i, "ab"[i % 2], width=400, height=400) for i in range(40)]

    assert isinstance(script.squash(Script(resize="squash"), patient_of(plain())), Finding)
    assert not isinstance(script.squash(Script(resize="squash"), patient_of(square)), Finding)
    assert not isinstance(script.squash(Script(resize="crop"), patient_of(plain())), Finding)


def test_auc_of_parts_is_scikit_learns_with_an_interval_around_it() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    truth = np.arange(200) % 2
    score = rng.normal(0, 1, 200) + truth
    found = looking.auc_estimate([(truth, score)])

    assert found.value == pytest.approx(float(roc_auc_score(truth, score)))
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(0.13, abs=0.03)

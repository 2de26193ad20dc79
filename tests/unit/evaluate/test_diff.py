"""Two runs side by side: laws of the comparison, and what is said of each kind of change."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footwork.evaluate.diff import diff_runs, joined
from footwork.predictions import Photos, Predictions
from footwork.runs import Run
from synthetic_run import made_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made_run(tmp_path_factory.mktemp("runs") / "first")


def without(table: Predictions, photos: set[int]) -> Predictions:
    """Drop photos from a table, as if they had not been there."""
    keep = np.array([i for i in range(len(table.photos)) if i not in photos])
    place = np.full(len(table.photos), -1)
    place[keep] = np.arange(len(keep))
    p = table.photos
    some = table.where(place[table.photo] >= 0)
    left = Photos(
        tuple(p.image[i] for i in keep), tuple(p.path[i] for i in keep),
        p.label[keep], p.group[keep], p.group_name,
    )  # fmt: skip
    return replace(some, photos=left, photo=place[some.photo])


def test_a_run_and_itself_differ_in_nothing(run: Run) -> None:
    found = diff_runs(run, run)

    assert (found.added, found.removed, found.relabelled, found.regrouped) == ((), (), (), 0)
    assert found.changes == ()
    assert found.shared == len(run.predictions.photos)
    assert len(found.entries) == len(run.entries)
    for row in found.entries:
        assert row.difference.value == 0
        assert row.difference.low <= 0 <= row.difference.high
        assert row.p == 1
        assert row.was == row.now
    assert "they are the same" in found.sentences[0]


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=12), st.sets(st.integers(0, 59), max_size=12))
def test_only_shared_photos_count_and_turning_it_round_turns_the_signs(
    run: Run, lost: set[int], new: set[int]
) -> None:
    a = replace(run, predictions=without(run.predictions, new))
    b = replace(run, predictions=without(run.predictions, lost))
    forth, back = diff_runs(a, b), diff_runs(b, a)

    assert forth.shared == back.shared == 60 - len(lost | new)
    assert forth.added == back.removed
    assert len(forth.added) == len(new - lost)
    for there, here in zip(
        sorted(forth.entries, key=lambda row: row.title),
        sorted(back.entries, key=lambda row: row.title),
        strict=True,
    ):
        assert there.difference.value == pytest.approx(-here.difference.value)
        # Of the photos that are left both give the same answers.
        assert there.difference.value == pytest.approx(0)


def test_scores_are_those_of_the_table_with_the_shared_photos_alone(run: Run) -> None:
    from sklearn.metrics import f1_score

    half = set(range(0, 60, 4))
    found = diff_runs(replace(run, predictions=without(run.predictions, half)), run)
    row = next(one for one in found.entries if one.title == "my_network · probe")
    table = without(run.predictions, half)
    answers = table.answers(1)
    wanted = np.mean(
        [f1_score(table.photos.label, one, average="macro", labels=[0, 1, 2]) for one in answers]
    )

    assert row.now.value == pytest.approx(float(wanted))
    assert row.was.value == pytest.approx(float(wanted))


def test_relabelled_and_regrouped_photos_are_told(run: Run) -> None:
    photos = run.predictions.photos
    label, group = photos.label.copy(), photos.group.copy()
    label[3] = (label[3] + 1) % 3
    group[7] = group[8]
    now = replace(run, predictions=replace(
        run.predictions, photos=replace(photos, label=label, group=group)
    ))  # fmt: skip
    found = diff_runs(run, now)

    assert [one.image for one in found.relabelled] == [photos.image[3]]
    assert found.relabelled[0].was != found.relabelled[0].now
    assert found.regrouped == 2
    assert "1 relabelled, 2 regrouped" in found.sentences[0]


def test_code_machine_settings_and_weights_are_told_apart(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('name = "climbing"\n\n[compare]\nfolds = 5\nseed = 3\n'
                                          'precision = "bfloat16"\n')  # fmt: skip
    versions = {**run.environment.versions, "numpy": "2.5.0"}
    environment = run.environment.model_copy(
        update={"footwork": "0.2.0", "cpu": "Another", "versions": versions, "repeats": 5}
    )
    entries = (run.entries[0].model_copy(update={"weights_sha256": "ff" * 32}), *run.entries[1:])
    found = diff_runs(run, replace(run, folder=tmp_path, environment=environment, entries=entries))

    told = {(one.kind, one.what): (one.was, one.now) for one in found.changes}
    assert told == {
        ("code", "footwork"): ("0.1.0", "0.2.0"),
        ("code", "numpy"): ("2.4.0", "2.5.0"),
        ("machine", "cpu"): ("Some Processor", "Another"),
        ("settings", "compare.precision"): ("unset", "bfloat16"),
    }
    changed = {row.title: row.changed for row in found.entries}
    assert changed["efficientnet_lite0 · probe"][0].now == "ffffffffffff…"
    assert changed["my_network · probe"] == ()
    assert any(s.startswith("efficientnet_lite0 · probe:") and "other weights" in s
               for s in found.sentences)  # fmt: skip


def test_a_real_gain_is_called_better_and_its_mirror_worse(run: Run) -> None:
    table = run.predictions
    predicted = table.predicted.copy()
    mine = table.entry == 2
    predicted[mine] = table.truth[mine]
    better = replace(run, predictions=replace(table, predicted=predicted))
    row = next(r for r in diff_runs(run, better).entries if r.title == "ResNet50 · probe")

    assert row.difference.low > 0
    assert row.p < 0.05
    assert any("better now" in sentence for sentence in diff_runs(run, better).sentences)
    assert any("worse now" in sentence for sentence in diff_runs(better, run).sentences)


def test_fewer_repeats_are_compared_with_as_many(run: Run) -> None:
    table = run.predictions
    found = diff_runs(run, replace(run, predictions=table.where(table.repeat < 2)))

    assert all(row.difference.value == 0 for row in found.entries)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("classes", "the classes differ"),
        ("photos", "no photo was tested in both runs"),
        ("split", "one run is cross-validated"),
        ("entries", "no entry is in both runs"),
    ],
)
def test_what_cannot_be_compared_is_said(change: str, why: str, run: Run) -> None:
    other = run
    if change == "classes":
        other = replace(run, predictions=replace(run.predictions, classes=("a", "b", "c")))
    if change == "photos":
        images = tuple(f"{i:064x}" for i in range(60))
        photos = replace(run.predictions.photos, image=images)
        other = replace(run, predictions=replace(run.predictions, photos=photos))
    if change == "split":
        environment = run.environment.model_copy(update={"split": "given"})
        other = replace(run, environment=environment)
    if change == "entries":
        other = replace(
            run, entries=tuple(e.model_copy(update={"base": f"x{e.base}"}) for e in run.entries)
        )
    found = diff_runs(run, other)

    assert found.entries == ()
    assert why in found.why_no_scores
    assert any("Scores are not compared" in sentence for sentence in found.sentences)


@given(st.integers(0, 10_000))
def test_joined_groups_hold_whatever_either_grouping_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(12, size=40), rng.integers(12, size=40)
    group, names = joined(a, b)

    for codes in (a, b):
        for code in np.unique(codes):
            assert len(np.unique(group[codes == code])) == 1
    assert len(names) == group.max() + 1
    assert len(set(names)) == len(names)

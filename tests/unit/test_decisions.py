"""Decisions of people and rules: made once, replaced, taken back, and everything as it was."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from footwork.catalog import Catalog
from footwork.cleaned import Cleaned, Flag
from footwork.copies import Copy, Kept, Pair
from footwork.errors import DataError
from footwork.findings import Found, Image, Provenance, Said


def sha(n: int) -> str:
    return f"{n:064x}"


def found(n: int, label: str | None = "a") -> Found:
    return Found(
        image=Image(sha(n), 1000 + n, 10, 10, "png"),
        stored=False,
        provenance=Provenance("import", f"/set/{label}/{n}.png", "/set"),
        who="import:/set",
        said=Said(labels=frozenset({label} if label else ())),
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path) as opened:
        opened.add([found(n) for n in range(8)])
        yield opened


def keep(catalog: Catalog, *groups: Sequence[int], again: bool = False) -> Kept:
    """Write groups, the kept image first; every copy is paired with it."""
    copies = [
        Copy(sha(n), sha(best), 2, None, ("hash",), "more pixels")
        for best, *others in groups
        for n in others
    ]
    pairs = [Pair.of(c.image, c.best, 2) for c in copies]
    return catalog.keep(pairs, copies, asked_again=again)


def effect(catalog: Catalog) -> list[tuple[str, str]]:
    return [(row.image, row.label) for row in catalog.labelled()]


def groups(catalog: Catalog) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for copy in catalog.copies():
        found.setdefault(int(copy.best, 16), set()).add(int(copy.image, 16))
    return found


def test_the_same_result_adds_no_rows(catalog: Catalog) -> None:
    first = keep(catalog, (1, 2, 3), (5, 4))
    once = catalog.decisions()
    second = keep(catalog, (5, 4), (1, 3, 2))

    assert catalog.decisions() == once
    assert vars(first) == {"new": 2, "replaced": 0, "gone": 0, "standing": 2}
    assert vars(second) == {"new": 0, "replaced": 0, "gone": 0, "standing": 2}
    detail = json.loads(once[0].detail)
    assert (once[0].who, once[0].verb, once[0].sha256) == ("rule:dedupe", "keep", sha(1))
    assert detail["kept"] == sha(1)
    assert detail["copies"][0] == {
        "image": sha(2), "distance": 2, "cosine": None, "evidence": ["hash"],
        "reason": "more pixels",
    }  # fmt: skip


def test_copies_are_set_aside_counted_and_keep_their_origins(catalog: Catalog) -> None:
    keep(catalog, (1, 2, 3))
    counts = catalog.counts()

    assert [image for image, _ in effect(catalog)] == [sha(n) for n in (0, 1, 4, 5, 6, 7)]
    assert (counts.images, counts.labelled, counts.copies, counts.unlabelled) == (8, 6, 2, 0)
    assert catalog.provenance(sha(2))[0].origin == "/set/a/2.png"
    of_group = [place.origin for place in catalog.provenance(sha(1), copies=True)]
    assert of_group == ["/set/a/1.png", "/set/a/2.png", "/set/a/3.png"]
    assert [place.origin for place in catalog.provenance(sha(3), copies=True)] == of_group
    assert len(catalog.provenance(sha(0), copies=True)) == 1


def test_the_kept_photo_has_the_label_of_its_copies(catalog: Catalog) -> None:
    catalog.add([found(20, None)])
    keep(catalog, (20, 2))
    labels = dict(effect(catalog))
    assert labels[sha(20)] == "a"
    assert sha(2) not in labels


def test_another_result_replaces_and_undo_brings_the_first_back(catalog: Catalog) -> None:
    keep(catalog, (1, 2, 3))
    changed = keep(catalog, (1, 2), (4, 3))
    assert vars(changed) == {"new": 2, "replaced": 1, "gone": 0, "standing": 2}
    assert groups(catalog) == {1: {2}, 4: {3}}

    undone = catalog.undo()
    assert [d.number for d in undone.taken_back] == [3]
    assert undone.counts_again == (), "the first group would overlap with one that stands"
    undone = catalog.undo(2)
    assert [d.number for d in undone.counts_again] == [1]
    assert groups(catalog) == {1: {2, 3}}
    catalog.undo()
    assert groups(catalog) == {}


def test_what_was_replaced_does_not_come_back_over_a_later_group(catalog: Catalog) -> None:
    keep(catalog, (1, 2, 3))
    keep(catalog, (1, 2))
    keep(catalog, (1, 2), (4, 3))
    assert catalog.undo(2).counts_again == (), "photo 3 is in another group by now"
    assert groups(catalog) == {4: {3}}


def test_a_group_that_is_no_longer_found_goes(catalog: Catalog) -> None:
    keep(catalog, (1, 2))
    assert vars(keep(catalog)) == {"new": 0, "replaced": 0, "gone": 1, "standing": 0}
    assert groups(catalog) == {}
    assert catalog.parted() == [], "nobody took it apart"
    keep(catalog, (1, 2))
    assert groups(catalog) == {1: {2}}


def test_what_a_person_took_apart_stays_apart_until_asked_again(catalog: Catalog) -> None:
    keep(catalog, (1, 2, 3))
    catalog.undo()
    assert catalog.parted() == [frozenset({sha(1), sha(2), sha(3)})]

    keep(catalog, (1, 2, 3), again=True)
    assert catalog.parted() == []
    assert groups(catalog) == {1: {2, 3}}


def test_undo_of_everything_is_the_state_before_all_decisions(catalog: Catalog) -> None:
    before, counts = effect(catalog), catalog.counts()
    keep(catalog, (1, 2, 3))
    catalog.decide_label(sha(5), "b", "person:ada")
    keep(catalog, (1, 2), (6, 5, 4))
    catalog.decide_label(sha(4), "c", "person:ada")
    catalog.add_cleaned([Cleaned(sha(7), "1", 10, None, None, (Flag(sha(7), "blank", 0.9),))])
    keep(catalog, (1, 2), (6, 5))
    assert effect(catalog) != before

    undone = catalog.undo_all()
    assert effect(catalog) == before
    # That two images look alike was seen, not decided: they still share a side of every fold.
    folds = {"groups": 0, "largest_group": 0}
    assert vars(catalog.counts()) | folds == vars(counts) | folds
    assert all(decision.undone_at for decision in catalog.decisions())
    assert len({d.number for d in undone.taken_back}) == len(undone.taken_back)
    assert catalog.undo_all().taken_back == ()
    with pytest.raises(DataError, match="no decision to take back"):
        catalog.undo()


def test_a_named_decision_of_any_verb_is_taken_back(catalog: Catalog) -> None:
    catalog.decide_label(sha(0), "b", "person:ada")
    keep(catalog, (1, 2))
    catalog.undo(1)
    assert dict(effect(catalog))[sha(0)] == "a"
    assert groups(catalog) == {1: {2}}
    with pytest.raises(DataError, match="no decision 1, or it was undone"):
        catalog.undo(1)


def test_copies_that_disagree_are_one_conflict_until_one_of_them_is_decided(
    catalog: Catalog,
) -> None:
    catalog.add([found(20, "b")])
    keep(catalog, (1, 2, 20))
    (conflict,) = catalog.conflicts()
    assert conflict.image == sha(1)
    assert conflict.images == ((sha(1), "a"), (sha(2), "a"), (sha(20), "b"))
    assert catalog.counts().conflicts == 1
    assert sha(1) not in dict(effect(catalog))

    catalog.decide_label(sha(20), "b", "person:ada")
    assert catalog.conflicts() == []
    assert dict(effect(catalog))[sha(1)] == "b"
    catalog.undo()
    assert len(catalog.conflicts()) == 1, "the decision for all copies is one"


def test_two_words_of_one_person_on_two_copies_are_a_conflict(catalog: Catalog) -> None:
    catalog.decide_label(sha(1), "a", "person:ada")
    catalog.decide_label(sha(2), "b", "person:ada")
    keep(catalog, (1, 2))
    (conflict,) = catalog.conflicts()
    assert {label for label, _, _ in conflict.labels} == {"a", "b"}

    catalog.decide_label(sha(2), "b", "person:ada")
    assert catalog.conflicts() == [], "now that they are known as copies, it is said of both"
    assert dict(effect(catalog))[sha(1)] == "b"


def test_a_held_out_copy_holds_the_photo_out(catalog: Catalog) -> None:
    test = found(30)
    catalog.add(
        [
            Found(
                test.image,
                False,
                test.provenance,
                test.who,
                Said(frozenset({"a"}), splits=frozenset({"external"})),
            )
        ]
    )
    keep(catalog, (1, 30))
    row = next(row for row in catalog.labelled() if row.image == sha(1))
    assert row.split == "external"


def test_a_rejected_photo_takes_its_copies_along(catalog: Catalog) -> None:
    keep(catalog, (1, 2))
    catalog.add_cleaned([Cleaned(sha(1), "1", None, "x")])
    with catalog.database.transaction() as connection:
        connection.execute("INSERT INTO quality_flag VALUES (?, 'blank', 0.9)", (sha(1),))
    catalog.reject_flagged(["blank"])
    assert not {sha(1), sha(2)} & dict(effect(catalog)).keys()
    assert catalog.facts()[sha(1)].set_aside


def test_decisions_say_what_they_are(catalog: Catalog) -> None:
    keep(catalog, (1, 2, 3), (5, 4))
    catalog.decide_label(sha(0), "b", "person:ada", "a heel")
    said = [decision.sentence() for decision in catalog.decisions()]
    assert said == [
        "keep photo 0000000000, set aside its 2 copies",
        "keep photo 0000000000, set aside its 1 copy",
        "label photo 0000000000 b (a heel)",
    ]

"""Fold groups: all pairs of one photo, and what shares a page or an author, stay together."""

import sqlite3
from pathlib import Path

import pytest

from footwork import verbs
from footwork.catalog import Catalog
from footwork.copies import Copy, Pair
from footwork.findings import Found, Image, Provenance, Said
from footwork.schema import MIGRATIONS
from footwork.truth import Place, fold_groups, ties
from photo_folders import numbered, png, write


def together(groups: dict[str, str]) -> set[frozenset[str]]:
    sides: dict[str, set[str]] = {}
    for image, name in groups.items():
        sides.setdefault(name, set()).add(image)
    return {frozenset(images) for images in sides.values()}


def test_pairs_connect_through_photos_that_have_no_label() -> None:
    groups = fold_groups("ac", (), [("a", "x"), ("x", "c")])
    assert groups["a"] == groups["c"]


def test_a_page_and_an_author_connect_however_they_are_written() -> None:
    places = [
        Place("a", "collect", "u1", "s", "https://x.org/p#one", "Ada  Lovelace"),
        Place("b", "collect", "u2", "s", "https://x.org/p/", None),
        Place("c", "collect", "u3", "t", "https://y.org", "ada lovelace"),
        Place("d", "collect", "u4", "t", "https://z.org", "Ada Byron"),
    ]
    groups = fold_groups("abcd", (), (), ties(places))
    assert together(groups) == {frozenset("abc"), frozenset("d")}


@pytest.mark.parametrize("name", ["", "  ", "Unknown", "unknown  AUTHOR", "n/a", None])
def test_nobody_is_not_one_author(name: str | None) -> None:
    places = [Place(image, "collect", image, "s", None, name) for image in "ab"]
    assert len(together(fold_groups("ab", (), (), ties(places)))) == 2


def test_names_of_authors_do_not_get_into_group_names() -> None:
    places = [Place(image, "collect", image, "s", None, "Ada Lovelace") for image in "ab"]
    assert set(fold_groups("ab", (), (), ties(places)).values()) == {"a"}


def test_the_catalog_ties_kept_photos_by_author_and_pair(tmp_path: Path) -> None:
    def found(n: int, author: str | None) -> Found:
        place = Provenance("import", f"/set/{n}.png", "/set", author=author)
        image = Image(f"{n:064x}", 1, 1, 1, "png")
        return Found(image, False, place, "import:/set", Said(frozenset({"a"})))

    with Catalog.open(tmp_path) as catalog:
        catalog.add([found(0, "Ada"), found(1, "ada"), found(2, None), found(3, None)])
        pair = Pair(f"{1:064x}", f"{2:064x}", None, 0.97, ("features",))
        catalog.keep([pair], [])
        groups = {int(row.image, 16): row.group for row in catalog.labelled()}
        assert groups[0] == groups[1] == groups[2] != groups[3]
        assert catalog.counts().largest_group == 3
        assert catalog.pairs() == [pair]


def test_copies_of_an_older_catalog_stay_in_one_fold_group(tmp_path: Path) -> None:
    """Until dedupe runs again nothing says which is kept, but they must not be split."""
    (tmp_path / ".footwork").mkdir()
    old = sqlite3.connect(tmp_path / ".footwork" / "catalog.sqlite")
    for script in MIGRATIONS[:3]:
        old.executescript(script)
    a, b = f"{1:064x}", f"{2:064x}"
    for image in (a, b):
        old.execute("INSERT INTO image VALUES (?, 1, 1, 1, 'png', 0, '')", (image,))
        old.execute(
            "INSERT INTO label (sha256, class, who, origin, why, at) "
            "VALUES (?, 'x', 'import:/s', ?, '', '')",
            (image, image),
        )
    old.execute("INSERT INTO copy VALUES (?, ?, 4, 8, 'more pixels', '')", (b, a))
    old.execute("PRAGMA user_version = 3")
    old.commit()
    old.close()
    with Catalog.open(tmp_path) as catalog:
        rows = catalog.labelled()
        assert [row.image for row in rows] == [a, b]
        assert rows[0].group == rows[1].group
        assert catalog.pairs() == [Pair(a, b, 4, None, ("hash",))]
        catalog.keep(catalog.pairs(), [Copy(b, a, 4, None, ("hash",), "more pixels")])
        assert [row.image for row in catalog.labelled()] == [a]


def test_status_counts_what_is_out_and_sees_that_linked_files_are_gone(tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", numbered({"ants": 3, "bees": 3}))
    apart = write(tmp_path / "apart", {"ants/t.png": png(90), "bees/u.png": png(91)})
    verbs.import_images(apart, project=tmp_path, external=True)
    verbs.import_images(photos, project=tmp_path, mode="link")
    seen = verbs.status(tmp_path)
    assert (seen.counts.external, seen.counts.linked, seen.gone) == (2, 6, [])

    (photos / "bees" / "001.png").unlink()
    seen = verbs.status(tmp_path)
    assert [Path(path).name for path in seen.gone] == ["001.png"]
    assert seen.as_json()["gone"] == seen.gone
    assert "2 in the external test set" in seen.sentences()
    assert "6 linked: their files lie elsewhere" in seen.sentences()

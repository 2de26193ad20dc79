import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem
from footwork.findings import Found, Image, Provenance, Rejection, Said
from footwork.images import Unreadable
from photo_folders import contents, png


def found(
    seed: int,
    label: str = "ants",
    who: str = "import:/set",
    origin: str | None = None,
    **said: frozenset[str],
) -> Found:
    data = png(seed)
    return Found(
        image=Image(hashlib.sha256(data).hexdigest(), len(data), 12, 12, "png"),
        stored=False,
        provenance=Provenance("import", origin or f"/set/{label}/{seed}.png", "/set"),
        who=who,
        said=Said(labels=frozenset({label}), **said),
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path, wait_s=0.2) as opened:
        yield opened


def test_adding_says_what_was_new_and_again_changes_nothing(
    catalog: Catalog, tmp_path: Path
) -> None:
    items = [found(1), found(2, "bees"), found(1, origin="/set/ants/copy.png")]
    assert catalog.add(items) == {items[0].image.sha256, items[1].image.sha256}
    once = contents(tmp_path)
    assert catalog.add(items) == set()
    assert contents(tmp_path) == once
    assert len(once["provenance"]) == 3


def test_nothing_of_a_failing_batch_is_kept(catalog: Catalog, tmp_path: Path) -> None:
    broken = found(2)
    broken = replace(broken, image=replace(broken.image, sha256="not a hash"))
    with pytest.raises(sqlite3.IntegrityError):
        catalog.add([found(1), broken])
    assert contents(tmp_path)["image"] == []


def test_all_provenance_is_kept_and_copies_only_add(catalog: Catalog) -> None:
    item = found(1)
    hit = Provenance(
        "search", "https://x.org/1.jpg", "openverse", "https://x.org/1", "heel hook", "en",
        "A heel", "Anna", "by", "https://creativecommons.org/licenses/by/4.0/",
    )  # fmt: skip
    catalog.add([item])
    catalog.add([replace(item, provenance=hit, who="query:heel hook")])
    assert catalog.provenance(item.image.sha256) == [item.provenance, hit]


def test_a_person_outranks_an_import_and_an_import_a_query(catalog: Catalog) -> None:
    sha256 = found(1).image.sha256
    catalog.add([found(1, "query", "query:x", "https://x.org/1.png")])
    (item,) = catalog.labelled()
    assert (item.label, item.provisional) == ("query", True)
    catalog.add([found(1, "import")])
    (item,) = catalog.labelled()
    assert (item.label, item.provisional, item.path) == ("import", False, "set/import/1.png")
    assert catalog.decide_label(sha256[:8], "person", "person:anna", "I see it") == sha256
    (item,) = catalog.labelled()
    assert (item.label, item.provisional) == ("person", False)
    assert catalog.conflicts() == []


def test_two_queries_of_different_classes_are_a_conflict(catalog: Catalog) -> None:
    catalog.add([found(1, "a", "query:x", "u1"), found(1, "b", "query:y", "u2")])
    assert catalog.labelled() == []
    (conflict,) = catalog.conflicts()
    assert conflict.labels == (("a", "query:x", "u1"), ("b", "query:y", "u2"))
    counts = catalog.counts()
    assert (counts.conflicts, counts.labelled, counts.unlabelled) == (1, 0, 0)


def test_a_persons_last_word_counts_and_two_persons_can_disagree(catalog: Catalog) -> None:
    catalog.add([found(1)])
    for label in ("x", "y", "x"):
        catalog.decide_label("1.png", label, "person:anna")
    assert [item.label for item in catalog.labelled()] == ["x"]
    catalog.decide_label("1.png", "y", "person:ben")
    assert [c.labels for c in catalog.conflicts()] == [
        (("x", "person:anna", ""), ("y", "person:ben", ""))
    ]


def test_a_decision_is_logged_and_can_be_undone_once(catalog: Catalog) -> None:
    catalog.add([found(1)])
    catalog.decide_label("ants/1.png", "bees", "person:anna", "six legs")
    catalog.decide_label("ants/1.png", "wasps", "person:anna")
    first, second = catalog.decisions()
    assert (first.who, first.verb, first.undone_at) == ("person:anna", "label", None)
    assert first.detail == '{"class": "bees", "why": "six legs"}'
    catalog.undo(second.number)
    assert catalog.labelled()[0].label == "bees"
    catalog.undo(first.number)
    assert catalog.labelled()[0].label == "ants"
    assert len(catalog.decisions()) == 2
    with pytest.raises(DataError, match="no decision 1, or it was undone"):
        catalog.undo(first.number)


def test_an_image_is_found_by_hash_beginning_or_path(catalog: Catalog) -> None:
    items = [found(1), found(2, origin="/other/ants/1.png")]
    catalog.add(items)
    one, two = (item.image.sha256 for item in items)
    assert catalog.find(one[:4].upper()) == one
    assert catalog.find("/set/ants/1.png") == one
    assert catalog.find("other/ants/1.png") == two
    with pytest.raises(DataError, match=f"several images: .*{min(one, two)[:12]}"):
        catalog.find("ants/1.png")
    for nothing in ("nts/1.png", "ffff0000ffff", "", "%"):
        with pytest.raises(DataError, match="has no image"):
            catalog.find(nothing)


@pytest.mark.parametrize(
    ("label", "who", "message"),
    [
        ("", "person:anna", "cannot be a class"),
        ("a/b", "person:anna", "cannot be a class"),
        ("ants", "anna", "made by person:NAME, not by 'anna'"),
        ("ants", "person:", "made by person:NAME"),
    ],
)
def test_decisions_that_say_nothing_are_refused(
    catalog: Catalog, label: str, who: str, message: str
) -> None:
    catalog.add([found(1)])
    with pytest.raises(DataError, match=message):
        catalog.decide_label("ants/1.png", label, who)
    assert catalog.decisions() == []


def test_rejections_are_replaced_and_forgotten(catalog: Catalog) -> None:
    catalog.add([], [Rejection("/a", "x"), Rejection("/b", "y", "ab")])
    catalog.add([], [Rejection("/a", "z")])
    assert catalog.rejections() == [Rejection("/a", "z"), Rejection("/b", "y", "ab")]
    catalog.add([found(1, origin="/a")], forget=["/b"])
    assert catalog.rejections() == []


def test_counts(catalog: Catalog) -> None:
    catalog.add(
        [
            found(1, groups=frozenset({"g"})),
            found(2, "bees", groups=frozenset({"g"})),
            found(3, "bees", "query:b", "u3"),
            found(4, "bees", splits=frozenset({"external"})),
            replace(found(5), said=Said()),
        ],
        [Rejection("/x", "y")],
    )
    counts = catalog.counts()
    assert counts.per_class == {"ants": 1, "bees": 2}
    assert (counts.images, counts.labelled, counts.external, counts.groups) == (5, 3, 1, 2)
    assert (counts.provisional, counts.unlabelled, counts.rejected, counts.linked) == (1, 1, 1, 5)


def test_an_unknown_image_is_unreadable_not_a_crash(catalog: Catalog) -> None:
    with pytest.raises(Unreadable, match="no image"):
        catalog.read("ab" * 32)
    catalog.add([found(1)])
    with pytest.raises(Unreadable, match="changed since it was imported"):
        catalog.read(found(1).image.sha256)


def test_many_threads_may_read(catalog: Catalog) -> None:
    items = [replace(found(seed), stored=True) for seed in range(20)]
    for seed, item in enumerate(items):
        catalog.store.put(png(seed), item.image.sha256, "png")
    catalog.add(items)
    wrong: list[int] = []

    def reader() -> None:
        wrong.extend(
            seed for seed, item in enumerate(items) if catalog.read(item.image.sha256) != png(seed)
        )
        wrong.append(-1)

    threads = [threading.Thread(target=reader) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [-1] * 8


def test_another_process_that_writes_is_waited_for_then_named(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.add([found(1)])
    other = sqlite3.connect(tmp_path / ".footwork" / "catalog.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert len(catalog.labelled()) == 1
    with pytest.raises(EnvironmentProblem, match="Another process has held"):
        catalog.add([found(2)])
    other.execute("ROLLBACK")
    other.close()
    assert len(catalog.add([found(2)])) == 1


def test_a_missing_project_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="footwork init"):
        Catalog.open(tmp_path / "nowhere")


# What version 1 was when it was released. Never edited: these files exist on people's disks.
VERSION_1 = """
CREATE TABLE image (sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64 AND sha256 NOT GLOB
    '*[^0-9a-f]*'), size INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    format TEXT NOT NULL, stored INTEGER NOT NULL CHECK (stored IN (0, 1)),
    added_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE file (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL REFERENCES image,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX file_sha256 ON file (sha256);
CREATE TABLE provenance (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL REFERENCES image,
    kind TEXT NOT NULL, origin TEXT NOT NULL, source TEXT NOT NULL, page_url TEXT, query TEXT,
    language TEXT, title TEXT, author TEXT, licence TEXT, licence_url TEXT,
    found_at TEXT NOT NULL, UNIQUE (sha256, kind, origin)) STRICT;
CREATE INDEX provenance_origin ON provenance (origin);
CREATE TABLE decision (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
    who TEXT NOT NULL, verb TEXT NOT NULL, sha256 TEXT REFERENCES image, detail TEXT NOT NULL,
    undone_at TEXT) STRICT;
CREATE TABLE label (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL REFERENCES image,
    class TEXT NOT NULL, who TEXT NOT NULL, origin TEXT NOT NULL, why TEXT NOT NULL,
    at TEXT NOT NULL, decision INTEGER REFERENCES decision, withdrawn_at TEXT) STRICT;
CREATE INDEX label_sha256 ON label (sha256, who, origin);
CREATE INDEX label_who ON label (who);
CREATE TABLE fold_group (sha256 TEXT NOT NULL REFERENCES image, who TEXT NOT NULL,
    origin TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (sha256, who, origin, name))
    STRICT, WITHOUT ROWID;
CREATE TABLE given_split (sha256 TEXT NOT NULL REFERENCES image, who TEXT NOT NULL,
    origin TEXT NOT NULL, split TEXT NOT NULL CHECK (split IN ('train', 'val', 'test',
    'external')), PRIMARY KEY (sha256, who, origin, split)) STRICT, WITHOUT ROWID;
CREATE TABLE rejection (origin TEXT PRIMARY KEY, sha256 TEXT, reason TEXT NOT NULL,
    at TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


def schema(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return sorted("".join(sql.split()) for (sql,) in rows)


def test_a_catalog_of_version_1_opens_and_equals_a_fresh_one(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    for folder in (old, fresh):
        (folder / ".footwork").mkdir(parents=True)
    connection = sqlite3.connect(old / ".footwork" / "catalog.sqlite")
    connection.executescript(VERSION_1 + "PRAGMA user_version = 1;")
    sha256 = "ab" * 32
    now = "2025-01-01T00:00:00+00:00"
    connection.execute("INSERT INTO image VALUES (?, 1, 2, 3, 'png', 0, ?)", (sha256, now))
    connection.execute(
        "INSERT INTO provenance (sha256, kind, origin, source, found_at) VALUES (?, ?, ?, ?, ?)",
        (sha256, "import", "/set/ants/a.png", "/set", now),
    )
    connection.execute(
        "INSERT INTO label (sha256, class, who, origin, why, at) VALUES (?, ?, ?, ?, ?, ?)",
        (sha256, "ants", "import:/set", "/set/ants/a.png", "", now),
    )
    connection.commit()
    connection.close()
    with Catalog.open(old) as catalog:
        assert [(i.image, i.label, i.path) for i in catalog.labelled()] == [
            (sha256, "ants", "set/ants/a.png")
        ]
    Catalog.open(fresh).close()
    assert schema(old / ".footwork/catalog.sqlite") == schema(fresh / ".footwork/catalog.sqlite")

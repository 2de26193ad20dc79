"""What was asked of the web and what became of it: the memory that makes collecting resumable.

    collection   one `collect`: what it was to ask; finished, or to be gone on with
    search       one source and query of a collection that came to its end, and how
    answer       pages of APIs that an unfinished collection has; gone when it is finished
    hit          one photo that one query found at one source; left_out: why it is not fetched.
                 first, last: the collections that saw it first and last
    fetch        what the address of a photo answered last: an image, or a reason. passing: the
                 reason may be gone next time

An answer, or a photo with all its rows, is written in one transaction: after a kill it is there,
or it is not, and only in the second case it is asked for again.
"""

import json
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from footwork.catalog import Catalog
from footwork.collecting.hits import Hit, Query, Trouble
from footwork.findings import Found, Image, Provenance, Said, add_image, say, timestamp

KIND = "collect"  # of provenance rows
GOES_ON_FOR = timedelta(days=1)  # what an API answered before that is asked anew
MANY = 500

Search = tuple[str, Query]  # the name of a source and what it is asked


@dataclass(frozen=True)
class Asked:
    """One search of a collection. limit: hits at most."""

    source: str
    query: Query
    limit: int


@dataclass(frozen=True)
class Outcome:
    """What the address of a photo answered: an image whose bytes are stored, or a reason."""

    image_url: str
    image: Image | None = None
    reason: str | None = None
    passing: bool = False
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    """The row of an address. sha256 or reason: one of them is None."""

    collection: int
    sha256: str | None
    reason: str | None
    passing: bool
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Ended:
    """How a search came to its end. trouble, reason: None if there was no more to be had."""

    hits: int
    trouble: Trouble | None
    reason: str | None


class Ledger:
    """The notes of one project's collecting. May be used from any thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._database = catalog.database

    # Collections

    def begin(self, asked: Sequence[Asked]) -> tuple[int, bool]:
        """Return the collection to work on, and whether it goes on with one that was broken off.

        An unfinished one of the last day that was to ask the same is gone on with.
        """
        whole = in_words(asked)
        now = datetime.now(UTC)
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT id FROM collection WHERE finished_at IS NULL AND asked = ? "
                "AND started_at > ? ORDER BY id DESC LIMIT 1",
                (whole, (now - GOES_ON_FOR).isoformat(timespec="seconds")),
            ).fetchone()
            if row is not None:
                return int(row[0]), True
            connection.execute("DELETE FROM answer")
            made = connection.execute(
                "INSERT INTO collection (asked, started_at) VALUES (?, ?)", (whole, timestamp())
            )
            return int(made.lastrowid or 0), False

    def finish(self, collection: int) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM answer")
            connection.execute(
                "UPDATE collection SET finished_at = ? WHERE id = ?", (timestamp(), collection)
            )

    def last_finished(self, asked: Sequence[Asked]) -> str | None:
        """Return when exactly this was last asked to the end; None if never."""
        rows = self._database.rows(
            "SELECT max(finished_at) FROM collection WHERE asked = ?", (in_words(asked),)
        )
        return None if rows[0][0] is None else str(rows[0][0])

    # Searches and the answers of APIs

    def ended(self, collection: int) -> dict[Search, Ended]:
        """Return the searches of a collection that need not be asked again: all went well.

        Photos that a source makes itself, and that are not kept yet, are not to be had from
        anywhere else: then that source is asked again.
        """
        rows = self._database.rows(
            "SELECT source, class, language, words, hits, trouble, reason FROM search "
            "WHERE collection = ?1 AND trouble IS NULL AND NOT EXISTS (SELECT 1 FROM hit "
            "LEFT JOIN fetch USING (image_url) WHERE hit.source = search.source "
            "AND hit.class = search.class AND hit.language = search.language "
            "AND hit.words = search.words AND last = ?1 AND left_out IS NULL "
            "AND image_url NOT LIKE 'http%' AND coalesce(fetch.collection, 0) <> ?1)",
            (collection,),
        )
        return {(row[0], Query(*row[1:4])): Ended(*row[4:]) for row in rows}

    def end(self, collection: int, search: Search, ended: Ended) -> None:
        source, query = search
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO search VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(collection, source, query.class_name, query.language, query.words),
                    *(ended.hits, ended.trouble, ended.reason, timestamp()),
                ),
            )

    def answer(self, collection: int, request: str) -> str | None:
        """Return the text that an API answered to this request in this collection, if it did."""
        rows = self._database.rows(
            "SELECT body FROM answer WHERE collection = ? AND request = ?", (collection, request)
        )
        return zlib.decompress(rows[0][0]).decode() if rows else None

    def keep_answer(self, collection: int, request: str, body: str) -> None:
        packed = zlib.compress(body.encode())
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (collection, request, packed)
            )

    # Hits and photos

    def note(self, collection: int, hits: Sequence[tuple[Hit, str | None]]) -> None:
        """Write hits down, each with the reason why it is left out, if it is.

        What is known of a photo stays as it was found first: its licence is the one under which
        it was collected. One that is here already gets the new place and label at once.
        """
        now = timestamp()
        with self._database.transaction() as connection:
            for hit, left_out in hits:
                connection.execute(
                    "INSERT INTO hit (source, class, language, words, image_url, page_url, title, "
                    "author, licence, licence_url, width, height, size, fold_group, left_out, "
                    "first, last, at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (image_url, source, class, language, words) DO UPDATE SET "
                    "last = excluded.last, left_out = excluded.left_out",
                    (
                        *(hit.source, hit.query.class_name, hit.query.language, hit.query.words),
                        *(hit.image_url, hit.page_url, hit.title, hit.author, hit.licence),
                        *(hit.licence_url, hit.width, hit.height, hit.size, hit.group, left_out),
                        *(collection, collection, now),
                    ),
                )
            for url in {hit.image_url for hit, left_out in hits if left_out is None}:
                row = connection.execute(
                    "SELECT image.sha256, image.size, width, height, format FROM fetch "
                    "JOIN image USING (sha256) WHERE image_url = ?",
                    (url,),
                ).fetchone()
                if row is not None:
                    speak(connection, url, Image(*row), now)

    def waiting(self, collection: int, source: str) -> list[Hit]:
        """Return the hits of a source that this collection saw and nobody fetched yet, in order.

        Those of the searches that came to their end; the others are searched again.
        """
        rows = self._database.rows(
            "SELECT class, language, words, image_url, page_url, title, author, licence, "
            "licence_url, width, height, hit.size, fold_group FROM hit "
            "JOIN search USING (source, class, language, words) "
            "LEFT JOIN fetch USING (image_url) WHERE source = ? AND last = ? "
            "AND search.collection = ? AND left_out IS NULL AND image_url LIKE 'http%' "
            "AND (fetch.collection IS NULL OR fetch.collection <> ?) ORDER BY hit.id",
            (source, collection, collection, collection),
        )
        return [Hit(source, Query(*row[:3]), *row[3:]) for row in rows]

    def fetched(self, urls: Sequence[str]) -> dict[str, Fetched]:
        """Return what is known of those of `urls` that were fetched before and still hold.

        An image whose bytes are gone from the store counts as not fetched.
        """
        found = {}
        for start in range(0, len(urls), MANY):
            some = urls[start : start + MANY]
            marks = ", ".join("?" * len(some))
            rows = self._database.rows(
                "SELECT image_url, collection, fetch.sha256, reason, passing, etag, "  # noqa: S608
                "last_modified, format, size, stored FROM fetch LEFT JOIN image USING (sha256) "
                f"WHERE image_url IN ({marks})",
                some,
            )
            for url, collection, sha256, reason, passing, etag, modified, *image in rows:
                if sha256 is None or self._is_here(sha256, *image):
                    found[url] = Fetched(collection, sha256, reason, bool(passing), etag, modified)
        return found

    def _is_here(self, sha256: str, image_format: str, size: int, stored: int) -> bool:
        return bool(stored) and self._catalog.store.has(sha256, image_format, size)

    def record(
        self, collection: int, outcomes: Iterable[Outcome], as_before: Iterable[str] = ()
    ) -> set[str]:
        """Write down what addresses answered, and all that follows for the photos; returns the
        hashes of those images that the catalog had not. as_before: addresses with nothing new.
        """
        now = timestamp()
        new: set[str] = set()
        with self._database.transaction() as connection:
            for done in outcomes:
                image = done.image
                if image is not None and speak(connection, done.image_url, image, now):
                    new.add(image.sha256)
                connection.execute(
                    "INSERT OR REPLACE INTO fetch VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(done.image_url, collection, image.sha256 if image else None),
                        *(done.reason, done.passing, done.etag, done.last_modified, now),
                    ),
                )
            connection.executemany(
                "UPDATE fetch SET collection = ?, at = ? WHERE image_url = ?",
                [(collection, now, url) for url in as_before],
            )
        return new

    def reasons(
        self, collection: int
    ) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
        """Return why hits of a collection were left out, and why photos could not be had, each
        reason with how often, most first.
        """
        left_out = self._database.rows(
            "SELECT left_out, count(*) FROM hit WHERE last = ? AND left_out IS NOT NULL "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
            (collection,),
        )
        failed = self._database.rows(
            "SELECT reason, count(*) FROM fetch WHERE collection = ? AND reason IS NOT NULL "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
            (collection,),
        )
        return tuple((str(r), int(n)) for r, n in left_out), tuple(
            (str(r), int(n)) for r, n in failed
        )


def in_words(asked: Sequence[Asked]) -> str:
    """Return what a collection asks as text that is equal for equal questions."""
    rows = sorted([a.source, a.query.class_name, a.query.language, a.query.words, a.limit]
                  for a in asked)  # fmt: skip
    return json.dumps(rows, ensure_ascii=False)


def speak(connection: sqlite3.Connection, url: str, image: Image, now: str) -> bool:
    """Write every hit on this address as a place of the image, with its label and its group.

    Returns whether the image is new. Two classes that search for the same words both speak: that
    is a conflict, whichever came first.
    """
    hits = connection.execute(
        "SELECT source, class, language, words, page_url, title, author, licence, licence_url, "
        "fold_group FROM hit WHERE image_url = ? AND left_out IS NULL ORDER BY id",
        (url,),
    ).fetchall()
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for _source, label, _language, words, *_rest in hits:
        classes[words].add(label)
    new = False
    for source, _label, language, words, page, title, author, licence, licence_url, group in hits:
        found = Found(
            image=image,
            stored=True,
            provenance=Provenance(
                kind=KIND,
                origin=url,
                source=source,
                page_url=page,
                query=words,
                language=language,
                title=title,
                author=author,
                licence=licence,
                licence_url=licence_url,
            ),
            who=f"query:{words}",
            said=Said(labels=frozenset(classes[words])),
        )
        new |= add_image(connection, found, now)
        say(connection, found, now)
        if group:  # of the source, not of the query: two queries may find frames of one video
            connection.execute(
                "INSERT OR IGNORE INTO fold_group VALUES (?, ?, ?, ?)",
                (image.sha256, f"source:{source}", url, group),
            )
    return new

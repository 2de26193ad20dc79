"""Taking photos down: the bytes go, a tombstone stays, and whoever used them is named."""

import contextlib
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem, UsageError
from footwork.files import unwritable
from footwork.findings import decided, timestamp
from footwork.images import Unreadable
from footwork.imagestore import STORED_NAME
from footwork.predictions import read_predictions
from footwork.runs import run_names
from footwork.tombstones import (
    TAKEDOWN,
    Kind,
    Looks,
    comparable_name,
    comparable_url,
    forget_images,
    set_tombstones,
)

AUTHOR = "author:"
FULL_HASH = 64  # hex digits
FACTS = "classifier.json"  # the file that makes a folder a classifier


@dataclass(frozen=True)
class TakenDown:
    """What one takedown did.

    images: hashes whose bytes and rows are gone. addresses: URLs that are barred from now on.
    elsewhere: files outside the project that a link pointed to; they are the user's own and stay.
    runs, classifiers: names of those that used an image; unread: runs that could not be read.
    vectors: rows wiped from the feature cache. barred_by_look: images of which copies are refused
    too. copies: images that show the same photo and are still here. pages: removed since they may
    have shown an image; `report` and `dedupe` make them anew.
    """

    what: str
    decision: int
    images: tuple[str, ...]
    addresses: tuple[str, ...]
    elsewhere: tuple[str, ...]
    runs: tuple[str, ...]
    classifiers: tuple[str, ...]
    unread: tuple[str, ...]
    vectors: int
    barred_by_look: int
    copies: tuple[str, ...]
    pages: tuple[str, ...]


def take_down(
    catalog: Catalog,
    what: str,
    *,
    who: str,
    why: str = "",
    with_copies: bool = False,
    looks: Looks | None = None,
    runs: Path,
    classifiers: Path,
    cache: Path,
) -> TakenDown:
    """Remove photos for good, so that neither `collect` nor `import` brings them back.

    what: the URL of a photo or of its page, a SHA-256 (its beginning will do while the photo is
    here), or author:NAME. who: "person:NAME". with_copies: also what `dedupe` found to show the
    same photo. looks: refuses copies that look the same from now on.

    A URL, whole hash or author that nothing here comes from is barred all the same. Raises
    UsageError for what is none of these, EnvironmentProblem if files cannot be removed; the
    tombstones stand by then, and running it again goes on.
    """
    images, stones = resolved(catalog, what)
    copies = same_photo(catalog, images)
    if with_copies:
        images, copies = images | copies, set()
    codes = {image: code for image in images if (code := look_of(catalog, image, looks))}
    addresses = places_of(catalog, images) | {v for k, v in stones if k == "url"}
    stones |= {("hash", image) for image in images}
    stones |= {("url", address) for address in addresses}
    stones |= {("look", f"{code:016x}") for code in codes.values()}
    used, unread = runs_with(runs, images)
    elsewhere = linked_files(catalog, images)
    why = why or f"asked for: {what}"
    detail = {"what": what, "why": why, "images": sorted(images), "runs": list(used)}
    with catalog.database.transaction() as connection:
        decision = decided(connection, timestamp(), who, TAKEDOWN, detail)
        set_tombstones(connection, stones, decision)
    remove_files(catalog.folder, images)
    pages = remove_pages(catalog.folder, runs, used) if images else ()
    vectors = wipe_features(cache, images)
    with catalog.database.transaction() as connection:
        forget_images(connection, images)
        drop_hits(connection, stones)
    return TakenDown(
        what=what,
        decision=decision,
        images=tuple(sorted(images)),
        addresses=tuple(sorted(addresses)),
        elsewhere=tuple(elsewhere),
        runs=used,
        classifiers=classifiers_from(classifiers, used),
        unread=unread,
        vectors=vectors,
        barred_by_look=len(codes),
        copies=tuple(sorted(copies)),
        pages=pages,
    )


def resolved(catalog: Catalog, what: str) -> tuple[set[str], set[tuple[Kind, str]]]:
    """Return the images that `what` names, and the tombstones that it asks for by itself."""
    if what.startswith(AUTHOR):
        name = comparable_name(what.removeprefix(AUTHOR))
        if not name:
            raise UsageError("Name the author: footwork takedown 'author:Jane Doe'.")
        rows = catalog.database.rows("SELECT sha256, author FROM provenance WHERE author <> ''")
        return {image for image, a in rows if comparable_name(a) == name}, {("author", name)}
    if urlsplit(what).scheme.lower() in ("http", "https"):
        url = comparable_url(what)
        rows = catalog.database.rows("SELECT sha256, origin, page_url FROM provenance")
        found = {
            image
            for image, origin, page in rows
            if comparable_url(origin) == url or (page and comparable_url(page) == url)
        }
        return found, {("url", url)}
    digits = what.lower()
    try:
        return {catalog.find(what)}, set()
    except DataError:
        if len(digits) == FULL_HASH and set(digits) <= set("0123456789abcdef"):
            return set(), {("hash", digits)}
        raise


def same_photo(catalog: Catalog, images: Collection[str]) -> set[str]:
    """Return the other images that show one of these photos, by `dedupe` or by its decisions."""
    rows = catalog.database.rows(
        "SELECT first, second FROM pair WHERE bits IS NOT NULL OR cosine IS NOT NULL "
        "UNION SELECT sha256, best FROM copy"
    )
    found, todo = set(images), list(images)
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for first, second in rows:
        beside[first].add(second)
        beside[second].add(first)
    while todo:
        new = beside[todo.pop()] - found
        found |= new
        todo += new
    return found - set(images)


def drop_hits(connection: sqlite3.Connection, stones: Collection[tuple[Kind, str]]) -> None:
    """Forget what searches said of barred addresses and authors: names and titles of people."""
    barred = {value for kind, value in stones if kind == "url"}
    authors = {value for kind, value in stones if kind == "author"}
    rows = connection.execute("SELECT id, image_url, page_url, author FROM hit").fetchall()
    gone = [
        (number, url)
        for number, url, page, author in rows
        if comparable_url(url) in barred
        or (page and comparable_url(page) in barred)
        or (author and comparable_name(author) in authors)
    ]
    connection.executemany("DELETE FROM hit WHERE id = ?", [(number,) for number, _url in gone])
    connection.executemany("DELETE FROM fetch WHERE image_url = ?", [(url,) for _n, url in gone])


def places_of(catalog: Catalog, images: Collection[str]) -> set[str]:
    """Return the web addresses of these images. Not of their pages, which may hold others."""
    return {
        comparable_url(place.origin)
        for image in images
        for place in catalog.provenance(image)
        if urlsplit(place.origin).scheme.lower() in ("http", "https")
    }


def look_of(catalog: Catalog, image: str, looks: Looks | None) -> int | None:
    if looks is None:
        return None
    try:
        codes = looks(catalog.read(image))
    except Unreadable:
        return None
    return codes[0] if codes else None


def linked_files(catalog: Catalog, images: Collection[str]) -> list[str]:
    """Return the files outside the project that hold these images, as they were last seen."""
    return sorted(
        path
        for image in images
        for (path,) in catalog.database.rows("SELECT path FROM file WHERE sha256 = ?", (image,))
    )


def remove_files(folder: Path, images: Collection[str]) -> None:
    """Remove stored bytes and cleaned PNGs, also those that no row speaks of any more."""
    for image in images:
        for place in ("images", "clean"):
            for path in (folder / place / image[:2]).glob(f"{image}.*"):
                if STORED_NAME.fullmatch(path.name):
                    try:
                        path.unlink()
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        raise unwritable(path, error) from error


def remove_pages(folder: Path, runs: Path, used: Sequence[str]) -> tuple[str, ...]:
    """Remove the pages that hold small pictures: those of these runs and those in reports/."""
    pages = sorted((folder / "reports").glob("*.html"))
    pages += [page for name in used for page in sorted((runs / name).glob("*.html"))]
    for page in pages:
        try:
            page.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(page, error) from error
    return tuple(page.relative_to(folder).as_posix() for page in pages)


def wipe_features(cache: Path, images: Collection[str]) -> int:
    """Overwrite what networks said of these images with zeros; returns how many vectors.

    Banks hold vectors of a whole data set, nameless: they go, and are made anew when needed.
    """
    from footwork.models.features import forget_vectors

    if not images:
        return 0
    shutil.rmtree(cache / "banks", ignore_errors=True)
    return forget_vectors(cache, images)


def runs_with(runs: Path, images: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the runs that used any of these images, and of those not readable."""
    used, unread = [], []
    wanted = set(images)
    for name in run_names(runs) if wanted and runs.is_dir() else []:
        for table in ("predictions.parquet", "external.parquet"):
            path = runs / name / table
            if not path.exists():
                continue
            try:
                found = wanted & set(read_predictions(path).photos.image)
            except (DataError, EnvironmentProblem):
                unread.append(name)
                continue
            if found:
                used.append(name)
    return tuple(dict.fromkeys(used)), tuple(dict.fromkeys(unread))


def classifiers_from(folder: Path, runs: Sequence[str]) -> tuple[str, ...]:
    """Return the classifiers whose training photos are those of one of these runs."""
    found = []
    for path in sorted(folder.glob(f"*/{FACTS}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(path.read_bytes())["promise"]["run"] in runs:
                found.append(path.parent.name)
    return tuple(found)

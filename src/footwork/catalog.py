"""The catalog: every image ever seen, by the SHA-256 of its bytes, and all that was said of it.

    image        one row per image that decodes; `stored`: its bytes lie in images/ (imagestore)
    file         files of this machine that were read, as they were then: a second look at an
                 unchanged one reads no bytes, and a linked image is read from there
    provenance   one row per place where an image was found
    label        who says which class, and why; never a column of the image
    fold_group   images that must stay on one side of a fold, as a source says it
    given_split  train, val, test or external, as a source says it
    rejection    files that never became an image, and why
    decision     what people decided, or a rule (see `decisions`); taken back by `undone_at`, never
                 deleted; an image with a standing one of verb 'reject' is not trained on
    pair, copy   images that show one photo, and which of them are set aside (see `copies`)
    variant      entries that were ever scored on a version of the labelled photos
    cleaned, quality, quality_flag   what `clean` made and measured (see `cleaned`)

`who` is "person:NAME", "import:SOURCE" or "query:WORDS", in falling rank. What an import says is
keyed by (who, origin), so that a source that is imported again replaces what it said before.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from footwork import truth
from footwork.cleaned import FACTS, Cleaned, Flag, Quality, follow_rule, write_cleaned
from footwork.copies import (
    OVERLAYS,
    STANDING,
    Code,
    Copy,
    Facts,
    Kept,
    Pair,
    ask_again,
    group_of,
    parted,
    write_codes,
    write_kept,
    write_pairs,
)
from footwork.database import Database
from footwork.decisions import DECISION, Decision, Undone, undo_all, undo_last, undo_one
from footwork.errors import DataError
from footwork.findings import (
    IMAGE,
    PROVENANCE,
    Found,
    Image,
    Known,
    Provenance,
    Rejection,
    Said,
    Stamp,
    add_image,
    decided,
    readable,
    say,
    timestamp,
)
from footwork.images import Unreadable
from footwork.imagestore import ImageStore, read_verified
from footwork.lockbox import LockBox, sealed
from footwork.project import usable_class
from footwork.schema import MIGRATIONS
from footwork.tombstones import Tombstones
from footwork.truth import Conflict, GroupRow, Labelled, LabelRow, Place

if TYPE_CHECKING:
    from footwork.backups import Backup

__all__ = [
    "Catalog",
    "Conflict",
    "Counts",
    "Decision",
    "Found",
    "Image",
    "Labelled",
    "Provenance",
    "Rejection",
    "Said",
    "Stamp",
]

HASH_START = re.compile(r"[0-9a-f]{4,64}")
SET_ASIDE = "SELECT sha256 FROM decision WHERE verb = 'reject' AND undone_at IS NULL"
MANY = 500  # values in one IN (...); SQLite's own limit is 32,766


@dataclass(frozen=True)
class Counts:
    """per_class, groups and provisional count labelled images, external ones apart.

    unlabelled: images that nobody said anything of; linked: images whose bytes lie elsewhere.
    set_aside: images that a decision keeps out, labelled or not; copies: those that are set
    aside as copies of a better one. These count nowhere else. largest_group: labelled images in
    the largest fold group. locked: labelled images in the lock-box, or tied to it; they count
    nowhere else.
    """

    images: int
    labelled: int
    per_class: dict[str, int] = field(hash=False)
    external: int
    groups: int
    provisional: int
    conflicts: int
    unlabelled: int
    rejected: int
    linked: int
    set_aside: int
    copies: int
    largest_group: int
    locked: int


class Catalog:
    """Open it with `with Catalog.open(folder) as catalog:`. Usable from any thread."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.store = ImageStore(folder)
        self._database = database

    @classmethod
    def open(cls, project_folder: Path, *, wait_s: float = 30.0) -> "Catalog":
        """Open the catalog of a project, made if absent and migrated if older.

        wait_s: how long to wait for another process that is writing.
        Raises DataError if the folder is missing or the catalog damaged, EnvironmentProblem if
        it is newer than this footwork, held by another process or not to be written.
        """
        folder = project_folder.resolve()
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; make a project with `footwork init`.")
        path = folder / ".footwork" / "catalog.sqlite"
        return cls(folder, Database.open(path, MIGRATIONS, wait_s=wait_s))

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    @property
    def database(self) -> Database:
        """The tables themselves, for a stage that keeps its own notes beside the images."""
        return self._database

    def tombstones(self) -> Tombstones:
        """Return what was taken down and must not come back, as of now."""
        return Tombstones.read(self._database)

    # What was found

    def add(
        self,
        found: Iterable[Found],
        rejected: Iterable[Rejection] = (),
        *,
        forget: Iterable[str] = (),
    ) -> set[str]:
        """Add everything in one transaction and return the hashes that were new.

        Saying the same again changes nothing. forget: origins whose rejection no longer holds.
        """
        now = timestamp()
        new: set[str] = set()
        with self._database.transaction() as connection:
            for item in found:
                if add_image(connection, item, now):
                    new.add(item.image.sha256)
                say(connection, item, now)
                connection.execute(
                    "DELETE FROM rejection WHERE origin = ?", (item.provenance.origin,)
                )
            connection.executemany(
                "INSERT INTO rejection VALUES (?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE "
                "SET sha256 = excluded.sha256, reason = excluded.reason, at = excluded.at "
                "WHERE reason <> excluded.reason OR sha256 IS NOT excluded.sha256",
                [(item.origin, item.sha256, item.reason, now) for item in rejected],
            )
            connection.executemany(
                "DELETE FROM rejection WHERE origin = ?", [(origin,) for origin in forget]
            )
        return new

    def known_files(self, paths: Sequence[str]) -> dict[str, Known]:
        """Return what is remembered of those of `paths` that were read before."""
        known = {}
        for row in self._rows_in(
            "SELECT file.path, file.size, mtime_ns, ctime_ns, stored, sha256, image.size, width, "
            "height, format FROM file JOIN image USING (sha256) WHERE file.path",
            paths,
        ):
            known[row[0]] = Known(Image(*row[5:]), bool(row[4]), Stamp(*row[:4]))
        return known

    def said_by(self, who: str) -> dict[tuple[str, str], Said]:
        """Return what `who` says now, by (sha256, origin)."""
        kinds: tuple[defaultdict[tuple[str, str], set[str]], ...]
        kinds = (defaultdict(set), defaultdict(set), defaultdict(set))
        for said, query in zip(
            kinds,
            (
                "SELECT sha256, origin, class FROM label WHERE withdrawn_at IS NULL AND who = ?",
                "SELECT sha256, origin, name FROM fold_group WHERE who = ?",
                "SELECT sha256, origin, split FROM given_split WHERE who = ?",
            ),
            strict=True,
        ):
            for sha256, origin, value in self._database.rows(query, (who,)):
                said[sha256, origin].add(value)
        return {
            key: Said(*(frozenset(said.get(key, ())) for said in kinds))
            for key in set().union(*kinds)
        }

    def having(self, hashes: Collection[str]) -> set[str]:
        """Return those of `hashes` that are images of the catalog."""
        rows = self._rows_in("SELECT sha256 FROM image WHERE sha256", sorted(hashes))
        return {sha256 for (sha256,) in rows}

    def image(self, sha256: str) -> Image | None:
        rows = self._database.rows(
            f"SELECT {IMAGE} FROM image WHERE sha256 = ?",  # noqa: S608
            (sha256,),
        )
        return Image(*rows[0]) if rows else None

    def gone(self) -> list[str]:
        """Return the paths of linked images of which no file is there any more, by hash.

        Only looks whether the files are there; `read` also sees whether they were changed.
        """
        files: defaultdict[str, list[str]] = defaultdict(list)
        for sha256, path in self._database.rows(
            "SELECT sha256, path FROM image LEFT JOIN file USING (sha256) "
            "WHERE NOT stored ORDER BY sha256, path"
        ):
            files[sha256].append(path or f"(photo {sha256[:12]}, of which no file is known)")
        return [
            paths[0] for paths in files.values() if not any(Path(path).is_file() for path in paths)
        ]

    def provenance(self, sha256: str, *, copies: bool = False) -> list[Provenance]:
        """Return every place where an image was found, in the order of finding.

        copies: those of its copies too, whichever of the group is asked for.
        """
        group = {sha256}
        if copies:
            with self._database.snapshot():
                group = set(group_of(self._database.connection, sha256))
        places = self._rows_in(
            f"SELECT id, {PROVENANCE} FROM provenance WHERE sha256",  # noqa: S608
            sorted(group),
        )
        return [Provenance(*place) for _id, *place in sorted(places)]

    def rejections(self) -> list[Rejection]:
        """Return the files that did not become images, by origin."""
        rows = self._database.rows("SELECT origin, reason, sha256 FROM rejection ORDER BY origin")
        return [Rejection(*row) for row in rows]

    def read(self, sha256: str) -> bytes:
        """Return the bytes of an image, checked against its hash; from any thread.

        Raises images.Unreadable if they are gone or were changed since they were imported.
        """
        rows = self._database.rows("SELECT stored, format FROM image WHERE sha256 = ?", (sha256,))
        if not rows:
            raise Unreadable(f"the catalog has no image {sha256}")
        stored, image_format = rows[0]
        places = [self.store.path(sha256, image_format)] if stored else []
        files = "SELECT path FROM file WHERE sha256 = ? ORDER BY path"
        places += [Path(path) for (path,) in self._database.rows(files, (sha256,))]
        reasons = []
        for place in places:
            try:
                return read_verified(place, sha256)
            except Unreadable as error:
                reasons.append(error.reason)
        raise Unreadable(reasons[0] if reasons else "its file has changed since it was imported")

    # What is true

    def labelled(self) -> list[Labelled]:
        """Return the effective label of every image that has one, by hash.

        A person outranks an import, an import outranks a query. Two classes within the best
        rank are a conflict: such images are left out, and listed by `conflicts`.
        """
        return self.judged()[0]

    def conflicts(self) -> list[Conflict]:
        """Return the images that are left out because they carry two classes, by hash."""
        return self.judged()[1]

    def counts(self) -> Counts:
        """Return how much there is of everything."""
        labelled, conflicts = self.judged()
        locked = 0
        if self.lock_box().images:
            opened, _ = self.judged(opened=True)
            locked = sum(row.split == "external" for row in opened)
        inner = [item for item in labelled if item.split != "external"]
        groups = Counter(item.group for item in inner)
        ((images, linked, rejected, set_aside, copies),) = self._database.rows(
            "SELECT count(*), sum(1 - stored), (SELECT count(*) FROM rejection), "  # noqa: S608
            f"(SELECT count(DISTINCT sha256) FROM ({SET_ASIDE})), "
            f"(SELECT count(*) FROM ({STANDING} AND copy.sha256 NOT IN ({SET_ASIDE}))) FROM image"
        )
        return Counts(
            images=images,
            labelled=len(inner),
            per_class=dict(sorted(Counter(item.label for item in inner).items())),
            external=len(labelled) - len(inner),
            groups=len(groups),
            provisional=sum(item.provisional for item in inner),
            conflicts=len(conflicts),
            unlabelled=images - len(labelled) - len(conflicts) - set_aside - copies - locked,
            locked=locked,
            rejected=rejected,
            linked=linked or 0,
            set_aside=set_aside,
            copies=copies,
            largest_group=max(groups.values(), default=0),
        )

    def judged(
        self, *, copies: bool = False, opened: bool = False
    ) -> tuple[list[Labelled], list[Conflict]]:
        """Return labelled images and conflicts, of one moment.

        What is in the lock-box, and what shares a group with it, is not among them. opened: those
        photos are, as the only external ones.
        copies: as if no copy were set aside, each with what is said of itself; the fold groups
        are the same. An image counts as a copy of one that is set aside itself, too.
        """
        with self._database.snapshot():
            rows = self._database.rows
            labels = rows(
                "SELECT label.sha256, class, label.who, origin FROM label "  # noqa: S608
                "LEFT JOIN decision ON decision.id = decision "
                "WHERE withdrawn_at IS NULL AND undone_at IS NULL "
                f"AND label.sha256 NOT IN ({SET_ASIDE}) ORDER BY label.id"
            )
            groups = rows("SELECT sha256, who, name FROM fold_group")
            splits = rows("SELECT sha256, split FROM given_split")
            places = rows("SELECT sha256, kind, origin, source, page_url, author FROM provenance")
            pairs = rows("SELECT first, second FROM pair")
            copy_of = dict(rows(STANDING))
            out = {sha256 for (sha256,) in rows(SET_ASIDE)}
            locked = self.lock_box().images
        together = [*pairs, *copy_of.items()]
        locked |= {best for image, best in copy_of.items() if image in locked}
        if copies:
            copy_of = {}
        labelled, conflicts = truth.judged(
            [LabelRow(*row) for row in labels if copy_of.get(row[0]) not in out],
            [GroupRow(*row) for row in groups],
            [(sha256, split) for sha256, split in splits],
            [Place(*row) for row in places],
            copy_of,
            together,
        )
        return sealed(labelled, locked, opened=opened), conflicts

    def lock_box(self) -> LockBox:
        """Return what is locked away; nothing where nobody asked for it."""
        rows = self._database.rows(
            "SELECT detail FROM decision WHERE verb = 'lock' AND undone_at IS NULL ORDER BY id"
        )
        # An opening that is taken back was a look all the same.
        ((opened,),) = self._database.rows("SELECT count(*) FROM decision WHERE verb = 'open-lock'")
        images = json.loads(rows[-1][0])["images"] if rows else []
        return LockBox(frozenset(images), opened)

    def lock(self, images: Collection[str], who: str) -> int:
        """Lock images away from everything but `judged(opened=True)`; returns the decision."""
        return self._decide(who, "lock", {"images": sorted(images)})

    def open_lock(self, who: str, why: str) -> int:
        """Remember that the lock-box was opened for one comparison; returns how often it was."""
        self._decide(who, "open-lock", {"why": why})
        return self.lock_box().opened

    def _decide(self, who: str, verb: str, detail: Mapping[str, object]) -> int:
        with self._database.transaction() as connection:
            return decided(connection, timestamp(), who, verb, detail)

    def imported_files(self) -> dict[str, int]:
        """Return how many files of an image were imported with a label, by its hash."""
        return dict(
            self._database.rows(
                "SELECT sha256, count(DISTINCT origin) FROM label "
                "WHERE withdrawn_at IS NULL AND who LIKE 'import:%' GROUP BY sha256"
            )
        )

    # What people decide

    def decide_label(self, which: str, label: str, who: str, why: str = "") -> str:
        """Write down that a person says `label` of an image; returns the image's hash.

        which: the first hex digits of its hash (4 or more), or its path. who: "person:NAME".
        It is said of all its copies too, so that none of them contradicts it.
        Raises DataError if that names no image or several, or the class name cannot be one.
        """
        if not who.startswith("person:") or who == "person:":
            raise DataError(f"A decision is made by person:NAME, not by {who!r}.")
        try:
            label = usable_class(label)
        except ValueError as error:
            raise DataError(f"{label!r} cannot be a class: {error}.") from None
        sha256 = self.find(which)
        now = timestamp()
        detail = {"class": label, "why": why}
        with self._database.transaction() as connection:
            decision = decided(connection, now, who, "label", detail, sha256)
            connection.executemany(
                "INSERT INTO label (sha256, class, who, origin, why, at, decision) "
                "VALUES (?, ?, ?, '', ?, ?, ?)",
                [
                    (image, label, who, why, now, decision)
                    for image in sorted(group_of(connection, sha256))
                ],
            )
        return sha256

    def decisions(self) -> list[Decision]:
        """Return everything that people and rules decided, undone or not, in order."""
        rows = self._database.rows(f"SELECT {DECISION} FROM decision ORDER BY id")  # noqa: S608
        return [Decision(*row) for row in rows]

    def undo(self, decision: int | None = None) -> Undone:
        """Take a decision back, the last one that counts if None; its row stays.

        Raises DataError if there is none to take back.
        """
        with self._database.transaction() as connection:
            if decision is None:
                return undo_last(connection, timestamp())
            return undo_one(connection, decision, timestamp())

    def undo_all(self) -> Undone:
        """Take back all decisions: everything counts as it did when it was found."""
        with self._database.transaction() as connection:
            return undo_all(connection, timestamp())

    def find(self, which: str) -> str:
        """Return the hash of the image that a hash's beginning or a path names.

        Raises DataError if there is none, or more than one.
        """
        found: list[str] = []
        if HASH_START.fullmatch(which.lower()):
            start = which.lower()
            rows = self._database.rows(
                "SELECT sha256 FROM image WHERE sha256 BETWEEN ? AND ? LIMIT 9",
                (start, f"{start}g"),
            )
            found = [sha256 for (sha256,) in rows]
        if not found:
            rows = self._database.rows(
                "SELECT DISTINCT sha256 FROM provenance WHERE origin IN (?1, ?2) "
                "OR substr(origin, -length(?1) - 1) = '/' || ?1 ORDER BY sha256 LIMIT 9",
                (readable(which), readable(str(Path(which).absolute()))),
            )
            found = [sha256 for (sha256,) in rows]
        if len(found) == 1:
            return found[0]
        if not found:
            raise DataError(f"The catalog has no image {which}; give its hash or its path.")
        several = ", ".join(sha256[:12] for sha256 in found)
        raise DataError(f"{which} names several images: {several}. Give more of the hash.")

    # What was made and measured

    def images(self) -> list[Image]:
        """Return every image, by hash."""
        rows = self._database.rows(f"SELECT {IMAGE} FROM image ORDER BY sha256")  # noqa: S608
        return [Image(*row) for row in rows]

    def add_cleaned(self, items: Iterable[Cleaned]) -> None:
        """Write down what became of images, in one transaction, in place of what was before."""
        now = timestamp()
        with self._database.transaction() as connection:
            write_cleaned(connection, items, now)

    def cleaned(self) -> list[Cleaned]:
        """Return what was made of each image, by hash, without its quality and flags."""
        rows = self._database.rows(
            "SELECT sha256, version, size, reason FROM cleaned ORDER BY sha256"
        )
        return [Cleaned(*row) for row in rows]

    def qualities(self) -> dict[str, Quality]:
        """Return the measured facts of every image that was cleaned, by hash."""
        rows = self._database.rows(f"SELECT sha256, {FACTS} FROM quality ORDER BY sha256")  # noqa: S608
        return {sha256: Quality(*facts) for sha256, *facts in rows}

    def flags(self) -> list[Flag]:
        """Return what a person should look at: highest score first, then by hash and name."""
        rows = self._database.rows(
            "SELECT sha256, flag, score FROM quality_flag ORDER BY score DESC, sha256, flag"
        )
        return [Flag(*row) for row in rows]

    def reject_flagged(self, names: Collection[str]) -> tuple[int, int]:
        """Set aside the images that carry a flag of `names`; returns (new, taken back).

        Each is a decision of "rule:clean" that `undo` takes back for good; those that the rule
        no longer asks for, it takes back itself.
        """
        wanted: dict[str, Flag] = {}
        for flag in self.flags():
            if flag.name in names:
                wanted.setdefault(flag.image, flag)
        with self._database.transaction() as connection:
            return follow_rule(connection, wanted, timestamp())

    def codes(self, kind: str, version: str) -> dict[str, Code]:
        """Return the perceptual hashes of one kind, made by this version of the hasher."""
        rows = self._database.rows(
            "SELECT sha256, code, firm_bits FROM hash WHERE kind = ? AND version = ?",
            (kind, version),
        )
        return {image: Code(image, int.from_bytes(code, "big"), firm) for image, code, firm in rows}

    def never_hashed(self, images: Iterable[str]) -> int:
        """Return among how many of these nobody has looked for copies."""
        hashed = {sha256 for (sha256,) in self._database.rows("SELECT DISTINCT sha256 FROM hash")}
        return len(set(images) - hashed)

    def add_codes(self, kind: str, version: str, codes: Iterable[Code]) -> None:
        with self._database.transaction() as connection:
            write_codes(connection, kind, version, codes)

    def facts(self) -> dict[str, Facts]:
        """Return what copies are weighed by, of every image."""
        with self._database.snapshot():
            rows = self._database.rows
            out = {sha256 for (sha256,) in rows(SET_ASIDE)}
            decided = {
                sha256
                for (sha256,) in rows(
                    "SELECT label.sha256 FROM label LEFT JOIN decision ON decision.id = decision "
                    "WHERE withdrawn_at IS NULL AND undone_at IS NULL "
                    "AND label.who LIKE 'person:%'"
                )
            }
            flags: defaultdict[str, set[str]] = defaultdict(set)
            for sha256, flag in rows("SELECT sha256, flag FROM quality_flag"):
                if flag in OVERLAYS:
                    flags[sha256].add(flag)
            sharpness = dict(rows("SELECT sha256, sharpness FROM quality"))
            origin: defaultdict[str, set[str]] = defaultdict(set)
            for sha256, *known in rows("SELECT sha256, author, licence, page_url FROM provenance"):
                names = zip(("author", "licence", "page"), known, strict=True)
                origin[sha256].update(name for name, value in names if value)
            images = self.images()
        return {
            image.sha256: Facts(
                image=image.sha256,
                width=image.width,
                height=image.height,
                size=image.size,
                set_aside=image.sha256 in out,
                decided=image.sha256 in decided,
                overlays=tuple(sorted(flags.get(image.sha256, ()))),
                sharpness=sharpness.get(image.sha256),
                origin=tuple(sorted(origin.get(image.sha256, ()))),
            )
            for image in images
        }

    def copies(self) -> list[Copy]:
        """Return every image that is set aside as a copy of a better one, by hash."""
        rows = self._database.rows(
            "SELECT copy.sha256, best, bits, cosine, evidence, why FROM copy "
            "JOIN decision ON decision.id = decision WHERE undone_at IS NULL ORDER BY copy.sha256"
        )
        return [
            Copy(image, best, bits, cosine, tuple(evidence.split(", ")), why)
            for image, best, bits, cosine, evidence, why in rows
        ]

    def pairs(self) -> list[Pair]:
        """Return the images that were found to show one photo, kept or not, by hash."""
        rows = self._database.rows(
            "SELECT first, second, bits, cosine, evidence FROM pair ORDER BY first, second"
        )
        return [
            Pair(first, second, bits, cosine, tuple(evidence.split(", ")))
            for first, second, bits, cosine, evidence in rows
        ]

    def parted(self) -> list[frozenset[str]]:
        """Return the groups of copies that a person took apart: they stay so."""
        with self._database.snapshot():
            return parted(self._database.connection)

    def keep(
        self, pairs: Iterable[Pair], copies: Sequence[Copy], *, asked_again: bool = False
    ) -> Kept:
        """Write down all pairs and groups in place of those before, in one transaction.

        Each group is a decision of "rule:dedupe"; one that stands already gets no new row.
        asked_again: from now on, what people took apart may be grouped again.
        """
        now = timestamp()
        with self._database.transaction() as connection:
            if asked_again:
                ask_again(connection)
            write_pairs(connection, pairs, now)
            return write_kept(connection, copies, now)

    def tried(self, photos: str, variants: Iterable[str]) -> int:
        """Remember that these variants were scored on these photos; returns how many ever were.

        photos: the hash of a data set; variants: of an entry's whole configuration. A run that is
        deleted stays counted: the best of many tries is flattered, whoever forgot the others.
        """
        now = timestamp()
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO variant VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(photos, variant, now) for variant in variants],
            )
        ((count,),) = self._database.rows(
            "SELECT count(*) FROM variant WHERE photos = ?", (photos,)
        )
        return int(count)

    # Keeping it

    def filling(self) -> AbstractContextManager[None]:
        """Hold this while storing images and adding their rows (see `imagestore`)."""
        return self.store.filling(self.having)

    def backup(self, target: Path) -> "Backup":
        """Write catalog, stored images and footwork.toml into one file (see `backups`)."""
        from footwork.backups import write_backup

        return write_backup(self, target)

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy of the database alone."""
        self._database.copy_to(target)

    def stored(self) -> list[Image]:
        """Return the images whose bytes lie in the image store, by hash."""
        rows = self._database.rows(
            f"SELECT {IMAGE} FROM image WHERE stored ORDER BY sha256"  # noqa: S608
        )
        return [Image(*row) for row in rows]

    def _rows_in(self, query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        rows = []
        for start in range(0, len(values), MANY):
            some = values[start : start + MANY]
            marks = ", ".join("?" * len(some))
            rows += self._database.rows(f"{query} IN ({marks})", some)
        return rows

"""What each query, language and source brings: hits, photos, new ones, relevant, accepted ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from footwork.catalog import Catalog
from footwork.collecting.ledger import Asked
from footwork.errors import FootworkError
from footwork.records import Leaderboard
from footwork.runs import read_run, run_names


@dataclass(frozen=True)
class Yield:
    """What one query of one source brought, or several of them together ('' where they differ).

    hits: photos that it offered; left_out: of those, not fetched on purpose (licence, excluded
    word, taken down); failed: of those, not to be had; waiting: not tried yet; fetched: images
    that are here. new: of those, photos that no query before it had brought, near-copies counted
    once; new_last: of the new ones, those that the last collection brought. judged: fetched
    photos that the best model of the newest run answered without having seen them; relevant: of
    those, how often it named the class that was searched for. reviewed: fetched photos that a
    person decided on; accepted: of those, the class that was searched for.
    """

    source: str
    class_name: str
    language: str
    words: str
    hits: int = 0
    left_out: int = 0
    failed: int = 0
    waiting: int = 0
    fetched: int = 0
    new: int = 0
    new_last: int = 0
    judged: int = 0
    relevant: int = 0
    reviewed: int = 0
    accepted: int = 0


COUNTS = ("hits", "left_out", "failed", "waiting", "fetched", "new", "new_last", "judged",
          "relevant", "reviewed", "accepted")  # fmt: skip
Search = tuple[str, str, str, str]  # source, class, language, words


class Offer(NamedTuple):
    """One hit of one search. first: the number of the collection that saw it first."""

    left_out: str | None
    first: int
    image: str | None
    reason: str | None


@dataclass(frozen=True)
class Yields:
    """rows: per query and source, in the order in which `new` was given out. total: of all rows;
    its fetched counts a photo once per query that found it, its new counts each once.

    judge: the run and model that says what is relevant; None where there is none yet.
    collections: how many there were; last: when the last one began.
    """

    rows: tuple[Yield, ...]
    total: Yield
    judge: str | None
    collections: int
    last: str | None

    def by(self, *keys: str) -> list[Yield]:
        """Return the rows added up by some of source, class_name, language, words."""
        found: dict[tuple[str, ...], list[Yield]] = {}
        for row in self.rows:
            found.setdefault(tuple(getattr(row, key) for key in keys), []).append(row)
        return [added(rows, dict(zip(keys, key, strict=True))) for key, rows in found.items()]


def added(rows: Sequence[Yield], names: Mapping[str, str]) -> Yield:
    return Yield(
        source=names.get("source", ""),
        class_name=names.get("class_name", ""),
        language=names.get("language", ""),
        words=names.get("words", ""),
        **{key: sum(getattr(row, key) for row in rows) for key in COUNTS},
    )


def yields_of(catalog: Catalog, runs: Path, order: Sequence[Asked] = ()) -> Yields:
    """Return what every search of the catalog brought.

    order: searches as footwork.toml lists them; a photo that several found counts as new for
    the one of the earliest collection, then of this order, then of the alphabet. So nothing
    depends on which answer came first.
    """
    best_of = {copy.image: copy.best for copy in catalog.copies()}
    judge, answers = answers_of(runs)
    said = decided(catalog)
    collections = catalog.database.rows("SELECT id, started_at FROM collection ORDER BY id")
    last = collections[-1][0] if collections else 0
    found = catalog.database.rows(
        "SELECT source, class, language, words, hit.left_out, first, fetch.sha256, fetch.reason "
        "FROM hit LEFT JOIN fetch USING (image_url) ORDER BY hit.id"
    )
    searches: defaultdict[Search, list[Offer]] = defaultdict(list)
    for source, label, language, words, *offer in found:
        searches[source, label, language, words].append(Offer(*offer))
    at = {
        (a.source, a.query.class_name, a.query.language, a.query.words): i
        for i, a in enumerate(order)
    }
    ordered = sorted(searches, key=lambda key: (at.get(key, len(at)), key))
    new = given_out(searches, ordered, best_of)
    rows = []
    for key in ordered:
        hits = searches[key]
        wanted = [hit for hit in hits if hit.left_out is None]
        images = {hit.image for hit in wanted if hit.image is not None}
        mine = new.get(key, {})
        rows.append(
            Yield(
                *key,
                hits=len(hits),
                left_out=len(hits) - len(wanted),
                failed=sum(hit.reason is not None for hit in wanted),
                waiting=sum(hit.image is None and hit.reason is None for hit in wanted),
                fetched=len(images),
                new=len(mine),
                new_last=sum(first == last for first in mine.values()),
                judged=len(images & answers.keys()),
                relevant=sum(answers.get(image) == key[1] for image in images),
                reviewed=len(images & said.keys()),
                accepted=sum(said.get(image) == key[1] for image in images),
            )
        )
    return Yields(
        rows=tuple(rows),
        total=added(rows, {}),
        judge=judge,
        collections=len(collections),
        last=str(collections[-1][1]) if collections else None,
    )


def given_out(
    searches: Mapping[Search, Sequence[Offer]],
    ordered: Sequence[Search],
    best_of: Mapping[str, str],
) -> dict[Search, dict[str, int]]:
    """Return the photos (the best of their copies) that each search was the first to bring, with
    the number of the collection that did.
    """
    owner: dict[str, tuple[int, int]] = {}
    for position, key in enumerate(ordered):
        for hit in searches[key]:
            if hit.image is None or hit.left_out is not None:
                continue
            photo = best_of.get(hit.image, hit.image)
            mine = (hit.first, position)
            owner[photo] = min(owner.get(photo, mine), mine)
    new: defaultdict[Search, dict[str, int]] = defaultdict(dict)
    for photo, (first, position) in owner.items():
        new[ordered[position]][photo] = first
    return new


def answers_of(runs: Path) -> tuple[str | None, dict[str, str]]:
    """Return what the best model of the newest run says of photos that it was not trained on.

    Of several repeats, what most of them say, the first class in case of a tie.
    """
    for name in reversed(run_names(runs)) if runs.is_dir() else ():
        try:
            run = read_run(runs / name)
            board = Leaderboard.model_validate_json((run.folder / "metrics.json").read_bytes())
        except (FootworkError, OSError, ValidationError):
            continue
        infos = {info.entry: info for info in run.entries}
        fair = [s.entry for s in board.entries if infos[s.entry].contract == "right"]
        table = run.predictions
        index = [entry.entry for entry in table.entries].index(fair[0]) if fair else -1
        if index < 0:
            continue
        grid = table.answers(index)
        votes = np.stack([(grid == k).sum(axis=0) for k in range(len(table.classes))])
        answered = np.flatnonzero(votes.sum(axis=0) > 0)
        said = {table.photos.image[i]: table.classes[int(votes[:, i].argmax())] for i in answered}
        return f"{infos[fair[0]].title} in {name}", said
    return None, {}


def decided(catalog: Catalog) -> dict[str, str | None]:
    """Return what people decided of each image they decided on: its class, or None for 'out'."""
    by_person = catalog.database.rows(
        "SELECT DISTINCT label.sha256 FROM label LEFT JOIN decision ON decision.id = decision "
        "WHERE label.who LIKE 'person:%' AND withdrawn_at IS NULL AND undone_at IS NULL"
    )
    set_aside = catalog.database.rows(
        "SELECT DISTINCT sha256 FROM decision WHERE verb = 'reject' AND who LIKE 'person:%' "
        "AND undone_at IS NULL AND sha256 IS NOT NULL"
    )
    effective = {row.image: row.label for row in catalog.labelled()}
    return {image: effective.get(image) for (image,) in by_person} | {
        image: None for (image,) in set_aside
    }


def in_sentences(found: Yields) -> list[str]:
    """Say which sources and languages still bring something new, and which do not any more."""
    total = found.total
    if not found.rows:
        return ["Nothing was collected yet: footwork collect."]
    pairs = [row for row in found.by("source", "language") if row.fetched]
    lines = [
        f"{total.hits:,} hits of {len(found.rows)} searches brought {total.new:,} different "
        f"photos; the last collection brought {total.new_last:,} of them."
    ]
    if pairs:
        best = max(pairs, key=lambda row: (row.new_last, row.new))
        lines.append(
            f"Most of what is new came from {best.source} in {best.language or 'no language'}: "
            f"{best.new_last:,} new photos in the last collection, {best.new:,} in all."
        )
    dry = sorted(f"{row.source} in {row.language}" for row in pairs if not row.new_last)
    if dry:
        lines.append(f"Nothing new in the last collection from {', '.join(dry)}.")
    if found.judge is None:
        lines.append("What is relevant is not known yet: `footwork compare` trains a judge.")
    return lines

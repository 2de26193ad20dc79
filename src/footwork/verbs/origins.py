"""Verbs that answer for collected photos: where they come from, whose they are, what they bring."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from footwork.catalog import Catalog, Image, Provenance
from footwork.decisions import Decision
from footwork.files import write_text
from footwork.project import open_project
from footwork.verbs.photos import HERE, Place

if TYPE_CHECKING:
    from footwork.collecting.attributions import Credit
    from footwork.collecting.takedown import TakenDown
    from footwork.collecting.yields import Yields

CLASSIFIERS = "classifiers"


@dataclass(frozen=True)
class Origin:
    """All that is known of where a photo comes from.

    places: every place where it was found; labels: (class, who, origin) that count; decisions:
    on this photo, taken back or not.
    """

    image: Image
    places: tuple[Provenance, ...]
    labels: tuple[tuple[str, str, str], ...]
    decisions: tuple[Decision, ...]

    def as_json(self) -> dict[str, object]:
        return {
            **vars(self.image),
            "places": [vars(place) for place in self.places],
            "labels": [
                {"class": name, "who": who, "origin": origin} for name, who, origin in self.labels
            ],
            "decisions": [
                {"number": d.number, "at": d.at, "who": d.who, "verb": d.verb,
                 "detail": json.loads(d.detail), "undone_at": d.undone_at}
                for d in self.decisions
            ],
        }  # fmt: skip


def provenance(image: str, *, project: Place = HERE) -> Origin:
    """Return every place where a photo was found, and who says what of it.

    image: the beginning of its SHA-256, its path, or its address on the web.
    """
    with Catalog.open(open_project(project).folder) as catalog:
        sha256 = catalog.find(image)
        found = catalog.image(sha256)
        assert found is not None  # noqa: S101  find only names images
        rows = catalog.database.rows(
            "SELECT class, label.who, origin FROM label LEFT JOIN decision "
            "ON decision.id = decision WHERE label.sha256 = ? AND withdrawn_at IS NULL "
            "AND undone_at IS NULL ORDER BY label.id",
            (sha256,),
        )
        return Origin(
            image=found,
            places=tuple(catalog.provenance(sha256)),
            labels=tuple((str(a), str(b), str(c)) for a, b, c in rows),
            decisions=tuple(d for d in catalog.decisions() if d.sha256 == sha256),
        )


def attributions(
    *,
    project: Place = HERE,
    format: Literal["html", "md", "csv"] = "html",
    out: Place | None = None,
) -> "tuple[str, list[Credit]]":
    """Return the credits of all collected photos, as text and one by one. out: a file to write."""
    from footwork.collecting import attributions as credit

    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        credits = credit.credits_of(catalog)
    name = opened.config.name
    if format == "csv":
        text = credit.as_csv(credits)
    elif format == "md":
        text = credit.as_markdown(credits, name)
    else:
        from footwork.reporting.gathered import credits_page

        text = credits_page(credits, name)
    if out is not None:
        write_text(Path(out), text)
    return text, credits


def takedown(
    what: str,
    *,
    who: str,
    why: str = "",
    with_copies: bool = False,
    project: Place = HERE,
) -> "TakenDown":
    """Remove photos for good and keep them out of every later `collect` and `import`.

    what: the address of a photo or of its page, a SHA-256, or author:NAME. who: who decides.
    with_copies: also other files that show the same photo. Names every run and classifier that
    used one of them.
    """
    from footwork.collecting.takedown import take_down
    from footwork.duplicates.looks import looks

    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        return take_down(
            catalog,
            what,
            who=f"person:{who}",
            why=why,
            with_copies=with_copies,
            looks=looks,
            runs=opened.runs,
            classifiers=opened.folder / CLASSIFIERS,
            cache=opened.cache,
        )


def yields(*, project: Place = HERE, out: Place | None = None) -> "Yields":
    """Return what each query, language and source brought. out: an .html page to write."""
    from footwork.collecting.collect import asked_by
    from footwork.collecting.plan import plan
    from footwork.collecting.yields import yields_of

    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        found = yields_of(catalog, opened.runs, asked_by(plan(opened)))
    if out is not None:
        from footwork.reporting.gathered import yield_page

        write_text(Path(out), yield_page(found, opened.config.name))
    return found

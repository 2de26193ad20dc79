"""Credits for collected photos: title, author, source, licence, as the licences ask for it.

What a credit holds follows Creative Commons' recommended practices for attribution (TASL): the
title if there is one, the author, a link to where the photo lies, the licence with its link, and
that it was changed.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from footwork.catalog import Catalog
from footwork.collecting.ledger import KIND
from footwork.collecting.licences import in_full
from footwork.truth import Labelled

CHANGED = "The photos were cropped to squares and resized to train and test an image classifier."
COLUMNS = ("sha256", "title", "author", "source", "page_url", "image_url", "licence", "licence_url")


@dataclass(frozen=True)
class Credit:
    """One place of one photo. licence: in full; link: the page, or the photo where none is known.

    used: the photo carries a label and is trained on.
    """

    image: str
    title: str | None
    author: str | None
    source: str
    link: str
    image_url: str
    licence: str
    licence_url: str | None
    used: bool


def credits_of(catalog: Catalog) -> list[Credit]:
    """Return a credit per photo and page where it was found, by author, title and hash."""
    labelled: Sequence[Labelled] = catalog.labelled()
    used = {row.image for row in labelled}
    rows = catalog.database.rows(
        "SELECT sha256, title, author, source, page_url, origin, licence, licence_url "
        "FROM provenance WHERE kind = ? ORDER BY sha256, source, origin, id",
        (KIND,),
    )
    found: dict[tuple[str, str], Credit] = {}
    for image, title, author, source, page, origin, licence, licence_url in rows:
        link = page or origin
        known = found.get((image, link))
        if known is not None and (known.author or not author):
            continue  # another query found it on the same page
        found[image, link] = Credit(
            image=image,
            title=title,
            author=author,
            source=source,
            link=link,
            image_url=origin,
            licence=in_full(licence, licence_url),
            licence_url=licence_url,
            used=image in used,
        )
    return sorted(
        found.values(), key=lambda c: ((c.author or "￿").casefold(), c.title or "", c.image, c.link)
    )


def summary(credits: Sequence[Credit]) -> list[tuple[str, int]]:
    """Return how many photos each licence covers, most first."""
    counts = Counter({name: len(photos) for name, photos in by_licence(credits).items()})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def by_licence(credits: Sequence[Credit]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for credit in credits:
        found.setdefault(credit.licence, set()).add(credit.image)
    return found


def as_csv(credits: Sequence[Credit]) -> str:
    """A field that a spreadsheet would run as a formula gets a ' in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for c in credits:
        page = c.link if c.link != c.image_url else ""
        row = (c.image, c.title, c.author, c.source, page, c.image_url, c.licence, c.licence_url)
        writer.writerow([harmless(value or "") for value in row])
    return out.getvalue()


def harmless(field: str) -> str:
    return f"'{field}" if field.startswith(("=", "+", "-", "@", "\t", "\r")) else field


def as_markdown(credits: Sequence[Credit], name: str) -> str:
    lines = [f"# Credits of the photos in {marked(name)}", "", CHANGED, ""]
    for c in credits:
        title = marked(c.title) if c.title else "Untitled photo"
        author = marked(c.author) if c.author else "an author whom the source does not name"
        licence = linked(marked(c.licence), c.licence_url)
        lines.append(
            f"- {linked(title, c.link)} by {author}, {licence}, "
            f"from {marked(c.source)} (`{c.image[:12]}`)"
        )
    return "\n".join(lines) + "\n"


def linked(text: str, url: str | None) -> str:
    return f"[{text}](<{safe_link(url)}>)" if url and safe_link(url) else text


def marked(text: str) -> str:
    """Return text from the web so that Markdown shows it as it is, on one line."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~&-])", r"\\\1", one_line)


def safe_link(url: str) -> str:
    """Return a web address that may stand in a page, '' for any other: no javascript:, no data:."""
    if urlsplit(url).scheme.lower() not in ("http", "https") or re.search(r"[\s<>\"']", url):
        return ""
    return url

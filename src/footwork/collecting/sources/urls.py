"""A list of addresses that the user brings: img2dataset's input, with licence and author.

Text (one address a line, # starts a comment), CSV, TSV or Parquet. Which column says what is
found by its name (img2dataset's url and caption; Openverse's, LAION's, GBIF's names for others)
or told in [sources.urls] columns.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, get_args

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, licence_of
from footwork.collecting.sources.paging import web_address as address

Role = Literal["url", "title", "author", "licence", "licence_url", "page"]
ROLES: tuple[str, ...] = get_args(Role)
NAMES: dict[str, tuple[str, ...]] = {
    "url": ("url", "image_url", "identifier", "img_src"),
    "title": ("title", "caption", "text", "alt"),
    "author": ("author", "creator", "photographer", "owner", "rightsholder", "user"),
    "licence": ("licence", "license", "license_code"),
    "licence_url": ("licence_url", "license_url"),
    "page": ("page", "page_url", "foreign_landing_url", "source_url", "references"),
}
BATCH = 1_000


class Urls:
    """files: the list of each class, by the class's name. columns: role -> column."""

    about: ClassVar[About] = About(
        name="urls",
        what="your own list of addresses: text, CSV, TSV or Parquet",
        needs="files in [sources.urls]",
        limits="none but those of each host",
        licences="as the list says",
    )
    name = "urls"

    def __init__(self, files: Mapping[str, Path], columns: Mapping[str, str] | None = None) -> None:
        self.files = dict(files)
        self.columns = dict(columns or {})

    def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
        return [Query(name, "", path.name) for name, path in sorted(self.files.items())]

    async def search(self, query: Query, web: Web, *, limit: int) -> AsyncIterator[Hit]:
        """Yield the addresses of the class's list, each once, in its order."""
        path = self.files[query.class_name]
        if not path.is_file():
            raise SourceProblem("unreachable", f"{path} is not there: see [sources.urls] files.")
        seen: set[str] = set()
        for row in self.rows(path):
            url = address(row.get("url"))
            if url is None or url in seen:
                continue
            if len(seen) == limit:
                return
            seen.add(url)
            yield Hit(
                source=self.name,
                query=query,
                image_url=url,
                page_url=address(row.get("page")),
                title=row.get("title"),
                author=row.get("author"),
                licence=licence_of(row.get("licence"), row.get("licence_url")),
                licence_url=address(row.get("licence_url") or row.get("licence")),
            )

    def rows(self, path: Path) -> Iterator[dict[str, str]]:
        """Yield role -> text per line; empty cells are left out."""
        if path.suffix.lower() in (".csv", ".tsv", ".parquet"):
            yield from self.table(path)
            return
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                text = line.strip()
                if text and not text.startswith("#"):
                    yield {"url": text}

    def table(self, path: Path) -> Iterator[dict[str, str]]:
        import duckdb

        reads = "read_parquet(?)" if path.suffix.lower() == ".parquet" else READ_CSV
        connection = duckdb.connect(":memory:")
        try:
            found = connection.execute(f"SELECT * FROM {reads}", [str(path)])  # noqa: S608
            headings = [column[0] for column in found.description or ()]
            places = self.places(headings, path)
            while rows := found.fetchmany(BATCH):
                for row in rows:
                    yield {
                        role: text
                        for role, place in places.items()
                        if row[place] is not None and (text := str(row[place]).strip())
                    }
        except duckdb.Error as error:
            raise SourceProblem(
                "changed", f"{path} cannot be read as a table: {str(error).splitlines()[0]}"
            ) from None
        finally:
            connection.close()

    def places(self, headings: Sequence[str], path: Path) -> dict[str, int]:
        """Return which column plays which role. Raises SourceProblem without one for `url`."""
        folded = [heading.strip().casefold() for heading in headings]
        places = {}
        for role in ROLES:
            names = (self.columns[role].casefold(),) if role in self.columns else NAMES[role]
            place = next((folded.index(name) for name in names if name in folded), None)
            if place is not None:
                places[role] = place
            elif role == "url" or role in self.columns:
                raise SourceProblem(
                    "changed",
                    f"{path} has no column {names[0]!r} for the {role}; it has "
                    f"{', '.join(headings)}. Say which one it is in [sources.urls] columns.",
                )
        return places


READ_CSV = "read_csv(?, header = true, all_varchar = true)"

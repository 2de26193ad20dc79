"""GBIF: photos that belong to records of living things.

Documentation: https://techdocs.gbif.org/en/openapi/v1/occurrence (300 a page, offset + limit at
most 100,000), https://www.gbif.org/terms, read 2026-11-24. A record's photos lie with its
publisher; each has a licence of its own, else the record's holds.
"""

from typing import ClassVar

from footwork.collecting.hits import Hit, Query, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, licence_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 100


class Media(Answer):
    type: str | None = None
    identifier: str | None = None
    title: str | None = None
    creator: str | None = None
    rightsHolder: str | None = None  # noqa: N815  the API's name
    license: str | None = None


class Occurrence(Answer):
    key: int
    media: tuple[Media, ...] = ()
    scientificName: str | None = None  # noqa: N815
    license: str | None = None


class Occurrences(Answer):
    offset: int
    endOfRecords: bool  # noqa: N815
    results: list[Occurrence]


class Gbif(Paged):
    about: ClassVar[About] = About(
        name="gbif",
        what="records of living things with photos",
        rate_per_s=1.0,
        limits="100 a page, 100,000 a query",
        licences="each photo's own: CC0, CC BY, CC BY-NC and others",
        terms_url="https://www.gbif.org/terms",
    )
    most: ClassVar[int] = 100_000

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://api.gbif.org").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        offset = int(cursor or 0)
        params = {
            "q": query.words,
            "mediaType": "StillImage",
            "limit": str(PER_PAGE),
            "offset": str(offset),
        }
        raw = await web.get_json(f"{self.url}/v1/occurrence/search", params=params)
        answer = read(Occurrences, raw, self.name)
        hits = [hit for item in answer.results for hit in self.hits(item, query)]
        following = offset + PER_PAGE
        done = answer.endOfRecords or following + PER_PAGE > self.most
        return Page(hits, len(answer.results), None if done else str(following))

    def hits(self, item: Occurrence, query: Query) -> list[Hit]:
        """Return a hit for each photo of a record; they share its page, so its fold."""
        return [
            Hit(
                source=self.name,
                query=query,
                image_url=url,
                page_url=f"https://www.gbif.org/occurrence/{item.key}",
                title=media.title or item.scientificName,
                author=media.creator or media.rightsHolder,
                licence=licence_of(said, licence_url),
                licence_url=licence_url,
            )
            for media in item.media
            if media.type in (None, "StillImage") and (url := address(media.identifier))
            for said in [media.license or item.license]
            for licence_url in [address(said)]
        ]

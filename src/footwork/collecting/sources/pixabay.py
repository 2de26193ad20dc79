"""Pixabay: only for those whom Pixabay has permitted it.

Documentation: https://pixabay.com/api/docs/ (3 to 200 a page, 500 a query, 100 requests in 60
seconds, answers to be kept for 24 hours; "Systematic mass downloads are not allowed"), read
2026-11-24. It takes its key as a parameter only.
"""

from typing import ClassVar

from footwork.collecting.hits import Hit, Query, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, key_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 100


class Photo(Answer):
    pageURL: str  # noqa: N815  the API's names
    largeImageURL: str  # noqa: N815
    tags: str = ""
    user: str | None = None


class Photos(Answer):
    totalHits: int  # noqa: N815
    hits: list[Photo]


class Pixabay(Paged):
    about: ClassVar[About] = About(
        name="pixabay",
        what="stock photos",
        needs="a key and Pixabay's permission",
        rate_per_s=1.0,
        limits="100 a page, 500 a query; 100 requests a minute",
        licences="the Pixabay content licence",
        terms_url="https://pixabay.com/api/docs/",
        forbidden="the API is made for real human requests; do not send lots of automated "
        "queries. Systematic mass downloads are not allowed",
        key="FOOTWORK_PIXABAY_KEY",
        key_page="https://pixabay.com/api/docs/",
    )
    most: ClassVar[int] = 500

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://pixabay.com").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        params = {
            "key": key_of(self.about),
            "q": query.words[:100],
            "lang": query.language or "en",
            "image_type": "photo",
            "per_page": str(PER_PAGE),
            "page": str(number),
        }
        answer = read(Photos, await web.get_json(f"{self.url}/api/", params=params), self.name)
        hits = [
            Hit(
                source=self.name,
                query=query,
                image_url=url,
                page_url=photo.pageURL,
                title=photo.tags or None,
                author=photo.user,
                licence="pixabay",
                licence_url="https://pixabay.com/service/license-summary/",
            )
            for photo in answer.hits
            if (url := address(photo.largeImageURL))
        ]
        more = number * PER_PAGE < answer.totalHits
        return Page(hits, len(answer.hits), str(number + 1) if more else None)

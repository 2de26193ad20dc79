"""Pexels: only for those whom Pexels has permitted it.

Documentation: https://www.pexels.com/api/documentation/ (80 a page; the key in the header
Authorization); the terms in short: https://help.pexels.com/hc/en-us/articles/900005880463, read
2026-11-24: no data sets and no training "unless you have explicit permission from Pexels".
"""

from typing import ClassVar

from footwork.collecting.hits import Hit, Query, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, key_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 80
LOCALES = {"en": "en-US", "ja": "ja-JP", "es": "es-ES", "fr": "fr-FR", "zh": "zh-CN"}


class Sizes(Answer):
    original: str
    large2x: str | None = None


class Photo(Answer):
    url: str
    width: int
    height: int
    photographer: str
    alt: str | None = None
    src: Sizes


class Photos(Answer):
    page: int
    photos: list[Photo]
    next_page: str | None = None


class Pexels(Paged):
    about: ClassVar[About] = About(
        name="pexels",
        what="stock photos",
        needs="a key and Pexels' permission",
        rate_per_s=0.05,
        limits="80 a page; 200 requests an hour, 20,000 a month",
        licences="the Pexels licence",
        terms_url="https://help.pexels.com/hc/en-us/articles/900005880463",
        forbidden="Don’t use the API to build datasets or train ML/AI models",
        key="FOOTWORK_PEXELS_KEY",
        key_page="https://www.pexels.com/api/new/",
    )
    most: ClassVar[int] = 8_000

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://api.pexels.com").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        params = {"query": query.words, "per_page": str(PER_PAGE), "page": str(number)}
        if query.language in LOCALES:
            params["locale"] = LOCALES[query.language]
        raw = await web.get_json(
            f"{self.url}/v1/search", params=params, headers={"Authorization": key_of(self.about)}
        )
        answer = read(Photos, raw, self.name)
        hits = [
            Hit(
                source=self.name,
                query=query,
                image_url=url,
                page_url=photo.url,
                title=photo.alt or None,
                author=photo.photographer,
                licence="pexels",
                licence_url="https://www.pexels.com/license/",
            )
            for photo in answer.photos
            if (url := address(photo.src.large2x or photo.src.original))
        ]
        return Page(hits, len(answer.photos), str(number + 1) if answer.next_page else None)

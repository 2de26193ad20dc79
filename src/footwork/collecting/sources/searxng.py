"""SearXNG: the user's own instance of the metasearch engine.

Documentation: https://docs.searxng.org/dev/search_api.html (403 for a format that is not
enabled), https://docs.searxng.org/admin/settings/settings_search.html, the fields of an image
result: searx/result_types/image.py; read 2026-11-24. It names no licences.
"""

import re
from typing import ClassVar

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, read
from footwork.collecting.sources.paging import web_address as address

RESOLUTION = re.compile(r"(\d+)\s*[x×*]\s*(\d+)")


class Result(Answer):
    url: str
    title: str | None = None
    img_src: str | None = None
    resolution: str | None = None
    author: str | None = None


class Results(Answer):
    results: list[Result]
    unresponsive_engines: tuple[tuple[str, ...], ...] = ()


class SearXNG(Paged):
    about: ClassVar[About] = About(
        name="searxng",
        what="your own SearXNG: general web search",
        needs="url of your instance in [sources.searxng]",
        rate_per_s=0.5,
        limits="what your instance and its engines allow",
        licences="not stated: the photos belong to whoever made them",
        terms_url="https://docs.searxng.org",
    )
    most: ClassVar[int] = 1_000

    def __init__(self, url: str | None = None) -> None:
        if not url:
            raise SourceProblem(
                "key",
                'searxng needs the address of your instance: [sources.searxng] url = "https://..." '
                "in footwork.toml. How to run one: https://docs.searxng.org/admin/",
            )
        self.url = url.rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        params = {
            "q": query.words,
            "categories": "images",
            "language": query.language or "all",
            "pageno": str(number),
            "format": "json",
        }
        try:
            raw = await web.get_json(f"{self.url}/search", params=params)
        except SourceProblem as problem:
            if "answers 403" in problem.reason:
                raise SourceProblem(
                    "refused",
                    f"searxng refuses JSON ({problem.reason}). Add json to search: formats: in "
                    "its settings.yml; if it is there, its limiter keeps this machine out.",
                ) from None
            raise
        answer = read(Results, raw, self.name)
        if number == 1 and not answer.results and answer.unresponsive_engines:
            names = ", ".join(sorted({engine[0] for engine in answer.unresponsive_engines}))
            raise SourceProblem(
                "limited", f"the engines behind searxng do not answer now: {names}. Try later."
            )
        hits = [hit for result in answer.results if (hit := self.hit(result, query))]
        return Page(hits, len(answer.results), str(number + 1))

    def hit(self, result: Result, query: Query) -> Hit | None:
        url = address(result.img_src)
        if url is None:
            return None
        size = RESOLUTION.search(result.resolution or "")
        return Hit(
            source=self.name,
            query=query,
            image_url=url,
            page_url=address(result.url),
            title=result.title,
            author=result.author or None,
            width=int(size[1]) if size else None,
            height=int(size[2]) if size else None,
        )

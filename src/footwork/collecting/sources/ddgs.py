"""General web search by the library ddgs, the original's own way; optional part `search`.

Documentation: https://github.com/deedy5/ddgs (README, section images()) and the package itself,
version 9.16, read 2026-11-24. ddgs asks the image search of DuckDuckGo, and Bing's where that
gives nothing, through its own client, which presents itself as a browser. That client only ever
talks to these two (or to `proxy`): what they find is fetched by our own guarded and truthful
one. It names no licences. An engine that refuses looks to ddgs like one that finds nothing, so
nothing on a first page is a problem to be told, not an end.
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from footwork.collecting.hits import Hit, Memory, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, read
from footwork.collecting.sources.paging import web_address as address
from footwork.errors import MissingExtra

BACKENDS = "duckduckgo,bing"
REGIONS = {"en": "us-en", "ja": "jp-jp", "es": "es-es", "fr": "fr-fr", "zh": "cn-zh"}
ANYWHERE = "wt-wt"
PAUSE_S = 2.0  # between pages: ddgs has no rate limit of its own


class Result(Answer):
    image: str
    url: str | None = None
    title: str | None = None
    width: int | str | None = None
    height: int | str | None = None


class Results(Answer):
    results: list[Result]


class Ddgs(Paged):
    about: ClassVar[About] = About(
        name="ddgs",
        what="general web search: DuckDuckGo, else Bing",
        needs="the optional part footwork[search]",
        rate_per_s=1 / PAUSE_S,
        limits="up to 100 a page; the engines slow down or refuse those who ask much",
        licences="not stated: the photos belong to whoever made them",
        terms_url="https://duckduckgo.com/terms",
        extra="search",
    )
    most: ClassVar[int] = 500

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca: Path | None = None,
        backend: str = BACKENDS,
        pause_s: float = PAUSE_S,
        timeout_s: int = 20,
    ) -> None:
        self._proxy, self._ca, self._backend = proxy, ca, backend
        self._pause_s, self._timeout_s = pause_s, timeout_s

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        request = json.dumps([self.name, self._backend, query.language, query.words, number])
        ask = partial(self.slowly, query, number)
        raw = await (web.once(request, ask) if isinstance(web, Memory) else ask())
        results = read(Results, {"results": raw}, self.name).results
        hits = [hit for result in results if (hit := self.hit(result, query))]
        return Page(hits, len(results), str(number + 1))

    async def slowly(self, query: Query, number: int) -> Sequence[object]:
        if number > 1:
            await asyncio.sleep(self._pause_s)
        return await asyncio.to_thread(self.ask, query, number)

    def ask(self, query: Query, number: int) -> Sequence[object]:
        """Return one page of results as ddgs gives them; blocks. [] at the end."""
        try:
            from ddgs import DDGS
            from ddgs.exceptions import DDGSException, TimeoutException
        except ImportError:
            raise SourceProblem("key", str(MissingExtra("search", "ddgs"))) from None
        verify = str(self._ca) if self._ca else True
        engine = DDGS(proxy=self._proxy, timeout=self._timeout_s, verify=verify)
        try:
            return engine.images(
                query.words,
                region=REGIONS.get(query.language, ANYWHERE),
                page=number,
                max_results=None,
                backend=self._backend,
            )
        except TimeoutException:
            raise SourceProblem(
                "unreachable", f"ddgs had no answer within {self._timeout_s} s. Try again later."
            ) from None
        except DDGSException as error:
            if number > 1 and "No results" in str(error):
                return []
            raise problem(error) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceProblem(
                "changed",
                f"ddgs cannot read what {self._backend} answers ({type(error).__name__}). "
                "pip install --upgrade ddgs, and collect from the other sources meanwhile.",
            ) from None

    def hit(self, result: Result, query: Query) -> Hit | None:
        url = address(result.image)
        if url is None:
            return None
        return Hit(
            source=self.name,
            query=query,
            image_url=url,
            page_url=address(result.url),
            title=result.title,
            width=whole(result.width),
            height=whole(result.height),
        )


def problem(error: Exception) -> SourceProblem:
    """Say what ddgs' only kind of error means; its text names the cause."""
    said = str(error)
    if "No results" in said:
        return SourceProblem(
            "refused",
            "ddgs found nothing. Search engines also answer so when they have had too many "
            "questions: try again later, or take [sources.searxng].",
        )
    if "ConnectError" in said or "dns" in said.lower():
        return SourceProblem("unreachable", "ddgs reached no search engine: no network?")
    return SourceProblem(
        "changed",
        f"ddgs cannot make out what the search engines answer ({said[:120]}). "
        "pip install --upgrade ddgs, and collect from the other sources meanwhile.",
    )


def whole(said: int | str | None) -> int | None:
    text = str(said or "")
    return int(text) if text.isdecimal() else None

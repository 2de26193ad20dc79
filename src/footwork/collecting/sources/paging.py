"""What the sources share: pages with an end, typed answers, keys, what a source says of itself."""

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from footwork.collecting import licences
from footwork.collecting.hits import Hit, Query, SourceProblem, Web

NO_NEWS = 3  # pages in a row without a new photo, after which a source has no more
Shape = TypeVar("Shape", bound="Answer")


@dataclass(frozen=True)
class About:
    """What a source needs and allows. rate_per_s: requests that its API is sent at most.

    key: the environment variable of its key, and key_page where to get one. forbidden: the
    sentence of its terms that rules out training, where there is one. extra: the optional part
    of footwork that it needs. seen: when its pages were read.
    """

    name: str
    what: str
    needs: str = "nothing"
    rate_per_s: float = 1.0
    limits: str = ""
    licences: str = ""
    terms_url: str = ""
    forbidden: str | None = None
    key: str | None = None
    key_page: str = ""
    extra: str | None = None
    seen: str = "2026-11-24"

    def refusal(self) -> SourceProblem:
        return SourceProblem(
            "terms",
            f"{self.name} is not collected from, for its terms forbid it: "
            f'"{self.forbidden}" ({self.terms_url}, read {self.seen}).',
        )


class Answer(BaseModel):
    """Base of what an API answers: the fields that are used; others may come and go."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True)
class Page:
    """One answer. items: how many things it held, usable or not. following: the next cursor."""

    hits: Sequence[Hit]
    items: int
    following: str | None


class Paged(ABC):
    """A source that is searched by words, page by page. most: hits that one query can have."""

    about: ClassVar[About]
    most: ClassVar[int]

    @property
    def name(self) -> str:
        return self.about.name

    def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
        return planned

    @abstractmethod
    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        """Return one page. cursor: None for the first."""

    async def search(self, query: Query, web: Web, *, limit: int) -> AsyncIterator[Hit]:
        """Yield at most `limit` hits. Ends at an empty page, a cursor or photos seen before."""
        limit = min(limit, self.most)
        cursor: str | None = None
        cursors: set[str] = set()
        urls: set[str] = set()
        stale = 0
        while len(urls) < limit and stale < NO_NEWS:
            page = await self.page(query, web, cursor)
            stale += 1
            for hit in page.hits:
                if hit.image_url in urls or len(urls) == limit:
                    continue
                urls.add(hit.image_url)
                stale = 0
                yield hit
            cursor = page.following
            if not page.items or cursor is None or cursor in cursors:
                return
            cursors.add(cursor)


def read(shape: type[Shape], answer: object, source: str) -> Shape:
    """Return the answer in its documented form. Raises SourceProblem "changed" for another."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in wrong["loc"]) or "the whole answer"
        raise SourceProblem(
            "changed",
            f"{source} has changed: {place} is not as its documentation says ({wrong['msg']}). "
            "Look for a newer footwork, and collect from the other sources meanwhile.",
        ) from None


def key_of(about: About) -> str:
    """Return the key from its environment variable. Raises SourceProblem "key" without one."""
    key = os.environ.get(about.key or "", "").strip()
    if not key:
        raise SourceProblem(
            "key",
            f"{about.name} needs a key: set the environment variable {about.key}. "
            f"Get one at {about.key_page}",
        )
    return key


def licence_of(said: str | None, url: str | None = None) -> str | None:
    """Return the licence's short name, None where the source says nothing.

    said may be an address, too: some sources name a licence by its page only.
    """
    name = licences.normal(said, url or web_address(said))
    return None if name == licences.UNKNOWN else name


def web_address(url: str | None) -> str | None:
    """Return an http(s) address, with the scheme that '//host/...' lacks; None for others."""
    if url is None:
        return None
    url = url.strip()
    if url.startswith("//"):
        url = f"https:{url}"
    return url if url.lower().startswith(("http://", "https://")) else None

"""What a source is asked, what it answers, and what can be wrong with it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

Trouble = Literal["changed", "key", "refused", "limited", "unreachable", "terms"]


@dataclass(frozen=True)
class Query:
    """Search words for a class in a language (two letters, as in footwork.toml)."""

    class_name: str
    language: str
    words: str


@dataclass(frozen=True)
class Hit:
    """One photo that a source offers. image_url: where its bytes are.

    group: what may not be split between folds (a video, say), beyond page and author. licence: a
    short name in lower case ("by-sa", "cc0", "pdm", "by-nc-nd"), None where the source does
    not say. width, height: as the source says, in pixels. size: bytes, likewise. data: the
    photo itself where a source makes it (a frame of a local video): nothing is to be fetched,
    and image_url only names it ("video:<sha256>#t=12.5").
    """

    source: str
    query: Query
    image_url: str
    page_url: str | None = None
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = None
    group: str | None = None
    data: bytes | None = field(default=None, repr=False)


class SourceProblem(Exception):
    """A source cannot go on; the other ones can. `reason` says why and what to do.

    trouble: "changed": it answers in another form than its documentation; "key": a key is
    missing or refused; "refused": it says no; "limited": its rate limit is used up;
    "unreachable": no connection; "terms": its terms forbid this use.
    """

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.trouble: Trouble = trouble
        self.reason = reason


class Web(Protocol):
    """How a source asks its API: guarded, polite and in our name. See `collecting.web`."""

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """Return the parsed JSON answer; raises SourceProblem with the fitting trouble.

        Secrets go into `headers` or `params`; they are in no message, log or row.
        """
        ...


@runtime_checkable
class Memory(Protocol):
    """A Web that remembers answers until the running collection is finished.

    `get_json` of such a Web asks nothing twice by itself; a source that asks in another way (by
    a library of its own) asks through `once`.
    """

    async def once(self, request: str, ask: Callable[[], Awaitable[object]]) -> object:
        """Return what `ask` answered to this request, now or before. It must be plain JSON."""
        ...


class Source(Protocol):
    """One place that is searched. Made from its settings in [sources] of footwork.toml."""

    @property
    def name(self) -> str: ...

    def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
        """Return the queries to search for: all that are planned, as a rule.

        A source that is not searched by words (a list of URLs, a video) answers one per class.
        """
        ...

    def search(self, query: Query, web: Web, *, limit: int) -> AsyncIterator[Hit]:
        """Yield at most `limit` hits, page by page; stops where the source has no more.

        Raises SourceProblem. An empty page or a cursor seen before ends it.
        """
        ...

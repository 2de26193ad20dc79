"""One collection: every query to every source, every photo that may be fetched, all written down.

Sources are asked beside each other, the queries of one source one after another. What an API
answers is remembered until the collection is finished, and a photo is remembered for good, so a
collection that was killed goes on without asking again for what it has.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from footwork.catalog import Catalog
from footwork.collecting.hits import Hit, Query, Source, SourceProblem, Trouble, Web
from footwork.collecting.keep import CHANNELS, Answer, Keeper
from footwork.collecting.ledger import Asked, Ended, Fetched, Ledger, Outcome
from footwork.collecting.plan import Course
from footwork.collecting.remembering import Remembering
from footwork.errors import EnvironmentProblem, FootworkError
from footwork.progress import Tell

AHEAD = 300  # photos of one source under way or waiting for their host
NOTED = 20  # hits per transaction, at least: photos are fetched while the search goes on
NOTED_S = 0.1  # since the last transaction: a list of a million URLs does not flush 50,000 times
BATCH = 200  # photos or hits per transaction, at most: fewer where they come in slower
GROUP = 16  # photos that one thread takes at once, as long as they are small
GROUP_BYTES = 2_000_000
FOR_ALL: tuple[Trouble, ...] = ("key", "terms")  # troubles of a source, not of a query
PASSING: tuple[Trouble, ...] = ("limited", "unreachable")
GIVE_UP = 2  # queries in a row that fail before a source is left alone
HELD = 48_000_000  # bytes of photos that wait to be decoded

Fetch = Callable[[Sequence[Hit]], Awaitable[None]]
Item = TypeVar("Item")


class Fetching(Protocol):
    """How photos are fetched: guarded and polite. Never raises for what one address does."""

    async def photo(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Answer: ...


@dataclass(frozen=True)
class SourceResult:
    """What one source did in this collection.

    searches: queries that were asked to the end, or were in an earlier try; hits: photos it
    offered; fetched: addresses that were asked now; new: images that the catalog had not.
    """

    name: str
    searches: int
    hits: int
    fetched: int
    new: int
    size: int
    trouble: Trouble | None
    reason: str | None


@dataclass(frozen=True)
class Collected:
    """What one `collect` did.

    resumed: it went on with one that was broken off. new: images that the catalog had not; known:
    addresses whose photo was here already and was not asked for, or had not changed; left_out,
    failed: reasons and how many photos they concern, most first.
    """

    collection: int
    resumed: bool
    finished: bool
    sources: tuple[SourceResult, ...]
    new: int
    known: int
    left_out: tuple[tuple[str, int], ...]
    failed: tuple[tuple[str, int], ...]


@dataclass
class UnderWay:
    """One source of the plan, and how far it is."""

    plan: Course
    problem: SourceProblem | None
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AHEAD))
    searches: int = 0
    hits: int = 0
    wanted: int = 0
    done: int = 0
    new: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        return self.plan.name


class Collector:
    """One collection under way; used once."""

    def __init__(
        self,
        catalog: Catalog,
        keeper: Keeper,
        plan: Sequence[Course],
        *,
        tell: Tell,
    ) -> None:
        self.ledger = Ledger(catalog)
        self.keeper = keeper
        self.tell = tell
        self.courses = [UnderWay(course, course.problem) for course in plan]
        self.collection, self.resumed = self.ledger.begin(asked_by(plan))
        self.ended = self.ledger.ended(self.collection)
        self.known = 0
        self._seen: set[str] = set()
        self._answers: asyncio.Queue[Answered | None] = asyncio.Queue()
        self._results: asyncio.Queue[Result | None] = asyncio.Queue()
        self._held = 0
        self._light = asyncio.Event()
        self._light.set()
        self._pool = ThreadPoolExecutor(CHANNELS)

    async def run(self, web: Web, fetching: Fetching) -> None:
        """Work until every source has ended. What was fetched is written down, come what may."""
        remembering = Remembering(web, self.ledger, self.collection)
        try:
            async with asyncio.TaskGroup() as whole:
                writing = whole.create_task(self.write())
                try:
                    async with asyncio.TaskGroup() as keeping:
                        for _ in range(CHANNELS):
                            keeping.create_task(self.keep())
                        async with asyncio.TaskGroup() as tasks:
                            for course in self.courses:
                                if (source := course.plan.source) is not None:
                                    work = self.follow(course, source, remembering, fetching)
                                    tasks.create_task(work)
                        for _ in range(CHANNELS):
                            self._answers.put_nowait(None)
                finally:
                    self._results.put_nowait(None)
                    await asyncio.wait([writing])
        except BaseExceptionGroup as group:
            # Not `except*`: early 3.11 puts what is raised inside one into a group again.
            ours, others = group.split(FootworkError)
            if ours is None or others is not None:
                raise
            raise first_of(ours) from None
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self.finished:
            self.ledger.finish(self.collection)

    @property
    def finished(self) -> bool:
        """Whether nothing is left for another run to ask again."""
        return not any(passing(course.problem) for course in self.courses)

    async def follow(self, course: UnderWay, source: Source, web: Web, fetching: Fetching) -> None:
        """Ask one source all its queries, and fetch what it offers meanwhile."""
        async with asyncio.TaskGroup() as photos:

            async def fetch(hits: Sequence[Hit]) -> None:
                await self.take(course, hits, fetching, photos)

            await fetch(self.ledger.waiting(self.collection, course.name))
            failures = 0
            for query in course.plan.queries:
                ended = self.ended.get((course.name, query))
                if ended is None:
                    ended = await self.search(course, source, query, web, fetch)
                    self.ledger.end(self.collection, (course.name, query), ended)
                course.hits += ended.hits
                if ended.trouble is None:
                    course.searches += 1
                    failures = 0
                    continue
                failures += 1
                if ended.trouble in FOR_ALL or failures == GIVE_UP:
                    break

    async def search(
        self, course: UnderWay, source: Source, query: Query, web: Web, fetch: Fetch
    ) -> Ended:
        """Ask one query to its end; its hits are written down a few at a time."""
        hits: list[Hit] = []
        count, noted = 0, time.monotonic()
        try:
            async for hit in source.search(query, web, limit=course.plan.limit):
                hits.append(hit)
                count += 1
                due = len(hits) >= NOTED and time.monotonic() > noted + NOTED_S
                if due or len(hits) == BATCH:
                    await fetch(hits)
                    hits, noted = [], time.monotonic()
        except SourceProblem as problem:
            course.problem = problem
        except (FootworkError, asyncio.CancelledError):
            raise
        except Exception as error:  # an adapter's own mistake ends no other source
            course.problem = SourceProblem(
                "changed", f"{course.name} failed with {type(error).__name__}"
            )
        else:
            await fetch(hits)
            return Ended(count, None, None)
        await fetch(hits)
        return Ended(count, course.problem.trouble, course.problem.reason)

    async def take(
        self, course: UnderWay, hits: Sequence[Hit], fetching: Fetching, photos: asyncio.TaskGroup
    ) -> None:
        """Write hits down and start fetching those that are wanted and not here yet."""
        if not hits:
            return
        judged = [(hit, self.keeper.left_out(hit)) for hit in hits]
        await asyncio.to_thread(self.ledger.note, self.collection, judged)
        wanted = {
            hit.image_url: hit
            for hit, out in judged
            if out is None and hit.image_url not in self._seen
        }
        self._seen |= wanted.keys()
        before = self.ledger.fetched(list(wanted))
        for url, hit in wanted.items():
            known = before.get(url)
            if known is not None and not self.is_due(known):
                self.known += known.sha256 is not None
                continue
            course.wanted += 1
            await course.room.acquire()
            photos.create_task(self.get(course, hit, known, fetching))
        self.shown(course)

    def is_due(self, known: Fetched) -> bool:
        """Whether an address that was asked before is asked again: in a later collection, if its
        server can say "as before" or the reason why it failed may be gone.
        """
        if known.collection == self.collection:
            return False
        return known.passing if known.sha256 is None else bool(known.etag or known.last_modified)

    async def get(
        self, course: UnderWay, hit: Hit, known: Fetched | None, fetching: Fetching
    ) -> None:
        """Fetch one photo; a fault of the address is an answer like any other."""
        try:
            await self._light.wait()
            answer = await self.answer(hit, known, fetching)
            size = len(answer.data or b"")
            self.hold(size)
            course.size += size
            self._answers.put_nowait(Answered(course, hit.image_url, answer, size))
        finally:
            course.room.release()

    async def keep(self) -> None:
        """Keep what was fetched, as many at once as have come in: waking a thread for each, and
        the loop when it is done, would take as long as the work.
        """
        loop = asyncio.get_running_loop()
        last = False
        while not last:
            group, last = await drained(self._answers, is_large)
            if not group:
                return
            photos = [(item.url, item.answer) for item in group if not item.answer.as_before]
            work = loop.run_in_executor(self._pool, self.keeper.kept, photos)
            try:
                await asyncio.wait([work])
            finally:  # cancelled or not: what is stored gets its rows
                self.hand_on(group, iter(await work))

    def hand_on(
        self, group: Sequence["Answered"], outcomes: Iterator[Outcome | EnvironmentProblem]
    ) -> None:
        """Have written down what became of them. Raises the first problem, after the others."""
        problem = None
        for item in group:
            outcome = None if item.answer.as_before else next(outcomes)
            if isinstance(outcome, EnvironmentProblem):
                problem = problem or outcome
            else:
                self._results.put_nowait(Result(item.course, item.url, outcome))
            self.hold(-item.size)
            item.answer.free()
        if problem is not None:
            raise problem

    async def answer(self, hit: Hit, known: Fetched | None, fetching: Fetching) -> Answer:
        if hit.data is not None:
            return Answer(hit.data)
        if known is None or known.sha256 is None:
            return await fetching.photo(hit.image_url)
        return await fetching.photo(
            hit.image_url, etag=known.etag, last_modified=known.last_modified
        )

    def hold(self, size: int) -> None:
        """Count bytes that wait to be decoded; above HELD, no further photo is begun."""
        self._held += size
        if self._held > HELD:
            self._light.clear()
        else:
            self._light.set()

    async def write(self) -> None:
        """Write results down, as many at once as have come in since the last time."""
        last = False
        while not last:
            batch, last = await drained(self._results, lambda batch: len(batch) == BATCH)
            if not batch:
                return
            outcomes = [item.outcome for item in batch if item.outcome is not None]
            same = [item.url for item in batch if item.outcome is None]
            new = await asyncio.to_thread(self.record, outcomes, same)
            for item in batch:
                self.count(item, new)

    def record(self, outcomes: Sequence[Outcome], same: Sequence[str]) -> set[str]:
        """First the files, then the rows that speak of them."""
        self.keeper.flush(outcomes)
        return self.ledger.record(self.collection, outcomes, same)

    def count(self, item: "Result", new: set[str]) -> None:
        course, outcome = item.course, item.outcome
        course.done += 1
        if outcome is None:
            self.known += 1
        elif outcome.image is not None and outcome.image.sha256 in new:
            new.discard(outcome.image.sha256)
            course.new += 1
        self.shown(course)

    def shown(self, course: UnderWay) -> None:
        self.tell(course.name, course.done, course.wanted, course.size)

    def result(self) -> Collected:
        left_out, failed = self.ledger.reasons(self.collection)
        return Collected(
            collection=self.collection,
            resumed=self.resumed,
            finished=self.finished,
            sources=tuple(
                SourceResult(
                    name=c.name,
                    searches=c.searches,
                    hits=c.hits,
                    fetched=c.done,
                    new=c.new,
                    size=c.size,
                    trouble=c.problem.trouble if c.problem else None,
                    reason=c.problem.reason if c.problem else None,
                )
                for c in self.courses
            ),
            new=sum(c.new for c in self.courses),
            known=self.known,
            left_out=left_out,
            failed=failed,
        )


@dataclass(frozen=True)
class Answered:
    """What an address answered, and how many bytes are held for it."""

    course: UnderWay
    url: str
    answer: Answer
    size: int


@dataclass(frozen=True)
class Result:
    """What became of one address. outcome: None where it is as it was."""

    course: UnderWay
    url: str
    outcome: Outcome | None


async def drained(
    queue: asyncio.Queue[Item | None], full: Callable[[list[Item]], bool]
) -> tuple[list[Item], bool]:
    """Wait for an item and take what else has come in, until that is enough. Also returns whether
    the queue has ended, which None says.
    """
    items: list[Item] = []
    item = await queue.get()
    while item is not None:
        items.append(item)
        if full(items) or queue.empty():
            return items, False
        item = queue.get_nowait()
    return items, True


def is_large(group: Sequence[Answered]) -> bool:
    return len(group) == GROUP or sum(item.size for item in group) >= GROUP_BYTES


def asked_by(plan: Sequence[Course]) -> list[Asked]:
    return [Asked(course.name, query, course.limit) for course in plan for query in course.queries]


def passing(problem: SourceProblem | None) -> bool:
    return problem is not None and problem.trouble in PASSING


def first_of(group: BaseExceptionGroup[FootworkError]) -> FootworkError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, FootworkError)  # noqa: S101
    return error

"""How hosts are treated, measured where it counts: by the servers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web as aiohttp_web

from footwork.collecting import politeness
from footwork.collecting.fetch import Photos
from footwork.collecting.keep import Answer
from footwork.collecting.politeness import Host, LeftForLater, Memory, Room, retry_after
from footwork.collecting.web import open_web
from footwork.project import FetchSettings
from hostile_server import JPEG

Handler = Callable[[aiohttp_web.BaseRequest], aiohttp_web.Response | None]


class Watch:
    """A server that notes when it is asked what, and how many ask at once."""

    def __init__(self, answer: Handler | None = None, takes_s: float = 0.0) -> None:
        self.answer = answer
        self.takes_s = takes_s
        self.times: list[float] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.now = 0
        self.most = 0
        self.port = 0

    async def handle(self, request: aiohttp_web.BaseRequest) -> aiohttp_web.Response:
        self.times.append(time.monotonic())
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.takes_s)
        self.now -= 1
        answer = self.answer(request) if self.answer is not None else None
        if answer is not None:
            return answer
        if request.path.endswith((".txt", ".json")):
            return aiohttp_web.Response(status=404)
        return aiohttp_web.Response(body=JPEG, headers={"ETag": '"v1"'})

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Watch"]:
        runner = aiohttp_web.ServerRunner(aiohttp_web.Server(self.handle))
        await runner.setup()
        site = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


def fetch(
    watch: Watch, paths: Sequence[str], settings: FetchSettings, etag: str | None = None
) -> list[Answer]:
    """Fetch all paths of the server at once."""

    async def run() -> list[Answer]:
        async with watch.open():
            allowed = settings.model_copy(update={"allow_addresses": (f"127.0.0.1:{watch.port}",)})
            async with open_web(allowed) as web:
                photos = Photos(web)
                base = f"http://127.0.0.1:{watch.port}"
                return await asyncio.gather(*[photos.photo(base + p, etag=etag) for p in paths])

    return asyncio.run(run())


def in_any_second(times: Sequence[float]) -> int:
    return max(sum(start <= t < start + 1 for t in times) for start in times)


def test_the_rate_is_kept() -> None:
    """robots.txt counts too. Pauses that were missed are not made up for."""
    watch = Watch()
    answers = fetch(watch, [f"/{n}.jpg" for n in range(30)], FetchSettings(rate_per_host=20))

    assert all(answer.data for answer in answers)
    assert len(watch.times) == 32
    assert in_any_second(watch.times) <= 21  # 20 gaps of 50 ms make a second; 1 for its two ends
    assert watch.times[-1] - watch.times[0] >= 31 * 0.05 - 0.02


def test_connections_per_host_are_kept() -> None:
    watch = Watch(takes_s=0.05)
    settings = FetchSettings(rate_per_host=10_000, connections_per_host=3)
    fetch(watch, [f"/{n}.jpg" for n in range(30)], settings)

    assert watch.most == 3


def test_connections_in_all_are_kept() -> None:
    """Two names of one server: two hosts."""
    watch = Watch(takes_s=0.05)

    async def run() -> None:
        async def resolve(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        async with watch.open():
            settings = FetchSettings(
                rate_per_host=10_000,
                connections_per_host=4,
                connections=6,
                allow_addresses=(f"127.0.0.1:{watch.port}",),
            )
            async with open_web(settings, resolve=resolve) as web:
                photos = Photos(web)
                urls = [f"http://h{n % 5}.test:{watch.port}/{n}.jpg" for n in range(40)]
                answers = await asyncio.gather(*[photos.photo(url) for url in urls])
                assert all(answer.data for answer in answers)

    asyncio.run(run())
    assert watch.most == 6


def test_the_rate_of_a_host_is_kept_where_connections_are_scarce() -> None:
    """A slow host holds the only connection; the others' requests must not leave in a heap."""
    slow, watch = Watch(takes_s=0.4), Watch()

    async def run() -> None:
        async with slow.open(), watch.open():
            settings = FetchSettings(
                rate_per_host=20,
                connections_per_host=8,
                connections=1,
                allow_addresses=(f"127.0.0.1:{slow.port}", f"127.0.0.1:{watch.port}"),
            )
            async with open_web(settings) as web:
                photos = Photos(web)
                await photos.photo(f"http://127.0.0.1:{watch.port}/robots-known.jpg")
                first = asyncio.create_task(photos.photo(f"http://127.0.0.1:{slow.port}/a.jpg"))
                await asyncio.sleep(0.1)
                urls = [f"http://127.0.0.1:{watch.port}/{n}.jpg" for n in range(8)]
                await asyncio.gather(first, *[photos.photo(url) for url in urls])

    asyncio.run(run())
    gaps = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)]
    assert len(gaps) == 10
    assert min(gaps) >= 0.04


def test_robots_refusal_means_no_request() -> None:
    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        if request.path == "/robots.txt":
            return aiohttp_web.Response(text="User-agent: *\nDisallow: /private/")
        return None

    watch = Watch(answer)
    refused, taken = fetch(
        watch, ["/private/a.jpg", "/public/a.jpg"], FetchSettings(rate_per_host=1000)
    )

    assert refused.reason == "robots: the robots.txt of its host does not allow it"
    assert taken.data == JPEG
    assert watch.paths.count("/robots.txt") == 1
    assert "/private/a.jpg" not in watch.paths


def test_crawl_delay_is_obeyed() -> None:
    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        if request.path == "/robots.txt":
            return aiohttp_web.Response(text="User-agent: *\nCrawl-delay: 0.3\nDisallow:")
        return None

    watch = Watch(answer)
    fetch(watch, ["/a.jpg", "/b.jpg"], FetchSettings(rate_per_host=1000))

    gaps = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.28


@pytest.mark.parametrize("in_words", [False, True])
def test_retry_after_is_obeyed_by_the_whole_host(in_words: bool) -> None:
    """While one photo waits, no other asks either."""
    refused: list[float] = []

    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        if request.path == "/a.jpg" and not refused:
            refused.append(time.monotonic())
            until = datetime.now(UTC) + timedelta(seconds=2)
            value = format_datetime(until, usegmt=True) if in_words else "1"
            return aiohttp_web.Response(status=429, headers={"Retry-After": value})
        return None

    watch = Watch(answer)
    settings = FetchSettings(rate_per_host=50, connections_per_host=1)
    answers = fetch(watch, [f"/{name}.jpg" for name in "abcdef"], settings)

    assert all(answer.data for answer in answers)
    after = [t for t in watch.times if t > refused[0]]
    assert min(after) - refused[0] >= 0.95


def test_a_host_that_asks_for_too_long_a_pause_is_left_for_later() -> None:
    """And the rest of its photos say so, without asking."""

    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        if request.path.endswith(".jpg"):
            return aiohttp_web.Response(status=503, headers={"Retry-After": "3600"})
        return None

    watch = Watch(answer)
    settings = FetchSettings(rate_per_host=1000, connections_per_host=1)
    answers = fetch(watch, [f"/{n}.jpg" for n in range(20)], settings)

    assert all(answer.passing for answer in answers)
    assert sum((answer.reason or "").startswith("busy: ") for answer in answers) == 1
    assert {(answer.reason or "").partition(":")[0] for answer in answers} == {"busy", "later"}
    assert sum(path.endswith(".jpg") for path in watch.paths) == 1


def test_back_off_doubles_with_jitter_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(politeness, "BACK_OFF_S", 0.1)

    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        return aiohttp_web.Response(status=503) if request.path.endswith(".jpg") else None

    watch = Watch(answer)
    (answer_,) = fetch(watch, ["/a.jpg"], FetchSettings(rate_per_host=1000))

    first, second = watch.times[-2] - watch.times[-3], watch.times[-1] - watch.times[-2]
    assert answer_.reason == "busy: its server answers 503"
    assert 0.05 <= first < 0.3
    assert 0.1 <= second < 0.5
    assert watch.paths.count("/a.jpg") == 3


def test_a_dead_host_is_not_waited_for_again_and_again() -> None:
    host = Host(1000, 4, 120)

    async def run() -> None:
        for _ in range(politeness.STRIKES):
            async with host.connection():
                host.struck()
        with pytest.raises(LeftForLater, match="6 times in a row"):
            async with host.connection():
                pass

    asyncio.run(run())


def test_what_is_known_is_asked_for_by_its_etag() -> None:
    def answer(request: aiohttp_web.BaseRequest) -> aiohttp_web.Response | None:
        known = request.headers.get("If-None-Match") == '"v1"'
        return aiohttp_web.Response(status=304) if known else None

    watch = Watch(answer)
    (first,) = fetch(watch, ["/a.jpg"], FetchSettings())
    (second,) = fetch(watch, ["/a.jpg"], FetchSettings(), etag=first.etag)

    assert (first.data, first.etag) == (JPEG, '"v1"')
    assert second.as_before
    assert second.data is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 5_000, 999_999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thu, 99 Foo 1970 00:00:01 GMT", None),
    ],
)
def test_retry_after_header(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 40.0) == seconds


def test_memory_is_given_in_turn_and_never_exceeded() -> None:
    async def run() -> tuple[int, list[int]]:
        memory = Memory(100)
        held, most = 0, 0
        order: list[int] = []

        async def use(number: int, size: int) -> None:
            nonlocal held, most
            room = Room(memory)
            await room.reserve(size)
            await room.reserve(size)  # its share is its share
            order.append(number)
            held += min(size, 100)
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= min(size, 100)
            room.free()
            room.free()

        sizes = [60, 60, 10, 1_000, 30, 30, 90, 5]
        await asyncio.gather(*[use(n, size) for n, size in enumerate(sizes)])
        return most, order

    most, order = asyncio.run(run())
    assert most <= 100
    assert order == sorted(order)

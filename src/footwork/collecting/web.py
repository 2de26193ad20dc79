"""The web as sources and photos see it: guarded, polite, in our own name.

One `HttpWeb` holds all connections of a run. Every request, robots.txt included, passes the
guard, waits for its host's turn, and has limits on bytes and time. Nothing is decompressed,
redirected, stored as a cookie or sent through a proxy behind our back.
"""

import asyncio
import contextlib
import io
import json
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from footwork import __version__
from footwork.collecting.guard import Forbidden, Guard, Resolve
from footwork.collecting.hits import SourceProblem, Trouble
from footwork.collecting.keep import nothing
from footwork.collecting.politeness import (
    Hosts,
    LeftForLater,
    Limits,
    Memory,
    Room,
    retry_after,
)
from footwork.collecting.problems import NotNow, Problem, redacted, said
from footwork.errors import EnvironmentProblem
from footwork.project import FetchSettings

BUSY = {429, 500, 502, 503, 504}  # answers after which the same question may do
MOVED = {301, 302, 303, 307, 308}
TRIES = 3
FREE = 256 * 1024  # bytes that any answer may hold; more is reserved first
HELD = 96 * 1024**2  # bytes of larger answers that are held at once
CHUNK = 64 * 1024
JSON_BYTES = 16 * 1024**2
HEADER_BYTES = 16 * 1024
TROUBLES: dict[str, Trouble] = {
    "address": "refused",
    "later": "limited",
    "busy": "limited",
    "refused": "refused",
    "dns": "unreachable",
    "connection": "unreachable",
    "tls": "unreachable",
    "timeout": "unreachable",
    "server error": "unreachable",
}


@dataclass(frozen=True)
class Reply:
    """One answer. url: where it came from in the end. free: see `Wish.holds`."""

    url: URL
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    free: Callable[[], None] = nothing


@dataclass(frozen=True)
class Wish:
    """What is asked for, and what is taken. accept: looks at status and headers, may raise
    Problem; glimpse: likewise at the first bytes of the body. statuses: those whose body is read.
    holds: the body counts as held until `Reply.free` is called, not only until it is here.
    """

    headers: Mapping[str, str]
    max_bytes: int
    statuses: frozenset[int] = frozenset((200,))
    accept: Callable[[aiohttp.ClientResponse], None] | None = None
    glimpse: Callable[[bytes], None] | None = None
    cut: bool = False  # too much is cut off instead of refused
    holds: bool = False


Gate = Callable[[URL], Awaitable[None]]  # raises Problem if that URL is not to be asked


class HttpWeb:
    """Made by `open_web`; used in one event loop."""

    def __init__(
        self, settings: FetchSettings, guard: Guard, hosts: Hosts, session: aiohttp.ClientSession
    ) -> None:
        self.settings = settings
        self.guard = guard
        self.hosts = hosts
        self.threads = ThreadPoolExecutor(2, "fetch")
        self._session = session
        self._memory = Memory(HELD)

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """See `hits.Web`. A documented API is not crawled: robots.txt does not apply to it."""
        told = redacted(url)
        wish = Wish(
            {"Accept": "application/json", "Accept-Encoding": "gzip", **(headers or {})},
            JSON_BYTES,
            frozenset((200, 400, 401, 403)),
        )
        try:
            target = self.guard.checked(url)
            target = self.guard.checked(target.update_query(params or {}))
            reply = await self.follow(target, wish, api=True)
        except Forbidden as error:
            raise SourceProblem("refused", f"{told}: {error.reason}") from None
        except Problem as problem:
            trouble = TROUBLES.get(problem.kind, "changed")
            raise SourceProblem(trouble, f"{told}: {problem.sentence}") from None
        if reply.status != 200:
            raise SourceProblem(status_trouble(reply), f"{told} answers {reply.status}")
        try:
            return await self.in_thread(json.loads, reply.body)
        except (ValueError, RecursionError):
            kind = reply.headers.get("Content-Type", "nothing")[:40]
            raise SourceProblem("changed", f"{told} answers no JSON but {kind}") from None

    async def in_thread(self, work: Callable[[bytes], object], data: bytes) -> object:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, data)

    async def follow(
        self, address: str | URL, wish: Wish, *, gate: Gate | None = None, api: bool = False
    ) -> Reply:
        """Ask, and follow redirects one by one; each is checked like the first. Raises Problem.

        api: its own rate counts too, and no redirect leaves the host, which would be told the key.
        """
        asked: set[URL] = set()
        while True:
            try:
                url = self.guard.checked(address)
            except Forbidden as error:
                if asked:
                    raise Problem(
                        "redirect", f"it redirects to what is closed: {error.reason}"
                    ) from None
                raise Problem("address", error.reason) from None
            if url in asked:
                raise Problem("redirect", "it redirects in a circle")
            if gate is not None:
                await gate(url)
            asked.add(url)
            reply = await self._tried(url, wish, api)
            target = reply.headers.get("Location")
            if reply.status not in MOVED or target is None:
                return reply
            if len(asked) > self.settings.redirects:
                raise Problem("redirect", f"more than {self.settings.redirects} redirects")
            try:
                after = url.join(URL(target))
            except (ValueError, UnicodeError):
                raise Problem("redirect", "it redirects to a URL that makes no sense") from None
            if api and (after.scheme, after.host, after.port) != (url.scheme, url.host, url.port):
                raise Problem("redirect", "its API redirects to another host")
            address = after

    async def _tried(self, url: URL, wish: Wish, api: bool) -> Reply:
        """Ask once, or again after a pause where the answer is "not now"."""
        host = self.hosts.host(url.raw_host or "", url.port or 0)
        for attempt in range(1, TRIES + 1):
            try:
                reply = await self._asked(url, wish, api)
            except NotNow as problem:
                try:
                    host.not_now(problem.retry_after_s)
                except LeftForLater as left:
                    raise Problem(
                        problem.kind, f"{problem.sentence}, and {left.reason}", passing=True
                    ) from None
                if attempt == TRIES:
                    raise
                continue
            except LeftForLater as left:
                raise Problem("later", f"its host is left for later: {left.reason}") from None
            except Problem as problem:
                if problem.kind in ("connection", "timeout", "dns", "tls"):
                    host.struck()
                raise
            host.fine()
            return reply
        raise AssertionError  # pragma: no cover

    async def _asked(self, url: URL, wish: Wish, api: bool) -> Reply:
        """One request, one answer."""
        host = self.hosts.host(url.raw_host or "", url.port or 0)
        if api:
            await self.hosts.api_turn(url.raw_host or "", url.port or 0)
        async with host.connection(), contextlib.AsyncExitStack() as stack:
            crowded = self.hosts.room.locked()
            await stack.enter_async_context(self.hosts.room)
            if crowded:  # others of this host waited here too; they must not leave all at once
                await host.pace.turn()
            try:
                async with self._session.get(
                    url, headers=dict(wish.headers), allow_redirects=False
                ) as answer:
                    if answer.status in BUSY:
                        wait = retry_after(answer.headers.get("Retry-After"), time.time())
                        raise NotNow(answer.status, wait)
                    if wish.accept is not None:
                        wish.accept(answer)
                    if answer.status not in wish.statuses:
                        return Reply(url, answer.status, answer.headers, b"")
                    return await self._whole(url, answer, wish)
            except (Problem, LeftForLater):
                raise
            except Exception as error:  # whatever a hostile answer makes the parsers raise
                raise said(error) from None

    async def _whole(self, url: URL, answer: aiohttp.ClientResponse, wish: Wish) -> Reply:
        """Read the body, and hold room for it for as long as the wish says."""
        room = Room(self._memory)
        kept = False
        try:
            body = await self._body(answer, wish, room)
            kept = wish.holds
            return Reply(url, answer.status, answer.headers, body, room.free if kept else nothing)
        finally:
            if not kept:
                room.free()

    async def _body(self, answer: aiohttp.ClientResponse, wish: Wish, room: Room) -> bytes:
        """Read the body, bounded before and after decompression. Raises Problem."""
        limit = wish.max_bytes
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise Problem("encoding", "it is compressed in a way that nobody asked for")
        packed = coding not in ("identity", "")
        length = answer.content_length
        if length is not None and length > limit and not wish.cut:
            raise Problem("too large", f"it is larger than {limit:,} bytes, the limit")
        buffer = io.BytesIO()
        glimpse = None if packed else wish.glimpse
        async for chunk in answer.content.iter_any():
            if buffer.tell() + len(chunk) > FREE:
                await room.reserve(limit if length is None or packed else min(length, limit))
            buffer.write(chunk)
            if glimpse is not None and buffer.tell() >= 64:
                glimpse(buffer.getvalue())
                glimpse = None
            if buffer.tell() > limit:
                if wish.cut:
                    return buffer.getvalue()[: limit + 1]
                raise Problem("too large", f"it is larger than {limit:,} bytes, the limit")
        data = buffer.getvalue()
        if packed:
            unpacked = await self.in_thread(lambda raw: unpack(raw, limit), data)
            assert isinstance(unpacked, bytes)  # noqa: S101 - for the type checker
            return unpacked
        return data


def unpack(data: bytes, limit: int) -> bytes:
    """Decompress gzip or deflate, with or without its header. Raises Problem beyond `limit`."""
    for window in (47, -15):
        unpacker = zlib.decompressobj(window)
        try:
            out = unpacker.decompress(data, limit + 1)
        except zlib.error:
            continue
        if len(out) > limit:
            raise Problem("too large", f"it unpacks to more than {limit:,} bytes, the limit")
        if not unpacker.eof:
            raise Problem("cut off", "its compressed body is cut off")
        return out
    raise Problem("encoding", "its body is not compressed as it says")


def status_trouble(reply: Reply) -> Trouble:
    """Tell a missing or wrong key from other refusals; the body is not shown: it may repeat it."""
    if reply.status == 401 or b"key" in reply.body[:2_000].lower():
        return "key"
    if reply.status == 403:
        return "refused"
    return "changed"


@contextlib.asynccontextmanager
async def open_web(
    settings: FetchSettings,
    *,
    api_rates: Mapping[tuple[str, int], float] | None = None,
    folder: Path | None = None,
    resolve: Resolve | None = None,
) -> AsyncIterator[HttpWeb]:
    """Yield a web for one run.

    api_rates: host and port -> requests per second, for `get_json` (see `registry.rates`).
    folder: what ca_file is relative to. resolve: another way to find the addresses of a name;
    they are checked all the same.
    Raises EnvironmentProblem if the ca_file cannot be read.
    """
    guard = Guard(settings.allow_addresses, resolve)
    connector = aiohttp.TCPConnector(
        ssl=trusted(settings.ca_file, folder or Path()),
        resolver=guard,
        socket_factory=guard.open_socket,
        use_dns_cache=True,
        ttl_dns_cache=60,
        limit=0,  # counted by `Hosts`, which also knows whose turn it is
        keepalive_timeout=15,
    )
    contact = f"+{settings.contact}" if settings.contact else "no contact given"
    hosts = Hosts(
        Limits(
            settings.rate_per_host,
            settings.connections_per_host,
            settings.connections,
            settings.max_wait_s,
        ),
        api_rates or {},
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": f"footwork/{__version__} ({contact})"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
        timeout=aiohttp.ClientTimeout(
            total=settings.total_s,
            sock_connect=min(settings.stall_s, 10),
            sock_read=settings.stall_s,
        ),
        read_bufsize=CHUNK,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    ) as session:
        web = HttpWeb(settings, guard, hosts, session)
        try:
            yield web
        finally:
            web.threads.shutdown(wait=False, cancel_futures=True)
            await guard.close()


def trusted(ca_file: str | None, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        path = folder / Path(ca_file).expanduser()
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise EnvironmentProblem(
                f"ca_file under [fetch], {path}, holds no certificate that can be read: {error}"
            ) from error
    return context

"""Loopback servers that answer like the APIs of the photo sources, with real photos behind them.

Each API has a port of its own and answers in its documented form (the pages are named in the
docstrings of footwork.collecting.sources.*). The photos lie on a further port, one host for all.
DuckDuckGo and Bing are reached as ddgs reaches them: through an HTTP proxy, by TLS, with a
certificate of the test's own authority.

    with SourceServers(photos, queries) as servers:
        toml += servers.toml()                     # [sources] and the addresses of the APIs
        servers.expected("openverse", query)       # the photos that this search must bring
        servers.requests["photos"]                 # paths in the order they were asked for
        servers.misbehave("commons", "html")       # from now on
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web

from footwork.collecting.hits import Hit, Query, Source
from footwork.collecting.web import HttpWeb, open_web
from footwork.project import FetchSettings
from source_answers import (
    APIS,
    KEY,
    KEYS,
    LICENCES,
    SAYS_LICENCE,
    SEARCHED,
    Answer,
    Answers,
    Api,
    Misbehaviour,
    Photo,
)

__all__ = [
    "APIS",
    "KEY",
    "SAYS_LICENCE",
    "SEARCHED",
    "Api",
    "Misbehaviour",
    "Photo",
    "SourceServers",
]
SHARED_EVERY = 5  # of the photos of a search, every fifth is offered by the next search, too
WAIT_S = 30.0
PNG = b"\x89PNG"


@dataclass
class SourceServers(Answers):
    """photos: bytes of JPEG or PNG files per class. queries: which searches share them out.

    Every class's photos are dealt out to its searches (source x query) in turn; see SHARED_EVERY
    for the duplicates. apis: which ones are started. page_size: photos per page of every API.
    ban: titles of photos, by number, for tests of `exclude`.
    """

    photos: Mapping[str, Sequence[bytes]]
    queries: Sequence[Query]
    apis: Sequence[Api] = SEARCHED
    page_size: int = 10
    latency_s: float = 0.0
    titles: Mapping[int, str] = field(default_factory=dict)
    authors: int = 40  # different ones; photos of one author are one fold group

    def __post_init__(self) -> None:
        self.requests: dict[str, list[str]] = defaultdict(list)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.agents: set[str] = set()
        self.authority = trustme.CA()
        self._behaviour = {}
        self._ports: dict[str, int] = {}
        self._files: dict[str, bytes] = {}
        self._offers = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []

    # What a test uses

    def start(self) -> "SourceServers":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        self._deal()
        return self

    def stop(self) -> None:
        """Stop answering; twice is the same as once."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> "SourceServers":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, api: str) -> str:
        """Return the address of an API, or of the "photos"; for "ddgs" it is that of the proxy."""
        return f"http://127.0.0.1:{self._ports[api]}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables with the keys that the servers accept."""
        return {KEYS[api]: KEY for api in self.apis if api in KEYS}

    def toml(self, folder: Path) -> str:
        """Return [sources] for footwork.toml; the authority's certificate goes into `folder`."""
        searched = [api for api in self.apis if api != "wikidata"]
        lines = ["[sources]", f"use = {json.dumps(searched)}"]
        for api in searched:
            lines += ["", f"[sources.{api}]"]
            if api == "ddgs":
                certificate = folder / "ddgs-authority.pem"
                self.authority.cert_pem.write_to_path(str(certificate))
                lines += [f'proxy = "{self.url(api)}"', f'ca = "{certificate}"', "pause_s = 0.0"]
                continue
            lines.append(f'url = "{self.url(api)}"')
            lines.append("rate = 10000")
            if api in ("pexels", "pixabay"):
                lines.append('permission = "given to the tests"')
        if "wikidata" in self.apis:
            lines += ["", "[sources.wikidata]", f'url = "{self.url("wikidata")}"']
        return "\n".join(lines) + "\n"

    def opened(self, **settings: float) -> contextlib.AbstractAsyncContextManager[HttpWeb]:
        """Open the real, guarded web for these servers: no pauses unless settings ask for them."""
        quick: dict[str, object] = {
            "allow_addresses": tuple(self.addresses()),
            "rate_per_host": 100_000,
            "connections_per_host": 64,
            "max_wait_s": 0,
            **settings,
        }
        return open_web(FetchSettings.model_validate(quick))

    def found(
        self, source: Source, query: Query, limit: int = 1_000, **settings: float
    ) -> list[Hit]:
        """Return all hits of one search, asked through the real web."""

        async def search() -> list[Hit]:
            async with self.opened(**settings) as real:
                return [hit async for hit in source.search(query, real, limit=limit)]

        return asyncio.run(search())

    def addresses(self) -> list[str]:
        """Return what `allow_addresses` in [fetch] must list: every API, and the photos."""
        return [f"127.0.0.1:{port}" for api, port in self._ports.items() if api != "engines"]

    def expected(self, api: str, query: Query) -> list[Photo]:
        """Return what a search for these words at this source must find, in order."""
        return list(self._offers.get((api, query.words), ()))

    def distinct(self) -> set[str]:
        """Return the SHA-256 of every photo that all searches together can bring."""
        return {photo.sha256 for offers in self._offers.values() for photo in offers}

    def misbehave(self, api: Api, how: Misbehaviour | None) -> None:
        """Make an API misbehave from its next answer on; None: behave again."""
        if how is None:
            self._behaviour.pop(api, None)
        else:
            self._behaviour[api] = how

    def forget(self) -> None:
        """Forget the requests that were counted."""
        self.requests.clear()
        self.times.clear()

    # The photos

    def _deal(self) -> None:
        number = 0
        for name in sorted(self.photos):
            words = [query.words for query in self.queries if query.class_name == name]
            searches = [(api, one) for one in words for api in self.apis if api != "wikidata"]
            dealt: list[list[bytes]] = [[] for _ in searches]
            for place, data in enumerate(self.photos[name]):
                dealt[place % max(1, len(searches))].append(data)
            for place, (api, one) in enumerate(searches):
                following = dealt[(place + 1) % len(searches)] if len(searches) > 1 else []
                offers = []
                for data in [*dealt[place], *following[::SHARED_EVERY]]:
                    suffix = "png" if data.startswith(PNG) else "jpg"
                    path = f"/{api}/{number}.{suffix}"
                    self._files[path] = data
                    title = self.titles.get(number, f"{one} no. {number}")
                    author = f"Author {number % self.authors}"
                    licence = LICENCES[number % len(LICENCES)]
                    url = self.url("photos") + path
                    offers.append(Photo(number, data, url, title, author, licence))
                    number += 1
                self._offers[api, one] = offers

    # The servers

    async def _start(self) -> None:
        await self._listen("photos", self._photo)
        answers: dict[str, Answer] = {
            "openverse": self._openverse,
            "commons": self._commons,
            "flickr": self._flickr,
            "pexels": self._pexels,
            "pixabay": self._pixabay,
            "inaturalist": self._inaturalist,
            "gbif": self._gbif,
            "searxng": self._searxng,
            "wikidata": self._wikidata,
        }
        for api in self.apis:
            if api != "ddgs":
                await self._listen(api, answers[api])
                continue
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            issued = self.authority.issue_cert("duckduckgo.com", "www.bing.com")
            issued.configure_cert(context)
            await self._listen("engines", self._engines, context)
            proxy = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
            self._servers.append(proxy)
            self._ports["ddgs"] = proxy.sockets[0].getsockname()[1]

    async def _listen(self, api: str, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        async def counted(request: web.Request) -> web.StreamResponse:
            name = "ddgs" if api == "engines" else api
            self.requests[name].append(request.path_qs)
            self.times[name].append(time.monotonic())
            self.agents.add(request.headers.get("User-Agent", ""))
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            return await self._misbehaved(name, request) or await answer(request)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", counted)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self._ports[api] = runner.addresses[0][1]

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for runner in self._runners:
            await runner.cleanup()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _misbehaved(self, api: str, request: web.Request) -> web.StreamResponse | None:
        how = self._behaviour.get(api)
        if how in ("401", "403", "500"):
            return web.json_response({"detail": f"error {how}"}, status=int(how))
        if how == "429":
            return web.json_response(
                {"detail": "throttled"}, status=429, headers={"Retry-After": "1"}
            )
        if how == "html":
            return web.Response(
                text="<!doctype html><title>Sign in</title>", content_type="text/html"
            )
        if how == "not-json":
            return web.Response(text='{"results": [', content_type="application/json")
        if how == "other-shape":
            return web.json_response({"data": {"items": []}, "version": 99})
        if how == "list":
            return web.json_response([1, 2, 3])
        if how == "slow":
            await asyncio.sleep(WAIT_S)
        if how == "reset" and request.transport is not None:
            request.transport.abort()
        return None

    async def _photo(self, request: web.Request) -> web.StreamResponse:
        data = self._files.get(request.path)
        if data is None:
            return web.Response(status=404)
        kind = "image/png" if request.path.endswith("png") else "image/jpeg"
        return web.Response(body=data, content_type=kind)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An HTTP proxy: whatever host is asked for, the engines answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        asked = head.split(b" ", 2)
        if asked[0] != b"CONNECT" or asked[1] not in (b"duckduckgo.com:443", b"www.bing.com:443"):
            self.requests["ddgs-elsewhere"].append(asked[1].decode())
            writer.close()
            return
        there, here = await asyncio.open_connection("127.0.0.1", self._ports["engines"])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with contextlib.suppress(asyncio.CancelledError):  # when the servers stop
            await asyncio.gather(piped(reader, here), piped(there, writer))


async def piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def real_photos(shared: Path) -> dict[str, list[bytes]]:
    """Return the real photos of ../shared, 504 files, as if climbers had taken all of them.

    Photos of climbers are of their own class; bees and ants go round the three classes, so that
    a run has enough to collect.
    """
    classes = ("heel_hook", "others", "toe_hook")
    found: dict[str, list[bytes]] = {name: [] for name in classes}
    for name in classes:
        for path in sorted((shared / "data" / "climbing_tiles" / name).iterdir()):
            found[name].append(path.read_bytes())
    insects = sorted((shared / "data" / "hymenoptera").glob("*/*.jpg"))
    for number, path in enumerate(insects):
        found[classes[number % len(classes)]].append(path.read_bytes())
    return found

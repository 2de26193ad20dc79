"""Servers that misbehave on demand: real sockets on loopback, one bad habit per host name.

A request for http://HABIT.test:PORT/photo.jpg meets the habit of that name. `robots.txt` and
`tdmrep.json` are missing unless the habit is about them.
"""

import asyncio
import contextlib
import io
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import trustme
from PIL import Image

Raw = Callable[[asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Raw


def picture(kind: str = "JPEG", side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.effect_mandelbrot((side, side), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(out, kind)
    return out.getvalue()


JPEG = picture()
PNG = picture("PNG")


def ok(body: bytes = JPEG, *headers: str, kind: str = "image/jpeg") -> bytes:
    lines = [f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return ("HTTP/1.1 200 OK\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def status(code: str, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 {code}\r\nContent-Length: 0\r\n{lines}\r\n".encode("latin-1")


BUSY = "503 Service Unavailable"
MISSING = status("404 Not Found")


def to(target: str, code: int = 302) -> bytes:
    return status(f"{code} Moved", f"Location: {target}")


@dataclass(frozen=True)
class Habit:
    """What a host answers. expect: the kind of the reason it must get; None: the photo comes.

    photo, robots, tdm: a fixed answer or what writes it; several: one after the other, the last
    for ever. addresses: what its name resolves to; one that starts with "!" is a fault of DNS.
    asked: how often its photo may be asked for; None: it does not matter.
    """

    expect: str | None
    photo: Answer | tuple[Answer, ...] = field(default_factory=ok)
    robots: Answer = MISSING
    tdm: Answer = MISSING
    addresses: tuple[str, ...] = ("127.0.0.1",)
    asked: int | None = None
    url: str | None = None  # instead of http://NAME.test:PORT/photo.jpg


class HostileServer:
    """Answers by host name, counts what it was asked. Use as a context manager."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = 0
        self.habits: Mapping[str, Habit] = {}
        self.photos: Counter[str] = Counter()  # requests for photos, by name of the host
        self.connections = 0
        self.requests: list[str] = []  # heads of all requests
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> "HostileServer":
        self._thread.start()
        self.port = self.listen()
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def listen(self, context: ssl.SSLContext | None = None, raw: Raw | None = None) -> int:
        """Open one more port, with TLS or with `raw` in place of HTTP; return its number."""

        async def open_port() -> int:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._serve(reader, writer, raw)

            server = await asyncio.start_server(serve, self.address, 0, ssl=context, limit=2**20)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(open_port(), self._loop).result(10)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: Raw | None
    ) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if raw is not None:
                await raw(writer)
            else:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.requests.append(head)
                answer = self._answer(head)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        if not writer.transport.is_closing():
            writer.close()

    def _answer(self, head: str) -> Answer:
        path = head.split(" ", 2)[1]
        host = next(
            (line[5:].strip() for line in head.splitlines() if line.lower().startswith("host:")), ""
        )
        name = host.partition(":")[0].removesuffix(".test")
        habit = self.habits.get(name, Habit(None))
        if path == "/robots.txt":
            return filled(habit.robots, self.port)
        if path == "/.well-known/tdmrep.json":
            return filled(habit.tdm, self.port)
        count = self.photos[name]
        self.photos[name] += 1
        photo = habit.photo
        if isinstance(photo, tuple):
            photo = photo[min(count, len(photo) - 1)]
        return filled(photo, self.port)


def filled(answer: Answer, port: int) -> Answer:
    return answer.replace(b"{port}", str(port).encode()) if isinstance(answer, bytes) else answer


@dataclass(frozen=True)
class Certificates:
    """A test authority in a file, and contexts of servers that are right or wrong."""

    ca_file: Path
    right: ssl.SSLContext
    wrong: Mapping[str, ssl.SSLContext]


def certificates(folder: Path) -> Certificates:
    authority, stranger = trustme.CA(), trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))

    def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(made)
        return made

    past = datetime(2020, 1, 1, tzinfo=UTC)
    return Certificates(
        ca_file,
        context(authority.issue_cert("tls-fine.test")),
        {
            "expired": context(authority.issue_cert("tls-expired.test", not_after=past)),
            "another-host": context(authority.issue_cert("other.example")),
            "stranger": context(stranger.issue_cert("tls-stranger.test")),
        },
    )


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])

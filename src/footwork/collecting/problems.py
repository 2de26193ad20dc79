"""What can be wrong with an answer of the web, as a kind for a table and a sentence.

Sentences hold no URL: its query may carry a key, and a table counts equal sentences.
"""

import asyncio
import os
import re
import ssl
from typing import Literal

import aiohttp
from yarl import URL

from footwork.collecting.guard import Forbidden

Kind = Literal[
    "address",  # not connected to: private, another scheme, a name or password in the URL
    "dns",
    "connection",
    "tls",
    "timeout",
    "protocol",  # no proper HTTP
    "cut off",
    "encoding",
    "redirect",
    "missing",  # 404, 410
    "refused",  # 401, 403, 451
    "busy",  # 429, 503
    "server error",
    "status",  # any other
    "later",  # its host is left for later
    "robots",
    "opt-out",
    "too large",
    "pixels",
    "not an image",
]
PASSING: frozenset[Kind] = frozenset(
    ("dns", "connection", "tls", "timeout", "cut off", "busy", "server error", "later")
)


class Problem(Exception):
    """One answer that cannot be used. passing: it may be better another time."""

    def __init__(self, kind: Kind, sentence: str, *, passing: bool | None = None) -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind: Kind = kind
        self.sentence = sentence
        self.passing = kind in PASSING if passing is None else passing

    @property
    def reason(self) -> str:
        return f"{self.kind}: {self.sentence}"


class NotNow(Problem):
    """A status that asks to come back. retry_after_s: when, if it says so."""

    def __init__(self, status: int, retry_after_s: float | None) -> None:
        kind: Kind = "busy" if status in (429, 503) else "server error"
        super().__init__(kind, f"its server answers {status}")
        self.status = status
        self.retry_after_s = retry_after_s


def said(error: Exception) -> Problem:
    """Return what an exception of aiohttp, or of anything below it, means."""
    for cause in chain(error):
        if isinstance(cause, Forbidden):
            return Problem("address", cause.reason)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
        return Problem("tls", f"the certificate of its host: {why.rstrip('.')[:120]}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Problem("dns", "the name of its host has no address")
    if isinstance(error, aiohttp.ClientSSLError) or any(
        isinstance(cause, ssl.SSLError) for cause in chain(error)
    ):
        return Problem("tls", "no encrypted connection came about with its host")
    if isinstance(error, asyncio.TimeoutError):
        return Problem("timeout", timed_out(error))
    if isinstance(error, aiohttp.ClientPayloadError):
        return Problem("cut off", "its body ended before its end, or was sent against the rules")
    if isinstance(error, aiohttp.ClientResponseError):
        return Problem("protocol", "it does not answer in proper HTTP")
    if isinstance(error, (aiohttp.ServerDisconnectedError, ConnectionResetError)):
        return Problem("connection", "its server closed the connection without an answer")
    if isinstance(error, OSError):
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "it failed"
        return Problem("connection", f"no connection to its server: {why}")
    if isinstance(error, aiohttp.ClientConnectionError):
        return Problem("connection", "its server broke the connection off")
    if isinstance(error, aiohttp.InvalidURL):
        return Problem("address", "its URL makes no sense")
    return Problem("protocol", f"its answer makes no sense ({type(error).__name__})")


def timed_out(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "its server does not take the connection"
    if isinstance(error, aiohttp.SocketTimeoutError):
        return "its server stopped sending (stall_s)"
    return "its answer took too long (total_s)"


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and what caused it, aiohttp's `os_error` included."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        inner = getattr(following, "os_error", None)
        following = inner if isinstance(inner, BaseException) else None
        following = following or found[-1].__cause__ or found[-1].__context__
    return found


def redacted(url: str) -> str:
    """Return a URL for messages: no user, no password, no value of its query, no fragment."""
    try:
        parts = URL(url)
        host = parts.raw_host or ""
        shown = f"[{host}]" if ":" in host else host
        if not parts.is_default_port() and parts.port is not None:
            shown += f":{parts.port}"
        query = "&".join(f"{name}=…" for name in dict.fromkeys(parts.query))
    except (ValueError, UnicodeError):
        return "a URL that makes no sense"
    text = f"{parts.scheme}://{shown}{parts.raw_path}" + (f"?{query}" if query else "")
    return re.sub(r"[\x00-\x1f\x7f]", "", text)[:300]

"""Photos from the web: one URL in, the bytes of an image out, or the reason why not."""

import asyncio
from collections.abc import Mapping

import aiohttp
from yarl import URL

from footwork.collecting.keep import Answer
from footwork.collecting.optout import (
    ROBOTS_BYTES,
    Rules,
    header_refusal,
    parsed_reservations,
    parsed_robots,
)
from footwork.collecting.problems import Kind, Problem
from footwork.collecting.web import HttpWeb, Reply, Wish
from footwork.images import Unreadable, sniffed

STATUSES: dict[int, tuple[Kind, str]] = {
    401: ("refused", "it is behind a login (401)"),
    403: ("refused", "its server refuses it (403)"),
    404: ("missing", "it is not there (404)"),
    410: ("missing", "it is gone for good (410)"),
    451: ("refused", "it is withheld by law (451)"),
}
ACCEPT = "image/avif,image/webp,image/png,image/jpeg,image/*;q=0.8"


class Photos:
    """Fetches photos, after what robots.txt and tdmrep.json of their hosts say."""

    def __init__(self, web: HttpWeb) -> None:
        self._web = web
        self._rules: dict[tuple[str, str, int], asyncio.Task[Rules]] = {}

    async def photo(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Answer:
        """Return the image at `url`, "as before", or a reason ("KIND: sentence"). Never raises.

        etag, last_modified: what the URL answered with the image that is kept; where its server
        knows them, it need not send the image again.
        The bytes begin like an image; `keep.Keeper` decides about the rest. While they are
        needed they count as held, see `Answer.free`.
        """
        headers = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
        headers |= {"If-None-Match": etag} if etag else {}
        headers |= {"If-Modified-Since": last_modified} if last_modified else {}
        wish = Wish(
            safe(headers),
            self._web.settings.max_bytes,
            accept=check_headers,
            glimpse=check_head,
            holds=True,
        )
        try:
            reply = await self._web.follow(url, wish, gate=self._check_rules)
            if reply.status == 304 and (etag or last_modified):
                return Answer(as_before=True)
            if reply.status != 200:
                said: tuple[Kind, str] = ("status", f"its server answers {reply.status}")
                raise Problem(*STATUSES.get(reply.status, said))
        except Problem as problem:
            return Answer(reason=problem.reason, passing=problem.passing)
        except (ValueError, UnicodeError):
            return Answer(reason="address: its URL makes no sense")
        return Answer(
            reply.body,
            etag=short(reply, "ETag"),
            last_modified=short(reply, "Last-Modified"),
            free=reply.free,
        )

    async def _check_rules(self, url: URL) -> None:
        """Raises Problem if the host of `url` does not want it asked for."""
        origin = (url.scheme, url.raw_host or "", url.port or 0)
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._ask_rules(url.origin()))
        rules = await asyncio.shield(self._rules[origin])
        refusal = rules.refusal(str(url), url.raw_path_qs)
        if refusal is not None:
            kind, sentence = refusal
            raise Problem(kind, sentence)

    async def _ask_rules(self, origin: URL) -> Rules:
        """Read robots.txt, which decides, then tdmrep.json. Raises Problem where robots.txt
        cannot be read: then nothing may be asked (RFC 9309, 2.3.1.4).
        """
        wish = Wish({"Accept-Encoding": "gzip"}, ROBOTS_BYTES, cut=True)
        try:
            reply = await self._web.follow(origin / "robots.txt", wish)
        except Problem as problem:
            if problem.kind == "redirect":
                reply = None  # RFC 9309, 2.3.1.2: as if there were none
            elif problem.kind in ("address", "dns", "connection", "tls", "timeout", "later"):
                raise  # that is how the photo would fare
            else:
                raise Problem(
                    "robots", f"robots.txt cannot be read: {problem.reason}", passing=True
                ) from None
        robots = None
        if reply is not None and reply.status == 200:
            robots = await asyncio.get_running_loop().run_in_executor(
                self._web.threads, parsed_robots, reply.body
            )
        rules = Rules(robots)
        host = self._web.hosts.host(origin.raw_host or "", origin.port or 0)
        if (delay_s := rules.crawl_delay_s) is not None:
            host.slower(delay_s)
        reservations = origin / ".well-known" / "tdmrep.json"
        if rules.refusal(str(reservations), reservations.raw_path_qs) is not None:
            return rules
        try:
            reply = await self._web.follow(reservations, wish)
        except Problem:
            return rules  # optional, unlike robots.txt
        return Rules(robots, parsed_reservations(reply.body) if reply.status == 200 else ())


def check_headers(answer: aiohttp.ClientResponse) -> None:
    refusal = header_refusal(
        answer.headers.getall("X-Robots-Tag", []), answer.headers.get("tdm-reservation")
    )
    if answer.status == 200 and refusal is not None:
        raise Problem("opt-out", refusal)


def check_head(head: bytes) -> None:
    """Refuse a page or a film by its first bytes, before gigabytes of it have come."""
    try:
        sniffed(head)
    except Unreadable as error:
        raise Problem("not an image", error.reason) from None


def safe(headers: Mapping[str, str]) -> dict[str, str]:
    """Drop what could not be sent: values were once given by a server."""
    return {
        name: value
        for name, value in headers.items()
        if value.isascii() and value.isprintable() and len(value) < 1_000
    }


def short(reply: Reply, name: str) -> str | None:
    value = reply.headers.get(name)
    return value if value and len(value) < 1_000 and value.isprintable() else None

"""Who does not want to be collected: robots.txt, X-Robots-Tag, and the reservation of TDM rights.

Sources: RFC 9309 (robots.txt), developers.google.com/search/docs (X-Robots-Tag), the W3C
community group's TDM Reservation Protocol (tdm-reservation, /.well-known/tdmrep.json).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from protego import Protego

from footwork.collecting.problems import Kind

NAME = "footwork"  # our name in robots.txt
# A robot's name ends where its version starts (RFC 9309, 2.2.1); Protego takes it all as the name.
VERSIONED = re.compile(r"^([ \t]*user-agent[ \t]*:[ \t]*[a-z_-]+)/\S*", re.I | re.M)
ROBOTS_BYTES = 500 * 1024  # as much as RFC 9309, 2.5 asks a crawler to read
MAX_ENTRIES = 1_000  # of a tdmrep.json
REFUSING = {"noai", "noimageai", "noindex", "noimageindex", "none"}
# "NAME: directives" speaks to that robot alone; these directives carry a colon of their own.
WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


@dataclass(frozen=True)
class Rules:
    """What an origin says in advance. robots: None where it has no robots.txt."""

    robots: Protego | None = None
    reservations: tuple[tuple[str, bool], ...] = ()

    def refusal(self, url: str, path: str) -> tuple[Kind, str] | None:
        """Return (kind, reason) if the URL, with this path and query, is not to be asked for."""
        if self.robots is not None and not self.robots.can_fetch(url, NAME):
            return "robots", "the robots.txt of its host does not allow it"
        if next((no for location, no in self.reservations if matches(location, path)), False):
            return "opt-out", "its host reserves the rights of text and data mining (tdmrep.json)"
        return None

    @property
    def crawl_delay_s(self) -> float | None:
        delay = self.robots.crawl_delay(NAME) if self.robots is not None else None
        return float(delay) if delay is not None else None


def parsed_robots(body: bytes) -> Protego:
    """Parse as much of a robots.txt as counts. Never raises: nonsense allows everything."""
    cut = body[:ROBOTS_BYTES]
    if len(body) > ROBOTS_BYTES:
        cut = cut[: cut.rfind(b"\n") + 1]  # half a rule would be another rule
    text = cut.decode("utf-8-sig", errors="replace")
    return Protego.parse(VERSIONED.sub(r"\1", text))


def parsed_reservations(body: bytes) -> tuple[tuple[str, bool], ...]:
    """Return (location, reserved) of each entry of a tdmrep.json, the first match decides.

    Nonsense reserves nothing.
    """
    try:
        entries = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    found = []
    for entry in entries[:MAX_ENTRIES] if isinstance(entries, list) else [entries]:
        location = entry.get("location") if isinstance(entry, dict) else None
        if isinstance(location, str) and location:
            found.append((location, str(entry.get("tdm-reservation")) == "1"))
    return tuple(found)


def matches(location: str, path: str) -> bool:
    """Whether a location in the manner of robots.txt (* for anything, $ for the end) fits a path.

    Linear in the path: a regular expression made of hostile text is not.
    """
    first, *others = location.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if location.endswith("$"):
        if not others:
            return len(path) == at
        last = others.pop()
        if not path.endswith(last) or len(path) - len(last) < at:
            return False
        path = path[: len(path) - len(last)]
    for part in others:
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def header_refusal(robots_tags: Sequence[str], reservation: str | None) -> str | None:
    """Return why an answer's headers do not want its image collected, or None.

    robots_tags: the values of all X-Robots-Tag headers; reservation: of tdm-reservation.
    """
    if (reservation or "").strip() == "1":
        return "its host reserves the rights of text and data mining (tdm-reservation)"
    for value in robots_tags:
        spoken_to = True
        for part in value.lower().split(","):
            name, colon, rest = (piece.strip() for piece in part.partition(":"))
            directive = name
            if colon and name not in WITH_VALUE:
                spoken_to = name in (NAME, "*")
                directive = rest
            if spoken_to and directive in REFUSING:
                return f"its host does not want that (X-Robots-Tag: {directive})"
    return None

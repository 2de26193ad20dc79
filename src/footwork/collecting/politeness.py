"""How often and how many at once a host is asked, and how long it is left in peace."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

BACK_OFF_S = 1.0  # the first pause after an answer such as 503; doubled each time
STRIKES = 6  # answers in a row that say "not now" before a host is left for later
LEFT_S = 900.0  # how long it then is

MAX_CRAWL_DELAY_S = 30.0


class LeftForLater(Exception):
    """The host is not asked any more for now."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pace:
    """A token bucket of one token: what passes `turn` keeps a distance of 1 / rate seconds."""

    def __init__(self, rate_per_s: float) -> None:
        self.gap_s = 1 / rate_per_s
        self._next = 0.0
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        async with self._lock:
            # Counted from when it really passed: a late one must not bring the next one closer.
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._next = time.monotonic() + self.gap_s

    def not_before(self, moment: float) -> None:
        self._next = max(self._next, moment)


class Host:
    """One host and port: its pace, its connections, and its moods."""

    def __init__(self, rate_per_s: float, connections: int, max_wait_s: float) -> None:
        self.pace = Pace(rate_per_s)
        self._room = asyncio.Semaphore(connections)
        self._max_wait_s = max_wait_s
        self._paused_until = 0.0
        self._left: tuple[float, str] | None = None
        self._strikes = 0

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Hold one of the host's connections, when it is its turn. Raises LeftForLater."""
        async with self._room:
            self._check_left()
            await self.pace.turn()
            while (wait := self._paused_until - time.monotonic()) > 0:
                await asyncio.sleep(wait)
                await self.pace.turn()
            self._check_left()
            yield

    def _check_left(self) -> None:
        if self._left is not None:
            until, reason = self._left
            if time.monotonic() < until:
                raise LeftForLater(reason)
            self._left = None

    def fine(self) -> None:
        self._strikes = 0

    def not_now(self, retry_after_s: float | None) -> None:
        """Pause after an answer that asks for it. Raises LeftForLater if that takes too long.

        Without a time, the pause doubles, times 0.5 to 1.5, so that clients drift apart.
        """
        now = time.monotonic()
        if retry_after_s is None and now < self._paused_until:
            return  # several connections heard the same
        self._strikes += 1
        if retry_after_s is not None and retry_after_s > self._max_wait_s:
            reason = f"it asks to wait for {retry_after_s:,.0f} s, more than max_wait_s"
            self._leave(now + retry_after_s, reason)
        if self._strikes >= STRIKES:
            self._leave(now + LEFT_S, f"it failed {STRIKES} times in a row")
        wait = retry_after_s
        if wait is None:
            wait = BACK_OFF_S * 2 ** (self._strikes - 1) * random.uniform(0.5, 1.5)  # noqa: S311
        self._paused_until = max(self._paused_until, now + min(wait, self._max_wait_s))

    def struck(self) -> None:
        """Count a failure of the line; after several in a row the host is left for later."""
        self._strikes += 1
        if self._strikes >= STRIKES:
            self._left = (time.monotonic() + LEFT_S, f"it failed {STRIKES} times in a row")

    def _leave(self, until: float, reason: str) -> None:
        self._left = (until, reason)
        raise LeftForLater(reason)

    def slower(self, gap_s: float) -> None:
        """Obey a Crawl-delay, as far as it makes sense."""
        gap_s = min(gap_s, MAX_CRAWL_DELAY_S)
        if gap_s > self.pace.gap_s:
            self.pace.gap_s = gap_s
            self.pace.not_before(time.monotonic() + gap_s)


@dataclass(frozen=True)
class Limits:
    rate_per_s: float
    connections_per_host: int
    connections: int
    max_wait_s: float


class Hosts:
    """All hosts of a run. api_rates: host and port -> questions per second to its API."""

    def __init__(self, limits: Limits, api_rates: Mapping[tuple[str, int], float]) -> None:
        self._limits = limits
        self._api_rates = api_rates
        self._api_paces: dict[tuple[str, int], Pace] = {}
        self._hosts: dict[tuple[str, int], Host] = {}
        self.room = asyncio.Semaphore(limits.connections)

    def host(self, name: str, port: int) -> Host:
        known = self._hosts.get((name, port))
        if known is None:
            limits = self._limits
            known = Host(limits.rate_per_s, limits.connections_per_host, limits.max_wait_s)
            self._hosts[name, port] = known
        return known

    async def api_turn(self, name: str, port: int) -> None:
        """Wait until the API of a host may be asked again, by its own published limit."""
        api = (name, port)
        if api not in self._api_rates:
            return
        if api not in self._api_paces:
            self._api_paces[api] = Pace(self._api_rates[api])
        await self._api_paces[api].turn()


class Memory:
    """Bytes that may be held at once; who does not fit in waits. First come, first served."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._freed = asyncio.Event()
        self._door = asyncio.Lock()

    async def reserve(self, size: int) -> Callable[[], None]:
        """Wait for room; returns what gives it back, to be called once."""
        size = min(size, self._size)
        async with self._door:
            while self._used + size > self._size:
                self._freed.clear()
                await self._freed.wait()
            self._used += size

        def free() -> None:
            self._used -= size
            self._freed.set()

        return free


class Room:
    """A share of the memory, taken at most once."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._free: Callable[[], None] | None = None

    async def reserve(self, size: int) -> None:
        if self._free is None:
            self._free = await self._memory.reserve(size)

    def free(self) -> None:
        """Give it back, if it was taken; may be called again."""
        if self._free is not None:
            self._free()
            self._free = None


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for; None if it says nothing usable.

    value: seconds or an HTTP date (RFC 9110, 10.2.3). now: Unix time.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None

"""All pairs of codes within a Hamming radius: exactly what comparing everything would find.

Pairs are over distinct codes; who has each code stands beside them. So 200,000 equal pictures
are one code with 200,000 members, not twenty thousand million pairs.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from footwork.duplicates.pigeonhole import Part, flips, keys, mask, parts_for
from footwork.errors import UsageError
from footwork.machine import cores

# None of these changes what is found. They are constants, not functions of the machine,
# so that the chunks come out the same everywhere.
STEP_PAIRS = 1 << 16  # the most that a task hands over at once
CHUNK_PAIRS = 1 << 17  # from so many pairs on, a chunk is given out
TASKS_AT_ONCE = 8
MAX_TASKS = 64  # of each table
TASK_CODES = 2000  # fewer are not worth a task
MAX_RUN = 1024  # codes of one key that one task compares; larger buckets are shared out


@dataclass(frozen=True)
class Distinct:
    """The distinct codes among n, numbered by ascending value (first word first).

    codes: (k, words) uint64. number: (n,) int64 in [0, k), the code of each input.
    members: (n,) int64, the inputs by code, ascending within each; those of code c are
    members[starts[c]:starts[c + 1]]. starts: (k + 1,) int64.
    """

    codes: NDArray[np.uint64]
    number: NDArray[np.int64]
    members: NDArray[np.int64]
    starts: NDArray[np.int64]

    def members_of(self, code: int) -> NDArray[np.int64]:
        return self.members[self.starts[code] : self.starts[code + 1]]


@dataclass(frozen=True)
class Pairs:
    """Pairs of distinct codes: (m,) int64 numbers `first` and `second`, (m,) int64 `bits`.

    bits: the Hamming distance, at most the radius. Sorted by first, then second.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bits: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bits)


def distinct(codes: NDArray[np.uint64]) -> Distinct:
    """Reduce (n,) or (n, words) uint64 codes to the distinct ones."""
    codes = np.ascontiguousarray(codes, dtype=np.uint64)
    if codes.ndim == 1:
        codes = codes[:, None]
    members = np.lexsort(codes.T[::-1])  # stable: ascending within equal codes
    ordered = codes[members]
    is_first = np.ones(len(codes), dtype=bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.empty(len(codes), dtype=np.int64)
    number[members] = np.cumsum(is_first) - 1
    starts = np.append(np.flatnonzero(is_first), len(codes)).astype(np.int64)
    return Distinct(np.ascontiguousarray(ordered[is_first]), number, members, starts)


def pairs_within(codes: Distinct, max_bits: int) -> Iterator[Pairs]:
    """Yield every pair of distinct codes at most `max_bits` apart, once; first < second.

    In chunks, so that memory does not grow with the number of pairs; each chunk is sorted, and
    the same codes give the same chunks. Members of one code are at distance 0 and not pairs.
    """
    yield from Index(codes, max_bits).pairs()


def collected(chunks: Iterable[Pairs]) -> Pairs:
    """Return all chunks as one, sorted: for searches whose pairs fit into memory."""
    found = list(chunks)
    empty = np.zeros(0, dtype=np.int64)
    first = np.concatenate([empty, *(chunk.first for chunk in found)])
    second = np.concatenate([empty, *(chunk.second for chunk in found)])
    bits = np.concatenate([empty, *(chunk.bits for chunk in found)])
    order = np.argsort(first << 32 | second)  # one key: half the time of two; see Table.offset
    return Pairs(first[order], second[order], bits[order])


class Index:
    """Distinct codes made ready for the search within one radius.

    Codes that come later make an index of their own: what is alike among `new` is
    Index(new, r).pairs(), what joins it to the old ones is Index(old, r).within(new). That costs
    as the new codes do, once the first call has sorted the old ones into tables, which are kept
    (12 bytes a code and table with one word, 4 to 6 tables; 36 bytes and 9 to 20 with four).
    """

    def __init__(self, codes: Distinct, max_bits: int) -> None:
        """max_bits: 0 to all bits of a code. Raises UsageError for others."""
        self.words = codes.codes.shape[1]
        if not 0 <= max_bits <= 64 * self.words:
            raise UsageError(
                f"a radius of {max_bits} bits: codes of {64 * self.words} bits allow "
                f"0 to {64 * self.words}"
            )
        self.codes = codes.codes
        self.max_bits = max_bits
        parts = parts_for(len(self.codes), 64 * self.words, max_bits)
        self.parts = tuple(part for part in parts if part.radius >= 0)
        self.kept: dict[Part, Table] = {}

    def pairs(self) -> Iterator[Pairs]:
        """Yield the pairs among these codes; see pairs_within."""
        return chunked(self.tasks(None))

    def within(self, new: Distinct) -> Iterator[Pairs]:
        """Yield the pairs of a code of `new` (first) and a code of this index (second).

        Equal codes count here, with 0 bits: they belong to different images.
        """
        if new.codes.shape[1] != self.words:
            raise ValueError(f"codes of {new.codes.shape[1]} words against {self.words}")
        return chunked(self.tasks(new.codes))

    def tasks(self, new: NDArray[np.uint64] | None) -> "Iterator[Task]":
        for at, part in enumerate(self.parts):
            right = self.kept.get(part) or table_of(self.codes, part)
            if new is not None:
                self.kept[part] = right
            left = right if new is None else table_of(new, part)
            earlier = self.parts[:at]
            masks = [mask(other, self.words) for other in earlier]
            search = Search(
                left,
                right,
                flips(part),
                self.max_bits,
                np.array(masks, dtype=np.uint64).reshape(at, self.words),
                np.array([other.radius for other in earlier], dtype=np.int64),
            )
            count = min(MAX_TASKS, 1 + len(left.codes) // TASK_CODES)
            cuts = np.searchsorted(left.run_start, np.linspace(0, len(left.codes), count + 1))
            edges = np.unique(cuts).tolist()
            for start, end in pairwise(edges):
                yield Task(search, np.array([start, 0, 0, 0, end], dtype=np.int64))


@dataclass(frozen=True)
class Table:
    """Codes sorted by the bits of one part; see kernels.join for the fields.

    offset: of 32 bits, so that it stays in the cache: no more than 2^32 codes.
    """

    codes: NDArray[np.uint64]
    number: NDArray[np.int64]
    run_key: NDArray[np.int64]
    run_start: NDArray[np.int64]
    offset: NDArray[np.uint32]


def table_of(codes: NDArray[np.uint64], part: Part) -> Table:
    unsorted = keys(codes, part)
    # NumPy sorts 16 bits by radix, ten times as fast as more.
    order = np.argsort(unsorted.astype(np.uint16) if part.width <= 16 else unsorted, kind="stable")
    ordered = unsorted[order]
    offset = np.zeros(2**part.width + 1, dtype=np.uint32)
    np.cumsum(np.bincount(unsorted, minlength=2**part.width), out=offset[1:])
    place = np.arange(len(ordered)) - offset[ordered]
    run_start = np.flatnonzero(place % MAX_RUN == 0)
    return Table(
        np.ascontiguousarray(codes[order]),
        order,
        ordered[run_start],
        np.append(run_start, len(ordered)),
        offset,
    )


@dataclass(frozen=True)
class Search:
    """All that the tasks of one table share; left is right where codes meet themselves."""

    left: Table
    right: Table
    flips: NDArray[np.int64]
    max_bits: int
    earlier_mask: NDArray[np.uint64]
    earlier_bits: NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """Some runs of a search. `state` says where to go on (see kernels.join)."""

    search: Search
    state: NDArray[np.int64]

    def step(self) -> tuple[Pairs, bool]:
        """Return the next pairs, unsorted, and whether there may be more."""
        from footwork.duplicates.kernels import join  # compiles or loads at the first search

        search = self.search
        left, right = search.left, search.right
        first, second, bits = (np.empty(STEP_PAIRS, dtype=np.int64) for _ in range(3))
        count = join(
            left.codes, left.number, left.run_key, left.run_start,
            right.codes, right.number, right.offset,
            search.flips, search.max_bits, left is right,
            search.earlier_mask, search.earlier_bits,
            self.state, first, second, bits,
        )  # fmt: skip
        found = Pairs(first[:count].copy(), second[:count].copy(), bits[:count].copy())
        return found, bool(self.state[0] < self.state[4])


def chunked(tasks: Iterator[Task]) -> Iterator[Pairs]:
    """Run the tasks in threads and yield what they find, in chunks of about CHUNK_PAIRS.

    A task that has filled its step waits until the caller has taken it: nothing piles up.
    """
    waiting: deque[tuple[Task, Future[tuple[Pairs, bool]]]] = deque()
    gathered: list[Pairs] = []
    pool = ThreadPoolExecutor(cores())
    try:
        waiting.extend((task, pool.submit(task.step)) for task in islice(tasks, TASKS_AT_ONCE))
        while waiting:
            task, future = waiting.popleft()
            found, more = future.result()
            following = task if more else next(tasks, None)
            if following is not None:
                waiting.append((following, pool.submit(following.step)))
            gathered.append(found)
            if sum(map(len, gathered)) >= CHUNK_PAIRS:
                yield collected(gathered)
                gathered = []
        if any(map(len, gathered)):
            yield collected(gathered)
    finally:
        pool.shutdown(cancel_futures=True)

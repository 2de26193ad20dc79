"""The inner loop of the radius search, compiled by Numba. Called by index.py only.

Importing this module compiles (about two seconds) or loads the machine code from Numba's
cache beside this file or in the user's cache folder.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

SEGMENT = 2048  # candidates that are copied together: 16 kB a word, so they stay in the L1 cache
BLOCK = 64  # candidates between two looks at the smallest distance; 256 took 1.5 times as long
NEVER = np.int64(1 << 30)


def compiled(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for this signature at once, without the GIL, from the cache where there is one."""

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return numba.njit(signature, nogil=True, cache=True)(function)
        except Exception:
            # Read-only installation and home, full disk, damaged cache file: Numba raises
            # RuntimeError, OSError or whatever unpickling does. A fault of the code itself
            # is raised again by the next line.
            return numba.njit(signature, nogil=True)(function)

    return decorator


def bit_count(_context: Any, _word: Any) -> Any:
    """Count the set bits of a uint64: one instruction, eight words at a time with AVX-512."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(bit_count)  # typed by hand: calls leave out the context


@compiled(
    "int64(uint64[:,::1], int64[::1], int64[::1], int64[::1], uint64[:,::1], int64[::1],"
    " uint32[::1], int64[::1], int64, boolean, uint64[:,::1], int64[::1], int64[::1],"
    " int64[::1], int64[::1], int64[::1])"
)
def join(
    left: Any,
    left_number: Any,
    run_key: Any,
    run_start: Any,
    right: Any,
    right_number: Any,
    offset: Any,
    flips: Any,
    max_bits: Any,
    same: Any,
    earlier_mask: Any,
    earlier_bits: Any,
    state: Any,
    first: Any,
    second: Any,
    bits: Any,
) -> Any:
    """Write the pairs of one table that are within `max_bits`; return how many there are.

    left, right: (n, words) codes, sorted by the table's key; *_number: what to call them in the
    output. Runs are stretches of `left` with one key: run i is run_start[i]:run_start[i + 1].
    The codes of `right` with key k are offset[k]:offset[k + 1].
    flips: ascending differences of keys to look at. same: left and right are the same table,
    so every pair is looked at from its lower key only, and written with its lower number first.
    earlier_mask, earlier_bits: a pair that agrees within earlier_bits[t] on earlier_mask[t] was
    found by table t and is passed over.
    state: [run, flip, offset in the bucket, code in the run, end of the runs]: where to go on;
    done when state[0] == state[4]. A call ends early, to be repeated, when fewer than SEGMENT
    places are left in the output.

    For each run, the codes of all its buckets are copied together, so that the comparisons
    run over long stretches even where buckets hold a code or two.
    """
    words = left.shape[1]
    near = np.empty((words, SEGMENT), np.uint64)
    place = np.empty(SEGMENT, np.int64)
    distance = np.zeros(BLOCK, np.int64)
    filled = 0
    run, flip, skip, done = state[0], state[1], state[2], state[3]
    while run < state[4]:
        key, start, end = run_key[run], run_start[run], run_start[run + 1]
        flip_before, skip_before, size = flip, skip, 0
        while flip < len(flips) and size < SEGMENT:
            other = key ^ flips[flip]
            if same and other < key:
                flip += 1
                continue
            low, high = np.int64(offset[other]), np.int64(offset[other + 1])
            if same and other == key:
                low = start  # what lies before was compared from there
            take = min(high - low - skip, SEGMENT - size)
            for i in range(take):
                place[size + i] = low + skip + i
                for word in range(words):
                    near[word, size + i] = right[low + skip + i, word]
            size += take
            skip += take
            if skip == high - low:
                flip, skip = flip + 1, 0
        for at in range(start + done, end):
            if filled + size > len(first):
                state[0], state[1], state[2], state[3] = run, flip_before, skip_before, at - start
                return filled
            for begin in range(0, size, BLOCK):
                count = min(BLOCK, size - begin)
                for word in range(words):
                    code = left[at, word]
                    row = near[word, begin : begin + count]
                    if word == 0:
                        for i in range(count):
                            distance[i] = popcount(code ^ row[i])
                    else:
                        for i in range(count):
                            distance[i] += popcount(code ^ row[i])
                closest = NEVER
                for i in range(count):
                    closest = min(closest, distance[i])
                if closest > max_bits:
                    continue
                for i in range(count):
                    if distance[i] > max_bits:
                        continue
                    to = place[begin + i]
                    if same and to <= at:
                        continue
                    is_new = True
                    for table in range(len(earlier_bits)):
                        differing = 0
                        for word in range(words):
                            both = left[at, word] ^ right[to, word]
                            differing += popcount(both & earlier_mask[table, word])
                        if differing <= earlier_bits[table]:
                            is_new = False
                            break
                    if is_new:
                        a, b = left_number[at], right_number[to]
                        if same and b < a:
                            a, b = b, a
                        first[filled], second[filled], bits[filled] = a, b, distance[i]
                        filled += 1
        done = 0
        if flip == len(flips):
            run, flip, skip = run + 1, 0, 0
    state[0] = state[4]
    return filled

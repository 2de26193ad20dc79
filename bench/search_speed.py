"""All pairs of 64-bit codes within a radius: faiss IndexBinaryFlat against footwork.

    python bench/search_speed.py [--codes 100000 200000] [--radius 10] [--peer-limit 300000]
                                 [--added 10000]

Two kinds of data, drawn: `random` with a tenth planted as copies (0 to 12 flipped bits), and
`clustered` as photos are: groups of copies of very unequal sizes, a few patterns (skies, pages)
that many unlike photos are near to, and pHash's own rule that 32 of 64 bits are set. Each side
gets the distinct codes and must find the same pairs. faiss-cpu is used where it is installed;
else NumPy compares everything, which is said. Above --peer-limit codes only ours is timed: the
peer's time grows with the square. Each run has its own process, so the peak memory is its own
(with the imports); the first call of ours also loads or compiles its loop, in `start`.

Then --added codes come to as many old ones whose pairs are known: how long the search for the new
pairs takes, and that old and new together are the pairs of one search of everything.
"""

import argparse
import hashlib
import multiprocessing
import os
import resource
import time
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from footwork.machine import cores, describe_machine, library_versions

Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class Run:
    """What one process found. digest: of all (i, j, bits), sorted."""

    start_s: float
    search_s: float
    pairs: int
    digest: str
    peak_mib: float


def flipped(codes: Codes, bits: NDArray[np.int64], rng: np.random.Generator) -> Codes:
    """Flip `bits` (n,) different bits of each of (n,) codes."""
    out = codes.copy()
    for start in range(0, len(codes), 50_000):
        part = slice(start, start + 50_000)
        rank = rng.random((len(codes[part]), 64)).argsort(axis=1)
        change = np.packbits(rank < bits[part, None], axis=1).view(np.uint64)[:, 0]
        out[part] ^= change
    return out


def random_codes(count: int, rng: np.random.Generator) -> Codes:
    codes = rng.integers(0, 2**64, count, dtype=np.uint64)
    tenth = count // 10
    codes[:tenth] = flipped(codes[-tenth:], rng.integers(0, 13, tenth), rng)
    return codes


def clustered_codes(count: int, rng: np.random.Generator) -> Codes:
    def photos(number: int) -> Codes:
        bits = np.tile(np.arange(64) < 32, (number, 1))
        return np.packbits(rng.permuted(bits, axis=1), axis=1).view(np.uint64)[:, 0]

    patterned = count // 10
    centres = photos(50)[rng.integers(0, 50, patterned)]
    codes = [flipped(centres, rng.integers(6, 29, patterned), rng)]
    sizes = np.minimum(rng.zipf(2.2, count), 300)  # most photos are alone, some everywhere
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), count - patterned)) + 1]
    copies = np.repeat(photos(len(sizes)), sizes)[: count - patterned]
    codes.append(flipped(copies, np.minimum(rng.geometric(0.25, len(copies)) - 1, 20), rng))
    return np.concatenate(codes)


def drawn(data: str, count: int) -> Codes:
    rng = np.random.default_rng(11)
    # Sorted by value, as footwork's `distinct` numbers them, so that pairs can be compared.
    return np.unique((random_codes if data == "random" else clustered_codes)(count, rng))


def digest_of(first: NDArray[np.int64], second: NDArray[np.int64], bits: NDArray[np.int64]) -> str:
    order = np.lexsort((second, first))
    rows = np.stack([first[order], second[order], bits[order]])
    return hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()


def with_footwork(codes: Codes, radius: int) -> Run:
    started = time.perf_counter()
    from footwork.duplicates.index import collected, distinct, pairs_within

    list(pairs_within(distinct(codes[:100]), radius))
    begun = time.perf_counter()
    found = collected(pairs_within(distinct(codes), radius))
    ended = time.perf_counter()
    digest = digest_of(found.first, found.second, found.bits)
    return Run(begun - started, ended - begun, len(found), digest, peak_mib())


def grown(data: str, count: int, added: int, radius: int) -> tuple[float, float, int, bool]:
    """Return the seconds of one search of everything, those of the new codes alone, how many
    pairs there are, and whether they are the same.
    """
    from footwork.duplicates.growing import Known, pairs_between
    from footwork.duplicates.index import distinct

    everything = distinct(drawn(data, count + added))
    codes = everything.codes[:, 0]
    pairs_between(few := distinct(codes[:100]), few, radius)
    is_new = np.zeros(len(codes), dtype=bool)
    is_new[np.random.default_rng(3).choice(len(codes), added, replace=False)] = True
    started = time.perf_counter()
    whole = pairs_between(everything, everything, radius)
    full = time.perf_counter() - started
    old = distinct(codes[~is_new])
    before = old.codes[:, 0]
    known = Known(before, before, pairs_between(old, old, radius))
    started = time.perf_counter()
    found = pairs_between(everything, everything, radius, known)
    taken = time.perf_counter() - started
    same = digest_of(whole.first, whole.second, whole.bits) == digest_of(
        found.first, found.second, found.bits
    )
    return full, taken, len(found), same


def with_faiss(codes: Codes, radius: int) -> Run:
    started = time.perf_counter()
    import faiss

    rows = codes.view(np.uint8).reshape(-1, 8)
    begun = time.perf_counter()
    index = faiss.IndexBinaryFlat(64)
    index.add(rows)
    limits, bits, second = index.range_search(rows, radius + 1)  # strictly below
    ended = time.perf_counter()
    first = np.repeat(np.arange(len(codes)), np.diff(limits.astype(np.int64)))
    once = first < second
    digest = digest_of(first[once], second[once], bits[once].astype(np.int64))
    return Run(begun - started, ended - begun, int(once.sum()), digest, peak_mib())


def with_numpy(codes: Codes, radius: int) -> Run:
    begun = time.perf_counter()
    found: list[list[NDArray[np.int64]]] = [[], [], []]
    for start in range(0, len(codes), 64):
        bits = np.bitwise_count(codes[start : start + 64, None] ^ codes[None, start:])
        i, j = np.nonzero(bits <= radius)
        keep = i < j
        for column, values in zip(found, (i + start, j + start, bits[i, j]), strict=True):
            column.append(values[keep].astype(np.int64))
    ended = time.perf_counter()
    first, second, distance = (np.concatenate(column) for column in found)
    return Run(0, ended - begun, len(first), digest_of(first, second, distance), peak_mib())


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_here(who: str, data: str, count: int, radius: int) -> Run:
    search = {"footwork": with_footwork, "faiss flat": with_faiss, "NumPy": with_numpy}[who]
    return search(drawn(data, count), radius)


def measured(who: str, data: str, count: int, radius: int) -> Run:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_here, (who, data, count, radius))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--codes", type=int, nargs="+", default=[100_000, 200_000])
    parser.add_argument("--radius", type=int, default=10)
    parser.add_argument("--peer-limit", type=int, default=300_000)
    parser.add_argument("--added", type=int, default=10_000)
    options = parser.parse_args()
    peer = "faiss flat" if find_spec("faiss") else "NumPy"
    machine, versions = describe_machine(), library_versions(("numba", "numpy", "faiss-cpu"))
    print(
        f"{machine.cpu}, {machine.cores} cores, load {os.getloadavg()[0]:.1f}, "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}; "
        f"radius {options.radius}; peer: {peer} ({cores() if peer != 'NumPy' else 1} threads)"
    )
    for data in ("random", "clustered"):
        for count in options.codes:
            ours = measured("footwork", data, count, options.radius)
            print(
                f"{data} {count:,}: footwork {ours.search_s:.2f} s (start {ours.start_s:.1f} s), "
                f"{ours.pairs:,} pairs, peak {ours.peak_mib:.0f} MiB",
                flush=True,
            )
            if count > options.peer_limit:
                continue
            theirs = measured(peer, data, count, options.radius)
            print(
                f"    {peer} {theirs.search_s:.2f} s, {theirs.pairs:,} pairs, "
                f"peak {theirs.peak_mib:.0f} MiB; ratio {theirs.search_s / ours.search_s:.1f}",
                flush=True,
            )
            if ours.digest != theirs.digest:
                raise SystemExit("The pairs differ: one side is not exact.")
            print("    the same pairs at the same distances")
    for data in ("random", "clustered"):
        for count in options.codes:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                full, taken, pairs, same = pool.apply(
                    grown, (data, count, options.added, options.radius)
                )
            print(
                f"{data}: {options.added:,} new codes to {count:,}: {taken:.2f} s, a search of "
                f"everything {full:.2f} s, ratio {full / taken:.1f}; {pairs:,} pairs",
                flush=True,
            )
            if not same:
                raise SystemExit("The pairs differ from those of one search.")


if __name__ == "__main__":
    main()

"""Which of several copies is kept, and why: groups without chaining, by a stated total order.

Every member of a group matches the group's best photo, not only some other member. The order is

    1. not set aside already (by `clean` or a person)
    2. its label was decided by a person
    3. no overlay: flagged neither large_text nor collage by `clean`
    4. more pixels
    5. sharper, in steps of a factor of 1.41: less is noise of the encoder
    6. more bytes, so less compression
    7. more known of its origin: author, licence, page
    8. the higher SHA-256, so that nothing ever depends on the order of files

What `clean` has not measured counts as no overlay and as the least sharp.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from footwork.copies import Copy, Facts, Pair

HASH = "hash"  # the evidence whose `bits` are the distance of the plain codes of both images


@dataclass(frozen=True)
class Criterion:
    """rank: higher is kept; reason: what to say of (kept, other) where it decides."""

    rank: Callable[[Facts], int | str]
    reason: Callable[[Facts, Facts], str]


CRITERIA = (
    Criterion(lambda f: not f.set_aside, lambda a, b: "the other is set aside already"),
    Criterion(lambda f: f.decided, lambda a, b: "a person decided its label"),
    Criterion(
        lambda f: -len(f.overlays),
        lambda a, b: f"{len(a.overlays) or 'no'} overlay(s), the other has {listed(b.overlays)}",
    ),
    Criterion(
        lambda f: f.pixels,
        lambda a, b: f"{a.width}x{a.height} has more pixels than {b.width}x{b.height}",
    ),
    Criterion(
        lambda f: f.sharpness_step,
        lambda a, b: f"as many pixels, sharper: {measured(a)} against {measured(b)}",
    ),
    Criterion(
        lambda f: f.size, lambda a, b: f"as many pixels in {a.size:,} bytes instead of {b.size:,}"
    ),
    Criterion(
        lambda f: len(f.origin),
        lambda a, b: (
            f"as good a picture, with known {listed(a.origin)}; of the other "
            f"{listed(b.origin) or 'nothing is known'}"
        ),
    ),
    Criterion(
        lambda f: f.image,
        lambda a, b: "as good in every respect; the higher SHA-256 is kept",
    ),
)


def order_of_keeping(facts: Facts) -> tuple[int | str, ...]:
    """A total order; the highest is kept."""
    return tuple(criterion.rank(facts) for criterion in CRITERIA)


def reason(kept: Facts, other: Facts) -> str:
    """Say by which criterion `kept` comes before `other`."""
    first = next(c for c in CRITERIA if c.rank(kept) != c.rank(other))
    return first.reason(kept, other)


def listed(words: Collection[str]) -> str:
    return ", ".join(words)


def measured(facts: Facts) -> str:
    return "unknown" if facts.sharpness is None else f"{facts.sharpness:,.0f}"


def copies_to_set_aside(
    pairs: Iterable[Pair],
    facts: Mapping[str, Facts],
    apart: Iterable[Collection[str]] = (),
) -> list[Copy]:
    """Return every image that is a copy of a better one, by hash, with the reason.

    pairs: images that show the same photo, each pair once, in any order. A pair whose evidence
    is "hash" holds for all images of equal codes: such a pair of 0 bits says that two codes are
    equal, so a thousand equal codes need only a chain of 999 pairs, and one pair between two
    such sets stands for all. facts: of every image in a pair. apart: sets of images that a
    person took out of one group; no two of such a set are put into one group.

    The best image that is in no group yet takes all images near it that are in no group yet.
    """
    pairs = list(pairs)
    codes = EqualCodes(pairs)
    near = Neighbours(pairs, codes)
    kept_apart: defaultdict[str, set[int]] = defaultdict(set)
    for number, images in enumerate(apart):
        for image in images:
            kept_apart[image].add(number)
    taken: set[str] = set()
    copies: list[Copy] = []
    order = sorted(codes.images, key=lambda i: order_of_keeping(facts[i]), reverse=True)
    place = {image: rank for rank, image in enumerate(order)}
    for best in order:
        if best in taken:
            continue
        taken.add(best)
        used = set(kept_apart[best])  # the sets that already have somebody in this group
        found = {pair.other(best): pair for pair in near.of(best, taken)}
        for image in sorted(found, key=place.__getitem__):
            if used & kept_apart[image]:
                continue
            used |= kept_apart[image]
            taken.add(image)
            pair = found[image]
            copies.append(
                Copy(
                    image=image,
                    best=best,
                    bits=pair.bits,
                    cosine=pair.cosine,
                    evidence=pair.evidence,
                    why=reason(facts[best], facts[image]),
                )
            )
    return sorted(copies, key=lambda copy: copy.image)


class EqualCodes:
    """Sets of images whose plain codes are equal, as the pairs of 0 bits say."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._above: dict[str, str] = {}
        for pair in pairs:
            first, second = self.of(pair.first), self.of(pair.second)
            if pair.bits == 0 and HASH in pair.evidence:
                self._above[max(first, second)] = min(first, second)
        self.images = list(self._above)

    def of(self, image: str) -> str:
        """Return the name of the image's set: an image of it."""
        while (above := self._above.setdefault(image, image)) != image:
            self._above[image] = self._above[above]
            image = above
        return image


class Neighbours:
    """Which images match an image, with what is said for it."""

    def __init__(self, pairs: Iterable[Pair], codes: EqualCodes) -> None:
        self._code_of = codes.of
        self._exact: defaultdict[str, list[Pair]] = defaultdict(list)
        self._by_code: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for pair in pairs:
            self._exact[pair.first].append(pair)
            self._exact[pair.second].append(pair)
            if HASH in pair.evidence and pair.bits is not None:
                first, second = codes.of(pair.first), codes.of(pair.second)
                self._by_code[first][second] = self._by_code[second][first] = pair.bits
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for image in codes.images:
            self._members[codes.of(image)].append(image)

    def of(self, image: str, taken: Collection[str]) -> Iterator[Pair]:
        """Yield a pair for each image that is near `image` and not taken, the fullest last."""
        for code, bits in {**self._by_code[self._code_of(image)], self._code_of(image): 0}.items():
            # Those that are gone are dropped for good: else a large set is walked ever again.
            self._members[code] = [one for one in self._members[code] if one not in taken]
            for other in self._members[code]:
                first, second = sorted((image, other))
                yield Pair(first, second, bits, None, (HASH,))
        for pair in self._exact[image]:
            if pair.other(image) not in taken:
                yield pair

"""From near pairs to groups of copies, without chaining.

Connected components chain: A is near B, B near C, and C shows something else than A. Here every
member of a group is near the group's best photo, not only near some other member.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence


def star_groups(
    order: Sequence[int], pairs: Iterable[tuple[int, int, int]]
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return (best, [(member, bits), ...]) for every photo that has a copy.

    order: all photos, the one to keep first; it decides everything, so it must be total and not
    depend on file order. pairs: (a, b, bits) within the radius, each once, in any order.

    The best photo that is in no group yet takes all photos near it that are in no group yet.
    Members are sorted by their place in `order`. A photo without a copy is not listed.
    """
    near: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for a, b, bits in pairs:
        near[a][b] = near[b][a] = bits
    place = {photo: rank for rank, photo in enumerate(order)}
    taken: set[int] = set()
    groups = []
    for best in order:
        if best in taken or best not in near:
            continue
        members = sorted((m for m in near[best] if m not in taken), key=place.__getitem__)
        taken.add(best)
        taken.update(members)
        if members:
            groups.append((best, [(member, near[best][member]) for member in members]))
    return groups

"""Did the base model learn these very classes before? Then its scores flatter.

A network trained on ImageNet has seen labelled photos of a thousand kinds of things. Where its
own answer, one of those thousand, is nearly the same for all photos of a class and for no
others, the class is no news to it, and the comparison says little about a class that is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARE = 0.5  # of a class's photos get one and the same answer
ELSEWHERE = 0.1  # at most, of all other photos


def known_classes(
    answers: NDArray[np.int64], label: NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, int, float, float]]:
    """Return (class, ImageNet class, share of its photos, share of the others) for known ones.

    answers: (n,) the network's own ImageNet answer, 0 to 999; label: (n,) in [0, k).
    """
    found = []
    for k, name in enumerate(classes):
        mine, others = answers[label == k], answers[label != k]
        if not len(mine) or not len(others):
            continue
        answer = int(np.bincount(mine).argmax())
        share, elsewhere = float((mine == answer).mean()), float((others == answer).mean())
        if share >= SHARE and elsewhere <= ELSEWHERE:
            found.append((name, answer, share, elsewhere))
    return found


def warning(found: Sequence[tuple[str, int, float, float]], base: str) -> str:
    """Say it in a sentence for the report."""
    each = "; ".join(
        f"{name} (ImageNet class {answer}: {share:.0%} of its photos, "
        f"{elsewhere:.0%} of the others)"
        for name, answer, share, elsewhere in found
    )
    return (
        f"These scores flatter: ImageNet-trained base models have learned {each} from labelled "
        f"photos before, as the own answers of {base} show. Expect less on classes that are not "
        "in ImageNet."
    )

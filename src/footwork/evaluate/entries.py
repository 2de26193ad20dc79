"""What an entry of a comparison is, and which say nothing new."""

from collections.abc import Sequence

import numpy as np

from footwork.evaluate.answers import (
    Entry,
)
from footwork.evaluate.dataset import DataSet
from footwork.evaluate.seen_before import known_classes, warning
from footwork.models.bases import Base
from footwork.models.features import (
    Features,
)
from footwork.models.lite import imagenet_answers
from footwork.models.recipes import SECOND_LOOK, Recipe
from footwork.records import EntryInfo, Verified


def adds_nothing(recipe: Recipe, bases: Sequence[Base]) -> bool:
    """Whether a recipe is another one in disguise here: nothing to average, nobody to look at."""
    if recipe.kind == "average":
        return len(bases) == 1 and not recipe.joined
    return recipe.views == SECOND_LOOK and all(base.kind != "pose" for base in bases)


def plain(entry: Entry) -> bool:
    """Whether an entry is one lite base with right inputs and its own crop."""
    (first, *others) = entry.sights
    base = first.prepared.base
    own = [key.view for key in first.keys] == [base.contract.crop]
    return not others and own and base.kind == "lite" and entry.position == "right"


def flattering(base: str, data: DataSet, seen: Features) -> tuple[str, ...]:
    """Return a warning if the lite network `base` learned some of the classes on ImageNet."""
    rows = seen.good()
    answers = imagenet_answers(base, seen.vectors[rows])
    found = known_classes(answers, data.photos.label[rows], data.classes)
    return (warning(found, base),) if found else ()


def entry_info(entry: Entry, seen: Features, classes: int) -> EntryInfo:
    """Say what an entry is; what its bases have each for themselves is joined by '+'."""
    ready = [sight.prepared for sight in entry.sights]
    size = sum(entry.blocks)
    head = 8 * (size + 1) * classes / 1e6
    good = seen.vectors[seen.good()]
    edges = np.cumsum([0, *(sum(sight.blocks) for sight in entry.sights)])
    remarks = [
        remark
        for sight, start, end in zip(entry.sights, edges, edges[1:], strict=False)
        for remark in sight.prepared.remarks(good[:, start:end])
    ]
    return EntryInfo(
        entry=entry.digest,
        base=entry.base,
        recipe=entry.recipe.name,
        contract=entry.position,
        weights=worst([one.weights for one in ready]),
        weights_sha256="+".join(one.weights_sha256 for one in ready),
        licence=" + ".join(dict.fromkeys(one.base.licence for one in ready)),
        side=max(one.base.contract.side for one in ready),
        view="+".join(",".join(key.view for key in sight.keys) for sight in entry.sights),
        vector_size=size,
        runtime="+".join(dict.fromkeys(one.runtime for one in ready)),
        precision="+".join(dict.fromkeys(one.precision for one in ready)),
        milliseconds=seen.milliseconds,
        megabytes=sum(one.megabytes for one in ready) + head,
        notes=(*(note for one in ready for note in one.notes), *remarks),
    )


def worst(weights: Sequence[Verified]) -> Verified:
    order: tuple[Verified, ...] = ("random", "unverified", "verified")
    return min(weights, key=order.index)

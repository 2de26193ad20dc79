"""Which photos the report shows, in which order, and how each gets into the page once.

Over several repeats a photo has several answers. For the grids, and for them only, these are
folded into one verdict; every score comes from the repeats themselves, never from here.
"""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from footwork.predictions import FAILED, NO_ANSWER, Predictions

Thumbnail = Callable[[str], bytes | None]

MISTAKES_SHOWN, RIGHT_SHOWN, MISSED_SHOWN, SUSPECTS_SHOWN = 24, 12, 36, 18
ALBUM_BYTES = 5_000_000  # of base64 text; keeps any page below about 6 MB


@dataclass(frozen=True)
class Verdict:
    """What one entry makes of one photo over all repeats.

    photo: index into the predictions' photos. answer: the label if the photo is right, else the
    wrong class answered most often (on a tie the one with more probability), '' for no answer.
    confidence: mean over the answered repeats of the probability given to `answer`, None for no
    answer. wrong: repeats answered wrongly or not at all. right: wrong in at most half.
    """

    photo: int
    label: str
    answer: str
    right: bool
    confidence: float | None
    wrong: int
    repeats: int
    reason: str


def verdicts(predictions: Predictions, entry: int) -> tuple[Verdict, ...]:
    """Return one verdict per photo, in the photos' order, for entry index `entry`."""
    answers = predictions.answers(entry)
    proba = predictions.probabilities(entry)
    reasons = {
        int(predictions.photo[row]): str(predictions.reason[row])
        for row in np.flatnonzero((predictions.entry == entry) & (predictions.status == FAILED))
    }
    found = []
    for photo, label in enumerate(predictions.photos.label):
        given = answers[:, photo]
        answered = given != NO_ANSWER
        mean = proba[answered, photo].mean(axis=0) if answered.any() else None
        wrong = int((given != label).sum())
        right = 2 * wrong <= len(given)
        answer = int(label) if right else NO_ANSWER
        missed = Counter(given[answered & (given != label)].tolist())
        if not right and mean is not None and missed:
            answer = max(missed, key=lambda k: (missed[k], mean[k], -k))
        known = mean is not None and answer != NO_ANSWER
        found.append(
            Verdict(
                photo=photo,
                label=predictions.classes[label],
                answer=predictions.classes[answer] if known else "",
                right=right,
                confidence=float(mean[answer]) if mean is not None and known else None,
                wrong=wrong,
                repeats=len(given),
                reason=reasons.get(photo, ""),
            )
        )
    return tuple(found)


def mistakes(found: Sequence[Verdict]) -> list[Verdict]:
    """Return the wrong ones, most confident first, those without an answer last."""
    wrong = [verdict for verdict in found if not verdict.right]
    return sorted(wrong, key=lambda v: (-(v.confidence or 0.0), v.photo))


def right_ones(found: Sequence[Verdict]) -> list[Verdict]:
    """Return the right ones, the classes in turn, each in the photos' order.

    Photos are ordered by the hash of their bytes, so the first few are a fair sample.
    """
    turn: Counter[str] = Counter()
    keyed = []
    for verdict in found:
        if verdict.right:
            keyed.append((turn[verdict.label], verdict.label, verdict))
            turn[verdict.label] += 1
    return [verdict for _, _, verdict in sorted(keyed, key=lambda item: item[:2])]


def missed_by_all(of_entries: Sequence[Sequence[Verdict]]) -> list[tuple[Verdict, ...]]:
    """Return, per photo that every entry gets wrong, the entries' verdicts.

    The photos that the entries are surest of together come first.
    """
    missed = [
        tuple(per_entry)
        for per_entry in zip(*of_entries, strict=True)
        if not any(verdict.right for verdict in per_entry)
    ]
    return sorted(missed, key=lambda vs: (-sum(v.confidence or 0.0 for v in vs), vs[0].photo))


class Album:
    """Thumbnails, each embedded once however often it is shown, until the page is full.

    thumbnail: gives the JPEG bytes of an image by its SHA-256, or None; None shows no pictures.
    """

    def __init__(self, thumbnail: Thumbnail | None, room: int = ALBUM_BYTES) -> None:
        self._thumbnail = thumbnail
        self._room = room
        self._names: dict[str, str | None] = {}
        self._rules: list[str] = []
        self.unreadable = 0
        self.without_room = 0

    def css_class(self, image: str) -> str | None:
        """Return the CSS class that shows `image`, or None if it cannot be shown."""
        if self._thumbnail is None:
            return None
        if image not in self._names:
            self._names[image] = self._embed(self._thumbnail(image))
        return self._names[image]

    def _embed(self, jpeg: bytes | None) -> str | None:
        if not jpeg:
            self.unreadable += 1
            return None
        name = f"t{len(self._rules)}"
        text = base64.b64encode(jpeg).decode()
        if len(text) > self._room:
            self.without_room += 1
            return None
        self._room -= len(text)
        self._rules.append(f".photo.{name}{{background-image:url(data:image/jpeg;base64,{text})}}")
        return name

    def style(self) -> Markup:
        """Return the rules of all classes handed out. Digits and base64 only: safe as they are."""
        return Markup("\n".join(self._rules))  # noqa: S704

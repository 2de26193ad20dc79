"""What a run keeps as JSON: entries, data, environment, leaderboard. Plain facts, no logic.

Every record is frozen and refuses unknown keys, so that two runs can be compared by their
folders alone.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Position = Literal["right", "unit-range", "right-then-divided"]
Verified = Literal["verified", "unverified", "random"]
Split = Literal["cv", "given", "seed"]


class Record(BaseModel):
    """Base of everything that is kept as JSON: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EntryInfo(Record):
    """What an entry is, and what it costs; its scores live in the leaderboard.

    contract: how its inputs were fed; anything but 'right' was broken on purpose.
    weights: verified (known hash), unverified (a user's file) or random (never trained).
    milliseconds: median time of one photo alone, from its bytes to its class, on this machine.
    megabytes: the network and the head as files. vector_size: numbers per photo.
    notes: sentences that a reader must see beside the score.
    """

    entry: str
    base: str
    recipe: str
    contract: Position = "right"
    weights: Verified
    weights_sha256: str
    licence: str
    side: int
    view: str
    vector_size: int
    runtime: str
    precision: str
    milliseconds: float
    megabytes: float
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A name that tells the entries of one run apart."""
        broken = "" if self.contract == "right" else f" [{self.contract}]"
        return f"{self.base} · {self.recipe}{broken}"


class Disputed(Record):
    """A photo under several classes. images: (image, class); labels: (class, who, origin)."""

    images: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str, str], ...]


class DataInfo(Record):
    """What was compared on. `drawn` data is drawn by code and never carries a claim.

    variants: entries ever scored on these photos, this run's included (0: not counted).
    copies: set aside because a better copy is among `photos`; conflicts: photos left out because
    they carry two labels.
    """

    name: str
    photos: int
    groups: int
    per_class: dict[str, int]
    rejected: int
    conflicts: int
    provisional: int
    copies: int = 0
    variants: int = 0
    drawn: bool
    sha256: str  # over the sorted (image, label, group) rows
    notes: tuple[str, ...] = ()


class Environment(Record):
    """Everything needed to run it again: versions, machine, seeds, hashes, timings."""

    footwork: str
    python: str
    platform: str
    cpu: str
    cores: int
    versions: dict[str, str]
    started: str  # ISO 8601, UTC
    seconds: dict[str, float]  # per step
    seed: int
    folds: int
    repeats: int
    split: Split
    decoded: int  # images decoded and put through a network in this run; the rest was cached
    data: DataInfo


class Estimate(Record):
    """A score with its 95 % interval. All three in the score's own unit."""

    value: float
    low: float
    high: float


class ClassScores(Record):
    """One line of a classification report; means over the repeats, support in photos."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class EntryScores(Record):
    """The scores of one entry. Each is the mean over repeats of the score of one repeat.

    confusion: rows are true classes, columns the answers, then one for 'no answer'; counts,
    averaged over repeats. beats_guessing: the interval of macro-F1 lies above the better floor,
    or, where labels were permuted, p_nothing is at most 0.05. failed: planned test photos without
    an answer, over all repeats; each counts as wrong. tier: 1 is whatever cannot be shown to be
    worse than the best, 0 is an entry whose inputs were broken on purpose. p_nothing: of the
    recipe being no better than on permuted labels (see Permuted), None where not tried.
    """

    entry: str
    macro_f1: Estimate
    accuracy: Estimate
    balanced_accuracy: Estimate
    log_loss: float | None
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[float, ...], ...]
    beats_guessing: bool
    failed: int
    tier: int = 0
    p_nothing: float | None = None


class PairScores(Record):
    """Two entries compared, by their hashes, the one of the higher score first.

    difference: macro-F1 of a minus that of b, paired. p_alone: two-sided, for this comparison by
    itself; p: corrected for all pairs of the board. Not corrected, and None where they do not
    apply: mcnemar (exact, of accuracy, where every photo is answered once and alone in its
    group), accuracy_p and log_loss_p (Nadeau and Bengio's test over the folds).
    """

    a: str
    b: str
    difference: Estimate
    p: float
    p_alone: float
    mcnemar: float | None = None
    accuracy_p: float | None = None
    log_loss_p: float | None = None


class Permuted(Record):
    """What the recipes score where there is nothing to learn: labels permuted by group.

    permutations: how many; mean, highest: macro-F1 of the best entry in each of them.
    """

    permutations: int
    mean: float
    highest: float


class Floors(Record):
    """What is had for nothing: macro-F1 of always answering the largest class, and of guessing.

    guessing: mean and central 95 % range of uniform guesses on these labels. permuted: None
    where that was not tried.
    """

    largest_class: str
    largest_class_macro_f1: float
    guessing: Estimate
    permuted: Permuted | None = None


class Leaderboard(Record):
    """All that a run says in numbers, derived from its predictions and nothing else.

    entries are sorted by macro-F1, best first, equal scores by entry hash. kind: what the
    intervals are about: 'recipe' (cross-validation: fresh photos, retrained) or 'model' (one
    split or an external set: these very models). sentences: the findings in words, first what is
    best, how sure, and what to do next. pairs: of the entries in tiers, in their order.
    smallest_seen: the difference of macro-F1 between the best two that as many photos would show
    with 80 % power, None where none is sure enough to show; photos_needed: how many would show
    one of 0.05. Both None where there are no two.
    """

    kind: Literal["recipe", "model"]
    classes: tuple[str, ...]
    photos: int
    groups: int
    folds: int
    repeats: int
    floors: Floors
    entries: tuple[EntryScores, ...]
    sentences: tuple[str, ...]
    pairs: tuple[PairScores, ...] = ()
    smallest_seen: float | None = None
    photos_needed: int | None = None

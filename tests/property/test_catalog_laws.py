"""Laws of what counts: order never matters, nothing is both used and in conflict."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from footwork.catalog import Catalog
from footwork.importing.ingest import import_images
from footwork.truth import SPLITS, GroupRow, LabelRow, Place, fold_groups, judged, rank
from photo_folders import contents, png, write

IMAGES = st.sampled_from([f"{n:064x}" for n in range(6)])
SAID = st.builds(
    LabelRow,
    IMAGES,
    st.sampled_from(["ants", "bees", "wasps"]),
    st.sampled_from(["query:a", "query:b", "import:/x", "import:/y", "person:anna", "person:ben"]),
    st.sampled_from(["/x/1", "/x/2", "/y/1"]),
)
GIVEN = st.builds(
    GroupRow, IMAGES, st.sampled_from(["import:/x", "import:/y"]), st.sampled_from("1234")
)
SPLIT = st.tuples(IMAGES, st.sampled_from(SPLITS))


@given(st.lists(SAID), st.lists(GIVEN), st.lists(SPLIT), st.randoms(use_true_random=False))
def test_truth_does_not_depend_on_order(
    labels: list[LabelRow],
    groups: list[GroupRow],
    splits: list[tuple[str, str]],
    rng: random.Random,
) -> None:
    # A person's last word counts, so what persons said keeps its order.
    persons = [row for row in labels if rank(row.who) == 2]
    others = [row for row in labels if rank(row.who) < 2]
    places = [Place(row.image, "import", row.origin, "/x") for row in labels]
    once = judged(persons + others, groups, splits, places)
    for rows in (others, groups, splits, places):
        rng.shuffle(rows)
    assert judged(others + persons, groups, splits, places) == once


@given(st.lists(SAID))
def test_every_image_is_either_used_or_in_conflict(labels: list[LabelRow]) -> None:
    labelled, conflicts = judged(labels, [], [], [])
    used, left_out = [i.image for i in labelled], [c.image for c in conflicts]
    assert sorted(used + left_out) == sorted({row.image for row in labels})
    for item in labelled:
        best = max(rank(row.who) for row in labels if row.image == item.image)
        said = [r for r in labels if r.image == item.image and rank(r.who) == best]
        assert item.label in {row.label for row in said}
        assert item.provisional == (best == 0)
    for conflict in conflicts:
        assert len({label for label, _, _ in conflict.labels}) > 1
        assert len({rank(who) for _, who, _ in conflict.labels}) == 1


@given(st.lists(GIVEN))
def test_fold_groups_are_the_connected_components(given_groups: list[GroupRow]) -> None:
    images = [f"{n:064x}" for n in range(6)]
    together = {image: {image} for image in images}  # by brute force: join until nothing changes
    for _ in images:
        for a in given_groups:
            for b in given_groups:
                if (a.who, a.name) == (b.who, b.name) or a.image == b.image:
                    joined = together[a.image] | together[b.image]
                    for image in joined:
                        together[image] = joined
    called = fold_groups(images, given_groups)
    for one in images:
        for other in images:
            assert (called[one] == called[other]) == (other in together[one])
    for image in images:
        if image not in {row.image for row in given_groups}:
            assert called[image] == image


def test_a_group_that_is_called_like_an_image_does_not_join_it() -> None:
    lonely, a, b = (f"{n:064x}" for n in range(3))
    called = fold_groups([lonely, a, b], [GroupRow(a, "w", lonely), GroupRow(b, "w", lonely)])
    assert called[a] == called[b] != called[lonely]


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["ants", "bees"]), st.integers(0, 2)),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    st.randoms(use_true_random=False),
)
def test_imports_in_any_order_and_any_number_of_times_are_one(
    files: list[tuple[int, str, int]], rng: random.Random
) -> None:
    """Each file is (picture, class, folder): equal pictures are copies or conflicts."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for picture, label, folder in files:
            write(root / f"set{folder}", {f"{label}/{picture}.png": png(picture)})
        sources = sorted(root.glob("set*"))
        outcomes = []
        for project in ("once", "shuffled"):
            (root / project).mkdir()
            with Catalog.open(root / project) as catalog:
                for source in sources:
                    import_images(catalog, source, classes=())
                outcomes.append(catalog.judged())
            sources = [*sources, *sources]
            rng.shuffle(sources)
        assert outcomes[0] == outcomes[1]
        assert contents(root / "once") == contents(root / "shuffled")
        classes: dict[int, set[str]] = {}
        for picture, label, _ in files:
            classes.setdefault(picture, set()).add(label)
        assert len(outcomes[0][1]) == sum(len(some) == 2 for some in classes.values())

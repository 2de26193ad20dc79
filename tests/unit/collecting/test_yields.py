"""What each search brings."""

from dataclasses import astuple
from pathlib import Path

import pytest

from collected_photos import HEEL, TOE, collect, hit, opened, picture, smaller
from footwork.catalog import Catalog
from footwork.collecting.keep import Keeper
from footwork.collecting.ledger import Asked, Ledger, Outcome
from footwork.collecting.yields import Yields, in_sentences, yields_of
from footwork.duplicates.dedupe import dedupe
from footwork.files import write_text
from footwork.reporting.gathered import yield_page
from footwork.runs import Run
from photo_folders import png
from synthetic_run import board_of, made_run

ORDER = [Asked("openverse", HEEL, 9), Asked("commons", HEEL, 9), Asked("openverse", TOE, 9)]


def rows(found: Yields) -> dict[tuple[str, str], tuple[int, ...]]:
    return {
        (row.source, row.language): (row.hits, row.fetched, row.new, row.new_last)
        for row in found.rows
    }


@pytest.mark.parametrize("turned", [False, True])
def test_a_photo_is_new_for_one_search_alone_whatever_came_first(
    tmp_path: Path, turned: bool
) -> None:
    photo = picture(1, 300)
    hits = [hit(1), hit(2), hit(1, source="commons"), hit(3, source="commons"), hit(2, TOE)]
    photos = {hit(1).image_url: photo, hit(2).image_url: png(2), hit(3).image_url: smaller(photo)}
    with opened(tmp_path) as catalog:
        collect(catalog, hits[::-1] if turned else hits, photos)
        dedupe(catalog)
        found = yields_of(catalog, tmp_path / "runs", ORDER)
    assert [(row.source, row.language) for row in found.rows] == [
        ("openverse", "en"),
        ("commons", "en"),
        ("openverse", "ja"),
    ]
    assert rows(found) == {
        ("openverse", "en"): (2, 2, 2, 2),
        ("commons", "en"): (2, 2, 0, 0),  # one address known, the other a smaller copy
        ("openverse", "ja"): (1, 1, 0, 0),
    }
    assert found.total.new == 2


def test_a_later_collection_shows_what_is_still_new(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2)])
        collect(catalog, [hit(1), hit(2), hit(3), hit(4, TOE)])
        found = yields_of(catalog, tmp_path / "runs", ORDER)
    assert rows(found) == {("openverse", "en"): (3, 3, 3, 1), ("openverse", "ja"): (1, 1, 1, 1)}
    assert found.collections == 2
    assert [(row.language, row.new) for row in found.by("language")] == [("en", 3), ("ja", 1)]
    assert in_sentences(found)[0] == (
        "4 hits of 2 searches brought 4 different photos; the last collection brought 2 of them."
    )


def test_what_was_left_out_failed_or_waits_is_counted_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        number, _ = ledger.begin(ORDER[:1])
        ledger.note(number, [(hit(n), "licence" if n == 4 else None) for n in range(5)])
        ledger.record(number, [Outcome(hit(0).image_url, reason="HTTP 404")])
        (row,) = yields_of(catalog, tmp_path / "runs").rows
    assert (row.hits, row.left_out, row.failed, row.waiting, row.fetched) == (5, 1, 1, 3, 0)


def test_relevant_is_what_the_best_model_of_the_newest_run_says(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        run, images = judged_run(catalog, tmp_path)
        found = yields_of(catalog, tmp_path / "runs", ORDER)
    table = run.predictions
    best = board_of(table).entries[0].entry
    index = [entry.entry for entry in table.entries].index(best)
    grid = table.answers(index)
    heel = table.classes.index("heel_hook")
    agree = answered = 0
    for photo in range(len(table.photos)):
        votes = [(grid[:, photo] == k).sum() for k in range(len(table.classes))]
        answered += max(votes) > 0
        agree += max(votes) > 0 and votes.index(max(votes)) == heel
    (row,) = found.rows
    assert set(table.photos.image) == images
    assert row.judged == answered == len(images) - 1, "one photo failed in this run"
    assert 0 < row.relevant == agree < row.judged
    assert run.name in str(found.judge)


def judged_run(catalog: Catalog, folder: Path) -> tuple[Run, set[str]]:
    """Collect 12 photos for one query, of 3 classes in truth, and make a run over them."""
    collect(catalog, [hit(n) for n in range(12)])
    images = [image.sha256 for image in catalog.images()]
    labels = [n % 3 for n in range(12)]
    run = made_run(
        folder / "runs" / "20260101-a",
        paths=[f"{n}.png" for n in range(12)],
        labels=labels,
        images=images,
    )
    run.predictions.write(run.folder / "predictions.parquet")
    write_text(run.folder / "environment.json", run.environment.model_dump_json())
    listed = ",".join(entry.model_dump_json() for entry in run.entries)
    write_text(run.folder / "entries.json", f"[{listed}]")
    write_text(run.folder / "metrics.json", board_of(run.predictions).model_dump_json())
    return run, set(images)


def test_accepted_is_what_a_person_decided(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(n) for n in range(4)])
        images = [image.sha256 for image in catalog.images()]
        catalog.decide_label(images[0], "heel_hook", "person:ann")
        catalog.decide_label(images[1], "toe_hook", "person:ann")
        with catalog.database.transaction() as connection:
            connection.execute(
                "INSERT INTO decision (at, who, verb, sha256, detail) VALUES "
                "('2026', 'person:ann', 'reject', ?, '{}')",
                (images[2],),
            )
        (row,) = yields_of(catalog, tmp_path / "runs").rows
    assert (row.reviewed, row.accepted) == (3, 1)
    assert (row.judged, row.relevant) == (0, 0)


def test_the_page_shows_every_search_and_escapes_its_words(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        evil = hit(1, type(HEEL)("heel_hook", "en", "<script>x</script>"))
        collect(catalog, [evil, hit(2, TOE)], keeper=Keeper(catalog))
        found = yields_of(catalog, tmp_path / "runs")
    page = yield_page(found, "climbing")
    assert "<script>" not in page
    assert "トゥフック" in page
    assert "unknown until a comparison has run" in page
    assert yield_page(Yields((), found.total, None, 0, None), "x")
    assert in_sentences(Yields((), found.total, None, 0, None)) == [
        "Nothing was collected yet: footwork collect."
    ]
    assert len(astuple(found.total)) == 15

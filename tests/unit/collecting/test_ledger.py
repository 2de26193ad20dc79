"""What is remembered of a collection, and what follows for photos."""

from pathlib import Path

import pytest

from collected_photos import HEEL, TOE, collect, hit, kept, opened
from footwork.collecting.hits import Query
from footwork.collecting.keep import Keeper
from footwork.collecting.ledger import Asked, Ended, Ledger, Outcome
from footwork.truth import Conflict
from photo_folders import contents, png


def test_every_place_of_a_photo_has_its_row_even_with_the_same_bytes(tmp_path: Path) -> None:
    one = png(1)
    hits = [
        hit(1),
        hit(2, source="commons", author="Someone", licence="cc0", licence_url=None),
        hit(1, Query("heel_hook", "es", "talón")),
    ]
    with opened(tmp_path) as catalog:
        collect(catalog, hits, {h.image_url: one for h in hits})
        (image,) = catalog.images()
        places = catalog.provenance(image.sha256)

    assert [(p.kind, p.origin, p.source, p.query, p.language) for p in places] == [
        ("collect", "https://photos.example/1.png", "openverse", "climbing heel hook", "en"),
        ("collect", "https://photos.example/1.png", "openverse", "talón", "es"),
        ("collect", "https://photos.example/2.png", "commons", "climbing heel hook", "en"),
    ]
    assert places[2].author == "Someone"
    assert (places[2].licence, places[2].licence_url) == ("cc0", None)
    assert places[0].title == "Photo 1"
    assert places[0].page_url == "https://photos.example/page/1"


def test_the_order_of_answers_changes_nothing(tmp_path: Path) -> None:
    hits = [hit(n, query, source) for n in range(4) for query in (HEEL, TOE) for source in "ab"]
    photos = {h.image_url: png(n % 3) for n, h in enumerate(hits)}
    left = []
    for name, some in (("forward", hits), ("backward", hits[::-1])):
        with opened(tmp_path / name) as catalog:
            collect(catalog, some, photos)
            left.append((contents(tmp_path / name), catalog.judged()))
    assert left[0] == left[1]


def test_the_query_is_a_provisional_label_and_two_classes_are_a_conflict(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2), hit(2, TOE)])
        labelled, conflicts = catalog.judged()
        assert [(row.label, row.provisional) for row in labelled] == [("heel_hook", True)]
        assert [sorted(c.labels)[0][:2] for c in conflicts] == [
            ("heel_hook", "query:climbing heel hook")
        ]
        catalog.decide_label(conflicts[0].image, "toe_hook", "person:ann")
        labelled, conflicts = catalog.judged()
    assert not conflicts
    assert sorted((row.label, row.provisional) for row in labelled) == [
        ("heel_hook", True),
        ("toe_hook", False),
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_two_classes_that_ask_the_same_words_are_a_conflict_too(
    tmp_path: Path, turned: bool
) -> None:
    hits = [hit(1, Query("a", "en", "climber")), hit(1, Query("b", "en", "climber"))]
    with opened(tmp_path) as catalog:
        collect(catalog, hits[::-1] if turned else hits)
        assert catalog.labelled() == []
        (conflict,) = catalog.conflicts()
    assert isinstance(conflict, Conflict)
    assert {name for name, _who, _origin in conflict.labels} == {"a", "b"}


def test_what_a_source_says_belongs_together_is_one_fold_group(tmp_path: Path) -> None:
    frames = [
        hit(1, group="video", author=None, page_url=None),
        hit(2, TOE, group="video", author=None, page_url=None),
        hit(3, source="other", group="video", author=None, page_url=None),
    ]
    with opened(tmp_path) as catalog:
        collect(catalog, frames)
        group = {row.path: row.group for row in catalog.labelled()}
    assert group[frames[0].image_url] == group[frames[1].image_url]
    assert group[frames[0].image_url] != group[frames[2].image_url]


def test_a_collection_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        first, resumed = ledger.begin([Asked("openverse", HEEL, 20)])
        assert not resumed
        ledger.keep_answer(first, "page 1", '{"results": ["ヒール"]}')
        ledger.note(first, [(hit(1), None), (hit(2), "its licence by-nc is not allowed")])

        assert ledger.begin([Asked("openverse", HEEL, 30)]) != (first, True), "another question"
        second, resumed = ledger.begin([Asked("openverse", HEEL, 20)])
        assert (second, resumed) == (first, True)


def test_answers_are_kept_until_the_collection_is_finished(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        number, _ = ledger.begin([Asked("openverse", HEEL, 20)])
        ledger.keep_answer(number, "page 1", '{"results": ["ヒール"]}')
        assert ledger.answer(number, "page 1") == '{"results": ["ヒール"]}'
        assert ledger.answer(number, "page 2") is None
        assert ledger.last_finished([Asked("openverse", HEEL, 20)]) is None
        ledger.finish(number)
        assert ledger.answer(number, "page 1") is None
        assert ledger.last_finished([Asked("openverse", HEEL, 20)]) is not None
        assert ledger.last_finished([Asked("openverse", HEEL, 21)]) is None
        later, resumed = ledger.begin([Asked("openverse", HEEL, 20)])
        assert later > number
        assert not resumed


def test_only_searches_that_ended_well_hand_over_what_waits(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        number, _ = ledger.begin([Asked("openverse", HEEL, 20), Asked("openverse", TOE, 20)])
        ledger.note(number, [(hit(1), None), (hit(2), "left out"), (hit(3, TOE), None)])
        ledger.end(number, ("openverse", HEEL), Ended(2, None, None))
        ledger.end(number, ("openverse", TOE), Ended(1, "limited", "too many requests"))
        assert list(ledger.ended(number)) == [("openverse", HEEL)]

        assert [h.image_url for h in ledger.waiting(number, "openverse")] == [
            "https://photos.example/1.png",
            "https://photos.example/3.png",
        ]
        (again, _other) = ledger.waiting(number, "openverse")
        assert again == hit(1)
        ledger.record(number, [kept(Keeper(catalog), again.image_url, png(1))])
        assert [h.image_url for h in ledger.waiting(number, "openverse")] == [
            "https://photos.example/3.png"
        ]


def test_photos_that_a_source_makes_are_asked_of_it_again(tmp_path: Path) -> None:
    """The frames of a video: what a kill leaves open is nowhere else."""
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        number, _ = ledger.begin([Asked("video", HEEL, 20)])
        ledger.note(number, [(hit(1, source="video", image_url="video:ab#t=1"), None)])
        ledger.end(number, ("video", HEEL), Ended(1, None, None))
        assert not ledger.ended(number)
        assert not ledger.waiting(number, "video")
        ledger.record(number, [kept(Keeper(catalog), "video:ab#t=1", png(1))])
        assert ledger.ended(number)


def test_an_address_is_known_as_long_as_its_photo_is_here(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        number = collect(catalog, [hit(1)])
        ledger = Ledger(catalog)
        ledger.record(number, [Outcome("https://x.example/2", reason="404", passing=True)])
        urls = ["https://photos.example/1.png", "https://x.example/2", "https://x.example/3"]
        known = ledger.fetched(urls)
        assert list(known) == urls[:2]
        assert known[urls[1]].reason == "404"
        assert known[urls[1]].passing
        (image,) = catalog.images()
        catalog.store.path(image.sha256, image.format).unlink()
        assert list(ledger.fetched(urls)) == urls[1:2]


def test_reasons_are_counted_most_first(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        ledger = Ledger(catalog)
        number, _ = ledger.begin([Asked("openverse", HEEL, 20)])
        ledger.note(number, [(hit(n), "licence" if n > 3 else None) for n in range(6)])
        ledger.record(
            number,
            [
                Outcome(hit(n).image_url, reason=reason)
                for n, reason in enumerate(["gone", "gone", "not an image"])
            ],
        )
        assert ledger.reasons(number) == (
            (("licence", 2),),
            (("gone", 2), ("not an image", 1)),
        )

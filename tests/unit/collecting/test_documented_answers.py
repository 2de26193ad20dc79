"""The documentation's own examples, read by each source: see tests/data/sources/README.md."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from footwork.collecting.hits import Hit, Query, SourceProblem
from footwork.collecting.sources.commons import Commons
from footwork.collecting.sources.flickr import Flickr
from footwork.collecting.sources.gbif import Gbif
from footwork.collecting.sources.inaturalist import INaturalist
from footwork.collecting.sources.openverse import Openverse
from footwork.collecting.sources.paging import Paged
from footwork.collecting.sources.searxng import SearXNG

DATA = Path(__file__).parents[2] / "data" / "sources"
QUERY = Query("heel_hook", "ja", "ヒールフック")


class Recorded:
    """A Web that gives the same answer to everything, and keeps what it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.params: list[dict[str, str]] = []

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        self.params.append(dict(params or {}))
        return self.answer


def page(source: Paged, answer: object = None) -> tuple[list[Hit], str | None, dict[str, str]]:
    """Return the hits and cursor of one page, and the last parameters that were sent."""
    import asyncio

    said = answer or json.loads((DATA / f"{source.name}.json").read_text(encoding="utf-8"))
    web = Recorded(said)
    got = asyncio.run(source.page(QUERY, web, None))
    return list(got.hits), got.following, web.params[-1]


def test_openverse() -> None:
    (first, second), following, asked = page(Openverse())

    assert asked == {"q": "ヒールフック", "page": "1", "page_size": "20"}
    assert following == "2"
    assert first.image_url == "https://live.staticflickr.com/1/2211213107_b.jpg"
    assert first.page_url == "https://www.flickr.com/photos/18090920@N07/2211213107"
    assert (first.title, first.author) == ("Heel hook on the arête", "tonrulkens")
    assert (first.licence, first.licence_url) == (
        "by-sa",
        "https://creativecommons.org/licenses/by-sa/2.0/",
    )
    assert (first.width, first.height) == (1024, 683)
    assert second.image_url == "https://images.example.org/no-scheme.png"
    assert (second.licence, second.size, second.title) == ("cc0", 204800, None)


def test_openverse_takes_a_token_and_names_a_stale_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    class Stale(Recorded):
        async def get_json(
            self,
            url: str,
            *,
            params: Mapping[str, str] | None = None,
            headers: Mapping[str, str] | None = None,
        ) -> object:
            assert dict(headers or {}) == {"Authorization": "Bearer t0ken"}
            raise SourceProblem("key", "answers 401")

    monkeypatch.setenv("FOOTWORK_OPENVERSE_TOKEN", "t0ken")
    with pytest.raises(SourceProblem, match="token in FOOTWORK_OPENVERSE_TOKEN") as caught:
        asyncio.run(Openverse().page(QUERY, Stale(None), None))
    assert "t0ken" not in caught.value.reason


def test_commons_ranks_takes_small_versions_and_leaves_documents_out() -> None:
    (old, heel), following, asked = page(Commons())

    assert asked["gsrsearch"] == "ヒールフック filetype:bitmap"
    assert asked["maxlag"] == "5"
    assert json.loads(following or "") == {"gsroffset": 50, "continue": "gsroffset||"}
    assert heel.image_url.endswith("/1280px-Heelhook.jpg")
    assert (heel.width, heel.height, heel.size) == (1280, 960, None)
    assert (heel.title, heel.author, heel.licence) == ("Heelhook", "Ana & Ben", "by-sa")
    assert old.image_url.endswith("/Old_climber_1911.jpg")
    assert (old.title, old.author) == ("Old climber 1911", "Archive")
    assert (old.licence, old.licence_url, old.size) == ("pdm", None, 90000)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [("maxlag", "limited"), ("ratelimited", "limited"), ("badvalue", "refused")],
)
def test_commons_says_no_with_status_200(code: str, trouble: str) -> None:
    with pytest.raises(SourceProblem, match=code) as caught:
        page(Commons(), {"error": {"code": code, "info": "Waiting for 10.0.0.1: 8 s lagged."}})
    assert caught.value.trouble == trouble


def test_flickr_takes_the_large_size_and_knows_licences_by_their_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOOTWORK_FLICKR_KEY", "k")
    (first, second), following, asked = page(Flickr())

    assert asked["method"] == "flickr.photos.search"
    assert following == "2"
    assert first.image_url == "https://live.staticflickr.com/2/2636_a123456_b.jpg"
    assert first.page_url == "https://www.flickr.com/photos/47058503995@N01/2636"
    assert (first.licence, first.author, first.width) == ("by-sa", "Bees", 1024)
    assert second.image_url == "https://live.staticflickr.com/2/2635_b123456.jpg"
    assert (second.licence, second.title, second.width) == ("all-rights-reserved", None, None)


def test_inaturalist_takes_the_large_size_of_every_photo() -> None:
    (first, second), following, asked = page(INaturalist())

    assert asked["taxon_name"] == "ヒールフック"
    assert following == "501"
    assert first.image_url.endswith("/photos/91/large.jpg")
    assert second.image_url.endswith("/photos/92/large.jpeg")
    assert first.page_url == second.page_url == "https://www.inaturalist.org/observations/501"
    assert (first.title, first.author) == ("Western Honey Bee", "Ana B.")
    assert (first.licence, second.licence) == ("by-nc", "all-rights-reserved")
    assert first.licence_url == "https://creativecommons.org/licenses/by-nc/4.0/"


def test_gbif_takes_the_photos_licence_else_the_records() -> None:
    (first, second), following, asked = page(Gbif())

    assert asked["mediaType"] == "StillImage"
    assert following is None
    assert (first.licence, first.author) == ("cc0", "Ana")
    assert (second.licence, second.author) == ("by-nc", "Museum")
    assert first.page_url == second.page_url == "https://www.gbif.org/occurrence/4011"


def test_searxng_takes_addresses_only() -> None:
    (only,), following, asked = page(SearXNG("https://searx.example.org/"))

    assert (asked["language"], asked["categories"], asked["format"]) == ("ja", "images", "json")
    assert following == "2"
    assert only.image_url == "https://cdn.example.org/heel.jpg"
    assert (only.width, only.height, only.licence, only.author) == (1200, 800, None, None)

"""One collection against real servers on loopback, with a plain client in place of the guarded one.

The guarded client has tests of its own; the command line joins both in tests/e2e.
"""

import asyncio
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

import troubled_checking
from collected_photos import opened
from footwork.catalog import Catalog
from footwork.collecting import keep
from footwork.collecting.collect import Collected, Collector
from footwork.collecting.hits import Hit, Query, SourceProblem, Trouble
from footwork.collecting.keep import Answer, Keeper
from footwork.collecting.ledger import Ledger
from footwork.collecting.plan import LIMIT, Course
from footwork.collecting.remembering import Remembering
from footwork.collecting.sources.commons import Commons
from footwork.collecting.sources.flickr import Flickr
from footwork.collecting.sources.openverse import Openverse
from footwork.errors import EnvironmentProblem
from footwork.progress import Progress
from photo_folders import contents, numbered, png
from source_servers import KEY, SourceServers

QUERIES = (
    Query("heel_hook", "en", "climbing heel hook"),
    Query("heel_hook", "ja", "ヒールフック"),
    Query("toe_hook", "fr", "contre-pointe"),
)


class Plain:
    """A client without guard and politeness. stop_after: requests, then it raises."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.left = stop_after
        self.asked: list[str] = []

    def count(self, url: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise EnvironmentProblem("stopped by the test")
        self.asked.append(url)

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        self.count(url)
        async with aiohttp.ClientSession() as session:
            answer = await session.get(url, params=params, headers=headers)
            if answer.status != 200:
                trouble: Trouble = "limited" if answer.status == 429 else "refused"
                raise SourceProblem(trouble, f"it answered {answer.status}")
            try:
                return await answer.json()
            except (aiohttp.ContentTypeError, json.JSONDecodeError):
                raise SourceProblem("changed", "it answered no JSON") from None

    async def photo(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Answer:
        self.count(url)
        headers = {"If-None-Match": etag} if etag else {}
        async with aiohttp.ClientSession() as session:
            answer = await session.get(url, headers=headers)
            if answer.status != 200:
                return Answer(reason=f"HTTP {answer.status}", passing=answer.status >= 500)
            return Answer(await answer.read(), etag='"1"')


@pytest.fixture
def servers() -> Iterator[SourceServers]:
    numbers = numbered({"heel_hook": 20, "toe_hook": 12})
    photos: dict[str, list[bytes]] = {"heel_hook": [], "toe_hook": []}
    for name, data in numbers.items():
        photos[name.split("/")[0]].append(data)
    with SourceServers(photos, QUERIES, apis=("openverse", "commons"), page_size=4) as started:
        yield started


def courses(servers: SourceServers, limit: int = LIMIT) -> list[Course]:
    made = (Openverse(servers.url("openverse")), Commons(servers.url("commons")))
    return [Course(s.name, s, QUERIES, limit, None, 1.0) for s in made]


def collect(
    catalog: Catalog,
    plan: Sequence[Course],
    client: Plain | None = None,
    *,
    keeper: Keeper | None = None,
) -> Collected:
    with catalog.filling(), Progress().board([]) as tell:
        collector = Collector(catalog, keeper or Keeper(catalog), plan, tell=tell)
        client = client or Plain()
        asyncio.run(collector.run(client, client))
    return collector.result()


def test_every_photo_is_kept_with_all_its_places(servers: SourceServers, tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        done = collect(catalog, courses(servers))
        assert {image.sha256 for image in catalog.images()} == servers.distinct()
        for api in ("openverse", "commons"):
            for query in QUERIES:
                expected = servers.expected(api, query)
                assert expected
                for photo in expected:
                    (place,) = [
                        p for p in catalog.provenance(photo.sha256) if p.origin == photo.url
                    ]
                    assert (place.source, place.query, place.language) == (
                        api,
                        query.words,
                        query.language,
                    )
                    assert (place.page_url, place.author) == (photo.page, photo.author)
                    assert (place.licence, place.licence_url) == (photo.licence, photo.licence_url)
    assert done.finished
    assert not done.resumed
    assert done.new == len(servers.distinct())
    assert [(s.name, s.searches, s.trouble) for s in done.sources] == [
        ("openverse", 3, None),
        ("commons", 3, None),
    ]
    assert done.failed == ()


def test_a_source_that_fails_does_not_end_the_others(
    servers: SourceServers, tmp_path: Path
) -> None:
    servers.misbehave("openverse", "other-shape")
    with opened(tmp_path) as catalog:
        done = collect(catalog, courses(servers))
        assert done.sources[0].trouble == "changed"
        assert "has changed" in str(done.sources[0].reason)
        assert done.sources[1].searches == 3
        assert done.new > 0
        assert done.finished, "asking again at once would not help"
        assert len(servers.requests["openverse"]) == 2, "after two queries it is left alone"

        servers.misbehave("openverse", "429")
        assert not collect(catalog, courses(servers)).finished
        servers.misbehave("openverse", None)
        servers.forget()
        again = collect(catalog, courses(servers))
        assert again.resumed
        assert again.finished
        assert again.sources[1].hits == done.sources[1].hits, "each is counted once"
        assert not servers.requests["commons"], "its answers are remembered"
        assert {image.sha256 for image in catalog.images()} == servers.distinct()


def test_an_adapter_with_a_mistake_is_told_and_ends_nothing(
    servers: SourceServers, tmp_path: Path
) -> None:
    class Broken:
        name = "broken"

        def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
            return planned

        async def search(self, query: Query, web: object, *, limit: int):  # type: ignore[no-untyped-def]
            yield Hit("broken", query, servers.url("photos") + "/nothing.jpg")
            raise KeyError(KEY)

    plan = [Course("broken", Broken(), QUERIES, 9, None, 1.0), courses(servers)[1]]
    with opened(tmp_path) as catalog:
        done = collect(catalog, plan)
    assert (done.sources[0].trouble, done.sources[0].reason) == (
        "changed",
        "broken failed with KeyError",
    )
    assert done.sources[1].searches == 3
    assert done.failed == (("HTTP 404", 1),)


@pytest.mark.parametrize("stop_after", [0, 1, 2, 5, 9, 14, 20, 27, 40, 55])
def test_what_was_broken_off_goes_on_without_asking_twice(
    servers: SourceServers, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("footwork.collecting.collect.NOTED", 2)
    servers.page_size = 1
    with opened(tmp_path / "whole") as catalog:
        collect(catalog, courses(servers))
    first, second = Plain(stop_after=stop_after), Plain()
    servers.forget()
    with opened(tmp_path / "broken") as catalog, pytest.raises(EnvironmentProblem):
        collect(catalog, courses(servers), first)
    known = kept(tmp_path / "broken")
    before = len(servers.requests["openverse"]) + len(servers.requests["commons"])
    with opened(tmp_path / "broken") as catalog:
        done = collect(catalog, courses(servers), second)
    assert done.resumed
    assert not known & set(second.asked), "photos that were here were asked for again"
    pages = [*servers.requests["openverse"], *servers.requests["commons"]]
    in_flight = 2  # one per source, whose answer the end cut off
    assert len(pages) - len(set(pages)) <= in_flight
    assert before <= len(pages)
    whole, broken = contents(tmp_path / "whole"), contents(tmp_path / "broken")
    for table in whole:
        if table not in ("collection", "sqlite_sequence"):
            assert broken[table] == whole[table], table


def kept(folder: Path) -> set[str]:
    with opened(folder) as catalog:
        rows = catalog.database.rows("SELECT image_url FROM fetch WHERE sha256 IS NOT NULL")
    return {url for (url,) in rows}


def test_a_later_collection_asks_photos_whether_they_changed(
    servers: SourceServers, tmp_path: Path
) -> None:
    with opened(tmp_path) as catalog:
        first = collect(catalog, courses(servers))
        later = collect(catalog, courses(servers), Answering304())
        assert (later.new, later.resumed) == (0, False)
        assert later.known == first.new + (first.known or 0) + extra_places(catalog, first)
        before = contents(tmp_path)
        assert len(before["provenance"]) == len(before["hit"])


def extra_places(catalog: Catalog, first: Collected) -> int:
    (urls,) = catalog.database.rows("SELECT count(*) FROM fetch")
    return int(urls[0]) - first.new


class Answering304(Plain):
    async def photo(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Answer:
        assert etag == '"1"'
        return Answer(as_before=True)


def test_the_limit_is_per_query_and_source(servers: SourceServers, tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        done = collect(catalog, courses(servers, limit=2))
        rows = catalog.database.rows("SELECT count(*) FROM hit GROUP BY source, words")
    assert [count for (count,) in rows] == [2] * 6
    assert [source.hits for source in done.sources] == [6, 6]


def test_licences_excluded_words_and_takedowns_are_not_even_fetched(
    servers: SourceServers, tmp_path: Path
) -> None:
    with opened(tmp_path) as catalog:
        keeper = Keeper(catalog, allow=("by", "cc0"), exclude={"en": ("no. 3",)})
        client = Plain()
        done = collect(catalog, courses(servers), client, keeper=keeper)
        licences = {p.licence for i in catalog.images() for p in catalog.provenance(i.sha256)}
        left_out = {
            url
            for (url,) in catalog.database.rows("SELECT image_url FROM hit WHERE left_out <> ''")
        }
    assert licences == {"by", "cc0"}
    assert left_out
    assert not left_out & set(client.asked)
    reasons = dict(done.left_out)
    assert "its licence by-nc is not in [licences] allow" in reasons
    assert any("[exclude]" in reason for reason in reasons)
    assert sum(reasons.values()) == len(left_out)


def test_keys_are_in_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: SourceServers
) -> None:
    photos = {"heel_hook": [png(n) for n in range(6)], "toe_hook": [png(9), png(10)]}
    with SourceServers(photos, QUERIES, apis=("flickr",), page_size=2) as flickr:
        for name, value in flickr.environment().items():
            monkeypatch.setenv(name, value)
        plan = [Course("flickr", Flickr(flickr.url("flickr")), QUERIES, 9, None, 1.0)]
        with opened(tmp_path) as catalog:
            client = Plain(stop_after=8)
            with pytest.raises(EnvironmentProblem):
                collect(catalog, plan, client)
            assert catalog.database.rows("SELECT count(*) FROM answer")[0][0] > 0
            everything = "\n".join(catalog.database.connection.iterdump())
    assert KEY not in everything
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*.sqlite*"))


def test_photos_that_a_source_makes_are_kept_without_a_request(tmp_path: Path) -> None:
    class Video:
        name = "video"

        def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
            return [Query("heel_hook", "", "a.mp4")]

        async def search(self, query: Query, web: object, *, limit: int):  # type: ignore[no-untyped-def]
            for n in range(3):
                hit = Hit("video", query, f"video:ab#t={n}", group="video:ab")
                yield replace(hit, data=png(n))

    client = Plain()
    with opened(tmp_path) as catalog:
        source = Video()
        done = collect(catalog, [Course("video", source, source.asked(()), 9, None, 1.0)], client)  # type: ignore[arg-type]
        groups = {row.group for row in catalog.labelled()}
    assert done.new == 3
    assert groups == {"video:ab"}
    assert not client.asked


def test_a_full_disk_ends_it_with_a_sentence_and_keeps_what_was_done(
    servers: SourceServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as catalog:
        with monkeypatch.context() as patched:
            patched.setenv("PYTHONPATH", str(Path(troubled_checking.__file__).parent))
            patched.setattr(keep, "CHECKING", troubled_checking.__name__)
            patched.setenv(troubled_checking.ROOM, "5")
            with pytest.raises(EnvironmentProblem, match="disk is full"):
                collect(catalog, courses(servers))
        assert len(catalog.images()) == 5
        assert collect(catalog, courses(servers)).resumed
        assert {image.sha256 for image in catalog.images()} == servers.distinct()


def test_an_answer_that_repeats_a_secret_is_not_remembered(tmp_path: Path) -> None:
    asked = []

    class Echo(Plain):
        async def get_json(
            self,
            url: str,
            *,
            params: Mapping[str, str] | None = None,
            headers: Mapping[str, str] | None = None,
        ) -> object:
            asked.append(url)
            return {"next": f"{url}?api_key={(params or {}).get('api_key', 'none')}"}

    async def work() -> None:
        remembering = Remembering(Echo(), Ledger(catalog), 1)
        for params in ({"api_key": KEY, "page": "1"}, {"page": "1"}):
            for _ in range(2):
                await remembering.get_json("http://a.example", params=params)

    with opened(tmp_path) as catalog:
        Ledger(catalog).begin([])
        asyncio.run(work())
        everything = "\n".join(catalog.database.connection.iterdump())
        kept = catalog.database.rows("SELECT body FROM answer")
    assert len(asked) == 3, "twice with the key, once without"
    assert KEY not in everything
    assert all(KEY.encode() not in zlib.decompress(body) for (body,) in kept)
    assert len(kept) == 1


def test_it_also_runs_where_a_loop_is_running_already() -> None:
    """As in a notebook; and what goes wrong there is raised, not lost."""
    from footwork.verbs.searching import run_async

    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    async def wrong() -> None:
        raise EnvironmentProblem("no")

    async def notebook() -> None:
        run_async(work())
        with pytest.raises(EnvironmentProblem, match="no"):
            run_async(wrong())

    asyncio.run(notebook())
    run_async(work())
    assert done == [1, 1]

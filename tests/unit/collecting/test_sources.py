"""Each source against a server that answers in its API's documented form, well and badly."""

import asyncio
import json
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from footwork.collecting import registry
from footwork.collecting.hits import Hit, Query, Source, SourceProblem, Trouble
from footwork.collecting.sources.ddgs import Ddgs
from footwork.collecting.sources.flickr import Flickr
from footwork.collecting.web import open_web
from footwork.project import FetchSettings, Project, checked_config
from no_web import NoWeb
from source_servers import APIS, KEY, SAYS_LICENCE, SEARCHED, Api, Misbehaviour, SourceServers

HEEL = Query("heel_hook", "en", "climbing heel hook")
JAPANESE = Query("heel_hook", "ja", "ヒールフック クライミング")
TOE = Query("toe_hook", "fr", "crochet de pointe")
QUERIES = (HEEL, JAPANESE, TOE)
COUNTED = ("openverse", "flickr", "pexels", "pixabay", "gbif", "searxng")  # pages by number
SAYS_AUTHOR = {*SAYS_LICENCE, "pexels", "pixabay"}
PHOTOS = {
    "heel_hook": [b"\xff\xd8heel %d" % number for number in range(450)],
    "toe_hook": [b"\x89PNG toe %d" % number for number in range(90)],
}


@pytest.fixture(scope="module")
def running() -> Iterator[SourceServers]:
    with SourceServers(PHOTOS, QUERIES, apis=APIS) as servers:
        yield servers


@pytest.fixture
def servers(running: SourceServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceServers]:
    for name, key in running.environment().items():
        monkeypatch.setenv(name, key)
    running.forget()
    yield running
    for api in APIS:
        running.misbehave(api, None)


@pytest.fixture
def project(servers: SourceServers, tmp_path: Path) -> Project:
    return Project(tmp_path, checked_config(tomllib.loads(servers.toml(tmp_path)), "test"))


def lame_ddgs(project: Project) -> Source:
    said = project.config.sources.ddgs
    return Ddgs(proxy=said.proxy, ca=Path(said.ca or ""), pause_s=0, timeout_s=2)


@pytest.mark.parametrize("api", SEARCHED)
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.language)
def test_a_search_brings_every_photo_with_what_the_source_says_of_it(
    servers: SourceServers, project: Project, api: Api, query: Query
) -> None:
    expected = servers.expected(api, query)
    hits = servers.found(registry.made(project, api), query)

    assert len(expected) > servers.page_size or query is TOE
    assert [hit.image_url for hit in hits] == [photo.url for photo in expected]
    for hit, photo in zip(hits, expected, strict=True):
        assert (hit.source, hit.query) == (api, query)
        if api != "inaturalist":  # there an observation's photos share what is said of it
            assert hit.title == photo.title
            assert hit.author == (photo.author if api in SAYS_AUTHOR else None)
        if api in SAYS_LICENCE:
            assert hit.licence == photo.licence
            assert hit.licence_url is not None
        assert hit.page_url


def test_photos_of_one_observation_share_their_page(
    servers: SourceServers, project: Project
) -> None:
    """So they share a fold: they show the same animal within a minute."""
    first, second, third, *_ = servers.found(registry.made(project, "inaturalist"), HEEL)

    assert first.page_url == second.page_url != third.page_url
    assert first.author == second.author


def test_each_language_and_source_brings_photos_of_its_own(servers: SourceServers) -> None:
    """What the servers promise to the test of the whole run."""
    offered = [p for api in SEARCHED for query in QUERIES for p in servers.expected(api, query)]
    urls, hashes = [p.url for p in offered], [p.sha256 for p in offered]

    assert len(set(urls)) == len(urls)
    assert len(set(hashes)) == len(servers.distinct()) == 540
    assert len(hashes) > len(set(hashes))  # some photos are offered twice


@pytest.mark.parametrize("api", SEARCHED)
def test_a_limit_is_kept_and_spares_the_api(
    servers: SourceServers, project: Project, api: Api
) -> None:
    hits = servers.found(registry.made(project, api), HEEL, limit=7)

    assert len(hits) == 7
    pages = {"flickr": 2, "ddgs": 3}.get(api, 1)  # with its licences; with its token
    assert len(servers.requests[api]) <= pages


TROUBLES: Mapping[Misbehaviour, set[Trouble]] = {
    "401": {"key", "refused", "changed"},
    "403": {"refused", "changed"},
    "429": {"limited", "refused", "changed"},
    "500": {"unreachable", "refused", "changed"},
    "html": {"changed", "refused"},
    "not-json": {"changed", "refused"},
    "other-shape": {"changed", "refused"},
    "list": {"changed", "refused"},
    "slow": {"unreachable"},
    "reset": {"unreachable", "changed"},
}


@pytest.mark.parametrize("api", SEARCHED)
@pytest.mark.parametrize("how", TROUBLES)
def test_a_source_in_trouble_says_which_and_names_no_key(
    servers: SourceServers, project: Project, api: Api, how: Misbehaviour
) -> None:
    servers.misbehave(api, how)
    source = lame_ddgs(project) if api == "ddgs" else registry.made(project, api)

    with pytest.raises(SourceProblem) as caught:
        servers.found(source, HEEL, 50, stall_s=0.5)
    assert caught.value.trouble in TROUBLES[how], caught.value.reason
    if api != "ddgs" and how in ("other-shape", "list"):
        assert caught.value.trouble == "changed"
        assert f"{api} has changed" in caught.value.reason
    assert KEY not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("api", SEARCHED)
@pytest.mark.parametrize("how", ["empty-pages", "same-page", "looping-cursor"])
def test_a_source_without_end_ends(
    servers: SourceServers, project: Project, api: Api, how: Misbehaviour
) -> None:
    servers.misbehave(api, how)
    source = registry.made(project, api)
    try:
        hits = servers.found(source, HEEL)
    except SourceProblem as problem:
        assert api == "ddgs"  # where nothing on the first page is a problem
        assert "found nothing" in problem.reason  # noqa: PT017
        hits = []

    assert len(hits) == (0 if how == "empty-pages" else servers.page_size)
    pages = {"empty-pages": 1, "looping-cursor": 2, "same-page": 4}[how]
    if api == "ddgs":  # its cursors are its pages' numbers; each takes a token, and Bing when empty
        pages = {"empty-pages": 3}.get(how, 8)
    elif api in COUNTED and how == "looping-cursor":
        pages = 4
    assert len(servers.requests[api]) == pages + (api == "flickr")  # which says its licences, too


@pytest.mark.parametrize("api", ["flickr", "pexels", "pixabay"])
def test_a_missing_key_names_its_variable_and_where_to_get_one(
    project: Project, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"FOOTWORK_{api.upper()}_KEY"
    monkeypatch.delenv(variable)
    with pytest.raises(SourceProblem, match=f"{variable}.*https://") as caught:
        registry.made(project, api)
    assert caught.value.trouble == "key"


def test_a_wrong_key_is_told_as_such_and_not_repeated(
    servers: SourceServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTWORK_FLICKR_KEY", "wrong-secret")
    with pytest.raises(SourceProblem, match="does not know the key in FOOTWORK_FLICKR_KEY") as told:
        servers.found(Flickr(servers.url("flickr")), HEEL)
    assert told.value.trouble == "key"
    assert "wrong-secret" not in told.value.reason


@pytest.mark.parametrize("name", ["unsplash", "pexels", "pixabay"])
def test_terms_that_forbid_training_are_quoted_with_their_address(
    tmp_path: Path, name: str
) -> None:
    bare = Project(tmp_path, checked_config({}, "test"))
    with pytest.raises(SourceProblem) as caught:
        registry.made(bare, name)
    about = registry.kinds()[name].about
    assert caught.value.trouble == "terms"
    assert str(about.forbidden) in caught.value.reason
    assert about.terms_url in caught.value.reason


def test_ddgs_falls_back_to_bing(servers: SourceServers, project: Project) -> None:
    said = project.config.sources.ddgs
    bing = Ddgs(proxy=said.proxy, ca=Path(said.ca or ""), backend="bing", pause_s=0)
    hits = servers.found(bing, JAPANESE)

    assert [hit.image_url for hit in hits] == [p.url for p in servers.expected("ddgs", JAPANESE)]
    assert hits[0].width == 640
    assert all(path.startswith("/images/async") for path in servers.requests["ddgs"])


def test_ddgs_asks_nobody_but_the_search_engines(servers: SourceServers, project: Project) -> None:
    servers.found(registry.made(project, "ddgs"), HEEL)

    assert servers.requests["ddgs"]
    assert not servers.requests["ddgs-elsewhere"]
    assert not servers.requests["photos"]


def test_ddgs_asks_nothing_twice_of_a_web_that_remembers(
    servers: SourceServers, project: Project
) -> None:
    """So a collection that was killed goes on without asking the engines again."""
    known: dict[str, object] = {}

    class Remembers(NoWeb):
        async def once(self, request: str, ask: Callable[[], Awaitable[object]]) -> object:
            if request not in known:
                known[request] = json.loads(json.dumps(await ask()))
            return known[request]

    async def search() -> list[Hit]:
        source = registry.made(project, "ddgs")
        return [hit async for hit in source.search(HEEL, Remembers(), limit=100)]

    first = asyncio.run(search())
    asked = len(servers.requests["ddgs"])
    assert asyncio.run(search()) == first
    assert len(servers.requests["ddgs"]) == asked > 0


def test_ddgs_trusts_only_the_authorities_it_is_told(
    servers: SourceServers, project: Project
) -> None:
    stranger = Ddgs(proxy=project.config.sources.ddgs.proxy, pause_s=0, timeout_s=3)
    with pytest.raises(SourceProblem):
        servers.found(stranger, HEEL)


def test_searxng_without_json_says_what_to_change(servers: SourceServers, project: Project) -> None:
    servers.misbehave("searxng", "403")
    with pytest.raises(SourceProblem, match="Add json to search: formats"):
        servers.found(registry.made(project, "searxng"), HEEL)


def test_an_instance_at_home_must_be_allowed_by_its_address(project: Project) -> None:
    """And the sentence says so, instead of blaming the instance."""

    async def search() -> list[Hit]:
        source = registry.made(project, "searxng")
        async with open_web(FetchSettings()) as web:
            return [hit async for hit in source.search(HEEL, web, limit=1)]

    with pytest.raises(SourceProblem, match="allow_addresses") as caught:
        asyncio.run(search())
    assert "formats" not in caught.value.reason

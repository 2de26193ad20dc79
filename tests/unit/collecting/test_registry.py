"""Which sources there are, and what they lack; those of other packages, too."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from footwork.collecting import registry
from footwork.collecting.check import Checked, check
from footwork.collecting.hits import Query, SourceProblem
from footwork.errors import DataError, UsageError
from footwork.project import Project, checked_config
from no_web import NoWeb, found
from source_servers import SEARCHED, Api, Misbehaviour, SourceServers

HEEL = Query("heel_hook", "en", "climbing heel hook")
PLUGIN = """
from footwork.collecting.hits import Hit
from footwork.collecting.registry import SourceKind
from footwork.collecting.sources.paging import About

class Shelf:
    name = "shelf"

    def __init__(self, photos):
        self.photos = photos

    def asked(self, planned):
        return planned

    async def search(self, query, web, *, limit):
        for number in range(min(limit, self.photos)):
            yield Hit(self.name, query, f"https://shelf.example/{number}.jpg")

def make(project):
    return Shelf(project.config.sources.plugins["shelf"]["photos"])

kind = SourceKind(About(name="shelf", what="a shelf of photos"), make)
wrong = 7
"""


def project(folder: Path, **sources: object) -> Project:
    return Project(folder, checked_config({"sources": sources}, "footwork.toml"))


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Lay out what pip would: a module and its entry point."""
    (folder / "shelf_source.py").write_text(PLUGIN, encoding="utf-8")
    info = folder / "shelf_source-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf-source\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[footwork.sources]\nshelf = {value}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "shelf_source", raising=False)


def test_another_package_brings_a_source_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "shelf_source:kind")
    own = project(tmp_path, use=["shelf"], plugins={"shelf": {"photos": 3}})

    assert registry.used(own) == ["shelf"]
    hits = found(registry.made(own, "shelf"), HEEL)
    assert [hit.image_url for hit in hits] == [f"https://shelf.example/{n}.jpg" for n in range(3)]


def test_an_entry_point_that_is_no_source_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "shelf_source:wrong")
    with pytest.raises(UsageError, match="source shelf offers int"):
        registry.kinds()


def test_an_unknown_source_gets_its_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean openverse"):
        registry.made(project(tmp_path), "openvers")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"serxng": {"url": "https://x.example"}},
            r"sources\.serxng: there is no such key; did you",
        ),
        ({"searxng": {"ulr": "https://x.example"}}, r"sources\.searxng\.ulr: there is no such key"),
        ({"searxng": {"url": "x.example"}}, r"sources\.searxng\.url: .*your own instance"),
        ({"video": {"every_s": 0}}, r"sources\.video\.every_s: .*seconds between two frames"),
        ({"urls": {"columns": {"licens": "x"}}}, r"sources\.urls\.columns\.licens"),
    ],
)
def test_wrong_settings_name_their_key(sources: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked_config({"sources": sources}, "footwork.toml")


def test_what_a_source_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOOTWORK_FLICKR_KEY", raising=False)
    bare = project(tmp_path)

    assert registry.lacking(bare, "openverse") == ""
    assert "FOOTWORK_FLICKR_KEY" in registry.lacking(bare, "flickr")
    assert "address of your instance" in registry.lacking(bare, "searxng")
    assert registry.lacking(bare, "unsplash") == "its terms forbid it"
    assert "needs files in [sources.urls]" in registry.lacking(bare, "urls")
    listed = project(tmp_path, urls={"files": {"heel_hook": "list.txt"}})
    assert registry.lacking(listed, "urls") == ""
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert "pip install 'footwork[search]'" in registry.lacking(bare, "ddgs")


def test_every_source_says_what_it_allows() -> None:
    for name, kind in registry.kinds().items():
        about = kind.about
        assert about.name == name
        assert about.what
        assert about.needs
        assert about.rate_per_s > 0
        assert about.terms_url.startswith("https://") or name in ("urls", "video")
        assert (about.key is None) or about.key_page.startswith("https://")


async def live(servers: SourceServers, own: Project, apis: Sequence[Api]) -> list[Checked]:
    async with servers.opened() as web:
        return await check(own, apis, web)


STATES = {
    None: "works",
    "other-shape": "changed",
    "html": "changed",
    "429": "limited",
    "500": "unreachable",
    "reset": "unreachable",
}


@pytest.mark.parametrize("how", STATES)
def test_check_asks_each_source_once_and_tells_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Misbehaviour | None
) -> None:
    apis = [api for api in SEARCHED if api != "ddgs"]
    photos = {"heel_hook": [b"\xff\xd8%d" % number for number in range(50)]}
    query = Query("heel_hook", "en", "climbing")  # what check asks where no query is set
    with SourceServers(photos, [query], apis=apis) as servers:
        for name, key in servers.environment().items():
            monkeypatch.setenv(name, key)
        text = servers.toml(tmp_path)
        for api in apis:
            servers.misbehave(api, how)
        import tomllib

        own = Project(tmp_path, checked_config(tomllib.loads(text), "test"))
        checked = asyncio.run(live(servers, own, apis))
        ready = asyncio.run(check(own, apis, None))

        assert {one.name: one.state for one in checked} == dict.fromkeys(apis, STATES[how])
        assert {one.state for one in ready} == {"ready"}
        for api in apis:
            asked = 2 if api == "flickr" and how is None else 1  # for its licences
            asked = {"500": 3, "reset": 2}.get(str(how), asked)  # the web tries again
            assert len(servers.requests[api]) == asked
        assert not servers.requests["photos"]
    gone = asyncio.run(live(servers, own, apis))
    assert {one.state for one in gone} == {"unreachable"}


def test_check_of_what_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOOTWORK_FLICKR_KEY", raising=False)
    states = {
        one.name: one.state
        for one in asyncio.run(
            check(project(tmp_path), ["flickr", "unsplash", "urls", "searxng"], NoWeb())
        )
    }
    assert states == {"flickr": "key", "unsplash": "terms", "urls": "key", "searxng": "key"}


def test_rates_are_those_of_the_public_apis_and_of_the_toml(tmp_path: Path) -> None:
    mirror = {"url": "https://mirror.example"}
    rates = registry.rates(
        project(
            tmp_path,
            openverse=mirror,
            commons={**mirror, "rate": 7.0},
            flickr={**mirror, "rate": 9.0},
            searxng={"url": "http://127.0.0.1:8888"},
        )
    )
    assert rates["mirror.example", 443] == 7.0  # the slowest that was asked for
    assert rates["api.gbif.org", 443] == 1.0
    assert rates["127.0.0.1", 8888] == 0.5
    assert ("commons.wikimedia.org", 443) not in rates
    assert registry.rates(project(tmp_path))["api.openverse.org", 443] == pytest.approx(0.33)


def test_apis_of_one_host_have_each_their_rate(tmp_path: Path) -> None:
    rates = registry.rates(
        project(
            tmp_path,
            openverse={"url": "http://127.0.0.1:7001", "rate": 100.0},
            commons={"url": "http://127.0.0.1:7002", "rate": 0.5},
        )
    )
    assert (rates["127.0.0.1", 7001], rates["127.0.0.1", 7002]) == (100.0, 0.5)


def test_a_problem_ends_a_source_not_the_program(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem):
        registry.made(project(tmp_path), "unsplash")

"""`footwork run` and `collect` through the real command line, against real servers on loopback.

The servers answer in the forms of the APIs. The photos behind them only stand in for climbers:
tiles of climbing photos and photos of ants and bees from ../shared, made smaller to keep this
short; drawn climbers, and fewer of them, where ../shared is absent.
"""

import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

import command_line
import footwork as library
from conftest import SHARED
from footwork.catalog import Catalog
from footwork.collecting.hits import Query
from footwork.collecting.queries import planned
from footwork.errors import DataError, UsageError
from footwork.project import read_config
from photo_folders import contents, numbered
from source_servers import KEY, Api, SourceServers

pytest.importorskip("ddgs", reason="footwork[search] is not installed")
LANGUAGES = {"en", "ja", "es", "fr", "zh"}
CLASSES = ("heel_hook", "toe_hook", "others")
FOUR: tuple[Api, ...] = ("openverse", "commons", "inaturalist", "ddgs")
COMPARE = """[compare]
bases = ["efficientnet_lite0"]
recipes = ["probe"]
folds = 3
repeats = 1
"""


def footwork(
    *words: str | Path, cwd: Path, code: int = 0, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    return command_line.footwork(*words, cwd=cwd, code=code, env=env, timeout_s=500)


def fetch_settings(servers: SourceServers) -> str:
    return (
        f"\n[fetch]\nallow_addresses = {json.dumps(servers.addresses())}\n"
        'contact = "tests@example.org"\nrate_per_host = 10000\nconnections_per_host = 16\n'
        "max_wait_s = 1.0\n"
    )


# From nothing to a report


def photos_of_climbers() -> dict[str, list[bytes]]:
    """More than 100 real photos per class where ../shared is there, else 15 drawn ones."""
    data = SHARED / "data"
    if not data.is_dir():
        from footwork.drawing.climbers import draw_all

        drawn = draw_all(5, dict.fromkeys(CLASSES, 15), lambda _done: None)
        return {
            name: [picture.data for picture in drawn if picture.label == name] for name in CLASSES
        }
    ants, bees = (sorted((data / "hymenoptera" / name).glob("*.jpg")) for name in ("ants", "bees"))
    tiles = {name: sorted((data / "climbing_tiles" / name).glob("*.*")) for name in CLASSES}
    paths = {
        "heel_hook": tiles["heel_hook"] + ants[:62],
        "toe_hook": tiles["toe_hook"] + bees[:76],
        "others": tiles["others"] + ants[90:126] + bees[100:132],
    }
    return {name: [small(path.read_bytes()) for path in some] for name, some in paths.items()}


def small(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((240, 240))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.fixture(scope="module")
def climbing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, SourceServers, dict]]:  # type: ignore[type-arg]
    """A project made from the climbing template in one command, its servers, and what it said."""
    folder = tmp_path_factory.mktemp("web") / "climbing"
    footwork("init", "climbing", "--template", "climbing", cwd=folder.parent)
    toml = folder / "footwork.toml"
    queries = [item.query for item in planned(read_config(toml))]
    with SourceServers(photos_of_climbers(), queries, apis=FOUR, authors=1_000) as servers:
        text = toml.read_text()
        sources = '[sources]\nuse = ["openverse", "commons"]\n'
        assert sources in text
        text = text.replace(sources, servers.toml(folder) + fetch_settings(servers))
        toml.write_text(text[: text.index("[compare]")] + COMPARE)
        yield folder, servers, json.loads(footwork("run", "--json", cwd=folder).stdout)


@pytest.mark.slow
def test_one_command_goes_from_nothing_to_a_report(
    climbing: tuple[Path, SourceServers, dict],  # type: ignore[type-arg]
) -> None:
    folder, servers, said = climbing
    assert [(step["name"], step["did"]) for step in said["steps"]] == [
        (name, True) for name in ("collect", "clean", "dedupe", "compare", "report")
    ]
    with Catalog.open(folder) as catalog:
        images = {image.sha256 for image in catalog.images()}
        languages = {p.language: image for image in images for p in catalog.provenance(image)}
        only = unique_to_languages(catalog, images)
    assert images == servers.distinct()
    assert len(images) >= (300 if (SHARED / "data").is_dir() else 40)
    assert set(languages) == LANGUAGES
    assert all(only[language] > 0 for language in LANGUAGES), "each brings other photos"
    assert {source["name"] for source in said["collected"]["sources"]} == set(FOUR)
    assert all(source["new"] > 0 for source in said["collected"]["sources"])
    compared = said["compared"]
    assert compared["entries"][0]["macro_f1"]["value"] > 0
    provisional = [note for note in compared["notes"] if "provisional" in note]
    assert len(provisional) == 1
    assert f"{compared['photos']} of {compared['photos']} labels (100 %)" in provisional[0]
    page = next((folder / "runs").glob("*/report.html")).read_text()
    assert "provisional" in page


def unique_to_languages(catalog: Catalog, images: set[str]) -> Counter[str | None]:
    spoken = [{p.language for p in catalog.provenance(image)} for image in images]
    return Counter(language for some in spoken if len(some) == 1 for language in some)


@pytest.mark.slow
def test_every_kept_photo_has_all_that_its_source_said(
    climbing: tuple[Path, SourceServers, dict],  # type: ignore[type-arg]
) -> None:
    folder, servers, _said = climbing
    queries = [item.query for item in planned(read_config(folder / "footwork.toml"))]
    seen = 0
    with Catalog.open(folder) as catalog:
        for api in FOUR:
            for query in queries:
                offered = servers.expected(api, query)
                for number, photo in enumerate(offered):
                    places = {p.origin: p for p in catalog.provenance(photo.sha256)}
                    place = places[photo.url]
                    assert (place.source, place.query, place.language) == (
                        api,
                        query.words,
                        query.language,
                    )
                    assert place.page_url
                    if api != "ddgs":  # web search names neither
                        # iNaturalist names the observer, and two photos are one observation.
                        by = offered[number - number % 2] if api == "inaturalist" else photo
                        assert (place.author, place.licence) == (by.author, photo.licence)
                        assert place.licence_url
                    seen += 1
        rows = sum(len(catalog.provenance(image.sha256)) for image in catalog.images())
    assert seen == rows > 0


@pytest.mark.slow
def test_a_second_run_asks_nobody_and_computes_nothing(
    climbing: tuple[Path, SourceServers, dict],  # type: ignore[type-arg]
) -> None:
    folder, servers, said = climbing
    servers.forget()
    again = json.loads(footwork("run", "--json", cwd=folder).stdout)
    assert not servers.requests
    assert not any(step["did"] for step in again["steps"])
    assert again["compared"]["run"] == said["compared"]["run"]
    assert again["compared"]["entries"] == said["compared"]["entries"]


@pytest.mark.slow
def test_what_was_taken_down_does_not_come_back_and_its_runs_are_named(
    climbing: tuple[Path, SourceServers, dict],  # type: ignore[type-arg]
    tmp_path: Path,
) -> None:
    before, servers, said = climbing
    folder = tmp_path / "project"
    shutil.copytree(before, folder)
    with Catalog.open(folder) as catalog:
        image = catalog.labelled()[0].image
        places = catalog.provenance(image)
    done = json.loads(
        footwork(
            "takedown", places[0].origin, "--why", "asked by mail", "--json", cwd=folder
        ).stdout
    )
    assert done["images"] == [image]
    assert done["runs"] == [said["compared"]["run"]]
    assert any(page.endswith("report.html") for page in done["pages"])
    assert not list(folder.rglob(f"{image}*"))

    servers.forget()
    collected = json.loads(footwork("collect", "--json", cwd=folder).stdout)
    assert servers.requests["openverse"], "it was asked again"
    assert collected["new"] == 0
    assert any("was taken down" in item["reason"] for item in collected["left_out"])
    barred = {place.origin for place in places}
    asked = {servers.url("photos") + path for path in servers.requests["photos"]}
    assert not barred & asked
    with Catalog.open(folder) as catalog:
        assert image not in {i.sha256 for i in catalog.images()}
    said_by = footwork("takedown", places[0].origin, cwd=folder).stdout
    assert "barred from now on" in said_by


@pytest.mark.slow
def test_yield_and_attributions_write_their_pages(
    climbing: tuple[Path, SourceServers, dict],  # type: ignore[type-arg]
) -> None:
    folder, servers, _said = climbing
    found = json.loads(footwork("yield", "--json", cwd=folder).stdout)
    assert sum(row["new"] for row in found["rows"]) == found["total"]["new"]
    assert found["total"]["judged"] > 0
    assert {row["language"] for row in found["rows"] if row["new"]} == LANGUAGES
    assert Path(found["page"]).read_text().count("<tr>") == len(found["rows"]) + 2
    queries = [item.query for item in planned(read_config(folder / "footwork.toml"))]
    some = servers.expected("commons", queries[0])
    assert some
    for kind in ("html", "md", "csv"):
        footwork("attributions", "--format", kind, cwd=folder)
        text = (folder / f"attributions.{kind}").read_text()
        assert all(photo.author in text for photo in some)
    (image,) = list(servers.distinct())[:1]
    shown = footwork("provenance", image[:12], cwd=folder).stdout
    assert "http://127.0.0.1:" in shown
    assert "query" in shown


# Small projects: what is asked, and what goes wrong

SMALL = (
    Query("heel_hook", "en", "climbing heel hook"),
    Query("heel_hook", "ja", "ヒールフック"),
    Query("toe_hook", "es", "gancho de punta"),
    Query("toe_hook", "fr", "contre-pointe"),
)
SOURCES: tuple[Api, ...] = ("openverse", "commons", "flickr", "ddgs")


@pytest.fixture(scope="module")
def servers() -> Iterator[SourceServers]:
    pictures: dict[str, list[bytes]] = {"heel_hook": [], "toe_hook": []}
    for name, data in numbered({"heel_hook": 160, "toe_hook": 160}).items():
        pictures[name.split("/")[0]].append(data)
    with SourceServers(pictures, SMALL, apis=SOURCES, page_size=6, latency_s=0.004) as started:
        yield started


@pytest.fixture
def project(servers: SourceServers, tmp_path: Path) -> Path:
    servers.forget()
    return small_project(servers, tmp_path / "project")


def small_project(servers: SourceServers, folder: Path) -> Path:
    folder.mkdir(parents=True)
    lines = ['classes = ["heel_hook", "toe_hook"]']
    for name in ("heel_hook", "toe_hook"):
        lines.append(f"[queries.{name}]")
        lines += [f"{q.language} = [{json.dumps(q.words)}]" for q in SMALL if q.class_name == name]
    text = "\n".join([*lines, "", servers.toml(folder), fetch_settings(servers)])
    (folder / "footwork.toml").write_text(text)
    return folder


def asked(servers: SourceServers) -> Counter[str]:
    """Every request so far: photos, and pages of results; not the tokens of web search."""
    found: Counter[str] = Counter()
    for api, paths in servers.requests.items():
        for path in paths:
            if api != "ddgs" or path.startswith("/i.js"):
                found[f"{api} {path}"] += 1
    return found


class Watch:
    """Counts, over all runs on one project, that nothing is asked for that is there already."""

    def __init__(self, servers: SourceServers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.photos: set[str] = set()
        self.pages: Counter[str] = Counter()
        self.lost = 0  # pages that were asked for, and whose answer a kill took away

    def check(self, *, finished: bool = False) -> None:
        """Call after a run; takes what the servers counted and starts counting anew."""
        now = asked(self.servers)
        self.servers.forget()
        assert not self.photos & now.keys(), "asked for again although they were there"
        self.pages.update({name: n for name, n in now.items() if not name.startswith("photos ")})
        assert self.twice() <= self.lost, "pages were asked for again although they were there"
        if finished:
            return
        self.photos, answers = known_to(self.folder)
        lost = self.pages.total() - answers
        assert lost - self.twice() <= len(SOURCES), "more than what was under way was lost"
        self.lost = lost

    def twice(self) -> int:
        return self.pages.total() - len(self.pages)


def known_to(folder: Path) -> tuple[set[str], int]:
    """The paths of the photos that a catalog has, and how many answers of APIs it remembers."""
    with Catalog.open(folder) as catalog:
        urls = catalog.database.rows("SELECT image_url FROM fetch")
        ((answers,),) = catalog.database.rows("SELECT count(*) FROM answer")
    return {"photos /" + url.split("/", 3)[3] for (url,) in urls}, answers


KILLS, PROJECTS = 20, 5


@pytest.fixture(scope="module")
def unbroken(servers: SourceServers, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A collection that nobody killed, and how many requests it took."""
    whole = small_project(servers, tmp_path_factory.mktemp("whole") / "project")
    servers.forget()
    footwork("collect", "--json", cwd=whole, environment=servers.environment())
    return whole, asked(servers).total()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(PROJECTS))
def test_a_killed_collection_asks_for_nothing_twice_and_ends_like_an_unbroken_one(
    servers: SourceServers, unbroken: tuple[Path, int], tmp_path: Path, seed: int
) -> None:
    """Four kills after another in each of five projects, at random moments: twenty in all."""
    keys = servers.environment()
    whole, total = unbroken
    folder = small_project(servers, tmp_path / "killed")
    rng = random.Random(seed)
    moments = sorted(rng.sample(range(1, total), KILLS // PROJECTS))
    servers.forget()
    watch = Watch(servers, folder)
    for before, moment in pairwise([0, *moments]):
        kill_at(servers, folder, moment - before, keys)
        watch.check()
    last = json.loads(footwork("collect", "--json", cwd=folder, environment=keys).stdout)
    watch.check(finished=True)
    assert last["resumed"]
    assert last["finished"]
    left, right = contents(whole), contents(folder)
    for table in left:
        assert right[table] == left[table], table


def kill_at(servers: SourceServers, folder: Path, requests: int, keys: Mapping[str, str]) -> None:
    """Start a collection and kill it -9 once the servers have seen so many requests."""
    started = subprocess.Popen(
        [*command_line.FOOTWORK, "collect", "--json"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **keys},
    )
    while asked(servers).total() < requests and started.poll() is None:
        time.sleep(0.001)
    started.send_signal(signal.SIGKILL)
    started.wait()
    time.sleep(0.05)  # the servers see the connections end


def test_a_dry_run_shows_queries_and_requests_and_asks_nobody(
    servers: SourceServers, project: Path
) -> None:
    keys = servers.environment()
    said = footwork("collect", "--dry-run", cwd=project, environment=keys).stdout
    assert "openverse: 4 queries, 4 to 20 requests to its API at 10000 a second" in said
    assert "ddgs: 4 queries, at least 4 requests" in said
    assert "ヒールフック" in said
    machine = json.loads(
        footwork("collect", "--dry-run", "--json", "--limit", "20", cwd=project).stdout
    )
    assert machine[0]["requests"] == [4, 4]
    (flickr,) = [course for course in machine if course["source"] == "flickr"]
    assert "FOOTWORK_FLICKR_KEY" in flickr["problem"]
    assert not servers.requests


def test_only_what_was_asked_for_is_asked(servers: SourceServers, project: Path) -> None:
    words = ("--class", "heel_hook", "--language", "ja", "--source", "commons", "--limit", "2")
    said = json.loads(footwork("collect", *words, "--json", cwd=project).stdout)
    assert {api for api in servers.requests if api != "photos"} == {"commons"}
    assert said["new"] == 2
    assert "heel_hook" in footwork("collect", "--class", "heel", cwd=project, code=2).stderr
    with pytest.raises(UsageError, match="openverse"):
        library.collect(project=project, sources=["openvers"])
    with pytest.raises(UsageError, match="xx"):
        library.collect(project=project, languages=["xx"])


def test_a_source_that_fails_is_told_and_the_others_go_on(
    servers: SourceServers, project: Path
) -> None:
    servers.misbehave("openverse", "other-shape")
    try:
        done = footwork("collect", cwd=project)  # no key for Flickr either
    finally:
        servers.misbehave("openverse", None)
    flat = " ".join(done.stdout.split())
    assert "openverse has changed" in flat
    assert "FOOTWORK_FLICKR_KEY" in flat
    assert "new photos" in flat


def test_no_network_is_one_clear_sentence(servers: SourceServers, project: Path) -> None:
    toml = project / "footwork.toml"
    text = toml.read_text().replace('use = ["openverse", "commons", "flickr", "ddgs"]',
                                    'use = ["openverse", "commons"]')  # fmt: skip
    for api in ("openverse", "commons"):
        text = text.replace(servers.url(api), "http://127.0.0.1:9")
    toml.write_text(text.replace("allow_addresses = [", 'allow_addresses = ["127.0.0.1:9", '))
    said = footwork("collect", cwd=project, code=4).stderr
    assert "Nothing could be collected" in said
    assert "openverse: " in said
    run = footwork("run", cwd=project, code=4).stderr
    assert "Nothing could be collected" in run


def test_without_words_it_says_how_to_add_some(tmp_path: Path) -> None:
    library.init(tmp_path / "empty")
    said = footwork("collect", cwd=tmp_path / "empty", code=2).stderr
    assert "footwork queries add" in said
    with pytest.raises(DataError, match="no labelled photos"):
        library.run(project=tmp_path / "empty")


def test_a_full_disk_is_a_sentence_and_an_exit_code(servers: SourceServers, project: Path) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    with Catalog.open(project):
        pass
    done = subprocess.run(
        [*command_line.FOOTWORK, "collect"],
        cwd=project,
        capture_output=True,
        text=True,
        preexec_fn=no_room,
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr


def test_keys_are_nowhere(servers: SourceServers, project: Path) -> None:
    keys = servers.environment()
    assert keys
    servers.misbehave("flickr", "403")
    try:
        first = footwork("collect", cwd=project, environment=keys)
    finally:
        servers.misbehave("flickr", None)
    done = footwork("collect", "--json", cwd=project, environment=keys)
    assert any(s["name"] == "flickr" and s["hits"] for s in json.loads(done.stdout)["sources"])
    for text in (first.stdout, first.stderr, done.stdout, done.stderr):
        assert KEY not in text
    for path in project.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_the_library_says_the_same_as_the_command_line(
    servers: SourceServers, project: Path
) -> None:
    done = library.collect(project=project, sources=["commons"], limit=3)
    places: Sequence[object] = library.provenance(
        servers.expected("commons", SMALL[0])[0].sha256, project=project
    ).places
    assert done.new == 12
    assert places

"""`footwork queries` and `footwork sources` through the real command line."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import command_line
from footwork.collecting.hits import Query
from footwork.project import init_project
from source_servers import APIS, KEY, SourceServers

NO_KEYS = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("FOOTWORK_") or name == "FOOTWORK_CACHE"
}


def footwork(
    *words: str | Path, cwd: Path, code: int = 0, keys: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**NO_KEYS, "COLUMNS": "200", **(keys or {})}
    return command_line.footwork(*words, cwd=cwd, code=code, env=env, timeout_s=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return init_project(tmp_path / "c", name="climbing", template="climbing").folder


def test_queries_are_shown_added_and_removed(folder: Path) -> None:
    shown = footwork("queries", cwd=folder).stdout
    for words in ("climbing heel hook", "ヒールフック クライミング", "crochet de talon escalade"):
        assert words in shown
    toml = folder / "footwork.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace("[exclude]", '[expand]\nen = ["gym"]\n\n[exclude]', 1))
    assert re.search(
        r"heel_hook +en +climbing heel hook gym +gym\b", footwork("queries", cwd=folder).stdout
    )

    footwork("queries", "add", "heel_hook", "de", "Heelhook Klettern", cwd=folder)
    listed = json.loads(footwork("queries", "--json", cwd=folder).stdout)["queries"]
    new = {"class_name": "heel_hook", "language": "de", "words": "Heelhook Klettern"}
    assert {**new, "origin": "words"} in listed
    again = footwork("queries", "add", "heel_hook", "de", "Heelhook Klettern", cwd=folder).stdout
    assert "stood there already" in again
    footwork("queries", "remove", "heel_hook", "de", "Heelhook Klettern", cwd=folder)
    assert "Klettern" not in toml.read_text(encoding="utf-8")
    assert "# Three spellings of one word" in toml.read_text(encoding="utf-8")


def test_wrong_edits_say_what_is_meant(folder: Path) -> None:
    done = footwork("queries", "add", "heelhook", "en", "x", cwd=folder, code=2)
    assert "did you mean heel_hook" in done.stderr
    done = footwork("queries", "remove", "heel_hook", "en", "climbing heelhook", cwd=folder, code=2)
    assert "did you mean climbing heel hook" in done.stderr


def test_sources_say_what_they_need_allow_and_forbid(folder: Path) -> None:
    shown = footwork("sources", cwd=folder).stdout

    assert "openverse, used:" in shown
    assert "FOOTWORK_FLICKR_KEY" in shown
    assert "train ML/AI models" in shown
    assert "https://help.pexels.com/hc/en-us/articles/900005880463" in shown
    listed = json.loads(footwork("sources", "--json", cwd=folder).stdout)
    assert [one["name"] for one in listed if one["used"]] == ["openverse", "commons"]
    assert {one["name"] for one in listed if "terms forbid" in one["lacking"]} == {
        "pexels",
        "pixabay",
        "unsplash",
    }


def test_check_without_live_asks_nobody(folder: Path) -> None:
    assert "openverse    ready" in footwork("sources", "check", cwd=folder).stdout
    said = footwork("sources", "check", "flickr", "unsplash", cwd=folder, code=4).stdout
    assert "set the environment variable FOOTWORK_FLICKR_KEY" in said
    assert "unsplash     terms forbid it" in said
    done = footwork("sources", "check", "flickr", cwd=folder, keys={"FOOTWORK_FLICKR_KEY": "x"})
    assert "flickr       ready" in done.stdout
    assert (
        "did you mean openverse"
        in footwork("sources", "check", "openvers", cwd=folder, code=2).stderr
    )


PHOTOS = {"heel_hook": [b"\xff\xd8 %d" % number for number in range(60)]}
FIRST = Query("heel_hook", "en", "climbing heel hook")


@pytest.fixture
def servers() -> Iterator[SourceServers]:
    with SourceServers(PHOTOS, [FIRST], apis=APIS) as running:
        yield running


def with_servers(folder: Path, servers: SourceServers) -> Path:
    """Let the project of `folder` collect from the loopback servers."""
    toml = folder / "footwork.toml"
    text = toml.read_text(encoding="utf-8")
    text = text.replace('[sources]\nuse = ["openverse", "commons"]\n', servers.toml(folder))
    allowed = json.dumps(servers.addresses())
    text += f'\n[fetch]\ncontact = "me@example.org"\nallow_addresses = {allowed}\n'
    toml.write_text(text, encoding="utf-8")
    return folder


def test_check_live_asks_every_source_once(folder: Path, servers: SourceServers) -> None:
    with_servers(folder, servers)
    done = footwork("sources", "check", "--live", cwd=folder, keys=servers.environment())

    names = [api for api in APIS if api != "wikidata"]
    assert re.findall(r"^(\w+) +works \([\d.]+ s\)  found ", done.stdout, re.M) == names
    for api in names:
        assert len(servers.requests[api]) <= {"flickr": 2, "ddgs": 2}.get(api, 1), api
    assert not servers.requests["photos"]
    assert KEY not in done.stdout + done.stderr


def test_check_live_tells_changed_refused_and_missing(folder: Path, servers: SourceServers) -> None:
    with_servers(folder, servers)
    servers.misbehave("openverse", "other-shape")
    servers.misbehave("commons", "html")
    servers.misbehave("gbif", "403")
    done = footwork("sources", "check", "--live", "--json", cwd=folder, code=4)
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)}

    assert states["openverse"] == states["commons"] == "changed"
    assert states["gbif"] == "refused"
    assert states["flickr"] == states["pexels"] == states["pixabay"] == "key"
    assert states["inaturalist"] == states["searxng"] == "works"


def test_check_live_without_a_network(folder: Path, servers: SourceServers) -> None:
    with_servers(folder, servers)
    servers.stop()
    done = footwork("sources", "check", "--live", cwd=folder, code=4, keys=servers.environment())

    assert len(re.findall(r"^\w+ +unreachable", done.stdout, re.M)) == len(APIS) - 1
    assert "No source could be reached: is there a network?" in done.stdout
    footwork("queries", "add", "heel_hook", "de", "Heelhook", cwd=folder)
    done = footwork("queries", "--propose", cwd=folder, code=4)
    assert "Wikidata could not be asked" in done.stderr


def test_proposals_come_with_their_meaning(folder: Path, servers: SourceServers) -> None:
    with_servers(folder, servers)
    for words in ("crochet de talon escalade", "crochetage talon escalade"):
        footwork("queries", "remove", "heel_hook", "fr", words, cwd=folder)
    done = footwork("queries", "--propose", cwd=folder).stdout

    assert "heel_hook [fr] crochet de talon | crochetage talon  (Q700001" in done
    assert "climbing technique" in done

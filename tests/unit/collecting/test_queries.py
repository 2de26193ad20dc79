"""What is searched for, what is ruled out, and edits that leave the rest of the toml alone."""

import asyncio
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.collecting.hits import Query, SourceProblem
from footwork.collecting.queries import Proposal, add, planned, proposals, remove, ruled_out
from footwork.errors import DataError, UsageError
from footwork.project import Config, checked_config, init_project
from source_servers import SourceServers


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    init_project(tmp_path, name="climbing", template="climbing")
    return tmp_path / "footwork.toml"


def config(**keys: object) -> Config:
    return checked_config(keys, "test")


def test_the_climbing_template_asks_in_five_languages(toml: Path) -> None:
    found = planned(checked_config(tomllib.loads(toml.read_text(encoding="utf-8")), "template"))

    assert {item.query.language for item in found} == {"en", "ja", "es", "fr", "zh"}
    assert {item.query.class_name for item in found} == {"heel_hook", "toe_hook", "others"}
    assert len({item.query for item in found}) == len(found)
    for name in ("heel_hook", "toe_hook"):
        for language in ("en", "ja", "es", "fr", "zh"):
            same = [i for i in found if (i.query.class_name, i.query.language) == (name, language)]
            assert len(same) >= 2, (name, language)


def test_expansions_are_queries_of_their_own_with_their_origin() -> None:
    said = config(
        queries={"a": {"en": ["heel hook", "heel hook gym"], "ja": ["ヒールフック"]}},
        expand={"en": ["gym", "competition"]},
    )
    found = {item.query.words: item.origin for item in planned(said)}

    assert found == {
        "heel hook": "words",
        "heel hook gym": "words",  # once, though "gym" makes it, too
        "heel hook competition": "competition",
        "heel hook gym gym": "gym",
        "heel hook gym competition": "competition",
        "ヒールフック": "words",
    }


def test_only_the_wanted_classes_and_languages_are_planned() -> None:
    said = config(queries={"a": {"en": ["x"], "ja": ["y"]}, "b": {"en": ["z"]}})

    assert [p.query for p in planned(said, classes=["a"], languages=["en"])] == [
        Query("a", "en", "x")
    ]
    assert len(planned(config(languages=["ja"], queries={"a": {"en": ["x"], "ja": ["y"]}}))) == 1
    with pytest.raises(UsageError, match="no class 'c'"):
        planned(said, classes=["c"])
    with pytest.raises(UsageError, match="No query is in 'de'"):
        planned(said, languages=["de"])


EXCLUDE = {"en": ["bjj", "jiu jitsu", "submission", "MMA"], "ja": ["柔術", "ﾚｽﾘﾝｸﾞ"], "zh": [" "]}


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Heel hook from BJJ class", "bjj"),
        ("Jiu-Jitsu: inside heel hook", "jiu jitsu"),
        ("ＢＪＪ　ヒールフック", "bjj"),  # full width
        ("File:mma_heel_hook.jpg", "MMA"),
        ("ブラジリアン柔術のヒールフック", "柔術"),
        ("全日本レスリング大会", "ﾚｽﾘﾝｸﾞ"),  # half width in the toml
        ("ﾌﾞﾗｼﾞﾙ柔 術", "柔術"),  # blanks do not part words there
        ("全日本ﾚｽﾘﾝｸﾞ大会", "ﾚｽﾘﾝｸﾞ"),
        ("Climbing in Commanche, heel hook", None),  # mma is inside a word
        ("Submissions of the photo contest", None),
        ("ボルダリング ヒールフック", None),
        ("", None),
        (None, None),
    ],
)
def test_excluded_words_rule_out_by_title(title: str | None, word: str | None) -> None:
    assert ruled_out(title, EXCLUDE) == word


@given(st.text(max_size=30), st.sampled_from(["柔術", "bjj", "jiu jitsu"]), st.text(max_size=30))
def test_a_word_that_stands_alone_is_always_found(before: str, word: str, after: str) -> None:
    title = f"{before} {word.upper()} {after}"
    assert ruled_out(title, {"en": [word]}) == word


def test_edits_keep_comments_order_and_everything_else(toml: Path) -> None:
    before = toml.read_text(encoding="utf-8")
    assert add(toml, "heel_hook", "EN", "  outdoor   heel hook ")
    after = toml.read_text(encoding="utf-8")

    assert '"outdoor heel hook"' in after
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]
    changed = set(after.splitlines()) ^ set(before.splitlines())
    assert all(line.startswith("en = ") or "outdoor" in line for line in changed), changed
    assert not add(toml, "heel_hook", "en", "outdoor heel hook")
    assert toml.read_text(encoding="utf-8") == after

    remove(toml, "heel_hook", "en", "outdoor heel hook")
    assert tomllib.loads(toml.read_text(encoding="utf-8")) == tomllib.loads(before)


def test_a_new_language_joins_the_languages_and_goes_with_its_last_words(toml: Path) -> None:
    assert add(toml, "toe_hook", "de", "Toehook Klettern")
    whole = tomllib.loads(toml.read_text(encoding="utf-8"))
    assert whole["queries"]["toe_hook"]["de"] == ["Toehook Klettern"]
    assert whole["languages"][-1] == "de"
    remove(toml, "toe_hook", "de", "Toehook Klettern")
    assert "de" not in tomllib.loads(toml.read_text(encoding="utf-8"))["queries"]["toe_hook"]


def test_a_toml_without_queries_gets_its_first(tmp_path: Path) -> None:
    file = tmp_path / "footwork.toml"
    file.write_text('name = "new"  # mine\nclasses = ["a", "b"]\n', encoding="utf-8")
    assert add(file, "a", "en", "first")
    assert add(file, "b", "en", "second")
    text = file.read_text(encoding="utf-8")
    assert "# mine" in text
    assert tomllib.loads(text)["queries"] == {"a": {"en": ["first"]}, "b": {"en": ["second"]}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("heel_hok", "en", "x"), "did you mean heel_hook"),
        (("heel_hook", "english!", "x"), "A language is a code"),
        (("heel_hook", "en", "   "), "1 to 200 printable"),
    ],
)
def test_wrong_edits_change_nothing(
    toml: Path, arguments: tuple[str, str, str], message: str
) -> None:
    before = toml.read_bytes()
    with pytest.raises(UsageError, match=message):
        add(toml, *arguments)
    with pytest.raises(UsageError, match="does not hold"):
        remove(toml, *arguments)
    assert toml.read_bytes() == before


def test_an_edit_that_the_toml_does_not_allow_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "footwork.toml"
    file.write_text('name = "no classes yet"\n', encoding="utf-8")
    with pytest.raises(DataError, match="must do as a folder name"):
        add(file, "a/b", "en", "x")
    assert file.read_text(encoding="utf-8") == 'name = "no classes yet"\n'


def test_a_broken_toml_is_told_and_left(tmp_path: Path) -> None:
    file = tmp_path / "footwork.toml"
    file.write_text("classes = [", encoding="utf-8")
    with pytest.raises(DataError, match="not valid TOML"):
        add(file, "a", "en", "x")
    assert file.read_text(encoding="utf-8") == "classes = ["


@pytest.fixture(scope="module")
def wikidata() -> Iterator[SourceServers]:
    with SourceServers({}, [], apis=["wikidata"]) as servers:
        yield servers


async def proposed(servers: SourceServers, said: Config) -> list[Proposal]:
    async with servers.opened() as web:
        return await proposals(said, web)


def asks(servers: SourceServers, **keys: object) -> Config:
    return config(sources={"wikidata": {"url": servers.url("wikidata")}}, **keys)


def test_wikidata_proposes_words_for_missing_languages_with_their_meaning(
    wikidata: SourceServers,
) -> None:
    wikidata.forget()
    said = asks(
        wikidata,
        languages=["en", "ja", "fr"],
        queries={
            "heel_hook": {"en": ["heel hook"]},
            "full": {x: ["x"] for x in ("en", "ja", "fr")},
        },
    )
    found = asyncio.run(proposed(wikidata, said))

    assert [(p.language, p.words, p.meaning) for p in found] == [
        ("ja", ("ヒールフック",), "heel hook: climbing technique"),
        ("fr", ("crochet de talon", "crochetage talon"), "heel hook: climbing technique"),
        ("ja", ("ヒールホールド",), "heel hook: leg lock in grappling"),
    ]
    assert len(wikidata.requests["wikidata"]) == 2  # none for the class that lacks nothing


def test_wikidata_in_another_form_is_told(wikidata: SourceServers) -> None:
    wikidata.misbehave("wikidata", "other-shape")
    said = asks(wikidata, languages=["en", "ja"], queries={"heel_hook": {"en": ["x"]}})
    with pytest.raises(SourceProblem, match="wikidata has changed"):
        asyncio.run(proposed(wikidata, said))
    wikidata.misbehave("wikidata", None)

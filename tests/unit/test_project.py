"""footwork.toml: what is read is checked, and what is wrong is named."""

import tomllib
from pathlib import Path

import pytest

from footwork.errors import DataError, UsageError
from footwork.project import (
    FILE,
    CompareSettings,
    Config,
    checked_config,
    dump_config,
    find_project,
    init_project,
    open_project,
)


@pytest.mark.parametrize("template", [None, "climbing", "demo"])
def test_every_template_is_a_valid_project(tmp_path: Path, template: str | None) -> None:
    made = init_project(tmp_path, name='my "first" \\ try', template=template)

    assert made.config.name == 'my "first" \\ try'
    assert open_project(tmp_path).config == made.config
    assert "#" in (tmp_path / FILE).read_text(), "the toml is commented"


def test_climbing_template_asks_in_five_languages(tmp_path: Path) -> None:
    config = init_project(tmp_path, name="x", template="climbing").config

    assert config.classes == ("heel_hook", "toe_hook", "others")
    for name in config.classes:
        assert set(config.queries[name]) == set(config.languages) == {"en", "ja", "es", "fr", "zh"}


def test_init_never_overwrites(tmp_path: Path) -> None:
    init_project(tmp_path, name="first")
    before = (tmp_path / FILE).read_text()

    with pytest.raises(UsageError, match="exists already"):
        init_project(tmp_path, name="second")
    assert (tmp_path / FILE).read_text() == before


def test_unknown_template_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean climbing"):
        init_project(tmp_path, name="x", template="climbin")
    assert not (tmp_path / FILE).exists()


def test_project_is_found_from_below(tmp_path: Path) -> None:
    init_project(tmp_path, name="x")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)

    assert find_project(deep) == tmp_path.resolve()


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="footwork init"):
        open_project(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes = ['a', 'a']", "names a class twice"),
        ("classes = ['only']", "needs two or more"),
        ("classes = ['a/b', 'c']", "classes.0: a class name must do as a folder name"),
        ("[compare]\nfolds = 1", "compare.folds: Input should be greater than or equal to 2"),
        ("[compare]\nfold = 5", "compare.fold: there is no such key; did you mean folds"),
        ("clases = []", "clases: there is no such key; did you mean classes"),
        ("[compare]\nbases = []", "compare.bases: .* It is base models to compare"),
        ("[compare]\nbases = ['x', 'x']", "bases names something twice"),
        ("[bases.x]\nmodel = 'm.onnx'", "`model` and `contract` go together"),
        ("[bases.x]\nmodel='m'\ncontract={side=224,std=[0,1,1]}", "std must be above 0"),
        ("[recipes.x]\nkind = 'magic'", "recipes.x.kind"),
        ("classes=['a','b']\n[queries.aa]\nen=['q']", "queries.aa is for a class"),
    ],
)
def test_mistakes_in_the_toml_are_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        checked_config(tomllib.loads(text), "footwork.toml")


def test_several_mistakes_are_all_told() -> None:
    with pytest.raises(DataError, match="2 mistake") as told:
        checked_config({"clases": [], "compare": {"folds": 0}}, "footwork.toml")
    assert "clases" in str(told.value)
    assert "compare.folds" in str(told.value)


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("classes = [")
    with pytest.raises(DataError, match=r"footwork\.toml is not valid TOML"):
        open_project(tmp_path)


def test_dump_round_trips() -> None:
    config = Config(
        name="né",
        classes=("a", "b"),
        compare=CompareSettings(folds=3, break_contract=("unit-range",)),
        queries={"a": {"ja": ("ヒール",)}},
    )
    assert checked_config(tomllib.loads(dump_config(config)), "dump") == config

"""footwork.toml -> Project: a folder, its settings, and where its files lie.

Every error names the key, what it is for, and what was found there.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from footwork.errors import DataError, UsageError, nearest
from footwork.files import write_text
from footwork.models.contract import Crop, InputContract
from footwork.records import Position, Record

FILE = "footwork.toml"
DEFAULT_BASES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def usable_class(name: str) -> str:
    if not name.strip() or name != name.strip() or len(name) > 100 or not name.isprintable():
        raise ValueError("a class name is 1 to 100 printable characters without outer blanks")
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError("a class name must do as a folder name: no / or \\, no leading dot")
    return name


ClassName = Annotated[str, AfterValidator(usable_class)]


class BaseSettings(Record):
    """[bases.NAME]: weights for a known base model, or a network of one's own."""

    weights: str | None = Field(
        None, description="a local weights file for this base, or 'imagenet', or 'random'"
    )
    model: str | None = Field(None, description="a saved .onnx or .keras network used as a base")
    contract: InputContract | None = Field(
        None, description="what the network of `model` expects as input"
    )
    licence: str = Field("stated by nobody", description="the licence of the weights")

    @model_validator(mode="after")
    def model_needs_contract(self) -> "BaseSettings":
        if (self.model is None) != (self.contract is None):
            raise ValueError("`model` and `contract` go together: a network needs its contract")
        if self.model is not None and self.weights is not None:
            raise ValueError("`model` brings its own weights; leave `weights` out")
        return self


class RecipeSettings(Record):
    """[recipes.NAME]: how a head is trained on what a base model says."""

    kind: Literal["probe"] = Field(
        "probe", description="standardised features, logistic regression, balanced weights"
    )
    view: Crop | None = Field(
        None, description="how a photo becomes a square; the base's own way when left out"
    )


class CompareSettings(Record):
    """[compare]: which entries are compared, and how."""

    bases: tuple[str, ...] = Field(
        DEFAULT_BASES, min_length=1, description="base models to compare; see `footwork bases`"
    )
    recipes: tuple[str, ...] = Field(("probe",), min_length=1, description="recipes to compare")
    folds: int = Field(5, ge=2, le=50, description="parts that each repeat is cut into")
    repeats: int = Field(5, ge=1, le=100, description="how often the folds are cut anew")
    seed: int = Field(12, ge=0, lt=2**31, description="seed of folds and of every random choice")
    split: Literal["cv", "given"] = Field(
        "cv", description="'cv': repeated folds; 'given': the imported train and test split"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="'bfloat16': faster where the processor and the scores allow it"
    )
    break_contract: tuple[Position, ...] = Field(
        (), description="input mistakes whose cost is shown in rows of their own"
    )

    @model_validator(mode="after")
    def no_entry_twice(self) -> "CompareSettings":
        for key in ("bases", "recipes", "break_contract"):
            names = getattr(self, key)
            if len(set(names)) != len(names):
                raise ValueError(f"{key} names something twice: {', '.join(names)}")
        return self


FlagName = Literal[
    "too_small",
    "blurred",
    "blank",
    "too_dark",
    "too_bright",
    "odd_aspect",
    "drawing",
    "collage",
    "large_text",
]


class CleanSettings(Record):
    """[clean]: what happens to photos that `footwork clean` flags."""

    reject: tuple[FlagName, ...] = Field(
        (), description="flags whose photos are set aside, each by a decision that can be undone"
    )


class SourceSettings(Record):
    use: tuple[str, ...] = Field((), description="sources that photos are collected from")


class Config(Record):
    """All of footwork.toml."""

    name: str = Field("my-classifier", min_length=1, max_length=100, description="for pages")
    classes: tuple[ClassName, ...] = Field(
        (), description="the classes; empty means: whatever the imports bring"
    )
    drawn: bool = Field(
        False, description="the pictures are drawn by code, so that every page says so"
    )
    languages: tuple[str, ...] = Field((), description="languages of the queries")
    queries: dict[ClassName, dict[str, tuple[str, ...]]] = Field(
        default_factory=dict, description="search words per class and language"
    )
    exclude: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="words per language that rule a search hit out"
    )
    sources: SourceSettings = Field(default_factory=SourceSettings)
    clean: CleanSettings = Field(default_factory=CleanSettings)
    compare: CompareSettings = Field(default_factory=CompareSettings)
    bases: dict[str, BaseSettings] = Field(default_factory=dict)
    recipes: dict[str, RecipeSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def names_agree(self) -> "Config":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes names a class twice: {', '.join(self.classes)}")
        if len(self.classes) == 1:
            raise ValueError("classes names only one class; a classifier needs two or more")
        for name in self.queries:
            if self.classes and name not in self.classes:
                raise ValueError(
                    f"queries.{name} is for a class that `classes` does not name; "
                    f"{nearest(name, self.classes)}"
                )
        return self


@dataclass(frozen=True)
class Project:
    """A folder with a footwork.toml. `folder` is absolute."""

    folder: Path
    config: Config

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        """What can be made again: features, cached predictions."""
        return self.folder / ".footwork" / "cache"

    def path(self, written: str) -> Path:
        """Resolve a path of the toml: relative ones are relative to the project's folder."""
        return (self.folder / Path(written).expanduser()).resolve()


def find_project(start: Path | str) -> Path | None:
    """Return the nearest folder at or above `start` that holds a footwork.toml."""
    start = Path(start).resolve()
    return next((folder for folder in (start, *start.parents) if (folder / FILE).is_file()), None)


def open_project(start: Path | str) -> Project:
    """Read the project at or above `start`. Raises UsageError where there is none."""
    folder = find_project(start)
    if folder is None:
        raise UsageError(
            f"There is no {FILE} in {Path(start).resolve()} or above it. Make a project with "
            "`footwork init NAME`, or import photos here: `footwork import FOLDER` makes one."
        )
    return Project(folder, read_config(folder / FILE))


def read_config(path: Path) -> Config:
    """Read and check a footwork.toml. Raises DataError that names each wrong key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return checked_config(raw, str(path))


def checked_config(raw: dict[str, object], source: str) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = [f"{source} has {error.error_count()} mistake(s):"]
        for item in error.errors(include_url=False):
            key = ".".join(str(part) for part in item["loc"])
            said = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                lines.append(f"  {key}: there is no such key; {nearest_key(item['loc'])}")
                continue
            found = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
            lines.append(f"  {key or 'file'}: {said}{found}{meaning(item['loc'])}")
        raise DataError("\n".join(lines)) from None


def model_at(location: tuple[int | str, ...]) -> type[Record] | None:
    """Return the settings class that holds the key at `location`, if it is one of ours."""
    sections: dict[str, type[Record]] = {
        "clean": CleanSettings,
        "compare": CompareSettings,
        "bases": BaseSettings,
        "recipes": RecipeSettings,
        "sources": SourceSettings,
    }
    if len(location) <= 1:
        return Config
    return sections.get(str(location[0]))


def nearest_key(location: tuple[int | str, ...]) -> str:
    model = model_at(location)
    return nearest(str(location[-1]), model.model_fields if model else ())


def meaning(location: tuple[int | str, ...]) -> str:
    model = model_at(location)
    names = [part for part in location if isinstance(part, str)]
    field = model.model_fields.get(names[-1]) if model and names else None
    return f". It is {field.description}." if field and field.description else ""


def dump_config(config: Config) -> str:
    """Return all settings as TOML, defaults too; reading it back gives an equal Config."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def init_project(folder: Path, *, name: str, template: str | None = None) -> Project:
    """Write a commented footwork.toml into `folder` (made if absent).

    template: None for an empty one, or the name of a file in footwork/templates.
    Raises UsageError if there is a project already or the template is unknown.
    """
    templates = {path.stem: path for path in (Path(__file__).parent / "templates").glob("*.toml")}
    chosen = template or "blank"
    if chosen not in templates:
        known = set(templates) - {"blank"}
        raise UsageError(f"There is no template {chosen!r}; {nearest(chosen, known)}")
    target = folder / FILE
    if target.exists():
        raise UsageError(f"{target} exists already; nothing was changed.")
    text = templates[chosen].read_text(encoding="utf-8")
    if name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        text = text.replace('name = "NAME"', f'name = "{quoted}"')
    config = checked_config(tomllib.loads(text), f"template {chosen}")
    write_text(target, text)
    return Project(folder.resolve(), config)

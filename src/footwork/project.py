"""footwork.toml -> Project: a folder, its settings, and where its files lie.

Every error names the key, what it is for, and what was found there.
"""

import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from footwork.errors import DataError, UsageError, nearest
from footwork.files import write_text
from footwork.models.contract import InputContract
from footwork.models.finetune import FinetuneSettings
from footwork.models.seed import SeedSettings
from footwork.models.views import MOST_DRAWS, View
from footwork.records import Position, Record, Split

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

    kind: Literal["probe", "average", "strong", "seed", "finetune"] = Field(
        "probe",
        description="'probe': standardised features, logistic regression, balanced weights; "
        "'average': a probe per base or joined view, their answers weighed on training photos; "
        "'strong': the head and its temperature are chosen on training photos; "
        "'seed': the original experiment's training by Keras, see `training`; "
        "'finetune': the probe, then the last layers of the base with it, see `finetuning`",
    )
    views: tuple[View, ...] = Field(
        (), description="what the base is shown; its own crop when left out ('own')"
    )
    joined: bool = Field(
        False, description="the views' vectors stand side by side instead of being averaged"
    )
    bank: int = Field(
        0,
        ge=0,
        le=MOST_DRAWS,
        description="draws of each training photo, slightly cropped, turned, lit and mirrored, "
        "that are trained on besides",
    )
    training: SeedSettings | None = Field(
        None, description="how Keras trains, for kind 'seed'; the original's way when left out"
    )

    finetuning: FinetuneSettings | None = Field(
        None, description="how the base is trained further, for kind 'finetune'"
    )

    @model_validator(mode="after")
    def training_has_its_own_settings(self) -> "RecipeSettings":
        for kind, name in (("seed", "training"), ("finetune", "finetuning")):
            if getattr(self, name) is not None and self.kind != kind:
                raise ValueError(f"`{name}` is for recipes of kind '{kind}'")
            if self.kind == kind and (self.views or self.joined or self.bank):
                raise ValueError(f"a recipe of kind '{kind}' takes its settings from `{name}`")
        return self

    @model_validator(mode="after")
    def a_bank_is_of_the_whole_photo(self) -> "RecipeSettings":
        if self.bank and self.views:
            raise ValueError("`bank` changes the base's own crop; leave `views` out")
        return self


class CompareSettings(Record):
    """[compare]: which entries are compared, and how."""

    bases: tuple[str, ...] = Field(
        DEFAULT_BASES, min_length=1, description="base models to compare; see `footwork bases`"
    )
    recipes: tuple[str, ...] = Field(("probe",), min_length=1, description="recipes to compare")
    folds: int = Field(5, ge=2, le=50, description="parts that each repeat is cut into")
    repeats: int = Field(5, ge=1, le=100, description="how often the folds are cut anew")
    seed: int = Field(12, ge=0, lt=2**31, description="seed of folds and of every random choice")
    split: Split = Field(
        "cv",
        description="'cv': repeated folds; 'given': the imported train and test split; 'seed': the "
        "original experiment's, 20 % tested by a plain shuffle",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="'bfloat16': faster where the processor and the scores allow it"
    )
    break_contract: tuple[Position, ...] = Field(
        (), description="input mistakes whose cost is shown in rows of their own"
    )
    permutations: int = Field(
        0,
        ge=0,
        le=10_000,
        description="refits on permuted labels, to see whether anything was learnt; each costs a "
        "cross-validation, so none by default",
    )

    @model_validator(mode="after")
    def no_entry_twice(self) -> "CompareSettings":
        for key in ("bases", "recipes", "break_contract"):
            names = getattr(self, key)
            if len(set(names)) != len(names):
                raise ValueError(f"{key} names something twice: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def enough_permutations(self) -> "CompareSettings":
        if 0 < self.permutations < 19:
            raise ValueError("permutations must be 0 or at least 19: fewer never reach p = 0.05")
        if self.permutations and self.split != "cv":
            raise ValueError("permutations need folds: use split = 'cv', or permutations = 0")
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


class ApiSettings(Record):
    """[sources.NAME] of a source with an API."""

    url: str | None = Field(
        None, pattern="^https?://", description="where its API is: a mirror, or your own instance"
    )
    rate: float | None = Field(
        None, gt=0, le=100_000, description="requests per second that its API is sent at most"
    )


class StockSettings(ApiSettings):
    permission: str = Field(
        "", description="who permitted you to collect there for training, as its terms demand"
    )


class DdgsSettings(Record):
    """[sources.ddgs]: how the search engines are reached."""

    backend: str = Field("duckduckgo,bing", description="engines, the first that answers counts")
    proxy: str | None = Field(None, description="a proxy: http://, https:// or socks5://")
    ca: str | None = Field(None, description="a PEM file with the authority of that proxy")
    pause_s: float = Field(2.0, ge=0, le=600, description="seconds between two pages")


class UrlsSettings(Record):
    """[sources.urls]: your own lists of addresses."""

    files: dict[ClassName, str] = Field(
        default_factory=dict, description="the list of each class: text, CSV, TSV or Parquet"
    )
    columns: dict[Literal["url", "title", "author", "licence", "licence_url", "page"], str] = Field(
        default_factory=dict, description="which column says what, where its name does not tell"
    )


class VideoSettings(Record):
    """[sources.video]: frames of your own videos."""

    files: dict[ClassName, tuple[str, ...]] = Field(
        default_factory=dict, description="the video files of each class"
    )
    every_s: float = Field(2.0, gt=0, le=3600, description="seconds between two frames")


class SourceSettings(Record):
    """[sources] and [sources.NAME]. What each source needs: `footwork sources`."""

    use: tuple[str, ...] = Field((), description="sources that photos are collected from")
    openverse: ApiSettings = Field(default_factory=ApiSettings)
    commons: ApiSettings = Field(default_factory=ApiSettings)
    flickr: ApiSettings = Field(default_factory=ApiSettings)
    inaturalist: ApiSettings = Field(default_factory=ApiSettings)
    gbif: ApiSettings = Field(default_factory=ApiSettings)
    searxng: ApiSettings = Field(default_factory=ApiSettings)
    pexels: StockSettings = Field(default_factory=StockSettings)
    pixabay: StockSettings = Field(default_factory=StockSettings)
    ddgs: DdgsSettings = Field(default_factory=DdgsSettings)
    urls: UrlsSettings = Field(default_factory=UrlsSettings)
    video: VideoSettings = Field(default_factory=VideoSettings)
    wikidata: ApiSettings = Field(default_factory=ApiSettings)
    plugins: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict, description="settings of sources that other packages bring"
    )


class LicenceSettings(Record):
    """[licences]: which photos may be collected, by the licence that their source states."""

    allow: tuple[str, ...] = Field(
        (),
        description='licences that are fetched, such as "cc0", "by", "by-sa"; "unknown" for photos '
        "without one; empty means everything",
    )


class FetchSettings(Record):
    """[fetch]: how the web is asked. Polite by default; nothing private can be reached."""

    contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[ -'*-~]*$",
        description="an e-mail address or page that every server is told, so that it can complain",
    )
    rate_per_host: float = Field(
        5.0, gt=0, le=100_000, description="requests per second that one host is sent at most"
    )
    connections_per_host: int = Field(4, ge=1, le=256, description="connections to one host")
    connections: int = Field(128, ge=1, le=1_000, description="connections in all")
    max_bytes: int = Field(
        32 * 1024**2, ge=1, le=256 * 1024**2, description="the largest photo that is fetched"
    )
    max_pixels: int = Field(
        50_000_000, ge=1, le=89_478_485, description="pixels of the largest photo that is kept"
    )
    total_s: float = Field(60.0, gt=0, description="seconds that one answer may take")
    stall_s: float = Field(15.0, gt=0, description="seconds without a byte before it is given up")
    redirects: int = Field(5, ge=0, le=20, description="redirects that are followed, one by one")
    max_wait_s: float = Field(
        120.0, ge=0, description="seconds a host may ask us to wait; beyond, it is left for later"
    )
    allow_addresses: tuple[str, ...] = Field(
        (),
        description='"ADDRESS:PORT" entries that may be asked although they are not public, such '
        "as a search engine of your own",
    )
    ca_file: str | None = Field(
        None, description="a PEM file with a certificate authority that is trusted as well"
    )

    @field_validator("allow_addresses")
    @classmethod
    def addresses_are_addresses(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            address, colon, port = entry.rpartition(":")
            try:
                ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
            except ValueError:
                colon = ""
            if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError(f"{entry!r} must be ADDRESS:PORT, such as 127.0.0.1:8888")
        return entries


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
    expand: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="words per language that make further queries of each"
    )
    exclude: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="words per language that rule a search hit out"
    )
    sources: SourceSettings = Field(default_factory=SourceSettings)
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    licences: LicenceSettings = Field(default_factory=LicenceSettings)
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
        "licences": LicenceSettings,
        "compare": CompareSettings,
        "bases": BaseSettings,
        "recipes": RecipeSettings,
        "sources": SourceSettings,
        "fetch": FetchSettings,
    }
    if len(location) <= 1:
        return Config
    if location[0] == "sources" and len(location) > 2:
        field = SourceSettings.model_fields.get(str(location[1]))
        kind = field.annotation if field else None
        return kind if isinstance(kind, type) and issubclass(kind, Record) else None
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

"""What is searched for: words per class and language, their expansions, and what is ruled out.

Words live in footwork.toml and nowhere else; edits keep its comments and order. Missing
languages are proposed from the labels of Wikidata's items, each with the item's description:
"heel hook" is a climbing technique and a leg lock, and only a person knows which one is meant.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from footwork.collecting.hits import Query, Web
from footwork.collecting.sources.paging import Answer, read
from footwork.errors import DataError, UsageError, nearest
from footwork.files import write_text
from footwork.project import Config, checked_config

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

WIDE = re.compile("[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯฀-๿]")  # written without blanks between words
WORDS = "words"  # origin of a query that stands in the toml as it is
ITEMS = 5  # of Wikidata, that a class's name may mean


@dataclass(frozen=True)
class Planned:
    """A query and where it is from: 'words', or the word of [expand] that made it."""

    query: Query
    origin: str


@dataclass(frozen=True)
class Proposal:
    """Words in a language that a class has no query in. item, meaning: what Wikidata means."""

    class_name: str
    language: str
    words: tuple[str, ...]
    item: str
    meaning: str


def planned(
    config: Config, *, classes: Iterable[str] = (), languages: Iterable[str] = ()
) -> list[Planned]:
    """Return every query with its origin, in the order of the toml; none twice.

    classes, languages: only these, where given. Raises UsageError for a class without queries
    or a language that no query is in.
    """
    wanted, spoken = list(classes), list(languages)
    for name in wanted:
        if name not in config.queries:
            raise UsageError(
                f"[queries] has no class {name!r}; {nearest(name, config.queries)} Give it words: "
                f'footwork queries add {name} en "WORDS"'
            )
    known = {language for said in config.queries.values() for language in said}
    for language in spoken:
        if language not in known:
            raise UsageError(f"No query is in {language!r}; {nearest(language, known)}")
    allowed = set(spoken or config.languages or known)
    found: dict[Query, str] = {}
    for name, said in config.queries.items():
        for language, words in said.items():
            if (wanted and name not in wanted) or language not in allowed:
                continue
            for text in words:
                found.setdefault(Query(name, language, text), WORDS)
            for more in config.expand.get(language, ()):
                for text in words:
                    found.setdefault(Query(name, language, f"{text} {more}"), more)
    return [Planned(query, origin) for query, origin in found.items()]


# What is ruled out


def ruled_out(title: str | None, exclude: Mapping[str, Sequence[str]]) -> str | None:
    """Return the word of [exclude] that a hit's title holds, or None.

    Every language's words count, since a Japanese query finds English titles, too. Upper and
    lower case, full and half width are the same. A word must stand alone, except in scripts
    that do not part words: there it may be anywhere.
    """
    if not title:
        return None
    bare, parted = folded(title), f" {apart(title)} "
    for words in exclude.values():
        for word in words:
            inside = (
                folded(word) in bare if WIDE.search(folded(word)) else f" {apart(word)} " in parted
            )
            if inside and apart(word):
                return word
    return None


def folded(text: str) -> str:
    """Return the text without case, width and blanks."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def apart(text: str) -> str:
    """Return the words of a text, without case and width, parted by one blank each."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


# Edits


def add(file: Path, class_name: str, language: str, words: str) -> bool:
    """Write words into [queries.CLASS] of footwork.toml; False if they stand there already.

    Raises UsageError for a class that `classes` does not name, or words that are none.
    """
    text, said = " ".join(words.split()), language_code(language)
    if not text or len(text) > 200 or not text.isprintable():
        raise UsageError("Search words are 1 to 200 printable characters.")
    document, config = opened(file)
    if config.classes and class_name not in config.classes:
        raise UsageError(
            f"There is no class {class_name!r}; {nearest(class_name, config.classes)} A new class "
            "begins with its name in `classes` of footwork.toml."
        )
    if text in config.queries.get(class_name, {}).get(said, ()):
        return False
    import tomlkit

    queries = document.setdefault("queries", tomlkit.table(is_super_table=True))
    of_class = queries.setdefault(class_name, tomlkit.table())
    if said not in of_class:
        of_class[said] = tomlkit.array()
    of_class[said].append(text)
    if config.languages and said not in config.languages:
        document["languages"].append(said)
    save(file, document)
    return True


def remove(file: Path, class_name: str, language: str, words: str) -> None:
    """Take words out of [queries.CLASS]. Raises UsageError if they are not there."""
    text = " ".join(words.split())
    document, config = opened(file)
    here = config.queries.get(class_name, {}).get(language, ())
    if text not in here:
        raise UsageError(
            f"[queries.{class_name}] {language} does not hold {text!r}; {nearest(text, here)}"
        )
    of_class = document["queries"][class_name]
    array = of_class[language]
    del array[[str(item) for item in array].index(text)]
    if not array:
        del of_class[language]
    save(file, document)


def language_code(language: str) -> str:
    """Return a language's code in lower case. Raises UsageError for what is none."""
    code = language.strip().lower()
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z]{2,8})?", code):
        raise UsageError(f"A language is a code such as en, ja or zh; this is {language!r}.")
    return code


def opened(file: Path) -> "tuple[TOMLDocument, Config]":
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not valid TOML: {error}") from error
    return document, checked_config(document.unwrap(), str(file))


def save(file: Path, document: "TOMLDocument") -> None:
    """Write the document whole or not at all, and only if it is still a valid footwork.toml."""
    checked_config(document.unwrap(), str(file))
    write_text(file, document.as_string())


# Proposals


class Item(Answer):
    id: str
    label: str = ""
    description: str = ""


class Items(Answer):
    search: list[Item]


class Name(Answer):
    language: str
    value: str


class Entity(Answer):
    labels: dict[str, Name] = Field(default_factory=dict)
    aliases: dict[str, tuple[Name, ...]] = Field(default_factory=dict)


class Entities(Answer):
    entities: dict[str, Entity]


async def proposals(config: Config, web: Web) -> list[Proposal]:
    """Return words for each class's languages without a query. Raises SourceProblem.

    Documentation: https://www.wikidata.org/w/api.php?action=help&modules=wbsearchentities and
    wbgetentities, read 2026-11-24. Two requests per class that lacks a language, none for others.
    """
    api = f"{(config.sources.wikidata.url or 'https://www.wikidata.org').rstrip('/')}/w/api.php"
    found = []
    for name in config.classes or tuple(config.queries):
        said = config.queries.get(name, {})
        lacking = [language for language in config.languages if not said.get(language)]
        if not lacking:
            continue
        asked = {
            "action": "wbsearchentities",
            "search": name.replace("_", " "),
            "language": "en",
            "type": "item",
            "limit": str(ITEMS),
            "format": "json",
        }
        items = read(Items, await web.get_json(api, params=asked), "wikidata").search[:ITEMS]
        if not items:
            continue
        asked = {
            "action": "wbgetentities",
            "ids": "|".join(item.id for item in items),
            "props": "labels|aliases",
            "languages": "|".join(lacking),
            "format": "json",
        }
        named = read(Entities, await web.get_json(api, params=asked), "wikidata").entities
        for item in items:
            entity = named.get(item.id, Entity())
            for language in lacking:
                label = entity.labels.get(language)
                names = [*([label] if label else []), *entity.aliases.get(language, ())]
                words = tuple(dict.fromkeys(one.value for one in names))
                if words:
                    meaning = f"{item.label}: {item.description}".rstrip(": ")
                    found.append(Proposal(name, language, words, item.id, meaning))
    return found

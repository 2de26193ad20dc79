"""Verbs on what is searched for, and where."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from footwork.errors import EnvironmentProblem, UsageError, nearest
from footwork.project import FILE, Project, open_project
from footwork.verbs.photos import HERE, Place

if TYPE_CHECKING:
    from footwork.collecting.check import Checked
    from footwork.collecting.hits import Web
    from footwork.collecting.queries import Planned, Proposal
    from footwork.collecting.sources.paging import About
    from footwork.collecting.web import HttpWeb


Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Listed:
    """A source as `sources` lists it. used: collected from; lacking: what it still needs."""

    about: "About"
    used: bool
    lacking: str


def queries(
    *, project: Place = HERE, classes: Sequence[str] = (), languages: Sequence[str] = ()
) -> "list[Planned]":
    """Return what is searched for, each query with where it is from."""
    from footwork.collecting.queries import planned

    return planned(open_project(project).config, classes=classes, languages=languages)


def add_query(class_name: str, language: str, words: str, *, project: Place = HERE) -> bool:
    """Write search words into footwork.toml; False if they stood there already."""
    from footwork.collecting.queries import add

    return add(open_project(project).folder / FILE, class_name, language, words)


def remove_query(class_name: str, language: str, words: str, *, project: Place = HERE) -> None:
    """Take search words out of footwork.toml."""
    from footwork.collecting.queries import remove

    remove(open_project(project).folder / FILE, class_name, language, words)


def propose_queries(*, project: Place = HERE) -> "list[Proposal]":
    """Return Wikidata's words for the languages that a class has no query in; asks the web."""
    from footwork.collecting.hits import SourceProblem
    from footwork.collecting.queries import proposals

    opened = open_project(project)

    async def ask(web: "Web") -> "list[Proposal]":
        return await proposals(opened.config, web)

    try:
        return run_async(online(opened, ask))
    except SourceProblem as problem:
        raise EnvironmentProblem(
            f"Wikidata could not be asked ({problem.reason}). Add words yourself: "
            'footwork queries add CLASS LANGUAGE "WORDS"'
        ) from None


def sources(*, project: Place = HERE) -> list[Listed]:
    """Return every source: what it needs, its limits and terms, and whether it is used."""
    from footwork.collecting import registry

    opened = open_project(project)
    used = registry.used(opened)
    return [
        Listed(kind.about, name in used, registry.lacking(opened, name))
        for name, kind in registry.kinds().items()
    ]


def check_sources(
    *names: str, project: Place = HERE, live: bool = False, every: bool = False
) -> "list[Checked]":
    """Return whether sources work: those named, or all that are used, or every one.

    live: ask each for one photo; else only what is missing is told.
    """
    from footwork.collecting import registry
    from footwork.collecting.check import check

    opened = open_project(project)
    known = registry.kinds()
    for name in names:
        if name not in known:
            raise UsageError(f"There is no source {name!r}; {nearest(name, known)}")
    chosen = list(names) or (list(known) if every else registry.used(opened))

    async def ask(web: "Web") -> "list[Checked]":
        return await check(opened, chosen, web)

    return run_async(online(opened, ask) if live else check(opened, chosen, None))


def run_async(work: Coroutine[Any, Any, Answered]) -> Answered:
    """Run `work` to its end, also where a loop is running already, as in a notebook."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()


async def online(project: Project, ask: "Callable[[HttpWeb], Awaitable[Answered]]") -> Answered:
    """Return what `ask` returns, given the web as [fetch] of the project allows it."""
    from footwork.collecting.registry import rates
    from footwork.collecting.web import open_web

    fetch = project.config.fetch
    async with open_web(fetch, api_rates=rates(project), folder=project.folder) as web:
        return await ask(web)

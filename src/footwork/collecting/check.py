"""Does each source work today? One small request per source, or none at all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from footwork.collecting import registry
from footwork.collecting.hits import Query, SourceProblem, Trouble, Web
from footwork.collecting.queries import planned
from footwork.project import Project

State = Literal["works", "ready", "nothing found"] | Trouble
GOOD: tuple[State, ...] = ("works", "ready")
SAMPLE = Query("check", "en", "climbing")


@dataclass(frozen=True)
class Checked:
    """ready: nothing is missing, it was not asked. works: it answered in its documented form."""

    name: str
    state: State
    reason: str
    seconds: float = 0.0


async def check(project: Project, names: Sequence[str], web: Web | None) -> list[Checked]:
    """Return the state of each source, in the given order. web: None asks nobody anything."""
    return [await checked(project, name, web) for name in names]


async def checked(project: Project, name: str, web: Web | None) -> Checked:
    began = time.monotonic()
    try:
        source = registry.made(project, name)
        queries = source.asked([sample(project)])
        if not queries:
            return Checked(name, "key", registry.lacking(project, name))
        if web is None:
            return Checked(name, "ready", "nothing is missing; --live asks it")
        async for hit in source.search(queries[0], web, limit=1):
            found = f"found {hit.title or hit.image_url}"
            return Checked(name, "works", found, time.monotonic() - began)
    except SourceProblem as problem:
        return Checked(name, problem.trouble, problem.reason, time.monotonic() - began)
    took = time.monotonic() - began
    return Checked(name, "nothing found", f"it knows nothing for {queries[0].words!r}", took)


def sample(project: Project) -> Query:
    """Return the project's first query, or a general one."""
    queries = planned(project.config)
    return queries[0].query if queries else SAMPLE

"""Who is asked what: the sources of footwork.toml, their queries, and what that costs."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from footwork.collecting import registry
from footwork.collecting.hits import Query, Source, SourceProblem
from footwork.collecting.queries import planned
from footwork.errors import UsageError, nearest
from footwork.project import Project

LIMIT = 100  # hits per query and source, where nothing else is asked for
NO_LIMIT = 10**9  # of the user's own lists and videos


@dataclass(frozen=True)
class Course:
    """A source and what it is asked. source: None where `problem` says why it is not.

    limit: hits per query at most. requests: (least, most) that its API would get, None where
    that cannot be known; rate_per_s: requests per second at most, so seconds are a matter of
    division.
    """

    name: str
    source: Source | None
    queries: tuple[Query, ...]
    limit: int
    requests: tuple[int, int] | None
    rate_per_s: float
    problem: SourceProblem | None = None


def plan(
    project: Project,
    *,
    classes: Iterable[str] = (),
    languages: Iterable[str] = (),
    sources: Sequence[str] = (),
    limit: int | None = None,
) -> list[Course]:
    """Return every source that is used, with its queries, in the order of footwork.toml.

    classes, languages, sources: only these. limit: hits per query; LIMIT if None, and none for
    the user's own lists. Raises UsageError for names that there are not.
    """
    wanted, config = set(classes), project.config
    known = set(config.classes or config.queries)
    for name in wanted - known:
        raise UsageError(f"There is no class {name!r}; {nearest(name, known)}")
    has_words = bool(wanted & config.queries.keys()) if wanted else bool(config.queries)
    searched = wanted & config.queries.keys()
    queries = [
        found.query for found in planned(config, classes=searched, languages=languages)
    ] if has_words else []  # fmt: skip
    courses = []
    for name in sources or registry.used(project):
        rate = rate_of(project, name)
        try:
            source = registry.made(project, name)
        except SourceProblem as problem:
            courses.append(Course(name, None, (), 0, None, rate, problem))
            continue
        asked = [q for q in source.asked(queries) if not wanted or q.class_name in wanted]
        own = not set(asked) <= set(queries)
        most = limit if limit is not None else NO_LIMIT if own else LIMIT
        courses.append(
            Course(
                name=name,
                source=source,
                queries=tuple(dict.fromkeys(asked)),
                limit=most,
                requests=(0, 0) if own else requests_of(source, len(asked), most),
                rate_per_s=rate,
            )
        )
    return courses


def rate_of(project: Project, name: str) -> float:
    """Return how often a source is asked at most, per second."""
    said = getattr(getattr(project.config.sources, name, None), "rate", None)
    kind = registry.kinds().get(name)
    return float(said or (kind.about.rate_per_s if kind else 1.0))


def requests_of(source: Source, queries: int, limit: int) -> tuple[int, int] | None:
    """Return how many pages these queries take: one each at least; None if pages vary."""
    per_page = getattr(sys.modules[type(source).__module__], "PER_PAGE", None)
    if not isinstance(per_page, int):
        return None
    hits = min(limit, int(getattr(source, "most", limit)))
    return queries, queries * -(-hits // per_page)

"""Verbs that collect photos from the web, and go from there to a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem, FootworkError, UsageError
from footwork.progress import Progress
from footwork.project import Project, open_project, read_config
from footwork.runs import Run, read_run, run_names
from footwork.verbs.photos import HERE, Place, clean, dedupe
from footwork.verbs.searching import online, run_async
from footwork.verbs.truth import Compared, compare, report

if TYPE_CHECKING:
    from footwork.collecting.collect import Collected
    from footwork.collecting.plan import Course
    from footwork.collecting.web import HttpWeb

DECISIVE = ("name", "classes", "drawn", "compare", "bases", "recipes")  # for a run, of the toml


class NothingReached(EnvironmentProblem):
    """Not one source could be searched: no network, no keys, or all of them are down."""


def collect(
    *,
    project: Place = HERE,
    classes: Sequence[str] = (),
    languages: Sequence[str] = (),
    sources: Sequence[str] = (),
    limit: int | None = None,
    progress: Progress | None = None,
) -> "Collected":
    """Search the sources of footwork.toml and keep what they offer, each photo with its origin.

    classes, languages, sources: only these. limit: hits per query and source, 100 if None. What
    was broken off goes on, without asking again for what is here. A source that fails does not
    end the others. Raises UsageError where there is nothing to search for, EnvironmentProblem
    where no source could be searched or the disk is full.
    """
    courses = collection_plan(
        project=project, classes=classes, languages=languages, sources=sources, limit=limit
    )
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        return collected(opened, catalog, courses, progress or Progress())


def collection_plan(
    *,
    project: Place = HERE,
    classes: Sequence[str] = (),
    languages: Sequence[str] = (),
    sources: Sequence[str] = (),
    limit: int | None = None,
) -> "list[Course]":
    """Return which source would be asked what, and how many requests that takes; asks nobody."""
    from footwork.collecting.plan import plan

    opened = open_project(project)
    return plan(opened, classes=classes, languages=languages, sources=sources, limit=limit)


def collected(
    opened: Project, catalog: Catalog, courses: "Sequence[Course]", progress: Progress
) -> "Collected":
    from footwork.collecting.collect import Collector
    from footwork.collecting.fetch import Photos
    from footwork.collecting.keep import Keeper

    if not any(course.queries for course in courses):
        raise nothing_to_search(courses)
    config = opened.config
    keeper = Keeper(
        catalog,
        allow=config.licences.allow,
        exclude=config.exclude,
        looks=True,
        max_pixels=config.fetch.max_pixels,
    )
    names = [course.name for course in courses if course.source is not None]
    with catalog.filling(), progress.board(names) as tell:
        collector = Collector(catalog, keeper, courses, tell=tell)

        async def work(web: "HttpWeb") -> None:
            await collector.run(web, Photos(web))

        run_async(online(opened, work))
    result = collector.result()
    if not any(source.hits or source.searches for source in result.sources):
        reasons = [f"  {s.name}: {s.reason}" for s in result.sources if s.reason]
        raise NothingReached("\n".join(["Nothing could be collected.", *reasons]))
    return result


def nothing_to_search(courses: "Sequence[Course]") -> FootworkError:
    problems = [f"  {c.name}: {c.problem.reason}" for c in courses if c.problem is not None]
    if problems:
        return NothingReached("\n".join(["No source can be searched.", *problems]))
    return UsageError(
        "There is nothing to search for: footwork.toml has no words in [queries]. Add some: "
        'footwork queries add CLASS en "WORDS"'
    )


@dataclass(frozen=True)
class Step:
    """One stage of a run. did: whether there was anything to do; says: what came of it."""

    name: str
    did: bool
    says: str


@dataclass(frozen=True)
class Ran:
    steps: tuple[Step, ...]
    collected: "Collected | None"
    compared: Compared


def run(
    *,
    project: Place = HERE,
    limit: int | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Ran:
    """Collect, clean, dedupe, compare and report, each only where it is out of date.

    What is out of date follows from the catalog, the settings and the newest run, so this may be
    stopped and run again at any time. limit: hits per query and source. offline: collects
    nothing. Raises what the stages raise; a web that cannot be reached only where there are no
    labelled photos yet.
    """
    shown = progress or Progress()
    opened = open_project(project)
    collected_now, step = collect_if_due(opened, limit, offline, shown)
    steps = [step]
    cleaned = clean(project=project, progress=shown)
    done = cleaned.converted + cleaned.rejected + cleaned.taken_back
    says = (
        f"{cleaned.converted:,} photos cleaned, {cleaned.already_there:,} were clean, "
        f"{len(cleaned.failed):,} failed"
    )
    steps.append(Step("clean", done > 0, says))
    found = dedupe(project=project, progress=shown)
    says = f"{len(found.copies):,} near-copies in {found.groups:,} groups"
    steps.append(Step("dedupe", found.hashed > 0, says))
    fresh = newest_if_current(opened)
    if fresh is None:
        compared = compare(project=project, progress=shown)
        steps.append(Step("compare", True, f"run {compared.run.name}"))
        steps.append(Step("report", True, str(compared.report)))
        return Ran(tuple(steps), collected_now, compared)
    steps.append(Step("compare", False, f"run {fresh.name} is of these photos and settings"))
    there = (fresh.folder / "report.html").exists()
    compared = report(fresh.name, project=project)
    steps.append(Step("report", not there, str(compared.report)))
    return Ran(tuple(steps), collected_now, compared)


def collect_if_due(
    opened: Project, limit: int | None, offline: bool, progress: Progress
) -> "tuple[Collected | None, Step]":
    from footwork.collecting.collect import asked_by
    from footwork.collecting.ledger import Ledger
    from footwork.collecting.plan import plan

    if offline:
        return None, Step("collect", False, "left out: --offline")
    courses = plan(opened, limit=limit)
    if not any(course.queries for course in courses):
        return None, Step("collect", False, str(nothing_to_search(courses)))
    with Catalog.open(opened.folder) as catalog:
        before = Ledger(catalog).last_finished(asked_by(courses))
        if before is not None:
            return None, Step(
                "collect", False, f"all of it was asked on {before}; `footwork collect` asks again"
            )
        try:
            result = collected(opened, catalog, courses, progress)
        except NothingReached as problem:
            if not catalog.labelled():
                raise
            return None, Step(
                "collect", False, f"{problem} Going on with the photos that are here."
            )
    return result, Step("collect", True, f"{result.new:,} new photos")


def newest_if_current(opened: Project) -> Run | None:
    """Return the newest run of these very photos, labels, groups and settings, if there is one."""
    now = opened.config
    inside, outside = data_of(opened)
    for name in reversed(run_names(opened.runs)):
        try:
            before = read_config(opened.runs / name / "config.toml")
            if any(getattr(before, key) != getattr(now, key) for key in DECISIVE):
                continue
            run = read_run(opened.runs / name)
        except (DataError, UsageError):
            continue
        external = () if run.external is None else run.external.photos.image
        if run.ablation is not None:  # an ablation answers another question
            continue
        if run.environment.data.sha256 == inside and tuple(external) == outside:
            return run
    return None


def data_of(opened: Project) -> tuple[str, tuple[str, ...]]:
    """Return the version of the data that `compare` would train on, and the external images."""
    from footwork.evaluate.dataset import data_set, sides

    with Catalog.open(opened.folder) as catalog:
        everything = data_set(catalog.labelled(), opened.config.classes)
    cut = sides(everything)
    return everything.subset(cut.inside).sha256(), everything.subset(cut.outside).photos.image

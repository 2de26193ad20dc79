"""Which sources there are, what each needs and allows, and how one is made from footwork.toml.

Other packages add sources by an entry point in the group "footwork.sources": its name is the
source's, its value a `SourceKind`. Their settings are [sources.plugins.NAME].
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec

from yarl import URL

from footwork.collecting.hits import Query, Source, SourceProblem
from footwork.collecting.sources.paging import About, key_of
from footwork.errors import MissingExtra, UsageError, nearest
from footwork.project import ApiSettings, Project

GROUP = "footwork.sources"
PACKAGES = {"search": "ddgs", "video": "cv2"}  # optional part -> what it brings
HERE = "footwork.collecting.sources"
UNSPLASH = About(
    name="unsplash",
    what="stock photos",
    needs="not offered",
    terms_url="https://help.unsplash.com/en/articles/2511256-guideline-high-quality-authentic-experiences",
    forbidden="That means staying away from: […] data mining, training AI models",
)


@dataclass(frozen=True)
class SourceKind:
    """A kind of source. make: from the project's settings; None for one that is never made."""

    about: About
    make: Callable[[Project], Source] | None


def kinds() -> dict[str, SourceKind]:
    """Return all sources by name: ours, then those of other packages; ours win."""
    from footwork.collecting.sources.commons import Commons
    from footwork.collecting.sources.ddgs import Ddgs
    from footwork.collecting.sources.flickr import Flickr
    from footwork.collecting.sources.gbif import Gbif
    from footwork.collecting.sources.inaturalist import INaturalist
    from footwork.collecting.sources.openverse import Openverse
    from footwork.collecting.sources.pexels import Pexels
    from footwork.collecting.sources.pixabay import Pixabay
    from footwork.collecting.sources.searxng import SearXNG
    from footwork.collecting.sources.urls import Urls
    from footwork.collecting.sources.video import Video

    def at_url(kind: Callable[[str | None], Source], name: str) -> Callable[[Project], Source]:
        return lambda project: kind(getattr(project.config.sources, name).url)

    ours = [
        SourceKind(Openverse.about, at_url(Openverse, "openverse")),
        SourceKind(Commons.about, at_url(Commons, "commons")),
        SourceKind(Flickr.about, at_url(Flickr, "flickr")),
        SourceKind(INaturalist.about, at_url(INaturalist, "inaturalist")),
        SourceKind(Gbif.about, at_url(Gbif, "gbif")),
        SourceKind(SearXNG.about, at_url(SearXNG, "searxng")),
        SourceKind(Ddgs.about, made_ddgs),
        SourceKind(Urls.about, made_urls),
        SourceKind(Video.about, made_video),
        SourceKind(Pexels.about, at_url(Pexels, "pexels")),
        SourceKind(Pixabay.about, at_url(Pixabay, "pixabay")),
        SourceKind(UNSPLASH, None),
    ]
    found = {kind.about.name: kind for kind in ours}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in found:
            kind = point.load()
            if not isinstance(kind, SourceKind):
                raise UsageError(
                    f"The package behind source {point.name} offers {type(kind).__name__} where "
                    "footwork expects a footwork.collecting.registry.SourceKind; update it."
                )
            found[point.name] = replace(kind, about=replace(kind.about, name=point.name))
    return found


def made_ddgs(project: Project) -> Source:
    from footwork.collecting.sources.ddgs import Ddgs

    said = project.config.sources.ddgs
    ca = project.path(said.ca) if said.ca else None
    return Ddgs(proxy=said.proxy, ca=ca, backend=said.backend, pause_s=said.pause_s)


def made_urls(project: Project) -> Source:
    from footwork.collecting.sources.urls import Urls

    said = project.config.sources.urls
    files = {name: project.path(file) for name, file in said.files.items()}
    return Urls(files, {str(role): column for role, column in said.columns.items()})


def made_video(project: Project) -> Source:
    from footwork.collecting.sources.video import Video

    said = project.config.sources.video
    files = {name: [project.path(file) for file in some] for name, some in said.files.items()}
    return Video(files, said.every_s)


def made(project: Project, name: str) -> Source:
    """Return the source of that name, ready to be searched.

    Raises UsageError for a name that there is not, SourceProblem "terms" where its terms forbid
    collecting and [sources.NAME] permission does not say who permitted it, and "key" where its
    key or its optional part is missing.
    """
    known = kinds()
    if name not in known:
        raise UsageError(f"There is no source {name!r}; {nearest(name, known)}")
    kind = known[name]
    if kind.make is None or (kind.about.forbidden and not permission(project, name)):
        raise kind.about.refusal()
    lacking = missing(kind.about)
    if lacking:
        raise SourceProblem("key", lacking)
    return kind.make(project)


def lacking(project: Project, name: str) -> str:
    """Return why a source cannot be collected from as things are; '' if it can."""
    about = kinds()[name].about
    try:
        ready = made(project, name).asked([Query("check", "en", "check")])
    except SourceProblem as problem:
        return "its terms forbid it" if problem.trouble == "terms" else problem.reason
    return "" if ready else f"{name} is not set up yet: it needs {about.needs}"


def permission(project: Project, name: str) -> str:
    """Return who permitted collecting from a source, '' if nobody did."""
    return str(getattr(getattr(project.config.sources, name, None), "permission", "") or "")


def missing(about: About) -> str:
    """Return what is missing for a source and how to get it; '' if nothing is."""
    if about.extra and find_spec(PACKAGES[about.extra]) is None:
        return str(MissingExtra(about.extra, about.name))
    if about.key:
        try:
            key_of(about)
        except SourceProblem as problem:
            return problem.reason
    return ""


def used(project: Project) -> list[str]:
    """Return the names in [sources] use, or those that need nothing where it is empty."""
    return list(project.config.sources.use) or ["openverse", "commons"]


def rates(project: Project) -> dict[tuple[str, int], float]:
    """Return (host, port) -> requests per second that its API is sent at most.

    The public APIs have a rate of their own. For a mirror, `rate` in [sources.NAME] counts, or
    none but that of [fetch].
    """
    found: dict[tuple[str, int], float] = {}
    for name, kind in kinds().items():
        said = getattr(project.config.sources, name, None)
        if not isinstance(said, ApiSettings) or kind.make is None:
            continue
        try:
            url = URL(getattr(kind.make(project), "url", ""))
        except (SourceProblem, ValueError):  # the second is told when it is asked
            continue
        mirrored = said.url is not None and name != "searxng"
        rate = said.rate or (None if mirrored else kind.about.rate_per_s)
        if url.raw_host and url.port and rate:
            api = (url.raw_host, url.port)
            found[api] = min(found.get(api, rate), rate)
    return found

"""report.html: one file, no network, no script, that says what a run found and how.

Everything that comes from data (class names, paths, notes, config) is hostile: Jinja escapes
all of it, and a content security policy forbids scripts and every request.
"""

import hashlib
import math
from pathlib import Path

from footwork.evaluate.leak import Leak
from footwork.files import write_bytes
from footwork.records import DataInfo, Environment, Leaderboard
from footwork.reporting.ablation import ablation_view
from footwork.reporting.disputes import DISPUTES_SHOWN, disputed
from footwork.reporting.histories import draw_histories
from footwork.reporting.pictures import Album, Thumbnail
from footwork.reporting.sections import Anonymous, section
from footwork.runs import Run

LEAD = 3  # sentences that open the page


def write_report(
    run: Run,
    board: Leaderboard,
    external: Leaderboard | None,
    thumbnail: Thumbnail | None,
    *,
    leak: Leak | None = None,
    photos: bool = True,
) -> Path:
    """Write report.html into the run's folder, whole or not at all, and return its path.

    board, external: the leaderboards of run.predictions and run.external. thumbnail: gives the
    JPEG bytes (longest side about 200 px) of an image by its SHA-256, or None if the photo
    cannot be read any more; None for a page without pictures. leak: scores of run.leak.
    photos=False: the page can be
    shared: no picture, and instead of every path the first ten digits of the photo's hash.
    The same input gives the same bytes.

    Raises DataError if a board does not belong to the run, EnvironmentProblem if the folder
    cannot be written to.
    """
    page = run.folder / "report.html"
    html = render(run, board, external, thumbnail if photos else None, leak=leak, photos=photos)
    # A file name may hold bytes that are no text; they are shown as \udcff, not refused.
    write_bytes(page, html.encode("utf-8", "backslashreplace"))
    return page


def render(
    run: Run,
    board: Leaderboard,
    external: Leaderboard | None,
    thumbnail: Thumbnail | None,
    *,
    leak: Leak | None = None,
    photos: bool,
) -> str:
    from jinja2 import Environment as Templates
    from jinja2 import PackageLoader, StrictUndefined
    from markupsafe import Markup

    album = Album(thumbnail)
    anonymous = None if photos else Anonymous(run)
    disputes = [disputed(one, album, named=photos) for one in run.disputed[:DISPUTES_SHOWN]]
    main = section(run.entries, board, run.predictions, album, anonymous, "e")
    apart = None
    if external is not None:
        apart = section(run.entries, external, run.external, album, anonymous, "x")
    config = run.config_text
    templates = Templates(
        loader=PackageLoader("footwork.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"score": score, "quantity": quantity, "count": count}
    source, _, _ = PackageLoader("footwork.reporting").get_source(templates, "report.css")
    clean = anonymous.text if anonymous else str
    return templates.get_template("report.html.j2").render(
        css=Markup(source),  # noqa: S704  a file of ours
        album=album,
        pictures=thumbnail is not None,
        anonymous=anonymous is not None,
        run_name=run.name,
        environment=run.environment,
        data=run.environment.data,
        data_notes=[clean(note) for note in run.environment.data.notes],
        facts=facts(run.environment),
        provisional=share(run.environment.data),
        config=None if anonymous else config,
        config_sha256=hashlib.sha256(config.encode()).hexdigest(),
        main=main,
        external=apart,
        leak=leak,
        disputes=disputes,
        disputed=len(run.disputed),
        curves=draw_histories(run),
        ablation=ablation_view(run, board),
        random=[row for row in main.rows if row.info.weights == "random"],
        lead=LEAD,
    )


def facts(environment: Environment) -> tuple[tuple[str, str], ...]:
    """Return what is needed to run it again, as (term, value)."""
    cut = (
        f"{environment.folds} folds × {environment.repeats} repeats, cut anew in every repeat"
        if environment.split == "cv"
        else "the imported train and test split"
    )
    return (
        ("footwork", environment.footwork),
        ("Python", environment.python),
        ("Platform", environment.platform),
        ("Processor", f"{environment.cpu}, {environment.cores} cores"),
        ("Started", environment.started),
        ("Seed", str(environment.seed)),
        ("Split", cut),
        ("Images decoded", f"{environment.decoded} in this run; the rest was cached"),
        ("Data, SHA-256", environment.data.sha256),
    )


def share(data: DataInfo) -> str:
    percent = f" ({100 * data.provisional / data.photos:.0f} %)" if data.photos else ""
    return f"{data.provisional}{percent}"


def score(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"


def quantity(value: float) -> str:
    """Show milliseconds or megabytes with about three digits: 4.2, 36, 1,024."""
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def count(value: float) -> str:
    """Show a mean count: 12 or 12.4."""
    return f"{value:.0f}" if math.isclose(value, round(value)) else f"{value:.1f}"

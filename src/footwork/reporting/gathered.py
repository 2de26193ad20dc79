"""Pages on what was collected: the credits of the photos, and what each query still brings.

Everything in them comes from the web and is hostile: Jinja escapes it, only http and https
addresses become links, and a content security policy forbids scripts and every request.
"""

from collections.abc import Sequence
from dataclasses import replace

from footwork.collecting.attributions import CHANGED, Credit, safe_link, summary
from footwork.collecting.yields import Yields, in_sentences


def page(template: str, **values: object) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("footwork.reporting")
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    css, _, _ = loader.get_source(templates, "report.css")
    return templates.get_template(template).render(css=Markup(css), **values)  # noqa: S704  ours


def credits_page(credits: Sequence[Credit], name: str) -> str:
    """Return the credits as one page. name: of the project."""
    return page(
        "credits.html.j2",
        name=name,
        changed=CHANGED,
        photos=len({credit.image for credit in credits}),
        authors=len({credit.author for credit in credits if credit.author}),
        nameless=len({credit.image for credit in credits if not credit.author}),
        licences=summary(credits),
        credits=[
            replace(
                credit,
                link=safe_link(credit.link),
                licence_url=safe_link(credit.licence_url or "") or None,
            )
            for credit in credits
        ],
    )


def yield_page(found: Yields, name: str) -> str:
    """Return the table and the chart of what each search brings, as one page."""
    pairs = [row for row in found.by("source", "language") if row.fetched]
    sources = list(dict.fromkeys(row.source for row in pairs))
    return page(
        "yield.html.j2",
        name=name,
        found=found,
        sentences=in_sentences(found),
        pairs=[(source, [row for row in pairs if row.source == source]) for source in sources],
        longest=max((row.fetched for row in pairs), default=1),
    )

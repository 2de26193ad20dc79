"""A Web for sources that ask no API: whoever asks it fails the test."""

import asyncio
from collections.abc import Mapping

from footwork.collecting.hits import Hit, Query, Source


class NoWeb:
    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        raise AssertionError(f"nobody was to be asked, but {url} was")


def found(source: Source, query: Query, limit: int = 1_000) -> list[Hit]:
    """Return all hits of one search."""

    async def search() -> list[Hit]:
        return [hit async for hit in source.search(query, NoWeb(), limit=limit)]

    return asyncio.run(search())

"""A process that fetches from hostile servers: `python hostile_client.py` with its order on stdin.

Prints as JSON: the reason of each photo (null: it came), its seconds, and this process's memory.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Mapping, Sequence

from footwork.collecting import politeness
from footwork.collecting.fetch import Photos
from footwork.collecting.guard import Resolve
from footwork.collecting.web import open_web
from footwork.project import FetchSettings


def resolver(addresses: Mapping[str, Sequence[str]]) -> Resolve:
    """Return a resolver under the test's control. "!hang": never answers; "!nx": no such name."""

    async def resolve(host: str, _port: int) -> Sequence[str]:
        found = addresses.get(host, ["127.0.0.1"])
        if "!hang" in found:
            await asyncio.sleep(60)
        if "!nx" in found:
            raise OSError(-2, "Name or service not known")
        return found

    return resolve


async def fetched(
    urls: Mapping[str, str], settings: FetchSettings, addresses: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str | None, float]]:
    """Fetch everything at once; returns name -> reason and seconds."""
    async with open_web(settings, resolve=resolver(addresses)) as web:
        photos = Photos(web)

        async def one(name: str, url: str) -> tuple[str, tuple[str | None, float]]:
            started = time.monotonic()
            answer = await photos.photo(url)
            assert (answer.data is None) != (answer.reason is None), name
            return name, (answer.reason, time.monotonic() - started)

        return dict(await asyncio.gather(*[one(name, url) for name, url in urls.items()]))


def main() -> None:
    order = json.load(sys.stdin)
    politeness.BACK_OFF_S = order["back_off_s"]
    settings = FetchSettings.model_validate(order["settings"])
    answers = asyncio.run(fetched(order["urls"], settings, order["addresses"]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"answers": answers, "peak_bytes": peak}, sys.stdout)


if __name__ == "__main__":
    main()

"""Progress of long steps: how far, how fast, how long still. Stages only see `Progress`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]  # called with how many items were just done


class Progress:
    """Shows nothing: for library use, `--json` and tests."""

    @contextlib.contextmanager
    def task(self, title: str, total: int, unit: str = "photos") -> Iterator[Advance]:
        """Open a step of `total` items; yields a function to call with each number done."""
        yield lambda _done: None


class Bars(Progress):
    """Bars with a rate and the time left on a terminal; one line per step elsewhere."""

    def __init__(self, console: "Console") -> None:
        self.console = console

    @contextlib.contextmanager
    def task(self, title: str, total: int, unit: str = "photos") -> Iterator[Advance]:
        import time

        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        started = time.monotonic()
        done = 0

        if not self.console.is_terminal:

            def count(n: int) -> None:
                nonlocal done
                done += n

            yield count
        else:
            with RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                transient=True,
            ) as bars:
                bar = bars.add_task(title, total=total, rate="")

                def advance(n: int) -> None:
                    nonlocal done
                    done += n
                    rate = done / max(time.monotonic() - started, 1e-3)
                    bars.update(bar, advance=n, rate=f"{rate:,.0f} {unit}/s")

                yield advance
        spent = time.monotonic() - started
        if done:
            self.console.print(
                f"  {title}: {done:,} {unit} in {spent:.1f} s ({done / max(spent, 1e-3):,.0f}/s)",
                highlight=False,
                markup=False,
            )

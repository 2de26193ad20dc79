"""Progress of long steps: how far, how fast, how long still. Stages only see `Progress`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]  # called with how many items were just done


class Tell(Protocol):
    """Called with how far one of several things is: all that is done and known of it so far."""

    def __call__(self, title: str, done: int, total: int, size: int) -> None: ...


EVERY_S = 60.0  # how often a board says a line where there is no terminal


class Progress:
    """Shows nothing: for library use, `--json` and tests."""

    @contextlib.contextmanager
    def task(self, title: str, total: int, unit: str = "photos") -> Iterator[Advance]:
        """Open a step of `total` items; yields a function to call with each number done."""
        yield lambda _done: None

    def say(self, text: str) -> None:
        """Tell the user something while a step goes on."""

    @contextlib.contextmanager
    def board(self, titles: Sequence[str], unit: str = "photos") -> Iterator[Tell]:
        """Open several steps that go on beside each other; totals may grow. size: in bytes."""

        def tell(title: str, done: int, total: int, size: int) -> None:
            pass

        yield tell


class Bars(Progress):
    """Bars with a rate and the time left on a terminal; one line per step elsewhere."""

    def __init__(self, console: "Console") -> None:
        self.console = console

    def say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False, markup=False)

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
                    bars.update(bar, advance=n, rate=f"{rate:,.{0 if rate >= 10 else 2}f} {unit}/s")

                yield advance
        spent = time.monotonic() - started
        if done:
            rate = done / max(spent, 1e-3)
            shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
            self.console.print(
                f"  {title}: {done:,} {unit} in {spent:.1f} s ({shown}/s)",
                highlight=False,
                markup=False,
            )

    @contextlib.contextmanager
    def board(self, titles: Sequence[str], unit: str = "photos") -> Iterator[Tell]:
        import time

        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        started = time.monotonic()
        seen = dict.fromkeys(titles, (0, 0, 0))

        def line(title: str) -> str:
            done, total, size = seen[title]
            spent = max(time.monotonic() - started, 1e-3)
            return (
                f"  {title}: {done:,} of {total:,} {unit}, {size / 1e6:,.1f} MB in {spent:.0f} s "
                f"({done / spent:,.1f}/s)"
            )

        if self.console.is_terminal:
            with RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                transient=True,
            ) as bars:
                tasks = {title: bars.add_task(title, total=None, rate="") for title in titles}

                def draw(title: str, done: int, total: int, size: int) -> None:
                    seen[title] = (done, total, size)
                    spent = max(time.monotonic() - started, 1e-3)
                    rate = f"{done / spent:,.1f} {unit}/s {size / 1e6:,.1f} MB"
                    bars.update(tasks[title], completed=done, total=total or None, rate=rate)

                yield draw
        else:
            told = started

            def count(title: str, done: int, total: int, size: int) -> None:
                nonlocal told
                seen[title] = (done, total, size)
                if time.monotonic() - told > EVERY_S:
                    told = time.monotonic()
                    for name in titles:
                        self.console.print(line(name), highlight=False, markup=False)

            yield count
        for title in titles:
            self.console.print(line(title), highlight=False, markup=False)

"""How a run's progress is shown: drawn on a terminal, a few plain lines elsewhere.

The terminal is drawn between measurements and by no thread: a thread of its own would disturb
the clock of whatever runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from diffbench.running.executor import Progress

__all__ = ["Live", "Plain", "left"]

STEPS = 10  # plain lines a run
REDRAW_S = 0.2


def left(progress: Progress) -> str:
    """The time left, if cells go on as they did; empty until that says something."""
    if not progress.made or progress.done >= progress.total:
        return ""
    seconds = progress.elapsed_s / progress.made * (progress.total - progress.done)
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest:02d} s left" if minutes else f"about {rest} s left"


@final
class Plain:
    """One line for every tenth of the cells."""

    def __init__(self, title: str, say: Callable[[str], None]) -> None:
        self._title, self._say = title, say
        self._step = -1

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        """Say something where another tenth is done."""
        if not progress.total:
            return
        step = STEPS * progress.done // progress.total
        if step > self._step:
            self._step = step
            count = f"{progress.done} of {progress.total} cells"
            self.say(f"{self._title}: {count}, {progress.elapsed_s:.0f} s")

    def say(self, line: str) -> None:
        """A line of its own."""
        self._say(line)

    def close(self) -> None:
        """Nothing is left open."""


@final
class Live:
    """What runs now, how much is done, and the time left, on one line of a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._drawn = 0.0
        self._bar: Any = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, left="")

    def __enter__(self) -> Live:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        """Draw, but not more often than the eye can follow."""
        now = time.monotonic()
        if now - self._drawn < REDRAW_S:
            return
        self._drawn = now
        self._bar.update(
            self._task,
            description=progress.now,
            completed=progress.done,
            total=progress.total or None,
            left=left(progress),
        )
        self._bar.refresh()

    def say(self, line: str) -> None:
        """A line above, which stays."""
        self._bar.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Give the terminal back."""
        self._bar.stop()

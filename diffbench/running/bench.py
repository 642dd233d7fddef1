"""One machine's bench: its workers, the lanes that they run in, and blocks made with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from diffbench.running.blocks import BlockRun, Books
from diffbench.running.cells import Cell
from diffbench.running.lanes import Fleet, Lanes
from diffbench.running.plan import Block, Profile
from diffbench.running.platform import processors

__all__ = ["Bench"]

MOST_LANES = 8
LANES = 2  # where the system does not tell its processors


@final
class Bench:
    """Makes blocks with workers that stay from block to block.

    ``config`` is what every worker is told; once ``stopped()`` says so nothing new begins, and
    ``tick`` is called often. ``beside`` are the processors where nothing is timed.
    """

    def __init__(
        self,
        config: dict[str, Any],
        profile: Profile,
        scratch: Path,
        stopped: Callable[[], bool],
        tick: Callable[[], None],
    ) -> None:
        self.profile, self.scratch = profile, scratch
        parallel, timing = processors()
        self.beside = [cpu for cpu in parallel if cpu not in timing]
        self.fleet = Fleet({**config, "cpus": timing}, scratch)
        self.lanes = Lanes(self.fleet, parallel[:MOST_LANES], LANES)
        self.timing = Lanes(self.fleet, timing, 1)
        for lanes in (self.lanes, self.timing):
            lanes.stopped, lanes.tick = stopped, tick

    def make(self, block: Block, cells: list[Cell], generation: int, books: Books) -> None:
        """Make these cells of a block; each goes into the books as soon as it is done."""
        BlockRun(
            block=block,
            cells=cells,
            generation=generation,
            profile=self.profile,
            books=books,
            fleet=self.fleet,
            lanes=self.lanes,
            timing=self.timing,
            scratch=self.scratch,
        ).run()
        self.fleet.spending.fold()

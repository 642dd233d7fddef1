"""Progress on a plain terminal: few lines, and a time left that can be believed."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from diffbench.cli.run import _left
from diffbench.progress import Plain, left
from diffbench.running.executor import Progress


def test_plain_progress_is_at_most_eleven_lines() -> None:
    lines: list[str] = []
    show = Plain("run", lines.append)
    for done in range(1001):
        show(Progress(done=done, made=done, total=1000, now="x", elapsed_s=float(done)))
    assert len(lines) == 11
    assert lines[-1] == "run: 1000 of 1000 cells, 1000 s"


@pytest.mark.parametrize(
    ("done", "made", "text"),
    [
        (0, 0, ""),
        (10, 10, "about 1 min 30 s left"),
        (55, 5, "about 1 min 30 s left"),
        (95, 95, "about 1 s left"),
        (100, 100, ""),
    ],
)
def test_the_time_left_counts_what_this_start_made(done: int, made: int, text: str) -> None:
    assert left(Progress(done=done, made=made, total=100, now="", elapsed_s=10.0)) == text


@pytest.mark.parametrize(
    ("generation", "cells", "text"),
    [
        ([2, 2], 2, ""),
        ([2, 1], 2, "cells with fewer than 2 generations: 1"),
        ([1, 1], 5, "cells left: 3, cells with fewer than 2 generations: 2"),
        ([], 5, "cells left: 5"),
        ([], 0, "not even the sizes of the instances were known in that time"),
    ],
)
def test_what_a_budget_cut_off(generation: list[int], cells: int, text: str) -> None:
    records = pd.DataFrame({"status": "ok", "generation": generation})
    made = SimpleNamespace(records=records, plan={"cells": cells, "generations": 2})
    assert _left(made) == text  # type: ignore[arg-type]  # as much of a run as it reads

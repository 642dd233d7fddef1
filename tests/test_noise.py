"""Identical code must not look different, and one part in twenty must: by real runs.

The small instances hold how it is counted; the figures are those of ``make nightly``, on a machine
that does nothing else. A comparison is one cell of a pair: (instance, operator).
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
from small_runs import PLUGINS, told, use_profile, without_report

import diffbench
from diffbench.analysis.book import Book
from diffbench.analysis.compare import Ratio, compare
from diffbench.operators import OPERATORS
from diffbench.running.platform import affinity, processors

TWINS = str(PLUGINS / "twins.py")
PAIRS = {
    "autograd": "autograd_twin",
    "finite_difference[scheme=central]": "finite_difference_twin[scheme=central]",
    "forward": "forward_twin",
    "manual": "manual_twin",
    "reverse": "reverse_twin",
    "symbolic[cse=yes]": "symbolic_twin[cse=yes]",
}
SLOWED = {"manual_20": "manual_21", "reverse_20": "reverse_21"}
LONG_S = 5e-5
COMPARISONS = 2000


def compared(
    folder: Path, pairs: dict[str, str], problems: str = "all", seed: int = 0, generations: int = 5
) -> list[list[Ratio]]:
    """The cells of each pair, the second over the first, from one run."""
    run = diffbench.run(
        problems,
        ",".join([*pairs, *pairs.values()]),
        profile="quick",
        out=folder,
        seed=seed,
        generations=generations,
        plugins=[TWINS],
    )
    book = Book.of(run)
    return [list(compare(book, b, a, tuple(OPERATORS)).cells) for a, b in pairs.items()]


def different(cells: list[Ratio]) -> list[Ratio]:
    """Those whose 95 % interval does not hold 1."""
    return [cell for cell in cells if not cell.low <= 1.0 <= cell.high]


def test_a_small_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    pairs = {"manual": "manual_twin", "manual_20": "manual_21"}
    identical, slowed = compared(tmp_path / "run", pairs, "lecture[n=32]", generations=2)
    assert [len(identical), len(slowed)] == [3, 3]
    assert median(abs(math.log(cell.value)) for cell in identical) < 0.1
    assert median(cell.value for cell in slowed) == pytest.approx(1.05, abs=0.1)
    assert {cell.generations for cell in slowed} == {2}


# --- the full figures -----------------------------------------------------------------------------


@contextmanager
def hog(wanted: bool) -> Iterator[None]:
    """A process that burns the other core, if wanted."""
    others = [cpu for cpu in affinity() if cpu not in processors()[1]]
    if not wanted:
        yield
        return
    if not others:
        pytest.skip("there is no other core for the hog")
    burn = f"import os; os.sched_setaffinity(0, {others[:1]}); exec('while True: pass')"
    process = subprocess.Popen([sys.executable, "-c", burn])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.nightly
@pytest.mark.quiet
@pytest.mark.parametrize(("hogged", "most"), [(False, 0.02), (True, 0.04)])
def test_identical_code_is_not_called_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hogged: bool, most: float
) -> None:
    without_report(monkeypatch)
    made: list[list[Ratio]] = []
    while sum(map(len, made)) < COMPARISONS:
        with hog(hogged):
            made += compared(tmp_path / f"run{len(made)}", PAIRS, seed=len(made))
    cells = [cell for pair in made for cell in pair]
    uncorrected = len(different(cells)) / len(cells)
    corrected = sum(cell.outcome != "tie" for cell in cells) / len(cells)
    distance = median(abs(math.log(cell.value)) for cell in cells)
    told(f"A/A, hog {hogged}: {len(cells)} comparisons, {uncorrected:.2%} uncorrected, "
         f"{corrected:.2%} after Holm, median |log ratio| {distance:.2%}")  # fmt: skip
    assert uncorrected <= 0.07
    assert corrected <= 0.01
    assert distance < most


@pytest.mark.nightly
@pytest.mark.quiet
def test_one_part_in_twenty_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_report(monkeypatch)
    made = compared(tmp_path / "run", SLOWED)
    base = diffbench.load(tmp_path / "run").records.set_index(["method", "instance", "operator"])
    slower, total = 0, 0
    for method, cells in zip(SLOWED, made, strict=True):
        long = [c for c in cells if base.run_s[method, c.instance, c.operator] > LONG_S]
        slower += sum(cell in long and cell.value > 1.0 for cell in different(cells))
        total += len(long)
    told(f"5 % more work: called slower in {slower} of {total} cells over 50 us")
    assert slower >= 0.9 * total

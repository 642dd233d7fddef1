"""Every number of every page is in the store, or a documented aggregate of what is."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import synthetic
import tracing
from small_runs import told
from tracing import Ledger, Number

import diffbench
from diffbench.reports.sections import Cell, Column, Table

PICKED = 200
FAMILIES = ("affine_tanh", "lecture", "logistic")


@cache
def run() -> synthetic.SyntheticRun:
    """The families that fill every page."""
    several = {"symbolic[cse=no]", "finite_difference[scheme=forward]", "jax[mode=reverse]"}
    tools = (*synthetic.FEW, *(tool for tool in synthetic.TOOLS if tool.name in several))
    return synthetic.part(synthetic.run(tools), FAMILIES)


@cache
def of_one() -> tuple[list[Number], Ledger]:
    return tracing.of_pages(run())


@cache
def of_two() -> tuple[list[Number], Ledger]:
    """The report of two runs: the second is slower by one method."""
    samples = run().samples.copy()
    samples.loc[(samples["method"] == "reverse") & (samples["kind"] == "run"), "seconds"] *= 1.4
    return tracing.of_pages(run(), replace(run(), samples=samples, folder=Path("runs/second")))


def picked(numbers: list[Number]) -> list[Number]:
    """At random, the tables in turn, so that no long one crowds out the others."""
    chance = random.Random(6)
    tables: dict[tuple[str, str], list[Number]] = {}
    for number in chance.sample(numbers, len(numbers)):
        tables.setdefault((number.page, number.table), []).append(number)
    rounds = (rows[i] for i in range(PICKED) for rows in tables.values() if i < len(rows))
    return [number for number, _ in zip(rounds, range(PICKED), strict=False)]


# --- the report -------------------------------------------------------------------------------


def test_two_hundred_numbers_are_found_in_the_store() -> None:
    numbers, ledger = of_one()
    asked = picked(numbers)
    assert len(asked) == PICKED
    assert {n.table for n in asked} == {n.table for n in numbers}
    assert tracing.missing(asked, ledger) == []


def test_the_numbers_of_two_runs_are_found_in_either() -> None:
    numbers, ledger = of_two()
    assert len(numbers) > PICKED
    assert tracing.missing(picked(numbers), ledger) == []


@pytest.mark.parametrize("made", [of_one, of_two])
def test_every_text_is_its_value_to_the_digits_that_it_shows(made: object) -> None:
    numbers, _ = made()  # type: ignore[operator]  # a function without arguments
    assert [str(number) for number in numbers if not number.shown] == []


@pytest.mark.nightly
def test_every_number_of_a_measured_run_is_found(tmp_path: Path, cli: Any) -> None:
    done = cli("run", "--problems", "all", "--profile", "quick", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    numbers, ledger = tracing.of_pages(diffbench.load(tmp_path / "run"))
    assert len(numbers) > 10 * PICKED
    assert tracing.missing(numbers, ledger) == []
    told(f"{len(numbers)} numbers on the pages of a run of all families: each in its store")


# --- the test of the test ---------------------------------------------------------------------


def test_a_number_from_elsewhere_is_not_found() -> None:
    """One in a thousand away none is found; of whole ones above 3 the next in few of the cells."""
    numbers, ledger = of_one()
    asked = picked(numbers)
    moved = [tracing.perturbed(number, 1e-3) for number in asked]
    broken = [number for number in moved if not number.small]
    whole = [number for number in moved if number.small and number.value > 4]
    assert len(broken) > 60
    assert len(whole) > 30
    assert [str(number) for number in broken if ledger.holds(number)] == []
    assert sum(map(ledger.holds, whole)) <= len(whole) / 4


def test_a_number_that_a_page_makes_up_is_told_with_its_place() -> None:
    _, ledger = of_one()
    columns = (Column("Method"), Column("Time", True), Column("n", True))
    rows = [["reverse", Cell("0.5", 0.512345), Cell("3", 3)]]
    made_up = list(tracing.numbers("mine", Table("my table", "", columns, rows)))
    time, size = tracing.missing(made_up, ledger)
    assert time == "0.5 (0.512345) of page mine, table 'my table', row 0, column 'Time'"
    assert size.startswith("3 (3) of page mine")


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("2.35", 2.3456, True),
        ("2.35", 2.36, False),
        ("1.50e-9", 1.504e-9, True),
        ("1.50e-9", 1.51e-9, False),
        ("21\u202f435", 21435, True),
        ("-0.000", -0.0004, True),
        ("10 of 20", 0.5, True),
    ],
)
def test_what_counts_as_shown(text: str, value: float, right: bool) -> None:
    words: frozenset[str] = frozenset()
    number = Number("page", "table", 0, "column", text, value, words, words, frozenset())
    assert number.shown is right

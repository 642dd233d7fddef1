"""Run against run: each over f in numpy, on made-up rounds whose answer is known; and which cells
of a comparison differ, regress and are shown."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_rounds import Made, Rounds, rounds, two
from scipy import stats

from diffbench.analysis.book import Book, variants
from diffbench.analysis.compare import Comparison, compare, compare_runs
from diffbench.comparison import DIFFERENT, MOST, render, short
from diffbench.errors import UnknownName
from diffbench.measure.intervals import prior
from diffbench.records.environment import changes


def one(seconds: Rounds, method: str = "a", **facts: Any) -> Book:
    """A run of one cell."""
    made = Made()
    made.cell(method, ("f", 2), seconds, **facts)
    return made.book()


def generations(*medians: float) -> Rounds:
    return {(g, k): 1e-4 * v * s for g, v in enumerate(medians) for k, s in enumerate((0.5, 1, 3))}


# --- one cell ---------------------------------------------------------------------------------


def test_what_slows_the_machine_between_the_runs_cancels() -> None:
    """Both times of the second run are doubled, by the machine; the method took 1.5 of it."""
    before = one(rounds(1.0, 1.0, 1.1))
    after = one(rounds(3.0, 3.0, 3.3), primal=2e-5)
    (cell,) = compare_runs(after, before, ["a"]).cells
    assert cell.value == pytest.approx(1.5)
    assert cell.low < 1.5 < cell.high
    assert (cell.method, cell.cell) == ("a", "f[n=2] gradient a")
    (turned,) = compare_runs(before, after, ["a"]).cells
    assert turned.value == pytest.approx(1 / 1.5)


def test_generations_of_both_runs_are_compared_by_welch() -> None:
    first, second = (2.0, 2.1, 2.3, 1.9, 2.2), (2.4, 2.9, 2.6)
    before, after = one(generations(*first)), one(generations(*second))
    (cell,) = compare_runs(after, before, ["a"]).cells
    welch = stats.ttest_ind(np.log(second), np.log(first), equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert cell.value == pytest.approx(2.6 / 2.1)
    assert (math.log(cell.low), math.log(cell.high)) == pytest.approx((low, high))
    assert cell.p == pytest.approx(welch.pvalue)
    assert cell.generations == 3


def test_a_side_of_one_generation_carries_the_spread_of_its_own_run() -> None:
    made = Made()
    for n in (2, 3, 4):
        made.cell("a", ("f", n), rounds(1.0, 1.0))
    for primal in (1e-5, 2e-5):  # the same f in two processes
        made.cell(f"b{primal}", ("f", 2), rounds(1.0), primal=primal)
    after = made.book()
    (cell,) = compare_runs(after, one(generations(*[1.0] * 5)), ["a"]).cells
    assert cell.generations == 1
    half = after.spread.of_ratios().half_width
    assert half > 0.1
    assert math.log(cell.high / cell.value) == pytest.approx(half)
    both = compare_runs(after, after, ["a"])
    assert math.log(both.cells[0].high) > half
    shared = math.sqrt(2) * half
    assert math.log(both.families[0].ratio.high) == pytest.approx(shared)


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("RUN_A was not asked", None),
        ("RUN_A: timeout", {"status": "timeout"}),
        ("RUN_A: wrong answer", {"verdict": "wrong"}),
        ("measured on another machine", {"machine": "other"}),
        ("measured with another seed", {"seed": 1}),
    ],
)
def test_a_cell_without_a_ratio_is_counted_once(reason: str, given: dict[str, Any] | None) -> None:
    before, after = two(("f", 4)), two(("f", 4))
    after.cell("a", ("f", 2), rounds(1.0))
    if given is not None:
        before.cell("a", ("f", 2), rounds(1.0), **given)
    found = compare_runs(after.book(), before.book(), ["a", "b"])
    assert found.left_out == {reason: 1}
    assert [cell.cell for cell in found.cells] == ["f[n=4] gradient a", "f[n=4] gradient b"]


def test_a_run_without_f_in_numpy_has_no_yardstick() -> None:
    book = one(rounds(1.0))
    bare = replace(book, times={("a", "run"): book.times["a", "run"]})
    assert compare_runs(bare, book, ["a"]).left_out == {"no round beside f in numpy": 1}


# --- machines of one run ----------------------------------------------------------------------


def test_times_of_two_machines_never_meet() -> None:
    made = Made()
    for method, machine, time in (("a", "m", 1.0), ("b", "m", 2.0), ("a", "k", 9.0)):
        made.cell(method, ("f", 2), rounds(time, time), machine=machine)
    made.cell("a", ("f", 3), rounds(1.0), machine="m")
    made.cell("b", ("f", 3), rounds(1.0), machine="k")
    found = compare(made.book(), "b", "a")
    assert [(c.instance, c.machine, c.value) for c in found.cells] == [
        ("f[n=2]", "m", pytest.approx(2.0))
    ]
    assert found.left_out == {"measured on another machine": 1}


def test_machines_of_different_speed_are_no_spread_of_identical_code() -> None:
    alike, apart = Made(), Made()
    for k, (method, primal) in enumerate((("a", 1e-5), ("b", 1e-5), ("a", 9e-5), ("b", 9e-5))):
        machine = "mk"[k // 2]
        alike.cell(method, ("f", 2), rounds(1.0), machine=machine)
        apart.cell(method, ("f", 2), rounds(1.0), machine=machine, primal=primal)
    assert alike.book().spread == apart.book().spread


# --- many cells -------------------------------------------------------------------------------


def run_of(families: str, factor: float = 1.0, seed: int = 0, noise: float = 0.01) -> Book:
    """Two methods over twelve sizes a family; a takes ``factor`` of what it should."""
    rng, made = np.random.default_rng(seed), Made()
    for family in families:
        for n in range(2, 14):
            for method, times in (("a", factor), ("b", 1.0)):
                layout = np.exp(rng.normal(0, noise, 5))
                made.cell(
                    method, (family, n), {(g, 0): 1e-4 * times * v for g, v in enumerate(layout)}
                )
    return made.book()


@pytest.fixture(scope="module")
def slower() -> Comparison:
    return compare_runs(run_of("fg", factor=1.2, seed=1), run_of("fg"), ["a", "b"])


def test_runs_have_groups_by_family_and_by_method(slower: Comparison) -> None:
    assert [(g.name, len(g.cells)) for g in slower.families] == [("f", 24), ("g", 24)]
    assert [(g.name, len(g.cells)) for g in slower.methods] == [("a", 24), ("b", 24)]
    quick, slow = slower.methods[1].ratio, slower.methods[0].ratio
    assert quick.value == pytest.approx(1.0, abs=0.01)
    assert slow.value == pytest.approx(1.2, abs=0.01)
    assert slower.methods[0].count("slower") == 24
    assert slower.methods[1].count("tie") == 24
    assert compare_runs(run_of("f"), run_of("f"), ["a"]).methods == ()


def test_identical_runs_are_ties() -> None:
    wrong = 0
    for seed in range(10):
        found = compare_runs(run_of("fgh", seed=seed), run_of("fgh", seed=100 + seed), ["a", "b"])
        wrong += sum(cell.outcome != "tie" for cell in found.cells)
    assert wrong <= 2  # of 720


def test_ten_cells_moderate_each_other_and_nine_do_not() -> None:
    def half_widths(count: int) -> tuple[float, float]:
        made = Made()
        for n in range(2, 2 + count):
            for method, step in (("a", 0.001 if n == 2 else 0.02), ("b", 0.0)):
                times = {(g, 0): 1e-4 * math.exp(step * (g - 2)) for g in range(5)}
                made.cell(method, ("f", n), times)
        found = {cell.n: math.log(cell.high) for cell in compare(made.book(), "a", "b").cells}
        return found[2], found[3]

    quiet, plain = half_widths(9)
    squares = 10 * 0.02**2  # of -2, -1, 0, 1, 2 steps
    assert plain == pytest.approx(stats.t.ppf(0.975, 4) * math.sqrt(squares / 4 / 5))
    assert quiet == pytest.approx(plain / 20)
    moderated, typical = half_widths(10)
    rows = [{g: [math.exp(0.02 * (g - 2))] for g in range(5)}] * 9
    known = prior([{g: [math.exp(0.001 * (g - 2))] for g in range(5)}, *rows])
    assert known is not None
    total = 4 + known.freedom
    variance = (squares + known.freedom * known.variance) / total
    assert typical == pytest.approx(stats.t.ppf(0.975, total) * math.sqrt(variance / 5))
    assert moderated > 5 * quiet


def test_the_cells_that_differ_and_those_that_regress(slower: Comparison) -> None:
    assert {cell.method for cell in slower.different} == {"a"}
    values = [cell.value for cell in slower.different]
    assert values == sorted(values, reverse=True)
    assert slower.regressions(1.0) == slower.different
    middle = values[11]
    assert slower.regressions(middle) == slower.different[:11]
    faster = compare_runs(run_of("fg"), run_of("fg", factor=1.2, seed=1), ["a", "b"])
    assert len(faster.different) == 24
    assert faster.regressions(0.5) == []


def test_a_noisy_cell_is_no_regression() -> None:
    """Its ratio is beyond every limit, its interval holds 1."""
    found = compare_runs(one(generations(1.0, 4.0, 9.0)), one(generations(1.0, 1.0, 1.0)), ["a"])
    assert found.cells[0].value == pytest.approx(4.0)
    assert found.regressions(1.05) == []


# --- written out ------------------------------------------------------------------------------


def listed(text: str) -> list[list[str]]:
    """The rows of the table of cells."""
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    start = lines.index(list(DIFFERENT)) + 1
    return [row for row in lines[start : lines.index([""], start)] if len(row) > 1]


def test_a_text_shows_the_cells_that_differ(slower: Comparison) -> None:
    text = render(slower)
    rows = listed(text)
    assert [row[:2] for row in rows] == [
        [cell.cell, short(cell.value)] for cell in slower.different[:MOST]
    ]
    assert {row[4] for row in rows} == {"slower"}
    assert "... and 4 more that differ (--all)" in text
    every = render(slower, every=True)
    assert len(listed(every)) == len(slower.cells) == 48
    assert "more that differ" not in every
    tied = compare_runs(run_of("f"), run_of("f", seed=1), ["b"])
    assert "no cell differs" in render(tied)
    assert len(listed(render(tied, every=True))) == 12


def test_markdown_shows_the_same_cells(slower: Comparison) -> None:
    text = render(slower, "markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    start = rows.index(f"| {' | '.join(DIFFERENT)} |")
    assert [row.split(" | ")[0] for row in rows[start + 2 :]] == [
        f"| {cell.cell}" for cell in slower.different[:MOST]
    ]
    assert "- ... and 4 more that differ (--all)" in text


def test_the_heading_says_which_run_is_which(slower: Comparison) -> None:
    named = replace(slower, of="runs/new", to="runs/old")
    for layout in ("text", "markdown"):
        first, second, *_ = render(named, layout).splitlines()
        assert first == "RUN_A is runs/old, RUN_B is runs/new."
        assert second.startswith("Time of RUN_B over time of RUN_A, each over f in numpy")
        assert "below 1, RUN_B is faster" in second


def test_the_csv_of_runs_names_method_seed_and_machine(slower: Comparison) -> None:
    changed = replace(slower, changes=("numpy 2.1 → 2.2",))
    rows = list(csv.DictReader(io.StringIO(render(changed, "csv"))))
    cells = [row for row in rows if row["kind"] == "cell"]
    assert len(cells) == 48
    assert [(row["name"], row["method"]) for row in cells] == [
        (cell.instance, cell.method) for cell in slower.cells
    ]
    assert {(row["seed"], row["machine"]) for row in cells} == {("0", "m")}
    assert [row["name"] for row in rows if row["kind"] == "method"] == ["a", "b"]
    assert [row["name"] for row in rows if row["kind"] == "environment"] == ["numpy 2.1 → 2.2"]


def test_a_change_of_the_environment_is_noted(slower: Comparison) -> None:
    changed = replace(slower, changes=("numpy 2.1 → 2.2", "affinity 0,1 → 0"))
    assert render(changed).splitlines()[-1] == (
        "environment, RUN_A → RUN_B: numpy 2.1 → 2.2; affinity 0,1 → 0"
    )
    assert "environment" not in render(slower)


def test_what_differs_between_environments() -> None:
    before: dict[str, Any] = {
        "python": "3.11.7", "affinity": [0, 1], "governor": "powersave", "load": [1.0, 2.0, 3.0],
        "packages": {"numpy": "2.1", "jax": "0.10"}, "threads": {"OMP_NUM_THREADS": "1"},
    }  # fmt: skip
    after = {
        **before, "affinity": [0], "load": [0.0, 0.0, 0.0], "governor": None,
        "packages": {"numpy": "2.2", "torch": "2.9"}, "threads": {"OMP_NUM_THREADS": "4"},
    }  # fmt: skip
    assert changes(before, after) == [
        "affinity 2 → 1",
        "governor powersave → none",
        "packages.numpy 2.1 → 2.2",
        "packages.jax 0.10 → none",
        "threads.OMP_NUM_THREADS 1 → 4",
        "packages.torch none → 2.9",
    ]
    assert changes(before, dict(before)) == []
    assert changes({}, {}) == []


# --- names ------------------------------------------------------------------------------------


def test_a_selection_of_methods() -> None:
    held = ["jax[mode=forward]", "jax[mode=reverse]", "reverse"]
    assert variants(held, "reverse,jax") == ["reverse", *held[:2]]
    assert variants(held, "jax[mode=reverse]") == ["jax[mode=reverse]"]
    assert variants(held, "jax[mode=reverse|forward],jax") == [held[1], held[0]]
    with pytest.raises(UnknownName, match="did you mean 'reverse'"):
        variants(held, "revers")
    with pytest.raises(UnknownName, match=r"there are: jax\[mode=forward\]"):
        variants(held, "jax[mode=sideways]")

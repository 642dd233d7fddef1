"""The pages Scaling, Crossover and Cost on a made-up run: they draw what the store holds."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import synthetic

from diffbench.analysis.calls import break_even, leaders, spent
from diffbench.analysis.cells import first_derivative
from diffbench.analysis.crossover import BACKENDS, winners
from diffbench.reports import cost, crossover, overview, scaling
from diffbench.reports.formats import plain
from diffbench.reports.maps import HATCHES
from diffbench.reports.sections import Answers, Choice, Figure, Grid, Table, Text, Versus
from diffbench.reports.styles import label, ordered

PAGES = {"scaling": scaling.PAGE, "crossover": crossover.PAGE, "cost": cost.PAGE}


@cache
def blocks(page: str) -> list[Any]:
    return list(PAGES[page].render(synthetic.run()))


def choice(page: str, name: str) -> Choice:
    (found,) = [b for b in blocks(page) if isinstance(b, Choice) and b.name == name]
    return found


def figure(page: str, name: str, title: str) -> Figure:
    figures = [f for option in choice(page, name).options for f in option.figures]
    (found,) = [f for f in figures if f.name == title]
    return found


def rows(drawn: Figure, **facts: Any) -> list[dict[str, Any]]:
    found = drawn.spec["datasets"]["rows"]
    return [row for row in found if all(row[k] == v for k, v in facts.items())]


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.cells()]


def table(page: str, name: str) -> Table:
    (found,) = [b for b in blocks(page) if isinstance(b, Table) and b.name == name]
    return found


def cell(instance: str, method: str, operator: str = "gradient") -> Any:
    records = synthetic.records()
    (found,) = records[
        (records["instance"] == instance)
        & (records["method"] == method)
        & (records["operator"] == operator)
    ].to_dict("records")
    return found


# --- at a glance ------------------------------------------------------------------------------


def test_at_a_glance_is_answers_ranking_and_matrix() -> None:
    facts, glance, matrix = overview.PAGE.render(synthetic.run())
    assert isinstance(facts, Text)
    assert isinstance(glance, Grid)
    answers, ranking = glance.blocks
    assert isinstance(answers, Answers)
    assert all(answer.endswith(".") and evidence for _, answer, evidence in answers.rows)
    assert (ranking.name, matrix.name) == ("ranking", "matrix")


def test_a_tie_is_ranked_as_a_tie() -> None:
    ranking = overview.PAGE.render(synthetic.run())[1].blocks[1]
    found = {row[1]: row for row in texts(ranking)}
    ties = [row for row in found.values() if " to " in row[0]]
    assert ties
    for row in ties:
        first, last = map(int, row[0].split(" to "))
        assert last > first
        low, high = map(float, row[3].split(" to "))
        others = [r for r in found.values() if r is not row]
        spans = [[float(v.replace("\u202f", "")) for v in r[3].split(" to ")] for r in others]
        assert sum(low <= b and a <= high for a, b in spans) >= 1


# --- scaling ----------------------------------------------------------------------------------


def test_every_axis_has_a_choice_and_the_longest_curve_stands_first() -> None:
    found = [b for b in blocks("scaling") if isinstance(b, Choice)]
    assert [c.name for c in found] == ["scaling n", "scaling m", "scaling depth"]
    families = ["helmholtz", "lecture", "mlp", "rosenbrock", "speelpenning", "affine_tanh"]
    assert [option.key for option in found[0].options] == [(name,) for name in families]
    assert [s.name for s in found[0].series] == ordered(synthetic.records()["method"])


def test_times_are_the_stores_with_their_intervals() -> None:
    drawn = figure("scaling", "scaling n", "time rosenbrock n")
    (row,) = rows(drawn, s="reverse", x=32)
    stored = cell("rosenbrock[n=32]", "reverse")
    assert (row["y"], row["l"], row["h"]) == tuple(
        stored[k] for k in ("run_s", "run_s_low", "run_s_high")
    )
    (told,) = [r for r in texts(drawn.table) if r[:2] == ["reverse", "32"]]
    assert told[2] == plain(stored["run_s"] * 1e6)
    assert told[5] == "1"  # sweep


def test_operations_stand_beside_the_times() -> None:
    drawn = figure("scaling", "scaling n", "operations rosenbrock n")
    (counted,) = rows(drawn, s="reverse", x=32)
    assert counted["y"] == cell("rosenbrock[n=32]", "reverse")["graph_ops"]
    (called,) = rows(drawn, s="finite_difference[scheme=forward]", x=32)
    stored = cell("rosenbrock[n=32]", "finite_difference[scheme=forward]")
    assert called["y"] == stored["calls_f"] * stored["primal_ops"] == 33 * 8 * 32
    (told,) = [r for r in texts(drawn.table) if r[0] == "differences (forward)"]
    assert told[3] == "33 × 256"
    assert not rows(drawn, s="autograd")  # it counts nothing


def test_ghosts_have_the_slopes_they_name_and_start_at_no_control() -> None:
    drawn = figure("scaling", "scaling n", "time rosenbrock n")
    ghosts = drawn.spec["datasets"]["ghosts"]
    start = min(r["y"] for r in rows(drawn, x=2) if r["s"] != "zero")
    for name, power in (("∝ n", 1), ("∝ n²", 2)):
        a, b = [g for g in ghosts if g["g"] == name]
        assert (a["x"], a["y"]) == (2, start)
        assert b["y"] / a["y"] == pytest.approx((b["x"] / a["x"]) ** power)


def test_what_is_unexpected_is_flagged_and_explained() -> None:
    run = synthetic.run()
    records = run.records.copy()
    bent = (records["method"] == "forward") & (records["family"] == "affine_tanh")
    for name in ("ratio_own_primal", "ratio_own_primal_low", "ratio_own_primal_high"):
        records.loc[bent, name] = 50.0
    found = list(scaling.PAGE.render(replace(run, records=records)))
    unexpected, exponents = [b for b in found if isinstance(b, Table)]
    (row,) = [
        r for r in exponents.cells() if [c.text for c in r[:3]] == ["affine_tanh", "forward", "n"]
    ]
    assert (row[8].text, row[8].tone) == ("unexpected", "bad")
    assert "its passes grow as theory says" in row[8].more[0]
    (said,) = [r for r in unexpected.cells() if [c.text for c in r[:2]] == ["forward", "n"]]
    assert "affine_tanh" in said[5].text
    assert said[6].text == row[8].more[0]
    told = [line for b in found if isinstance(b, Text) for line in b.paragraphs]
    (words,) = [line for line in told if "have a theory" in line]
    tally = re.findall(r"\d+", words)
    assert int(tally[0]) == sum(map(int, tally[1:]))


# --- crossover --------------------------------------------------------------------------------


def test_a_map_has_its_winners_their_letters_and_hatches() -> None:
    drawn = figure("crossover", "map", "map of affine_tanh, all methods")
    first = first_derivative(synthetic.records())
    best = {w["instance"]: w for w in winners(first).to_dict("records")}
    found = rows(drawn, k="tile")
    assert len(found) == 25
    for tile in found:
        won = best[tile["i"]]
        assert (tile["s"], tile["x"], tile["y"]) == (won["method"], won["n"], won["m"])
        assert (tile["o"] > 0) == won["clear"]
        assert tile["r"].startswith(f"1. {label(won['method'])} {plain(won['run_s'] * 1e6)} µs")
        assert tile["x0"] < tile["x"] < tile["x1"]
        hatched = [r for r in rows(drawn, k="hatch") if tile["x0"] <= r["x0"] < tile["x1"]]
        hatched = [r for r in hatched if tile["y0"] <= min(r["y0"], r["y1"]) < tile["y1"]]
        assert len(hatched) == (len(HATCHES[tile["h"]]) if won["clear"] else 0)
    border = drawn.spec["datasets"]["border"]
    assert [(p["x"] == p["y"]) for p in border] == [True, True]


def test_a_tie_is_blank_and_names_two() -> None:
    run = synthetic.run()
    records = run.records.copy()
    low = records["instance"] == "affine_tanh[m=4,n=4]"
    records.loc[low, "run_s_low"], records.loc[low, "run_s_high"] = 1e-9, 1.0
    drawn = crossover.PAGE.render(replace(run, records=records))[0].options[0].figures[0]
    (tile,) = rows(drawn, k="tile", i="affine_tanh[m=4,n=4]")
    assert (tile["o"], tile["v"], tile["t"].count("=")) == (0.0, "tie", 1)
    assert len(rows(drawn, k="hatch")) < len(
        rows(figure("crossover", "map", "map of affine_tanh, all methods"), k="hatch")
    )


def test_among_exact_answers_differences_win_nothing() -> None:
    found = {o.key[1]: o.figures[0] for o in choice("crossover", "map").options}
    every = {tile["s"] for tile in rows(found["all methods"])}
    exact = {tile["s"] for tile in rows(found["those exact to rounding"])}
    assert any(name.startswith("finite_difference") for name in every)
    assert not any(name.startswith("finite_difference") for name in exact)


def test_the_two_modes_of_one_implementation_have_a_map_of_their_own() -> None:
    found = {o.key[1]: o.figures[0] for o in choice("crossover", "map").options}
    assert len(found) == 4  # the synthetic run has no compiled methods, and no map of them
    for name in ("in-house", "jax"):
        tiles = rows(found[f"forward and reverse mode, {name}"], k="tile")
        assert {tile["s"] for tile in tiles} <= {*BACKENDS[name]}


def test_without_a_grid_the_page_says_what_a_map_takes() -> None:
    run = synthetic.run()
    flat = run.records[run.records["family"] != "affine_tanh"]
    told, won = crossover.PAGE.render(replace(run, records=flat))
    assert "2 by 3 sizes" in told.paragraphs[0]
    assert len(won.rows) == first_derivative(flat)["instance"].nunique()


# --- cost -------------------------------------------------------------------------------------


def test_ratios_are_drawn_with_the_bound() -> None:
    operations, time = choice("cost", "ratios").options[0].figures
    (row,) = rows(operations, s="reverse", i="rosenbrock[n=32]")
    assert row["x"] == 20 * 32 / (8 * 32)
    (row,) = rows(time, s="reverse", i="rosenbrock[n=32]")
    assert row["x"] == cell("rosenbrock[n=32]", "reverse")["ratio_own_primal"]
    for drawn in (operations, time):
        assert drawn.spec["datasets"]["bound"] == [{"x": 5.0, "g": "bound: 5"}]
    (told,) = [r for r in texts(operations.table) if r[0] == "differences (forward)"]
    assert (told[2], told[5]) == ("2", "2\u202f049")
    assert told[7].endswith("[n=2048]")


def test_the_split_and_the_totals_are_the_stores() -> None:
    drawn = figure("cost", "calls", "split gradient of rosenbrock[n=2048]")
    stored = cell("rosenbrock[n=2048]", "jax[mode=reverse]")
    (row,) = rows(drawn, s="jax[mode=reverse]")
    parts = ("prepare", "prepare_s"), ("first call", "first_call_s"), ("further call", "run_s")
    assert [row[told] for told, _ in parts] == [stored[field] for _, field in parts]
    (told,) = [r for r in texts(drawn.table) if r[0] == "jax (reverse)"]
    assert told[1:4] == [plain(stored[field] * 1e6) for _, field in parts]
    drawn = figure("cost", "calls", "calls gradient of rosenbrock[n=2048]")
    (line,) = rows(drawn, s="jax[mode=reverse]")
    assert line["a"] == stored["prepare_s"] + stored["first_call_s"]
    assert line["r"] == stored["run_s"]
    assert texts(drawn.table)[0][1] == "1"


def test_the_break_even_table_names_who_leads_from_which_call_on() -> None:
    found = {row[0]: row for row in texts(table("cost", "break-even"))}
    records = synthetic.records()
    mine = records[(records["instance"] == "mlp[n=2048]") & (records["operator"] == "gradient")]
    costs = {name: c for name, c in spent(mine).items() if name != "manual"}
    order = leaders(costs)
    row = found["gradient of mlp[n=2048]"]
    assert len(order) > 1
    assert (row[1], row[4]) == (label(order[0].method), label(order[-1].method))
    assert row[5].replace("\u202f", "") == f"{order[-1].call:.0f}"
    before, last = (costs[leader.method] for leader in order[-2:])
    assert break_even(before, last)[0] == order[-1].call


def test_any_two_methods_can_be_compared() -> None:
    (found,) = [b for b in blocks("cost") if isinstance(b, Versus)]
    assert [name for name, _ in found.series] == ordered(name for name, _ in found.series)
    assert set(found.chosen) <= {name for name, _ in found.series}
    assert all(len(times) >= 2 for _, times in found.rows)


def test_memory_grows_along_the_depth() -> None:
    drawn = figure("cost", "memory", "tape speelpenning")
    assert {(row["x"], row["y"]) for row in rows(drawn, s="reverse")} == {
        (n, 96 * n) for n in (2, 8, 32, 128, 512, 2048)
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_choice_has_a_legend_of_all_it_draws(page: str) -> None:
    for found in [b for b in blocks(page) if isinstance(b, Choice)]:
        names = [style.name for style in found.series]
        figures = [f for option in found.options for f in option.figures]
        assert {row["s"] for f in figures for row in rows(f)} <= set(names)
        assert len({option.key for option in found.options}) == len(found.options)
        assert all(len(option.key) == len(found.labels) for option in found.options)
        assert not any(f.series for f in figures)

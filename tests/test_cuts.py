"""What curves, maps and break-evens are drawn from, on records whose answer is known."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest
import synthetic

from diffbench.analysis import calls, cells, crossover, growth, scaling
from diffbench.analysis.claims.counts import swell_series


def record(family: str, n: int, m: int = 1, seconds: float = 1e-3, **facts: Any) -> dict[str, Any]:
    params = facts.pop("params", {"n": n, "m": m})
    text = ",".join(f"{k}={v}" for k, v in sorted(params.items()))
    return {
        "family": family,
        "instance": f"{family}[{text}]",
        "params": json.dumps(params),
        "n": n,
        "m": m,
        "depth": 1,
        "operator": "gradient" if m == 1 else "jacobian",
        "method": "reverse",
        "category": "reverse AD",
        "claim": "exact",
        "status": "ok",
        "verdict": "exact to rounding",
        "machine": "here",
        "run_s": seconds,
        "run_s_low": 0.9 * seconds,
        "run_s_high": 1.1 * seconds,
        **facts,
    }


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows)


def formulas(*counts: tuple[str, int]) -> pd.DataFrame:
    """A family of two formulas, each at so many sizes."""
    rows = [
        record("lse", 2**k, params={"n": 2**k, "R": 10, "form": form}, tree_ops=len(form) * k)
        for form, most in counts
        for k in range(1, most + 1)
    ]
    return frame(rows)


# --- cuts -------------------------------------------------------------------------------------


def test_a_curve_never_mixes_formulas() -> None:
    found = cells.cuts(formulas(("naive", 3), ("stable", 4)), "n")
    assert [(cut.name, cut.held, cut.rows["n"].tolist()) for cut in found] == [
        ("lse, form = naive", "", [2, 4, 8]),
        ("lse, form = stable", "", [2, 4, 8, 16]),
    ]


def test_a_single_formula_is_not_named() -> None:
    (cut,) = cells.cuts(formulas(("naive", 3)), "n")
    assert (cut.name, cut.words) == ("lse", "")


def test_along_a_curve_one_parameter_varies_and_the_others_are_told() -> None:
    rows = [
        record("gmm", 2 * k + extra, params={"K": k, "N": extra})
        for k in (1, 2, 4)
        for extra in (0, 8)
    ]
    (cut,) = cells.cuts(frame(rows), "n")
    assert cut.rows["instance"].tolist() == ["gmm[K=1,N=8]", "gmm[K=2,N=8]", "gmm[K=4,N=8]"]
    assert cut.held == "N = 8"
    together = [record("ba", k, params={"a": k, "b": k}) for k in (1, 2, 4)]
    assert cells.cuts(frame(together), "n") == []  # each step changes two things


def test_gradients_and_jacobians_are_never_one_curve() -> None:
    rows = [record("f", n, operator="jacobian", params={"n": n}) for n in (1, 2, 4)]
    rows += [record("f", n, params={"n": n}) for n in (8, 16)]
    (cut,) = cells.cuts(frame(rows), "n")
    assert (cut.operator, cut.rows["n"].tolist()) == ("jacobian", [1, 2, 4])


def test_a_series_of_expression_sizes_is_of_one_formula() -> None:
    rows = formulas(("naive", 3), ("stable", 4)).assign(method="symbolic[cse=no]")
    found = swell_series(rows, "lse", "symbolic[cse=no]", "tree_ops", "n")
    assert found["tree_ops"].tolist() == [6, 12, 18, 24]


# --- growth -----------------------------------------------------------------------------------


def test_few_sizes_have_the_interval_of_their_times() -> None:
    sizes = [2.0, 8.0, 32.0]
    bounds = [n / 1.2 for n in sizes], [n * 1.2 for n in sizes]
    fit = scaling.exponent(sizes, sizes, bounds=bounds)
    half = 2 * math.log(1.2) / math.log(4.0)  # the steps of one size are the middle slopes
    assert (fit.low, fit.high) == (pytest.approx(1 - half), pytest.approx(1 + half))
    assert fit.reason == "3 usable sizes: the interval is that of their times alone"
    unknown = scaling.exponent(sizes, sizes, bounds=([math.nan] * 3, [math.nan] * 3))
    assert (unknown.exponent, math.isnan(unknown.low)) == (pytest.approx(1.0), True)


@pytest.mark.parametrize(
    ("power", "counts", "said", "why"),
    [
        (1.0, 1.0, "holds", ""),
        (0.0, 1.0, "does not hold", "its passes grow as theory says, but time grows more slowly"),
        (2.0, 1.0, "does not hold", "its passes grow as theory says, but time grows faster"),
        (
            0.0,
            0.0,
            "does not hold",
            "its passes themselves grow like n to the 0.00: it takes fewer",
        ),
    ],
)
def test_an_unexpected_exponent_is_explained_by_the_counts(
    power: float, counts: float, said: str, why: str
) -> None:
    rows = []
    for n in (2, 4, 8, 16, 32):
        facts = {"method": "forward", "category": "forward AD", "directions": n**counts}
        ratio = {f"ratio_own_primal{end}": float(n) ** power for end in ("", "_low", "_high")}
        rows.append(record("f", n, seconds=1e-3 * n**power, empty_call_s=1e-8, **facts, **ratio))
    (cut,) = cells.cuts(frame(rows), "n")
    found = growth.growth(cut, "forward")
    assert (found.verdict, found.expected) == (said, 1.0)
    assert found.counted is not None
    assert found.counted.exponent == pytest.approx(counts)
    assert found.why.startswith(why)
    assert bool(found.why) == bool(why)


def test_operations_are_counted_or_calls_times_those_of_f() -> None:
    rows = frame(
        [
            {"category": "reverse AD", "graph_ops": 7.0, "calls_f": 0.0, "primal_ops": 3.0},
            {"category": "numerical", "graph_ops": math.nan, "calls_f": 5.0, "primal_ops": 3.0},
            {"category": "AD", "graph_ops": math.nan, "calls_f": 5.0, "primal_ops": 3.0},
        ]
    )
    found = growth.operations(rows).tolist()
    assert found[:2] == [7.0, 15.0]
    assert math.isnan(found[2])


# --- borders and maps -------------------------------------------------------------------------


def race(times: dict[int, tuple[float, float]], m: int = 1) -> pd.DataFrame:
    """Forward and reverse at each n, by their seconds; intervals of 10 %."""
    modes = (("forward", "forward AD"), ("reverse", "reverse AD"))
    return frame(
        [
            record("f", n, m, s, method=method, category=category)
            for n, pair in times.items()
            for (method, category), s in zip(modes, pair, strict=True)
        ]
    )


def test_the_border_is_where_nothing_beats_a_mode_any_more() -> None:
    wins = crossover.mode_winners(race({2: (1, 3), 4: (3, 1), 8: (1, 3), 16: (1, 1.1), 32: (9, 1)}))
    found = crossover.border(wins, wins["n"])
    assert found == crossover.Border("reverse mode", 16.0, 8.0, 2, 1, (("reverse", 1),))


def test_without_two_sizes_there_is_no_border() -> None:
    wins = crossover.mode_winners(race({2: (1, 3), 4: (3, 1)}))
    assert crossover.border(wins, wins["n"]) is None
    assert crossover.border(wins.iloc[:0], wins["n"].iloc[:0]) is None


def test_ties_alone_are_no_victory() -> None:
    wins = crossover.mode_winners(race({2: (1, 1.1), 4: (1.1, 1), 8: (1, 1)}))
    assert not wins["clear"].any()
    assert crossover.border(wins, wins["n"]) is None


def test_a_mode_runs_with_its_fastest_method() -> None:
    rows = pd.concat([race({2: (5, 3)}), race({2: (1, 9)}).assign(method="fast")])
    wins = crossover.mode_winners(rows)
    assert (wins["method"].item(), wins["by"].item(), wins["tied"].item()) == (
        "forward mode",
        "fast",
        (),
    )


def test_a_tool_without_a_mode_stands_for_itself() -> None:
    assert crossover.mode("casadi", "AD") == "casadi"
    assert crossover.mode("jax[mode=reverse]", "AD") == "reverse mode"
    assert crossover.mode("mine", "symbolic") == "symbolic differentiation"


def grid(*points: tuple[int, int]) -> pd.DataFrame:
    return crossover.grid(frame([record("f", n, m) for n, m in points]))


def test_a_map_is_a_filled_grid() -> None:
    full = [(n, m) for n in (1, 2, 4) for m in (1, 3)]
    assert len(grid(*full)) == 6
    assert len(grid(*full, (64, 64))) == 6  # a size that stands alone is no part of it
    assert len(grid(*full[:-1])) == 0  # then one column stands alone, and 2 by 2 are no map
    assert grid(*[(n, n) for n in (1, 2, 4, 8)]).empty


# --- calls ------------------------------------------------------------------------------------


def test_the_break_even_is_the_first_call_at_which_the_total_is_no_longer_larger() -> None:
    quick, slow = calls.Spent(0.0, 1.0, 1.0, 0.9, 1.1), calls.Spent(10.0, 0.5, 0.25, 0.2, 0.3)
    at, low, high = calls.break_even(quick, slow)
    assert slow.total(at) <= quick.total(at)
    assert slow.total(at - 1) > quick.total(at - 1)
    assert (at, low, high) == (14.0, 12.0, 17.0)
    assert calls.break_even(slow, calls.Spent(20.0, 1.0, 0.25, 0.2, 0.3))[0] == math.inf


def test_leaders_follow_the_least_total() -> None:
    costs = {
        "quick": calls.Spent(0.0, 1.0, 1.0, 1.0, 1.0),
        "middle": calls.Spent(4.0, 1.0, 0.5, 0.5, 0.5),
        "useless": calls.Spent(50.0, 1.0, 0.6, 0.6, 0.6),
        "long": calls.Spent(90.0, 1.0, 0.1, 0.1, 0.1),
    }
    found = calls.leaders(costs)
    assert [(b.call, b.method) for b in found] == [(1, "quick"), (9, "middle"), (216, "long")]
    assert [b.start for b in found] == [costs[b.method].start for b in found]
    for k in (1, 5, 20, 100, 300, 5000):
        best = min(costs, key=lambda name: costs[name].total(k))
        assert best == [b.method for b in found if b.call <= k][-1]
    assert [costs["middle"].total(k) for k in (1, 3)] == [5.0, 6.0]
    assert calls.leaders({}) == []


def test_who_leads_for_no_whole_call_is_no_leader() -> None:
    costs = {
        "a": calls.Spent(0.0, 1.0, 1.0, 1.0, 1.0),
        "b": calls.Spent(1.2, 1.0, 0.5, 0.5, 0.5),  # its line crosses that of a at call 3.4
        "c": calls.Spent(2.45, 1.0, 0.0, 0.0, 0.0),  # and that of c crosses it at 3.5
    }
    assert [b.method for b in calls.leaders(costs)] == ["a", "c"]


def test_what_is_spent_leaves_wrong_answers_out() -> None:
    rows = synthetic.records()
    rows = rows[(rows["instance"] == "helmholtz[n=2]") & (rows["operator"] == "gradient")]
    found = calls.spent(rows)
    assert {"autograd", "zero"}.isdisjoint(found)
    mine = rows[rows["method"] == "reverse"].iloc[0]
    assert found["reverse"].start == mine["prepare_s"] + mine["first_call_s"]
    assert found["reverse"].further == mine["run_s"]

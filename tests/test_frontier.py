"""The front of accuracy against cost, and the cheapest method with enough digits."""

from __future__ import annotations

import pandas as pd
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from diffbench.analysis.frontier import cheapest, costed, front, fronts, largest, midpoints
from diffbench.reports import accuracy, step_size
from diffbench.reports.sections import Figure, Slider

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 16)), max_size=12)


@given(POINTS)
def test_the_front_is_what_none_beats(points: list[tuple[int, int]]) -> None:
    kept = front([(float(cost), float(gain)) for cost, gain in points])
    assert [points[i] for i in kept] == sorted({points[i] for i in kept})
    unbeaten = {
        (cost, gain)
        for cost, gain in points
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)
    }
    assert {points[i] for i in kept} == unbeaten
    assert len(kept) == len(unbeaten)


def test_of_equal_points_the_first_counts() -> None:
    assert front([(2.0, 9.0), (1.0, 7.0), (1.0, 7.0), (2.0, 9.0)]) == [1, 0]
    assert front([]) == []


def rows(**columns: list[object]) -> pd.DataFrame:
    """Records of the gradients of one instance; what is not given is as in a good one."""
    count = len(next(iter(columns.values())))
    plain = {
        "status": "ok", "claim": "exact", "category": "AD", "operator": "gradient",
        "verdict": "exact to rounding", "instance": "f[n=2]", "family": "f", "machine": "m",
        "n": 2, "m": 1, "depth": 1, "digits": 15.0, "ratio_numpy_primal": 2.0,
    }  # fmt: skip
    made = pd.DataFrame({**{k: [v] * count for k, v in plain.items()}, **columns})
    for bound in ("run_s_low", "run_s_high"):
        made[bound] = made["run_s"]
    return made


def test_only_what_one_can_choose_competes() -> None:
    made = rows(
        method=["a", "hand", "zero", "ill", "wrong", "none"],
        run_s=[4e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6],
        category=["AD", "manual", "control", "AD", "AD", "AD"],
        claim=["exact", "exact", "control", "exact", "exact", "exact"],
        verdict=["degraded", "exact to rounding", "wrong", "uninformative", "wrong", ""],
        digits=[9.0, 15.0, 15.0, 15.0, 15.0, float("nan")],
    )
    assert sorted(costed(made)["method"]) == ["a", "wrong"]
    found = cheapest(made, "f[n=2]", range(1, 16))
    assert {k: best.method for k, best in found.items()} == dict.fromkeys(range(1, 10), "a")


def test_more_digits_cost_more_and_ties_are_told() -> None:
    made = rows(
        method=["rough", "fine", "same", "slow"],
        run_s=[1e-6, 3e-6, 3e-6, 9e-6],
        digits=[7.0, 15.0, 15.5, 15.9],
        ratio_numpy_primal=[1.0, 3.0, 3.0, 9.0],
    )
    made.loc[made["method"].isin(["fine", "same"]), "run_s_high"] = 3.5e-6
    found = cheapest(made, "f[n=2]", (3, 9, 16))
    assert (found[3].method, found[3].tied) == ("rough", ())
    assert (found[9].method, found[9].tied) == ("fine", ("same",))
    assert 16 not in found
    kept = fronts(costed(made))["f[n=2]"]
    assert [cell["method"] for cell in kept] == ["rough", "same", "slow"]


def test_midpoints_are_quartiles_over_instances() -> None:
    made = rows(
        method=["a"] * 5,
        instance=[f"f[n={n}]" for n in range(5)],
        run_s=[1e-6] * 5,
        ratio_numpy_primal=[1.0, 2.0, 3.0, 4.0, 50.0],
        digits=[15.0, 14.0, 13.0, 12.0, 1.0],
    )
    (point,) = midpoints(made)
    assert (point.method, point.instances) == ("a", 5)
    assert (point.cost, point.digits) == ((2.0, 3.0, 4.0), (12.0, 13.0, 14.0))


def test_the_largest_instance_is_one_where_methods_can_be_compared() -> None:
    made = rows(
        method=["a", "b", "a", "b", "a"],
        run_s=[1e-6] * 5,
        n=[8, 8, 16, 16, 32],
        instance=["f[n=8]", "f[n=8]", "f[n=16]", "f[n=16]", "f[n=32]"],
    )
    assert largest(made) == {"f": "f[n=16]"}


# --- on the page -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blocks() -> dict[str, Figure | Slider]:
    made = [*accuracy.render(synthetic.run()), *step_size.render(synthetic.run())]  # type: ignore[arg-type]  # it has what a Run has
    return {
        "slider" if isinstance(b, Slider) else b.name: b
        for b in made
        if isinstance(b, Figure | Slider)
    }


def test_every_cell_of_first_order_is_in_one_bin(blocks: dict[str, Figure]) -> None:
    data = blocks["digits by method"].spec["datasets"]["rows"]
    records = synthetic.records()
    first = records["operator"].isin(("gradient", "jacobian", "jvp", "vjp"))
    mine = records[first & (records["status"] == "ok") & records["digits"].notna()]
    counts = mine.groupby("method").size().to_dict()
    assert {name: sum(r["c"] for r in data if r["s"] == name) for name in counts} == counts
    for row in data:
        low, high = map(float, row["xt"].split(" to "))
        inside = mine["digits"].between(low, high, inclusive="left")
        assert row["c"] == int((inside & (mine["method"] == row["s"])).sum())
        assert low < row["x"] < high


def test_the_slider_has_a_column_for_each_of_its_values(blocks: dict[str, Slider]) -> None:
    slider = blocks["slider"]
    titles = [column.title for column in slider.table.columns]
    assert titles[slider.first :] == [f"At least {k} digits" for k in slider.values]
    assert [c.title for c in slider.plain.columns[slider.first :]] == [
        f"At least {k} digits" for k in (3, 6, 9, 12, 15)
    ]
    whole = {row[0].text: row for row in slider.table.cells()}
    for row in slider.plain.cells():
        same = [whole[row[0].text][titles.index(f"At least {k} digits")] for k in (3, 6, 9, 12, 15)]
        assert row[2:] == same
    assert len(whole) == synthetic.records()["family"].nunique()


def test_the_predicted_optimum_and_a_symbol_a_decade_are_drawn(blocks: dict[str, Figure]) -> None:
    rows = blocks["error against step size"].spec["datasets"]["rows"]
    optimum = {r["s"]: (r["x"], r["o"]) for r in rows if "o" in r}
    assert optimum == {
        "finite_difference[scheme=central]": (2.9e-7, 1.7e-10),
        "finite_difference[scheme=forward]": (1.4e-9, 9e-8),
    }
    told = [r for r in rows if "yt" in r and "o" not in r]
    assert len(told) == 2 * 17  # a decade, from 1e-17 to 1e-1
    steps = {float(r["xt"]) for r in told}
    assert steps == {float(f"1e{k}") for k in range(-17, 0)}

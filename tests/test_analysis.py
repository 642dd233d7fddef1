"""The statistics behind the report, on data whose answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

from diffbench.analysis import cells, claims, crossover, ratios, scaling, steps

SIZES = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return synthetic.records()


# --- scaling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_an_exact_power_law_has_its_exponent_and_no_width(power: float) -> None:
    fit = scaling.exponent(SIZES, [3.0 * n**power for n in SIZES])
    assert fit.exponent == pytest.approx(power, abs=1e-12)
    assert (fit.low, fit.high) == (pytest.approx(power), pytest.approx(power))
    assert (fit.points, fit.dropped, fit.reason) == (7, 0, "")


def test_the_interval_covers_the_true_exponent_at_least_95_percent_of_the_time() -> None:
    rng = np.random.default_rng(0)
    noise = np.exp(rng.normal(0.0, 0.1, (400, len(SIZES))))
    fits = [scaling.exponent(SIZES, (np.array(SIZES) * row).tolist()) for row in noise]
    covered = sum(fit.low <= 1.0 <= fit.high for fit in fits) / len(fits)
    assert covered >= 0.93
    assert np.median([fit.exponent for fit in fits]) == pytest.approx(1.0, abs=0.02)


def test_an_outlier_does_not_move_the_exponent_far() -> None:
    y = [n**2 for n in SIZES]
    y[3] *= 6.0
    assert scaling.exponent(SIZES, y).exponent == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("points", "skipped"), [(5, 0), (6, 1), (7, 3)])
def test_the_ranks_are_those_of_kendalls_exact_distribution(points: int, skipped: int) -> None:
    inversions = [
        sum(a > b for a, b in itertools.combinations(p, 2))
        for p in itertools.permutations(range(points))
    ]
    assert 2 * sum(i <= skipped for i in inversions) <= 0.05 * len(inversions)
    assert 2 * sum(i <= skipped + 1 for i in inversions) > 0.05 * len(inversions)
    assert scaling._skipped(points) == skipped


def test_points_under_ten_empty_calls_are_dropped() -> None:
    y = [1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6]
    fit = scaling.exponent(SIZES, y, [2e-7] * 7)
    assert (fit.points, fit.dropped) == (6, 1)  # 1e-6 < 10 * 2e-7; 2e-6 is just enough


def test_a_ratio_is_dropped_where_either_time_is_under_the_floor() -> None:
    over, under = [1e-3] * 7, [1e-3] * 4 + [1e-9] * 3
    fit = scaling.exponent(SIZES, SIZES, [1e-7] * 7, (over, under))
    assert (fit.points, fit.dropped) == (4, 3)
    assert fit.reason == "4 usable sizes; an interval of 95 % needs 5"
    assert fit.exponent == pytest.approx(1.0)
    assert math.isnan(fit.low)
    assert math.isnan(fit.high)
    assert math.isnan(scaling.exponent(SIZES[:2], SIZES[:2]).exponent)


def test_what_is_missing_never_counts() -> None:
    y = [math.nan, 0.0, -1.0, math.inf, 1.0, 2.0, 4.0]
    assert scaling.exponent(SIZES, y).points == 3
    assert scaling.exponent(SIZES, SIZES, [math.nan] * 7).points == 0
    assert scaling.exponent([], []).points == 0


def test_exact_counts_need_two_sizes_only() -> None:
    assert scaling.exponent([2.0, 8.0], [3.0, 12.0], least=2).exponent == pytest.approx(1.0)
    assert math.isnan(scaling.exponent([2.0], [3.0], least=2).exponent)


def test_equal_counts_are_flat_without_a_warning() -> None:
    fit = scaling.exponent([4.0, 4.0, 8.0, 8.0], [3.0] * 4, least=2)
    assert (fit.exponent, fit.low, fit.high) == (0.0, 0.0, 0.0)


def test_equal_sizes_give_no_exponent() -> None:
    fit = scaling.exponent([4.0] * 7, SIZES)
    assert math.isnan(fit.low)
    assert scaling.verdict(fit, 1.0) == "not decidable here"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.95, 1.05, "holds"),
        (0.9, 1.1, "holds"),  # the edges belong to it
        (0.89, 1.05, "not decidable here"),
        (0.5, 1.5, "not decidable here"),
        (1.1, 1.3, "not decidable here"),  # touches the edge: not disjoint
        (1.11, 1.3, "does not hold"),
        (0.2, 0.89, "does not hold"),
        (math.nan, math.nan, "not decidable here"),
    ],
)
def test_the_verdict_on_growth(low: float, high: float, expected: str) -> None:
    fit = scaling.Fit(1.0, low, high, 7, 0)
    assert scaling.verdict(fit, 1.0) == expected
    assert scaling.verdict(fit, None) == ""


def test_theory_by_category_and_mode() -> None:
    assert scaling.theory("reverse", "reverse AD", "n") == 0.0
    assert scaling.theory("reverse", "reverse AD", "m") == 1.0
    assert scaling.theory("jax[mode=forward]", "AD", "n") == 1.0
    assert scaling.theory("jax[mode=reverse]", "AD", "n") == 0.0
    assert scaling.theory("any", "numerical", "calls") == 1.0
    assert scaling.theory("any", "numerical", "n") is None
    assert scaling.theory("symbolic[cse=no]", "symbolic", "n") is None
    assert scaling.theory("strange", "AD", "n") is None


def test_growth_from_one_size_to_the_next() -> None:
    assert scaling.steps([1.0, 4.0, 9.0]) == [3.0, 5.0]
    assert scaling.factors([2.0, 4.0, 12.0]) == [2.0, 3.0]
    assert math.isnan(scaling.factors([0.0, 1.0])[0])


# --- ratios -----------------------------------------------------------------------------------


def test_the_median_and_its_order_statistics() -> None:
    e = ratios.median([float(v) for v in range(1, 13)])
    assert (e.value, e.low, e.high, e.count) == (6.5, 3.0, 10.0, 12)
    few = ratios.median([3.0, 1.0, 2.0])
    assert few.value == 2.0
    assert math.isnan(few.low)
    assert ratios.median([math.nan]).count == 0


@pytest.mark.parametrize("n", [6, 9, 15, 40])
def test_the_median_interval_is_the_binomial_one(n: int) -> None:
    e = ratios.median([float(v) for v in range(n)])
    rank = int(e.low)
    assert 2 * stats.binom.cdf(rank, n, 0.5) <= 0.05 < 2 * stats.binom.cdf(rank + 1, n, 0.5)


def test_a_median_of_thousands_does_not_overflow() -> None:
    e = ratios.median([float(v) for v in range(5000)])
    assert e.low < e.value == 2499.5 < e.high


def test_paired_ratios() -> None:
    below = [1.0, 10.0, 100.0, 1000.0]
    assert ratios.paired_ratio([2 * b for b in below], below) == ratios.Estimate(
        pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0), 4
    )
    e = ratios.paired_ratio([1.0, 4.0, 16.0], [1.0, 1.0, 1.0])
    half = stats.t.ppf(0.975, 2) * math.log(4.0) / math.sqrt(3.0)
    assert e.value == pytest.approx(4.0)
    assert e.high == pytest.approx(4.0 * math.exp(half))
    assert ratios.median_ratio([1.0, 4.0, 16.0], [1.0, 1.0, 1.0]).value == pytest.approx(4.0)
    assert ratios.paired_ratio([1.0, math.nan, 0.0], [2.0, 1.0, 1.0]).count == 1


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1.0, 2.0), (2.0, 3.0), True),
        ((1.0, 2.0), (2.1, 3.0), False),
        ((2.1, 3.0), (1.0, 2.0), False),
        ((1.0, 4.0), (2.0, 3.0), True),
        ((math.nan, math.nan), (2.0, 3.0), True),
    ],
)
def test_ties(a: tuple[float, float], b: tuple[float, float], expected: bool) -> None:
    assert ratios.tie(a, b) is expected


# --- crossover --------------------------------------------------------------------------------


def contest(**times: tuple[float, float, float]) -> pd.DataFrame:
    """Records of one cell: method -> (low, median, high)."""
    rows = [
        {
            "instance": "f[n=2]",
            "family": "f",
            "operator": "gradient",
            "n": 2,
            "m": 1,
            "depth": 1,
            "method": name,
            "category": "AD",
            "claim": "exact",
            "status": "ok",
            "verdict": "exact to rounding",
            "run_s": run,
            "run_s_low": low,
            "run_s_high": high,
            "machine": "m",
        }
        for name, (low, run, high) in times.items()
    ]
    return pd.DataFrame(rows)


def test_a_clear_winner_and_its_margin() -> None:
    best = crossover.winner(contest(a=(2.9, 3.0, 3.1), b=(0.9, 1.0, 1.1), c=(1.9, 2.0, 2.1)))
    assert best is not None
    assert (best.method, best.tied, best.margin, best.clear) == ("b", (), 2.0, True)


def test_ties_are_named_and_the_margin_is_to_the_first_that_is_beaten() -> None:
    best = crossover.winner(contest(a=(0.8, 1.0, 1.2), b=(0.9, 1.1, 1.3), c=(3.9, 4.0, 4.1)))
    assert best is not None
    assert (best.method, best.tied, best.margin, best.clear) == ("a", ("b",), 4.0, False)


def test_who_may_not_win() -> None:
    rows = contest(
        wrong=(1, 1, 1), control=(1, 1, 1), failed=(1, 1, 1), hand=(1, 1, 1), slow=(9, 9, 9)
    )
    rows.loc[0, "verdict"] = "wrong"
    rows.loc[1, "claim"] = "control"
    rows.loc[2, "status"] = "timeout"
    rows.loc[3, "category"] = "manual"
    table = crossover.winners(rows)
    assert table["method"].tolist() == ["slow"]
    assert math.isnan(table["margin"].iloc[0])
    rows.loc[4, "verdict"] = "degraded"
    assert crossover.winners(rows, exact=True).empty
    assert list(crossover.winners(rows, exact=True).columns)[-1] == "clear"


def test_a_race_is_on_one_machine() -> None:
    rows = contest(a=(9, 9, 9), b=(1, 1, 1), c=(5, 5, 5))
    rows.loc[1, "machine"] = "another"
    assert crossover.winners(rows)["method"].tolist() == ["c"]
    rows.loc[0, "machine"] = "another"  # the other one now has the most
    assert crossover.winners(rows)["method"].tolist() == ["b"]


def test_the_map_has_one_winner_a_cell(records: pd.DataFrame) -> None:
    first = cells.first_derivative(records)
    table = crossover.winners(first)
    assert len(table) == first["instance"].nunique()
    grid = table[table["family"] == "affine_tanh"]
    assert len(grid) == 25
    assert not set(table["method"]) & {"zero", "manual"}


def test_cuts_never_mix_sizes(records: pd.DataFrame) -> None:
    by_m = {cut.family: cut for cut in cells.cuts(records, "m")}
    assert set(by_m) == {"affine_tanh", "chebyshev"}
    assert by_m["affine_tanh"].rows["n"].nunique() == 1
    assert by_m["affine_tanh"].held == "n = 1024"
    by_n = {cut.family: cut.operator for cut in cells.cuts(records, "n")}
    assert by_n["rosenbrock"] == "gradient"
    assert by_n["affine_tanh"] == "jacobian"
    assert "logistic" not in by_n
    assert [c.family for c in cells.cuts(records, "depth")] == ["logistic"]


def test_cuts_never_mix_machines(records: pd.DataFrame) -> None:
    elsewhere = records["n"] > 128
    several = records.assign(machine=records["machine"].mask(elsewhere, "another"))
    cut = next(c for c in cells.cuts(several, "n") if c.family == "rosenbrock")
    assert cut.held == "machine = a machine that is not there"
    assert cut.rows["n"].max() == 128
    assert cut.rows["n"].nunique() == 4


# --- claims -----------------------------------------------------------------------------------


def verdicts(records: pd.DataFrame) -> dict[str, claims.Claim]:
    return {claim.name: claim for claim in claims.claims(records)}


def test_every_claim_is_decided_by_the_counts(records: pd.DataFrame) -> None:
    found = verdicts(records)
    assert {claim.verdict for claim in found.values()} == {"holds"}
    assert found["tree swells"].number == pytest.approx(5472 / 2096)
    assert found["tree swells"].reason.startswith("tree operations 2, 21, 82, 264, 768, 2096, 5472")
    assert found["graph does not"].number == 7.0
    assert found["cheap gradient"].number == 2.5
    assert ("rosenbrock[n=8]", "gradient", "reverse") in found["reverse mode"].rows
    assert all(claim.low == claim.number == claim.high for claim in found.values())


@pytest.mark.parametrize(
    ("claim", "method", "field"),
    [
        ("forward differences", "finite_difference[scheme=forward]", "calls_f"),
        ("central differences", "finite_difference[scheme=central]", "calls_f"),
        ("forward mode", "forward", "directions"),
        ("reverse mode", "reverse", "sweeps"),
    ],
)
def test_one_wrong_count_breaks_a_claim(
    records: pd.DataFrame, claim: str, method: str, field: str
) -> None:
    changed = records.copy()
    first = changed[(changed["method"] == method) & changed[field].notna()].index[0]
    changed.loc[first, field] += 1
    found = verdicts(changed)[claim]
    assert (found.verdict, found.number) == ("does not hold", 1.0)


def test_growth_and_exactness_can_fail(records: pd.DataFrame) -> None:
    changed = records.copy()
    mine = (changed["method"] == "reverse") & (changed["operator"] == "gradient")
    logistic = changed[mine & (changed["family"] == "logistic")].index
    changed.loc[logistic[-1], "graph_ops"] += 1
    changed.loc[logistic[0], "verdict"] = "degraded"
    changed.loc[changed[mine & (changed["family"] == "lecture")].index[0], "graph_ops"] = 1e6
    found = verdicts(changed)
    assert found["graph does not"].verdict == "does not hold"
    assert found["reverse is exact"].verdict == "does not hold"
    assert found["cheap gradient"].verdict == "does not hold"


def test_without_cells_nothing_is_decided(records: pd.DataFrame) -> None:
    found = claims.claims(records[records["method"] == "zero"])
    assert {claim.verdict for claim in found} == {"not decidable here"}
    assert all(claim.number is None and claim.reason for claim in found)


# --- step size --------------------------------------------------------------------------------


def test_the_step_study_is_read_back() -> None:
    studies = synthetic.run().studies
    assert steps.schemes(studies) == ["central", "forward"]
    rows = steps.errors(studies, "forward")
    assert len(rows) == 801
    assert rows["h"].is_monotonic_increasing
    assert rows["h"].iloc[[0, -1]].tolist() == [pytest.approx(1e-17), pytest.approx(0.1)]
    assert steps.summary(studies, "slope_truncation", "forward")[:3] == (0.998, 0.9975, 0.9985)
    assert math.isnan(steps.summary(studies, "slope_truncation", "complex")[0])


def test_the_envelope_is_the_largest_error_within_half_a_decade() -> None:
    rows = pd.DataFrame({"h": [1.0, 2.0, 10.0, 100.0], "error": [5.0, 1.0, 3.0, 2.0]})
    assert steps.envelope(rows) == [5.0, 5.0, 3.0, 2.0]
    measured = steps.errors(synthetic.run().studies, "forward")
    assert min(steps.envelope(measured)) == pytest.approx(4.3e-7, rel=2.0)


def test_no_study_no_schemes() -> None:
    assert steps.schemes(pd.DataFrame()) == []
    others = pd.DataFrame({"study": ["seeds"], "key": ["a|1"], "value": [1.0]})
    assert steps.schemes(others) == []
    empty = synthetic.run().studies.iloc[:0]
    assert steps.schemes(empty) == []
    assert len(steps.errors(empty, "forward")) == 0

"""Intervals: exact on known numbers, honest on simulated noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from diffbench.measure.intervals import (
    MODERATED,
    MODERATION,
    MODERATION_GENERATIONS,
    PRIOR_PAIRS,
    PRIOR_SPREAD,
    Interval,
    Prior,
    Spread,
    calibrated,
    interval,
    paired,
    prior,
    quotient,
    relative_width,
    student,
)
from diffbench.records.record import Sample
from diffbench.running.timing import WARNINGS, aa_spread, joined, times

NONE = Spread(0.0, 0)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.7062), (4, 2.7764), (1000, 1.9623)])
def test_the_quantiles_of_student(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=1e-4)


def test_without_numbers_there_is_no_interval() -> None:
    assert interval({}, NONE) is None
    assert interval({0: []}, NONE) is None


def test_one_generation_has_the_spread_within_and_between() -> None:
    row = [1.0, math.e, math.e**2]
    found = interval({0: row}, NONE)
    assert found is not None
    within = math.sqrt(math.pi / 2) * student(2) * 1.0 / math.sqrt(3)
    assert found.value == pytest.approx(math.e)
    assert math.log(found.high) == pytest.approx(1 + within)
    assert math.log(found.low) == pytest.approx(1 - within)
    spread = Spread(0.5, 10)
    wider = interval({0: row}, spread)
    assert wider is not None
    assert math.log(wider.high) == pytest.approx(1 + math.hypot(within, student(14) * 0.5))


def test_a_single_sample_has_the_spread_between_processes() -> None:
    found = interval({0: [2.0]}, Spread(0.1, 20))
    assert found is not None
    assert found.high / found.value == pytest.approx(math.exp(student(24) * 0.1))


def test_the_degrees_of_freedom_are_those_of_what_varies() -> None:
    row = [1.0, math.e, math.e**2]
    layout = Spread(0.5, 10)
    for given, spread, expected in (
        ({0: row}, NONE, 2.0),  # rounds alone
        ({0: [2.0]}, layout, 10.0 + PRIOR_PAIRS),  # processes alone
        ({0: [2.0], 1: [3.0], 2: [4.0]}, layout, 2.0),  # generations
    ):
        found = interval(given, spread)
        assert found is not None
        assert found.freedom == pytest.approx(expected)
    both = interval({0: row}, layout)
    assert both is not None
    rounds = math.pi / 2 / 3
    assert both.freedom == pytest.approx((rounds + 0.25) ** 2 / (rounds**2 / 2 + 0.25**2 / 14))


def test_generations_are_the_unit_of_replication() -> None:
    """Many rounds within a process narrow nothing: only the medians of generations count."""
    few = {g: [math.exp(v)] for g, v in enumerate((0.0, 0.2, 0.4))}
    many = {g: row * 50 for g, row in few.items()}
    found = interval(few, Spread(9.0, 1))
    assert found == interval(many, NONE)
    assert found is not None
    half = student(2) * 0.2 / math.sqrt(3)
    assert math.log(found.high) == pytest.approx(0.2 + half)


def test_the_value_lies_inside() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rows = {g: rng.lognormal(0, 1, 3).tolist() for g in range(int(rng.integers(1, 6)))}
        found = interval(rows, NONE)
        assert found is not None
        assert found.low <= found.value <= found.high


def exps(rows: list[list[float]]) -> list[list[float]]:
    return [[math.exp(v) for v in row] for row in rows]


def test_the_spread_of_identical_code() -> None:
    one_round_each = [exps([[0.0], [0.2]]), exps([[1.0], [1.2]]), exps([[5.0]])]
    spread = calibrated(one_round_each)
    assert (spread.pairs, spread.freedom) == (2, 0)
    squares = 4 * 0.1**2 + PRIOR_PAIRS * PRIOR_SPREAD**2
    assert spread.sigma == pytest.approx(math.sqrt(squares / (2 + PRIOR_PAIRS)))
    assert calibrated([]).sigma == pytest.approx(PRIOR_SPREAD)


def test_what_rounds_explain_is_not_taken_for_layout() -> None:
    """Processes without any layout: their medians differ by the chance of their rounds alone."""
    rng = np.random.default_rng(2)
    plain = [np.exp(rng.normal(0, 0.2, (12, 5))).tolist() for _ in range(300)]
    moved = [np.exp(rng.normal(0, 0.2, (12, 5)) + rng.normal(0, 0.3, (12, 1))) for _ in range(300)]
    assert calibrated(plain).rounds == pytest.approx(0.2, rel=0.03)
    assert calibrated(plain).sigma < 0.04
    assert calibrated(moved).sigma == pytest.approx(0.3, rel=0.05)  # type: ignore[arg-type]  # arrays are sequences


def test_a_few_rounds_are_moderated_by_those_of_the_run() -> None:
    lucky, run = [1.0, 1.0, 1.0], Spread(0.0, 0, rounds=0.1, freedom=1000)
    found = interval({0: lucky}, run)
    assert found is not None
    variance = MODERATION * 0.1**2 / (MODERATION + 2)
    half = math.sqrt(math.pi / 2) * student(MODERATION + 2) * math.sqrt(variance / 3)
    assert math.log(found.high) == pytest.approx(half)
    assert interval({0: lucky}, NONE) is not None


def noise(rng: np.random.Generator, processes: int, rounds: int) -> list[list[float]]:
    """Times of identical code: each process has its layout, each round its own noise."""
    layout = rng.normal(0, 0.05, (processes, 1))
    found: list[list[float]] = np.exp(layout + rng.normal(0, 0.05, (processes, rounds))).tolist()
    return found


@pytest.mark.parametrize("generations", [1, 5])
def test_identical_code_is_called_different_about_as_rarely_as_it_claims(generations: int) -> None:
    """The layout of each process moves its times by 5 %: intervals of both must hold it."""
    rng = np.random.default_rng(1)
    spread = calibrated(noise(rng, 12, 5) for _ in range(100))

    def cell() -> tuple[float, float]:
        found = interval(dict(enumerate(noise(rng, generations, 5))), spread)
        assert found is not None
        return found.low, found.high

    apart = 0
    for _ in range(400):
        (low, high), (other_low, other_high) = cell(), cell()
        apart += low > other_high or other_low > high
    assert apart / 400 <= 0.05


# --- many cells -----------------------------------------------------------------------------


def cell(*logs: float) -> dict[int, list[float]]:
    """One round a generation."""
    return {g: [math.exp(v)] for g, v in enumerate(logs)}


def cells(rng: np.random.Generator, likeness: float, count: int) -> list[dict[int, list[float]]]:
    """Identical code in five generations; true variances scatter as 1 / chi^2 of that freedom."""
    widths = 0.01 * np.sqrt(likeness / rng.chisquare(likeness, count))
    return [cell(*rng.normal(0, width, 5)) for width in widths]


def test_a_prior_moderates_the_variance_between_generations() -> None:
    found = interval(cell(0.0, 0.2, 0.4), NONE, Prior(0.01, 3.0))
    assert found is not None
    variance = (0.08 + 3 * 0.01) / 5
    assert found.freedom == pytest.approx(5)
    assert math.log(found.high) == pytest.approx(0.2 + student(5) * math.sqrt(variance / 3))
    one = {0: [1.0, 2.0, 3.0]}
    assert interval(one, NONE, Prior(0.01, 3.0)) == interval(one, NONE)


def test_the_typical_variance_is_robust_and_of_enough_cells() -> None:
    usual = [cell(-s, 0.0, s) for s in np.linspace(0.1, 0.11, MODERATED)]
    found = prior(usual)
    assert found is not None
    middle = np.median([s**2 for s in np.linspace(0.1, 0.11, MODERATED)])
    assert found.variance == pytest.approx(middle / (stats.chi2.median(2) / 2))
    assert found.freedom == MODERATION_GENERATIONS  # more alike than chance
    assert prior(usual[1:]) is None
    assert prior([*usual[1:], {0: [1.0, 2.0]}, {}, cell(1.0, 1.0)]) is None
    wild = prior([*usual, cell(-9.0, 9.0)])
    assert wild is not None
    assert wild.variance < 0.11**2 / (stats.chi2.median(2) / 2)
    assert wild.freedom < 1.0


def test_generations_of_unequal_number_count_by_their_own_freedom() -> None:
    rng = np.random.default_rng(4)
    mixed = [cell(*rng.normal(0, 0.1, int(rng.integers(2, 7)))) for _ in range(3000)]
    found = prior(mixed)
    assert found is not None
    assert found.variance == pytest.approx(0.01, rel=0.05)
    assert found.freedom == MODERATION_GENERATIONS


@pytest.mark.parametrize("likeness", [1.0, 2.0, 3.0])
def test_the_weight_of_a_prior_is_how_alike_variances_are(likeness: float) -> None:
    found = prior(cells(np.random.default_rng(3), likeness, 4000))
    assert found is not None
    assert found.freedom == pytest.approx(likeness, rel=0.15)
    rows = [
        [math.log(v) for (v,) in c.values()]
        for c in cells(np.random.default_rng(3), likeness, 4000)
    ]
    seen = np.log(np.var(rows, axis=1, ddof=1)).var(ddof=1) - special.polygamma(1, 2)
    assert special.polygamma(1, found.freedom / 2) == pytest.approx(seen)


@pytest.mark.parametrize("likeness", [1.0, 2.0, 100.0])
def test_moderated_intervals_are_honest_and_few_cells_are_called_by_chance(likeness: float) -> None:
    """Uncorrected at most 6 % do not hold 1; by Bonferroni at most 6 % of tables call any cell."""
    rng, apart, tables = np.random.default_rng(2), 0, 0
    for _ in range(400):
        table = cells(rng, likeness, 40)
        known = prior(table)
        found = [interval(row, NONE, known) for row in table]
        ratios = [(math.log(f.low), math.log(f.high), f.freedom) for f in found if f]
        apart += sum(not low <= 0 <= high for low, high, _ in ratios)
        scores = [abs(a + b) / (b - a) * student(freedom) for a, b, freedom in ratios]
        p = [2 * stats.t.sf(t, row[2]) for t, row in zip(scores, ratios, strict=True)]
        tables += min(p) * 40 < 0.05
    assert apart <= 0.06 * 400 * 40
    assert tables <= 0.06 * 400


def test_a_quotient_adds_variances_as_welch_does() -> None:
    a, b = (0.0, 0.2, 0.4, 0.3), (0.5, 0.6, 0.9)
    above, below = interval(cell(*a), NONE), interval(cell(*b), NONE)
    assert above is not None
    assert below is not None
    found = quotient(above, below)
    welch = stats.ttest_ind(a, b, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert found.freedom == pytest.approx(welch.df)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((low, high))
    assert math.log(found.value) == pytest.approx(0.25 - 0.6)
    sure = Interval(2.0, 2.0, 2.0, 4.0)
    assert quotient(sure, sure).low == quotient(sure, sure).high == 1.0
    half = math.log(found.high / found.low) / 2
    assert math.log(quotient(above, sure).high * 2) < 0.225 + half


def test_rounds_narrow_the_width_within() -> None:
    assert relative_width([1.0], NONE) == math.inf
    assert relative_width([1.0, 1.0, 1.0], NONE) == 0.0
    assert relative_width([1.0, 1.1, 1.2], NONE) > relative_width([1.0, 1.1, 1.2] * 5, NONE)


def test_ratios_pair_the_same_round() -> None:
    above = {(0, 0): 2.0, (0, 1): 6.0, (1, 0): 5.0, (1, 1): 1.0}
    below = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 5.0}
    assert paired(above, below) == {0: [2.0, 3.0], 1: [1.0]}


# --- from samples to fields -----------------------------------------------------------------


def rounds(run: list[float], primal: list[float], loops: int = 2) -> list[Sample]:
    made = []
    for i, (a, b) in enumerate(zip(run, primal, strict=True)):
        for kind, seconds in (("numpy_primal", b), ("own_primal", b / 2), ("run", a)):
            made.append(
                Sample(generation=0, round=i, kind=kind, loops=loops, seconds=seconds * loops)  # type: ignore[arg-type]  # a kind
            )
    return made


def test_the_fields_of_a_record() -> None:
    found = times(rounds([3.0, 4.0, 5.0], [1.0, 2.0, 2.5]), NONE, 1e-7)
    assert found["run_s"] == pytest.approx(4.0)
    assert found["samples"] == 3
    assert found["loops"] == 2
    assert found["generation"] == 1
    assert found["ratio_numpy_primal"] == pytest.approx(2.0)
    assert found["ratio_own_primal"] == pytest.approx(4.0)
    assert found["ratio_own_primal_low"] < 4.0 < found["ratio_own_primal_high"]
    assert times([], NONE, 1e-7) == {}


def test_warnings_say_few_wide_and_short() -> None:
    assert times(rounds([1.0, 1.0], [1.0, 1.0]), Spread(1.0, 9), 0.5)["warnings"] == "; ".join(
        WARNINGS
    )
    assert times(rounds([1.0] * 3, [1.0] * 3), NONE, 0.01)["warnings"] == ""


def test_new_warnings_take_the_place_of_old_ones() -> None:
    before = {"warnings": f"something else; {WARNINGS[0]}", "n": 2}
    assert joined(before, {"warnings": WARNINGS[1]}) == {
        "n": 2,
        "warnings": f"something else; {WARNINGS[1]}",
    }
    assert joined(before, {})["warnings"] == "something else"


def test_aa_pairs_are_the_same_f_in_the_processes_of_one_group() -> None:
    cells = [
        ("a", rounds([1.0] * 3, [1.0] * 3)),
        ("a", rounds([9.0] * 3, [math.e] * 3)),
        ("b", rounds([1.0] * 3, [50.0] * 3)),
    ]
    spread = aa_spread(cells)
    assert spread.pairs == 1
    assert spread.sigma == pytest.approx(
        math.sqrt((0.5 + PRIOR_PAIRS * PRIOR_SPREAD**2) / (1 + PRIOR_PAIRS))
    )

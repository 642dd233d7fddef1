"""The lecture's claims: every row of the facts is there, and each rule goes both ways."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import synthetic
from small_runs import use_profile, without_report

import diffbench
from diffbench.analysis.claims import LECTURE, SLIPS, Decided, Evidence, lecture
from diffbench.analysis.claims.crossings import crossing
from diffbench.analysis.programs import needs_closed_form
from diffbench.registry import discover
from diffbench.reports import build
from diffbench.reports.lecture import PAGE
from diffbench.reports.sections import Cards, Table, Text
from diffbench.running.executor import Executor
from diffbench.study import StudyRow

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decidable here"
ROWS = (
    "1 2 3 4 5 6 6b 7 8 9 10 11 12 13 14 15 16/17 17b 18/19 20 21 22 23 24"  # FACTS, section 1
).split()
Change = Callable[[pd.DataFrame], None]


# --- evidence -------------------------------------------------------------------------------------


def programs() -> list[StudyRow]:
    """A formula that all take, and a loop on values that reverse mode alone takes."""
    said = {"formula": ("right",) * 3, "loop": ("refuses", "refuses", "right")}
    made = [
        StudyRow(study="programs", key=f"program|{name}", value=value)
        for value, name in enumerate(said)
    ]
    for name, answers in said.items():
        for method, answer in zip(("manual", "symbolic[cse=no]", "reverse"), answers, strict=True):
            made.append(StudyRow(study="programs", key=f"answer|{name}|{method}", unit=answer))
    return made


@cache
def studied() -> tuple[StudyRow, ...]:
    """The real rows of the two studies that are quick, synthetic ones of the others.

    The curves of the step sizes are left out: claims read what sums them up.
    """
    studies = discover(kinds=("problems", "studies")).studies
    real = [row for name in ("lecture_claims", "traces") for row in studies[name].run()]
    steps = [row for row in synthetic.step_size() if not re.search(r"\|\d", row.key)]
    return (*real, *steps, *synthetic.mutants(), *programs())


def evidence(
    without: str = "", records: pd.DataFrame | None = None, **changed: dict[str, Any]
) -> Evidence:
    """All of it, without one study, with other facts in some rows (by their keys)."""
    rows = [
        msgspec.structs.replace(row, **changed.get(row.key, {}))
        for row in studied()
        if row.study != without
    ]
    assert changed.keys() <= {row.key for row in rows}
    table = synthetic.records() if records is None else records
    return Evidence(table, synthetic.frame(rows, StudyRow))


def decided(found: Evidence) -> dict[str, Decided]:
    return {claim.statement.row: claim for claim in lecture(found)}


def verdict(row: str, found: Evidence) -> str:
    """The verdict on one claim; the first rests on the others."""
    if row == "1":
        return decided(found)[row].verdict
    return next(s for s in LECTURE if s.row == row).decide(found).verdict


# --- all rows -------------------------------------------------------------------------------------


def test_every_row_of_the_facts_is_there_with_a_sentence_and_an_experiment() -> None:
    assert [statement.row for statement in LECTURE] == ROWS
    assert all(len(s.sentence.split()) >= 5 and s.sentence.endswith((".", ")")) for s in LECTURE)
    assert all(len(s.experiment.split()) >= 8 and s.missing for s in LECTURE)


def test_with_all_evidence_every_claim_but_one_is_decided() -> None:
    found = decided(evidence())
    assert {row: claim.verdict for row, claim in found.items()} == {
        row: OPEN if row == "13" else HOLDS for row in ROWS
    }
    for claim in found.values():
        assert claim.findings
        for finding in claim.findings:
            assert finding.keys
            assert math.isfinite(finding.number)
            assert finding.low <= finding.number <= finding.high


def test_without_any_evidence_every_claim_says_why_it_is_open() -> None:
    nothing = Evidence(synthetic.records().iloc[:0], synthetic.frame([], StudyRow))
    found = decided(nothing)
    assert {claim.verdict for claim in found.values()} == {OPEN}
    assert all(claim.reason for claim in found.values())
    assert all(slip.measured(nothing) is None for slip in SLIPS)


# --- studies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "key", "facts"),
    [
        ("2", "replay|value|branch on values", {"value": 1.0}),
        ("2", "replay|gradient|fixed loop", {"value": 2.0}),
        ("2", "replay|value|fixed loop", {"value": math.nan}),
        ("4", "rate|all|peer.check", {"value": 1.0, "low": 0.995}),
        ("6", "slope_truncation|central", {"value": 1.5, "low": 1.4, "high": 1.6}),
        ("6", "slope_roundoff|forward", {"value": -0.5, "low": -0.6, "high": -0.4}),
        ("6", "envelope_argmin|forward", {"value": 1e-7}),
        ("6b", "careful|error", {"value": 2e-10}),
        ("8", "answer|loop|manual", {"unit": "right"}),
        ("8", "answer|loop|symbolic[cse=no]", {"unit": "right"}),
        (
            "9",
            "chain|order|reverse",
            {"reason": "sin, cos, multiply, exp, multiply, tanh, sech2, multiply"},
        ),
        ("9", "chain|order|forward", {"reason": "sin, exp, tanh, sech2, multiply, cos, multiply"}),
        ("9", "chain|apart", {"value": 5.0}),
        ("10", "line|lecture[n=2]|6", {"value": 11.652071455223086}),
        ("10", "line|lecture[n=2]|20", {"value": 1.7163378145367736}),
        ("11", "outputs|most", {"value": 2.0}),
        ("11", "outputs|fewest", {"value": 0.0}),
        ("15", "product|error", {"value": 1.01}),
        ("15", "product|error", {"value": None}),
        ("16/17", "multiplications|funnel|D(C(BA))", {"value": 55_500_001.0}),
        ("16/17", "multiplications|waist|reverse mode", {"value": 100_400_000.0}),
        ("17b", "multiplications|waist|(DC)(BA)", {"value": 2e8}),
        ("18/19", "owner|forward|3", {"value": 0.0}),
        ("18/19", "passes|reverse", {"value": 4.0}),
        ("20", "identity|scalar operations|reverse", {"value": 1.0}),
        ("21", "line|lecture[n=2]|28", {"value": 2.0}),
        ("21", "line|lecture[n=2]|28", {"reason": '["v̄0", "=", "", [], null]'}),
        ("23", "accumulate|overwrite|1", {"value": 1.7163378145367738}),
        ("23", "accumulate|keep the first|0", {"unit": "exact to rounding"}),
        ("24", "backprop|operations of one alone", {"value": 1.0}),
        ("24", "backprop|entries that differ", {"value": 1.0}),
        ("1", "backprop|entries that differ", {"value": 1.0}),
        ("1", "answer|loop|reverse", {"unit": "wrong"}),
    ],
)
def test_one_row_that_is_not_as_it_has_to_be_ends_a_claim(
    row: str, key: str, facts: dict[str, Any]
) -> None:
    assert verdict(row, evidence(**{key: facts})) == FAILS


@pytest.mark.parametrize(
    ("row", "study"),
    [
        *((row, "lecture_claims") for row in "2 9 11 15 16/17 17b 18/19 20 23 24 1".split()),
        ("10", "traces"),
        ("21", "traces"),
        ("4", "mutants"),
        ("6", "step_size"),
        ("8", "programs"),
    ],
)
def test_without_its_study_a_claim_is_open(row: str, study: str) -> None:
    assert verdict(row, evidence(without=study)) == OPEN


@pytest.mark.parametrize("study", ["lecture_claims", "traces", "step_size", "programs"])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_a_study_that_was_cut_off_decides_nothing(study: str, k: int) -> None:
    rows = [row for row in studied() if row.study == study][:k]
    ended = StudyRow(study=study, key="status|timeout", reason="its time was up")
    table = synthetic.frame([*rows, ended], StudyRow)
    nothing = Evidence(synthetic.records().iloc[:0], table)
    assert {claim.verdict for claim in lecture(nothing)} == {OPEN}


def test_a_check_that_saw_all_of_a_few_leaves_it_open() -> None:
    few = {"value": 1.0, "low": 0.2}
    assert verdict("4", evidence(**{"rate|all|peer.check": few})) == OPEN


def test_an_interval_across_the_limit_leaves_a_claim_open() -> None:
    wide = {"value": -0.98, "low": -1.15, "high": -0.85}
    claim = decided(evidence(**{"slope_roundoff|forward": wide}))["6"]
    assert claim.verdict == OPEN
    assert claim.reason.startswith("Slope of the error against h, forward: roundoff")


def test_a_claim_with_half_its_evidence_is_open() -> None:
    table = synthetic.records()
    half = Evidence(table[table["method"] != CENTRAL], evidence().studies)
    claim = decided(half)["5"]
    assert claim.verdict == OPEN
    assert [f.holds for f in claim.findings if f.decides] == [True]
    assert claim.reason == "this run holds too few cells to decide it"


def test_a_claim_that_fails_names_what_failed() -> None:
    claim = decided(evidence(**{"chain|apart": {"value": 5.0}}))["9"]
    assert claim.reason == "Distance of the two brackets: 1000 points in [-3, 3]"


def test_our_own_judge_does_not_decide_whether_mistakes_go_unseen() -> None:
    blind = evidence(**{"rate|all|diffbench": {"value": 0.5}})
    assert verdict("4", blind) == HOLDS
    found = decided(evidence())["4"].findings
    assert [(f.number, f.decides) for f in found] == [(100.0, False), (50.0, True)]


# --- records --------------------------------------------------------------------------------------


def first(table: pd.DataFrame, **facts: Any) -> Any:
    """The index of the first answered record with these facts."""
    chosen = table["status"] == "ok"
    for name, value in facts.items():
        chosen &= table[name] == value
    return table[chosen].index[0]


def put(field: str, value: Any, **facts: Any) -> Change:
    """Another value in one record."""

    def change(table: pd.DataFrame) -> None:
        table.loc[first(table, **facts), field] = value

    return change


def put_all(field: str, value: Any, **facts: Any) -> Change:
    """Another value wherever these facts are."""

    def change(table: pd.DataFrame) -> None:
        chosen = np.logical_and.reduce([table[name] == value for name, value in facts.items()])
        table.loc[chosen, field] = value

    return change


def refuse(**facts: Any) -> Change:
    """No answer wherever these facts are."""
    return put_all("status", "unsupported", **facts)


def slow(method: str) -> Change:
    """A method that takes a thousand times as long."""

    def change(table: pd.DataFrame) -> None:
        mine = table["method"] == method
        table.loc[mine, ["run_s", "run_s_low", "run_s_high"]] *= 1000.0

    return change


FORWARD, CENTRAL = (f"finite_difference[scheme={scheme}]" for scheme in ("forward", "central"))


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ("1", put("verdict", "degraded", method="forward")),
        ("1", put("sweeps", 2, method="reverse", operator="gradient")),
        ("3", refuse(category="symbolic", family="mlp")),
        ("3", put_all("verdict", "wrong", category="numerical")),
        ("5", put("calls_f", 7, method=FORWARD, operator="gradient")),
        ("5", put("calls_f", 7, method=CENTRAL, operator="jacobian")),
        ("6b", put("verdict", "degraded", method="complex_step", operator="gradient")),
        ("6b", put("calls_f", 7, method="complex_step", operator="gradient")),
        (
            "7",
            put(
                "tree_ops",
                30,
                method="symbolic[cse=no]",
                instance="logistic[depth=4]",
                operator="gradient",
            ),
        ),
        (
            "7",
            put(
                "graph_ops", 30, method="reverse", instance="logistic[depth=4]", operator="gradient"
            ),
        ),
        ("12", put("directions", 1, method="forward", operator="gradient", n=8)),
        ("14", slow("reverse")),
        ("22", put("sweeps", 8, method="reverse", operator="gradient", n=8)),
        ("22", put("graph_ops", 5000, method="reverse", operator="gradient", n=8)),
    ],
)
def test_one_record_that_is_not_as_it_has_to_be_ends_a_claim(row: str, change: Change) -> None:
    table = synthetic.records().copy()
    change(table)
    assert verdict(row, evidence(records=table)) == FAILS


@pytest.mark.parametrize("row", ["3", "5", "6b", "7", "12", "14", "22", "1"])
def test_without_its_methods_a_claim_is_open(row: str) -> None:
    table = synthetic.records()
    zero = table[table["method"] == "zero"]
    without = "lecture_claims" if row == "6b" else ""
    assert verdict(row, evidence(without, records=zero)) == OPEN


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ("3", put_all("status", "timeout", category="symbolic", family="mlp")),
        ("3", put_all("operator", "value", category="symbolic", family="mlp")),
        ("14", put_all("verdict", "wrong", method="reverse")),
    ],
)
def test_cells_that_say_nothing_leave_a_claim_open(row: str, change: Change) -> None:
    table = synthetic.records().copy()
    table.loc[table["category"] == "AD", "status"] = "unsupported"  # jax races by itself, too
    change(table)
    assert verdict(row, evidence(records=table)) == OPEN


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ("6b", put("verdict", "uninformative", method="complex_step", operator="gradient")),
        # of two operations a gradient may take three times as many
        ("22", put_all("primal_ops", 2, instance="logistic[depth=2]", method="reverse")),
        # l_1 is x itself: no operation, and no factor from it on
        ("7", put_all("primal_ops", 0, instance="logistic[depth=2]")),
    ],
)
def test_cells_that_say_nothing_end_no_claim(row: str, change: Change) -> None:
    table = synthetic.records().copy()
    change(table)
    assert verdict(row, evidence(records=table)) == HOLDS


def test_two_machines_make_no_race_of_both() -> None:
    table = synthetic.records()
    twice = pd.concat([table, table.assign(machine="another")], ignore_index=True)
    found = {f.what.rpartition(" ")[2]: f for f in decided(evidence(records=twice))["14"].findings}
    assert found["in-house"].unit == "inputs, median of 5 curves"


def test_variants_of_a_family_make_no_race_of_all() -> None:
    table = synthetic.records()
    mine = table[table["family"] == "rosenbrock"]
    place = mine["n"].rank(method="dense").astype(int) % 3
    split = mine.assign(
        params=[f'{{"form": "{k}", "n": {n}}}' for k, n in zip(place, mine["n"], strict=True)]
    )
    assert mine["n"].nunique() < 9  # so that no form has three sizes
    (claim,) = [c for c in lecture(evidence(records=split)) if c.statement.row == "14"]
    assert claim.verdict == OPEN


def test_a_way_that_was_not_asked_leaves_the_four_ways_open() -> None:
    table = synthetic.records()
    assert verdict("3", evidence(records=table[table["category"] != "symbolic"])) == OPEN


def test_many_outputs_do_not_count_against_claims_on_one() -> None:
    table = synthetic.records().copy()
    put("directions", 1, method="forward", operator="jacobian", family="affine_tanh")(table)
    assert verdict("12", evidence(records=table)) == HOLDS


def test_operations_that_grow_with_n_end_the_cheap_gradient_below_the_bound() -> None:
    table = synthetic.records().copy()
    mine = (table["method"] == "reverse") & (table["operator"] == "gradient")
    grown = mine & (table["family"] == "rosenbrock")
    table.loc[grown, "graph_ops"] = table["primal_ops"] * table["n"] ** 0.2
    claim = decided(evidence(records=table))["22"]
    assert claim.verdict == FAILS
    assert claim.reason.startswith("Growth with n of the operations")


def test_times_stand_beside_counts_and_decide_nothing() -> None:
    table = synthetic.records().copy()
    mine = table["method"].isin([FORWARD, CENTRAL, "forward", "reverse"])
    table.loc[mine, "ratio_own_primal"] = (table["n"] * table["m"]) ** 0.5
    found = decided(evidence(records=table))
    for row in ("5", "11", "12", "22"):
        times = [f for f in found[row].findings if f.what.startswith("Time of")]
        assert times
        assert all(not f.decides and f.holds is False for f in times), row
        assert found[row].verdict == HOLDS


def test_exponents_of_times_have_their_intervals() -> None:
    table = synthetic.records().copy()
    wave = 1.0 + 0.05 * np.sin(table.index.to_numpy())
    table["ratio_own_primal"] = 2.0 * table["n"] * wave
    (time,) = [f for f in decided(evidence(records=table))["12"].findings if not f.decides]
    assert time.low is not None
    assert time.high is not None
    assert 0.9 < time.low < time.number < time.high < 1.1
    assert (time.holds, time.unit, time.wanted) == (True, "exponent", "0.9 to 1.1")
    assert time.source == "records"
    assert len(time.keys) == 6


# --- crossings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "at"),
    [
        ((-1.0, 1.0, 2.0), 10**0.5),
        ((1.0, -1.0, 3.0), 10**1.25),
        ((1.0, 1.0, 1.0), 1.0),
        ((1.0, 2.0, -1.0), math.inf),
    ],
)
def test_where_a_ratio_stays_above_one(ratio: tuple[float, ...], at: float) -> None:
    n = np.array([1.0, 10.0, 100.0])
    assert crossing(n, np.array(ratio)) == pytest.approx(at)


def test_the_crossing_has_a_bootstrap_interval_by_backend() -> None:
    found = {f.what.rpartition(" ")[2]: f for f in decided(evidence())["14"].findings}
    assert set(found) == {"in-house", "jax"}
    house = found["in-house"]
    # the model: 3e-5 + 2.5 n p = 4e-5 + 6 p with p = 1.5e-6 and a little: near n = 5
    assert 4.0 < house.low < house.number < house.high < 7.0
    assert (house.unit, house.holds) == ("inputs, median of 5 curves", True)
    assert re.search(r"rosenbrock \d\.\d+ \(\d\.\d+ to \d\.\d+\)", house.reason)


def test_forward_mode_in_front_at_few_inputs_leaves_it_open() -> None:
    table = synthetic.records().copy()
    slow("reverse")(table)
    assert verdict("14", evidence(records=table[table["n"] <= 512])) == OPEN


# --- closed forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "needs"),
    [({"formula"}, True), ({"formula", "loop"}, False), (set(), None), (None, None)],
)
def test_who_needs_a_closed_form(right: set[str] | None, needs: bool | None) -> None:
    assert needs_closed_form({"formula": 0, "loop": 1}, right)[0] is needs
    assert needs_closed_form({"formula": 0}, right)[0] is None


# --- slips ----------------------------------------------------------------------------------------


def test_slips_stand_beside_what_was_measured() -> None:
    found = evidence()
    lecture(found)
    assert {slip.row for slip in SLIPS} <= set(ROWS)
    said = [made.text if (made := slip.measured(found)) else "" for slip in SLIPS]
    assert said[:5] == [
        "5 + 1 / 2 = 5.5; times gives 7",
        "adjoint: v3 = -1, v1 = 1",
        "adjoint: v0 = -0.283662, then v0 = 1.71634",
        "primal: v3 = -0.958924, v4 = 10.6931, v5 = 11.6521",
        "tangent, seed (0, 1): v5 = 1.71634",
    ]
    assert said[5:7] == ["", ""]
    assert said[7].endswith("right in 0 of 1 programs whose path values decide, in 1 of 1 others")
    assert said[8] == ""  # the made-up records have no shared operations beside their tree
    assert said[9] == "2048 evaluations at n = 1024, m = 1024; 2 m n would be 2097152"


# --- the page -------------------------------------------------------------------------------------


class Run:
    """What a page reads."""

    def __init__(self, found: Evidence) -> None:
        self.records, self.studies = found.records, found.studies
        self.folder = synthetic.SyntheticRun.folder


def test_the_page_shows_every_claim_number_and_slip() -> None:
    found = evidence()
    introduction, cards, _, slips, _, numbers, experiments = PAGE.render(Run(found))
    assert isinstance(introduction, Text)
    assert introduction.paragraphs[1] == (
        "23 of 24 claims are decided by this run: 23 hold, 0 do not hold, 1 is not decidable here."
    )
    assert isinstance(cards, Cards)
    assert [card.mark for card in cards.cards] == ROWS
    shown = {card.mark: card for card in cards.cards}
    assert (shown["12"].verdict, shown["12"].tone) == (HOLDS, "good")
    (products,) = [e for e in shown["17b"].lines]
    assert products.number == "2\u202f400\u202f000 multiplications"
    assert products.wanted == "less than 100\u202f400\u202f000"
    assert products.source == "5 rows of the study lecture_claims"
    assert "multiplications|waist|(DC)(BA)" in products.more
    slope = next(e for e in shown["12"].lines if e.aside)
    assert re.fullmatch(r"\d\.\d+ exponent \(\d\.\d+ to \d\.\d+\)", slope.number)
    assert shown["21"].notes == ("1", "2")
    assert isinstance(slips, Table)
    assert len(slips.rows) == len(SLIPS)
    assert len(numbers.rows) == sum(len(claim.findings) for claim in decided(found).values())
    assert len(experiments.rows) == len(found.study("lecture_claims"))


def test_the_page_links_to_every_card_and_is_small() -> None:
    page = build.html(Run(evidence()), [PAGE])
    assert len(page.encode()) < 250_000
    ids = set(re.findall(r'<article class="card" id="(c-[^"]+)"', page))
    assert ids == {f"c-{row.replace('/', '-')}" for row in ROWS}
    assert ids <= set(re.findall(r'href="#([^"]+)"', page))


def test_an_empty_run_says_so() -> None:
    (text,) = PAGE.render(Run(Evidence(synthetic.records().iloc[:0], pd.DataFrame())))
    assert text.paragraphs == ("This run holds no records yet.",)


# --- a run ----------------------------------------------------------------------------------------


def test_a_small_run_decides_what_it_can(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch, studies=True)
    without_report(monkeypatch)
    asked = ("lecture_claims", "traces", "programs", "step_size")  # the others take longer
    due = Executor.due
    monkeypatch.setattr(
        Executor, "due", lambda self, studies: [n for n in due(self, studies) if n in asked]
    )
    run = diffbench.run(
        "rosenbrock[n=2|8|32]",
        "manual,forward,reverse",
        "gradient",
        profile="quick",
        out=tmp_path / "run",
    )
    said = {
        row: claim.verdict for row, claim in decided(Evidence(run.records, run.studies)).items()
    }
    del said["1"], said["14"]  # these depend on times
    # without numerical and symbolic methods; by hand, a loop on values is a program
    known = {**dict.fromkeys(("3", "4", "5", "6b", "7", "13"), OPEN), "8": FAILS}
    assert said == {row: known.get(row, HOLDS) for row in said}
    assert len(said) == len(ROWS) - 2

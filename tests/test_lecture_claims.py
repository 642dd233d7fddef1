"""The study behind the lecture's claims against the facts, and that it sees what is broken."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.registry import discover
from diffbench.studies import backprop, brackets, lecture_claims, seeds, wengert
from diffbench.study import StudyRow


def table(rows: Any) -> dict[str, StudyRow]:
    return {row.key: row for row in rows}


@pytest.fixture(scope="module")
def found() -> dict[str, StudyRow]:
    (study,) = [
        s
        for s in discover(kinds=("studies",)).studies.values()
        if s.name == lecture_claims.STUDY.name
    ]
    return table(study.run())


def values(rows: dict[str, StudyRow], prefix: str) -> list[float | None]:
    return [row.value for key, row in rows.items() if key.startswith(prefix)]


# --- what the facts say ---------------------------------------------------------------------------


def test_the_lectures_function_has_five_operations_and_eight_edges(
    found: dict[str, StudyRow],
) -> None:
    assert found["replay|operations|straight line"].value == 5
    assert found["replay|operations|straight line"].reason == "add, log, multiply, sin, subtract"
    assert found["replay|edges|straight line"].value == 8
    assert found["replay|gradient|straight line"].reason == "5.5, 1.7163378145367738"
    assert values(found, "replay|value|") == [0] * 6
    assert values(found, "replay|gradient|") == [0] * 6


def test_multiplications_are_those_of_the_facts(found: dict[str, StudyRow]) -> None:
    funnel, waist = (
        {key.split("|")[2]: row.value for key, row in found.items() if f"ions|{name}|" in key}
        for name in ("funnel", "waist")
    )
    assert (funnel["D(C(BA))"], funnel["((DC)B)A"]) == (55_500_000, 5_550_000)
    assert (funnel["forward mode"], funnel["reverse mode"]) == (55_500_000, 5_550_000 + 5_000)
    assert (waist["D(C(BA))"], waist["((DC)B)A"]) == (100_400_000, 100_400_000)
    assert min(v for v in waist.values() if v is not None) == waist["(DC)(BA)"] == 2_400_000
    assert {len(funnel), len(waist)} == {len(brackets.BRACKETS) + 2}


def test_accumulation_gives_what_the_facts_say(found: dict[str, StudyRow]) -> None:
    assert values(found, "accumulate|overwrite|") == [0.5, 2.0]
    assert values(found, "accumulate|keep the first|") == [5.0, -0.28366218546322625]
    assert values(found, "accumulate|add|") == [5.5, 1.7163378145367738]
    said = {key.split("|")[1]: row.unit for key, row in found.items() if key[:5] == "accum"}
    assert said == {"overwrite": "wrong", "keep the first": "wrong", "add": "exact to rounding"}


def test_backpropagation_is_operation_for_operation_reverse_mode(
    found: dict[str, StudyRow],
) -> None:
    ours, theirs = (found[f"backprop|operations|{who}"] for who in ("by hand", "reverse mode"))
    assert (ours.value, ours.reason) == (theirs.value, theirs.reason)
    assert sum(int(n.split()[0]) for n in ours.reason.split(", ") if "contract" in n) == 8
    assert found["backprop|operations of one alone"].value == 0
    assert found["backprop|entries that differ"].value == 0
    common = found["backprop|with 1 - tanh^2 z"].value
    assert common is not None
    assert 0 < common < 1000


def test_passes_columns_and_rows(found: dict[str, StudyRow]) -> None:
    assert values(found, "outputs|") == [1, 1]
    assert values(found, "passes|") == [4, 3]
    assert values(found, "owner|") == [1] * 7
    assert values(found, "identity|scalar operations|") == [0, 0]
    assert found["owner|reverse|2"].reason == "row 2: 0.375, -4, 80, 0.693147"


def test_the_two_brackets_of_the_scalar_chain_take_opposite_orders(
    found: dict[str, StudyRow],
) -> None:
    apart = found["chain|apart"].value
    assert apart is not None
    assert 0 < apart <= 4
    forward, reverse = (found[f"chain|order|{mode}"].reason for mode in ("forward", "reverse"))
    assert forward.startswith("sin, cos, multiply, exp, multiply, tanh, sech2, multiply")
    assert reverse.startswith("sin, exp, tanh, sech2, multiply, multiply, cos, multiply")


def test_the_product_of_jacobians_is_within_its_bound(found: dict[str, StudyRow]) -> None:
    error = found["product|error"].value
    assert error is not None
    assert 0 < error <= 1


def test_extrapolated_differences_are_careful(found: dict[str, StudyRow]) -> None:
    error = found["careful|error"].value
    assert error is not None
    assert 0 < error < 1e-12
    assert found["careful|calls"].value == 20


# --- what is broken is seen -----------------------------------------------------------------------


def test_a_gradient_that_overwrites_is_not_reverse_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wengert, "gradient", partial(wengert.gradient, accumulate="overwrite"))
    rows = table(wengert.replays())
    # this one alone uses no value twice
    same = {
        key for key, row in rows.items() if key.startswith("replay|gradient|") and not row.value
    }
    assert same == {"replay|gradient|branch on values"}


def test_a_value_that_is_not_replayed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wengert, "replayed", lambda trace, x, output: 0.0)
    assert values(table(wengert.replays()), "replay|value|") == [1] * 6


def test_another_slope_of_tanh_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        backprop, "recorded", lambda program: recorded(SLOPED.get(program, program))
    )
    rows = table(backprop.compared())
    assert rows["backprop|operations of one alone"].value == 9  # h * h, 1 - h * h against sech2
    assert rows["backprop|entries that differ"].value


recorded = backprop.recorded
SLOPED = {
    backprop.by_hand: partial(backprop.by_hand, slope=backprop.SLOPES["1 - tanh^2 z"]),
}


def test_a_pass_that_fills_another_line_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ad.jvp
    monkeypatch.setattr(ad, "jvp", lambda f, x, v, *c: right(f, x, np.roll(v, 1), *c))
    rows = table(seeds.owners())
    assert values(rows, "owner|forward|") == [0] * 4
    assert rows["owner|forward|1"].reason.startswith("column 2: ")
    assert values(rows, "owner|reverse|") == [1] * 3


def test_a_mode_that_multiplies_more_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brackets, "DIMENSIONS", {"waist": (5, 3, 2, 3, 5)})
    right, graph = table(brackets.counts()), ad.derivative_graph
    monkeypatch.setattr(ad, "derivative_graph", lambda *given, mode: graph(*given, mode="reverse"))
    wrong = table(brackets.counts())
    forward, reverse = (f"multiplications|waist|{mode} mode" for mode in ("forward", "reverse"))
    assert right[forward].value == 5 * (3 * 2 + 2 * 3 + 3 * 5)
    assert right[reverse].value == 5 * (3 * 2 + 2 * 3 + 3 * 5) + 5 * 5 * 3
    assert wrong[forward].value == right[reverse].value


def test_a_rule_that_is_wrong_shows_in_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ad.jacobian
    monkeypatch.setattr(
        ad, "jacobian", lambda f, mode: lambda x, *c: wrong(f, mode)(x, *c) * (1 + 1e-13)
    )
    error = table(brackets.products())["product|error"].value
    assert error is not None
    assert error > 1


def test_every_operation_of_a_replay_has_a_row_in_the_table(found: dict[str, StudyRow]) -> None:
    named = {
        name
        for key, row in found.items()
        if key.startswith("replay|operations|")
        for name in row.reason.split(", ")
    }
    assert named == {"add", "divide", "log", "multiply", "sin", "subtract"}

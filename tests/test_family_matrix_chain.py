"""The chain of four Jacobians: counted multiplications of each bracket, and the product itself."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any, final

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.problem import Instance
from diffbench.registry import discover
from diffbench.studies.brackets import bracketed
from diffbench.studies.brackets import counted as multiplications

FAMILIES = discover(kinds=("problems",))
CHAIN = sys.modules[FAMILIES.families["matrix_chain"].build.__module__]
FORWARD = (None, (None, (None, None)))
REVERSE = (((None, None), None), None)
BRACKETS = (
    FORWARD,
    REVERSE,
    ((None, None), (None, None)),
    (None, ((None, None), None)),
    ((None, (None, None)), None),
)


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


@final
class Counted:
    """A matrix that only knows its shape, and counts what its products multiply."""

    def __init__(self, shape: tuple[int, int], tally: list[int]) -> None:
        self.shape, self.tally = shape, tally

    def __matmul__(self, other: Counted) -> Counted:
        (rows, inner), (same, columns) = self.shape, other.shape
        assert inner == same
        self.tally.append(rows * inner * columns)
        return Counted((rows, columns), self.tally)


def counted(bracket: Any, widths: tuple[int, ...]) -> int:
    """Multiplications of D'C'B'A' in that bracket, counted while it is done."""
    tally: list[int] = []
    back = widths[::-1]
    matrices = [Counted(shape, tally) for shape in pairwise(back)]
    assert CHAIN.multiply(bracket, matrices).shape == (back[0], back[-1])
    return sum(tally)


SIZES = [
    (1000, 500, 100, 50, 10),
    (1000, 100, 2, 100, 1000),
    (10, 50, 100, 500, 1000),
    (1, 1, 1, 1, 1),
    (7, 2, 9, 3, 5),
    (4, 30, 3, 20, 6),
]


@pytest.mark.parametrize("widths", SIZES)
def test_counted_multiplications_are_the_formulas(widths: tuple[int, ...]) -> None:
    assert counted(FORWARD, widths) == CHAIN.forward_cost(*widths)
    assert counted(REVERSE, widths) == CHAIN.reverse_cost(*widths)
    cost, bracket = CHAIN.cheapest(*widths[::-1])
    assert counted(bracket, widths) == cost
    assert cost == min(counted(each, widths) for each in BRACKETS)


@pytest.mark.parametrize("widths", [(7, 2, 9, 3, 5), (4, 30, 3, 20, 6), (6, 4, 2, 5, 8)])
def test_multiplications_in_the_engines_traces_are_the_formulas(widths: tuple[int, ...]) -> None:
    """Beyond those of f; reverse mode also sends its m seeds through the last matrix, m r each."""
    chain = one("matrix_chain[n={},p={},q={},r={},m={}]".format(*widths))
    primal = multiplications(ad.trace(chain.f, chain.x, *chain.constants))
    *_, r, m = widths
    for mode, cost in (
        ("forward", CHAIN.forward_cost(*widths)),
        ("reverse", CHAIN.reverse_cost(*widths) + m * (m * r)),
    ):
        graph = ad.derivative_graph(chain.f, chain.x, "jacobian", chain.constants, mode=mode)
        assert multiplications(graph) - primal == cost, mode
    for bracket, cost in (
        (FORWARD, CHAIN.forward_cost(*widths)),
        (REVERSE, CHAIN.reverse_cost(*widths)),
        CHAIN.cheapest(*widths[::-1])[::-1],
    ):
        graph = ad.trace(bracketed(bracket), chain.x, *chain.constants)
        assert multiplications(graph) - primal == cost, bracket
        scale = np.max(np.abs(chain.jacobian()))
        assert np.max(np.abs(graph.values[graph.output] - chain.jacobian())) <= 1e-14 * scale


def test_the_numbers_of_the_lecture() -> None:
    assert CHAIN.forward_cost(1000, 500, 100, 50, 10) == 55_500_000
    assert CHAIN.reverse_cost(1000, 500, 100, 50, 10) == 5_550_000
    waist = (1000, 100, 2, 100, 1000)
    assert CHAIN.forward_cost(*waist) == CHAIN.reverse_cost(*waist) == 100_400_000
    assert CHAIN.cheapest(*waist)[0] == 2_400_000
    assert CHAIN.cheapest(*waist)[1] == ((None, None), (None, None))


def test_the_cheapest_order_of_a_longer_chain() -> None:
    """The worked example of Cormen, Leiserson, Rivest and Stein: 15125."""
    cost, bracket = CHAIN.cheapest(30, 35, 15, 5, 10, 20, 25)
    assert cost == 15125
    assert bracket == ((None, (None, None)), ((None, None), None))


@pytest.mark.parametrize("bracket", BRACKETS)
def test_every_bracket_gives_the_jacobian(bracket: Any) -> None:
    chain = one("matrix_chain[n=7,p=5,q=3,r=6,m=4]")
    h, layers = chain.x, []
    for w in chain.constants:
        layers.insert(0, np.diag(np.cos(w @ h)) @ w)
        h = np.sin(w @ h)
    product = CHAIN.multiply(bracket, layers)
    scale = np.max(np.abs(product))
    assert np.max(np.abs(chain.jacobian() - product)) <= 1e-15 * scale
    assert np.array_equal(chain.value(), h)


def test_widths_of_one_by_hand() -> None:
    chain = one("matrix_chain[n=1,p=1,q=1,r=1,m=1]")
    half = tuple(np.array([[0.5]]) for _ in range(4))
    answer = chain.answers["jacobian"](np.zeros(1), *half)
    assert answer.tolist() == [[0.0625]]
    assert chain.answers["jvp"](np.zeros(1), np.array([3.0]), *half).tolist() == [0.1875]
    assert chain.answers["vjp"](np.zeros(1), np.array([3.0]), *half).tolist() == [0.1875]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("size", ["n=1,p=1,q=1,r=1,m=1", "n=4,p=6,q=2,r=5,m=3", "n=3,q=1,m=12"])
def test_manual_and_own_modes_are_exact_to_rounding(size: str, seed: int) -> None:
    chain = one(f"matrix_chain[{size}]", seed)
    x, c = chain.x, chain.constants
    mine = {
        "jacobian": lambda: ad.jacobian(chain.f)(x, *c),
        "jvp": lambda: ad.jvp(chain.f, x, chain.v, *c)[1],
        "vjp": lambda: ad.vjp(chain.f, x, chain.w, *c)[1],
    }
    for name, program in mine.items():
        reference = oracle.certify(chain, name)
        assert reference.claim == "certified"
        for answer in (chain.answer(name), program()):
            judged = judge(answer, reference)
            assert judged.verdict == "exact to rounding", (name, judged.verdict_reason)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("matrix_chain[q=0]", ["q >= 1", "got q=0"]),
        ("matrix_chain[depth=2]", ["'depth'", "n, p, q, r, m"]),
    ],
)
def test_impossible_parameters_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    assert all(word in str(refused.value) for word in words)

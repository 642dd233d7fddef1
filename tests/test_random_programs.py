"""Random programs: every engine agrees with the proven derivative within the verdict's limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import oracle
import pytest
import random_programs
from hypothesis import HealthCheck, given, settings
from random_programs import Program, numbers, programs

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import RULES
from diffbench.measure.accuracy import EXACT, ROUNDING, judge
from diffbench.measure.reference import Reference, certify

Array = Any
F = Callable[[Array, Any], Array]
TOLD = 0.85  # at least, of all answers: the others are at ties or too ill-conditioned
OTHER_ORDER = 0.002  # at most, of all answers: exact in the order of the reference alone
UNUSED = {
    "attains",
    "masked",
    "scatter",
    "sech2",
}  # of the programs themselves: what derivatives are made of


@dataclass(frozen=True)
class Engine:
    """One way to answer one operator: ``answer(f, x, seed)``; the seed is None without one.

    A new engine is a new row of SCALAR or VECTOR.
    """

    name: str
    operator: str
    answer: Callable[[F, Array, Any], Array]


def _row_of(f: F) -> F:
    """The gradient by forward mode, to be differentiated again."""
    return lambda x, xp: ad.jacobian(f, "forward")(x)[0]


def _compiled(operator: str, mode: str) -> Engine:
    """The machine code of an operator, compiled at the point itself: every branch is its own."""

    def answer(f: F, x: Array, seed: Any) -> Array:
        seeds = () if seed is None else (seed,)
        return ad.compile(f, x, operator, mode=mode)(x, *seeds)

    return Engine(f"compiled {mode}", operator, answer)


SCALAR = (
    Engine("numpy", "value", lambda f, x, s: np.asarray(f(x, NUMPY))),
    Engine("forward", "value", lambda f, x, s: ad.jvp(f, x, np.ones_like(x))[0]),
    Engine("reverse", "value", lambda f, x, s: ad.vjp(f, x, 1.0)[0]),
    Engine("forward", "gradient", lambda f, x, s: ad.jacobian(f, "forward")(x)[0]),
    Engine("reverse", "gradient", lambda f, x, s: ad.grad(f)(x)),
    Engine("forward", "jvp", lambda f, x, v: ad.jvp(f, x, v)[1]),
    Engine("forward over reverse", "hvp", ad.hvp),
    Engine("forward over forward", "hvp", lambda f, x, v: ad.jvp(_row_of(f), x, v)[1]),
    Engine(
        "reverse over reverse",
        "hvp",
        lambda f, x, v: ad.grad(lambda x, xp: xp.sum(ad.grad(f)(x) * v))(x),
    ),
    Engine(
        "reverse over forward",
        "hvp",
        lambda f, x, v: ad.grad(lambda x, xp: ad.jvp(f, x, v)[1])(x),
    ),
    Engine("forward over reverse", "hessian", lambda f, x, s: ad.hessian(f)(x)),
    *(_compiled("gradient", mode) for mode in ("forward", "reverse")),
    _compiled("hvp", "reverse"),
)
VECTOR = (
    Engine("numpy", "value", lambda f, x, s: f(x, NUMPY)),
    Engine("forward", "jacobian", lambda f, x, s: ad.jacobian(f, "forward")(x)),
    Engine("reverse", "jacobian", lambda f, x, s: ad.jacobian(f, "reverse")(x)),
    Engine("forward", "jvp", lambda f, x, v: ad.jvp(f, x, v)[1]),
    Engine("reverse", "jvp", lambda f, x, v: ad.jvp_by_adjoints(f, x, v)[1]),
    Engine("reverse", "vjp", lambda f, x, w: ad.vjp(f, x, w)[1]),
    *(_compiled("jacobian", mode) for mode in ("forward", "reverse")),
    _compiled("vjp", "reverse"),
)


# --- one program ----------------------------------------------------------------------------------


def check(program: Program, outcomes: Counter[str]) -> None:
    """Every engine of a program against the reference of its operator; outcomes are counted."""
    y = np.asarray(program(program.x, NUMPY))
    made = oracle.instance_of(program, program.x, None if program.scalar else y.size)
    v, w = numbers(program.seed + 1, program.n), numbers(program.seed + 2, y.size).reshape(y.shape)
    instance = replace(made, v=v, w=w)
    references: dict[str, Reference] = {}
    for engine in SCALAR if program.scalar else VECTOR:
        operator = engine.operator
        if operator not in references:
            references[operator] = certify(instance, operator)
            assert operator != "hessian" or _symmetric(references[operator])
        reference = references[operator]
        answer = engine.answer(program, instance.x, instance.seed_of(operator))
        if reference.claim == "none":
            outcomes["no claim"] += 1
            continue
        outcomes[judge(answer, reference).verdict] += 1
        error = np.abs((answer - reference.hi) - reference.lo) + reference.radius
        over = float(np.max(error / _limit(reference), initial=0.0))
        assert over <= 1.0, f"{engine.name}, {operator}: {over:.3g} times the limit"


def _limit(reference: Reference) -> Array:
    """The verdict's limit, with rounding of the largest entry (or of 1) in every entry.

    The order in which the reference works may have an exact difference where an engine of the
    other order has the rounding of its terms; verdicts then say degraded, which is counted.
    """
    largest = max(1.0, float(np.max(np.abs(reference.hi), initial=0.0)))
    return EXACT * np.maximum(reference.rad53, ROUNDING * largest)


def _symmetric(hessian: Reference) -> bool:
    """What the rules cannot know: the proven Hessian is symmetric within its radii."""
    gap = np.abs((hessian.hi - hessian.hi.T) + (hessian.lo - hessian.lo.T))
    return hessian.claim == "none" or bool(np.all(gap <= hessian.radius + hessian.radius.T))


def run(count: int, most_steps: int) -> tuple[Counter[str], set[str]]:
    """So many programs, always the same: verdicts by number, and the primitives they used."""
    outcomes: Counter[str] = Counter()
    used: set[str] = set()

    # drawing takes long on a busy machine, which says nothing about the programs
    @settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow])
    @given(programs(most_steps))
    def one(program: Program) -> None:
        used.update(ad.trace(program, program.x).names())
        check(program, outcomes)

    one()
    return outcomes, used


def _holds(outcomes: Counter[str]) -> None:
    assert set(outcomes) <= {"exact to rounding", "degraded", "uninformative", "no claim"}
    assert outcomes["exact to rounding"] >= TOLD * outcomes.total()
    assert outcomes["degraded"] <= OTHER_ORDER * outcomes.total()


def test_engines_agree_on_200_programs() -> None:
    outcomes, used = run(200, most_steps=14)
    _holds(outcomes)
    assert len(used) > 0.8 * len(RULES)


@pytest.mark.nightly
def test_engines_agree_on_2000_programs_and_these_use_every_primitive() -> None:
    outcomes, used = run(2000, most_steps=20)
    _holds(outcomes)
    assert set(RULES) - used == UNUSED


def test_a_wrong_engine_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: an engine that is wrong by a billionth does not pass."""
    import test_random_programs as here

    wrong = Engine("wrong", "gradient", lambda f, x, s: ad.grad(f)(x) * (1.0 + 1e-9))
    monkeypatch.setattr(here, "SCALAR", (wrong,))
    with pytest.raises(AssertionError, match="wrong"):
        here.run(50, most_steps=6)


# --- wide arrays: loops of many lanes, their ends and their seams -----------------------------


def wide(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled against eager on ``count`` programs over arrays of up to 160 entries."""
    monkeypatch.setattr(random_programs, "MOST_ENTRIES", 160)

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(programs(inputs=(7, 40)))
    def one(program: Program) -> None:
        for mode in ("forward", "reverse"):
            operator = "gradient" if program.scalar else "jacobian"
            expected = ad.jacobian(program, mode)(program.x)
            found = ad.compile(program, program.x, operator, mode=mode)(program.x)
            limit = 1e-11 * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
            assert np.all(np.abs(found - expected) <= limit), mode

    one()


def test_compiled_is_eager_on_wide_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    wide(40, monkeypatch)


@pytest.mark.nightly
def test_compiled_is_eager_on_1000_wide_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    wide(1000, monkeypatch)

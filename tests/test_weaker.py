"""References that are not proven: how good they are, and that they condemn and do not acquit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import verdict_grid as grid

from diffbench import ad
from diffbench.measure import extended, reference
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import Reference, certify
from diffbench.problem import Instance

FAMILIES = sorted(grid.plugins().families)
FINER = 2.0**-4  # of what rounding in double may come to, in the largest entry
DOUBLE_ONLY = {"det", "erf"}  # rows of which numpy and scipy have no longer form
LARGE = 100_000
needs_longdouble = pytest.mark.skipif(
    extended.BITS <= 53, reason="no float is longer than a double"
)


def one(selection: str) -> Instance:
    (instance,) = grid.plugins().instances(selection)
    return instance


def _finer(proven: Reference) -> float:
    return FINER * float(np.max(np.maximum(proven.rad53, 2.0**-53 * np.abs(proven.hi))))


def _too_large(monkeypatch: pytest.MonkeyPatch, limit: int = 0) -> None:
    monkeypatch.setattr(reference, "MOST_OPERATIONS", limit)


@needs_longdouble
@pytest.mark.parametrize("family", FAMILIES)
def test_a_weaker_reference_is_finer_than_doubles(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the proven answer; or there is none, where a row knows no such float."""
    compared = 0
    for instance in grid.tiny(family, 0)[1:]:
        for operator in {"gradient", "jacobian", "hvp"} & {*grid.asked(instance)}:
            proven = grid.PROOFS.of(instance, operator)
            with monkeypatch.context() as small:
                _too_large(small)
                weaker = certify(instance, operator)
            if weaker.claim == "none":
                trace = ad.trace(instance.f, instance.x, *instance.constants)
                assert trace.names() & DOUBLE_ONLY, weaker.reason
                continue
            compared += 1
            assert (weaker.claim, weaker.bits) == ("weaker", extended.BITS)
            apart = np.abs((weaker.hi - proven.hi) + (weaker.lo - proven.lo))
            assert np.max(apart) <= _finer(proven), (instance.name, operator)
            for answer, verdict in ((proven.hi, "uninformative"), (0.0 * proven.hi, "wrong")):
                judged = judge(np.asarray(answer), weaker)
                assert (judged.verdict, judged.reference) == (verdict, "weaker")
                assert "too large to prove" in judged.verdict_reason
    assert compared >= 2 or family == "black_scholes"


@needs_longdouble
def test_what_is_near_a_weaker_reference_is_told_by_its_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _too_large(monkeypatch)
    instance = one("rosenbrock[n=8]")
    weaker = certify(instance, "gradient")
    near = judge(instance.gradient() * (1 + 1e-9), weaker)
    assert near.verdict == "uninformative"
    assert near.digits == pytest.approx(9.0, abs=0.01)
    assert "agrees with extended precision to 9.0 digits" in near.verdict_reason
    assert judge(instance.gradient() * np.nan, weaker).verdict == "wrong"
    assert judge(-instance.gradient(), weaker).verdict == "wrong"


def test_where_double_and_extended_precision_part_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At depth 64 the logistic map has no digits left in either: nobody may be condemned."""
    _too_large(monkeypatch)
    chaos = certify(one("logistic[depth=64]"), "gradient")
    assert chaos.claim == "none"
    assert "extended precision tells no more" in chaos.reason
    assert judge(np.array([1.0]), chaos).verdict == "uninformative"


def test_what_is_too_large_for_either_has_no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    _too_large(monkeypatch)
    monkeypatch.setattr(reference, "MOST_EXTENDED", 0)
    nothing = certify(one("lecture[n=2]"), "gradient")
    assert nothing.claim == "none"
    assert nothing.reason.startswith("too large to prove: about 0 million ball operations")


@needs_longdouble
def test_sparse_answers_have_weaker_references_on_their_pattern(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reference, "MOST_ENTRIES", 10)
    bratu = one("bratu[n=9]")
    proven = certify(bratu, "jacobian")
    _too_large(monkeypatch)
    certify(bratu, "jacobian").save(tmp_path / "weaker.npz")
    weaker = Reference.load(tmp_path / "weaker.npz")
    assert (proven.claim, weaker.claim, weaker.hi.size) == ("certified", "weaker", 25)
    apart = np.abs((weaker.hi - proven.hi) + (weaker.lo - proven.lo))
    assert np.max(apart) <= _finer(proven)
    assert judge(bratu.jacobian(), weaker).verdict == "uninformative"
    assert judge(replace(bratu, m=9).jacobian().T * -1.0, weaker).verdict == "wrong"


@needs_longdouble
def test_longer_floats_that_leave_the_path_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any, xp: Any) -> Any:
        """In doubles 1 + 2^-54 is 1; in longer floats it is more."""
        return xp.sin(x) if x[0] + x[1] > 1.0 else x * x

    instance = oracle.instance_of(f, [1.0, 2.0**-54, 0.5], m=3)
    monkeypatch.setattr(reference, "MOST_ENTRIES", 1)
    _too_large(monkeypatch)
    assert certify(replace(instance, sparse=frozenset({"jacobian"})), "jacobian").claim == "none"


@pytest.mark.nightly
@pytest.mark.parametrize(
    "selection",
    [
        f"lecture[n={LARGE}]",
        f"rosenbrock[n={LARGE}]",
        f"speelpenning[n={LARGE}]",
        f"lse[n={LARGE},form=naive]",
        f"lse[n={LARGE},form=stable]",
    ],
)
def test_gradients_of_a_hundred_thousand_inputs_are_certified(selection: str) -> None:
    """By reverse mode over balls, in a second or two; by hand they are exact."""
    instance = one(selection)
    proven = certify(instance, "gradient")
    assert (proven.claim, proven.bits) == ("certified", 128)
    assert judge(instance.gradient(), proven).verdict == "exact to rounding"
    assert judge(np.zeros(LARGE), proven).verdict == "wrong"


@needs_longdouble
@pytest.mark.nightly
def test_beyond_that_the_reference_is_weaker() -> None:
    large = one("rosenbrock[n=1000000]")
    weaker = certify(large, "gradient")
    assert weaker.claim == "weaker"
    assert judge(large.gradient(), weaker).digits == pytest.approx(16.0, abs=0.1)
    assert judge(-large.gradient(), weaker).verdict == "wrong"

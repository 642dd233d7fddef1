"""Every method on three tiny sizes of every family, in one process and untimed: the verdicts."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from typing import Any, final

import numpy as np
import pytest

from diffbench.errors import Unsupported
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import Reference, certify
from diffbench.method import Method, Prepared, prepare, variant_name, why_not
from diffbench.operators import OPERATORS
from diffbench.problem import Instance
from diffbench.registry import Registry, discover

TINY = {
    # family: three sizes (for each word that it takes); small, that all operators may be proven
    "affine_tanh": "n=1|3|5,m=4",
    "attention": "tokens=2|3|4,width=2",
    "ba": "cameras=2,points=1|2|3",
    "black_scholes": "assets=1|2|3,options=2",
    "bratu": "n=1|4|9",
    "brusselator": "cells=2,depth=1|2|3",
    "chebyshev": "m=1|3|9",
    "det": "l=2|3|4,method=minors|lu",
    "dlstm": "hidden=1|2|3,length=2",
    "fisher": "n=3,depth=2|4|9",
    "gmm": "d=2,K=1|2|3,N=4",
    "hand": "fingers=2,points=1|2|3",
    "helmholtz": "n=1|3|6",
    "kmeans": "K=1|2|3,N=9,d=2",
    "lecture": "n=2|4|10",
    "llsq": "m=1|3|5,N=8",
    "logistic": "depth=2|4|8",
    "lse": "n=2|5|9,R=3,form=naive|stable",
    "matrix_chain": "n=1|3|5,p=2,q=3,r=2,m=4",
    "mlp": "width=1|2|3,layers=2,batch=3",
    "newton_root": "n=1|3|6,digits=3",
    "ode": "depth=1|2|5",
    "piecewise": "n=2|3|7",
    "rosenbrock": "n=2|5|9",
    "speelpenning": "n=2|5|9",
}
SEEDS = (0, 1, 2)
FINE = ("exact to rounding", "uninformative")


@functools.cache
def plugins() -> Registry:
    """All methods and families that are built in."""
    return discover(kinds=("methods", "problems"))


@functools.cache
def tiny(family: str, seed: int) -> tuple[Instance, ...]:
    """The instances of a family's row, or a failure that says what the row must hold."""
    if family not in TINY:
        pytest.fail(
            f"family {family!r} has no row in TINY of tests/verdict_grid.py: "
            "add three sizes at which every operator can be proven within a second"
        )
    return tuple(plugins().instances(f"{family}[{TINY[family]}]", seed=seed))


@final
class Proofs:
    """References by instance and operator, each computed once."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int, str], Reference] = {}

    def of(self, instance: Instance, operator: str) -> Reference:
        """What the answer is."""
        key = (instance.name, instance.seed, operator)
        if key not in self.known:
            self.known[key] = certify(instance, operator)
        return self.known[key]


PROOFS = Proofs()
PREPARED: dict[tuple[str, str, str], Prepared] = {}


def asked(instance: Instance) -> Iterator[str]:
    """The operators that can be asked of an instance."""
    for name, row in OPERATORS.items():
        if instance.scalar or not row.scalar_only:
            yield name


def outcome(method: Method, instance: Instance, operator: str) -> tuple[str, str]:
    """The verdict on an answer, or that it is unsupported or failed; with its reason."""
    reason = why_not(method, instance, operator)
    if reason is not None:
        return "unsupported", reason
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answer: Any = _answer(method, instance, operator)
    except Unsupported as error:
        return "unsupported", str(error)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    judged = judge(answer, PROOFS.of(instance, operator), method.claim)
    return judged.verdict, judged.verdict_reason


def _answer(method: Method, instance: Instance, operator: str) -> Any:
    """By what was prepared for any seed: another point with other constants of the same shapes."""
    key = (variant_name(method), instance.name, operator)
    if key not in PREPARED:
        PREPARED[key] = prepare(method, instance, operator)
    prepared = PREPARED[key]
    args = prepared.stage(instance.x, instance.seed_of(operator), instance.constants)
    return prepared.collect(prepared(*args))


def method_of(selection: str) -> Method:
    """The one method that is meant."""
    (found,) = plugins().methods(selection)
    assert variant_name(found) == selection
    return found

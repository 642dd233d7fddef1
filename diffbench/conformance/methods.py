"""What every method must hold; each of its variants is tried on the tiny problems."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

from diffbench.conformance import Check
from diffbench.conformance.common import PASSED, first, said, touched, undeclared
from diffbench.conformance.tiny import TINY
from diffbench.errors import Unsupported, place, worded
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify
from diffbench.method import Method, Prepared, native_of, prepare, variant_name, why_not
from diffbench.operators import OPERATORS
from diffbench.problem import Instance
from diffbench.registry import Registry

__all__ = ["CHECKS", "Trial"]

WORDS = 3  # a sentence has more than this many
OTHER = 1.25  # times a constant: another one of the same shape


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A method's class with the seed of the tiny instances."""

    kind: type[Any]
    seed: int = 0

    @functools.cached_property
    def variants(self) -> list[Method]:
        """One for all of its declared parameters together."""
        return Registry(method_types={self.kind.name: self.kind}).methods()

    @functools.cached_property
    def instances(self) -> list[Instance]:
        """One of each tiny problem."""
        return [family.instance(seed=self.seed) for family in TINY]

    def cells(self) -> Iterator[tuple[Method, Instance, str]]:
        """All that can be asked of it."""
        for method in self.variants:
            for made in self.instances:
                for operator in OPERATORS:
                    yield method, made, operator

    @functools.cached_property
    def prepared(self) -> list[Prepared]:
        """What it answers, prepared."""
        return [p for cell in self.cells() if (p := _prepared(*cell)) is not None]


def _prepared(method: Method, made: Instance, operator: str) -> Prepared | None:
    try:
        return prepare(method, made, operator)
    except Unsupported:
        return None


def _label(prepared: Prepared) -> str:
    return f"{prepared.operator} of {prepared.instance.family}"


# --- what is declared -----------------------------------------------------------------------------


def _declared(trial: Trial) -> str | None:
    return undeclared(trial.kind, ("title", "cost", "reference", "version", "__doc__"))


def _variants(trial: Trial) -> str | None:
    return None if trial.variants else "a parameter has no value, so there is no variant of it"


def _native(trial: Trial) -> str | None:
    return first(
        f"{variant_name(method)} has {', '.join(sorted(more))} natively for {made.family}, and "
        f"native does not say so"
        for method in trial.variants
        for made in trial.instances
        if (more := native_of(method, made) - method.native)
    )


def _sentences(trial: Trial) -> str | None:
    return first(map(_sentence, trial.cells()))


def _sentence(cell: tuple[Method, Instance, str]) -> str | None:
    method, made, operator = cell
    reasons = {
        "why_not": method.why_not(made, operator),
        "the reason": why_not(method, made, operator),
    }
    for who, reason in reasons.items():
        if reason is None:
            continue
        if not isinstance(reason, str) or "\n" in reason or not len(reason.split()) > WORDS:
            return f"{who} for {operator} of {made.family} is {reason!r}: no sentence in one line"
    return None


def _able(trial: Trial) -> str | None:
    derivatives = [p for p in trial.prepared if p.operator != "value"]
    if any(_raised(p) is None for p in derivatives):
        return None
    reasons = [why_not(*cell) for cell in trial.cells() if cell[2] != "value"]
    reason = first([*map(_raised, derivatives), *reasons])
    return f"it answers no derivative of any tiny problem: {reason}"


def _raised(prepared: Prepared) -> str | None:
    """What the call raises, in one line."""
    try:
        _asked(prepared, prepared.instance)
    except Exception as error:
        return f"{_label(prepared)} raises {worded(error)}{place(error)}"
    return None


# --- its answers ----------------------------------------------------------------------------------


def _over(find: Callable[[Trial, Prepared], str | None]) -> Callable[[Trial], str | None]:
    """The first finding on anything prepared."""

    def found(trial: Trial) -> str | None:
        return first(
            f"{_label(prepared)} {wrong}"
            for prepared in trial.prepared
            if (wrong := find(trial, prepared))
        )

    return found


def _asked(prepared: Prepared, at: Instance) -> Any:
    """The answer at the point and constants of an instance of the same shapes."""
    seed = at.seed_of(prepared.operator)
    return prepared.collect(prepared(*prepared.stage(at.x, seed, at.constants)))


def _judged(trial: Trial, prepared: Prepared, at: Instance) -> str | None:
    operator, answer = prepared.operator, _asked(prepared, at)
    judged = judge(answer, certify(at, operator), trial.kind.claim)
    passed = (*PASSED, "degraded") if trial.kind.claim == "approximate" else PASSED
    if judged.verdict in passed or (trial.kind.claim == "control" and judged.digits is not None):
        return None
    return said("", judged).strip()


@_over
def _right(trial: Trial, prepared: Prepared) -> str | None:
    """Also at another point, and at the first one again: what is kept shows."""
    made = prepared.instance
    elsewhere = replace(made, x=made.prepare_x)
    for label, at in (("at x", made), ("elsewhere", elsewhere), ("at x again", made)):
        if wrong := _judged(trial, prepared, at):
            return f"{label} {wrong}"
    return None


@_over
def _constants(trial: Trial, prepared: Prepared) -> str | None:
    made = prepared.instance
    others = tuple(OTHER * c for c in made.constants)
    return _judged(trial, prepared, replace(made, constants=others)) if others else None


@_over
def _untouched(trial: Trial, prepared: Prepared) -> str | None:
    made = prepared.instance
    seed = made.seed_of(prepared.operator)
    names = ["x", *(["the seed"] if seed is not None else [])]
    names += [f"constant {i}" for i in range(len(made.constants))]
    seeds = [] if seed is None else [seed]

    def call(x: Any, *rest: Any) -> None:
        given, constants = (rest[0], rest[1:]) if seeds else (None, rest)
        prepared.collect(prepared(*prepared.stage(x, given, constants)))

    return touched(call, names, [made.x, *seeds, *made.constants])


CHECKS: tuple[Check, ...] = (
    Check("declared", "title, cost, source, version and formula are stated", _declared),
    Check("variants", "it can be made with all its parameters", _variants, needed=True),
    Check("native", "it states all operators that it has natively", _native, needed=True),
    Check("sentences", "why_not gives None or a sentence", _sentences, needed=True),
    Check("able", "it answers a derivative of a tiny problem", _able, needed=True),
    Check("right", "its answers are what it claims, at any point, float64", _right),
    Check("constants", "its answers follow the constants that they are given", _constants),
    Check("untouched", "nothing writes to x, a seed or a constant", _untouched),
)

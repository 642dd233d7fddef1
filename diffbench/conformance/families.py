"""What every family must hold; looked at on the instances of its quick profile."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, final

import numpy as np

from diffbench import ad
from diffbench.ad.namespace import EXTRAS, FLOATS, NUMPY
from diffbench.conformance import Check
from diffbench.conformance.common import (
    PASSED,
    copied,
    first,
    said,
    same,
    touched,
    undeclared,
)
from diffbench.errors import worded
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import Reference, certify
from diffbench.operators import OPERATORS
from diffbench.problem import Family, Instance
from diffbench.registry import Registry

__all__ = ["CHECKS", "Trial"]


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A family with the seed of its instances."""

    family: Family
    seed: int = 0

    @functools.cached_property
    def instances(self) -> list[Instance]:
        """Those of the quick profile."""
        return self.seeded(self.seed)

    def seeded(self, seed: int) -> list[Instance]:
        """The same at another seed."""
        alone = Registry(families={self.family.name: self.family})
        return alone.instances(self.family.name, "quick", seed)

    @functools.cached_property
    def proven(self) -> dict[tuple[str, str], Reference]:
        """The references of every answer by hand and of f, by instance and operator."""
        return {
            (made.name, name): certify(made, name)
            for made in self.instances
            for name in ("value", *made.answers)
        }


def _each(find: Callable[[Instance], str | None]) -> Callable[[Trial], str | None]:
    """The first finding on any instance, with its name."""

    def found(trial: Trial) -> str | None:
        return first(f"{made.name}: {wrong}" for made in trial.instances if (wrong := find(made)))

    return found


# --- what is declared -----------------------------------------------------------------------------


def _declared(trial: Trial) -> str | None:
    family = trial.family
    rows = (undeclared(row, ["help"]) and f"parameter {k}" for k, row in family.parameters.items())
    texts = undeclared(family, ("title", "shows", "reference", "latex"))
    return texts or first(f"nothing says what {row} is" for row in rows if row)


def _sizes(trial: Trial) -> str | None:
    default = trial.family.instance(seed=trial.seed)
    return first(
        f"{made.name} has n = {made.n}, m = {made.m}, depth = {made.depth}; each is at least 1"
        for made in (default, *trial.instances)
        if not min(made.n, made.m, made.depth) >= 1
    )


def _operators(trial: Trial) -> str | None:
    family = trial.family
    named = {*family.zero, *family.sparse, *family.expected}
    unknown = named | {name for made in trial.instances for name in made.answers}
    unknown -= set(OPERATORS)
    return f"{', '.join(sorted(unknown))}: no such operator" if unknown else None


# --- shapes and points ----------------------------------------------------------------------------


@_each
def _shapes(made: Instance) -> str | None:
    shape = made.x.shape
    for name, array in (("x", made.x), ("prepare_x", made.prepare_x)):
        if array.ndim != 1 or array.shape != shape or array.dtype != np.float64:
            return f"{name} has shape {array.shape}, {array.dtype}; both points are (n,), float64"
    return first(_misshapen(made, name, made.answer(name)) for name in ("value", *made.answers))


def _misshapen(made: Instance, name: str, answer: Any) -> str | None:
    row = OPERATORS[name]
    if row.scalar_only and not made.scalar:
        return f"{name} is of a scalar f, but m = {made.m} is declared"
    wanted = row.shape(made.n, made.y_shape)
    if answer.shape != wanted or answer.dtype != np.float64:
        return f"{name} has shape {answer.shape}, {answer.dtype}, not {wanted}, float64"
    finite = np.isfinite(answer).all() or name in made.expected
    return None if finite else f"{name} is not finite, and expected says no why"


@_each
def _points(made: Instance) -> str | None:
    if np.any(made.x == made.prepare_x):
        return "prepare_x shares entries with x, so an answer kept from there may pass"
    if len(set(made.x.tolist())) < made.n:
        return "entries of x are equal, so mixed-up columns may pass"
    elsewhere = made.f(made.prepare_x, NUMPY, *made.constants)
    finite = np.isfinite(elsewhere).all() or "value" in made.expected
    return None if finite else "f is not finite at prepare_x"


@_each
def _untouched(made: Instance) -> str | None:
    names = [f"constant {i}" for i in range(len(made.constants))]
    found = touched(lambda x, *c: made.f(x, NUMPY, *c), ["x", *names], [made.x, *made.constants])
    if found:
        return f"f {found}"
    for operator, call in made.answers.items():
        seed = made.seed_of(operator)
        seeds = [] if seed is None else [seed]
        labels = ["x", *(["the seed"] * len(seeds)), *names]
        found = touched(call, labels, [made.x, *seeds, *made.constants])
        if found:
            return f"{operator} {found}"
    return None


# --- numbers --------------------------------------------------------------------------------------


def _reproducible(trial: Trial) -> str | None:
    again, other = trial.seeded(trial.seed), trial.seeded(trial.seed + 1)
    for a, b, c in zip(trial.instances, again, other, strict=True):
        pairs = zip(_numbers(a), _numbers(b), strict=True)
        if not all(same(p, q) for p, q in pairs):
            return f"{a.name} has other numbers each time it is built; draw from rng alone"
        if same(a.prepare_x, c.prepare_x):
            return f"{a.name} has the same prepare_x at every seed; draw it from rng"
    return None


def _numbers(made: Instance) -> tuple[Any, ...]:
    return (made.x, made.prepare_x, *made.constants, made.value())


def _arguments(trial: Trial) -> str | None:
    """A function of one seed, given the point and constants of another, must be that one's."""
    other = trial.seeded(trial.seed + 1)
    for a, b in zip(trial.instances, other, strict=True):
        held = _held(a.f)
        if held:
            return f"{a.name}: f holds the array {held}; hand it over as a constant"
        if a.x.shape == b.x.shape and not all(
            same(one, two) for one, two in zip(_at(a, b), _at(b, b), strict=True)
        ):
            return f"{a.name}: f or an answer depends on more than x and constants"
    return None


def _at(of: Instance, place: Instance) -> Iterator[Any]:
    """f and the answers of one instance at the point of another."""
    x, constants = place.x, place.constants
    yield of.f(x, NUMPY, *constants)
    for operator, call in of.answers.items():
        seed = place.seed_of(operator)
        yield call(x, *constants) if seed is None else call(x, seed, *constants)


def _held(f: Any) -> str:
    """The name of an array of floats that a function keeps for itself, if any."""
    while isinstance(f, functools.partial):
        named = {**{str(i): a for i, a in enumerate(f.args)}, **f.keywords}
        if found := _floats(named):
            return found
        f = f.func
    code = getattr(f, "__code__", None)
    if code is None:
        return ""
    cells = [cell.cell_contents for cell in f.__closure__ or ()]
    used = {name: f.__globals__.get(name) for name in code.co_names}
    return _floats({**used, **dict(zip(code.co_freevars, cells, strict=True))})


def _floats(values: dict[str, Any]) -> str:
    arrays = ((k, v) for k, v in values.items() if isinstance(v, np.ndarray))
    return next((name for name, array in arrays if array.dtype.kind == "f"), "")


# --- f over every namespace -----------------------------------------------------------------------


@functools.cache
def _strict() -> SimpleNamespace:
    """The standard's own checker with the names of EXTRAS that a family may use."""
    import array_api_strict as standard

    def extra(name: str) -> Callable[..., Any]:
        plain = getattr(NUMPY, name)
        return lambda *args: standard.asarray(plain(*map(np.asarray, args)))

    own = {n: extra(n) for n, reason in EXTRAS.items() if not reason.startswith("used by the rule")}
    return SimpleNamespace(**{**vars(standard), "linalg": standard.linalg, **own})


def _names(trial: Trial) -> str | None:
    return first(_named(trial, made) for made in trial.instances)


def _named(trial: Trial, made: Instance) -> str | None:
    xp = _strict()
    values = (xp.asarray(v) if isinstance(v, np.ndarray) else v for v in copied(made.constants))
    try:
        y = made.f(xp.asarray(made.x.copy()), xp, *values)
    except Exception as error:
        return f"{made.name}: f goes beyond the array API standard: {worded(error)}"
    if "value" in made.expected:
        return None
    judged = judge(np.asarray(y), trial.proven[made.name, "value"])
    what = f"f of {made.name} over the standard's arrays"
    return None if judged.verdict in PASSED else said(what, judged)


# --- answers --------------------------------------------------------------------------------------


def _proven(trial: Trial) -> str | None:
    """Every answer by hand is right, and what can be proven is more than nothing."""
    verdicts = []
    for made in trial.instances:
        for name in ("value", *made.answers):
            judged = judge(made.answer(name), trial.proven[made.name, name])
            if name not in made.expected:
                verdicts.append(judged)
                if judged.verdict not in PASSED:
                    return said(f"{name} of {made.name}", judged)
    if any(judged.verdict == PASSED[0] for judged in verdicts):
        return None
    why = first(judged.verdict_reason for judged in verdicts)
    return f"not one answer of the quick profile can be proven: {why}"


def _zero(trial: Trial) -> str | None:
    """An answer is identically zero where, and only where, the family says so."""
    for (name, operator), reference in trial.proven.items():
        declared = operator in trial.family.zero
        if operator == "value" or reference.claim == "none":
            continue
        if declared and np.any(reference.hi):
            return f"{operator} of {name} is declared to be zero, and is not"
        if not declared and not np.any(reference.hi):
            return f"{operator} of {name} is zero, so that any zero is right; say so by zero="
    return None


@_each
def _parts(made: Instance) -> str | None:
    """start, step and finish run one after another give what f gives, bit by bit."""
    if made.step is None:
        return None
    parts = made.in_parts(_plain_loop)
    for x in (made.x, made.prepare_x):
        for xp in (NUMPY, FLOATS.traced):
            values = (f(x, xp, *made.constants) for f in (made.f, parts))
            if not same(*values):
                return "start, step and finish do not give what f gives"
        slopes = (ad.vjp(f, x, made.w, *made.constants)[1] for f in (made.f, parts))
        if not same(*slopes):
            return "the derivative of start, step and finish is not that of f"
    return None


def _plain_loop(step: Any, depth: int) -> Any:
    """The state after the loop, without any checkpoint."""

    def run(state: Any, *constants: Any, xp: Any) -> Any:
        for i in range(depth):
            state = step(state, xp, i, *constants)
        return state

    return run


CHECKS: tuple[Check, ...] = (
    Check("declared", "title, source, formula, parameters and what it shows are stated", _declared),
    Check("sizes", "its default and its quick profile can be built", _sizes, needed=True),
    Check("operators", "what it names as operators are such", _operators, needed=True),
    Check("shapes", "points, value and answers have their shapes, float64, finite", _shapes, True),
    Check("points", "x and prepare_x are apart, no entry of x is twice", _points),
    Check("untouched", "nothing writes to x, a seed or a constant", _untouched),
    Check("reproducible", "the same numbers for a seed, others for another", _reproducible),
    Check("arguments", "f and answers depend on their arguments alone", _arguments),
    Check("names", "f uses names of the array API standard", _names),
    Check("proven", "f and every derivative by hand are exact to rounding", _proven),
    Check("zero", "a derivative is identically zero where it says so, and nowhere else", _zero),
    Check("parts", "its loop in parts is f, bit by bit", _parts),
)

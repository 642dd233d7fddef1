"""Hand-written derivatives with a planted mistake, and whether a checker can be asked to see it.

A mutant's relative size s is the largest change over the largest entry of the answer (of one
entry: over that entry; of another shape, type or not finite: infinite). It *counts* where 4 rad53
of the entry that changes most is below s/10. Where it changes nothing it is *equivalent*: no
mistake in this answer. What is left is *uninformative*: rounding alone may do as much.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.measure import forgotten
from diffbench.measure.reference import Reference
from diffbench.problem import Instance

__all__ = ["MUTANTS", "Mutant", "Mutation", "Target", "mutation"]

Array = NDArray[np.float64]
MARGIN = 10.0  # s over 4 rad53
ALIKE = 2.0**-49  # of the largest entry: two spellings of one number differ by less
TRIES = 12  # of contributions to forget, until one matters
TINY_ERROR = 1e-6


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A right answer, its proof, and the instance of another seed from which a constant is taken.

    ``answer`` is the hand-written one of shape and type of the operator.
    """

    instance: Instance
    other: Instance
    operator: str
    answer: Array
    reference: Reference

    def rng(self, mutant: str) -> np.random.Generator:
        """The same draws for the same mutant of the same answer, everywhere."""
        words = f"{self.instance.name} {self.operator} {mutant}"
        return np.random.default_rng([self.instance.seed, *words.encode()])

    def at(self, x: Array, constants: tuple[Any, ...]) -> Array:
        """The hand-written answer at another point or with other constants."""
        seed = self.instance.seed_of(self.operator)
        given = (x,) if seed is None else (x, seed)
        return np.asarray(self.instance.answers[self.operator](*given, *constants))


@final
@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutant of one answer; ``least`` is the relative size from which on it counts here."""

    answer: Any
    size: float
    least: float
    status: Literal["counts", "equivalent", "uninformative"]
    reason: str = ""


@final
@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: ``candidates(target, rng)`` yields answers with it, of which the first to count
    is taken; ``same`` says when the answer stays as it is. ``entry``: its size is that of one."""

    name: str
    says: str
    same: str
    candidates: Callable[[Target, np.random.Generator], Iterable[Any]]
    entry: bool = False


# --- the mistakes ---------------------------------------------------------------------------------


def _entry(change: Callable[[float], float]) -> Callable[[Target, np.random.Generator], Any]:
    """One entry changed, of those that rounding cannot have made."""

    def made(target: Target, rng: np.random.Generator) -> Iterator[Array]:
        proven = target.reference
        for i in rng.permutation(np.flatnonzero(np.abs(proven.hi) > 4 * MARGIN * proven.rad53))[:1]:
            wrong = target.answer.copy()
            wrong.reshape(-1)[i] = change(float(wrong.reshape(-1)[i]))
            yield wrong

    return made


def _turned(target: Target, rng: np.random.Generator) -> Iterator[Array]:
    a = target.answer
    yield a.T if a.ndim == 2 else a.reshape(-1, 1)


def _forgotten(
    answers: Callable[[Instance, str, np.random.Generator], Iterator[Array]],
) -> Callable[[Target, np.random.Generator], Iterator[Array]]:
    def made(target: Target, rng: np.random.Generator) -> Iterator[Array]:
        return itertools.islice(answers(target.instance, target.operator, rng), TRIES)

    return made


def _stale(target: Target, rng: np.random.Generator) -> Iterator[Array]:
    """A constant of the other instance; where none changes the answer, a part of x kept."""
    mine, x = target.instance.constants, target.instance.x
    for i, (a, b) in enumerate(zip(mine, target.other.constants, strict=True)):
        if np.asarray(a).dtype.kind == "f" and np.shape(a) == np.shape(b):
            yield target.at(x, (*mine[:i], b, *mine[i + 1 :]))
    for j in rng.permutation(x.size)[:TRIES]:
        kept = x.copy()
        kept[j] = target.instance.prepare_x[j]
        yield target.at(kept, mine)


def _frozen(target: Target, rng: np.random.Generator) -> Iterator[Array]:
    """The way that the program took at another point; where it takes one alone, that point."""
    made = target.instance
    seed = made.seed_of(target.operator)
    path = ad.derivative_graph(made.f, made.prepare_x, target.operator, made.constants, seed)
    if path.output is not None:
        with np.errstate(all="ignore"):
            yield np.asarray(path.replay(made.x), dtype=np.float64)
    yield target.at(made.prepare_x, made.constants)


MUTANTS = {
    row.name: row
    for row in (
        Mutant(
            "zero",
            "every entry is 0",
            "the answer is 0",
            lambda t, rng: [np.zeros_like(t.answer)],
        ),
        Mutant("NaN", "one entry is NaN", "", _entry(lambda a: math.nan), True),
        Mutant("inf", "one entry is infinite", "", _entry(lambda a: math.inf), True),
        Mutant("sign flip", "one entry has the other sign", "", _entry(lambda a: -a), True),
        Mutant(
            "permuted",
            "every entry stands one place too far",
            "all entries are the same, or there is one alone",
            lambda t, rng: [np.roll(t.answer, 1)],
        ),
        Mutant(
            "transposed",
            "rows for columns; a vector as a column",
            "the answer is symmetric",
            _turned,
        ),
        Mutant(
            "float32",
            "rounded to float32, and returned so",
            "",
            lambda t, rng: [t.answer.astype(np.float32)],
        ),
        Mutant(
            "float32 inside",
            "rounded to float32, and returned as float64",
            "every entry is a number of float32",
            lambda t, rng: [t.answer.astype(np.float32).astype(np.float64)],
        ),
        Mutant(
            "one entry by 1e-6",
            "one entry is wrong by 1e-6 of itself",
            "",
            _entry(lambda a: a * (1 + TINY_ERROR)),
            True,
        ),
        Mutant(
            "missing chain term",
            "one term of the chain rule's sum is forgotten",
            "every term is 0",
            _forgotten(forgotten.chain_terms),
        ),
        Mutant(
            "missing accumulation",
            "one adjoint is overwritten where it should be increased",
            "no value has two uses",
            _forgotten(forgotten.accumulations),
        ),
        Mutant(
            "stale constant",
            "a constant, or an entry of x, is that of another instance or point",
            "the answer depends on none",
            _stale,
        ),
        Mutant(
            "frozen branch",
            "the way through the program, or x, is that of the point of preparation",
            "the answer is the same at every point",
            _frozen,
        ),
    )
}


# --- what they are worth --------------------------------------------------------------------------


def mutation(mutant: Mutant, target: Target) -> Mutation:
    """The mutant of this answer: the first candidate that counts, else the one of most size."""
    if target.reference.claim == "none":
        return Mutation(None, 0.0, math.inf, "uninformative", target.reference.reason)
    best = None
    for wrong in mutant.candidates(target, target.rng(mutant.name)):
        made = _weighed(mutant, target, wrong)
        if made.status == "counts":
            return made
        best = made if best is None or made.size > best.size else best
    if best is not None:
        return best
    if mutant.same:
        return Mutation(None, 0.0, 0.0, "equivalent", mutant.same)
    return Mutation(None, 0.0, math.inf, "uninformative", "rounding may carry every entry to 0")


def _weighed(mutant: Mutant, target: Target, wrong: Array) -> Mutation:
    a, proven = target.answer, target.reference
    if wrong.shape != a.shape or wrong.dtype != a.dtype or not np.isfinite(wrong).all():
        return Mutation(wrong, math.inf, 0.0, "counts")
    change = np.abs(wrong - a).reshape(-1)
    most = int(np.argmax(change))
    hi = np.abs(proven.hi).reshape(-1)
    scale = float(np.max(hi))
    if not change[most] > ALIKE * scale:
        return Mutation(wrong, 0.0, 0.0, "equivalent", mutant.same)
    unit = (float(hi[most]) if mutant.entry else scale) or 1.0
    size = float(change[most]) / unit
    least = 4 * MARGIN * float(proven.rad53.reshape(-1)[most]) / unit
    if size > least:
        return Mutation(wrong, size, least, "counts")
    reason = f"it changes {size:.1e}, and rounding alone may change {least / MARGIN:.1e}"
    return Mutation(wrong, size, least, "uninformative", reason)

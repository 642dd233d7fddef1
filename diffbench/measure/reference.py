"""The proven derivative: the same f in ball arithmetic at the exact binary input.

Every number is a ball (python-flint's ``arb``): a midpoint and a radius that provably holds the
exact result. The precision is doubled until the enclosure is tight; what then stands is a number
with a proof, or no claim. The same derivative in 53-bit balls tells its condition: ``rad53`` is
how far rounding in double precision may honestly carry an answer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import gt, lt
from pathlib import Path
from typing import Any, Literal, final

import flint
import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from diffbench import ad
from diffbench.ad import forward, reverse
from diffbench.ad.contraction import Contraction
from diffbench.ad.graph import Backend
from diffbench.ad.kernels import decided
from diffbench.ad.namespace import object_backend
from diffbench.ad.operators import gradient_of, unit_seeds
from diffbench.ad.rules import Rule
from diffbench.measure import answers, extended
from diffbench.method import MOST_ENTRIES
from diffbench.problem import Instance

__all__ = ["Reference", "ball_backend", "certify", "enclosure"]

Array = NDArray[np.float64]
Claim = Literal["certified", "weaker", "none"]
CLAIMS: tuple[Claim, ...] = ("certified", "weaker", "none")

DOUBLE = 53
PRECISIONS = (128, 256, 512, 1024, 2048, 4096)
MOST_OPERATIONS = 20_000_000
MOST_EXTENDED = 2_500_000_000  # operations in extended precision: seconds
TIGHT = 2.0**-60
BESIDE_53 = 2.0**-10


@final
@dataclass(frozen=True, slots=True)
class Reference:
    """Enclosure of an answer: ``hi + lo`` (two doubles) with a proven ``radius``, and ``rad53``.

    All four have the shape of the answer, or that of the nonzeros of a ``pattern`` (a boolean
    CSR array) outside of which the answer is proven to be 0. ``claim`` is none where no ball came
    out finite and tight, with the ``reason``; weaker where balls would take too long: then ``hi +
    lo`` is the answer in extended precision, not proven, and ``rad53`` how far double precision is
    from it. ``zero`` where the family declares the answer identically zero.
    """

    hi: Array
    lo: Array
    radius: Array
    rad53: Array
    claim: Claim
    bits: int | None
    reason: str
    zero: bool
    pattern: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the answer."""
        return self.hi.shape if self.pattern is None else self.pattern.shape

    def save(self, path: Path | str) -> None:
        """Write it as one npz file."""
        facts = np.array([self.claim, str(self.bits or 0), self.reason, str(int(self.zero))])
        arrays = {name: getattr(self, name) for name in ("hi", "lo", "radius", "rad53")}
        with open(path, "wb") as file:
            np.savez(file, facts=facts, **arrays, **answers.parts(self.pattern))

    @classmethod
    def load(cls, path: Path | str) -> Reference:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as data:
            claim, bits, reason, zero = map(str, data["facts"])
            hi, lo, radius, rad53 = (data[name] for name in ("hi", "lo", "radius", "rad53"))
            pattern = answers.joined(data)
        known = CLAIMS[CLAIMS.index(claim)]
        return cls(hi, lo, radius, rad53, known, int(bits) or None, reason, zero == "1", pattern)


# --- ball arithmetic over the rule table ---------------------------------------------------------


def _coerced(x: Any) -> Any:
    return arb(float(x)) if isinstance(x, float | int) and not isinstance(x, bool) else x


def _scalar(rule: Rule) -> Callable[..., Any]:
    if callable(rule.ball):
        function = rule.ball
        return lambda *args: function(*map(_coerced, args))
    name = rule.ball
    return lambda x: getattr(_coerced(x), name)()


def _matrix(x: Any) -> arb_mat:
    return arb_mat(x.shape[0], x.shape[1], [_coerced(v) for v in x.reshape(-1).tolist()])


def _entries(m: arb_mat) -> Any:
    out = np.empty(m.nrows() * m.ncols(), dtype=object)
    out[:] = m.entries()
    return out.reshape(m.nrows(), m.ncols())


def _contract(x: Any, y: Any, a: str, b: str, out: str) -> Any:
    """Sums of products by ``arb_mat``, whose dot products round once: tight and fast."""
    plan = Contraction.of(a, b, out)
    x, y = np.asarray(x, dtype=object), np.asarray(y, dtype=object)
    pairs = zip(*plan.matrices(x, y), strict=True)
    product = np.stack([_entries(_matrix(p) * _matrix(q)) for p, q in pairs])
    return plan.assemble(product, x, y)


def _solve(a: Any, b: Any) -> Any:
    b = np.asarray(b, dtype=object)
    return _entries(_matrix(a).solve(_matrix(b.reshape(len(b), -1)))).reshape(b.shape)


def _attains(x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """Which entries surely attain the extreme: a ball apart from all others, or exact ties."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    turned = np.transpose(x, (*rest, *axes))
    extremes = np.transpose(np.broadcast_to(y, x.shape), (*rest, *axes))
    count = math.prod(x.shape[i] for i in axes)
    pairs = zip(turned.reshape(-1, count), extremes.reshape(-1, count), strict=True)
    hits = np.array([_winners(row, extreme[0]) for row, extreme in pairs]).reshape(turned.shape)
    return np.transpose(hits, np.argsort((*rest, *axes)))


def _winners(row: Any, extreme: Any) -> list[bool]:
    near = [i for i, v in enumerate(row) if _coerced(v).overlaps(_coerced(extreme))]
    if len(near) > 1 and not all(row[i] is row[near[0]] or row[i] == row[near[0]] for i in near):
        raise ad.Undecided(f"{len(near)} balls overlap at an extreme")
    return [i in near for i in range(len(row))]


def _first(wins: Callable[[Any, Any], bool]) -> Callable[[Any, int | None], Any]:
    """Where the first extreme stands; Undecided where balls overlap."""
    beats = decided(wins)

    def place(row: Any) -> int:
        return functools.reduce(
            lambda best, i: i if beats(row[i], row[best]) else best, range(len(row))
        )

    def arg(x: Any, axis: int | None) -> Any:
        return place(x.reshape(-1)) if axis is None else np.apply_along_axis(place, axis, x)

    return arg


def ball_backend(rounding: Literal["once", "each"] = "once") -> Backend:
    """The arithmetic of balls at the precision that is set when it is made.

    With ``rounding="each"`` every product and sum of a dot product rounds by itself, and f is
    taken as it is written, as it is in double precision: that is what ``rad53`` must account for.
    """
    matrices: dict[str, Any] = {
        "attains": _attains,
        "argmax": _first(gt),
        "argmin": _first(lt),
        "solve": _solve,
        "inv": lambda a: _entries(_matrix(a).inv()),
        "det": lambda a, axes: _matrix(a).det(),
        "logabsdet": lambda a, axes: abs(_matrix(a).det()).log(),
    }
    if rounding == "once":
        matrices["contract"] = _contract
    made = replace(object_backend("balls", _scalar, arb.pi(), **matrices), numbers=balls)
    return made if rounding == "once" else replace(made, rewrites={})


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Ball arithmetic at that many bits."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def balls(x: Any) -> Any:
    """The exact balls of an array or number of floats; anything else unchanged."""
    if isinstance(x, float):
        return arb(x)
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return x
    out = np.empty(x.size, dtype=object)
    out[:] = [arb(v) for v in x.reshape(-1).tolist()]
    return out.reshape(x.shape)


# --- the operators over balls --------------------------------------------------------------------


def _by_columns(f: Any, x: Any, c: Any, backend: Backend) -> Any:
    return np.moveaxis(np.asarray(forward.chunked(f, x, c, backend)[1]), 0, -1)


def _jacobian(f: Any, x: Any, c: Any, backend: Backend, m: int) -> Any:
    if m > x.size:
        return _by_columns(f, x, c, backend)
    return np.stack([np.asarray(row) for row in reverse.pull(f, x, c, backend, unit_seeds)[1]])


def _answer(instance: Instance, operator: str, backend: Backend) -> Any:
    """The answer in an arithmetic, whose numbers the exact input is turned into."""
    f, x = instance.f, backend.numbers(instance.x)
    c = tuple(map(backend.numbers, instance.constants))
    v, w = backend.numbers(instance.v), backend.numbers(instance.w)
    programs: dict[str, Callable[[], Any]] = {
        # traced as well, so that comparisons are decided by the table and not by arb's own <
        "value": lambda: reverse.pull(f, x, c, backend, lambda y: [])[0],
        "gradient": lambda: reverse.pull(f, x, c, backend)[1][0],
        "jacobian": lambda: _jacobian(f, x, c, backend, instance.m),
        "jvp": lambda: forward.push(f, x, v[None, :], c, backend)[1][0],
        "vjp": lambda: reverse.pull(f, x, c, backend, lambda y: [w])[1][0],
        "hvp": lambda: forward.push(gradient_of(f, backend), x, v[None, :], c, backend)[1][0],
        "hessian": lambda: _by_columns(gradient_of(f, backend), x, c, backend),
    }
    return programs[operator]()


def _enclosed(answer: Callable[[Backend], Any], bits: int) -> Any:
    """The answer as an object array of balls at that precision."""
    with precision(bits):
        found = answer(ball_backend("each" if bits == DOUBLE else "once"))
        return np.asarray(found, dtype=object)


def enclosure(instance: Instance, operator: str, bits: int) -> Any:
    """The answer as an object array of balls at that precision."""
    return _enclosed(functools.partial(_answer, instance, operator), bits)


def _midpoints(enclosed: Any) -> tuple[Array, Array, Array]:
    """Midpoints as two doubles and radii that also cover what the two doubles leave out."""
    hi, lo, radius = (np.empty(enclosed.size) for _ in range(3))
    for i, ball in enumerate(enclosed.reshape(-1)):
        ball = _coerced(ball)
        if not ball.is_finite():
            hi[i], lo[i], radius[i] = np.nan, np.nan, np.inf
            continue
        middle = ball.mid()
        hi[i] = float(middle)
        lo[i] = float(middle - hi[i])
        radius[i] = float((ball.rad() + abs(middle - hi[i] - lo[i])).upper()) * (1 + 2.0**-50)
    return tuple(a.reshape(enclosed.shape) for a in (hi, lo, radius))  # type: ignore[return-value]  # three arrays


def certify(instance: Instance, operator: str) -> Reference:
    """The proven answer of one cell, or a Reference that says why there is none.

    An answer that the family calls sparse and that is too large to be made whole is proven on the
    nonzeros of its pattern, along coloured seeds; the balls must take the very path of which the
    pattern was read off.
    """
    if operator in instance.sparse and math.prod(_answer_shape(instance, operator)) > MOST_ENTRIES:
        plan = ad.sparse_plan(instance.f, instance.x, *instance.constants, operator=operator)
        answer = functools.partial(_along_seeds, instance, plan)
        sweeps = plan.count * SWEEPS.get(operator, 4)
        question = Question(answer, (plan.pattern.nnz,), sweeps, plan.pattern)
    else:
        shape = _answer_shape(instance, operator)
        answer = functools.partial(_answer, instance, operator)
        question = Question(answer, shape, _sweeps(instance, operator))
    return _certified(instance, question, operator in instance.zero)


@final
@dataclass(frozen=True, slots=True)
class Question:
    """What is to be proven: the answer in any arithmetic, its shape, and its cost in f."""

    answer: Callable[[Backend], Any]
    shape: tuple[int, ...]
    sweeps: float
    pattern: Any = None


def _along_seeds(instance: Instance, plan: ad.SparsePlan, backend: Backend) -> Any:
    """The nonzeros of a sparse answer in an arithmetic."""
    x, c = backend.numbers(instance.x), tuple(map(backend.numbers, instance.constants))
    return plan.entries(x, c, backend)


def _certified(instance: Instance, question: Question, zero: bool) -> Reference:
    """Bits are doubled until the enclosure is tight."""
    primal = ad.trace(instance.f, instance.x, *instance.constants).ops() + instance.n
    work = float(primal) * question.sweeps
    if work > MOST_OPERATIONS:
        return _unproven(question, work, zero)
    rad53 = _radii53(question)
    # where no ball of 53 bits came out, nothing is small beside it
    beside = np.where(np.isfinite(rad53), BESIDE_53 * rad53, 0.0)
    reason = "no ball came out"
    for bits in PRECISIONS:
        try:
            hi, lo, radius = _midpoints(_enclosed(question.answer, bits))
        except ad.PathChanged:
            reason = f"balls of {bits} bits take another branch than doubles: no pattern is known"
            continue
        except ad.Undecided as error:
            reason = f"a branch cannot be decided at {bits} bits: {error}"
            continue
        if not np.isfinite(hi).all():
            reason = f"singular point: {np.sum(~np.isfinite(hi))} entries have no finite ball"
        elif np.all((radius <= TIGHT * np.abs(hi)) | (radius <= beside)):
            pattern = question.pattern
            return Reference(hi, lo, radius, rad53, "certified", bits, "", zero, pattern)
        else:
            reason = f"no tight enclosure at {bits} bits"
    return _nothing(question, reason, zero)


def _unproven(question: Question, work: float, zero: bool) -> Reference:
    """What is too large to prove, in extended precision where that tells anything: no more."""
    reason = (
        f"too large to prove: about {work / 1e6:.0f} million ball operations "
        f"(limit {MOST_OPERATIONS / 1e6:.0f} million)"
    )
    if work > MOST_EXTENDED:
        return _nothing(question, reason, zero)
    found = extended.answer(question.answer)
    if found is None:
        return _nothing(question, f"{reason}, and extended precision tells no more", zero)
    hi, lo, apart = found
    unknown = np.zeros_like(hi)  # a radius is not claimed
    bits, pattern = extended.BITS, question.pattern
    return Reference(hi, lo, unknown, apart, "weaker", bits, reason, zero, pattern)


def _answer_shape(instance: Instance, operator: str) -> tuple[int, ...]:
    from diffbench.operators import OPERATORS

    return OPERATORS[operator].shape(instance.n, instance.y_shape)


def _nothing(question: Question, reason: str, zero: bool) -> Reference:
    empty, wide = np.full(question.shape, np.nan), np.full(question.shape, np.inf)
    return Reference(empty, empty, empty, wide, "none", None, reason, zero, question.pattern)


def _radii53(question: Question) -> Array:
    try:
        return _midpoints(_enclosed(question.answer, DOUBLE))[2]
    except (ad.Undecided, ad.PathChanged):
        return np.full(question.shape, np.inf)


SWEEPS = {"value": 1, "hessian": 8, "hvp": 8}  # ball operations beside those of f, else 4


def _sweeps(instance: Instance, operator: str) -> float:
    """Ball operations to expect for one of f: by the columns or rows that the operator takes."""
    lines = {"hessian": instance.n, "jacobian": min(instance.n, instance.m)}
    return float(SWEEPS.get(operator, 4) * lines.get(operator, 1))

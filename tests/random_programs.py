"""Random programs as data: operations applied to a growing pool of arrays, drawn by hypothesis.

A program is drawn together with the values that it has in numpy at its point, from which shapes
are known; what grows too large is followed by a sine. So it has a derivative everywhere but at
ties, which a random point avoids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from random_operations import (
    AXIS,
    BINARY,
    CONSTANT,
    CONTROL,
    MATRIX,
    OPERATIONS,
    REDUCE,
    UNARY,
    Array,
)

from diffbench.ad.namespace import NUMPY

LARGEST = 20.0  # of a value; beyond it a sine follows
MOST_ENTRIES, MOST_AXES, MOST_OUTPUTS = 24, 3, 4
NUMBERS = (0.5, -0.75, 1.25, 2.0)
Params = tuple[Any, ...]
Drawn = tuple[str, tuple[int, ...], Params]


@dataclass(frozen=True)
class Step:
    """One operation on earlier entries of the pool."""

    name: str
    operands: tuple[int, ...]
    params: Params = ()

    def of(self, pool: list[Array], xp: Any) -> Array:
        """Its value."""
        return OPERATIONS[self.name](xp, *(pool[i] for i in self.operands), *self.params)


@dataclass(frozen=True)
class Program:
    """A function of n inputs at a random point; its result is the last entry of the pool."""

    n: int
    seed: int
    scalar: bool
    steps: tuple[Step, ...]

    def __call__(self, x: Array, xp: Any) -> Array:
        pool = [x]
        for step in self.steps:
            pool.append(step.of(pool, xp))
        return xp.sum(pool[-1]) if self.scalar else xp.reshape(pool[-1], (-1,))[:MOST_OUTPUTS]

    @property
    def x(self) -> Array:
        """The point: n distinct numbers between -2 and 2."""
        return numbers(self.seed, self.n)


def numbers(seed: int, n: int) -> Array:
    """Numbers between -2 and 2 with all their bits in use.

    (With trailing zeros a sum or product is exact in one order and not in another; the limit of
    a verdict is that of the order in which the reference works.)
    """
    return 2.0 * np.sin(np.random.default_rng(seed).uniform(-1.5, 1.5, n))


# --- drawing: (draw, pool of values) -> (name, operands, parameters) ------------------------------


def _entry(draw: Any, pool: list[Array]) -> int:
    """An entry of the pool, late ones first: programs shall be deep."""
    return len(pool) - 1 - min(draw(st.integers(0, len(pool) - 1)), draw(st.integers(0, 5)))


def _shaped(draw: Any, pool: list[Array]) -> int:
    """An entry with at least one axis; the input is one."""
    with_axes = [i for i, a in enumerate(pool) if a.ndim]
    return draw(st.sampled_from(with_axes[::-1][:4]))


def _unary(draw: Any, pool: list[Array]) -> Drawn:
    return draw(st.sampled_from(sorted(UNARY))), (_entry(draw, pool),), ()


def _binary(draw: Any, pool: list[Array]) -> Drawn:
    a = _entry(draw, pool)
    partners = [i for i, b in enumerate(pool) if _fits(pool[a].shape, b.shape)]
    pair = (a, draw(st.sampled_from(partners[::-1][:6] or [a])))
    return draw(st.sampled_from(sorted(BINARY))), pair[:: draw(st.sampled_from((1, -1)))], ()


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return bool(np.prod(np.broadcast_shapes(a, b), dtype=int) <= MOST_ENTRIES)
    except ValueError:
        return False


def _constant(draw: Any, pool: list[Array]) -> Drawn:
    i = _entry(draw, pool)
    number: Any = draw(st.sampled_from(NUMBERS))
    if pool[i].ndim and draw(st.booleans()):
        number = np.resize(NUMBERS, pool[i].shape[-1]) * number
    return draw(st.sampled_from(sorted(CONSTANT))), (i,), (number,)


def _reduce(draw: Any, pool: list[Array]) -> Drawn:
    i = _shaped(draw, pool)
    ndim = pool[i].ndim
    axes = draw(st.one_of(st.none(), st.integers(-ndim, ndim - 1), st.just(tuple(range(ndim)[:2]))))
    return draw(st.sampled_from(sorted(REDUCE))), (i,), (axes, draw(st.booleans()))


def _axis(draw: Any, pool: list[Array]) -> Drawn:
    i = _shaped(draw, pool)
    axis = draw(st.integers(0, pool[i].ndim - 1))
    return draw(st.sampled_from(sorted(AXIS))), (i,), (axis,)


def _index(draw: Any, pool: list[Array]) -> Drawn:
    i = _shaped(draw, pool)
    key = [draw(_part(n)) for n in pool[i].shape]
    if draw(st.booleans()):
        key.insert(draw(st.integers(0, len(key))), None)
    return "index", (i,), tuple(key)


def _part(n: int) -> st.SearchStrategy[Any]:
    whole = st.integers(-n, n - 1)
    return st.one_of(
        st.just(slice(None)),
        whole,
        st.builds(slice, st.integers(-n, -1), st.just(None), st.sampled_from((1, 2))),
        st.just(slice(None, None, -1)),
        st.lists(whole, min_size=2, max_size=2),  # of one length: several go pairwise
    )


def _reshape(draw: Any, pool: list[Array]) -> Drawn:
    i = _entry(draw, pool)
    size = pool[i].size
    shapes = [(-1,), (1, size), (size, 1)] + [(k, -1) for k in (2, 3) if size % k == 0]
    return "reshape", (i,), draw(st.sampled_from(shapes))


def _permute(draw: Any, pool: list[Array]) -> Drawn:
    i = _shaped(draw, pool)
    return "permute_dims", (i,), tuple(draw(st.permutations(range(pool[i].ndim))))


def _broadcast(draw: Any, pool: list[Array]) -> Drawn:
    i = _entry(draw, pool)
    return "broadcast_to", (i,), (draw(st.integers(1, 3)), *pool[i].shape)


def _squeeze(draw: Any, pool: list[Array]) -> Drawn:
    return "squeeze", (_entry(draw, pool),), ()


def _join(draw: Any, pool: list[Array]) -> Drawn:
    i = _shaped(draw, pool)
    same = [j for j, b in enumerate(pool) if b.shape == pool[i].shape]
    pair = (i, draw(st.sampled_from(same[::-1])))
    return (
        draw(st.sampled_from(("concat", "stack"))),
        pair,
        (draw(st.integers(0, pool[i].ndim - 1)),),
    )


def _matrix(draw: Any, pool: list[Array]) -> Drawn:
    pair = (_entry(draw, pool), _entry(draw, pool))
    return draw(st.sampled_from(sorted(MATRIX))), pair, (draw(st.integers(2, 3)),)


def _control(draw: Any, pool: list[Array]) -> Drawn:
    pair = (_entry(draw, pool), _entry(draw, pool))
    number = draw(st.integers(0, 3))
    return draw(st.sampled_from(sorted(CONTROL))), pair, (number,)


DRAWERS: tuple[Callable[[Any, list[Array]], Drawn], ...] = (
    *(_unary, _binary, _unary, _binary, _constant, _reduce, _axis, _index),
    *(_reshape, _permute, _broadcast, _squeeze, _join, _matrix, _matrix, _control, _control),
)


@st.composite
def programs(draw: Any, most_steps: int = 14, inputs: tuple[int, int] = (2, 5)) -> Program:
    """Programs of so many ``inputs`` and 4 to ``most_steps`` steps, and the sines between them."""
    n, seed = draw(st.integers(*inputs)), draw(st.integers(0, 2**31))
    pool = [Program(n, seed, True, ()).x]
    steps: list[Step] = []
    for _ in range(draw(st.integers(4, most_steps))):
        _extend(steps, pool, Step(*draw(st.sampled_from(DRAWERS))(draw, pool)))
    return Program(n, seed, draw(st.booleans()), tuple(steps))


def _extend(steps: list[Step], pool: list[Array], step: Step) -> None:
    """Append a step and its value, then what keeps the pool small in numbers and in size."""
    steps.append(step)
    pool.append(np.asarray(step.of(pool, NUMPY)))
    last = len(pool) - 1
    if pool[-1].size > MOST_ENTRIES or pool[-1].ndim > MOST_AXES:
        _extend(steps, pool, Step("index small", (last,)))
    elif np.max(np.abs(pool[-1]), initial=0.0) > LARGEST:
        _extend(steps, pool, Step("sin", (last,)))

"""Kernels that compute no numbers: tracing a large program costs no arithmetic and no memory.

Every value is a *ghost*, an array of one entry repeated without memory, so that its shape and
dtype are right and nothing else is. A program that asks for a value (a branch, an index that
depends on one) raises NeedsValues, and is traced with numbers instead.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from diffbench.ad.arrays import Namespace
from diffbench.ad.graph import Backend, Kernels
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import ENTRYWISE, RULES

__all__ = ["GHOSTS", "NeedsValues", "ghost"]

Shape = tuple[int, ...]
TRUTHS = frozenset(
    (
        "less less_equal greater greater_equal equal not_equal logical_and logical_or logical_not "
        "isfinite isnan attains all any"
    ).split()
)


@final
class NeedsValues(Exception):  # a request, not an error
    """The path of the program depends on numbers."""


@final
class Ghost(np.ndarray):
    """A shape and a dtype without numbers."""

    def _asked(self, *args: Any, **kwargs: Any) -> Any:
        raise NeedsValues

    __bool__ = __int__ = __float__ = __index__ = item = tolist = _asked


@functools.cache
def ghost(shape: Shape, dtype: Any = np.float64) -> Any:
    """The ghost of that shape; all that are alike are one."""
    return np.broadcast_to(np.zeros((), dtype), shape).view(Ghost)


def _shape(a: Any) -> Shape:
    return getattr(a, "shape", ())


_joined = functools.cache(np.broadcast_shapes)


def _entrywise(name: str) -> Callable[..., Any]:
    dtype = np.bool_ if name in TRUTHS else np.float64
    return lambda *args: ghost(_joined(*map(_shape, args)), dtype)


def _reduced(name: str) -> Callable[[Any, Sequence[int]], Any]:
    dtype = np.bool_ if name in TRUTHS else np.float64

    def kernel(x: Any, axes: Sequence[int]) -> Any:
        return ghost(tuple(s for i, s in enumerate(_shape(x)) if i not in axes), dtype)

    return kernel


def _like(shape: Callable[..., Shape]) -> Callable[..., Any]:
    """Numbers of the shape that the operands and parameters give."""
    return lambda *args: ghost(shape(*args))


def _arg(x: Any, axis: int | None) -> Any:
    shape = () if axis is None else (*_shape(x)[:axis], *_shape(x)[axis + 1 :])
    return ghost(shape, np.int64)


def _index(x: Any, key: Any) -> Any:
    return ghost(np.broadcast_to(np.zeros(()), _shape(x))[key].shape, getattr(x, "dtype", float))


def _concat(*arguments: Any) -> Shape:
    *parts, axis = arguments
    shapes = [_shape(p) for p in parts]
    length = sum(s[axis] for s in shapes)
    return (*shapes[0][:axis], length, *shapes[0][axis + 1 :])


def _contract(x: Any, y: Any, a: str, b: str, out: str) -> Shape:
    sizes = dict(zip(a + b, _shape(x) + _shape(y), strict=True))
    return tuple(sizes[s] for s in out)


STRUCTURAL: dict[str, Callable[..., Any]] = {
    "reshape": _like(lambda x, shape: tuple(shape)),
    "broadcast_to": _like(lambda x, shape: tuple(shape)),
    "permute_dims": _like(lambda x, axes: tuple(_shape(x)[i] for i in axes)),
    "flip": _like(lambda x, axes: _shape(x)),
    "roll": _like(lambda x, shift, axes: _shape(x)),
    "index": _index,
    "scatter": _like(lambda g, key, shape: tuple(shape)),
    "cumulative_sum": _like(lambda x, axis: _shape(x)),
    "concat": _like(_concat),
    "contract": _like(_contract),
    "solve": _like(lambda a, b: _shape(b)),
    "cholesky": _like(_shape),
    "inv": _like(_shape),
    "attains": lambda x, y, axes: ghost(_shape(x), np.bool_),
    "argmax": _arg,
    "argmin": _arg,
}


def _kernels() -> Kernels:
    entrywise = {name: _entrywise(name) for name in ENTRYWISE}
    others = {name: _reduced(name) for name in RULES if name not in {*entrywise, *STRUCTURAL}}
    return {**others, **entrywise, **STRUCTURAL}


_KERNELS = _kernels()
GHOSTS = Backend("ghosts", _KERNELS, NUMPY, Namespace(_KERNELS, math.pi))

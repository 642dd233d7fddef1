"""Float arithmetic at the price of one numpy call: no wrapper that costs more than its work.

``KERNELS`` are the values of some rows as a trace of floats computes them: bitwise those of the
row's numpy function, of which one operand is a numpy array or scalar. Operators on numpy scalars
take a tenth of a ufunc's time, a method a tenth of its function's. ``NAMES`` are names that the
rules use on plain floats.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["KERNELS", "NAMES", "finite"]

_add_reduce: Any = np.add.reduce
Axes = tuple[int, ...]
Shape = tuple[int, ...]


def _reducer(ufunc: np.ufunc) -> Callable[[Any, Axes], Any]:
    reduce = ufunc.reduce
    return lambda x, axes: reduce(x, axes)


def _square(x: Any) -> Any:
    return x * x


def _reshape(x: Any, shape: Shape) -> Any:
    """Another shape; of shape () a number, which numpy computes with faster than with arrays."""
    return x.reshape(shape) if shape else x.reshape(shape)[()]


def _broadcast_to(x: Any, shape: Shape) -> Any:
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


def _sum(x: Any, axis: Axes | None = None, keepdims: bool = False) -> Any:
    return _add_reduce(x, axis=axis, keepdims=keepdims)


def _concat(arrays: Any, axis: int = 0) -> Any:
    return np.concatenate(arrays, axis)


def _all(x: Any) -> Any:
    return x.all()


def _transpose(x: Any, axes: Axes) -> Any:
    return x.transpose(axes)


def _matrix_transpose(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def finite(x: Any) -> bool:
    """Whether all entries of a float array or number are known to be finite."""
    if type(x) is not np.ndarray:
        return math.isfinite(x)
    if x.dtype.kind != "f":
        return False
    # one pass and no temporary; where huge entries overflow it is looked at each of them
    squares = x.dot(x) if x.ndim == 1 else np.vdot(x, x)
    return math.isfinite(squares) or bool(np.isfinite(x).all())


def _masked(g: Any, c: Any) -> Any:
    return c if finite(c) else np.where(g == 0, 0.0, c)


KERNELS: dict[str, Callable[..., Any]] = {
    # rule name -> its value on operands in the form of the row
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "square": _square,
    "sum": _reducer(np.add),
    "prod": _reducer(np.multiply),
    "max": _reducer(np.maximum),
    "min": _reducer(np.minimum),
    "reshape": _reshape,
    "permute_dims": _transpose,
}
NAMES: dict[str, Callable[..., Any]] = {
    # name in xp -> the same on plain floats
    "all": _all,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "masked": _masked,
    "matrix_transpose": _matrix_transpose,
    "permute_dims": _transpose,
    "reshape": _reshape,
    "square": _square,
    "sum": _sum,
}

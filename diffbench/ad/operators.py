"""The in-house API: gradient, Jacobian, Hessian and their products, to any order.

Every function takes ``f(x, xp, *constants)`` with ``x`` of shape ``(n,)`` and gives float64
arrays. The functions that ``grad`` and ``jacobian`` return can themselves be differentiated:
called with a traced x they return traced arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from diffbench.ad import forward, reverse
from diffbench.ad.errors import ADError
from diffbench.ad.graph import Backend, Graph, Traced, opened, shape_of
from diffbench.ad.namespace import FLOATS

__all__ = [
    "derivative_graph",
    "grad",
    "gradient_of",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "trace",
    "vjp",
]

Function = Callable[..., Any]


def _point(x: Any) -> Any:
    """x as float64 numpy of shape (n,), or as it is where it is traced or holds objects."""
    if isinstance(x, Traced):
        return x
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise ADError(f"x must be an array of numbers of shape (n,): {error}") from None
    if x.dtype.kind == "O":
        return x
    if x.dtype.kind not in "fiu":
        raise ADError(f"x must be an array of real numbers, got dtype {x.dtype}")
    if x.ndim != 1:
        raise ADError(f"x must have shape (n,), got {x.shape}; pass x.reshape(-1)")
    return x.astype(np.float64, copy=False)


def _like(seed: Any, shape: tuple[int, ...], name: str) -> Any:
    if not isinstance(seed, Traced):
        seed = np.asarray(seed)
        seed = seed if seed.dtype.kind == "O" else seed.astype(np.float64)
    if shape_of(seed) != shape:
        raise ADError(f"{name} must have shape {shape}, got {shape_of(seed)}")
    return seed


def _scalar(y: Any) -> list[Any]:
    if shape_of(y) != ():
        raise ADError(f"a gradient needs y of shape (), got {shape_of(y)}; use jacobian or vjp")
    return [1.0]


def gradient_of(f: Function, backend: Backend = FLOATS) -> Function:
    """The gradient as a function ``g(x, xp, *constants)``, itself differentiable."""

    def g(x: Any, xp: Any, *constants: Any) -> Any:
        return reverse.pull(f, x, constants, backend, _scalar)[1][0]

    return g


def grad(f: Function) -> Function:
    """``grad(f)(x, *constants)``: the gradient of shape ``(n,)``, in one reverse sweep."""
    g = gradient_of(f)
    return lambda x, *constants: _floats(g(_point(x), None, *constants))


def _floats(a: Any) -> Any:
    return a if isinstance(a, Traced) else np.asarray(a, dtype=np.float64)


def vjp(f: Function, x: Any, w: Any, *constants: Any) -> tuple[Any, Any]:
    """``(y, w J)`` for an adjoint ``w`` of the shape of y: one reverse sweep; w J is ``(n,)``."""
    y, (adjoint,) = reverse.pull(
        f, _point(x), constants, seeds=lambda y: [_like(w, shape_of(y), "w")]
    )
    return _floats(y), _floats(adjoint)


def jvp(f: Function, x: Any, v: Any, *constants: Any) -> tuple[Any, Any]:
    """``(y, J v)`` for a tangent ``v`` of shape ``(n,)``: one forward sweep; J v is like y."""
    x = _point(x)
    v = _like(v, shape_of(x), "v")
    y, tangents = forward.push(f, x, v[None, ...], constants)
    return _floats(y), _floats(tangents[0])


def unit_seeds(y: Any) -> list[Any]:
    """The unit adjoints of y, one a row of the Jacobian."""
    shape = shape_of(y)
    rows = np.eye(int(np.prod(shape, dtype=int)))
    return [row.reshape(shape) for row in rows]


def jacobian(f: Function, mode: str = "auto") -> Function:
    """``jacobian(f)(x, *constants)``: ``(m, n)``, ``(1, n)`` for y of shape ``()``.

    ``mode`` forward takes n directions, reverse m sweeps; auto takes whichever is fewer.
    """

    def call(x: Any, *constants: Any) -> Any:
        x = _point(x)
        if mode == "forward":
            return _floats(_by_columns(f, x, constants))
        with opened() as level:
            graph, y = reverse.record(f, x, constants, FLOATS, level)
            rows = int(np.prod(shape_of(y), dtype=int))
            if mode == "reverse" or rows <= shape_of(x)[0]:
                return _floats(
                    FLOATS.traced.stack([reverse.sweep(graph, w) for w in unit_seeds(y)])
                )
        return _floats(_by_columns(f, x, constants))

    return call


def _by_columns(f: Function, x: Any, constants: tuple[Any, ...]) -> Any:
    xp = FLOATS.traced
    _, tangents = forward.chunked(f, x, constants)
    return xp.matrix_transpose(xp.reshape(tangents, (shape_of(x)[0], -1)))


def hvp(f: Function, x: Any, v: Any, *constants: Any) -> Any:
    """The Hessian times ``v``, shape ``(n,)``: forward over reverse, one sweep of each."""
    return jvp(gradient_of(f), x, v, *constants)[1]


def hessian(f: Function) -> Function:
    """``hessian(f)(x, *constants)``: ``(n, n)``, n directions forward over one reverse sweep."""

    def call(x: Any, *constants: Any) -> Any:
        return _floats(forward.chunked(gradient_of(f), _point(x), constants)[1])

    return call


def trace(f: Function, x: Any, *constants: Any, as_written: bool = False) -> Graph:
    """The evaluation trace (Wengert list) of f at x, on request without the rewrite rows."""
    backend = replace(FLOATS, rewrites={}) if as_written else FLOATS
    with opened() as level:
        return reverse.record(f, _point(x), constants, backend, level)[0]


def derivative_graph(
    f: Function,
    x: Any,
    operator: str = "gradient",
    constants: tuple[Any, ...] = (),
    seed: Any = None,
    mode: str = "reverse",
) -> Graph:
    """The trace of a derivative program itself; its ``ops()`` counts its operations."""
    programs: dict[str, Function] = {
        "value": f,
        "gradient": gradient_of(f) if mode == "reverse" else lambda x, xp, *c: _flat(f, x, c),
        "jacobian": lambda x, xp, *c: jacobian(f, mode)(x, *c),
        "jvp": lambda x, xp, *c: jvp(f, x, seed, *c)[1],
        "vjp": lambda x, xp, *c: vjp(f, x, seed, *c)[1],
        "hvp": lambda x, xp, *c: hvp(f, x, seed, *c),
        "hessian": lambda x, xp, *c: hessian(f)(x, *c),
    }
    return trace(programs[operator], x, *constants)


def _flat(f: Function, x: Any, constants: tuple[Any, ...]) -> Any:
    return FLOATS.traced.reshape(_by_columns(f, x, constants), (shape_of(x)[0],))

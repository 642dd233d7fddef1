"""autograd: overloading of numpy, with the gaps of its rule tables filled in."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffbench.method import Function, Instance, Kernel, positional

Array = NDArray[np.float64]

# --- the gaps: what autograd lacks, or lacks a rule of, made of what has both rules --------------


def _flip(anp: Any) -> Callable[..., Any]:
    def flip(x: Any, axis: Any = None) -> Any:
        axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
        return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]

    return flip


def _take(anp: Any) -> Callable[..., Any]:
    def take(x: Any, indices: Any, axis: int | None = None) -> Any:
        before = (slice(None),) * (0 if axis is None else axis % x.ndim)
        return x[(*before, np.asarray(indices))]

    return take


def _concat(anp: Any) -> Callable[..., Any]:
    def concat(arrays: Any, axis: int | None = 0) -> Any:
        if axis is None:
            return anp.concatenate([anp.reshape(a, (-1,)) for a in arrays])
        return anp.concatenate(arrays, axis)

    return concat


def _cumulative_sum(anp: Any) -> Callable[..., Any]:
    return lambda x, axis=None: anp.cumsum(x, axis=0 if axis is None else axis)


def _cumulative_prod(anp: Any) -> Callable[..., Any]:
    """Running products by doubling: log2(n) products of shifted parts, zeros do no harm."""

    def cumulative_prod(x: Any, axis: int | None = None) -> Any:
        x, shift = anp.moveaxis(x, axis or 0, 0), 1
        while shift < len(x):
            x = anp.concatenate([x[:shift], x[shift:] * x[:-shift]])
            shift *= 2
        return anp.moveaxis(x, 0, axis or 0)

    return cumulative_prod


def _prod(anp: Any) -> Callable[..., Any]:
    """Products of halves: the rule of autograd divides by the factors, NaN where one is zero."""

    def prod(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        parts = anp.reshape(x, (-1,)) if axis is None else anp.moveaxis(x, axis, 0)
        while len(parts) > 1:
            half = len(parts) // 2
            product = parts[:half] * parts[half : 2 * half]
            parts = anp.concatenate([product, parts[2 * half :]]) if len(parts) % 2 else product
        if not keepdims:
            return parts[0]
        kept = [1 if axis in (None, i, i - x.ndim) else s for i, s in enumerate(x.shape)]
        return anp.reshape(parts[0], tuple(kept))

    return prod


def _diagonal(anp: Any) -> Callable[..., Any]:
    def diagonal(x: Any, offset: int = 0) -> Any:
        rows, columns = x.shape[-2:]
        i = np.arange(min(rows - max(0, -offset), columns - max(0, offset))) + max(0, -offset)
        return x[..., i, i + offset]

    return diagonal


def _trace(anp: Any) -> Callable[..., Any]:
    diagonal = _diagonal(anp)
    return lambda x, offset=0: anp.sum(diagonal(x, offset), axis=-1)


def _xlogy(anp: Any) -> Callable[..., Any]:
    """Slopes log b, and a / b with 0 for a = 0 even at b = 0."""
    xlogy = importlib.import_module("scipy.special").xlogy

    def below(a: Any, b: Any) -> Any:
        return anp.where(b == 0, anp.where(a == 0, 1.0, b), b)

    core = _ruled(
        lambda a, b: xlogy(a, b),
        [lambda y, a, b: lambda g: g * anp.log(b), lambda y, a, b: lambda g: g * (a / below(a, b))],
        [lambda g, y, a, b: g * anp.log(b), lambda g, y, a, b: g * (a / below(a, b))],
    )
    return lambda a, b: core(a * np.ones(anp.shape(b)), b * np.ones(anp.shape(a)))


def _vector_norm(anp: Any) -> Callable[..., Any]:
    return lambda x, axis=None, keepdims=False: anp.sqrt(
        anp.sum(x * x, axis=axis, keepdims=keepdims)
    )


def _ruled(function: Callable[..., Any], vjps: Any, jvps: Any) -> Callable[..., Any]:
    """A primitive of our own, with both rules."""
    extend = importlib.import_module("autograd.extend")
    ours: Callable[..., Any] = extend.primitive(function)
    extend.defvjp(ours, *vjps)
    extend.defjvp(ours, *jvps)
    return ours


def _erf(anp: Any) -> Callable[..., Any]:
    erf = importlib.import_module("scipy.special").erf

    def slope(x: Any) -> Any:
        return 2.0 / np.sqrt(np.pi) * anp.exp(-(x * x))

    return _ruled(
        lambda x: erf(x),
        [lambda y, x: lambda g: g * slope(x)],
        [lambda g, y, x: g * slope(x)],
    )


def _expit(anp: Any) -> Callable[..., Any]:
    """y (1 - y) as y(x) y(-x), which does not cancel."""
    logistic = importlib.import_module("scipy.special").expit
    expit: Callable[..., Any] = _ruled(
        lambda x: logistic(x),
        [lambda y, x: lambda g: g * (y * expit(-x))],
        [lambda g, y, x: g * (y * expit(-x))],
    )
    return expit


def _xlogx(anp: Any) -> Callable[..., Any]:
    xlogy = importlib.import_module("scipy.special").xlogy
    return _ruled(
        lambda x: xlogy(x, x),
        [lambda y, x: lambda g: g * (anp.log(x) + 1.0)],
        [lambda g, y, x: g * (anp.log(x) + 1.0)],
    )


def _solve(anp: Any) -> Callable[..., Any]:
    """A y = b: A dy = db - dA y, and the adjoint of b solves the transposed system."""

    def of_a(y: Any, a: Any, b: Any) -> Any:
        def adjoint(g: Any) -> Any:
            back = solve(a.T, g)
            return -anp.outer(back, y) if y.ndim == 1 else -anp.matmul(back, y.T)

        return adjoint

    solve: Callable[..., Any] = _ruled(
        lambda a, b: np.linalg.solve(a, b),
        [of_a, lambda y, a, b: lambda g: solve(a.T, g)],
        [lambda g, y, a, b: -solve(a, anp.matmul(g, y)), lambda g, y, a, b: solve(a, g)],
    )
    return solve


def _inv(anp: Any) -> Callable[..., Any]:
    solve = _solve(anp)
    return lambda a: solve(a, np.eye(a.shape[0]))


def _det(anp: Any) -> Callable[..., Any]:
    inv = _inv(anp)
    return _ruled(
        lambda a: np.linalg.det(a),
        [lambda y, a: lambda g: g * y * inv(a).T],
        [lambda g, y, a: y * anp.sum(inv(a).T * g)],
    )


def _slogdet(anp: Any) -> Callable[..., Any]:
    inv = _inv(anp)
    logabsdet = _ruled(
        lambda a: np.linalg.slogdet(a).logabsdet,
        [lambda y, a: lambda g: g * inv(a).T],
        [lambda g, y, a: anp.sum(inv(a).T * g)],
    )
    det = _det(anp)
    return lambda a: SimpleNamespace(sign=anp.sign(det(a)), logabsdet=logabsdet(a))


def _cholesky(anp: Any) -> Callable[..., Any]:
    """dL = L phi(L^-1 dA L^-T), phi the lower half with halved diagonal (Murray, 2016)."""
    inv = _inv(anp)

    def phi(a: Any) -> Any:
        n = a.shape[0]
        return a * (np.tril(np.ones((n, n))) - 0.5 * np.eye(n))

    def adjoint(y: Any, a: Any) -> Any:
        def pull(g: Any) -> Any:
            inverse = inv(y)
            full = anp.matmul(anp.matmul(inverse.T, phi(anp.matmul(y.T, g))), inverse)
            return 0.5 * (full + full.T)

        return pull

    def tangent(g: Any, y: Any, a: Any) -> Any:
        inverse = inv(y)
        middle = anp.matmul(anp.matmul(inverse, 0.5 * (g + g.T)), inverse.T)
        return anp.matmul(y, phi(middle))

    return _ruled(lambda a: np.linalg.cholesky(a), [adjoint], [tangent])


GAPS: Mapping[str, Callable[[Any], Callable[..., Any]]] = {
    # name -> autograd.numpy -> function with a VJP and a JVP; what is missing without it
    "asarray": lambda anp: lambda x, dtype=None: anp.array(x),  # no VJP
    "broadcast_to": lambda anp: lambda x, shape: x * np.ones(shape),  # raises on leading axes
    "concat": _concat,  # an array of boxed objects
    "cumulative_prod": _cumulative_prod,  # no VJP
    "cumulative_sum": _cumulative_sum,  # no VJP
    "diagonal": _diagonal,  # raises
    "erf": _erf,  # absent
    "expit": _expit,  # absent
    "flip": _flip,  # no VJP
    "hypot": lambda anp: lambda a, b: anp.sqrt(a * a + b * b),  # no JVP
    "matrix_transpose": lambda anp: lambda x: anp.swapaxes(x, -1, -2),  # no VJP
    "prod": _prod,  # NaN at a zero factor
    "take": _take,  # no VJP
    "trace": _trace,  # of the first two axes, not the last two
    "vecdot": lambda anp: lambda a, b, axis=-1: anp.sum(a * b, axis=axis),  # no VJP
    "xlogx": _xlogx,  # absent
    "xlogy": _xlogy,  # absent
}
LINALG_GAPS: Mapping[str, Callable[[Any], Callable[..., Any]]] = {
    "cholesky": _cholesky,  # no JVP
    "det": _det,  # no JVP
    "inv": _inv,  # no JVP
    "outer": lambda anp: anp.outer,  # no VJP under linalg
    "slogdet": _slogdet,  # no JVP
    "solve": _solve,  # no JVP
    "vector_norm": _vector_norm,  # no VJP
}
SAME = ("diagonal", "matmul", "matrix_transpose", "tensordot", "trace", "vecdot")


@functools.cache
def namespace() -> SimpleNamespace:
    """``autograd.numpy`` with its gaps filled; ``linalg`` shares the names of the standard."""
    anp = importlib.import_module("autograd.numpy")
    names = {name: value for name, value in vars(anp).items() if not name.startswith("_")}
    names |= {name: fill(anp) for name, fill in GAPS.items()}
    linalg = {name: fill(anp) for name, fill in LINALG_GAPS.items()}
    linalg |= {name: names[name] for name in SAME}
    return SimpleNamespace(**{**names, "linalg": SimpleNamespace(**linalg)})


# --- the method ----------------------------------------------------------------------------------


def _over(f: Function, *constants: Any) -> Callable[[Any], Any]:
    xp = namespace()
    return lambda x: f(x, xp, *constants)


ANSWERS: Mapping[str, Callable[..., Any]] = {
    # operator -> (autograd, f, x, seed if any, *constants) -> answer
    "value": lambda autograd, f, x, *c: _over(f, *c)(x),
    "gradient": lambda autograd, f, x, *c: autograd.grad(_over(f, *c))(x),
    "jacobian": lambda autograd, f, x, *c: np.atleast_2d(autograd.jacobian(_over(f, *c))(x)),
    "jvp": lambda autograd, f, x, v, *c: autograd.make_jvp(_over(f, *c))(x)(v)[1],
    "vjp": lambda autograd, f, x, w, *c: autograd.make_vjp(_over(f, *c))(x)[0](w),
}


@final
@dataclass(frozen=True)
class Autograd:
    """Overloads numpy's names, records a graph of closures, and walks it back.

    Formula: that of reverse mode; jvp by its forward mode; second order by differentiating the
    gradient again, over the same namespace. Cost: m sweeps; the graph is recorded anew at every
    call. Reference: Maclaurin, Modeling, inference and optimization with composable
    differentiable procedures, 2016.
    """

    name: ClassVar[str] = "autograd"
    title: ClassVar[str] = "autograd"
    category: ClassVar[str] = "reverse AD"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "m sweeps"
    reference: ClassVar[str] = "Maclaurin, Modeling, inference and optimization, 2016"
    native: ClassVar[frozenset[str]] = frozenset(ANSWERS)
    nests: ClassVar[bool] = True
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {"autograd": "pip install autograd"}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """It can answer anything that its namespace has."""
        return None

    def gradient_function(self, f: Function) -> Function:
        """The gradient of f as a function over this method's namespace."""
        autograd = importlib.import_module("autograd")
        return lambda x, xp, *constants: autograd.grad(lambda x: f(x, xp, *constants))(x)

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Nothing is prepared: every call records f again."""
        autograd = importlib.import_module("autograd")
        answer, f = ANSWERS[operator], instance.f
        return Kernel(lambda *args: answer(autograd, f, *args), positional)

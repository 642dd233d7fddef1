"""A second way to every family's derivatives, in balls, that shares no rule with the first.

Where the derivative has another closed form, that is it: the two are compared entry by entry.
Every family is also taken over truncated power series of balls, whose coefficients flint computes
itself: f(x + v t) = y + J v t + v'H v t^2 / 2.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, final

import numpy as np
import series_routes
from flint import arb, arb_series

from diffbench.ad.kinds import Fixed
from diffbench.ad.namespace import object_backend
from diffbench.ad.rules import Rule
from diffbench.measure.reference import balls
from diffbench.problem import Instance

Balls = Any  # object arrays of arb
Formula = Callable[[Instance], dict[str, Balls]]


def _objects(rows: Any, shape: tuple[int, ...]) -> Balls:
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out.reshape(shape)


def _each(name: str, x: Balls) -> Balls:
    return _objects([getattr(v, name)() for v in x.reshape(-1)], x.shape)


# --- closed forms --------------------------------------------------------------------------------


def _affine_tanh(i: Instance) -> dict[str, Balls]:
    """(1 - y^2) A."""
    a, b = map(balls, i.constants)
    y = _each("tanh", a @ balls(i.x) + b)
    return {"value": y, "jacobian": (1 - y * y)[:, None] * a}


def _chebyshev(i: Instance) -> dict[str, Balls]:
    """cos(j u) and j sin(j u) / sin u, u = acos t."""
    u = arb(float(i.x[0])).acos()
    order = range(1, i.m + 1)
    value = _objects([(j * u).cos() for j in order], (i.m,))
    return {
        "value": value,
        "jacobian": _objects([j * (j * u).sin() / u.sin() for j in order], (i.m, 1)),
    }


def _logistic(i: Instance) -> dict[str, Balls]:
    """sin^2(N t), N = 2^(depth - 1), t = asin sqrt x; and its derivatives by dx = sin 2t dt."""
    t, n = arb(float(i.x[0])).sqrt().asin(), 2 ** (i.depth - 1)
    s, c, big_s, big_c = (2 * t).sin(), (2 * t).cos(), (2 * n * t).sin(), (2 * n * t).cos()
    bend = 2 * n * (n * big_c * s - c * big_s) / s**3
    return {
        "value": np.array((n * t).sin() ** 2, dtype=object),
        "gradient": _objects([n * big_s / s], (1,)),
        "hessian": _objects([bend], (1, 1)),
    }


def _speelpenning(i: Instance) -> dict[str, Balls]:
    """y / x_i and y / (x_i x_j), 0 on the diagonal."""
    x = balls(i.x)
    y = np.prod(x)
    hessian = y / (x[:, None] * x)
    hessian[np.diag_indices(i.n)] = arb(0)
    return {"value": np.array(y, dtype=object), "gradient": y / x, "hessian": hessian}


def _det(i: Instance) -> dict[str, Balls]:
    """Leibniz' sum, which is linear in each row: a unit row takes the place of each moved one."""
    side = int(i.n**0.5)
    rows = series_routes.matrix(balls(i.x).tolist(), side)
    units = [[arb(int(j == k)) for j in range(side)] for k in range(side)]

    def moved(places: dict[int, int]) -> Any:
        return series_routes.det(
            [units[places[r]] if r in places else rows[r] for r in range(side)]
        )

    at = [divmod(k, side) for k in range(i.n)]
    second = [moved({r: c, p: q}) if r != p else arb(0) for r, c in at for p, q in at]
    return {
        "value": np.array(moved({}), dtype=object),
        "gradient": _objects([moved({r: c}) for r, c in at], (i.n,)),
        "hessian": _objects(second, (i.n, i.n)),
    }


def _lse(i: Instance) -> dict[str, Balls]:
    """p_i = 1 / sum_j exp(x_j - x_i), and diag(p) - p p'."""
    x = balls(i.x)
    p = 1 / np.sum(_each("exp", x[:, None] - x), axis=0)
    hessian = -p[:, None] * p
    hessian[np.diag_indices(i.n)] += p
    return {
        "value": np.array(np.sum(_each("exp", x)).log(), dtype=object),
        "gradient": p,
        "hessian": hessian,
    }


def _matrix_chain(i: Instance) -> dict[str, Balls]:
    """D' C' B' A' with W' = diag(cos W h) W, as the sum over all paths through the layers."""
    h, product = balls(i.x), np.eye(i.n)
    for w in map(balls, i.constants):
        z = w @ h
        product, h = _each("cos", z)[:, None] * (w @ product), _each("sin", z)
    return {"value": h, "jacobian": product}


def _bratu(i: Instance) -> dict[str, Balls]:
    """(n + 1)^2 tridiag(1, -2, 1) + lambda diag(e^x)."""
    second = np.eye(i.n, k=1) - 2.0 * np.eye(i.n) + np.eye(i.n, k=-1)
    grow = balls(i.constants[0]).item() * _each("exp", balls(i.x))
    return {"jacobian": balls((i.n + 1.0) ** 2 * second) + np.eye(i.n) * grow}


def _llsq(i: Instance) -> dict[str, Balls]:
    """The normal equations (V'V) x - V's by power sums."""
    powers, signs = map(balls, i.constants)
    hessian = powers.T @ powers
    return {"gradient": hessian @ balls(i.x) - signs @ powers, "hessian": hessian}


CLOSED: dict[str, Formula] = {
    "affine_tanh": _affine_tanh,
    "bratu": _bratu,
    "chebyshev": _chebyshev,
    "det": _det,
    "llsq": _llsq,
    "logistic": _logistic,
    "lse": _lse,
    "matrix_chain": _matrix_chain,
    "speelpenning": _speelpenning,
}
NO_FORM = {
    # family: why its derivative has no second form; power series of f are its second way
    "attention": "softmax, products and squares nest: any formula for it is backpropagation again",
    "ba": "residuals through a rotation and a camera: the chain rule is the only formula",
    "black_scholes": "f rounds sqrt(1/2): the Greeks hold for it to 17 digits, and are by hand",
    "brusselator": "a product of the Jacobians of its steps, which is what is written by hand",
    "dlstm": "a recurrence over the sequence: the derivative is its adjoint recurrence",
    "fisher": "a product of the Jacobians of its steps, which is what is written by hand",
    "gmm": "responsibilities times differences is the one known form, and written by hand",
    "hand": "a chain of rotations, whose derivative by hand is the velocity formula itself",
    "helmholtz": "a sum of a few terms: the closed form is what is written by hand",
    "kmeans": "quadratic between ties: the closed form is what is written by hand",
    "lecture": "three terms a pair: the closed form is what is written by hand",
    "mlp": "any formula for a network of layers is backpropagation again",
    "newton_root": "the steps taken have no closed form; the root's own derivative is another one",
    "ode": "the discrete map has no closed form, nor has its derivative",
    "piecewise": "polynomials of degree 3: the closed form is what is written by hand",
    "rosenbrock": "a polynomial of degree 4: the closed form is what is written by hand",
}


# --- power series --------------------------------------------------------------------------------


@final
class Power:
    """A power series as a number: numpy would take flint's own for a sequence of coefficients."""

    def __init__(self, series: Any) -> None:
        self.series = series

    def __neg__(self) -> Power:
        return Power(-self.series)


def _operator(of: Callable[..., Any]) -> tuple[Any, Any]:
    def ahead(self: Power, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented  # it goes entry by entry
        return Power(of(self.series, _series(other)))

    def behind(self: Power, other: Any) -> Power:
        return Power(of(_series(other), self.series))

    return ahead, behind


for name in ("add", "sub", "mul", "truediv", "pow"):
    ahead, behind = _operator(getattr(operator, name))
    setattr(Power, f"__{name}__", ahead)
    setattr(Power, f"__r{name}__", behind)


def _comparison(of: Callable[..., bool]) -> Callable[[Power, Any], bool]:
    return lambda self, other: of(_middle(self), _middle(other))


for name in ("lt", "gt"):  # a program that branches on values
    setattr(Power, f"__{name}__", _comparison(getattr(operator, name)))


def _series(a: Any) -> Any:
    if isinstance(a, Power):
        return a.series
    return arb_series([a if isinstance(a, arb) else arb(float(a))], 3)


def _scalar(rule: Rule) -> Any:
    """A row on power series by its route; what is piecewise goes by the midpoints."""
    route = series_routes.SERIES.get(rule.name)
    if route is not None:
        return lambda *args: Power(route(*map(_series, args)))
    if isinstance(rule.kind, Fixed):
        exact = series_routes.FIXED[rule.name]
        return lambda *args: exact(*(a if isinstance(a, bool) else _middle(a) for a in args))
    return {"where": lambda c, a, b: a if c else b, "masked": lambda g, c: c}[rule.name]


def _middle(a: Any) -> float:
    return float(_series(a)[0].mid())


@functools.cache
def _namespace() -> Any:
    return object_backend("series", _scalar, arb.pi(), argmin=_arg(min), argmax=_arg(max)).traced


def _arg(best: Callable[..., Any]) -> Callable[..., Any]:
    def place(row: Any) -> int:
        return int(best(range(len(row)), key=lambda k: _middle(row[k])))

    return lambda x, axis: (
        place(x.reshape(-1)) if axis is None else np.apply_along_axis(place, axis, x)
    )


def along(instance: Instance, v: Any) -> tuple[Balls, Balls]:
    """J v, shaped like y, and the second derivative along v, by power series of f."""
    terms = zip(balls(instance.x).tolist(), balls(v).tolist(), strict=True)
    x = _objects([Power(arb_series([a, b], 3)) for a, b in terms], (instance.n,))
    y = np.asarray(instance.f(x, _namespace(), *map(balls, instance.constants)), dtype=object)
    flat = [_series(s) for s in y.reshape(-1)]
    return tuple(_objects([k * s[k] for s in flat], y.shape) for k in (1, 2))  # type: ignore[return-value]  # two

"""Finite differences: the derivative from values of f alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffbench.ad.namespace import NUMPY
from diffbench.method import Instance, Kernel, positional

Array = NDArray[np.float64]
Values = Callable[[Array], Any]

EPS = float(np.finfo(np.float64).eps)
MOST_CALLS, MOST_OF_HESSIAN = 100_000, 20_000  # some ten seconds, some one
# scheme -> the power of eps of the step: first order, second order. It balances truncation
# (h, h^2) against rounding (eps/h for first, eps/h^2 for second derivatives).
POWER = {"forward": (1 / 2, 1 / 3), "central": (1 / 3, 1 / 4)}
CALLS: Mapping[str, Mapping[str, Callable[[int], int]]] = {
    # scheme -> operator -> calls of f
    "forward": {
        "gradient": lambda n: n + 1,
        "jacobian": lambda n: n + 1,
        "hvp": lambda n: 2 * n + 2,
        "hessian": lambda n: (n + 1) * (n + 2) // 2,
    },
    "central": {
        "gradient": lambda n: 2 * n,
        "jacobian": lambda n: 2 * n,
        "hvp": lambda n: 4 * n,
        "hessian": lambda n: 2 * n * n + 1,
    },
}


def _steps(x: Array, power: float) -> Array:
    """h_i = eps^power max(1, |x_i|), changed so that x_i + h_i is a machine number."""
    near = x + EPS**power * np.maximum(1.0, np.abs(x))
    return np.asarray(near - x)


def _length(x: Array, v: Array, power: float) -> float:
    """The step along v that moves its largest entry by eps^power max(1, |x|)."""
    size = float(np.max(np.abs(v)))
    return float(EPS**power * max(1.0, float(np.max(np.abs(x)))) / size) if size else 1.0


class _Point:
    """A copy of x of which single entries are moved; f sees it through a read-only view."""

    def __init__(self, f: Values, x: Array) -> None:
        self._f, self._at = f, x.copy()
        self._seen = self._at.view()
        self._seen.flags.writeable = False

    def moved(self, *moves: tuple[int, float]) -> Any:
        """f at x with each entry i moved by its h; moves of one entry add up."""
        before = [(i, self._at[i]) for i, _ in moves]
        for i, h in moves:
            self._at[i] += h
        y = self._f(self._seen)
        for i, old in reversed(before):
            self._at[i] = old
        return y


# --- the formulas: (f, x) or (f, x, v) -> answer --------------------------------------------------


def _forward_columns(f: Values, x: Array) -> Array:
    """(f(x + h e_i) - f(x)) / h: n + 1 calls."""
    point, y = _Point(f, x), f(x)
    steps = _steps(x, POWER["forward"][0])
    return np.array([(point.moved((i, h)) - y) / h for i, h in enumerate(steps)]).T


def _central_columns(f: Values, x: Array) -> Array:
    """(f(x + h e_i) - f(x - h e_i)) / 2h: 2n calls."""
    point, steps = _Point(f, x), _steps(x, POWER["central"][0])
    rows = [(point.moved((i, h)) - point.moved((i, -h))) / (2.0 * h) for i, h in enumerate(steps)]
    return np.array(rows).T


def _forward_jvp(f: Values, x: Array, v: Array) -> Any:
    h = _length(x, v, POWER["forward"][0])
    return (f(x + h * v) - f(x)) / h


def _central_jvp(f: Values, x: Array, v: Array) -> Any:
    h = _length(x, v, POWER["central"][0])
    return (f(x + h * v) - f(x - h * v)) / (2.0 * h)


def _forward_hvp(f: Values, x: Array, v: Array) -> Array:
    """(f(x + hv + k e_i) - f(x + hv) - f(x + k e_i) + f(x)) / hk: 2n + 2 calls."""
    power = POWER["forward"][1]
    h, steps = _length(x, v, power), _steps(x, power)
    here, there = _Point(f, x), _Point(f, x + h * v)
    base = there.moved() - here.moved()
    rows = [
        (there.moved((i, k)) - here.moved((i, k)) - base) / (h * k) for i, k in enumerate(steps)
    ]
    return np.array(rows)


def _central_hvp(f: Values, x: Array, v: Array) -> Array:
    """The four-point formula with steps hv and k e_i: 4n calls."""
    power = POWER["central"][1]
    h, steps = _length(x, v, power), _steps(x, power)
    ahead, behind = _Point(f, x + h * v), _Point(f, x - h * v)

    def entry(i: int, k: float) -> Any:
        bend = ahead.moved((i, k)) - ahead.moved((i, -k))
        return (bend - (behind.moved((i, k)) - behind.moved((i, -k)))) / (4.0 * h * k)

    return np.array([entry(i, k) for i, k in enumerate(steps)])


def _symmetric(n: int, entry: Callable[[int, int], Any]) -> Array:
    """The matrix with those entries on and above the diagonal, mirrored below."""
    out = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            out[i, j] = out[j, i] = entry(i, j)
    return out


def _forward_hessian(f: Values, x: Array) -> Array:
    """(f(x + h_i + h_j) - f(x + h_i) - f(x + h_j) + f(x)) / h_i h_j: (n + 1)(n + 2)/2 calls."""
    point, y, h = _Point(f, x), f(x), _steps(x, POWER["forward"][1])
    single = [point.moved((i, h[i])) - y for i in range(x.size)]

    def entry(i: int, j: int) -> Any:
        return (point.moved((i, h[i]), (j, h[j])) - y - single[i] - single[j]) / (h[i] * h[j])

    return _symmetric(x.size, entry)


def _central_hessian(f: Values, x: Array) -> Array:
    """Second central differences, of three points on the diagonal, else four: 2n^2 + 1 calls."""
    point, y, h = _Point(f, x), f(x), _steps(x, POWER["central"][1])

    def entry(i: int, j: int) -> Any:
        a, b = h[i], h[j]
        if i == j:
            return (point.moved((i, a)) - y - (y - point.moved((i, -a)))) / (a * a)
        same = point.moved((i, a), (j, b)) + point.moved((i, -a), (j, -b))
        return (same - point.moved((i, a), (j, -b)) - point.moved((i, -a), (j, b))) / (4.0 * a * b)

    return _symmetric(x.size, entry)


FORMULAS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "forward": {
        "value": lambda f, x: f(x),
        "gradient": _forward_columns,
        "jacobian": lambda f, x: np.atleast_2d(_forward_columns(f, x)),
        "jvp": _forward_jvp,
        "hvp": _forward_hvp,
        "hessian": _forward_hessian,
    },
    "central": {
        "value": lambda f, x: f(x),
        "gradient": _central_columns,
        "jacobian": lambda f, x: np.atleast_2d(_central_columns(f, x)),
        "jvp": _central_jvp,
        "hvp": _central_hvp,
        "hessian": _central_hessian,
    },
}


@final
@dataclass(frozen=True)
class FiniteDifference:
    """Quotients of differences of f, one input at a time.

    Formulas: forward (f(x + h e_i) - f(x)) / h with h = eps^(1/2) max(1, |x_i|), error O(h);
    central (f(x + h e_i) - f(x - h e_i)) / 2h with h = eps^(1/3) max(1, |x_i|), error O(h^2);
    second order from second differences of f with steps of their own, eps^(1/3) and eps^(1/4).
    Cost: n + 1 (forward) or 2n (central) calls of f for all first derivatives, 2 for a jvp.
    Reference: Nocedal and Wright, Numerical Optimization, 2nd edition, 2006, section 8.1.
    """

    scheme: str

    name: ClassVar[str] = "finite_difference"
    title: ClassVar[str] = "Finite differences"
    category: ClassVar[str] = "numerical"
    claim: ClassVar[str] = "approximate"
    cost: ClassVar[str] = "n + 1 (forward) or 2n (central) calls of f"
    reference: ClassVar[str] = "Nocedal and Wright, Numerical Optimization, 2006, section 8.1"
    native: ClassVar[frozenset[str]] = frozenset(FORMULAS["forward"])
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {"scheme": tuple(FORMULAS)}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where one answer would take too many calls of f."""
        calls = CALLS[self.scheme].get(operator)
        count = calls(instance.n) if calls else 2
        most = MOST_OF_HESSIAN if operator == "hessian" else MOST_CALLS
        if count <= most:
            return None
        return f"finite_difference: one {operator} takes {count} calls of f, over {most}"

    def build(self, instance: Instance, operator: str) -> Kernel:
        """The formula with f in numpy; every call of f is one call of the instance's function."""
        formula, f = FORMULAS[self.scheme][operator], instance.f

        def call(x: Array, *rest: Any) -> Any:
            seeds, constants = rest[:seeded], rest[seeded:]
            return formula(lambda at: f(at, NUMPY, *constants), x, *seeds)

        seeded = int(operator in ("jvp", "hvp"))
        return Kernel(call, positional)

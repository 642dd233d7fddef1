"""An oracle that shares no derivative rule with the library: differences of values at 120 digits.

The program is evaluated over mpmath numbers, by the sympy column of the table; its derivatives
are central differences with steps so small that 50 digits are right.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import sympy

from diffbench.ad.namespace import object_backend
from diffbench.measure.reference import Reference, certify
from diffbench.problem import Family, Instance, Parameter, Parts

mp = mpmath.mp.clone()
mp.dps = 130
NOTHING = mp.mpf(10) ** -45  # what differences at 130 digits leave of an exact zero is smaller

_FIXED = {
    "where": lambda c, a, b: a if c else b,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda a, b: bool(a) and bool(b),
    "logical_or": lambda a, b: bool(a) or bool(b),
    "logical_not": operator.not_,
    "masked": lambda g, c: c,
    "sign": mp.sign,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "round": mp.nint,
    "trunc": lambda x: mp.floor(x) if x >= 0 else mp.ceil(x),
    "isfinite": mp.isfinite,
    "isnan": mp.isnan,
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "remainder": lambda a, b: a - b * mp.floor(a / b),
}


@functools.cache
def _lambdified(rule: Any) -> Any:
    count = getattr(rule.numpy, "nin", len(rule.partials))
    symbols = sympy.symbols(f"a:{count}")
    value = (
        getattr(sympy, rule.sympy)(*symbols)
        if isinstance(rule.sympy, str)
        else rule.sympy(sympy, *symbols)
    )
    return sympy.lambdify(symbols, value, [{}, _mp_functions()])


@functools.cache
def _mp_functions() -> dict[str, Any]:
    return {name: getattr(mp, name) for name in dir(mp) if not name.startswith("_")}


def _scalar(rule: Any) -> Any:
    function = _FIXED.get(rule.name) or _lambdified(rule)
    return lambda *args: function(
        *(mp.mpf(a) if isinstance(a, float | int) and not isinstance(a, bool) else a for a in args)
    )


@functools.cache
def namespace() -> Any:
    """``xp`` over object arrays of mpmath numbers."""
    return object_backend("mpmath", _scalar, +mp.pi).traced


def _numbers(x: Any) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        out = np.empty(x.size, dtype=object)
        out[:] = [mp.mpf(v) for v in x.reshape(-1).tolist()]
        return out.reshape(x.shape)
    return mp.mpf(x) if isinstance(x, float) else x


def value(instance: Instance, x: Any) -> Any:
    """f at an object array of mpmath numbers."""
    out = instance.f(x, namespace(), *map(_numbers, instance.constants))
    return np.asarray(out, dtype=object)


def jvp(instance: Instance, v: Any) -> Any:
    """J v by central differences; good to 50 digits."""
    x, h = _numbers(instance.x), mp.mpf(10) ** -40
    return (value(instance, x + h * v) - value(instance, x - h * v)) / (2 * h)


def second(instance: Instance, v: Any, u: Any) -> Any:
    """u^T H v by central differences; good to 50 digits."""
    x, h = _numbers(instance.x), mp.mpf(10) ** -30
    a, b = h * v, h * u
    return (
        value(instance, x + a + b)
        - value(instance, x + a - b)
        - value(instance, x - a + b)
        + value(instance, x - a - b)
    ) / (4 * h * h)


def answer(instance: Instance, operator_name: str) -> Any:
    """The answer to an operator as an object array of mpmath numbers."""
    n = instance.n
    units = [_numbers(row) for row in np.eye(n)]
    if operator_name == "jvp":
        return jvp(instance, _numbers(instance.v))
    if operator_name in ("gradient", "jacobian"):
        columns = np.stack([jvp(instance, e) for e in units], axis=-1)
        return columns if operator_name == "gradient" else columns.reshape(-1, n)
    if operator_name == "hvp":
        v = _numbers(instance.v)
        return np.stack([second(instance, v, e) for e in units])
    return np.stack([np.stack([second(instance, a, b) for b in units]) for a in units])


def reference(instance: Instance, operator_name: str) -> Reference:
    """The oracle's answer with the condition (rad53) that the certified reference states."""
    exact = np.asarray(answer(instance, operator_name), dtype=object)
    flat = [v if abs(v) > NOTHING else mp.mpf(0) for v in map(mp.mpf, exact.reshape(-1))]
    hi = np.array([float(v) for v in flat])
    lo = np.array([float(v - h) for v, h in zip(flat, hi.tolist(), strict=True)])
    proven = certify(instance, operator_name)
    shape = exact.shape
    return replace(proven, hi=hi.reshape(shape), lo=lo.reshape(shape), radius=np.zeros(shape))


def instance_of(f: Any, x: Any, m: int | None = None, constants: tuple[Any, ...] = ()) -> Instance:
    """A one-off instance of a function at a point."""
    x = np.asarray(x, dtype=float)
    parts = Parts(f=f, x=x, prepare_x=x, constants=constants, m=m)
    family = Family(
        name="once",
        title="",
        shows="",
        reference="",
        latex="",
        parameters={"n": Parameter(default=len(x), help="inputs")},
        sizes={},
        build=lambda params, rng: parts,
    )
    return family.instance()

"""The namespaces ``xp`` over which a function is written once.

All carry the same names: an audited subset of the Python array API standard, and the few of
``EXTRAS`` outside it. ``NUMPY`` is plain numpy (also complex); a
:class:`~diffbench.ad.arrays.Namespace` offers the names over traced arrays and over the kernels
of one arithmetic: floats, balls, expressions.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from diffbench.ad import floats, objects
from diffbench.ad.arrays import NAMES, Namespace, lacking
from diffbench.ad.errors import ADError, NamespaceError, numpy_given
from diffbench.ad.graph import Backend, Kernels
from diffbench.ad.rules import ENTRYWISE, RULES, Rule

__all__ = [
    "EXTRAS",
    "FLOATS",
    "NAMES",
    "NUMPY",
    "Namespace",
    "explained",
    "object_backend",
    "sympy_namespace",
]

EXTRAS = {
    # names outside the standard, with their reason
    "erf": "the error function: no composition of standard names has full accuracy",
    "xlogy": "x log y with 0 log 0 = 0: entropies need it",
    "expit": "the logistic function, which keeps its derivative far out on both sides",
    "xlogx": "x log x with its slope at 0, which the product rule cannot give",
    "dot": "the inner product of two vectors, as numpy, jax and autograd spell it",
    "masked": "used by the rule table: a zero direction stays zero",
    "attains": "used by the rule table: who attains a maximum",
    "contract": "used by the rule table: the one bilinear primitive",
    "scatter": "used by the rule table: the transpose of indexing",
    "sech2": "used by the rule table: the slope of tanh, in every order without overflow",
    "root": "used by the rule table: what the square root of a sum of squares is recorded as",
    "explog": "used by the rule table: what exp(log(x)) is recorded as",
}


def _numpy_namespace() -> SimpleNamespace:
    """Plain numpy under the same names; what numpy lacks is filled in from the kernels."""
    table: dict[str, Any] = {name: getattr(np, name) for name in NAMES if hasattr(np, name)}
    for name in ENTRYWISE:
        table.setdefault(name, RULES[name].numpy)
    for name in ("scatter", "contract", "attains"):
        table[name] = RULES[name].numpy
    table["linalg"] = np.linalg
    missing = [name for name in NAMES if name not in table]
    if missing:
        raise ADError(f"numpy lacks {missing}; fill them in")
    return SimpleNamespace(**table)


NUMPY = _numpy_namespace()


def explained(error: BaseException) -> BaseException:
    """The same error, or in place of what Python or numpy says one that says what to write.

    ``NUMPY`` is measured: its names stay plain attributes, and one that it lacks is told here.
    """
    if isinstance(error, AttributeError) and error.obj is NUMPY:
        return NamespaceError(lacking(str(error.name)))
    return numpy_given(error) or error


# names on plain operands keep numpy's functions, which take lists and Python numbers as well; the
# operands of a trace, and what its rules compute with, hold numpy's own
_NUMPY_KERNELS: Kernels = {name: rule.numpy for name, rule in RULES.items()}
_FLOAT_KERNELS: Kernels = {**_NUMPY_KERNELS, **floats.KERNELS}
_PLAIN = SimpleNamespace(**{**vars(NUMPY), **floats.NAMES})
FLOATS = Backend("floats", _FLOAT_KERNELS, _PLAIN, Namespace(_NUMPY_KERNELS))


def _bare() -> Backend:
    """The arithmetic of floats with masks that mask nothing."""
    plain, traced = SimpleNamespace(**vars(_PLAIN)), Namespace(_NUMPY_KERNELS)
    plain.masked = traced.masked = lambda g, c: c  # type: ignore[attr-defined]  # set by name
    return Backend("floats without masks", _FLOAT_KERNELS, plain, traced)


BARE = _bare()


def object_backend(name: str, scalar: Callable[[Rule], Any], pi: Any, **more: Any) -> Backend:
    """The arithmetic of numpy object arrays whose entries ``scalar(rule)`` knows to compute."""
    table = objects.kernels(scalar, **more)
    xp = Namespace(table, pi)
    return Backend(name, table, xp, xp)


def sympy_namespace() -> Namespace:
    """The names over object arrays of sympy expressions, made from the table's sympy column."""
    sp = importlib.import_module("sympy")

    def scalar(rule: Rule) -> Any:
        if isinstance(rule.sympy, str):
            return getattr(sp, rule.sympy)
        return lambda *args: rule.sympy(sp, *args)

    xp: Namespace = object_backend("sympy", scalar, sp.pi).traced
    return xp

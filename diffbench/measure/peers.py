"""The gradient checkers of other libraries, asked whether a given derivative is that of f.

Each is used as its documentation does, with its default tolerances and modes: the derivative is
given to the library as the rule of a primitive whose value is f in numpy, and the checker compares
it with differences of f. To first order, for a rule that is one array has no derivative. Gaps are
known: FACTS 3.3.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench.ad.namespace import NUMPY
from diffbench.problem import Instance

__all__ = ["PEERS", "Peer", "linear_in"]

Array = NDArray[np.float64]
SEED = 20_180_419  # of numpy's global generator, from which two of the checkers draw directions


@final
@dataclass(frozen=True, slots=True)
class Peer:
    """A checker: ``objects(instance, derivative)`` says why it refuses, or is None where it passes.

    ``derivative`` is the gradient ``(n,)`` of a scalar f, or the Jacobian ``(m, n)``.
    """

    name: str
    package: str
    install: str
    check: Callable[[Callable[[Any], Array], Array, Array], Any]

    def missing(self) -> str | None:
        """The sentence why it cannot be asked, or None."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed: {self.install}"
        return None

    def objects(self, instance: Instance, derivative: Array) -> str | None:
        """What it says against this derivative of f at x; None where it lets it pass."""
        np.random.seed(SEED)  # noqa: NPY002  # the checkers draw from the global generator
        with np.errstate(all="ignore"):
            try:
                self.check(value_of(instance), instance.x, derivative)
            except Exception as error:
                said = str(error).strip().splitlines() or [""]
                return f"{type(error).__name__}: {said[0]}"
        return None


def value_of(instance: Instance) -> Callable[[Any], Array]:
    """f in numpy, as a function of x alone."""
    return lambda x: np.asarray(instance.f(np.asarray(x), NUMPY, *instance.constants))


def linear_in(derivative: Array) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """``(jvp(v), vjp(w))`` of a gradient or Jacobian, in the type that it has."""
    if derivative.ndim == 1:
        return lambda v: derivative @ v, lambda w: derivative * w
    return lambda v: derivative @ v, lambda w: w @ derivative


def _jax(f: Callable[[Any], Array], x: Array, derivative: Array) -> None:
    """``jax.test_util.check_grads(f, (x,), order=1)``, both modes, of a ``jax.custom_jvp``."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    check = importlib.import_module("jax.test_util").check_grads
    jvp, _ = linear_in(jax.numpy.asarray(derivative))
    ruled = jax.custom_jvp(lambda x: jax.numpy.asarray(f(x)))
    ruled.defjvp(lambda x, v: (ruled(*x), jvp(v[0]).astype(derivative.dtype)))
    check(ruled, (jax.numpy.asarray(x),), order=1)


def _autograd(f: Callable[[Any], Array], x: Array, derivative: Array) -> None:
    """``autograd.test_util.check_grads(f, order=1)(x)``, both modes, of a primitive."""
    extend = importlib.import_module("autograd.extend")
    check = importlib.import_module("autograd.test_util").check_grads
    jvp, vjp = linear_in(derivative)
    ruled = extend.primitive(f)
    dtype = derivative.dtype
    extend.defvjp(ruled, lambda y, x: lambda w: np.asarray(vjp(w)).astype(dtype))
    extend.defjvp(ruled, lambda v, y, x: np.asarray(jvp(v)).astype(dtype))
    check(ruled, order=1)(x)


def _torch(f: Callable[[Any], Array], x: Array, derivative: Array) -> None:
    """``torch.autograd.gradcheck(f, x)`` of a ``torch.autograd.Function``."""
    torch = importlib.import_module("torch")
    _, vjp = linear_in(torch.as_tensor(derivative))

    def forward(context: Any, x: Any) -> Any:
        return torch.as_tensor(f(x.detach().numpy()))

    def backward(context: Any, w: Any) -> Any:
        return vjp(w.to(torch.as_tensor(derivative).dtype))

    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    ruled: Any = type("Ruled", (torch.autograd.Function,), body)
    torch.autograd.gradcheck(ruled.apply, torch.tensor(x, requires_grad=True))


PEERS = {
    row.name: row
    for row in (
        Peer("jax.test_util.check_grads", "jax", "pip install jax", _jax),
        Peer("autograd.test_util.check_grads", "autograd", "pip install autograd", _autograd),
        Peer("torch.autograd.gradcheck", "torch", "pip install torch", _torch),
    )
}

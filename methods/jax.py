"""JAX: traced once, compiled by XLA, differentiated by either mode."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from diffbench.errors import Unsupported
from diffbench.method import Function, Instance, Kernel, positional

Array = NDArray[np.float64]

# operator -> mode -> (jax, g) -> program, for g(x, *constants); with a seed as second argument
REVERSE: Mapping[str, Callable[[Any, Callable[..., Any]], Callable[..., Any]]] = {
    "value": lambda jax, g: g,
    "gradient": lambda jax, g: jax.grad(g),
    "jacobian": lambda jax, g: lambda *args: jax.numpy.atleast_2d(jax.jacrev(g)(*args)),
    "vjp": lambda jax, g: lambda x, w, *c: jax.vjp(lambda x: g(x, *c), x)[1](w)[0],
    "hvp": lambda jax, g: _pushed(jax, jax.grad(g)),
    "hessian": lambda jax, g: jax.jacfwd(jax.jacrev(g)),
}
FORWARD: Mapping[str, Callable[[Any, Callable[..., Any]], Callable[..., Any]]] = {
    "value": lambda jax, g: g,
    "gradient": lambda jax, g: jax.jacfwd(g),
    "jacobian": lambda jax, g: lambda *args: jax.numpy.atleast_2d(jax.jacfwd(g)(*args)),
    "jvp": lambda jax, g: _pushed(jax, g),
    "hvp": lambda jax, g: _pushed(jax, jax.jacfwd(g)),
    "hessian": lambda jax, g: jax.jacfwd(jax.jacfwd(g)),
}
PROGRAMS = {"reverse": REVERSE, "forward": FORWARD}
MOST_INPUTS = {"gradient": 4_096, "jacobian": 4_096, "hvp": 1_024, "hessian": 128}


def _pushed(jax: Any, g: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, v, *c: jax.jvp(lambda x: g(x, *c), (x,), (v,))[1]


def _jax() -> Any:
    """The module, switched to float64 before its first use."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


def namespace() -> SimpleNamespace:
    """``jax.numpy`` and the names outside the standard."""
    jnp, special = _jax().numpy, importlib.import_module("jax.scipy.special")
    names = {name: getattr(jnp, name) for name in dir(jnp) if not name.startswith("_")}
    extras = {name: getattr(special, name) for name in ("erf", "expit", "xlogy")}
    return SimpleNamespace(**names, **extras, xlogx=lambda x: special.xlogy(x, x))


def _looped(step: Function, depth: int) -> Function:
    """The loop as one operation of JAX, which compiles its step once; unrolled it takes minutes."""
    jax = _jax()

    def run(state: Any, *constants: Any, xp: Any) -> Any:
        return jax.lax.fori_loop(0, depth, lambda i, u: step(u, xp, i, *constants), state)

    return run


def _over(f: Function) -> Callable[..., Any]:
    xp = namespace()
    return lambda x, *constants: f(x, xp, *constants)


def _equations(jaxpr: Any) -> int:
    """The equations of a jaxpr; one that only calls another counts as that other's."""
    return sum(_inside(equation) for equation in jaxpr.eqns)


def _inside(equation: Any) -> int:
    inner = [getattr(p, "jaxpr", p) for v in equation.params.values() for p in _flat(v)]
    programs = [p for p in inner if hasattr(p, "eqns")]
    return sum(map(_equations, programs)) if programs else 1


def _flat(value: Any) -> Iterable[Any]:
    return value if isinstance(value, tuple | list) else (value,)


@final
@dataclass(frozen=True)
class Jax:
    """Traces f once, derives it by one mode, and compiles the result for this processor.

    Formulas: gradient by a pulled-back 1 (reverse) or n pushed directions (forward); hvp pushes
    one direction over the gradient of the mode. Float64 is switched on; constants are arguments
    of the compiled function, which returns when the numbers are there. Cost: m sweeps (reverse)
    or n directions (forward). Reference: Bradbury et al., JAX: composable transformations of
    Python+NumPy programs, 2018.
    """

    mode: str

    name: ClassVar[str] = "jax"
    title: ClassVar[str] = "JAX"
    category: ClassVar[str] = "AD"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "m sweeps (reverse) or n directions (forward), compiled"
    reference: ClassVar[str] = "Bradbury et al., JAX: composable transformations of programs, 2018"
    native: ClassVar[frozenset[str]] = frozenset({*REVERSE, *FORWARD})
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {"mode": tuple(PROGRAMS)}
    requires: ClassVar[Mapping[str, str]] = {"jax": "pip install jax"}
    version: ClassVar[str] = "1"

    def native_for(self, instance: Instance) -> frozenset[str]:
        """The operators of the mode; the others are derived from them."""
        return frozenset(PROGRAMS[self.mode])

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where forward mode would carry too many tangents."""
        limit = MOST_INPUTS.get(operator, instance.n)
        if self.mode == "reverse" or instance.n <= limit:
            return None
        return f"jax: {operator} of n = {instance.n} by forward mode; n may be {limit}"

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Trace and compile at another point; raises Unsupported where values decide the way."""
        jax = _jax()
        f = instance.f if instance.step is None else instance.in_parts(_looped)
        program = PROGRAMS[self.mode][operator](jax, _over(f))
        compiled = jax.jit(program)

        def call(*args: Any) -> Any:
            return compiled(*args).block_until_ready()

        def stage(x: Array, seed: Array | None, constants: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(map(jax.device_put, positional(x, seed, constants)))

        elsewhere = stage(instance.prepare_x, instance.seed_of(operator), instance.constants)
        try:
            out = call(*elsewhere)
        except jax.errors.ConcretizationTypeError as error:
            raise Unsupported(
                f"jax: a loop or branch of {instance.family} depends on values, which jit forbids"
            ) from error
        if out.dtype != np.float64:
            raise Unsupported(f"jax: {operator} of {instance.name} came out as {out.dtype}")
        return Kernel(
            call,
            stage,
            sizes=lambda: {"jaxpr_eqns": _equations(jax.make_jaxpr(program)(*elsewhere).jaxpr)},
        )

"""Methods: one way to answer the operators, and the callable that preparing one leaves.

A method is one file with one final class. It declares data (name, category, native operators,
what it needs) and does two things: ``why_not`` says in a sentence what it cannot do, ``build``
makes the timed call for one of its *native* operators. Every other operator is derived here,
in one place, by the table of :mod:`diffbench.operators`.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final

import numpy as np
from numpy.typing import NDArray

from diffbench.errors import PreparationMismatch, Unsupported
from diffbench.operators import OPERATORS, Derivation, route
from diffbench.problem import Function, Instance, canonical

__all__ = [
    "Capability",
    "Function",
    "Instance",
    "Kernel",
    "Method",
    "Prepared",
    "capability",
    "gathered",
    "gradient_by",
    "library_of",
    "native_of",
    "positional",
    "prepare",
    "variant_name",
    "why_not",
]

Array = NDArray[np.float64]
CLAIMS = ("exact", "approximate", "control")
MOST_ENTRIES = 2**22  # of an answer: 32 MiB, the Hessian of 2048 inputs
CATEGORIES = ("control", "manual", "numerical", "symbolic", "forward AD", "reverse AD", "AD")


class Method(Protocol):
    """What a method's class declares; parameters are the fields of its constructor.

    ``parameters`` maps each constructor argument to all its declared values.
    ``requires`` maps import names to what to type, ``"pip install 'diffbench[torch]'"``.
    ``nests`` is True where ``gradient_function(f)`` gives the gradient as a function
    ``g(x, xp, *constants)`` over the method's own namespace: second order is then derived.

    ``native`` is all that the class can have natively. Where that depends on the parameters or
    on the instance, the class may also define ``native_for(instance) -> frozenset[str]``, the
    part of it that holds there; what falls out is derived like any other operator.

    A class may define ``sparse``, the native operators that it answers with ``scipy.sparse``
    arrays: where the family says that they are sparse, these may be asked of it at any size, and
    ``collect`` may leave them sparse, as :func:`gathered` does with large ones.

    A class may also say by ``library: ClassVar[str]`` whose rules differentiate, ``"diffbench"``
    for those of this package; without it that is the first package that it requires, if any.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    category: ClassVar[str]
    claim: ClassVar[str]
    cost: ClassVar[str]
    reference: ClassVar[str]
    native: ClassVar[frozenset[str]]
    nests: ClassVar[bool]
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]]
    requires: ClassVar[Mapping[str, str]]
    version: ClassVar[str]

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """The sentence why this native operator cannot be had here, or None; imports nothing heavy.

        It is also asked of operators that are neither native nor derivable, for a better sentence.
        """

    def build(self, instance: Instance, operator: str) -> Kernel:
        """The timed call for one native operator; may raise Unsupported with its sentence."""


@final
@dataclass(frozen=True, slots=True)
class Kernel:
    """A native operator, ready: ``collect(call(*stage(x, seed, constants)))``.

    ``stage`` takes numpy arrays (seed None where the operator has none) to the method's own
    arguments; ``call`` is timed and must return only when the answer is there; ``collect`` turns
    it into numpy, or leaves it a ``scipy.sparse`` array. ``sizes()`` counts expression sizes by
    record field (``tree_ops``, ``jaxpr_eqns``, ...); it is called once, after the timed phases.
    """

    call: Callable[..., Any]
    stage: Callable[[Array, Array | None, tuple[Any, ...]], tuple[Any, ...]]
    collect: Callable[[Any], Array] = np.asarray
    sizes: Callable[[], Mapping[str, int | None]] = dict


@final
@dataclass(frozen=True, slots=True)
class Capability:
    """What a method can do with one operator of one instance, and how."""

    reason: str | None  # the sentence why not, or None
    origin: str = "native"  # or "derived"
    derivation: Derivation | None = None


def native_of(method: Method, instance: Instance) -> frozenset[str]:
    """The operators that a method answers natively for this instance."""
    chosen = getattr(method, "native_for", None)
    return method.native if chosen is None else frozenset(chosen(instance))


def library_of(method: Method) -> str:
    """Whose rules differentiate: ``diffbench``, ``autograd``, ...; empty where nobody's do."""
    return str(getattr(method, "library", next(iter(method.requires), "")))


def positional(x: Array, seed: Array | None, constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """The plainest ``stage``: ``(x, *constants)``, or ``(x, seed, *constants)`` with a seed."""
    return (x, *constants) if seed is None else (x, seed, *constants)


def gathered(answer: Any) -> Any:
    """A ``scipy.sparse`` answer as numpy, or as it is where that has over MOST_ENTRIES entries."""
    return answer.toarray() if math.prod(answer.shape) <= MOST_ENTRIES else answer


def _too_large(instance: Instance, operator: str) -> str | None:
    entries = math.prod(OPERATORS[operator].shape(instance.n, instance.y_shape))
    if entries <= MOST_ENTRIES:
        return None
    return (
        f"{operator} of {instance.name} has {entries:.3g} entries; at most {MOST_ENTRIES} are made"
    )


def capability(method: Method, instance: Instance, operator: str) -> Capability:
    """The one place that decides whether and how a method answers an operator."""
    row = OPERATORS[operator]
    if row.scalar_only and not instance.scalar:
        return Capability(
            f"{operator} needs a scalar function; {instance.family} has m = {instance.m}: "
            f"ask for jacobian, jvp or vjp"
        )
    for package, hint in method.requires.items():
        if importlib.util.find_spec(package) is None:
            return Capability(f"needs {package}: {hint}")
    native = native_of(method, instance)
    large = _too_large(instance, operator)
    stays_sparse = operator in native & instance.sparse & getattr(method, "sparse", frozenset())
    if large is not None and not stays_sparse:
        return Capability(large)
    if operator in native:
        return Capability(method.why_not(instance, operator))
    derivation = route(operator, native, instance.scalar, method.nests, instance.n, instance.m)
    if derivation is None:
        own = method.why_not(instance, operator)
        none = f"{method.name}: no {operator}, and none can be derived from what it has"
        return Capability(own or none)
    reason = _too_large(instance, derivation.source) or method.why_not(instance, derivation.source)
    return Capability(reason, "derived", derivation)


def why_not(method: Method, instance: Instance, operator: str) -> str | None:
    """None, or the sentence why the method cannot answer this operator of this instance."""
    return capability(method, instance, operator).reason


@final
class Prepared:
    """A method prepared for one (instance, operator): bound to its shapes and dtype.

    ``args = prepared.stage(x, seed, constants)``; ``out = prepared(*args)`` is the timed call;
    ``prepared.collect(out)`` gives float64 numpy.
    """

    __slots__ = ("_collect", "_stage", "call", "instance", "operator", "origin", "sizes")

    def __init__(self, kernel: Kernel, instance: Instance, operator: str, origin: str) -> None:
        self.call = kernel.call
        self._stage = kernel.stage
        self._collect = kernel.collect
        self.sizes = kernel.sizes
        self.instance = instance
        self.operator = operator
        self.origin = origin

    def __call__(self, *args: Any) -> Any:
        """The timed call; returns only when the answer is there."""
        return self.call(*args)

    def stage(
        self, x: Array, seed: Array | None = None, constants: tuple[Any, ...] | None = None
    ) -> tuple[Any, ...]:
        """Numpy arrays to the method's own; raises PreparationMismatch with each mismatch."""
        constants = self.instance.constants if constants is None else constants
        _check(self, x, seed, constants)
        return self._stage(x, seed, constants)

    def collect(self, out: Any) -> Any:
        """The answer as numpy, with the dtype and shape that the method gave."""
        return self._collect(out)


def _check(prepared: Prepared, x: Any, seed: Any, constants: tuple[Any, ...]) -> None:
    ours = prepared.instance
    expected_seed = OPERATORS[prepared.operator].seed_shape(ours.n, ours.y_shape)
    pairs = [("x", ours.x.shape, x), ("seed", expected_seed, seed)]
    pairs += [
        (f"constant {i}", np.shape(want), got)
        for i, (want, got) in enumerate(zip(ours.constants, constants, strict=False))
    ]
    wrong = [
        f"{name}: prepared for shape {want}, got {None if got is None else np.shape(got)}"
        for name, want, got in pairs
        if (None if got is None else np.shape(got)) != want
    ]
    if getattr(x, "dtype", None) != np.float64:
        wrong.append(f"x: prepared for dtype float64, got {getattr(x, 'dtype', type(x).__name__)}")
    if len(constants) != len(ours.constants):
        wrong.append(f"constants: prepared for {len(ours.constants)}, got {len(constants)}")
    if wrong:
        what = f"{prepared.operator} of {ours.name}"
        raise PreparationMismatch(f"{what}: {'; '.join(wrong)}; prepare again for these")


def prepare(method: Method, instance: Instance, operator: str) -> Prepared:
    """Derive, trace or compile: the one-time work. Raises Unsupported with its sentence."""
    able = capability(method, instance, operator)
    if able.reason is not None:
        raise Unsupported(able.reason)
    if able.derivation is None:
        return Prepared(method.build(instance, operator), instance, operator, able.origin)
    return Prepared(_derived(method, instance, able.derivation), instance, operator, able.origin)


def gradient_by(method: Method, instance: Instance) -> Array:
    """One gradient at x, unjudged and untimed: shape ``(n,)`` of a right one, float64.

    Raises Unsupported with its sentence, and whatever the method raises.
    """
    with np.errstate(all="ignore"):
        prepared = prepare(method, instance, "gradient")
        return np.asarray(prepared.collect(prepared(*prepared.stage(instance.x))), float)


def _derived(method: Method, instance: Instance, row: Derivation) -> Kernel:
    base = instance
    if row.lift:
        base = instance.with_f(method.gradient_function(instance.f), instance.n)  # type: ignore[attr-defined]  # nests promises it
    kernel = method.build(base, row.source)
    n, y_shape = instance.n, instance.y_shape

    def call(x: Array, seed: Array | None, constants: tuple[Any, ...]) -> Any:
        def ask(s: Array | None = None) -> Any:
            return kernel.collect(kernel.call(*kernel.stage(x, s, constants)))

        return row.combine(ask, seed, n, y_shape)

    return Kernel(call, lambda x, seed, constants: (x, seed, constants), np.asarray, kernel.sizes)


def variant_name(method: Method) -> str:
    """The canonical selection of a method with its parameters, ``jax[mode=reverse]``."""
    return canonical(method.name, {key: getattr(method, key) for key in method.parameters})

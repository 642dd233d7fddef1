"""Families and instances: a scalable problem, and one of its sizes with its own answer.

A family is one file with one ``FAMILY = Family(...)``. Its function is written once, over a
namespace: ``f(x, xp, *constants) -> y`` with ``x`` of shape ``(n,)`` and ``y`` of shape ``()``
or ``(m,)``, float64. Its derivatives are written by hand beside it, in numpy:
``gradient(x, *constants)``, ``jacobian(x, *constants)``, ``jvp(x, v, *constants)``,
``vjp(x, w, *constants)``, ``hvp(x, v, *constants)``, ``hessian(x, *constants)``.

Where f is a deep loop, the family may offer its three parts beside it:
``start(x, xp, *constants) -> state``, ``step(state, xp, i, *constants) -> state`` for the steps
i = 0, ..., depth - 1, and ``finish(state, xp, *constants) -> y``; the state is one array whose
shape stays. Run one after another they must give what f gives, bit by bit. A method may trace
the number i: a step computes with it and does not branch on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench import data
from diffbench.errors import BadSize, PluginError, Unsupported
from diffbench.operators import OPERATORS

__all__ = [
    "BadSize",
    "Family",
    "Function",
    "Instance",
    "Parameter",
    "Parts",
    "Size",
    "canonical",
    "lone",
    "published",
]

Array = NDArray[np.float64]
Function = Callable[..., Any]
Value = int | float | str
ANSWERS = ("gradient", "jacobian", "jvp", "vjp", "hvp", "hessian")
LOOP = ("start", "step", "finish")


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """One number or word that a family or method takes: its default, range and meaning.

    With ``columns`` (at least, at most or None) it is a CSV of numbers that the user may give: the
    default is no file, and ``build`` is given its table, shape (rows, columns). The parameters in
    ``replaces`` then follow from the data: they cannot be given, and ``build`` is given none.
    """

    default: Value
    help: str
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    choices: tuple[Value, ...] = ()
    columns: tuple[int, int | None] | None = None
    replaces: tuple[str, ...] = ()

    def check(self, owner: str, key: str, value: Value) -> Value:
        """The value, or BadSize with what was got, what is accepted and what to type.

        A file is named by its path and content, as in :mod:`diffbench.data`.
        """
        if self.columns is not None:
            if isinstance(value, str):
                return data.named(value)
            raise BadSize(f"{owner!r} needs a file for {key}, got {value}; write {key}=./{value}")
        hint = f"; try '{owner}[{key}={self.default}]'"
        if self.choices:
            if value not in self.choices:
                accepted = ", ".join(map(str, self.choices))
                raise BadSize(f"{owner!r}: {key}={value} is not one of {accepted}{hint}")
            return value
        if isinstance(value, str):
            raise BadSize(f"{owner!r} needs a number for {key}, got {value!r}{hint}")
        if isinstance(self.default, int) and isinstance(value, float) and value.is_integer():
            value = int(value)  # 1e6 is as whole a number as 1000000
        if isinstance(self.default, int) and not isinstance(value, int):
            raise BadSize(f"{owner!r} needs a whole number for {key}, got {value}{hint}")
        if self.minimum is not None and value < self.minimum:
            raise BadSize(f"{owner!r} needs {key} >= {self.minimum:g}, got {key}={value}{hint}")
        if self.maximum is not None and value > self.maximum:
            raise BadSize(f"{owner!r} needs {key} <= {self.maximum:g}, got {key}={value}{hint}")
        if self.multiple_of is not None and value % self.multiple_of:
            raise BadSize(
                f"{owner!r} needs {key} to be a multiple of {self.multiple_of}, got {value}{hint}"
            )
        return value


@final
@dataclass(frozen=True, slots=True)
class Size:
    """n inputs, m outputs, depth of the computation: numbers, never labels."""

    n: int
    m: int
    depth: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a family's ``build(params, rng)`` returns.

    ``m`` is None for ``y`` of shape ``()``. ``prepare_x`` is another point of the same domain
    at which methods prepare. ``answers`` maps operator names to the hand-written derivatives.
    ``start``, ``step`` and ``finish`` are f taken apart, all three or none. ``expected`` is that
    of the family, for these parameters alone.
    """

    f: Function
    x: Array
    prepare_x: Array
    constants: tuple[Any, ...] = ()
    m: int | None = None
    depth: int = 1
    answers: Mapping[str, Function] = field(default_factory=dict)
    start: Function | None = None
    step: Function | None = None
    finish: Function | None = None
    expected: Mapping[str, str] = field(default_factory=dict)


def canonical(name: str, params: Mapping[str, Value]) -> str:
    """``name[key=value,...]`` with sorted keys; the bare name without parameters."""
    body = ",".join(f"{key}={params[key]}" for key in sorted(params))
    return f"{name}[{body}]" if body else name


def published(
    family: str, params: Mapping[str, Value], series: Mapping[str, Sequence[Value]]
) -> None:
    """Raise BadSize where a public suite has no such instance: ``series`` are all that it has."""
    for key, sizes in series.items():
        if params[key] not in sizes:
            first = {"generator": "public", **{name: row[0] for name, row in series.items()}}
            raise BadSize(
                f"{family!r}: the public suite has no {key}={params[key]}, only "
                f"{', '.join(map(str, sizes))}; try '{canonical(family, first)}'"
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A scalable problem: its parameters, the sizes of each profile, and how to build one.

    ``sizes`` maps a profile (quick, standard, full) to the body of a selection
    (``"n=2:512:x4"``). ``zero`` names the operators whose answer is identically zero, ``sparse``
    those with only a few nonzeros a row: sparse methods are asked for them at any size.
    ``expected`` maps operators to the sentence why even an exact method's answer is wrong there:
    where a family names none, such an answer is a mistake of ours, and the run ends with 1.
    """

    name: str
    title: str
    shows: str
    reference: str
    latex: str
    parameters: Mapping[str, Parameter]
    sizes: Mapping[str, str]
    build: Callable[[Mapping[str, Any], np.random.Generator], Parts]
    zero: frozenset[str] = frozenset()
    sparse: frozenset[str] = frozenset()
    expected: Mapping[str, str] = field(default_factory=dict)

    def parameter_values(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters, given or default, each checked; BadSize names what is accepted."""
        for key in given:
            if key not in self.parameters:
                accepted = ", ".join(self.parameters)
                raise BadSize(
                    f"family {self.name!r} has no parameter {key!r}, it takes {accepted}; "
                    f"try '{canonical(self.name, self.defaults)}'"
                )
        known = {**self.defaults, **given}
        for key, row in self.parameters.items():
            for other in row.replaces if key in given else ():
                if other in given:
                    raise BadSize(
                        f"family {self.name!r}: with {key}= the data decide; leave out {other}="
                    )
                known.pop(other, None)
        return {key: self.parameters[key].check(self.name, key, known[key]) for key in known}

    @property
    def defaults(self) -> dict[str, Value]:
        """The default of every parameter; none for files."""
        return {key: row.default for key, row in self.parameters.items() if row.columns is None}

    def tables(self, params: Mapping[str, Value], shelf: str | None = None) -> dict[str, Array]:
        """The data of each file among checked parameters; BadData where they cannot be used."""
        return {
            key: data.read(str(params[key]), row.columns, shelf)
            for key, row in self.parameters.items()
            if row.columns is not None and key in params
        }

    def instance(
        self, given: Mapping[str, Value] | None = None, seed: int = 0, shelf: str | None = None
    ) -> Instance:
        """One instance at those parameters; the same numbers for the same seed everywhere.

        A ``shelf`` is where the data files of another machine are, see :mod:`diffbench.data`.
        """
        params = self.parameter_values(given or {})
        built = {**params, **self.tables(params, shelf)}
        parts = self.build(built, np.random.default_rng([seed, *self.name.encode()]))
        _check_loop(self.name, parts)
        rng = np.random.default_rng([seed, 1, *self.name.encode()])
        y_shape = () if parts.m is None else (parts.m,)
        return Instance(
            family=self.name,
            params=params,
            seed=seed,
            m=1 if parts.m is None else parts.m,
            depth=parts.depth,
            scalar=parts.m is None,
            x=_frozen(parts.x),
            prepare_x=_frozen(parts.prepare_x),
            constants=tuple(
                _frozen(c) if isinstance(c, np.ndarray) else c for c in parts.constants
            ),
            v=_frozen(_seed_vector(rng, parts.x.shape)),
            w=_frozen(_seed_vector(rng, y_shape)),
            f=parts.f,
            answers=parts.answers,
            zero=self.zero,
            sparse=self.sparse,
            expected={**self.expected, **parts.expected},
            start=parts.start,
            step=parts.step,
            finish=parts.finish,
        )


def lone(name: str, parts: Parts) -> Instance:
    """One function at one point, of no family that scales: a study's."""
    return Family(
        name=name,
        title="",
        shows="",
        reference="",
        latex="",
        parameters={},
        sizes={},
        build=lambda params, rng: parts,
    ).instance()


def _check_loop(family: str, parts: Parts) -> None:
    missing = [name for name in LOOP if getattr(parts, name) is None]
    if 0 < len(missing) < len(LOOP):
        raise PluginError(
            f"family {family!r} offers no {', '.join(missing)}; "
            f"its Parts need all of {', '.join(LOOP)}, or none"
        )


def _seed_vector(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Distinct entries of size 0.5 to 1.5 and either sign: no mixed-up column hides."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def _frozen(a: Array) -> Array:
    a = np.array(a)
    a.flags.writeable = False
    return a


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One family at one size and seed: ``f``, the point, constants, its hand-written answers."""

    family: str
    params: Mapping[str, Value]
    seed: int
    m: int
    depth: int
    scalar: bool
    x: Array
    prepare_x: Array
    constants: tuple[Any, ...]
    v: Array
    w: Array
    f: Function
    answers: Mapping[str, Function]
    zero: frozenset[str]
    sparse: frozenset[str] = frozenset()
    expected: Mapping[str, str] = field(default_factory=dict)
    start: Function | None = None
    step: Function | None = None
    finish: Function | None = None

    @property
    def n(self) -> int:
        """The number of inputs."""
        return int(self.x.shape[0])

    @property
    def y_shape(self) -> tuple[int, ...]:
        """``()`` or ``(m,)``."""
        return () if self.scalar else (self.m,)

    @property
    def size(self) -> Size:
        """n, m and depth together."""
        return Size(self.n, self.m, self.depth)

    @property
    def name(self) -> str:
        """The canonical selection of this instance, ``rosenbrock[n=8]``."""
        return canonical(self.family, self.params)

    def seed_of(self, operator: str) -> Array | None:
        """The seed vector that the operator takes: ``v``, ``w`` or None."""
        return {"": None, "v": self.v, "w": self.w}[OPERATORS[operator].seed]

    def with_f(self, f: Function, m: int | None) -> Instance:
        """The same point and constants with another function (its answers and parts are gone)."""
        rng = np.random.default_rng([self.seed, 2])
        w = _frozen(_seed_vector(rng, () if m is None else (m,)))
        none: frozenset[str] = frozenset()
        bare = replace(self, answers={}, zero=none, sparse=none, start=None, step=None, finish=None)
        return replace(bare, f=f, m=m or 1, scalar=m is None, w=w)

    def in_parts(self, looped: Callable[[Function, int], Function]) -> Function:
        """f put together: ``run = looped(step, depth)`` between ``start`` and ``finish``.

        ``run(state, *constants, xp=xp)`` gives the last state. Raises Unsupported where the
        family offers no parts.
        """
        start, step, finish = self.start, self.step, self.finish
        if start is None or step is None or finish is None:
            raise Unsupported(f"{self.family} offers no start, step and finish")
        run = looped(step, self.depth)

        def f(x: Any, xp: Any, *constants: Any) -> Any:
            last = run(start(x, xp, *constants), *constants, xp=xp)
            return finish(last, xp, *constants)

        return f

    def value(self) -> Array:
        """f at x in numpy: shape ``()`` or ``(m,)``."""
        from diffbench.ad.namespace import NUMPY

        return np.asarray(self.f(self.x, NUMPY, *self.constants))

    def answer(self, operator: str, seed: Array | None = None) -> Array:
        """The hand-written answer at x; raises Unsupported where the family wrote none."""
        if operator == "value":
            return self.value()
        if operator not in self.answers:
            raise Unsupported(f"manual: family {self.family!r} has no hand-written {operator}")
        seed = self.seed_of(operator) if seed is None else seed
        args = (self.x,) if seed is None else (self.x, seed)
        return np.asarray(self.answers[operator](*args, *self.constants))

    def gradient(self) -> Array:
        """The hand-written gradient, shape ``(n,)``."""
        return self.answer("gradient")

    def jacobian(self) -> Array:
        """The hand-written Jacobian, shape ``(m, n)``."""
        return self.answer("jacobian")

    def jvp(self, v: Array | None = None) -> Array:
        """The hand-written Jacobian-vector product with ``v``, like ``y``."""
        return self.answer("jvp", v)

    def vjp(self, w: Array | None = None) -> Array:
        """The hand-written vector-Jacobian product with ``w``, shape ``(n,)``."""
        return self.answer("vjp", w)

    def hvp(self, v: Array | None = None) -> Array:
        """The hand-written Hessian-vector product with ``v``, shape ``(n,)``."""
        return self.answer("hvp", v)

    def hessian(self) -> Array:
        """The hand-written Hessian, shape ``(n, n)``."""
        return self.answer("hessian")

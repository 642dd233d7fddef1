"""``ad.compile``: a derivative program as machine code, bound to what it was traced with.

The derivative is traced like any other program, simplified, and compiled. What the trace took for
granted is checked at every call: types and shapes of the arguments, branches that were taken on
values, and the cells and globals that ``f``'s own code names. Where one has changed, the program
is traced and compiled again; it is never silently wrong. Numbers and arrays of numbers among the
constants are read at each call, and so are arrays that ``f`` captures; other objects are compared.
What lies deeper (an attribute, a list's items, what a called function captures) is frozen as it
was: constants belong in the arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffbench.ad import forward, operators
from diffbench.ad.errors import ADError, TracedArrayError
from diffbench.ad.graph import Traced
from diffbench.ad.namespace import FLOATS, NUMPY
from diffbench.ad.native.build import Bound, bound, is_read, simplified
from diffbench.ad.native.program import ops
from diffbench.ad.native.source import printed

__all__ = ["PROGRAMS", "Compiled", "compile", "source"]

Function = Callable[..., Any]
MOST_KEPT = 64  # programs of one function: its shapes and paths
DOUBLE = np.dtype(np.float64)
UNFIT = object()  # what a program answers that is only being tried


def _forward_gradient(f: Function) -> Function:
    return lambda x, *c: operators.jacobian(f, "forward")(x, *c)[0]


def _gradient_of(f: Function, mode: str) -> Function:
    """The gradient as a function over xp."""
    if mode == "reverse":
        return operators.gradient_of(f)
    gradient = _forward_gradient(f)
    return lambda x, xp, *c: gradient(x, *c)


def _jacobian(f: Function, mode: str) -> Function:
    """By columns in one sweep, or by rows: the adjoint program is linear in its seed, so that
    pushing all unit seeds through it at once gives all rows."""
    if mode == "forward":
        return operators.jacobian(f, "forward")

    def rows(x: Any, *c: Any) -> Any:
        y = f(x, FLOATS.traced, *c)
        shape = np.shape(y.value) if isinstance(y, Traced) else np.shape(y)
        m = int(np.prod(shape, dtype=int))
        if m == 1:
            return FLOATS.traced.expand_dims(operators.vjp(f, x, np.ones(shape), *c)[1], 0)

        def adjoint(w: Any, xp: Any) -> Any:
            return operators.vjp(f, x, w, *c)[1]

        return forward.push(adjoint, np.ones(shape), np.eye(m), ())[1]

    return rows


def _hvp(f: Function, mode: str) -> Function:
    return lambda x, v, *c: operators.jvp(_gradient_of(f, mode), x, v, *c)[1]


def _hessian(f: Function, mode: str) -> Function:
    return lambda x, *c: forward.chunked(_gradient_of(f, mode), x, c)[1]


PROGRAMS: dict[str, Callable[[Function, str], Function]] = {
    # operator -> (f, mode) -> program(x, [seed,] *constants) over traced arrays
    "value": lambda f, mode: lambda x, *c: f(x, FLOATS.traced, *c),
    "gradient": lambda f, mode: operators.grad(f) if mode == "reverse" else _forward_gradient(f),
    "jacobian": _jacobian,
    "jvp": lambda f, mode: lambda x, v, *c: operators.jvp(f, x, v, *c)[1],
    "vjp": lambda f, mode: lambda x, w, *c: operators.vjp(f, x, w, *c)[1],
    "hvp": _hvp,
    "hessian": _hessian,
}
Seeds = Callable[..., tuple[Any, ...]]
SEEDS: dict[str, Seeds] = {
    # operator -> (f, x, *constants) -> the seed it is traced with
    "jvp": lambda f, x, *c: (np.ones_like(x),),
    "hvp": lambda f, x, *c: (np.ones_like(x),),
    "vjp": lambda f, x, *c: (np.ones(np.shape(f(x, NUMPY, *c))),),
}


def compile(
    f: Function,
    x: Any,
    operator: str = "gradient",
    constants: tuple[Any, ...] = (),
    mode: str = "reverse",
) -> Compiled:
    """``operator`` of f as machine code: call it ``(x, *constants)``, or ``(x, seed, *constants)``.

    Traced and compiled at ``x`` of shape ``(n,)`` with ``constants``; the answer is a new float64
    array of the shape that the eager function gives. ``mode``, forward or reverse, is how first
    derivatives are made. Raises ADError for an unknown operator or mode, for arguments that are
    no numbers, and for whatever the trace of f refuses.
    """
    made = compiled(f, operator, mode)
    made.prepare(x, *constants)
    return made


def source(
    f: Function,
    x: Any,
    operator: str = "gradient",
    constants: tuple[Any, ...] = (),
    mode: str = "reverse",
) -> str:
    """The derivative program that ``compile`` makes into machine code, as Python over numpy.

    A function of x, of the seed where the operator takes one, of the constants that are read at
    each call (a, b, ...), and of the arrays that f captures. Arguments and errors as ``compile``.
    """
    made = compiled(f, operator, mode)
    args = made.arguments(x, *constants)
    program, builder, held, _ = simplified(made.derive, f, args, lift=True)
    seeds = ["seed"] if operator in SEEDS else []
    read = [f"c_{i}" for i, a in enumerate(args[1 + len(seeds) :]) if is_read(a)]
    names = ["x", *seeds, *read, *(f"captured_{place.key}" for place in held.arrays)]
    return printed(program, builder.arrays, names, operator)


def compiled(f: Function, operator: str, mode: str) -> Compiled:
    """What will compile an operator of f when it knows the arguments."""
    if operator not in PROGRAMS:
        raise ADError(f"no operator {operator!r}; there are: {', '.join(PROGRAMS)}")
    if mode not in ("forward", "reverse"):
        raise ADError(f"mode must be 'forward' or 'reverse', got {mode!r}")
    derive = PROGRAMS[operator]
    return Compiled(f, lambda g: derive(g, mode), SEEDS.get(operator), sweeps=operator != "value")


@final
class Compiled:
    """A compiled derivative. ``call`` is the machine code that fitted last, ``nbytes`` its memory.

    ``traces`` counts how often the function was traced: once, unless a shape, a branch or a
    captured value changed.
    """

    def __init__(
        self,
        f: Function,
        derive: Callable[[Function], Function],
        seeds: Seeds | None,
        sweeps: bool = True,
    ) -> None:
        """``derive(f)`` is the program over traced arrays; ``seeds`` is what it takes beside x.

        Where it ``sweeps``, an answer that is not finite is made again with guarded rules.
        """
        self.derive, self._seeds, self.traces = derive, seeds, 0
        self._sweeps = sweeps
        self._function = f
        self._kept: list[Bound] = []
        self._lock = threading.RLock()
        self._trying = 0  # the thread that is trying programs
        self.call: Any = self._slow

    def __call__(self, *args: Any) -> Any:
        """The answer at x (and a seed), with constants."""
        return self.call(*args)

    @property
    def fastest(self) -> Callable[..., Any]:
        """What to call in a loop: the machine code, where no branch can send it astray."""
        return self if self.guards else self.call

    @property
    def nbytes(self) -> int:
        """Bytes of the temporaries and the answer of the program that fitted last."""
        return self._kept[0].nbytes

    @property
    def guards(self) -> int:
        """Conditions on values that the program that fitted last checks."""
        return len(self._kept[0].program.guards)

    def sizes(self) -> dict[str, int | None]:
        """Scalar operations of the program that fitted last, and bytes of its memory plan."""
        return {"graph_ops": ops(self._kept[0].program), "tape_bytes": self.nbytes}

    def prepare(self, x: Any, *constants: Any) -> None:
        """Trace and compile at a point, with a seed of ones."""
        with self._lock:
            self._bind(self.arguments(x, *constants))

    def arguments(self, x: Any, *constants: Any) -> tuple[Any, ...]:
        """All arguments of a call at a point, with a seed of ones."""
        x, *others = self._orderly((x, *constants))
        if x.ndim != 1:
            raise ADError(f"x must have shape (n,), got {x.shape}; pass x.reshape(-1)")
        seeds = self._seeds(self._function, x, *others) if self._seeds else ()
        return (x, *seeds, *others)

    # --- where the machine code does not fit -----------------------------------------------------

    def _slow(self, *args: Any) -> Any:
        """What the machine code calls when a check fails: another program, or a new one."""
        if self._trying == threading.get_ident():
            return UNFIT
        with self._lock:
            given = self._orderly(args)
            for place, program in enumerate(self._kept):
                answer = self._tried(program, given)
                if answer is not UNFIT:
                    self._kept.insert(0, self._kept.pop(place))
                    self.call = program.call
                    return answer
            for sweeps in ("plain", "guarded"):
                answer = self._tried(self._bind(given, sweeps), given)
                if answer is not UNFIT:
                    return answer
            raise ADError("the function takes another path each time that it is traced")

    def _tried(self, program: Bound, given: tuple[Any, ...]) -> Any:
        """The answer of one program, UNFIT where it is not made for these arguments."""
        args = _as_bound(program, given)
        if args is None:
            return UNFIT
        self._trying = threading.get_ident()
        try:
            return program.call(*args)
        finally:
            self._trying = 0

    def _bind(self, given: tuple[Any, ...], sweeps: str = "plain") -> Bound:
        """Trace and compile for these arguments."""
        self.traces += sweeps == "plain"
        how = sweeps if self._sweeps else "guarded"
        try:
            made = bound(self.derive, self._function, given, self._slow, lift=True, sweeps=how)
        except (TracedArrayError, TypeError):
            # Perhaps f hands a captured array to numpy; its contents are then watched.
            made = bound(self.derive, self._function, given, self._slow, lift=False, sweeps=how)
        self._kept.insert(0, made)
        del self._kept[MOST_KEPT:]
        self.call = made.call
        return made

    def _orderly(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """x and seeds as contiguous doubles, constants likewise where they are arrays of reals."""
        arrays = 1 + (self._seeds is not None and len(args) > 1)
        return tuple(
            _doubles(a, f"argument {i + 1}") if i < arrays else _constant(a, i)
            for i, a in enumerate(args)
        )


def _doubles(a: Any, name: str) -> Any:
    if isinstance(a, Traced):
        raise ADError("compiled code cannot be traced; differentiate f itself, as ad.grad(f) does")
    try:
        a = np.asarray(a)
    except ValueError as error:
        raise ADError(f"{name} must be an array of numbers: {error}") from None
    if a.dtype.kind not in "fiu":
        raise ADError(f"{name} must be an array of real numbers, got dtype {a.dtype}")
    known = type(a) is np.ndarray and a.dtype is DOUBLE
    if known and a.flags.aligned and a.flags.c_contiguous:
        return a
    out = np.empty(a.shape, DOUBLE)  # np.array would keep a dtype that carries metadata
    out[...] = a
    return out


def _constant(a: Any, place: int) -> Any:
    if isinstance(a, np.ndarray):
        return _doubles(a, f"argument {place + 1}") if a.dtype.kind == "f" else a
    if isinstance(a, Traced):
        return _doubles(a, "")
    if isinstance(a, float | int | str | tuple | np.generic) or a is None or callable(a):
        return a
    raise ADError(
        f"argument {place + 1} is a {type(a).__name__}, which may change unseen; pass numbers, "
        "arrays, strings or tuples"
    )


def _as_bound(bound: Bound, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The arguments with bound objects for those that equal them; None where one differs."""
    if len(given) != len(bound.objects):
        return None
    args = []
    for a, expected in zip(given, bound.objects, strict=True):
        if expected is None:
            args.append(a)
        elif _equal(a, expected):
            args.append(expected)
        else:
            return None
    return tuple(args)


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)

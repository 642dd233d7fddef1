"""The names of the array API standard over traced arrays and one arithmetic's plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from diffbench.ad.contraction import product
from diffbench.ad.errors import ADError, NamespaceError
from diffbench.ad.graph import Kernels, Traced, apply, highest
from diffbench.ad.linalg import LINALG, Linalg
from diffbench.ad.rules import ENTRYWISE, RULES, Rule

__all__ = ["NAMES", "Namespace", "lacking"]

Axis = int | Sequence[int] | None
Bool = bool  # inside the class the name is a dtype


def lacking(name: str) -> str:
    """What is said of a name that no namespace has."""
    return (
        f"the namespace xp has no {name!r}; it has: {', '.join(NAMES)}, "
        f"linalg.({', '.join(LINALG)})"
    )


def _shape(a: Any) -> tuple[int, ...]:
    try:
        shape: tuple[int, ...] = a.shape
    except AttributeError:
        return np.shape(a)
    return shape


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Sorted, non-negative; all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    if any(not -ndim <= a < ndim for a in given):
        raise ADError(f"axis {axis} is out of range for an array of {ndim} axes")
    return tuple(sorted(a % ndim for a in given))


@final
class Namespace:
    """The names of the standard over traced arrays and one arithmetic's plain values.

    Elementwise names (``sin``, ``add``, ``where``, ...) come from the rule table; the others are
    methods here that bring their parameters into the one form that the rules know.
    """

    newaxis = None
    float64, int64, bool = np.float64, np.int64, np.bool_
    e, inf, nan = math.e, math.inf, math.nan

    def __init__(self, kernels: Kernels, pi: Any = math.pi) -> None:
        self._kernels = kernels
        self.pi = pi
        self.linalg = Linalg(self)
        for name in ENTRYWISE:
            setattr(self, name, self._elementwise(RULES[name]))

    def _elementwise(self, rule: Rule) -> Callable[..., Any]:
        kernel = self._kernels[rule.name]

        def of_one(x: Any) -> Any:
            return x.trace.record(rule, (x,)) if type(x) is Traced else kernel(x)

        def of_several(*args: Any) -> Any:
            top = highest(args)
            return kernel(*args) if top is None else top.record(rule, args)

        return of_one if getattr(rule.numpy, "nin", len(rule.partials)) == 1 else of_several

    def apply(self, name: str, args: tuple[Any, ...], *params: Any) -> Any:
        """The primitive of that name, on operands and parameters in the form of its row."""
        return apply(RULES[name], args, params, self._kernels)

    def __getattr__(self, name: str) -> Any:
        raise NamespaceError(lacking(name))

    # --- creation: constants, never traced -------------------------------------------------------

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        """An array of numbers, or the stack of a (nested) sequence that holds traced ones."""
        if isinstance(value, Traced | np.ndarray):
            return value
        if isinstance(value, list | tuple) and _holds_traced(value):
            return self.stack([self.asarray(v) for v in value])
        return np.asarray(value, dtype=dtype)

    def zeros_like(self, x: Any) -> Any:
        """Zeros of the same shape."""
        return np.zeros(_shape(x))

    def ones_like(self, x: Any) -> Any:
        """Ones of the same shape."""
        return np.ones(_shape(x))

    zeros, ones, eye = staticmethod(np.zeros), staticmethod(np.ones), staticmethod(np.eye)
    arange, full, linspace = (
        staticmethod(np.arange),
        staticmethod(np.full),
        staticmethod(np.linspace),
    )

    def tril(self, x: Any, k: int = 0) -> Any:
        """The lower triangle; zeros elsewhere."""
        return np.tril(x, k) if isinstance(x, np.ndarray) else x * np.tril(np.ones(_shape(x)), k)

    def triu(self, x: Any, k: int = 0) -> Any:
        """The upper triangle; zeros elsewhere."""
        return np.triu(x, k) if isinstance(x, np.ndarray) else x * np.triu(np.ones(_shape(x)), k)

    def clip(self, x: Any, min: Any = None, max: Any = None) -> Any:
        """The values cut to [min, max]."""
        x = x if min is None else self.maximum(x, min)
        return x if max is None else self.minimum(x, max)

    # --- reductions ------------------------------------------------------------------------------

    def reduce(self, name: str, x: Any, axis: Axis, keepdims: Bool) -> Any:
        """A reduction of the table over axes in any form."""
        shape = _shape(x)
        axes = _axes(axis, len(shape))
        y = self.apply(name, (x,), axes)
        if not keepdims:
            return y
        return self.reshape(y, tuple(1 if i in axes else s for i, s in enumerate(shape)))

    def sum(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """The sum over the axes."""
        return self.reduce("sum", x, axis, keepdims)

    def prod(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """The product over the axes."""
        shape = _shape(x)
        axes = _axes(axis, len(shape))
        if len(axes) == 1:
            return self.reduce("prod", x, axes, keepdims)
        rest = tuple(i for i in range(len(shape)) if i not in axes)
        flat = self.reshape(self.permute_dims(x, (*rest, *axes)), (*(shape[i] for i in rest), -1))
        y = self.reduce("prod", flat, len(rest), False)
        kept = tuple(1 if i in axes else s for i, s in enumerate(shape))
        return self.reshape(y, kept) if keepdims else y

    def max(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """The largest entry over the axes."""
        return self.reduce("max", x, axis, keepdims)

    def min(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """The smallest entry over the axes."""
        return self.reduce("min", x, axis, keepdims)

    def all(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """Whether all are true."""
        return self.reduce("all", x, axis, keepdims)

    def any(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """Whether any is true."""
        return self.reduce("any", x, axis, keepdims)

    def argmax(self, x: Any, axis: int | None = None) -> Any:
        """Where the largest entry stands."""
        return self.apply("argmax", (x,), axis)

    def argmin(self, x: Any, axis: int | None = None) -> Any:
        """Where the smallest entry stands."""
        return self.apply("argmin", (x,), axis)

    def mean(self, x: Any, axis: Axis = None, keepdims: Bool = False) -> Any:
        """The arithmetic mean over the axes."""
        shape = _shape(x)
        count = math.prod([shape[i] for i in _axes(axis, len(shape))])
        return self.sum(x, axis, keepdims) / float(count)

    def var(
        self, x: Any, axis: Axis = None, correction: float = 0.0, keepdims: Bool = False
    ) -> Any:
        """The variance over the axes."""
        shape = _shape(x)
        count = math.prod(shape[i] for i in _axes(axis, len(shape)))
        square = self.square(x - self.mean(x, axis, True))
        return self.sum(square, axis, keepdims) / (count - correction)

    def std(
        self, x: Any, axis: Axis = None, correction: float = 0.0, keepdims: Bool = False
    ) -> Any:
        """The standard deviation over the axes."""
        shape = _shape(x)
        count = math.prod(shape[i] for i in _axes(axis, len(shape)))
        size = self.reduce("norm", x - self.mean(x, axis, True), axis, keepdims)
        return size / self.sqrt(count - correction)

    def cumulative_sum(self, x: Any, axis: int | None = None) -> Any:
        """Running sums along an axis."""
        return self.apply(
            "cumulative_sum", (x,), _axes(0 if axis is None else axis, len(_shape(x)))[0]
        )

    def cumulative_prod(self, x: Any, axis: int | None = None) -> Any:
        """Running products along an axis, by doubling: log2(n) products of shifted parts."""
        (axis,) = _axes(0 if axis is None else axis, len(_shape(x)))
        n, shift, before = _shape(x)[axis], 1, (slice(None),) * axis
        while shift < n:
            head, tail = x[(*before, slice(0, shift))], x[(*before, slice(shift, n))]
            x = self.concat([head, tail * x[(*before, slice(0, n - shift))]], axis=axis)
            shift *= 2
        return x

    # --- shapes and parts ------------------------------------------------------------------------

    def reshape(self, x: Any, shape: int | Sequence[int]) -> Any:
        """The same entries in another shape; one -1 is filled in."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if -1 in shape:
            known = math.prod(s for s in shape if s != -1)
            shape = tuple(math.prod(_shape(x)) // max(1, known) if s == -1 else s for s in shape)
        return x if _shape(x) == shape else self.apply("reshape", (x,), shape)

    def broadcast_to(self, x: Any, shape: Sequence[int]) -> Any:
        """x repeated to that shape."""
        shape = tuple(shape)
        return x if _shape(x) == shape else self.apply("broadcast_to", (x,), shape)

    def permute_dims(self, x: Any, axes: Sequence[int]) -> Any:
        """The axes in another order."""
        axes = tuple(a % len(axes) for a in axes)
        return x if axes == tuple(range(len(axes))) else self.apply("permute_dims", (x,), axes)

    def moveaxis(self, x: Any, source: int, destination: int) -> Any:
        """One axis moved to another place."""
        n = len(_shape(x))
        order = [i for i in range(n) if i != source % n]
        order.insert(destination % n, source % n)
        return self.permute_dims(x, order)

    def matrix_transpose(self, x: Any) -> Any:
        """The last two axes exchanged."""
        n = len(_shape(x))
        return self.permute_dims(x, (*range(n - 2), n - 1, n - 2))

    def expand_dims(self, x: Any, axis: int = 0) -> Any:
        """An axis of length 1 put in."""
        shape = list(_shape(x))
        shape.insert(axis % (len(shape) + 1), 1)
        return self.reshape(x, shape)

    def squeeze(self, x: Any, axis: Axis = None) -> Any:
        """Axes of length 1 taken out."""
        shape = _shape(x)
        axes = (
            [i for i, s in enumerate(shape) if s == 1] if axis is None else _axes(axis, len(shape))
        )
        if any(shape[i] != 1 for i in axes):
            raise ADError(f"squeeze: axis {axis} of shape {shape} is not of length 1")
        return self.reshape(x, tuple(s for i, s in enumerate(shape) if i not in axes))

    def flip(self, x: Any, axis: Axis = None) -> Any:
        """The entries in reverse order."""
        return self.apply("flip", (x,), _axes(axis, len(_shape(x))))

    def roll(self, x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
        """The entries rotated."""
        if axis is None:
            return self.reshape(self.roll(self.reshape(x, -1), shift, 0), _shape(x))
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
        return self.apply("roll", (x,), tuple(shifts), tuple(a % len(_shape(x)) for a in axes))

    def concat(self, arrays: Sequence[Any], axis: int | None = 0) -> Any:
        """Arrays laid end to end along an axis; flattened for None."""
        if axis is None:
            return self.concat([self.reshape(a, -1) for a in arrays], 0)
        return self.apply("concat", tuple(arrays), _axes(axis, len(_shape(arrays[0])))[0])

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> Any:
        """Arrays joined along a new axis."""
        shape = _shape(arrays[0])
        if others := {*map(_shape, arrays)} - {shape}:
            raise ADError(f"stack takes arrays of one shape, got {shape} and {others.pop()}")
        axis = axis % (len(shape) + 1)
        apart = (*shape[:axis], 1, *shape[axis:])
        return self.concat([self.apply("reshape", (a,), apart) for a in arrays], axis)

    def tile(self, x: Any, repetitions: Sequence[int]) -> Any:
        """x repeated along each axis."""
        shape, times = _shape(x), tuple(repetitions)
        shape = (1,) * (len(times) - len(shape)) + shape
        times = (1,) * (len(shape) - len(times)) + times
        apart = tuple(k for s in shape for k in (1, s))
        spread = tuple(k for t, s in zip(times, shape, strict=True) for k in (t, s))
        wide = self.broadcast_to(self.reshape(x, apart), spread)
        return self.reshape(wide, tuple(t * s for t, s in zip(times, shape, strict=True)))

    def take(self, x: Any, indices: Any, axis: int | None = None) -> Any:
        """The entries at the indices along an axis."""
        (axis,) = _axes(0 if axis is None else axis, len(_shape(x)))
        return x[(slice(None),) * axis + (np.asarray(indices),)]

    def scatter(self, g: Any, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
        """Zeros with ``g`` added at a key: the transpose of indexing."""
        return self.apply("scatter", (g,), key, shape)

    def attains(self, x: Any, y: Any, axes: tuple[int, ...]) -> Any:
        """Which entries attain the extreme ``y`` of their slice: what max and min derive by."""
        return self.apply("attains", (x, y), axes)

    # --- products --------------------------------------------------------------------------------

    def contract(self, a: Any, b: Any, left: str, right: str, out: str) -> Any:
        """The sum of products over the letters that ``out`` lacks; letters name axes."""
        return self.apply("contract", (a, b), left, right, out)

    def dot(self, a: Any, b: Any) -> Any:
        """The inner product of two vectors."""
        return self.contract(a, b, "i", "i", "")

    def vecdot(self, a: Any, b: Any, axis: int = -1) -> Any:
        """The inner products along an axis of two arrays of the same shape."""
        shape = np.broadcast_shapes(_shape(a), _shape(b))
        letters = _letters(len(shape))
        gone = letters[axis % len(shape)]
        a, b = self.broadcast_to(a, shape), self.broadcast_to(b, shape)
        return self.contract(a, b, letters, letters, letters.replace(gone, ""))

    def matmul(self, a: Any, b: Any) -> Any:
        """The matrix product; leading axes broadcast, vectors count as row or column."""
        plan = product(_shape(a), _shape(b))
        a = a if plan.a is None else self.reshape(a, plan.a)
        b = b if plan.b is None else self.reshape(b, plan.b)
        y = self.apply("contract", (a, b), *plan.letters)
        return y if plan.out is None else self.reshape(y, plan.out)

    def tensordot(self, a: Any, b: Any, axes: Any = 2) -> Any:
        """The sum of products over ``axes``: a number, or a pair of lists of axes."""
        n, m = len(_shape(a)), len(_shape(b))
        ours, theirs = (range(n - axes, n), range(axes)) if isinstance(axes, int) else axes
        left, right = list(_letters(n)), list(_letters(n + m)[n:])
        for i, j in zip(ours, theirs, strict=True):
            right[j] = left[i]
        shared = {left[i] for i in ours}
        out = [c for c in left + right if c not in shared]
        return self.contract(a, b, "".join(left), "".join(right), "".join(out))

    def outer(self, a: Any, b: Any) -> Any:
        """All products of two vectors."""
        return self.contract(a, b, "i", "j", "ij")

    def diagonal(self, x: Any, offset: int = 0) -> Any:
        """The entries of the last two axes with column - row = offset."""
        *_, rows, columns = _shape(x)
        count = max(0, min(rows - max(0, -offset), columns - max(0, offset)))
        i = np.arange(count) + max(0, -offset)
        return x[..., i, i + offset]

    def trace(self, x: Any, offset: int = 0) -> Any:
        """The sum of a diagonal."""
        return self.sum(self.diagonal(x, offset), axis=-1)


def _letters(n: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[:n]


def _holds_traced(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_traced, value))
    return isinstance(value, Traced)


def _public() -> set[str]:
    return {n for n in vars(Namespace) if n[0] != "_" and n not in ("apply", "reduce")}


NAMES: tuple[str, ...] = tuple(sorted({*ENTRYWISE, *_public(), "pi"}))

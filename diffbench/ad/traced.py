"""The traced array: overloads that hand every operation to its trace, and refuse what would lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, final

import numpy as np

from diffbench.ad.errors import NUMPY_GIVEN, TracedArrayError
from diffbench.ad.rules import RULES

if TYPE_CHECKING:
    from diffbench.ad.origins import Origin

__all__ = ["Traced", "plain", "shape_of"]


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array, scalar or traced array; objects without one are scalars."""
    return getattr(value, "shape", ())


def plain(value: Any) -> Any:
    """The value under all levels of tracing."""
    while type(value) is Traced:
        value = value.value
    return value


_ADD, _SUB, _MUL, _DIV = (RULES[n] for n in ("add", "subtract", "multiply", "divide"))
_NEG, _POW, _MOD = (RULES[n] for n in ("negative", "pow", "remainder"))
_ABS, _SQUARE, _INDEX = (RULES[n] for n in ("abs", "square", "index"))
_CONTRACT, _RESHAPE = RULES["contract"], RULES["reshape"]


@final
class Traced:
    """An array that a trace watches: its ``value``, and in ``node`` what the trace keeps of it."""

    __array_ufunc__ = None  # numpy arrays leave mixed operations to the methods here
    __slots__ = ("node", "origin", "trace", "value")

    def __init__(self, trace: Any, value: Any, node: Any) -> None:
        self.trace = trace
        self.value = value
        self.node = node
        self.origin: Origin | None = None

    def forgetful(self) -> Traced:
        """The same traced array without its origin."""
        return self if self.origin is None else Traced(self.trace, self.value, self.node)

    # --- what an array tells -----------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return getattr(self.value, "shape", ())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def dtype(self) -> Any:
        """The dtype of the plain value."""
        return getattr(plain(self.value), "dtype", np.dtype(type(plain(self.value))))

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        return self.trace.xp.matrix_transpose(self)

    mT = T

    def __len__(self) -> int:
        if not self.shape:
            raise TracedArrayError("a traced array of shape () has no len()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Traced({plain(self.value)!r}, level={self.trace.level})"

    # --- arithmetic --------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return self.trace.record(_ADD, (self, other))

    def __radd__(self, other: Any) -> Any:
        return self.trace.record(_ADD, (other, self))

    def __sub__(self, other: Any) -> Any:
        return self.trace.record(_SUB, (self, other))

    def __rsub__(self, other: Any) -> Any:
        return self.trace.record(_SUB, (other, self))

    def __mul__(self, other: Any) -> Any:
        if other is self:
            return self.trace.record(_SQUARE, (self,))
        return self.trace.record(_MUL, (self, other))

    def __rmul__(self, other: Any) -> Any:
        return self.trace.record(_MUL, (other, self))

    def __truediv__(self, other: Any) -> Any:
        return self.trace.record(_DIV, (self, other))

    def __rtruediv__(self, other: Any) -> Any:
        return self.trace.record(_DIV, (other, self))

    def __mod__(self, other: Any) -> Any:
        return self.trace.record(_MOD, (self, other))

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int | float) and other == 2:
            return self.trace.record(_SQUARE, (self,))
        return self.trace.record(_POW, (self, other))

    def __rpow__(self, other: Any) -> Any:
        return self.trace.record(_POW, (other, self))

    def __matmul__(self, other: Any) -> Any:
        return self.trace.xp.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.trace.xp.matmul(other, self)

    def __neg__(self) -> Any:
        return self.trace.record(_NEG, (self,))

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.trace.record(_ABS, (self,))

    # --- comparisons: recorded, without derivative -----------------------------------------------

    def __lt__(self, other: Any) -> Any:
        return self.trace.record(RULES["less"], (self, other))

    def __le__(self, other: Any) -> Any:
        return self.trace.record(RULES["less_equal"], (self, other))

    def __gt__(self, other: Any) -> Any:
        return self.trace.record(RULES["greater"], (self, other))

    def __ge__(self, other: Any) -> Any:
        return self.trace.record(RULES["greater_equal"], (self, other))

    def __eq__(self, other: object) -> Any:
        return self.trace.record(RULES["equal"], (self, other))

    def __ne__(self, other: object) -> Any:
        return self.trace.record(RULES["not_equal"], (self, other))

    def __and__(self, other: Any) -> Any:
        return self.trace.record(RULES["logical_and"], (self, other))

    def __or__(self, other: Any) -> Any:
        return self.trace.record(RULES["logical_or"], (self, other))

    def __invert__(self) -> Any:
        return self.trace.record(RULES["logical_not"], (self,))

    __hash__ = None  # type: ignore[assignment]  # == is elementwise, as for numpy arrays

    def __bool__(self) -> bool:
        outcome = bool(self.value)  # of a nested trace: the levels below note the branch too
        self.trace.guard(self, outcome)
        return outcome

    def __index__(self) -> int:
        raise TracedArrayError(
            "a traced array cannot be a Python index or range(): its derivative would be lost; "
            "compare it (x > 0) or index with numbers that do not depend on x"
        )

    def __float__(self) -> float:
        raise TracedArrayError(
            "float() of a traced array would lose its derivative; use xp functions (xp.sin, not "
            "math.sin) and leave it an array"
        )

    __int__ = __index__
    __complex__ = __float__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TracedArrayError(NUMPY_GIVEN)

    # --- parts -------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        key = key if type(key) is tuple else (key,)
        if Traced in map(type, key):
            key = tuple(_noted(k) if type(k) is Traced else k for k in key)
        return self.trace.record(_INDEX, (self,), (key,))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TracedArrayError(
            "a traced array cannot be written in place (x[i] = ...); build a new one with "
            "xp.where, xp.concat or xp.stack"
        )

    def reshape(self, *shape: Any) -> Any:
        """The same entries in another shape."""
        return self.trace.xp.reshape(self, shape[0] if len(shape) == 1 else shape)


def _noted(key: Traced) -> Any:
    """The value of a traced index; that it is this one is a branch that the program takes."""
    value = plain(key)
    same = key == value
    bool(key.trace.xp.all(same) if key.shape else same)
    return value

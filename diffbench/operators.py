"""The seven operators: what each asks for, its shapes, and how each derives from another.

With ``x`` of shape ``(n,)`` and ``y = f(x)`` of shape ``()`` or ``(m,)``:

========  =====  =========================================  ==============
operator  order  answer                                     seed
========  =====  =========================================  ==============
value     0      ``y``, ``()`` or ``(m,)``                  none
gradient  1      ``(n,)``, only for ``y`` of shape ``()``   none
jacobian  1      ``(m, n)``, ``(1, n)`` for ``y`` of ``()`` none
jvp       1      like ``y``                                 ``v``, ``(n,)``
vjp       1      ``(n,)``                                   ``w``, like ``y``
hvp       2      ``(n,)``, only for ``y`` of shape ``()``   ``v``, ``(n,)``
hessian   2      ``(n, n)``, only for ``y`` of shape ``()`` none
========  =====  =========================================  ==============
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from diffbench.errors import UnknownName

__all__ = ["DERIVATIONS", "OPERATORS", "Derivation", "Operator", "operator", "route"]

Shape = tuple[int, ...]
Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """What is asked: its order, the seed it takes, and the shape of its answer."""

    name: str
    order: int
    seed: str  # "", "v" (a tangent, shape (n,)) or "w" (an adjoint, shape of y)
    scalar_only: bool
    shape: Callable[[int, Shape], Shape]

    def seed_shape(self, n: int, y_shape: Shape) -> Shape | None:
        """The shape of the seed, or None where the operator takes none."""
        return {"": None, "v": (n,), "w": y_shape}[self.seed]


def _rows(y_shape: Shape) -> int:
    return y_shape[0] if y_shape else 1


OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator("value", 0, "", False, lambda n, y: y),
        Operator("gradient", 1, "", True, lambda n, y: (n,)),
        Operator("jacobian", 1, "", False, lambda n, y: (_rows(y), n)),
        Operator("jvp", 1, "v", False, lambda n, y: y),
        Operator("vjp", 1, "w", False, lambda n, y: (n,)),
        Operator("hvp", 2, "v", True, lambda n, y: (n,)),
        Operator("hessian", 2, "", True, lambda n, y: (n, n)),
    )
}


def operator(name: str) -> Operator:
    """The operator of that name; raises UnknownName with the nearest match."""
    try:
        return OPERATORS[name]
    except KeyError:
        raise UnknownName("operator", name, OPERATORS) from None


@dataclass(frozen=True, slots=True)
class Derivation:
    """How ``target`` is answered by calls of ``source``.

    ``combine(call, args, seed, n, y_shape)`` makes the timed answer: ``call(*args)`` for a
    source without a seed, ``call(*args, s)`` with numpy seeds ``s`` for one that takes seeds.
    ``lift`` is 1 where ``source`` is asked of the gradient function instead of f itself.
    """

    target: str
    source: str
    combine: Callable[[Call, Any, int, Shape], Any]
    lift: int = 0


def _unit(i: int, shape: Shape) -> Any:
    import numpy as np

    e = np.zeros(shape)
    e[(i,) if shape else ()] = 1.0
    return e


def _columns(call: Call, n: int) -> Any:
    import numpy as np

    return np.stack([np.asarray(call(_unit(i, (n,)))) for i in range(n)], axis=-1)


def _rows_by_vjp(call: Call, y_shape: Shape) -> Any:
    import numpy as np

    return np.stack([np.asarray(call(_unit(i, y_shape))) for i in range(_rows(y_shape))])


def _matrix(j: Any) -> Any:
    import numpy as np

    return np.asarray(j)


DERIVATIONS: tuple[Derivation, ...] = (
    # target, source, combine(call, seed, n, y_shape); the first whose source is native is taken.
    Derivation("gradient", "vjp", lambda call, s, n, y: call(_unit(0, ()))),
    Derivation("gradient", "jacobian", lambda call, s, n, y: _matrix(call())[0]),
    Derivation("gradient", "jvp", lambda call, s, n, y: _columns(call, n)),
    Derivation("jacobian", "gradient", lambda call, s, n, y: _matrix(call())[None, :]),
    Derivation("jacobian", "vjp", lambda call, s, n, y: _rows_by_vjp(call, y)),
    Derivation("jacobian", "jvp", lambda call, s, n, y: _columns(call, n).reshape(_rows(y), n)),
    Derivation("jvp", "gradient", lambda call, s, n, y: _matrix(call()) @ s),
    Derivation("jvp", "jacobian", lambda call, s, n, y: (_matrix(call()) @ s).reshape(y)),
    Derivation("jvp", "vjp", lambda call, s, n, y: (_rows_by_vjp(call, y) @ s).reshape(y)),
    Derivation("vjp", "gradient", lambda call, s, n, y: s * _matrix(call())),
    Derivation("vjp", "jacobian", lambda call, s, n, y: s.reshape(-1) @ _matrix(call())),
    Derivation(
        "vjp", "jvp", lambda call, s, n, y: s.reshape(-1) @ _columns(call, n).reshape(_rows(y), n)
    ),
    Derivation("hvp", "hessian", lambda call, s, n, y: _matrix(call()) @ s),
    Derivation("hessian", "hvp", lambda call, s, n, y: _columns(call, n)),
    Derivation("hvp", "jvp", lambda call, s, n, y: call(s), lift=1),
    Derivation("hvp", "vjp", lambda call, s, n, y: call(s), lift=1),  # the Hessian is symmetric
    Derivation("hessian", "jacobian", lambda call, s, n, y: _matrix(call()), lift=1),
    Derivation("hessian", "jvp", lambda call, s, n, y: _columns(call, n), lift=1),
    Derivation("hessian", "vjp", lambda call, s, n, y: _rows_by_vjp(call, (n,)), lift=1),
)


def route(
    target: str, native: Iterable[str], scalar: bool, nests: bool, n: int, m: int
) -> Derivation | None:
    """The derivation by which a method with those native operators answers ``target``.

    None where there is none. For a Jacobian from both jvp and vjp, the fewer calls win.
    """
    have = set(native)
    if not scalar:
        have -= {name for name, row in OPERATORS.items() if row.scalar_only}
    if target == "jacobian" and {"jvp", "vjp"} <= have and n < m:
        have.discard("vjp")
    for row in DERIVATIONS:
        if row.target == target and row.source in have and (nests or not row.lift):
            return row
    return None

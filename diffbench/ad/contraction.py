"""The one bilinear primitive: sums of products over letters, in one call of BLAS where it can be.

``ij, jk, ik`` is a matrix product, ``i, i,`` an inner product, ``i, j, ij`` an outer one. What to
transpose is planned once for each set of letters, and matrix products once for their shapes.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from diffbench.ad.errors import ADError

__all__ = ["Contraction", "Product", "contract", "product"]

Axes = tuple[int, ...]
Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Contraction:
    """How to sum products over letters: transpositions around one (batched) matrix product."""

    to_a: Axes
    to_b: Axes
    to_out: Axes
    batch: int
    left: int
    summed: int

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def of(a: str, b: str, out: str) -> Contraction:
        """The plan for operands with axes ``a`` and ``b`` and a result with axes ``out``."""
        summed = [c for c in a if c in b and c not in out]
        batch = [c for c in a if c in b and c in out]
        left, right = [c for c in a if c not in b], [c for c in b if c not in a]
        have = batch + left + right
        return Contraction(
            tuple(a.index(c) for c in batch + left + summed),
            tuple(b.index(c) for c in batch + summed + right),
            tuple(have.index(c) for c in out),
            len(batch),
            len(left),
            len(summed),
        )

    def matrices(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The operands as stacks of matrices, (batch, left, summed) and (batch, summed, right)."""
        x, y = x.transpose(self.to_a), y.transpose(self.to_b)
        lead = math.prod(x.shape[: self.batch])
        inner = math.prod(y.shape[self.batch : self.batch + self.summed])
        return x.reshape(lead, -1, inner), y.reshape(lead, inner, -1)

    def shape(self, x: Any, y: Any) -> Shape:
        """The shape of the product before its axes are put in order: batch, left, right."""
        ours = tuple(x.shape[i] for i in self.to_a[: self.batch + self.left])
        return ours + tuple(y.shape[i] for i in self.to_b[self.batch + self.summed :])

    def assemble(self, product: Any, x: Any, y: Any) -> Any:
        """The stack of products with its axes apart and in the order of ``out``."""
        return product.reshape(self.shape(x, y)).transpose(self.to_out)


@functools.lru_cache(maxsize=4096)
def _flat(a: str, b: str, out: str) -> tuple[bool, bool, bool, Callable[..., Any]] | None:
    """(exchange the operands, turn the first, turn the second, multiply), for matrices at most.

    None where a letter is shared by all three, two are summed, or an operand has more axes.
    """
    plan = Contraction.of(a, b, out)
    if plan.batch or plan.summed > 1 or max(len(a), len(b), len(out)) > 2:
        return None
    exchange = plan.to_out == (1, 0)  # (A B)' = B' A'
    turn_a, turn_b = plan.to_a == (1, 0), plan.to_b == (1, 0)
    if exchange:
        turn_a, turn_b = (len(b) == 2) != turn_b, (len(a) == 2) != turn_a
    multiply = np.dot if plan.summed else _outer if a and b else operator.mul
    return exchange, turn_a, turn_b, multiply


def _outer(x: Any, y: Any) -> Any:
    return x[:, None] * y


def contract(x: Any, y: Any, a: str, b: str, out: str) -> Any:
    """Sum of products over the letters that ``out`` lacks; ``ij, jk, ik`` is a matrix product."""
    flat = _flat(a, b, out)
    if flat is None:
        plan = Contraction.of(a, b, out)
        return plan.assemble(np.matmul(*plan.matrices(x, y)), x, y)
    exchange, turn_x, turn_y, multiply = flat
    if exchange:
        x, y = y, x
    return multiply(x.T if turn_x else x, y.T if turn_y else y)


# --- matrix products ------------------------------------------------------------------------------


class Product(NamedTuple):
    """A matrix product as a contraction: its letters, and shapes where an axis of 1 is left out."""

    a: Shape | None
    b: Shape | None
    letters: tuple[str, str, str]
    out: Shape | None


@functools.lru_cache(maxsize=4096)
def product(a: Shape, b: Shape) -> Product:
    """The plan for operands of those shapes; leading axes broadcast, vectors are row or column."""
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else -1]:
        raise ADError(f"matmul: shapes {a} and {b} do not fit")
    batch = "abcdefgh"[: max(len(a), len(b), 2) - 2]
    row, column = ("i" if len(a) > 1 else ""), ("k" if len(b) > 1 else "")
    mine, theirs = _wide(a, batch, row + "j"), _wide(b, batch, "j" + column)
    sizes = {**mine, **theirs}
    kept = "".join(c for c in batch if c in sizes)
    return Product(
        _other(mine, a),
        _other(theirs, b),
        ("".join(mine), "".join(theirs), kept + row + column),
        None if kept == batch else tuple(sizes.get(c, 1) for c in batch + row + column),
    )


def _wide(shape: Shape, batch: str, letters: str) -> dict[str, int]:
    """The letter and length of each axis, but for the batch axes of length 1: they broadcast."""
    have = batch[len(batch) + len(letters) - len(shape) :] + letters
    return {c: s for c, s in zip(have, shape, strict=True) if s != 1 or c not in batch}


def _other(sizes: dict[str, int], shape: Shape) -> Shape | None:
    return None if len(sizes) == len(shape) else tuple(sizes.values())

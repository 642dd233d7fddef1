"""Products of matrices: which BLAS routine, with which strides, at which address.

A row-major product C = A B is the column-major product C' = B' A', so that BLAS gets its operands
in reverse and nothing is copied. Addresses are scipy's own, of the library that it brings.
"""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, NamedTuple

from diffbench.ad.native.program import Node
from diffbench.ad.native.views import Axis, strides

if TYPE_CHECKING:
    from diffbench.ad.native.nests import Nests

__all__ = ["Matrix", "Product", "address", "fits", "must_be_stored", "planned", "write"]

Shape = tuple[int, ...]


class Matrix(NamedTuple):
    """An operand as BLAS sees it: offset in entries, leading dimension, and whether transposed."""

    offset: int
    leading: int
    transposed: bool


class Product(NamedTuple):
    """C (rows x columns) = left (rows x inner) right (inner x columns), row-major."""

    rows: int
    inner: int
    columns: int
    left: Matrix
    right: Matrix
    swapped: bool  # left is the second operand


def source(node: Node) -> tuple[Node, tuple[Axis, ...] | None]:
    """What a view reads, and the view; a node that is none reads itself."""
    return (node.args[0], node.params) if node.op == "view" else (node, None)


def _steps(node: Node) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides by which a node reads its source's memory."""
    base, how = source(node)
    if base.op == "flat":
        return None
    if how is None:
        return 0, strides(node.shape)
    offset, steps = 0, [0] * len(node.shape)
    for axis, step in zip(how, strides(base.shape), strict=True):
        offset += axis.offset * step
        for place, factor in axis.terms:
            steps[place] += factor * step
    if any(s < 0 for s in steps):
        return None
    return offset, tuple(steps)


def _matrix(node: Node, first: tuple[int, ...], second: tuple[int, ...]) -> Matrix | None:
    """The node as a matrix over two groups of its axes, if its memory lies so."""
    found = _steps(node)
    if found is None:
        return None
    offset, steps = found
    row, column = _joined(node.shape, steps, first), _joined(node.shape, steps, second)
    if row is None or column is None:
        return None
    (rows, down), (columns, across) = row, column
    if across == 1 or columns == 1:
        return Matrix(offset, max(1, down if rows > 1 else columns, columns), False)
    if down == 1 or rows == 1:
        return Matrix(offset, max(1, across, rows), True)
    return None


def _joined(shape: Shape, steps: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, int] | None:
    """Size and stride of several axes as one, None where they do not join."""
    size, step = 1, 0
    for axis in reversed([a for a in axes if shape[a] != 1]):
        if size == 1:
            step = steps[axis]
        elif steps[axis] != step * size:
            return None
        size *= shape[axis]
    if size > 1 and step == 0:
        return None
    return size, step


def fits(args: tuple[Node, ...], params: tuple[str, str, str]) -> bool:
    """Whether a contraction is one product of matrices as its factors lie in memory."""
    return _planned(args, params) is not None


def planned(node: Node) -> Product | None:
    """How a contraction is one product of matrices; None where it is not."""
    return _planned(node.args, node.params)


def _planned(args: tuple[Node, ...], params: tuple[str, str, str]) -> Product | None:
    a, b, out = params
    summed = [s for s in a if s in b]
    if any(s in out for s in summed):
        return None  # a batch
    left = [s for s in a if s not in b]
    right = [s for s in b if s not in a]
    for swapped in (False, True):
        first, second = (right, left) if swapped else (left, right)
        if [*first, *second] != list(out):
            continue
        mine, theirs = args[::-1] if swapped else args
        names, others = (b, a) if swapped else (a, b)
        for order in dict.fromkeys((tuple(s for s in a if s in b), tuple(s for s in b if s in a))):
            one = _matrix(mine, _places(names, first), _places(names, order))
            two = _matrix(theirs, _places(others, order), _places(others, second))
            if one is not None and two is not None:
                sizes = dict(zip(a + b, args[0].shape + args[1].shape, strict=True))
                rows, inner, columns = (_product(sizes, g) for g in (first, order, second))
                return Product(rows, inner, columns, one, two, swapped)
    return None


def _places(letters: str, chosen: tuple[str, ...] | list[str]) -> tuple[int, ...]:
    return tuple(letters.index(s) for s in chosen)


def _product(sizes: dict[str, int], letters: tuple[str, ...] | list[str]) -> int:
    found = 1
    for s in letters:
        found *= sizes[s]
    return found


def must_be_stored(operand: Node) -> Node:
    """What of a factor has to stand in memory for BLAS to read it: its source, or itself."""
    base, how = source(operand)
    if how is None or _steps(operand) is None:
        return operand
    return base


# --- the calls -----------------------------------------------------------------------------------


def write(nests: Nests, node: Node) -> None:
    """The call that fills the memory of a contraction."""
    product = planned(node)
    assert product is not None, "the builder makes only what is planned"
    left, right = node.args[::-1] if product.swapped else node.args
    one = _pointer_to(nests, left, product.left)
    two = _pointer_to(nests, right, product.right)
    out = nests.base(node)
    if product.columns == 1:
        _gemv(
            nests, product.left, (product.rows, product.inner), one, two, product.right.leading, out
        )
    elif product.rows == 1:
        step = product.left.leading if product.left.transposed else 1
        flipped = product.right._replace(transposed=not product.right.transposed)
        _gemv(nests, flipped, (product.columns, product.inner), two, one, step, out)
    else:
        _gemm(nests, product, one, two, out)


def _gemv(
    nests: Nests, a: Matrix, shape: tuple[int, int], pointer: str, x: str, step: int, out: str
) -> None:
    """y = A x; a row-major A is BLAS's transposed one."""
    rows, inner = shape
    mode, m, n = ("N", rows, inner) if a.transposed else ("T", inner, rows)
    _call(nests, "dgemv", mode, m, n, 1.0, pointer, a.leading, x, step, 0.0, out, 1)


def _gemm(nests: Nests, p: Product, one: str, two: str, out: str) -> None:
    """C' = B' A'."""
    modes = ["T" if m.transposed else "N" for m in (p.right, p.left)]
    _call(
        nests,
        "dgemm",
        *modes,
        p.columns,
        p.rows,
        p.inner,
        1.0,
        two,
        p.right.leading,
        one,
        p.left.leading,
        0.0,
        out,
        p.columns,
    )


def _call(nests: Nests, name: str, *given: str | int | float) -> None:
    """A Fortran call: every argument by its address."""
    arguments = ", ".join(f"ptr {_by_address(nests, a)}" for a in given)
    nests.code.line(f"call void inttoptr (i64 {address(name)} to ptr)({arguments})", 0)


def _by_address(nests: Nests, a: str | int | float) -> str:
    if isinstance(a, float):
        name, text = f"@d{int(a)}", f"double {a!r}"
    elif isinstance(a, int):
        name, text = f"@i{a}", f"i32 {a}"
    elif a in ("N", "T"):
        name, text = f"@c{a}", f"i8 {ord(a)}"
    else:
        return a
    nests.code.declared.add(f"{name} = private constant {text}")
    return name


def _pointer_to(nests: Nests, operand: Node, matrix: Matrix) -> str:
    base = nests.base(source(operand)[0] if not nests.layout.stored(operand) else operand)
    if not matrix.offset:
        return base
    text = f"getelementptr double, ptr {base}, i64 {matrix.offset}"
    return nests.code.computed((text,), text, 0, "p", False).text


@functools.cache
def address(name: str) -> int:
    """Of a BLAS or LAPACK routine in the library that scipy brings."""
    from scipy.linalg import cython_blas, cython_lapack

    for module in (cython_blas, cython_lapack):
        capsule = module.__pyx_capi__.get(name)
        if capsule is not None:
            return _pointer(capsule)
    raise KeyError(name)


def _pointer(capsule: object) -> int:
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    found = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    assert found is not None
    return int(found)

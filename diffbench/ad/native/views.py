"""Affine maps between the indices of arrays: slices, transposes and broadcasts are no work.

A *view* says, for every axis of its source, which entry an index of the result reads:
``offset + sum of coefficient * index of a result axis``. Views of views compose into one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Axis",
    "View",
    "broadcast",
    "composed",
    "identity",
    "indexed",
    "joined",
    "permuted",
    "reshaped",
    "strides",
]

Shape = tuple[int, ...]


class Axis(NamedTuple):
    """One axis of the source: offset, and (axis of the result, coefficient) pairs."""

    offset: int
    terms: tuple[tuple[int, int], ...] = ()


View = tuple[Axis, ...]
joined = functools.cache(np.broadcast_shapes)


def strides(shape: Shape) -> tuple[int, ...]:
    """Of a contiguous array, in entries."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def composed(outer: View, inner: View) -> View:
    """The view that reads through ``inner`` and then ``outer``; ``inner`` is nearer the result."""

    def axis(row: Axis) -> Axis:
        offset, terms = row.offset, dict[int, int]()
        for place, factor in row.terms:
            offset += factor * inner[place].offset
            for result, coefficient in inner[place].terms:
                terms[result] = terms.get(result, 0) + factor * coefficient
        return Axis(offset, tuple(sorted((a, c) for a, c in terms.items() if c)))

    return tuple(map(axis, outer))


def identity(shape: Shape) -> View:
    """Every entry at its own place; axes of length 1 need no index."""
    return tuple(Axis(0, ((i, 1),) if s != 1 else ()) for i, s in enumerate(shape))


def broadcast(source: Shape, shape: Shape) -> View:
    """A smaller array read as one of the larger shape."""
    shift = len(shape) - len(source)
    return tuple(Axis(0, ((i + shift, 1),) if s != 1 else ()) for i, s in enumerate(source))


def permuted(shape: Shape, axes: Sequence[int]) -> View:
    """Axis i of the result is axis ``axes[i]`` of the source."""
    place = {axis: i for i, axis in enumerate(axes)}
    return tuple(Axis(0, ((place[i], 1),) if s != 1 else ()) for i, s in enumerate(shape))


def indexed(shape: Shape, key: tuple[Any, ...]) -> View | None:
    """Basic indexing by integers, slices, None and Ellipsis; None where there are index arrays."""
    parts = _spelled_out(key, len(shape))
    if parts is None:
        return None
    found: list[Axis] = []
    result = 0
    for part in parts:
        if part is None:
            result += 1
            continue
        size = shape[len(found)]
        if isinstance(part, slice):
            start, stop, step = part.indices(size)
            count = len(range(start, stop, step))
            found.append(Axis(start, ((result, step),) if count != 1 else ()))
            result += 1
        else:
            found.append(Axis(int(part) % size))
    return tuple(found)


def _spelled_out(key: tuple[Any, ...], ndim: int) -> list[Any] | None:
    """The key with one part an axis, new axes as None; None where it is not basic."""
    parts: list[Any] = []
    used = sum(1 for k in key if k is not None and k is not Ellipsis)
    for k in key:
        if k is Ellipsis:
            parts += [slice(None)] * (ndim - used)
        elif k is None or isinstance(k, slice):
            parts.append(k)
        elif getattr(k, "shape", ()) == () and hasattr(k, "__index__") and k is not True:
            parts.append(k)
        else:
            return None
    have = sum(1 for p in parts if p is not None)
    return parts + [slice(None)] * (ndim - have)


def reshaped(source: Shape, shape: Shape) -> View | None:
    """Another shape where it only splits axes; None where axes are joined."""
    wide = [i for i, s in enumerate(source) if s != 1]
    left = [i for i, s in enumerate(shape) if s != 1]
    found: dict[int, Axis] = {}
    for axis in wide:
        size, mine = 1, []
        while left and size < source[axis]:
            mine.append(left.pop(0))
            size *= shape[mine[-1]]
        if size != source[axis]:
            return None
        steps = strides(tuple(shape[i] for i in mine))
        found[axis] = Axis(0, tuple(zip(mine, steps, strict=True)))
    return tuple(found.get(i, Axis(0)) for i in range(len(source)))

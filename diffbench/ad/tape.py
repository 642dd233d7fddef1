"""The memory of a trace: every object it keeps alive, each counted once.

A tape of large arrays is as large as their data; a tape of numbers is mostly Python: a number is
32 bytes, and the tuple of its operands twice that. Both are counted as the interpreter does.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import getsizeof
from typing import Any

import numpy as np

__all__ = ["nbytes"]

SHARED = range(-5, 257)  # whole numbers of which the interpreter keeps one each


def nbytes(roots: Iterable[Any], given: Iterable[Any] = ()) -> int:
    """Bytes of all numbers, arrays and containers within ``roots``, but for what is ``given``.

    A view counts as its header, and the array that owns its data once. An object with a method
    ``kept()`` counts as what that lists; of any other, only the name is kept.
    """
    seen = {id(thing) for thing in given}
    stack = list(roots)
    total = 0
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            total += getsizeof(thing)
            stack.append(thing.base)
        elif isinstance(thing, list | tuple):
            total += getsizeof(thing)
            stack.extend(thing)
        elif isinstance(thing, int | float | np.generic | slice):
            total += 0 if isinstance(thing, int) and thing in SHARED else getsizeof(thing)
        elif kept := getattr(thing, "kept", None):
            stack.extend(kept())
    return total

"""A weaker reference: the same derivative in extended precision, of which nothing is proven.

Where a proof in balls would take too long, the in-house engine answers once in numpy's
``longdouble`` (64 bits of mantissa on x86, 113 elsewhere) and once in double. How far the two part
is what rounding does to a double; where they agree, an answer that is far from both is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.ad.errors import PathChanged
from diffbench.ad.graph import Backend
from diffbench.ad.namespace import FLOATS

__all__ = ["AGREED", "BITS", "answer"]

Array = NDArray[np.float64]
BITS = int(np.finfo(np.longdouble).nmant) + 1
DOUBLE = 53
AGREED = 1e-6  # of the largest entry


def _long(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.astype(np.longdouble) if x.dtype.kind == "f" else x
    return np.longdouble(x) if isinstance(x, float) else x


# a copy, so that no shortcut for the engine's own floats rounds to double
EXTENDED = replace(FLOATS, name="extended floats", numbers=_long)


def answer(question: Callable[[Backend], Any]) -> tuple[Array, Array, Array] | None:
    """The answer as two doubles, and how far that in double precision is from it, by entries.

    None where no longer float is to be had (for linear algebra there is none), where longer ones
    take another branch than that of a known pattern, where the answer is not finite, or where the
    two differ by more than AGREED of the largest entry.
    """
    if BITS <= DOUBLE:
        return None
    try:
        with np.errstate(all="ignore"):
            fine, coarse = (np.asarray(question(arithmetic)) for arithmetic in (EXTENDED, FLOATS))
    except (TypeError, PathChanged):  # numpy.linalg and some of scipy.special refuse longdouble
        return None
    hi = fine.astype(np.float64)
    apart = np.abs(fine - coarse).astype(np.float64)
    scale = float(np.max(np.abs(hi), initial=0.0))
    if not (float(np.max(apart, initial=0.0)) <= AGREED * scale < np.inf):
        return None
    return hi, (fine - hi).astype(np.float64), apart

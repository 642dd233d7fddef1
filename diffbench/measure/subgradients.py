"""Answers that are sets: what may be said of a derivative where there is not one alone.

At a kink or a tie of a convex function every subgradient is a right answer, and which one a
method returns is its convention. A :class:`Right` holds the set (an interval an entry, and where
entries depend on each other, their sum or norm) with the convention of this project in it; a
set of one point is an ordinary derivative. An entry whose interval is NaN has no right answer,
and NaN is the honest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

__all__ = ["VERDICTS", "Right", "ball", "exactly", "hull", "ties", "verdict"]

VERDICTS = ("valid", "other convention", "outside the set", "NaN")
SLACK = {"exact": 2.0**-40, "approximate": 1e-4}  # by a method's claim, of the largest entry
Numbers = tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Right:
    """A set of gradients: entry i in ``[low_i, high_i]``, ``convention`` the one that is ours.

    ``total`` is what the entries must sum to and ``radius`` what their Euclidean norm must not
    exceed, where the intervals alone do not say it all; ``says`` is the set in words.
    """

    low: Numbers
    high: Numbers
    convention: Numbers
    says: str
    total: float | None = None
    radius: float = math.inf


def exactly(*answer: float) -> Right:
    """The set of one gradient."""
    return Right(answer, answer, answer, ", ".join(map(_said, answer)))


def _said(number: float) -> str:
    if math.isnan(number):
        return "none"
    return f"{number:.4g}".replace("inf", "∞")


def hull(low: float, high: float, convention: float) -> Right:
    """The interval between the slopes on either side of a kink."""
    return Right((low,), (high,), (convention,), f"any in [{low:g}, {high:g}]")


def ties(n: int) -> Right:
    """The convex combinations of n unit vectors: who attains a maximum shares its slope."""
    shares = (1.0 / n,) * n
    return Right((0.0,) * n, (1.0,) * n, shares, "shares in [0, 1] that sum to 1", total=1.0)


def ball(n: int, radius: float = 1.0) -> Right:
    """The ball around 0: the subgradients of a norm at 0."""
    reach = (radius,) * n
    says = f"any of norm at most {radius:g}"
    return Right(tuple(-r for r in reach), reach, (0.0,) * n, says, radius=radius)


def verdict(answer: Any, right: Right, claim: str) -> str:
    """What an answer of shape ``(n,)`` by a method of that claim is; one of VERDICTS.

    An entry may miss its interval by SLACK times the largest finite bound (1 where all are 0).
    """
    answer = np.asarray(answer, dtype=np.float64)
    none = np.isnan(right.low)
    if np.any(np.isnan(answer) & ~none):
        return "NaN"
    scale = max((abs(b) for b in (*right.low, *right.high) if math.isfinite(b)), default=0.0)
    slack = SLACK[claim] * (scale or 1.0)
    if not _inside(answer[~none], right, none, slack) or not np.all(np.isnan(answer[none])):
        return "outside the set"
    return "valid" if _near(answer, np.array(right.convention), slack) else "other convention"


def _near(a: Any, b: Any, slack: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.all((a == b) | (np.abs(a - b) <= slack) | (np.isnan(a) & np.isnan(b))))


def _inside(answer: Any, right: Right, none: Any, slack: float) -> bool:
    low, high = np.array(right.low)[~none], np.array(right.high)[~none]
    fits = bool(np.all((answer >= low - slack) & (answer <= high + slack)))
    summed = right.total is None or abs(float(np.sum(answer)) - right.total) <= slack
    return fits and summed and not float(np.linalg.norm(answer)) > right.radius + slack

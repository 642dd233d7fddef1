"""What the checks of families and methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from diffbench.measure.accuracy import Accuracy

__all__ = ["PASSED", "copied", "first", "said", "same", "touched", "undeclared"]

PASSED = ("exact to rounding", "uninformative")


def first(found: Iterable[str | None]) -> str | None:
    """The first sentence, if any."""
    return next((sentence for sentence in found if sentence), None)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays, or what stands for one, are alike bit by bit."""
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


def copied(values: Sequence[Any]) -> tuple[Any, ...]:
    """The same with writable copies of all arrays."""
    return tuple(np.array(v) if isinstance(v, np.ndarray) else v for v in values)


def touched(call: Callable[..., Any], names: Sequence[str], values: Sequence[Any]) -> str | None:
    """Which of its arguments a call writes to."""
    mine = copied(values)
    call(*mine)
    wrong = [name for name, a, b in zip(names, values, mine, strict=True) if not same(a, b)]
    return f"writes to {', '.join(wrong)}" if wrong else None


def undeclared(owner: Any, names: Iterable[str]) -> str | None:
    """The attributes that hold no text."""
    missing = [n for n in names if not str(getattr(owner, n, None) or "").strip()]
    return f"nothing is said for {', '.join(missing)}" if missing else None


def said(what: str, judged: Accuracy) -> str:
    """A verdict as a sentence."""
    return f"{what} is {judged.verdict}: {judged.verdict_reason}"

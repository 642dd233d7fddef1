"""The clock: calibrated loops of one call, the garbage collector off, warm-up apart.

A sample is ``loops`` calls in a row between two readings of ``perf_counter``. Loops are doubled
until a sample reaches the target, so that the clock's own resolution does not show. Every sample
follows one call that is not counted: what the cache lost to other processes is fetched again (of a
call of a millisecond that is a quarter; it would hide how two methods differ).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Overheads", "calibrate", "overheads", "quiet", "sample", "warm_sample"]

Call = Callable[..., Any]
Args = tuple[Any, ...]
MOST_LOOPS = 2**24
LONG_S = 0.05  # a single call of so many seconds warms itself


def sample(call: Call, args: Args, loops: int) -> float:
    """Seconds that ``loops`` calls in a row take together."""
    turns = repeat(None, loops)
    start = perf_counter()
    for _ in turns:
        call(*args)
    return perf_counter() - start


def warm_sample(call: Call, args: Args, loops: int) -> float:
    """The same after a call that is not counted; a single long call is its own warm-up."""
    first = sample(call, args, 1)
    return first if loops == 1 and first >= LONG_S else sample(call, args, loops)


def calibrate(call: Call, args: Args, target: float) -> tuple[int, float]:
    """The power of two of loops at which a sample reaches ``target`` seconds, and that sample."""
    loops = 1
    while (seconds := sample(call, args, loops)) < target and loops < MOST_LOOPS:
        loops *= 2
    return loops, seconds


@contextmanager
def quiet() -> Iterator[None]:
    """No cyclic garbage collection inside: it makes tapes look super-linear."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@final
@dataclass(frozen=True, slots=True)
class Overheads:
    """What measuring itself costs: one reading of the clock, one call of nothing, in seconds."""

    clock_s: float
    empty_call_s: float


def _nothing(*args: Any) -> None:
    del args


def overheads(target: float = 1e-3, repeats: int = 5) -> Overheads:
    """The least of a few samples of both: nothing can make them faster than they are."""
    costs = []
    for call, args in ((perf_counter, ()), (_nothing, (None,))):
        loops, _ = calibrate(call, args, target)
        costs.append(min(sample(call, args, loops) for _ in range(repeats)) / loops)
    return Overheads(*costs)

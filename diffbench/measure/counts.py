"""Exact counts of one call: evaluations of f, reverse sweeps, tangent directions.

Evaluations are counted by the interpreter's own call events, while one call of the very same
prepared object runs that is timed elsewhere: nothing is prepared a second time, and nothing is
left in the timed path. A call of f inside f is part of the outer one.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, final

from diffbench.ad.counters import COUNTERS

__all__ = ["Counts", "counted"]


@final
@dataclass(frozen=True, slots=True)
class Counts:
    """The record's fields; ``calls_f`` is None where f is no Python function."""

    calls_f: int | None
    sweeps: int
    directions: int


def _code(f: Any) -> CodeType | None:
    """The code that runs when f is called."""
    if isinstance(f, functools.partial):
        return _code(f.func)
    for place in (f, vars(type(f)).get("__call__")):
        code = getattr(place, "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None


@final
@dataclass(slots=True)
class _Watch:
    """A trace function that counts the outermost calls of one code object."""

    code: CodeType
    calls: int = 0
    depth: int = field(default=0, init=False)

    def enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Called by the interpreter for every Python function that is entered."""
        if frame.f_code is not self.code:
            return None
        self.calls += self.depth == 0
        self.depth += 1
        frame.f_trace_lines = False
        return self.leave

    def leave(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Called when f returns or raises; a raise is followed by its own return."""
        self.depth -= event == "return"
        return self.leave


def counted(f: Any, call: Callable[[], Any]) -> tuple[Any, Counts]:
    """``call()`` and what it cost in evaluations of ``f``, sweeps and directions."""
    code = _code(f)
    watch = _Watch(code) if code is not None else None
    before = sys.gettrace()
    COUNTERS.reset()
    if watch is not None:
        sys.settrace(watch.enter)
    try:
        out = call()
    finally:
        sys.settrace(before)
    calls = None if watch is None else watch.calls
    return out, Counts(calls, COUNTERS.sweeps, COUNTERS.directions)

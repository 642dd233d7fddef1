"""What a function refers to besides its arguments, and how a compiled program holds on to it.

Arrays of doubles that ``f`` captures (closure cells, globals that its code names, arguments of a
``functools.partial``) are traced like arguments and read in place at each call. Everything else
that it captures is watched: a cell or global that is bound anew, or an array of another dtype
whose contents change, sends the call back to be traced again.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import numpy as np

from diffbench.ad.errors import ADError
from diffbench.ad.native.entry import Content, Watch

__all__ = ["Captured", "Place", "captured"]

Function = Callable[..., Any]


class Place(NamedTuple):
    """Where a function finds an array: a cell, a global, a default, an argument of a partial."""

    kind: str
    key: Any


@final
class Captured:
    """The arrays that a function captures, and what else it is bound to."""

    def __init__(self, f: Function, lift: bool) -> None:
        self.f = f
        self.arrays: dict[Place, Any] = {}
        self.watches: list[Watch | Content] = []
        for place, holder, name, value in _bindings(f):
            if holder is not None:
                self.watches.append(Watch(holder, name, value))
            if not isinstance(value, np.ndarray):
                continue
            if lift and _readable(value):
                self.arrays[place] = value
            else:
                self.watches.append(Content(value, value.copy()))

    def rebuilt(self, values: tuple[Any, ...]) -> Function:
        """The same function with those values in place of the arrays."""
        return _with(self.f, dict(zip(self.arrays, values, strict=True))) if values else self.f


def captured(f: Function, lift: bool) -> Captured:
    """What ``f`` captures; arrays are traced if ``lift``, else their contents are watched."""
    return Captured(f, lift)


def _readable(a: Any) -> bool:
    return type(a) is np.ndarray and a.dtype == np.float64 and a.flags.c_contiguous and a.size > 0


def _bindings(f: Function) -> Iterator[tuple[Place, Any, str | None, Any]]:
    """(place, what holds it, under which name, value) of all that f captures."""
    if isinstance(f, functools.partial):
        for i, value in enumerate(f.args):
            yield Place("argument", i), None, None, value
        for key, value in f.keywords.items():
            yield Place("keyword", key), None, None, value
        yield from _bindings(f.func)
    elif isinstance(f, types.MethodType):
        yield from _bindings(f.__func__)
    elif isinstance(f, types.FunctionType):
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                yield Place("cell", name), cell, None, cell.cell_contents
            except ValueError:
                raise ADError(f"{f.__name__}: the variable {name!r} has no value yet") from None
        for i, value in enumerate(f.__defaults__ or ()):
            yield Place("default", i), None, None, value
        for name, value in (f.__kwdefaults__ or {}).items():
            yield Place("default", name), None, None, value
        for name in sorted(set(f.__code__.co_names) & set(f.__globals__)):
            yield Place("global", name), f.__globals__, name, f.__globals__[name]


def _with(f: Any, values: dict[Place, Any]) -> Function:
    if isinstance(f, functools.partial):
        args = [values.get(Place("argument", i), a) for i, a in enumerate(f.args)]
        named = {key: values.get(Place("keyword", key), a) for key, a in f.keywords.items()}
        return functools.partial(_with(f.func, values), *args, **named)
    if isinstance(f, types.MethodType):
        return types.MethodType(_with(f.__func__, values), f.__self__)
    if not isinstance(f, types.FunctionType):
        return f  # type: ignore[no-any-return]
    cells = tuple(
        types.CellType(values[Place("cell", name)]) if Place("cell", name) in values else cell
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
    )
    changed = {place.key: v for place, v in values.items() if place.kind == "global"}
    scope = {**f.__globals__, **changed} if changed else f.__globals__
    defaults = tuple(values.get(Place("default", i), d) for i, d in enumerate(f.__defaults__ or ()))
    made = types.FunctionType(f.__code__, scope, f.__name__, defaults, cells)
    named = f.__kwdefaults__ or {}
    made.__kwdefaults__ = {key: values.get(Place("default", key), d) for key, d in named.items()}
    return made

"""The callable that Python sees: a C function of CPython's own calling convention.

It checks its arguments (type, dtype, shape, memory order) and everything that the program was
bound to, makes the answer's array, runs the program, and returns. Whatever does not fit goes to
``slow``, a Python function that traces again or raises. So a call costs what its checks and one
new array cost: a fraction of a microsecond. Offsets are those of CPython's and numpy's published
structures (PyObject, PyFloatObject, PyCellObject, PyArrayObject_fields).
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffbench.ad.native.machine import loaded
from diffbench.ad.native.segments import OTHER_PATH, Written, api_address
from diffbench.ad.native.writer import LANES, at_address

if TYPE_CHECKING:
    from diffbench.ad.native.binding import Captured

__all__ = ["Argument", "Content", "Contract", "Watch", "callable_of"]

TYPE, NUMBER, CONTENT = 8, 16, 16  # offsets: ob_type; ob_fval and obval; ob_ref of a cell
DATA, NDIM, DIMS, DESCR, FLAGS = 16, 24, 32, 56, 64  # of an array
ORDERLY = 0x0001 | 0x0100  # C-contiguous, aligned
DOUBLE = 12  # numpy's type number
METH_FASTCALL = 0x0080
MOST_OF_COUNT = 0x7FFFFFFFFFFFFFFF  # without the flag bit of vectorcall
FOLD = f"declare double @llvm.vector.reduce.fadd.v{LANES}f64(double, <{LANES} x double>)"
# code that is long for what it works on runs through once: improving it costs more than it saves
LONG_TEXT, FEW_ENTRIES = 4000, 2**13
TYPE_TABLE, NEW = 2, 93  # places in numpy's table of its C interface


class Argument(NamedTuple):
    """How one argument is checked: an array of a shape, a number of a type, or one object."""

    kind: str  # "array", "number", "object", or "content": one array with what it holds now
    bound: Any  # the shape, the type, or the object
    copy: Any = None  # of an array that is compared


class Watch(NamedTuple):
    """A binding that must still be what it was: a cell, or a name in a dictionary."""

    holder: Any
    name: str | None
    value: Any


class Content(NamedTuple):
    """An array that must still hold what it held."""

    array: Any
    copy: Any


class Contract(NamedTuple):
    """A program with all that its callable checks, and what it answers."""

    written: Written
    arguments: Sequence[Argument]
    held: Captured
    shape: tuple[int, ...]  # of the answer
    slow: Callable[..., Any]  # called where a check fails
    finite: bool  # whether an answer that is not finite goes to slow


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = [  # ctypes wants a plain list
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


@functools.cache
def _numpy_table() -> Any:
    core = importlib.import_module("numpy._core._multiarray_umath")

    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    place = api.PyCapsule_GetPointer(core._ARRAY_API, None)
    return ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))


def callable_of(contract: Contract) -> Any:
    """The compiled program as a built-in function of Python."""
    written = contract.written
    text = _module(contract)
    once = written.entries < FEW_ENTRIES and text.count("\n") > LONG_TEXT
    engine = loaded(text, ["call"], 0 if once else 2)
    definition = _Definition(b"compiled", engine.addresses["call"], METH_FASTCALL, None)
    read = (contract.arguments, contract.held, contract.slow)
    alive = (engine.owner, definition, written.alive, written.space, *read)  # but not the text
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(definition), alive, None)


# --- the text ------------------------------------------------------------------------------------


class _Lines:
    """Instructions with fresh names; a test that fails goes to ``slow``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def let(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %x{self.count} = {text}")
        return f"%x{self.count}"

    def at(self, pointer: str, offset: int, type_: str = "ptr") -> str:
        place = self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")
        return self.let(f"load {type_}, ptr {place}, align 4")

    def need(self, a: str, b: object, type_: str = "ptr") -> None:
        same = self.let(f"icmp eq {type_} {a}, {b}")
        self.count += 1
        self.lines += [f"  br i1 {same}, label %l{self.count}, label %slow", f"l{self.count}:"]


def _module(contract: Contract) -> str:
    written, arguments, held, shape, slow, finite = contract
    lines = _Lines()
    count = lines.let(f"and i64 %n, {MOST_OF_COUNT}")
    lines.need(count, len(arguments), "i64")
    data = []
    for i, argument in enumerate(arguments):
        found = _checked(lines, lines.at("%args", 8 * i), argument)
        data += [found] if found else []
    for watch in held.watches:
        _unchanged(lines, watch) if isinstance(watch, Content) else _watched(lines, watch)
    data += [at_address(a.ctypes.data) for a in held.arrays.values()]
    if written.interrupted:  # another thread may be inside, with the workspace half filled
        lines.need(lines.at(at_address(written.space[-1:].ctypes.data), 0, "i64"), 0, "i64")
    made = _new_array(lines, shape)
    body = "\n".join(lines.lines)
    return "\n".join(
        [
            *sorted({*written.declared, FOLD}),
            f"@dims = private constant [{max(1, len(shape))} x i64] [{_sizes(shape)}]",
            *written.text,
            "define ptr @call(ptr %self, ptr %args, i64 %n) {",
            body,
            f"  %made = {made}",
            "  %none = icmp eq ptr %made, null",
            "  br i1 %none, label %raised, label %go",
            "raised:\n  ret ptr null",
            "go:",
            f"  %place = getelementptr i8, ptr %made, i64 {DATA}",
            "  %data = load ptr, ptr %place, align 8",
            *_runs(written, data),
            *(_finite(math.prod(shape)) if finite else []),
            "  ret ptr %made",
            *_ways_out(slow),
            "}",
        ]
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(f"i64 {s}" for s in shape) or "i64 0"


def _checked(lines: _Lines, found: str, argument: Argument) -> str:
    """Checks of one argument; where its numbers stand, or nothing for an object."""
    if argument.kind in ("object", "content"):
        lines.need(found, at_address(id(argument.bound)))
        if argument.kind == "content":
            _unchanged(lines, Content(argument.bound, argument.copy))
        return ""
    if argument.kind == "number":
        lines.need(lines.at(found, TYPE), at_address(id(argument.bound)))
        return lines.let(f"getelementptr i8, ptr {found}, i64 {NUMBER}")
    lines.need(lines.at(found, TYPE), at_address(id(np.ndarray)))
    lines.need(lines.at(found, DESCR), at_address(id(np.dtype(np.float64))))
    lines.need(lines.at(found, NDIM, "i32"), len(argument.bound), "i32")
    orderly = lines.let(f"and i32 {lines.at(found, FLAGS, 'i32')}, {ORDERLY}")
    lines.need(orderly, ORDERLY, "i32")
    if argument.bound:
        dims = lines.at(found, DIMS)
        for i, size in enumerate(argument.bound):
            lines.need(lines.at(dims, 8 * i, "i64"), size, "i64")
    return lines.at(found, DATA)


def _watched(lines: _Lines, watch: Watch) -> None:
    if watch.name is None:
        now = lines.at(at_address(id(watch.holder)), CONTENT)
    else:
        look = at_address(api_address("PyDict_GetItemWithError"))
        now = lines.let(
            f"call ptr {look}(ptr {at_address(id(watch.holder))}, ptr {at_address(id(watch.name))})"
        )
    lines.need(now, at_address(id(watch.value)))


def _unchanged(lines: _Lines, watch: Content) -> None:
    compare = ctypes.cast(ctypes.CDLL(None).memcmp, ctypes.c_void_p).value
    assert compare is not None
    now, then = at_address(watch.array.ctypes.data), at_address(watch.copy.ctypes.data)
    given = f"ptr {now}, ptr {then}, i64 {watch.copy.nbytes}"
    lines.need(lines.let(f"call i32 {at_address(compare)}({given})"), 0, "i32")


def _new_array(lines: _Lines, shape: tuple[int, ...]) -> str:
    table = _numpy_table()
    given = (
        f"ptr {at_address(table[TYPE_TABLE])}, i32 {len(shape)}, ptr @dims, i32 {DOUBLE}, "
        "ptr null, ptr null, i32 0, i32 0, ptr null"
    )
    return f"call ptr {at_address(table[NEW])}({given})"


def _runs(written: Written, data: list[str]) -> list[str]:
    """The parts one after another, each only if the one before went well."""
    given = ", ".join(f"ptr {d}" for d in (at_address(written.space.ctypes.data), "%data", *data))
    busy = at_address(written.space[-1:].ctypes.data)
    mark = [[f"  store i64 {now}, ptr {busy}"] if written.interrupted else [] for now in (0, 1)]
    lines = [*mark[1]]
    for i, name in enumerate(written.names):
        lines += [
            f"  %r{i} = call i32 @{name}({given})",
            f"  %g{i} = icmp eq i32 %r{i}, 0",
            f"  br i1 %g{i}, label %after{i}, label %bad{i}",
            f"bad{i}:",
            *mark[0],
            f"  call void {at_address(api_address('Py_DecRef'))}(ptr %made)",
            f"  %o{i} = icmp eq i32 %r{i}, {OTHER_PATH}",
            f"  br i1 %o{i}, label %slow, label %raised",
            f"after{i}:",
        ]
    return lines + mark[0]


def _finite(size: int) -> list[str]:
    """Zero times every entry of the answer, added up: zero, unless one is infinite or NaN."""
    wide, rest = size - size % LANES, size % LANES
    vector, total = f"<{LANES} x double>", "%zero"
    lines = ["  %zero = fadd double 0.0, 0.0"]
    if wide:
        lines += [
            "  br label %before",
            "before:",
            "  br label %look",
            "look:",
            "  %i = phi i64 [ 0, %before ], [ %j, %look ]",
            f"  %sum = phi {vector} [ zeroinitializer, %before ], [ %more, %look ]",
            "  %at = getelementptr double, ptr %data, i64 %i",
            f"  %many = load {vector}, ptr %at, align 8",
            f"  %none0 = fmul {vector} %many, zeroinitializer",
            f"  %more = fadd {vector} %sum, %none0",
            f"  %j = add i64 %i, {LANES}",
            f"  %on = icmp slt i64 %j, {wide}",
            "  br i1 %on, label %look, label %looked",
            "looked:",
            f"  %all = call reassoc double @llvm.vector.reduce.fadd.v{LANES}f64"
            f"(double 0.0, {vector} %more)",
        ]
        total = "%all"
    for i in range(rest):
        lines += [
            f"  %at{i} = getelementptr double, ptr %data, i64 {wide + i}",
            f"  %one{i} = load double, ptr %at{i}, align 8",
            f"  %null{i} = fmul double %one{i}, 0.0",
            f"  %t{i} = fadd double {total}, %null{i}",
        ]
        total = f"%t{i}"
    return [
        *lines,
        f"  %known = fcmp ord double {total}, {total}",
        "  br i1 %known, label %good, label %spoilt",
        "spoilt:",
        f"  call void {at_address(api_address('Py_DecRef'))}(ptr %made)",
        "  br label %slow",
        "good:",
    ]


def _ways_out(slow: Callable[..., Any]) -> list[str]:
    call = at_address(api_address("PyObject_Vectorcall"))
    return [
        "slow:",
        f"  %answer = call ptr {call}(ptr {at_address(id(slow))}, ptr %args, i64 %n, ptr null)",
        "  ret ptr %answer",
    ]

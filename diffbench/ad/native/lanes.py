"""Elementwise primitives in LLVM: an instruction, an intrinsic, a vector function or C's own.

A row that stands here is written in instructions; one that does not is called by the name in the
table's ``native`` column: as our own vector function where :mod:`diffbench.ad.native.vector` has
one, else as the C function of that name. A row with neither is computed by numpy.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable

from diffbench.ad.native import vector
from diffbench.ad.native.writer import Code, Value
from diffbench.ad.rules import RULES

__all__ = ["c_address", "compilable", "entry"]

Lane = Callable[..., Value]


def entry(code: Code, op: str, args: list[Value]) -> Value:
    """The value of an elementwise primitive."""
    row = ROWS.get(op)
    return row(code, *args) if row else _function(code, RULES[op].native, *args)


@functools.cache
def compilable(op: str) -> bool:
    """Whether an elementwise primitive can be written in machine code."""
    return op in ROWS or bool(RULES[op].native and c_address(RULES[op].native))


@functools.cache
def c_address(name: str) -> int:
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0
    except AttributeError:
        return _in_libm(name)


def _in_libm(name: str) -> int:
    import ctypes.util

    library = ctypes.util.find_library("m")
    try:
        return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0


def _function(code: Code, name: str, *args: Value) -> Value:
    if len(args) == 1 and args[0].wide and name in vector.FUNCTIONS:
        return code.vector_call(vector.address(name), args[0])
    return code.call(c_address(name), *args)


def _op(name: str) -> Lane:
    return lambda code, *args: code.instruction(name, *args)


def _intrinsic(name: str) -> Lane:
    return lambda code, *args: code.intrinsic(name, *args)


def _compare(how: str) -> Lane:
    return lambda code, a, b: code.compare(how, truth_as_number(code, a), truth_as_number(code, b))


def truth_as_number(code: Code, a: Value) -> Value:
    """A truth value as 1.0 or 0.0; a number as it is."""
    return a if a.kind == "f" else code.select(a, code.number(1.0), code.number(0.0))


def truth(code: Code, a: Value) -> Value:
    """A number as whether it is not 0."""
    return a if a.kind == "b" else code.compare("une", a, code.number(0.0))


def _logic(name: str) -> Lane:
    return lambda code, a, b: code.instruction(name, truth(code, a), truth(code, b), kind="b")


def _not(code: Code, a: Value) -> Value:
    return code.instruction("xor", truth(code, a), Value("true", 0, "b", False), kind="b")


def _where(code: Code, condition: Value, a: Value, b: Value) -> Value:
    return code.select(truth(code, condition), truth_as_number(code, a), truth_as_number(code, b))


def _masked(code: Code, g: Value, c: Value) -> Value:
    return code.select(code.compare("oeq", g, code.number(0.0)), code.number(0.0), c)


def _sign(code: Code, a: Value) -> Value:
    """-1, 0 or 1; a NaN stays one."""
    zero = code.number(0.0)
    size = code.select(
        code.compare("oeq", a, zero), zero, code.intrinsic("llvm.copysign", code.number(1.0), a)
    )
    return code.select(code.compare("uno", a, a), a, size)


def _expit(code: Code, a: Value) -> Value:
    """1 / (1 + t) or t / (1 + t) with t = exp(-|x|): no cancellation on either side."""
    one = code.number(1.0)
    t = entry(code, "exp", [code.instruction("fneg", code.intrinsic("llvm.fabs", a))])
    top = code.select(code.compare("oge", a, code.number(0.0)), one, t)
    return code.instruction("fdiv", top, code.instruction("fadd", one, t))


def _sech2(code: Code, a: Value) -> Value:
    """4 t / (1 + t)^2 with t = exp(-2|x|)."""
    size = code.intrinsic("llvm.fabs", a)
    t = entry(code, "exp", [code.instruction("fmul", code.number(-2.0), size)])
    below = code.instruction("fadd", code.number(1.0), t)
    top = code.instruction("fmul", code.number(4.0), t)
    return code.instruction("fdiv", top, code.instruction("fmul", below, below))


def _xlogy(code: Code, a: Value, b: Value) -> Value:
    product = code.instruction("fmul", a, entry(code, "log", [b]))
    nothing = code.instruction(
        "and", code.compare("oeq", a, code.number(0.0)), code.compare("ord", b, b), kind="b"
    )
    return code.select(nothing, code.number(0.0), product)


def _logaddexp(code: Code, a: Value, b: Value) -> Value:
    """max + log1p(exp(-|a - b|)); of equal infinities the one itself."""
    larger = code.intrinsic("llvm.maximum", a, b)
    gap = code.intrinsic("llvm.fabs", code.instruction("fsub", a, b))
    more = entry(code, "log1p", [entry(code, "exp", [code.instruction("fneg", gap)])])
    same = code.instruction("fadd", larger, code.number(math.log(2.0)))
    total = code.instruction("fadd", larger, more)
    return code.select(code.compare("oeq", a, b), same, total)


def _remainder(code: Code, a: Value, b: Value) -> Value:
    """Python's: with the sign of the divisor."""
    rest = code.call(c_address("fmod"), a, b)
    zero = code.number(0.0)
    differs = code.compare("olt", code.instruction("fmul", rest, b), zero)
    return code.select(differs, code.instruction("fadd", rest, b), rest)


def _power(code: Code, a: Value, b: Value) -> Value:
    """Small whole exponents by products, each rounded; others by C."""
    exponent = _constant(b)
    if abs(exponent) in POWERS:
        square = code.instruction("fmul", a, a)
        product = {
            1.0: a,
            2.0: square,
            3.0: code.instruction("fmul", square, a),
            4.0: code.instruction("fmul", square, square),
        }[abs(exponent)]
        one = code.number(1.0)
        return product if exponent > 0 else code.instruction("fdiv", one, product)
    return code.call(c_address("pow"), a, b)


def _constant(a: Value) -> float:
    import struct

    if not a.text.startswith("0x"):
        return math.nan
    return float(struct.unpack(">d", bytes.fromhex(a.text[2:]))[0])


POWERS = (1.0, 2.0, 3.0, 4.0)
ROWS: dict[str, Lane] = {
    "add": _op("fadd"),
    "subtract": _op("fsub"),
    "multiply": _op("fmul"),
    "divide": _op("fdiv"),
    "negative": _op("fneg"),
    "abs": _intrinsic("llvm.fabs"),
    "sqrt": _intrinsic("llvm.sqrt"),
    "maximum": _intrinsic("llvm.maximum"),
    "minimum": _intrinsic("llvm.minimum"),
    "floor": _intrinsic("llvm.floor"),
    "ceil": _intrinsic("llvm.ceil"),
    "trunc": _intrinsic("llvm.trunc"),
    "round": _intrinsic("llvm.rint"),
    "copy": lambda code, a: a,
    "square": lambda code, a: code.instruction("fmul", a, a),
    "root": _intrinsic("llvm.sqrt"),
    "explog": lambda code, a: code.select(
        code.compare("olt", a, code.number(0.0)), code.number(math.nan), a
    ),
    "sech2": _sech2,
    "reciprocal": lambda code, a: code.instruction("fdiv", code.number(1.0), a),
    "sign": _sign,
    "where": _where,
    "masked": _masked,
    "expit": _expit,
    "xlogy": _xlogy,
    "xlogx": lambda code, a: _xlogy(code, a, a),
    "logaddexp": _logaddexp,
    "remainder": _remainder,
    "pow": _power,
    "less": _compare("olt"),
    "less_equal": _compare("ole"),
    "greater": _compare("ogt"),
    "greater_equal": _compare("oge"),
    "equal": _compare("oeq"),
    "not_equal": _compare("une"),
    "isnan": lambda code, a: code.compare("uno", a, a),
    "isfinite": lambda code, a: code.compare(
        "olt", code.intrinsic("llvm.fabs", a), code.number(math.inf)
    ),
    "logical_and": _logic("and"),
    "logical_or": _logic("or"),
    "logical_not": _not,
}

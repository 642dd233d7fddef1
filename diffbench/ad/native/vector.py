"""Exponential, logarithm, circular and hyperbolic functions of eight doubles at once.

Each is a reduction of its argument and a Taylor polynomial long enough that what is left out is
below a tenth of the last place; tests hold them to one unit in the last place against 50 digits.
Products that cancel are fused, so that reductions are exact: the constants are split into parts
of 53 bits. Arguments that a reduction cannot take (|x| > 2^20 in sine and cosine) are computed by
C's functions, lane by lane. Sources of the methods: Muller, Elementary Functions, 3rd edition,
2016, chapters 9 and 10; Tang, Table-driven implementation of the exponential function, 1989.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from diffbench.ad.native.machine import loaded
from diffbench.ad.native.writer import LANES, Code, Value, splatted

__all__ = ["FUNCTIONS", "address"]

MAGIC = 1.5 * 2.0**52  # added and taken away it rounds to whole numbers, which its low bits show
WIDE = f"<{LANES} x double>"
WHOLE = f"<{LANES} x i64>"


def _parts(digits: str, count: int) -> list[float]:
    """A constant of many digits as a sum of doubles, each the rest rounded."""
    from fractions import Fraction

    rest, found = Fraction(digits), []
    for _ in range(count):
        found.append(float(rest))
        rest -= Fraction(found[-1])
    return found


HALF_PI = _parts("1.57079632679489661923132169163975144209858469968755291048747229615390820314", 3)
LN2 = _parts("0.693147180559945309417232121458176568075500134360255254120680009493393621969", 2)
LN2_HIGH = math.floor(LN2[0] * 2.0**32) / 2.0**32  # times any exponent it is exact
LN2_LOW = (LN2[0] - LN2_HIGH) + LN2[1]


class _Lanes:
    """Arithmetic on vectors, spelled as in a formula."""

    def __init__(self) -> None:
        self.code = Code("v")

    def __call__(self, number: float) -> Value:
        return self.code.splat(self.code.number(number))

    def add(self, a: Value, b: Value) -> Value:
        return self.code.instruction("fadd", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self.code.instruction("fsub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self.code.instruction("fmul", a, b)

    def div(self, a: Value, b: Value) -> Value:
        return self.code.instruction("fdiv", a, b)

    def neg(self, a: Value) -> Value:
        return self.code.instruction("fneg", a)

    def abs(self, a: Value) -> Value:
        return self.code.intrinsic("llvm.fabs", a)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a b + c, rounded once."""
        return self.code.intrinsic("llvm.fma", a, b, c)

    def when(self, how: str, a: Value, b: Value, yes: Value, no: Value) -> Value:
        return self.code.select(self.code.compare(how, a, b), yes, no)

    def bits(self, a: Value) -> Value:
        text = f"bitcast {WIDE} {a.text} to {WHOLE}"
        return self.code.computed((text,), text, 0, "i", True)

    def number(self, a: Value) -> Value:
        text = f"bitcast {WHOLE} {a.text} to {WIDE}"
        return self.code.computed((text,), text, 0, "f", True)

    def whole(self, name: str, a: Value, k: int | Value) -> Value:
        """An integer instruction with a constant or another vector."""
        other = k.text if isinstance(k, Value) else splatted(str(k), "i")
        text = f"{name} {WHOLE} {a.text}, {other}"
        return self.code.computed((text,), text, 0, "i", True)

    def horner(self, z: Value, coefficients: list[float]) -> Value:
        """The polynomial with these coefficients, the constant first."""
        total = self(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            total = self.fma(total, z, self(c))
        return total

    def rounded(self, a: Value) -> tuple[Value, Value]:
        """(the nearest whole number as a double, the same in the low bits of an integer)."""
        shifted = self.add(a, self(MAGIC))
        return self.sub(shifted, self(MAGIC)), self.bits(shifted)

    def power_of_two(self, k: Value) -> Value:
        """2^k for whole doubles k of exponents that doubles have."""
        biased = self.bits(self.add(k, self(MAGIC + 1023.0)))
        return self.number(self.whole("shl", biased, 52))


def _exp(v: _Lanes, x: Value) -> Value:
    """exp(k ln 2 + r) = 2^k exp(r), |r| <= ln 2 / 2; the power in two halves, for both ends."""
    x = v.when("ogt", x, v(711.0), v(711.0), x)
    x = v.when("olt", x, v(-747.0), v(-747.0), x)
    k, _ = v.rounded(v.mul(x, v(1.0 / math.log(2.0))))
    r = v.fma(v.neg(k), v(LN2[0]), x)
    r = v.fma(v.neg(k), v(LN2[1]), r)
    tail = v.horner(r, [1.0 / math.factorial(i) for i in range(2, 14)])
    y = v.add(v(1.0), v.fma(v.mul(r, r), tail, r))
    half, _ = v.rounded(v.mul(k, v(0.5)))
    return v.mul(v.mul(y, v.power_of_two(half)), v.power_of_two(v.sub(k, half)))


def _log(v: _Lanes, x: Value) -> Value:
    """log(2^k m) = k ln 2 + log m, sqrt(1/2) < m < sqrt(2); log m by its series in f/(2 + f)."""
    tiny = v.code.compare("olt", x, v(2.0**-1022))
    scaled = v.code.select(tiny, v.mul(x, v(2.0**54)), x)
    bits = v.whole("sub", v.bits(scaled), v.bits(v(math.sqrt(0.5))))
    steps = v.whole("ashr", bits, 52)
    m = v.number(v.whole("sub", v.bits(scaled), v.whole("shl", steps, 52)))
    k = v.sub(v.number(v.whole("add", steps, v.bits(v(MAGIC)))), v(MAGIC))
    k = v.code.select(tiny, v.sub(k, v(54.0)), k)
    f = v.sub(m, v(1.0))
    s = v.div(f, v.add(v(2.0), f))
    z = v.mul(s, s)
    tail = v.mul(z, v.horner(z, [2.0 / (2 * i + 3) for i in range(11)]))
    half = v.mul(v(0.5), v.mul(f, f))
    small = v.fma(s, v.add(half, tail), v.mul(k, v(LN2_LOW)))
    y = v.fma(k, v(LN2_HIGH), v.sub(f, v.sub(half, small)))
    y = v.when("oeq", x, v(math.inf), v(math.inf), y)
    y = v.when("oeq", x, v(0.0), v(-math.inf), y)
    return v.when("ult", x, v(0.0), v(math.nan), y)


def _log1p(v: _Lanes, x: Value) -> Value:
    """log(u) with what u = 1 + x lost put back to first order."""
    u = v.add(v(1.0), x)
    lost = v.sub(x, v.sub(u, v(1.0)))
    y = v.add(_log(v, u), v.div(lost, u))
    y = v.when("oeq", u, v(math.inf), u, y)
    y = v.when("oeq", u, v(0.0), v(-math.inf), y)
    return v.when("olt", v.abs(x), v(2.0**-54), x, y)


def _circular(v: _Lanes, x: Value, quarter: int) -> Value:
    """sin(x + quarter pi/2): x less k quarter turns, in two doubles, then sine or cosine."""
    k, bits = v.rounded(v.mul(x, v(2.0 / math.pi)))
    minus = v.neg(k)
    first = v.fma(minus, v(HALF_PI[0]), x)
    w = v.mul(minus, v(HALF_PI[1]))
    r = v.add(first, w)
    back = v.sub(r, first)
    low = v.add(v.sub(first, v.sub(r, back)), v.sub(w, back))
    low = v.add(low, v.fma(minus, v(HALF_PI[1]), v.neg(w)))
    low = v.fma(minus, v(HALF_PI[2]), low)
    z = v.mul(r, r)
    odd = [(-1.0) ** i / math.factorial(2 * i + 1) for i in range(1, 9)]
    even = [(-1.0) ** i / math.factorial(2 * i) for i in range(2, 9)]
    half = v.mul(v(0.5), z)
    rest = v.fma(v.mul(r, z), v.horner(z, odd), v.mul(low, v.sub(v(1.0), half)))
    sine = v.add(r, rest)
    near = v.sub(v(1.0), half)
    more = v.fma(v.mul(z, z), v.horner(z, even), v.neg(v.mul(r, low)))
    cosine = v.add(near, v.add(v.sub(v.sub(v(1.0), near), half), more))
    turn = v.whole("add", bits, quarter)
    odd_turn = v.whole("shl", v.whole("and", turn, 1), 63)  # a sign: negative where odd
    chosen = v.when("olt", v.number(v.whole("or", odd_turn, v.bits(v(1.0)))), v(0.0), cosine, sine)
    sign = v.whole("shl", v.whole("and", turn, 2), 62)
    y = v.number(v.whole("xor", v.bits(chosen), sign))
    return v.when("oeq", x, v(0.0), x, y) if quarter == 0 else y


def _tanh(v: _Lanes, x: Value) -> Value:
    """Near 0 Lambert's continued fraction, cut at the ninth term; else by exp(-2|x|)."""
    z = v.mul(x, x)
    bottom = v.horner(z, [34459425.0, 16216200.0, 945945.0, 13860.0, 45.0])
    top = v.horner(z, [-11486475.0, -810810.0, -12870.0, -44.0])
    near = v.code.intrinsic("llvm.copysign", v.fma(v.mul(x, z), v.div(top, bottom), x), x)
    size = v.abs(x)
    t = _exp(v, v.mul(v(-2.0), size))
    far = v.sub(v(1.0), v.div(v.mul(v(2.0), t), v.add(v(1.0), t)))
    far = v.code.intrinsic("llvm.copysign", far, x)
    return v.when("olt", size, v(0.8), near, far)


def _cosh(v: _Lanes, x: Value) -> Value:
    """(t + 1/t) / 2 with t = exp(|x|); near its end (e/2) exp(|x| - 1), which overflows later."""
    size = v.abs(x)
    t = v.mul(v(0.5), _exp(v, size))
    y = v.add(t, v.div(v(0.25), t))
    late = v.mul(_exp(v, v.sub(size, v(1.0))), v(0.5 * math.e))
    return v.when("ogt", size, v(709.0), late, y)


FUNCTIONS: dict[str, Callable[[_Lanes, Value], Value]] = {
    "exp": _exp,
    "log": _log,
    "log1p": _log1p,
    "sin": lambda v, x: _circular(v, x, 0),
    "cos": lambda v, x: _circular(v, x, 1),
    "tanh": _tanh,
    "cosh": _cosh,
}
FAR = {"sin": 2.0**20, "cos": 2.0**20}  # beyond this, C's function


def _text(name: str) -> str:
    """The function as LLVM reads it."""
    v = _Lanes()
    y = FUNCTIONS[name](v, Value("%x", 0, "f", True))
    body = "\n".join(v.code.levels[0])
    declared = "\n".join(sorted(v.code.declared))
    head = f"define {WIDE} @v_{name}({WIDE} %x) {{\n"
    if name not in FAR:
        return f"{declared}\n{head}{body}\n  ret {WIDE} {y.text}\n}}\n"
    return f"{declared}\n{head}{_near_or_far(name, body, y)}}}\n"


def _near_or_far(name: str, body: str, y: Value) -> str:
    far = Code("f")
    x = Value("%x", 0, "f", True)
    size = far.intrinsic("llvm.fabs", x)
    beyond = far.compare("ogt", size, far.splat(far.number(FAR[name])))
    test = "\n".join(far.levels[0])
    far.levels[0].clear()
    slow = far.call(_c_address(name), x)
    calls = "\n".join(far.levels[0])
    truths = f"<{LANES} x i1> {beyond.text}"
    return (
        f"{test}\n  %any = call i1 @llvm.vector.reduce.or.v{LANES}i1({truths})\n"
        f"  br i1 %any, label %far, label %near\nfar:\n{calls}\n  ret {WIDE} {slow.text}\n"
        f"near:\n{body}\n  ret {WIDE} {y.text}\n"
    )


def _c_address(name: str) -> int:
    from diffbench.ad.native.lanes import c_address

    return c_address(name)


@functools.cache
def _library() -> Any:
    """All of them, compiled once a process."""
    texts = [_text(name) for name in FUNCTIONS]
    lines = dict.fromkeys(
        line for text in texts for line in text.splitlines() if line[:7] == "declare"
    )
    lines[f"declare i1 @llvm.vector.reduce.or.v{LANES}i1(<{LANES} x i1>)"] = None
    bodies = ["\n".join(line for line in t.splitlines() if line[:7] != "declare") for t in texts]
    return loaded("\n".join([*lines, *bodies]), [f"v_{name}" for name in FUNCTIONS], 3)


def address(name: str) -> int:
    """Where the vector function of that name stands in memory."""
    return int(_library().addresses[f"v_{name}"])

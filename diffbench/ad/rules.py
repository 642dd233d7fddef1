"""THE TABLE: one row a primitive, and everything that is known of it.

A partial of an elementwise row is written as what it does to a direction ``g``, in the
primitives themselves: ``lambda xp, g, y, x: g * xp.cos(x)``. Forward mode gives it a tangent,
reverse mode an adjoint, second order a traced one, the reference balls, the trace table symbols.
The same row therefore yields the derivative of every order, its certified value and its LaTeX.

Columns of :class:`Rule`, in order:

- ``name``: array-API name where the standard has one;
- ``numpy``: its value on numpy arrays;
- ``kind``: how directions pass (:mod:`diffbench.ad.kinds`);
- ``partials``: one an operand, None where it is identically zero;
- ``ball``: its value on one ball (an ``arb``): the name of a method, or a function of balls;
- ``sympy``: its value on one expression: a name in sympy, or a function of (sympy, expressions);
- ``native``: the C function or LLVM operation of its value;
- ``domain``: safe intervals, one an operand, on which tests certify the row;
- ``convention``: what the row answers where no derivative exists;
- ``cost``: scalar operations from (shape of y, shapes of operands, parameters);
- ``latex``: how the value is written;
- ``analytic``: holomorphic, so that the complex step sees it;
- ``singular``: the partial can be infinite, so that a zero direction is kept zero;
- ``weight`` (reductions): ``weight(xp, g, y, x, axes)``, what each entry's partial does to g;
- ``transposed``, ``batched`` (structural rows): the transpose, and the value for k directions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffbench.ad import kernels, partials
from diffbench.ad.contraction import contract
from diffbench.ad.kinds import (
    Bilinear,
    Concatenation,
    Elementwise,
    Factor,
    Fixed,
    Inverse,
    Kind,
    Reduction,
    Solve,
    Structural,
    unbroadcast,
    widened,
)

__all__ = ["ENTRYWISE", "RULES", "Rule"]

Shape = tuple[int, ...]
Cost = Callable[[Shape, list[Shape], tuple[Any, ...]], int]
Interval = tuple[float, float]


def _each(y: Shape, operands: list[Shape], params: tuple[Any, ...]) -> int:
    return math.prod(y)


def _none(y: Shape, operands: list[Shape], params: tuple[Any, ...]) -> int:
    return 0


def _reduced(y: Shape, operands: list[Shape], params: tuple[Any, ...]) -> int:
    return math.prod(operands[0]) - math.prod(y)


def _contracted(y: Shape, operands: list[Shape], params: tuple[Any, ...]) -> int:
    sizes = dict(zip(params[0] + params[1], operands[0] + operands[1], strict=True))
    summed = math.prod(size for letter, size in sizes.items() if letter not in params[2])
    return int(math.prod(y) * (2 * summed - 1))


def _cubic(factor: float) -> Cost:
    def cost(y: Shape, operands: list[Shape], params: tuple[Any, ...]) -> int:
        n = operands[0][-1]
        right = 2 * n * math.prod(operands[1]) if len(operands) > 1 else 0
        return int(round(factor * n**3) + right)

    return cost


def _unlike(*args: Any) -> Any:
    raise TypeError("this row is not structural: it has no transpose")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One row; the columns are described at the head of this file."""

    name: str
    numpy: Callable[..., Any]
    kind: Kind
    partials: tuple[Any, ...] = ()
    ball: str | Callable[..., Any] = ""
    sympy: str | Callable[..., Any] = ""
    native: str = ""
    domain: tuple[Interval, ...] = ()
    convention: str = ""
    cost: Cost = _each
    latex: str = ""
    analytic: bool = True
    singular: bool = False
    weight: Callable[..., Any] | None = None
    transposed: Callable[..., Any] = _unlike
    batched: Callable[..., Any] = _unlike


ELEMENTWISE, FIXED, REDUCTION, STRUCTURAL = Elementwise(), Fixed(), Reduction(), Structural()

# --- the rows ------------------------------------------------------------------------------------

_ANY: Interval = (-3.0, 3.0)
_POSITIVE: Interval = (0.25, 3.0)
_UNIT: Interval = (-0.75, 0.75)
_AWAY: Interval = (0.5, 2.0)


def _unary(name: str, value: Any, partial: Any, domain: Interval, latex: str, **more: Any) -> Rule:
    return Rule(name, value, ELEMENTWISE, (partial,), domain=(domain,), latex=latex, **_same(name, more))


def _binary(name: str, value: Any, first: Any, second: Any, domain: Any, latex: str, **more: Any) -> Rule:
    return Rule(name, value, ELEMENTWISE, (first, second), domain=domain, latex=latex, **_same(name, more))


def _fixed(name: str, value: Any, ball: Any, sympy: Any, latex: str) -> Rule:
    return Rule(name, value, FIXED, (), ball, sympy, latex=latex, analytic=False)


def _structural(name: str, value: Any, transposed: Any, batched: Any, cost: Cost = _none) -> Rule:
    latex = rf"\operatorname{{{{{name}}}}} {{0}}"
    more = {"transposed": transposed, "batched": batched}
    return Rule(name, value, STRUCTURAL, cost=cost, latex=latex, **more)


def _same(name: str, more: dict[str, Any]) -> dict[str, Any]:
    """Ball, sympy and C know most functions by the same name."""
    return {"ball": name, "sympy": name, "native": name, **more}


_UNARY = (
    # name, numpy, partial, domain, latex, and what differs
    _unary("negative", np.negative, lambda xp, g, y, x: -g, _ANY, "-{0}",
           ball=operator.neg, sympy=lambda sp, x: -x, native="fneg"),
    _unary("abs", np.abs, lambda xp, g, y, x: g * xp.sign(x), _AWAY, r"\lvert {0} \rvert",
           ball=abs, sympy="Abs", native="fabs", analytic=False,
           convention="0 at 0, the middle of [-1, 1]"),
    _unary("square", np.square, lambda xp, g, y, x: g * (2.0 * x), _ANY, "{0}^2",
           ball=lambda x: x * x, sympy=lambda sp, x: x**2),
    _unary("sqrt", np.sqrt, lambda xp, g, y, x: g / (2.0 * y), _POSITIVE, r"\sqrt{{{0}}}",
           singular=True, convention="+inf at 0"),
    _unary("root", np.sqrt, partials.root, _POSITIVE, r"\sqrt{{{0}}}", ball="sqrt", sympy="sqrt", native="sqrt",
           convention="of a sum of squares: 0 at 0, the centre of the subdifferential"),
    _unary("reciprocal", np.reciprocal, lambda xp, g, y, x: -(g * (y * y)), _AWAY, "{0}^{{-1}}",
           ball=lambda x: 1 / x, sympy=lambda sp, x: 1 / x, singular=True),
    _unary("exp", np.exp, lambda xp, g, y, x: g * y, _ANY, "e^{{{0}}}"),
    _unary("explog", kernels.explog, lambda xp, g, y, x: g * xp.where(x < 0, math.nan, 1.0), _POSITIVE,
           r"e^{{\ln {0}}}", ball=lambda x: x.log().exp(), sympy=lambda sp, x: sp.exp(sp.log(x)),
           convention="1 at 0, NaN below"),
    _unary("expm1", np.expm1, lambda xp, g, y, x: g * xp.exp(x), _ANY, "e^{{{0}}} - 1",
           sympy=lambda sp, x: sp.exp(x) - 1),
    _unary("log", np.log, lambda xp, g, y, x: g / x, _POSITIVE, r"\ln {0}",
           singular=True, convention="+inf at 0"),
    _unary("log1p", np.log1p, lambda xp, g, y, x: g / (1.0 + x), _UNIT, r"\ln(1 + {0})",
           sympy=lambda sp, x: sp.log(1 + x), singular=True, convention="+inf at -1"),
    _unary("log2", np.log2, lambda xp, g, y, x: g / (x * xp.log(2.0)), _POSITIVE, r"\log_2 {0}",
           ball=lambda x: x.log() / type(x)(2).log(), sympy=lambda sp, x: sp.log(x, 2), singular=True),
    _unary("log10", np.log10, lambda xp, g, y, x: g / (x * xp.log(10.0)), _POSITIVE, r"\log_{{10}} {0}",
           ball=lambda x: x.log() / type(x)(10).log(), sympy=lambda sp, x: sp.log(x, 10), singular=True),
    _unary("sin", np.sin, lambda xp, g, y, x: g * xp.cos(x), _ANY, r"\sin {0}"),
    _unary("cos", np.cos, lambda xp, g, y, x: -(g * xp.sin(x)), _ANY, r"\cos {0}"),
    _unary("tan", np.tan, lambda xp, g, y, x: g * (1.0 + y * y), _UNIT, r"\tan {0}"),
    _unary("asin", np.arcsin, lambda xp, g, y, x: g / xp.sqrt((1.0 - x) * (1.0 + x)), _UNIT, r"\arcsin {0}",
           singular=True, convention="+inf at -1 and 1"),
    _unary("acos", np.arccos, lambda xp, g, y, x: -(g / xp.sqrt((1.0 - x) * (1.0 + x))), _UNIT, r"\arccos {0}",
           singular=True, convention="-inf at -1 and 1"),
    _unary("atan", np.arctan, lambda xp, g, y, x: g / (1.0 + x * x), _ANY, r"\arctan {0}"),
    _unary("sinh", np.sinh, lambda xp, g, y, x: g * xp.cosh(x), _ANY, r"\sinh {0}"),
    _unary("cosh", np.cosh, lambda xp, g, y, x: g * xp.sinh(x), _ANY, r"\cosh {0}"),
    _unary("tanh", np.tanh, lambda xp, g, y, x: g * xp.sech2(x), _ANY, r"\tanh {0}"),
    _unary("sech2", kernels.sech2, lambda xp, g, y, x: g * (-2.0 * (y * xp.tanh(x))), _ANY,
           r"\operatorname{{sech}}^2 {0}", ball=lambda x: 1 / x.cosh()**2, sympy=lambda sp, x: sp.sech(x)**2,
           cost=lambda y, o, p: 3 * math.prod(y)),
    _unary("asinh", np.arcsinh, lambda xp, g, y, x: g / xp.hypot(x, 1.0), _ANY, r"\operatorname{{arsinh}} {0}"),
    _unary("acosh", np.arccosh, lambda xp, g, y, x: g / xp.sqrt((x - 1.0) * (x + 1.0)), (1.5, 3.0),
           r"\operatorname{{arcosh}} {0}", singular=True, convention="+inf at 1"),
    _unary("atanh", np.arctanh, lambda xp, g, y, x: g / ((1.0 - x) * (1.0 + x)), _UNIT,
           r"\operatorname{{artanh}} {0}", singular=True, convention="+inf at -1 and 1"),
    _unary("positive", np.positive, lambda xp, g, y, x: g, _ANY, "{0}", ball=operator.pos, sympy=lambda sp, x: x),
    _unary("expit", kernels.special("expit"), lambda xp, g, y, x: g * (y * xp.expit(-x)), _ANY,
           r"\sigma({0})", ball=lambda x: 1 / (1 + (-x).exp()), sympy=lambda sp, x: 1 / (1 + sp.exp(-x))),
    _unary("xlogx", kernels.xlogx, lambda xp, g, y, x: g * (1.0 + xp.log(x)), _POSITIVE, r"{0} \ln {0}",
           ball=lambda x: x * x.log(), sympy=lambda sp, x: x * sp.log(x), singular=True, convention="-inf at 0"),
    _unary("erf", kernels.special("erf"), lambda xp, g, y, x: g * (2.0 / xp.sqrt(xp.pi) * xp.exp(-(x * x))),
           _ANY, r"\operatorname{{erf}} {0}"),
)

_BINARY = (
    # name, numpy, first partial, second partial, domains, latex, and what differs
    _binary("add", np.add, lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: g, (_ANY, _ANY), "{0} + {1}",
            ball=operator.add, sympy=lambda sp, a, b: a + b, native="fadd"),
    _binary("subtract", np.subtract, lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -g, (_ANY, _ANY),
            "{0} - {1}", ball=operator.sub, sympy=lambda sp, a, b: a - b, native="fsub"),
    _binary("multiply", np.multiply, lambda xp, g, y, a, b: g * b, lambda xp, g, y, a, b: g * a,
            (_ANY, _ANY), r"{0} \cdot {1}", ball=operator.mul, sympy=lambda sp, a, b: a * b, native="fmul"),
    _binary("divide", np.divide, lambda xp, g, y, a, b: g / b, lambda xp, g, y, a, b: -(g * y / b),
            (_ANY, _AWAY), "{0} / {1}", ball=operator.truediv, sympy=lambda sp, a, b: a / b,
            native="fdiv", singular=True),
    _binary("pow", np.power, partials.pow_base, partials.pow_exponent, (_POSITIVE, _ANY), "{{{0}}}^{{{1}}}",
            ball=operator.pow, sympy=lambda sp, a, b: a**b, singular=True,
            convention="0 for the base at exponent 0; for the exponent at base 0: 0, and -inf at exponent 0"),
    _binary("atan2", np.arctan2, lambda xp, g, y, a, b: partials.atan2(xp, g, b, a, b),
            lambda xp, g, y, a, b: -partials.atan2(xp, g, a, a, b), (_ANY, _AWAY),
            r"\operatorname{{atan2}}({0}, {1})", ball=lambda a, b: type(a).atan2(a, b),
            analytic=False, singular=True, convention="NaN at the origin"),
    _binary("hypot", np.hypot, partials.hypot(0), partials.hypot(1), (_AWAY, _AWAY), r"\sqrt{{{0}^2 + {1}^2}}",
            ball=lambda a, b: (a * a + b * b).sqrt(), sympy=lambda sp, a, b: sp.sqrt(a**2 + b**2),
            analytic=False, convention="0 at the origin, the centre of the unit disc"),
    _binary("logaddexp", np.logaddexp, lambda xp, g, y, a, b: g * xp.expit(a - b),
            lambda xp, g, y, a, b: g * xp.expit(b - a), (_ANY, _ANY), r"\ln(e^{{{0}}} + e^{{{1}}})",
            ball=lambda a, b: a + (b - a).exp().log1p(),
            sympy=lambda sp, a, b: sp.log(sp.exp(a) + sp.exp(b)), analytic=False),
    _binary("xlogy", kernels.special("xlogy"), lambda xp, g, y, a, b: g * xp.log(b),
            partials.xlogy_second, (_ANY, _POSITIVE), r"{0} \ln {1}",
            ball=lambda a, b: a * b.log(), sympy=lambda sp, a, b: a * sp.log(b), singular=True,
            convention="-inf for the factor at the logarithm of 0, whose own slope is 0 where the factor is 0"),
    _binary("maximum", np.maximum, partials.chosen(0, "greater"), partials.chosen(1, "greater"),
            ((-3.0, -1.0), (1.0, 3.0)), r"\max({0}, {1})",
            ball=lambda a, b: a.max(b), sympy="Max", native="fmax", analytic=False,
            convention="half to each side of a tie"),
    _binary("minimum", np.minimum, partials.chosen(0, "less"), partials.chosen(1, "less"),
            ((-3.0, -1.0), (1.0, 3.0)), r"\min({0}, {1})",
            ball=lambda a, b: a.min(b), sympy="Min", native="fmin", analytic=False,
            convention="half to each side of a tie"),
    _binary("remainder", np.remainder, lambda xp, g, y, a, b: g, lambda xp, g, y, a, b: -(g * xp.floor(a / b)),
            ((0.1, 0.9), (2.0, 3.0)), r"{0} \bmod {1}", ball=lambda a, b: a - b * (a / b).floor(),
            sympy="Mod", analytic=False, convention="the slope to the right of a jump"),
)

_CHOICES = (
    Rule("where", np.where, ELEMENTWISE,
         (None, lambda xp, g, y, c, a, b: xp.where(c, g, 0.0), lambda xp, g, y, c, a, b: xp.where(c, 0.0, g)),
         kernels.where_scalar, lambda sp, c, a, b: sp.Piecewise((a, c), (b, True)), "select", cost=_none,
         convention="only the branch taken passes a derivative",
         latex=r"\begin{{cases}} {1} & {0} \\ {2} \end{{cases}}"),
    Rule("masked", kernels.masked, ELEMENTWISE, (None, lambda xp, t, y, g, c: xp.masked(g, t)),
         kernels.masked_scalar, lambda sp, g, c: c, "", cost=_none,
         convention="a zero direction stays zero whatever the partial", latex="{1}"),
)

_FIXED = (
    # name, numpy, ball, sympy, latex: piecewise constant, so no derivative passes
    _fixed("sign", np.sign, lambda x: x.sgn(), "sign", r"\operatorname{{sgn}} {0}"),
    _fixed("floor", np.floor, lambda x: x.floor(), "floor", r"\lfloor {0} \rfloor"),
    _fixed("ceil", np.ceil, lambda x: x.ceil(), "ceiling", r"\lceil {0} \rceil"),
    _fixed("trunc", np.trunc, lambda x: x.floor() if x >= 0 else x.ceil(),
           lambda sp, x: sp.sign(x) * sp.floor(abs(x)), r"\operatorname{{trunc}} {0}"),
    _fixed("round", np.rint, kernels.round_scalar, lambda sp, x: sp.floor(x + sp.Rational(1, 2)),
           r"\operatorname{{round}} {0}"),
    _fixed("less", np.less, kernels.decided(operator.lt), lambda sp, a, b: a < b, "{0} < {1}"),
    _fixed("less_equal", np.less_equal, kernels.decided(operator.le), lambda sp, a, b: a <= b, r"{0} \le {1}"),
    _fixed("greater", np.greater, kernels.decided(operator.gt), lambda sp, a, b: a > b, "{0} > {1}"),
    _fixed("greater_equal", np.greater_equal, kernels.decided(operator.ge), lambda sp, a, b: a >= b, r"{0} \ge {1}"),
    _fixed("equal", np.equal, kernels.decided(operator.eq), "Eq", "{0} = {1}"),
    _fixed("not_equal", np.not_equal, kernels.decided(operator.ne), "Ne", r"{0} \ne {1}"),
    _fixed("logical_and", np.logical_and, lambda a, b: bool(a) and bool(b), "And", r"{0} \wedge {1}"),
    _fixed("logical_or", np.logical_or, lambda a, b: bool(a) or bool(b), "Or", r"{0} \vee {1}"),
    _fixed("logical_not", np.logical_not, operator.not_, "Not", r"\neg {0}"),
    _fixed("isfinite", np.isfinite, lambda a: a.is_finite(), lambda sp, a: a.is_finite is not False,
           r"\operatorname{{finite}} {0}"),
    _fixed("isnan", np.isnan, lambda a: a.is_nan(), lambda sp, a: a is sp.nan, r"\operatorname{{nan}} {0}"),
)


def _reduction(name: str, value: Any, latex: str, weight: Any = None, **more: Any) -> Rule:
    return Rule(name, value, REDUCTION, weight=weight, latex=latex, **{"cost": _reduced, **more})


_REDUCTIONS = (
    # of the operand over axes: a sorted tuple of non-negative axes, all of which go
    _reduction("sum", kernels.reducer(np.sum), r"\textstyle\sum {0}"),
    _reduction("prod", kernels.reducer(np.prod), r"\textstyle\prod {0}", partials.prod_weight,
               convention="exact at zero factors"),
    _reduction("max", kernels.reducer(np.max), r"\max {0}", partials.extreme_weight, analytic=False,
               convention="equal shares to all that attain it"),
    _reduction("min", kernels.reducer(np.min), r"\min {0}", partials.extreme_weight, analytic=False,
               convention="equal shares to all that attain it"),
    _reduction("norm", kernels.norm, r"\lVert {0} \rVert", partials.norm_weight, analytic=False,
               cost=lambda y, o, p: 2 * math.prod(o[0]), convention="0 at 0, the centre of the unit ball"),
    _reduction("det", kernels.det, r"\det {0}", partials.det_weight, cost=_cubic(2 / 3),
               convention="cofactors at singular matrices"),
    _reduction("logabsdet", kernels.logabsdet, r"\ln \lvert \det {0} \rvert", partials.logdet_weight,
               cost=_cubic(2 / 3), analytic=False),
    Rule("attains", kernels.attains, FIXED, cost=_none, latex="{0} = {1}", analytic=False),
    Rule("all", kernels.reducer(np.all), FIXED, cost=_none, latex=r"\forall {0}", analytic=False),
    Rule("any", kernels.reducer(np.any), FIXED, cost=_none, latex=r"\exists {0}", analytic=False),
    Rule("argmax", kernels.arg(np.argmax), FIXED, cost=_none, latex=r"\arg\max {0}", analytic=False),
    Rule("argmin", kernels.arg(np.argmin), FIXED, cost=_none, latex=r"\arg\min {0}", analytic=False),
)

_STRUCTURAL = (
    # name, value, transpose(xp, g, shape of the operand, *params), value for k directions(xp, t, *params)
    _structural("reshape", np.reshape, lambda xp, g, s, shape: xp.reshape(g, s),
                lambda xp, t, shape: xp.reshape(t, (t.shape[0], *shape))),
    _structural("broadcast_to", np.broadcast_to, lambda xp, g, s, shape: unbroadcast(xp, g, s),
                lambda xp, t, shape: xp.broadcast_to(widened(xp, t, len(shape)), (t.shape[0], *shape))),
    _structural("permute_dims", np.transpose, lambda xp, g, s, axes: xp.permute_dims(g, kernels.inverse(axes)),
                lambda xp, t, axes: xp.permute_dims(t, (0, *kernels.after(axes)))),
    _structural("flip", kernels.flip, lambda xp, g, s, axes: xp.flip(g, axis=axes),
                lambda xp, t, axes: xp.flip(t, axis=kernels.after(axes))),
    _structural("roll", kernels.roll, lambda xp, g, s, shift, axes: xp.roll(g, tuple(-n for n in shift), axis=axes),
                lambda xp, t, shift, axes: xp.roll(t, shift, axis=kernels.after(axes))),
    _structural("index", operator.getitem, lambda xp, g, s, key: xp.scatter(g, key, s), kernels.index_directions),
    _structural("scatter", kernels.scatter, lambda xp, g, s, key, shape: g[key], kernels.scatter_directions),
    _structural("cumulative_sum", kernels.cumulative_sum,
                lambda xp, g, s, axis: xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis),
                lambda xp, t, axis: xp.cumulative_sum(t, axis=axis + 1),
                cost=lambda y, o, p: math.prod(y) - math.prod(y) // max(1, y[p[0]])),
)

_COMPOUND = (
    Rule("concat", kernels.concat, Concatenation(), cost=_none, latex=r"({0}, \dots)"),
    Rule("contract", contract, Bilinear(), cost=_contracted, latex=r"{0} \, {1}"),
    Rule("solve", np.linalg.solve, Solve(), cost=_cubic(2 / 3), latex=r"{0}^{{-1}} {1}"),
    Rule("inv", np.linalg.inv, Inverse(), cost=_cubic(2), latex=r"{0}^{{-1}}"),
    Rule("cholesky", np.linalg.cholesky, Factor(), cost=_cubic(1 / 3), latex=r"\operatorname{{chol}} {0}",
         analytic=False),
)

_ENTRYWISE = (*_UNARY, *_BINARY, *_CHOICES, *_FIXED)
ENTRYWISE: tuple[str, ...] = tuple(rule.name for rule in _ENTRYWISE)
RULES: dict[str, Rule] = {
    rule.name: rule for rule in (*_ENTRYWISE, *_REDUCTIONS, *_STRUCTURAL, *_COMPOUND)
}

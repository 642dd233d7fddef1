"""Every row of the rule table is certified: its balls overlap those of an independent route.

The engine differentiates the row over balls, by the table's partials and balls; the route of
``series_routes.py`` never sees either. At points of the safe domain both enclosures are tight,
and around them, where all numbers of a ball are meant at once, they still overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import series_routes as routes
from flint import arb, arb_series

from diffbench import ad
from diffbench.ad import forward, reverse
from diffbench.ad.kinds import Fixed
from diffbench.ad.operators import gradient_of
from diffbench.ad.rules import ENTRYWISE, RULES
from diffbench.measure.reference import ball_backend, balls, precision

BITS = 160
POINTS = 4
AROUND = 2.0**-24  # the radius of the balls about a point
TIGHT = 2.0**-100  # of an enclosure at a point, beside 1 + its size
LOOSE = 2.0**-6  # and of one about it
ELEMENTWISE = [name for name in ENTRYWISE if not isinstance(RULES[name].kind, Fixed)]


def _route_missing(name: str) -> str:
    rule = RULES[name]
    if isinstance(rule.kind, Fixed):
        table, what = "FIXED or FIXED_ARRAYS", "its exact value at numbers"
    elif rule.domain:
        table, what = "SERIES", "its value on arb_series, made of other rows"
    else:
        table, what = "ARRAYS", "a program that runs it and the same on a list of arb_series"
    return f"row {name!r} has no independent route: add to {table} of tests/series_routes.py {what}"


def test_every_row_has_an_independent_route() -> None:
    known = {*routes.SERIES, *routes.ARRAYS, *routes.FIXED, *routes.FIXED_ARRAYS}
    assert not set(RULES) - known, "; ".join(_route_missing(n) for n in RULES if n not in known)
    assert not known - set(RULES), f"no rows of the table: {sorted(known - set(RULES))}"
    for name in routes.SERIES:
        assert RULES[name].domain, f"row {name!r} has a route but no safe domain to certify it on"


# --- both routes ---------------------------------------------------------------------------------


def _along(x: Any, v: Any) -> list[Any]:
    return [arb_series([a, b], 3) for a, b in zip(x.tolist(), v.tolist(), strict=True)]


def _weights(count: int) -> list[int]:
    return [2 * k + 3 for k in range(count)]


def _scalar(program: Callable[..., Any]) -> Callable[..., Any]:
    """A weighted sum of the squares of all entries: none hides behind another."""

    def f(x: Any, xp: Any) -> Any:
        y = xp.reshape(program(x, xp), (-1,))
        return xp.sum(xp.asarray(np.array(_weights(y.shape[0]), dtype=float)) * (y * y))

    return f


def _summed(route: Callable[..., Any]) -> Callable[..., Any]:
    def of(x: list[Any]) -> Any:
        y = route(x)
        return sum((w * (a * a) for w, a in zip(_weights(len(y)), y, strict=True)), start=0 * x[0])

    return of


def _by_the_table(f: Callable[..., Any], x: Any, v: Any) -> dict[str, Any]:
    """f, its derivative along v in both modes, and its second one, from the rows."""
    backend = ball_backend()
    y, tangents = forward.push(f, x, v[None, :], (), backend)
    gradient = reverse.pull(f, x, (), backend)[1][0]
    bends = forward.push(gradient_of(f, backend), x, v[None, :], (), backend)[1][0]
    return {
        "value": y,
        "forward": tangents[0],
        "reverse": np.dot(gradient, v),
        "second": np.dot(bends, v),
    }


def _by_series(route: Callable[..., Any], x: Any, v: Any) -> dict[str, Any]:
    series = route(_along(x, v))
    first, second = series[1], 2 * series[2]
    return {"value": series[0], "forward": first, "reverse": first, "second": second}


def _ball(y: Any) -> Any:
    y = y.item() if isinstance(y, np.ndarray) else y
    return y if isinstance(y, arb) else arb(float(y))


def _certify(f: Callable[..., Any], route: Callable[..., Any], point: Any, v: Any) -> None:
    """The enclosures overlap at the point, both tight, and about it, both still narrow."""
    for radius, width in ((0.0, TIGHT), (AROUND, LOOSE)):
        with precision(BITS):
            x = balls(point) + np.array([arb(0, radius)] * point.size, dtype=object)
            direction = balls(v)
            found, other = _by_the_table(f, x, direction), _by_series(route, x, direction)
            for what, expected in other.items():
                ours, theirs = _ball(found[what]), _ball(expected)
                assert ours.overlaps(theirs), (what, radius, ours, theirs)
                limit = width * (1.0 + abs(float(theirs.mid())))
                for enclosed in (ours, theirs):
                    assert float(enclosed.rad()) <= limit, (what, radius, enclosed)


def _directions(rng: np.random.Generator, count: int) -> list[Any]:
    """Each operand by itself, and all together: what a Hessian of two operands is made of."""
    alone = [np.eye(count)[i] for i in range(count)] if count <= 2 else []
    return [*alone, rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)]


# --- the rows ------------------------------------------------------------------------------------


def _domains(name: str) -> list[Any]:
    return [RULES[name].domain, *([routes.ALSO[name]] if name in routes.ALSO else [])]


@pytest.mark.parametrize("name", routes.SERIES)
def test_row_agrees_with_power_series(name: str) -> None:
    rng = np.random.default_rng(list(name.encode()))
    for domain in _domains(name):
        low, high = np.array(domain).T
        for point in rng.uniform(low, high, (POINTS, len(low))):
            for v in _directions(rng, len(low)):
                _certify(
                    lambda x, xp: getattr(xp, name)(*(x[i] for i in range(x.shape[0]))),
                    lambda x: routes.SERIES[name](*x),
                    point,
                    v,
                )


@pytest.mark.parametrize("name", routes.ARRAYS)
def test_row_over_arrays_agrees_with_plain_formulas(name: str) -> None:
    rng = np.random.default_rng(list(name.encode()))
    row = routes.ARRAYS[name]
    for point in rng.uniform(-0.1, 0.1, (2, len(row.centre))) + np.array(row.centre):
        assert name in ad.trace(row.program, point).names()
        (v,) = _directions(rng, point.size)
        _certify(_scalar(row.program), _summed(row.route), point, v)


@pytest.mark.parametrize("off", [1e-25, -1e-25])
def test_a_row_that_is_off_in_the_25th_digit_is_found(off: float) -> None:
    rule = RULES["sin"]
    good = rule.partials
    wrong = (lambda xp, g, y, x: g * xp.cos(x) + off * g,)
    object.__setattr__(rule, "partials", wrong)  # it is frozen, and shared by all backends
    try:
        with pytest.raises(AssertionError, match="forward"):
            test_row_agrees_with_power_series("sin")
    finally:
        object.__setattr__(rule, "partials", good)


# --- rows that pass no derivative ----------------------------------------------------------------


def _about(numbers: list[float]) -> Any:
    return balls(np.array(numbers)) + np.array([arb(0, AROUND)] * len(numbers), dtype=object)


@pytest.mark.parametrize("name", routes.FIXED)
def test_row_without_a_derivative_is_constant_around_points(name: str) -> None:
    """Its balls have no radius: one value on the whole ball, so that the derivative there is 0."""
    rng = np.random.default_rng(list(name.encode()))
    count = RULES[name].numpy.nin
    kernel = ball_backend().kernels[name]
    for _ in range(POINTS):
        numbers = (rng.integers(-3, 3, count) + rng.uniform(0.1, 0.4, count)).tolist()
        with precision(BITS):
            found = kernel(*_about(numbers))
            exact = routes.FIXED[name](*numbers)
            assert found == exact, (numbers, found)
            assert not isinstance(found, arb) or found.rad() == 0


@pytest.mark.parametrize("name", routes.FIXED_ARRAYS)
def test_row_over_arrays_without_a_derivative_is_constant_too(name: str) -> None:
    program, exact = routes.FIXED_ARRAYS[name]
    rng = np.random.default_rng(list(name.encode()))
    for point in rng.uniform(-0.1, 0.1, (POINTS, 6)) + np.array(routes.SIX):
        assert name in ad.trace(lambda x, xp: xp.where(program(x, xp), x, 0.0), point).names()
        with precision(BITS):
            found = program(_about(point.tolist()), ball_backend().plain)
        assert np.array_equal(np.asarray(found), exact(point.tolist()))

"""The vector functions of compiled programs against 50 digits, and at the ends of their domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.native.vector import FUNCTIONS

POINTS = 400
RANGES = {
    # name -> (intervals, units in the last place that the result may be off)
    "exp": ([(-700.0, 700.0), (-1.0, 1.0), (-745.0, -700.0), (700.0, 709.7)], 1.0),
    "log": ([(1e-5, 10.0), (0.9, 1.1), (1e-320, 1e-300), (1.0, 1e300)], 1.0),
    "log1p": ([(-0.99, 1.0), (-1e-5, 1e-5), (1.0, 1e10)], 1.0),
    "sin": ([(-4.0, 4.0), (-1e5, 1e5), (-1e-3, 1e-3), (3.1415, 3.1417)], 1.0),
    "cos": ([(-4.0, 4.0), (-1e5, 1e5), (1.57, 1.5709)], 1.0),
    "tanh": ([(-1.0, 1.0), (-20.0, 20.0), (-1e-3, 1e-3)], 2.0),
    "cosh": ([(-1.0, 1.0), (-20.0, 20.0), (700.0, 710.4)], 2.0),
}
ENDS = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324, 1e22, 0.5])


def over(name: str, x: Any) -> Any:
    """The function on an array, in machine code."""
    compiled: Callable[..., Any] = ad.compile(lambda x, xp: getattr(xp, name)(x), x, "value")
    return compiled(x)


def test_every_function_is_held() -> None:
    assert set(RANGES) == set(FUNCTIONS)


@pytest.mark.parametrize("name", RANGES)
def test_it_is_right_to_the_last_place(name: str) -> None:
    intervals, limit = RANGES[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(*ends, POINTS) for ends in intervals])
    found = over(name, x)
    with mpmath.workprec(170):
        for at, y in zip(x, found, strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(float(at)))
            unit = float(np.spacing(abs(float(exact))))
            assert float(abs(mpmath.mpf(float(y)) - exact)) <= limit * unit, (at, y)


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_are_as_in_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(ENDS)
    found = over(name, ENDS)
    np.testing.assert_allclose(found, expected, rtol=4e-16)
    zero = ENDS == 0
    assert np.array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))

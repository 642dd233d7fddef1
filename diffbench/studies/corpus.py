"""The programs of the study ``programs``: each with its point, and with its derivative by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROGRAMS", "Program"]

Array = NDArray[np.float64]
Gradient = tuple[float, ...]
TABLE = (0.0, 1.0, 4.0, 9.0, 16.0)


def straight_line(x: Any, xp: Any) -> Any:
    return xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1])


def of_straight_line(x: Array) -> Gradient:
    return 1.0 / x[0] + x[1], x[0] - np.cos(x[1])


def fixed_loop(x: Any, xp: Any) -> Any:
    y = x[0]
    for _ in range(5):
        y = xp.sin(y) + x[1]
    return y


def of_fixed_loop(x: Array) -> Gradient:
    y, dy = x[0], np.array([1.0, 0.0])
    for _ in range(5):
        y, dy = np.sin(y) + x[1], np.cos(y) * dy + [0.0, 1.0]
    return tuple(dy)


def loop_on_values(x: Any, xp: Any) -> Any:
    y = x[0]
    while y < 10.0:
        y = y * x[1]
    return y


def of_loop_on_values(x: Array) -> Gradient:
    k = int(np.ceil(np.log(10.0 / x[0]) / np.log(x[1])))
    return x[1] ** k, k * x[0] * x[1] ** (k - 1)


def branch(x: Any, xp: Any) -> Any:
    if x[0] < x[1]:
        return x[0] * x[0] * x[1]
    return xp.sin(x[0]) * x[1]


def of_branch(x: Array) -> Gradient:
    if x[0] < x[1]:
        return 2.0 * x[0] * x[1], x[0] ** 2
    return np.cos(x[0]) * x[1], np.sin(x[0])


def recursion(x: Any, xp: Any) -> Any:
    def power(y: Any, k: int) -> Any:
        return y if k == 1 else y * power(y, k - 1)

    return power(x[0], 5) * x[1]


def of_recursion(x: Array) -> Gradient:
    return 5.0 * x[0] ** 4 * x[1], x[0] ** 5


def recursion_on_values(x: Any, xp: Any) -> Any:
    def sine(a: Any) -> Any:
        if a < 0.5:
            return a - a * a * a / 6.0
        s = sine(a / 3.0)
        return 3.0 * s - 4.0 * s * s * s

    return sine(x[0]) * x[1]


def of_recursion_on_values(x: Array) -> Gradient:
    def sine(a: float) -> tuple[float, float]:
        if a < 0.5:
            return a - a**3 / 6.0, 1.0 - a**2 / 2.0
        s, ds = sine(a / 3.0)
        return 3.0 * s - 4.0 * s**3, (1.0 - 4.0 * s**2) * ds

    s, ds = sine(x[0])
    return ds * x[1], s


def array_in_place(x: Any, xp: Any) -> Any:
    y = x + 0.0
    y[0] = y[0] * y[1]
    y[1] = xp.exp(y[0])
    return y[0] + y[1]


def list_in_place(x: Any, xp: Any) -> Any:
    y = [x[0], x[1]]
    y[0] = y[0] * y[1]
    y[1] = xp.exp(y[0])
    return y[0] + y[1]


def of_in_place(x: Array) -> Gradient:
    outer = 1.0 + np.exp(x[0] * x[1])
    return outer * x[1], outer * x[0]


def look_up(x: Any, xp: Any) -> Any:
    k = int(x[0])
    return (TABLE[k] + (x[0] - k) * (TABLE[k + 1] - TABLE[k])) * x[1]


def look_up_by_comparing(x: Any, xp: Any) -> Any:
    k = 0
    while x[0] >= k + 1:
        k = k + 1
    return (TABLE[k] + (x[0] - k) * (TABLE[k + 1] - TABLE[k])) * x[1]


def of_look_up(x: Array) -> Gradient:
    k = int(x[0])
    slope = TABLE[k + 1] - TABLE[k]
    return slope * x[1], TABLE[k] + (x[0] - k) * slope


def at_the_largest(x: Any, xp: Any) -> Any:
    y = xp.exp(x)
    return y[xp.argmax(x)] * x[1]


def of_at_the_largest(x: Array) -> Gradient:
    top = np.exp(max(x))
    return (top * x[1], top) if x[0] > x[1] else (0.0, top * (1.0 + x[1]))


def linear_solve(x: Any, xp: Any) -> Any:
    a = xp.asarray([[x[0], 1.0], [1.0, x[1]]])
    return xp.linalg.solve(a, xp.asarray([1.0, 2.0]))[0]


def of_linear_solve(x: Array) -> Gradient:
    a = np.array([[x[0], 1.0], [1.0, x[1]]])
    y, adjoint = np.linalg.solve(a, [1.0, 2.0]), np.linalg.solve(a.T, [1.0, 0.0])
    return tuple(-adjoint * y)


def root_finding(x: Any, xp: Any) -> Any:
    y, left = x[0], x[0] * x[0] * x[0] + x[1] * x[0] - x[0]
    while left > 1e-3:
        y = y - left / (3.0 * y * y + x[1])
        left = y * y * y + x[1] * y - x[0]
    return y


def of_root_finding(x: Array) -> Gradient:
    y, dy = x[0], np.array([1.0, 0.0])
    while (left := y**3 + x[1] * y - x[0]) > 1e-3:
        slope = 3.0 * y * y + x[1]
        moved = slope * dy + [-1.0, y]
        steeper = 6.0 * y * dy + [0.0, 1.0]
        y, dy = y - left / slope, dy - moved / slope + left * steeper / slope**2
    return tuple(dy)


def of_the_root(x: Array) -> Gradient:
    (y,) = (root.real for root in np.roots([1.0, 0.0, x[1], -x[0]]) if abs(root.imag) < 1e-9)
    slope = 3.0 * y * y + x[1]
    return 1.0 / slope, -y / slope


@final
@dataclass(frozen=True, slots=True)
class Program:
    """A program of two inputs, its point and that of preparation, its gradient by hand.

    ``proof`` is the same function in words that ball arithmetic takes, where f itself is not;
    ``implicit`` the gradient of what an iteration nears.
    """

    name: str
    f: Callable[[Any, Any], Any]
    x: tuple[float, float]
    prepare_x: tuple[float, float]
    gradient: Callable[[Array], Gradient]
    by_hand: str
    proof: Callable[[Any, Any], Any] | None = None
    implicit: Callable[[Array], Gradient] | None = None


FORMULA, LOOP = "a formula", "a loop with a tangent beside each value"
PROGRAMS = (
    Program("straight line", straight_line, (2.0, 5.0), (2.5, 4.0), of_straight_line, FORMULA),
    Program("fixed loop", fixed_loop, (0.5, 0.25), (0.75, 0.5), of_fixed_loop, LOOP),
    Program(
        "while loop on values",
        loop_on_values,
        (1.3, 2.0),
        (3.0, 1.9),
        of_loop_on_values,
        "a formula, once the number of rounds is known: itself worked out from the values",
    ),
    Program(
        "branch on values", branch, (2.0, 1.5), (0.5, 1.0), of_branch, "a formula in each branch"
    ),
    Program("recursion", recursion, (1.5, 0.5), (1.25, 0.75), of_recursion, FORMULA),
    Program(
        "recursion on values",
        recursion_on_values,
        (2.0, 0.5),
        (0.4, 0.75),
        of_recursion_on_values,
        "a recursion that returns a tangent beside the value",
    ),
    Program(
        "array in place",
        array_in_place,
        (0.5, 0.75),
        (0.25, 1.5),
        of_in_place,
        FORMULA,
        proof=list_in_place,
    ),
    Program("list in place", list_in_place, (0.5, 0.75), (0.25, 1.5), of_in_place, FORMULA),
    Program(
        "table look-up",
        look_up,
        (2.25, 0.5),
        (0.75, 1.5),
        of_look_up,
        "a formula in each interval of the table",
        proof=look_up_by_comparing,
    ),
    Program(
        "look-up at the largest",
        at_the_largest,
        (1.5, 0.5),
        (0.25, 0.75),
        of_at_the_largest,
        "a formula for each place",
    ),
    Program(
        "linear solve",
        linear_solve,
        (2.0, 3.0),
        (4.0, 1.5),
        of_linear_solve,
        "two solutions: y of the system, and that of the transposed one",
    ),
    Program(
        "root finding",
        root_finding,
        (2.0, 1.0),
        (1.25, 1.5),
        of_root_finding,
        "Newton's loop with a tangent beside the root",
        implicit=of_the_root,
    ),
)

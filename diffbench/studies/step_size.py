"""The survey's figure 3: the error of finite differences against the step h.

f is the fourth iterate of the logistic map at the double nearest to 0.2, in loop form. Its exact
derivatives come from rational arithmetic at that double, so every error is an exact difference.
The envelope is the largest error within half a decade either side: lucky cancellations do not
count. Theory: forward h = 2 sqrt(u|f|/|f''|), central h = (3u|f|/|f'''|)^(1/3), u = 2^-53.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from diffbench.study import Study, StudyRow

__all__ = ["STUDY", "exact_derivatives"]

NAME = "step_size"
X = 0.2
DEPTH = 4
STEPS = np.logspace(-17.0, -1.0, 801)
UNIT = 2.0**-53


def f(x: Any) -> Any:
    """The fourth iterate of the logistic map, l_1 = x, l_{k+1} = 4 l_k (1 - l_k)."""
    for _ in range(DEPTH - 1):
        x = 4 * x * (1 - x)
    return x


def _coefficients() -> list[int]:
    """f as a polynomial with whole coefficients, lowest degree first."""
    poly = [0, 1]
    for _ in range(DEPTH - 1):
        rest = [1 - poly[0], *(-c for c in poly[1:])]
        product = [0] * (2 * len(poly) - 1)
        for i, a in enumerate(poly):
            for j, b in enumerate(rest):
                product[i + j] += 4 * a * b
        poly = product
    return poly


def exact_derivatives(count: int = 4) -> list[Fraction]:
    """f, f', f'', ... at the double X, exactly."""
    poly, out = _coefficients(), []
    for _ in range(count):
        out.append(sum((c * Fraction(X) ** i for i, c in enumerate(poly)), start=Fraction(0)))
        poly = [i * c for i, c in enumerate(poly)][1:]
    return out


SCHEMES: dict[str, Callable[[float], float]] = {
    "forward": lambda h: (f(X + h) - f(X)) / h,
    "central": lambda h: (f(X + h) - f(X - h)) / (2 * h),
    "complex": lambda h: float(f(complex(X, h)).imag / h),
}
# fit windows of the two branches (h from, h to), chosen away from the minimum
WINDOWS = {
    "forward": {"slope_truncation": (1e-6, 1e-3), "slope_roundoff": (1e-14, 1e-9)},
    "central": {"slope_truncation": (1e-4, 1e-2), "slope_roundoff": (1e-14, 3e-7)},
    "complex": {"slope_truncation": (1e-6, 1e-2)},
}


def _errors(scheme: str, exact: Fraction) -> np.ndarray:
    quotients = (SCHEMES[scheme](h) for h in STEPS.tolist())
    return np.array([float(abs(Fraction(q) - exact)) for q in quotients])


def envelope(errors: np.ndarray) -> np.ndarray:
    """The largest error within half a decade either side of each step."""
    half = round(0.5 / (math.log10(STEPS[1]) - math.log10(STEPS[0])))
    return np.array([errors[max(0, i - half) : i + half + 1].max() for i in range(len(errors))])


def _row(kind: str, scheme: str, value: float, unit: str, **more: Any) -> StudyRow:
    return StudyRow(study=NAME, key=f"{kind}|{scheme}", value=float(value), unit=unit, **more)


def _curve(scheme: str, errors: np.ndarray) -> Iterator[StudyRow]:
    for h, error in zip(STEPS.tolist(), errors.tolist(), strict=True):
        yield StudyRow(study=NAME, key=f"{scheme}|{h!r}", value=error, unit="absolute error")


def _minima(scheme: str, errors: np.ndarray) -> Iterator[StudyRow]:
    top = envelope(errors)
    # the last half decades look out over the edge of the range: no full window, no minimum
    inside = slice(25, len(top) - 25)
    best = int(np.argmin(top[inside])) + 25
    yield _row("envelope_minimum", scheme, top[best], "absolute error")
    yield _row("envelope_argmin", scheme, STEPS[best], "step h")
    yield _row("raw_minimum", scheme, errors.min(), "absolute error", reason="a lucky cancellation")
    yield _row("raw_argmin", scheme, STEPS[int(errors.argmin())], "step h")


def _slopes(scheme: str, errors: np.ndarray) -> Iterator[StudyRow]:
    from scipy.stats import theilslopes

    for kind, (low, high) in WINDOWS[scheme].items():
        inside = (low <= STEPS) & (high >= STEPS) & (errors > 0)
        fit = theilslopes(np.log(errors[inside]), np.log(STEPS[inside]), 0.95)
        reason = f"Theil-Sen over h in [{low:g}, {high:g}], {int(inside.sum())} points"
        yield _row(kind, scheme, fit[0], "exponent of h", low=fit[2], high=fit[3], reason=reason)


def _theory(derivatives: list[float]) -> Iterator[StudyRow]:
    value, _, second, third = map(abs, derivatives)
    forward = 2 * math.sqrt(UNIT * value / second)
    central = (3 * UNIT * value / third) ** (1 / 3)
    yield _row("theory_step", "forward", forward, "step h")
    yield _row("theory_error", "forward", second * forward, "absolute error")
    yield _row("theory_step", "central", central, "step h")
    error = third * central**2 / 6 + UNIT * value / central
    yield _row("theory_error", "central", error, "absolute error")


def run() -> Iterator[StudyRow]:
    """All curves, their envelope minima and slopes, and what theory says."""
    derivatives = exact_derivatives()
    exact = derivatives[1]
    yield _row("derivative", "exact", float(exact), "f'(x)", reason=f"rational, at x = {X!r}")
    for scheme in SCHEMES:
        errors = _errors(scheme, exact)
        yield from _curve(scheme, errors)
        yield from _minima(scheme, errors)
        yield from _slopes(scheme, errors)
    yield from _theory([float(d) for d in derivatives])


STUDY = Study(name=NAME, title="Error of finite differences against the step", run=run)

"""Passes and seeds: what one pass of each mode fills in of a Jacobian."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.ad.counters import COUNTERS
from diffbench.studies.brackets import layered
from diffbench.studies.parts import row
from diffbench.study import StudyRow

__all__ = ["identity", "owners", "passes"]

Array = NDArray[np.float64]
MOST_OUTPUTS = 1000
X = np.array([2.0, 5.0, 0.25, 0.75])


def curve(x: Any, xp: Any, k: Any) -> Any:
    """sin(k x) for the m numbers k: one input, m outputs."""
    return xp.sin(k * x[0])


def scalars(x: Any, xp: Any) -> Any:
    """Three outputs of four inputs, each by scalar operations."""
    first = xp.sin(x[0] * x[1]) + xp.exp(x[2]) * x[3]
    second = xp.log(x[0]) * x[3] - x[1] / x[2]
    return xp.stack([first, second, xp.tanh(x[2] * x[3]) / x[0] + x[1]])


def by_hand(x: Array) -> Array:
    """The Jacobian of :func:`scalars`, (3, 4)."""
    a, b, c, d = x
    slope, t = 1.0 / np.cosh(c * d) ** 2, np.tanh(c * d)
    return np.array(
        [
            [b * np.cos(a * b), a * np.cos(a * b), d * np.exp(c), np.exp(c)],
            [d / a, -1.0 / c, b / c**2, np.log(a)],
            [-t / a**2, 1.0, d * slope / a, c * slope / a],
        ]
    )


def passes() -> Iterator[StudyRow]:
    """Forward passes for all m derivatives by one input, m = 1 to 1000; 0 where one is wrong."""
    taken = []
    for m in range(1, MOST_OUTPUTS + 1):
        COUNTERS.reset()
        k = np.arange(1.0, m + 1.0)
        slopes = ad.jacobian(curve, "forward")(X[2:3], k)
        right = slopes.shape == (m, 1) and np.allclose(slopes[:, 0], k * np.cos(k * X[2]), 1e-13)
        taken.append(COUNTERS.directions if right else 0)
    for name, value in (("fewest", min(taken)), ("most", max(taken))):
        yield row(f"outputs|{name}", value, "passes", f"m = 1 to {MOST_OUTPUTS}, n = 1")


def _rows(mode: str) -> list[Array]:
    """What each pass yields: with seed e_j in forward mode, e_i in reverse mode."""
    if mode == "forward":
        return [ad.jvp(scalars, X, seed)[1] for seed in np.eye(4)]
    return [ad.vjp(scalars, X, seed)[1] for seed in np.eye(3)]


def owners() -> Iterator[StudyRow]:
    """Which lines of the hand-written Jacobian each pass yields, to 1e-13 of each entry."""
    for mode, line, known in (("forward", "column", by_hand(X).T), ("reverse", "row", by_hand(X))):
        COUNTERS.reset()
        answers = _rows(mode)
        taken = COUNTERS.directions + COUNTERS.sweeps
        yield row(f"passes|{mode}", taken, "passes", f"m = 3, n = 4: {len(known)} {line}s")
        for k, answer in enumerate(answers):
            same = [
                i
                for i, entries in enumerate(known)
                if answer.shape == entries.shape
                and bool(np.all(np.abs(answer - entries) <= 1e-13 * np.abs(entries)))
            ]
            said = f"{line} {', '.join(str(i + 1) for i in same) or 'none'}: {_shown(answer)}"
            yield row(f"owner|{mode}|{k + 1}", same == [k], f"{line} that is its own", said)


def _shown(entries: Array) -> str:
    return ", ".join(f"{entry:.6g}" for entry in entries.tolist())


def identity() -> Iterator[StudyRow]:
    """Seeding with the identity beside one seed after the other: entries that differ bitwise."""
    rng = np.random.default_rng(0)
    shapes = ((5, 7), (3, 5), (4, 3))
    weights = tuple(rng.uniform(-1.0, 1.0, shape) for shape in shapes)
    x = rng.uniform(-1.0, 1.0, 7)
    for name, f, at, m, constants in (
        ("scalar operations", scalars, X, 3, ()),
        ("products of matrices", layered, x, 4, weights),
    ):
        pairs = {
            "forward": [ad.jvp(f, at, seed, *constants)[1] for seed in np.eye(at.size)],
            "reverse": [ad.vjp(f, at, seed, *constants)[1] for seed in np.eye(m)],
        }
        for mode, looped in pairs.items():
            whole = ad.jacobian(f, mode)(at, *constants)
            single = np.stack(looped, axis=1 if mode == "forward" else 0)
            away = np.max(np.abs(whole - single)) / np.max(np.abs(whole))
            said = f"of {whole.size}; at most {away:.2g} of the largest entry"
            yield row(f"identity|{name}|{mode}", np.sum(whole != single), "entries", said)

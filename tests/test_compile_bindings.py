"""``ad.compile``: what may change between two calls of a compiled program, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from compiled_programs import X, close, solves

from diffbench import ad


def test_an_array_that_f_captures_is_read_at_each_call() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(xp.sin(weights) * x * weights)

    gradient = ad.compile(f, X)
    weights[0] = 7.0
    assert close(gradient(X), np.sin(weights) * weights)
    assert gradient.traces == 1


def test_an_array_that_f_gives_to_numpy_is_watched() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(np.sin(weights) * x)

    gradient = ad.compile(f, X)
    assert close(gradient(X), np.sin(weights))
    weights[0] = 7.0
    assert close(gradient(X), np.sin(weights))
    assert gradient.traces == 2


def test_a_captured_array_of_whole_numbers_is_watched() -> None:
    order = np.array([3, 2, 1, 0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(xp.take(x, order) * xp.arange(4.0))

    gradient = ad.compile(f, X)
    assert close(gradient(X), np.array([3.0, 2.0, 1.0, 0.0]))
    order[:] = [0, 0, 0, 1]
    assert close(gradient(X), np.array([3.0, 3.0, 0.0, 0.0]))


def test_a_cell_that_is_bound_anew_is_noticed() -> None:
    scale = 2.0

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(scale * x * x)

    gradient = ad.compile(f, X)
    assert close(gradient(X), 4.0 * X)
    scale = 5.0
    assert close(gradient(X), 10.0 * X)
    scale = 2.0
    assert close(gradient(X), 4.0 * X)


FACTOR: Any = 2.0


def uses_a_global(x: Any, xp: Any) -> Any:
    return xp.sum(FACTOR * x * x)


def test_a_global_that_is_bound_anew_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = ad.compile(uses_a_global, X)
    assert close(gradient(X), 4.0 * X)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert close(gradient(X), 6.0 * X)
    monkeypatch.setitem(globals(), "FACTOR", np.array([1.0, 2.0, 3.0, 4.0]))
    assert close(gradient(X), 2.0 * FACTOR * X)
    FACTOR[0] = 9.0
    assert close(gradient(X), 2.0 * FACTOR * X)


def test_a_branch_that_flips_is_traced_again() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.sum(x * x) if xp.sum(x) > 0 else xp.sum(xp.exp(x))

    gradient = ad.compile(f, X)
    for x in (X, -X, 2 * X, -2 * X):
        assert close(gradient(x), 2 * x if x.sum() > 0 else np.exp(x))
    assert gradient.traces == 2
    assert gradient.guards == 1


def test_an_index_that_depends_on_values_is_checked() -> None:
    def f(x: Any, xp: Any) -> Any:
        return x[xp.argmax(x)] * xp.sum(x)

    gradient = ad.compile(f, X)
    for x in (X, X[::-1].copy(), X):
        assert close(gradient(x), ad.grad(f)(x))


def test_a_loop_whose_length_depends_on_values() -> None:
    def root(x: Any, xp: Any) -> Any:
        y = x[0]
        while abs(y * y - x[0]) > 1e-12:
            y = 0.5 * (y + x[0] / y)
        return y

    gradient = ad.compile(root, np.array([2.0]))
    for value in (2.0, 3.0, 1e6, 0.01):
        assert abs(gradient(np.array([value]))[0] - 0.5 / value**0.5) < 1e-6 / value**0.5


def test_other_shapes_dtypes_and_layouts_are_right() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(x * x * x), X)
    longer = np.linspace(-1.0, 1.0, 7)
    assert close(gradient(longer), 3 * longer**2)
    assert close(gradient(X.astype(np.float32)), 3 * X.astype(np.float32).astype(float) ** 2)
    assert close(gradient(np.array([1, 2, 3, 4])), np.array([3.0, 12.0, 27.0, 48.0]))
    assert close(gradient(np.repeat(X, 2)[::2]), 3 * X**2)
    assert close(gradient(list(X)), 3 * X**2)
    assert gradient.traces == 2


def test_constants_are_read_at_each_call() -> None:
    def f(x: Any, xp: Any, a: Any, power: int, scale: float) -> Any:
        return scale * xp.sum(a * x**power)

    a = np.array([1.0, 2.0, 3.0, 4.0])
    gradient = ad.compile(f, X, constants=(a, 3, 2.0))
    assert close(gradient(X, a, 3, 2.0), 6.0 * a * X**2)
    assert close(gradient(X, 2 * a, 3, 0.5), 3.0 * a * X**2)
    assert gradient.traces == 1
    assert close(gradient(X, a, 2, 2.0), 4.0 * a * X)
    assert gradient.traces == 2
    assert close(gradient(X, a, 3, np.float64(2.0)), 6.0 * a * X**2)


def test_arguments_of_a_partial_are_captured_too() -> None:
    def f(x: Any, xp: Any, *, depth: int, weights: Any) -> Any:
        for _ in range(depth):
            x = weights * x
        return xp.sum(x)

    weights = np.array([1.0, 2.0, 3.0, 4.0])
    gradient = ad.compile(partial(f, depth=3, weights=weights), X)
    weights *= 2.0
    assert close(gradient(X), weights**3)


def test_defaults_and_methods_are_captured_too() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any, a: Any = weights, *, b: Any = weights) -> Any:
        return xp.sum(a * b * x)

    class Model:
        def value(self, x: Any, xp: Any) -> Any:
            return xp.sum(x * FACTOR)

    gradient = ad.compile(f, X)
    weights += 1.0
    assert close(gradient(X), weights * weights)
    assert gradient.traces == 1
    assert close(ad.compile(Model().value, X)(X), np.full(4, FACTOR))


def test_arrays_of_any_layout_are_brought_into_order() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(x * x), X)
    raw = np.zeros(33, dtype=np.uint8)
    unaligned = raw[1:].view(np.float64)
    unaligned[:] = X
    noted = X.astype(np.dtype(np.float64, metadata={"unit": "m"}))
    swapped = X.astype(X.dtype.newbyteorder())
    for x in (unaligned, noted, swapped, X.view(np.matrix).A1, np.asfortranarray(X), X[::1]):
        assert close(gradient(x), 2.0 * X)
    assert gradient.traces == 1


def test_threads_may_share_it() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(xp.exp(x) * x) if x[0] > 0 else xp.sum(x), X)
    wrong: list[int] = []

    def work(sign: float) -> None:
        x = sign * X
        right = np.exp(x) * (1 + x) if sign > 0 else np.ones(4)
        wrong.extend(1 for _ in range(300) if not close(gradient(x), right))

    threads = [threading.Thread(target=work, args=(s,)) for s in (1.0, -1.0, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_may_share_a_program_that_calls_numpy() -> None:
    solution = ad.compile(solves, X)
    right = ad.grad(solves)
    wrong: list[int] = []

    def work(scale: float) -> None:
        x = scale * X
        expected = right(x)
        wrong.extend(1 for _ in range(200) if not close(solution(x) / 8, expected / 8))

    threads = [threading.Thread(target=work, args=(s,)) for s in (1.0, 1.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ad.compile(np.sum, X, "grad"), "no operator 'grad'"),
        (lambda: ad.compile(np.sum, X, mode="both"), "mode must be"),
        (lambda: ad.compile(lambda x, xp: x, X), "gradient needs y of shape"),
        (lambda: ad.compile(lambda x, xp: xp.sum(x), X[None]), r"x must have shape \(n,\)"),
        (lambda: ad.compile(lambda x, xp: xp.sum(x), X > 0), "array of real numbers"),
        (lambda: ad.compile(lambda x, xp, c: xp.sum(x), X, constants=([1],)), "is a list"),
        (lambda: ad.grad(lambda x, xp: ad.compile(lambda x, xp: xp.sum(x), X)(x)[0])(X), "traced"),
    ],
)
def test_what_it_refuses(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ad.ADError, match=says):
        call()

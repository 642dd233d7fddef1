"""The library by itself: its signatures, laws, nesting, errors, and what it keeps in memory."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbench import ad
from diffbench.ad.counters import COUNTERS
from diffbench.ad.namespace import FLOATS, NAMES, NUMPY

X = np.array([0.7, -1.3, 1.9, 0.4])


def smooth(x: Any, xp: Any, scale: float = 1.0) -> Any:
    bumps = xp.exp(x[0] * x) / (1.0 + x * x)
    return scale * (xp.sum(xp.sin(x[1:] * x[:-1])) + xp.sum(bumps))


def curve(x: Any, xp: Any) -> Any:
    return xp.stack([xp.sum(x * x), xp.prod(x), xp.tanh(x[0] * x[1])])


# --- signatures and shapes -----------------------------------------------------------------------


def test_shapes_and_dtypes() -> None:
    v, w = np.arange(4.0), np.arange(3.0)
    y, tangent = ad.jvp(curve, X, v)
    same, adjoint = ad.vjp(curve, X, w)
    assert (y.shape, tangent.shape, adjoint.shape) == ((3,), (3,), (4,))
    assert np.array_equal(y, same)
    assert ad.jacobian(curve)(X).shape == (3, 4)
    assert ad.jacobian(smooth)(X).shape == (1, 4)
    assert ad.hessian(smooth)(X).shape == (4, 4)
    for out in (ad.grad(smooth)(X), ad.hvp(smooth, X, v), ad.jvp(smooth, X, v)[0]):
        assert out.dtype == np.float64


def test_constants_are_arguments() -> None:
    gradient = ad.grad(smooth)
    assert np.array_equal(gradient(X, 2.0), 2.0 * gradient(X, 1.0))
    assert np.array_equal(ad.hvp(smooth, X, X, 2.0), 2.0 * ad.hvp(smooth, X, X, 1.0))


def test_input_stays_as_it_is() -> None:
    x = X.copy()
    x.flags.writeable = False
    ad.hessian(smooth)(x)
    assert np.array_equal(x, X)


def test_a_function_of_constants_alone_has_a_zero_derivative() -> None:
    def f(x: Any, xp: Any) -> Any:
        return 3.0

    assert np.array_equal(ad.grad(f)(X), np.zeros(4))
    assert np.array_equal(ad.jvp(f, X, X)[1], 0.0)


# --- laws ----------------------------------------------------------------------------------------

vectors = st.lists(st.floats(-2, 2), min_size=4, max_size=4).map(np.array)


@given(x=vectors, v=vectors, w=st.lists(st.floats(-2, 2), min_size=3, max_size=3).map(np.array))
def test_forward_and_reverse_are_adjoint(x: Any, v: Any, w: Any) -> None:
    """<w, J v> = <w J, v>."""
    left, right = w @ ad.jvp(curve, x, v)[1], ad.vjp(curve, x, w)[1] @ v
    assert abs(left - right) <= 1e-13 * (1 + np.abs(w).sum() * np.abs(v).sum() * 20)


@given(x=vectors, v=vectors)
def test_jvp_is_linear(x: Any, v: Any) -> None:
    one, two = ad.jvp(curve, x, v)[1], ad.jvp(curve, x, 2.0 * v)[1]
    assert np.allclose(two, 2.0 * one, rtol=1e-14, atol=1e-300)  # below, doubles lose bits


@given(x=vectors, v=vectors)
def test_the_adjoint_of_the_vjp_is_the_jvp(x: Any, v: Any) -> None:
    forward, reverse = ad.jvp(curve, x, v), ad.jvp_by_adjoints(curve, x, v)
    assert np.array_equal(forward[0], reverse[0])
    assert np.allclose(forward[1], reverse[1], rtol=1e-13, atol=1e-14)


def test_the_adjoint_of_nothing_is_zero() -> None:
    assert np.array_equal(ad.jvp_by_adjoints(lambda x, xp: xp.ones(3), X, X)[1], np.zeros(3))
    assert ad.jvp_by_adjoints(lambda x, xp: xp.sum(x * x), X, X)[1] == pytest.approx(2.0 * X @ X)


@given(x=vectors)
def test_hessian_is_symmetric_and_gives_the_hvp(x: Any) -> None:
    h = ad.hessian(smooth)(x)
    scale = np.abs(h).max() + 1
    assert np.abs(h - h.T).max() <= 1e-13 * scale
    assert np.abs(h @ X - ad.hvp(smooth, x, X)).max() <= 1e-13 * scale * 4


def test_chain_rule() -> None:
    def outer(y: Any, xp: Any) -> Any:
        return xp.stack([y[0] * y[1], xp.sin(y[2])])

    whole = ad.jacobian(lambda x, xp: outer(curve(x, xp), xp))(X)
    parts = ad.jacobian(outer)(curve(X, NUMPY)) @ ad.jacobian(curve)(X)
    assert np.allclose(whole, parts, rtol=1e-14)


def test_taylor_remainder_has_slope_two() -> None:
    steps = 10.0 ** np.arange(-4, -1)
    g, v = ad.grad(smooth)(X), np.array([0.3, -0.2, 0.5, 0.1])
    rest = [abs(smooth(X + h * v, NUMPY) - smooth(X, NUMPY) - h * (g @ v)) for h in steps]
    assert np.polyfit(np.log(steps), np.log(rest), 1)[0] == pytest.approx(2.0, abs=0.05)


# --- nesting -------------------------------------------------------------------------------------


def test_no_perturbation_confusion() -> None:
    """d/dx (x d/dy (x + y)) = 1, in every pair of modes."""

    def inner(mode: str) -> Any:
        def f(x: Any, xp: Any) -> Any:
            slope = ad.jacobian(lambda y, xp: x[0] + y[0], mode)(np.array([1.0]))
            return x[0] * slope[0, 0]

        return f

    for outer in ("forward", "reverse"):
        for mode in ("forward", "reverse"):
            assert ad.jacobian(inner(mode), outer)(np.array([2.0])) == [[1.0]]


def test_derivatives_of_any_order() -> None:
    def power(x: Any, xp: Any) -> Any:
        return x[0] ** 5

    def derivative(f: Any) -> Any:
        return lambda x, xp: ad.grad(f)(x)[0]

    f, expected = power, 32.0
    for order in range(1, 5):
        f = derivative(f)
        expected = expected * (6 - order) / 2.0
        assert f(np.array([2.0]), NUMPY) == expected


def test_inner_gradient_may_depend_on_outer_variables() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.sum(ad.grad(lambda z, xp: xp.sum(z * z * x))(xp.asarray([1.0, 2.0])))

    assert np.array_equal(ad.grad(f)(np.array([1.0, 1.0])), [2.0, 4.0])


# --- counts and memory ---------------------------------------------------------------------------


def test_sweeps_and_directions_are_counted() -> None:
    def counted(call: Any) -> tuple[int, int]:
        COUNTERS.reset()
        call()
        return COUNTERS.sweeps, COUNTERS.directions

    assert counted(lambda: ad.grad(smooth)(X)) == (1, 0)
    assert counted(lambda: ad.jacobian(curve)(X)) == (3, 0)
    assert counted(lambda: ad.jacobian(curve, "forward")(X)) == (0, 4)
    assert counted(lambda: ad.hvp(smooth, X, X)) == (1, 1)
    assert counted(lambda: ad.hessian(smooth)(X)) == (1, 4)


def test_a_node_adds_nothing_for_the_garbage_collector() -> None:
    def loop(x: Any, xp: Any) -> Any:
        y = x[0]
        for _ in range(2000):
            y = y * 1.0001 + x[1]
        return y

    gc.collect()
    before = len(gc.get_objects())
    graph = ad.trace(loop, X)
    gc.collect()
    assert len(graph) > 6000
    assert len(gc.get_objects()) - before < 100


def test_the_trace_replays_bitwise_at_another_point() -> None:
    graph = ad.trace(smooth, X)
    other = X + 0.25
    assert graph.replay(other) == smooth(other, FLOATS.traced)


@pytest.mark.parametrize("n", [4, 16, 64])
def test_operation_counts_are_exact(n: int) -> None:
    x = np.linspace(0.5, 1.5, n)

    def chain(x: Any, xp: Any) -> Any:
        y = x[0]
        for i in range(1, n):
            y = y * x[i]
        return y

    assert ad.trace(chain, x).ops() == n - 1
    assert ad.trace(lambda x, xp: xp.prod(x), x).ops() == n - 1
    assert ad.trace(lambda x, xp: xp.sum(x * x), x).ops() == 2 * n - 1

    def product(x: Any, xp: Any) -> Any:
        return xp.sum(xp.matmul(xp.reshape(x, (2, -1)), xp.reshape(x, (-1, 2))))

    assert ad.trace(product, x).ops() == 4 * (2 * (n // 2) - 1) + 3


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x, xp: xp.cumsum(x), "no 'cumsum'; it has: abs, acos"),
        (lambda x, xp: xp.linalg.eig(x), "xp.linalg has no 'eig'"),
        (lambda x, xp: np.sum(np.asarray(x)), "write xp.sin"),
        (lambda x, xp: xp.sum(np.sin(x)), "write xp.sin"),
        (lambda x, xp: np.sum(x), "write xp.sin"),
        (lambda x, xp: float(x[0]), "would lose its derivative"),
        (lambda x, xp: x[range(int(x[0]))[0]], "cannot be a Python index"),
        (lambda x, xp: [x[0], x[1]], "f must return one array"),
        (lambda x, xp: x, r"needs y of shape \(\), got \(4,\)"),
        (lambda x, xp: xp.sum(xp.linalg.inv(x)), r"one square matrix, got shape \(4,\)"),
        (lambda x, xp: xp.sum(x, axis=3), "axis 3 is out of range"),
        (lambda x, xp: xp.sum(xp.matmul(x, x[:2])), "do not fit"),
    ],
)
def test_misuse_is_one_clear_error(f: Any, words: str) -> None:
    with pytest.raises(ad.ADError, match=words):
        ad.grad(f)(X)


def test_writing_in_place_is_refused() -> None:
    def f(x: Any, xp: Any) -> Any:
        x[0] = 1.0
        return xp.sum(x)

    with pytest.raises(ad.TracedArrayError, match="cannot be written in place"):
        ad.grad(f)(X)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.eye(2), r"must have shape \(n,\), got \(2, 2\)"),
        (np.array([1j]), "real numbers"),
        (["a"], "real numbers"),
        ([[1.0], [2.0, 3.0]], "array of numbers"),
    ],
)
def test_points_are_checked(x: Any, words: str) -> None:
    with pytest.raises(ad.ADError, match=words):
        ad.grad(smooth)(x)


def test_seeds_are_checked() -> None:
    with pytest.raises(ad.ADError, match=r"v must have shape \(4,\), got \(3,\)"):
        ad.jvp(curve, X, np.ones(3))
    with pytest.raises(ad.ADError, match=r"w must have shape \(3,\), got \(4,\)"):
        ad.vjp(curve, X, np.ones(4))


def test_numpy_offers_every_name() -> None:
    assert all(getattr(NUMPY, name, None) is not None or name == "newaxis" for name in NAMES)

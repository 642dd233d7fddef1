"""Option prices, attention and the diagonal LSTM against formulas of another structure."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
SIZES = (
    "black_scholes[assets=1,options=1]|black_scholes[assets=2,options=3]|"
    "black_scholes[assets=5,options=4]|attention[tokens=2,width=1]|attention[tokens=4,width=2]|"
    "attention[tokens=3,width=3]|dlstm[hidden=1,length=1]|dlstm[hidden=2,layers=2,length=4]|"
    "dlstm[hidden=3,layers=1,length=6]"
).split("|")


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("selection", SIZES)
def test_hand_written_derivatives_are_exact_and_not_vacuous(selection: str, seed: int) -> None:
    instance = one(selection, seed)
    for name in instance.answers:
        reference = certify(instance, name)
        assert judge(instance.answer(name), reference).verdict == "exact to rounding", name
        assert judge(np.zeros(reference.shape), reference).verdict == "wrong", name


# --- black_scholes --------------------------------------------------------------------------------


def test_hulls_call_and_put() -> None:
    """S = 42, K = 40, r = 0.1, sigma = 0.2, half a year: 4.76 and 0.81 (Hull's example)."""
    pair = one("black_scholes[assets=1,options=2]")
    constants = np.full((1, 2), 40.0), np.full((1, 2), 0.5), np.array([[1.0, -1.0]])
    call, put = pair.f(np.array([42.0, 0.2, 0.1]), NUMPY, *constants)
    assert (round(call, 2), round(put, 2)) == (4.76, 0.81)


def test_a_call_less_a_put_is_a_forward() -> None:
    """C - P = S - K e^{-rT}: deltas differ by 1, vegas by 0, rhos by K T e^{-rT}."""
    book = one("black_scholes[assets=3,options=2]")
    strikes, expiries = (np.repeat(c[:, :1], 2, axis=1) for c in book.constants[:2])
    signs = np.tile([1.0, -1.0], (3, 1))
    jacobian = book.answers["jacobian"](book.x, strikes, expiries, signs)
    forward = jacobian[::2] - jacobian[1::2]
    paid = strikes[:, 0] * np.exp(-book.x[6:] * expiries[:, 0])
    expected = np.hstack([np.eye(3), np.zeros((3, 3)), np.diag(expiries[:, 0] * paid)])
    assert np.allclose(forward, expected, rtol=1e-14, atol=1e-14)


def test_prices_and_greeks_are_integrals_over_the_spot_at_expiry() -> None:
    """e^{-rT} E max(s (S_T - K), 0), and its derivatives, by quadrature at 30 digits."""
    book = one("black_scholes[assets=1,options=2]")
    with mpmath.workdps(30):
        for j, row in enumerate(book.jacobian()):
            k, t, s = (mpmath.mpf(c[0, j]) for c in book.constants)

            def price(spot: Any, vol: Any, rate: Any, k: Any = k, t: Any = t, s: Any = s) -> Any:
                root = vol * mpmath.sqrt(t)
                edge = (mpmath.log(k / spot) - (rate - vol**2 / 2) * t) / root

                def pay(z: Any) -> Any:
                    end = spot * mpmath.exp((rate - vol**2 / 2) * t + root * z)
                    return s * (end - k) * mpmath.npdf(z)

                area = mpmath.quad(pay, [edge, edge + 4 * s, edge + 9 * s, edge + 20 * s]) * s
                return mpmath.exp(-rate * t) * area

            x = [mpmath.mpf(v) for v in book.x.tolist()]
            assert float(book.value()[j]) == pytest.approx(float(price(*x)), rel=1e-13)
            orders = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
            greeks = [float(mpmath.diff(price, x, order)) for order in orders]
            assert row == pytest.approx(greeks, rel=1e-10)


def test_far_from_the_money_nothing_cancels() -> None:
    """The delta of a put that is hardly worth anything keeps all its digits."""
    put = one("black_scholes[assets=1,options=1]")
    constants = np.array([[50.0]]), np.array([[1.0]]), np.array([[-1.0]])
    delta = put.answers["jacobian"](np.array([150.0, 0.2, 0.03]), *constants)[0, 0]
    with mpmath.workdps(30):
        d = (mpmath.log(3) + mpmath.mpf(0.03)) / mpmath.mpf(0.2) + mpmath.mpf(0.2) / 2
        assert delta == pytest.approx(float(-mpmath.ncdf(-d)), rel=1e-13)


# --- attention ------------------------------------------------------------------------------------


def test_attention_token_by_token() -> None:
    """Loops over tokens and no largest score taken off."""
    block = one("attention[tokens=4,width=3]")
    tokens, targets = block.constants
    wq, wk, wv = block.x.reshape(3, 3, 3)
    total = 0.0
    for a, target in zip(tokens, targets, strict=True):
        weights = [math.exp((a @ wq) @ (b @ wk) / math.sqrt(3.0)) for b in tokens]
        mixed = sum(w * (b @ wv) for w, b in zip(weights, tokens, strict=True)) / sum(weights)
        total += float(((mixed - target) ** 2).sum())
    assert float(block.value()) == pytest.approx(total / 12, rel=1e-14)


def test_without_queries_attention_is_a_mean() -> None:
    """W_Q = 0: P = 1/tokens, so that f is a least-squares problem in W_V, and dW_K = 0."""
    block = one("attention[tokens=5,width=2]")
    tokens, targets = block.constants
    x = block.x.copy()
    x[:4] = 0.0
    middle = np.tile(tokens.mean(axis=0), (5, 1))
    residual = middle @ x[8:].reshape(2, 2) - targets
    gradient = block.answers["gradient"](x, tokens, targets)
    assert np.allclose(gradient[8:], (middle.T @ residual / 5).ravel(), rtol=1e-13, atol=0)
    assert np.array_equal(gradient[4:8], np.zeros(4))
    hessian = block.answers["hessian"](x, tokens, targets)
    bend = np.kron(middle.T @ middle / 5, np.eye(2))
    assert np.allclose(hessian[8:, 8:], bend, rtol=1e-13, atol=0)


def test_attention_does_not_overflow() -> None:
    """Scores of a million, whose exponentials no double holds."""
    block = one("attention[tokens=4,width=2]")
    x = block.x * 1e3
    value, gradient = (
        block.f(x, NUMPY, *block.constants),
        block.answers["gradient"](x, *block.constants),
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.max(np.abs(gradient[8:])) > 1.0


# --- dlstm ----------------------------------------------------------------------------------------


def _sigma(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def test_dlstm_number_by_number() -> None:
    """The equations with Python numbers, each unit by itself: none hears of another's bits."""
    net = one("dlstm[hidden=3,layers=2,length=5]")
    initial, sequence = net.constants
    main, ends = net.x[:48].reshape(2, 2, 4, 3), net.x[48:].reshape(3, 3)
    y = np.empty((5, 3))
    for j in range(3):
        memory = initial[:, j].tolist()
        for t in range(5):
            u = sequence[t, j] * ends[0, j]
            for layer in range(2):
                h, c = memory[2 * layer : 2 * layer + 2]
                (w1, w2, w3, w4), (c1, c2, c3, c4) = main[layer, :, :, j]
                c = _sigma(u * w1 + c1) * c + _sigma(h * w2 + c2) * math.tanh(h * w4 + c4)
                u = _sigma(u * w3 + c3) * math.tanh(c)
                memory[2 * layer : 2 * layer + 2] = u, c
            y[t, j] = u * ends[1, j] + ends[2, j]
    shares = np.exp(y) / (2.0 + np.exp(y).sum(axis=1, keepdims=True))
    loss = -(sequence[1:] * np.log(shares)).sum() / 15
    assert float(net.value()) == pytest.approx(loss, rel=1e-14)


def test_dlstm_of_nothing_predicts_evenly() -> None:
    """x = 0: every share is 1 / (hidden + 2), and only e_1 and e_2 have a slope."""
    net = one("dlstm[hidden=3,layers=1,length=4]")
    _, sequence = net.constants
    x = np.zeros(net.n)
    bits = sequence[1:]
    assert net.f(x, NUMPY, *net.constants) == pytest.approx(bits.mean() * math.log(5.0), rel=1e-15)
    gradient = net.answers["gradient"](x, *net.constants)
    held = net.constants[0][1] * 0.5 ** np.arange(1, 5)[:, None]  # every gate is half open
    miss = (bits.sum(axis=1, keepdims=True) / 5.0 - bits) / 12.0
    expected = np.zeros(net.n)
    expected[-3:] = miss.sum(axis=0)
    expected[-6:-3] = (miss * 0.5 * np.tanh(held)).sum(axis=0)
    assert np.allclose(gradient, expected, rtol=1e-14, atol=1e-16)


def test_dlstm_hessian_in_blocks_is_that_of_each_direction() -> None:
    net = one("dlstm[hidden=4,layers=1,length=3]")  # 44 inputs: a whole block and a part
    hessian = net.hessian()
    for j in (0, 31, 32, 43):
        assert np.allclose(hessian[j], net.hvp(np.eye(44)[j]), rtol=1e-13, atol=1e-17)


@pytest.mark.parametrize(("layers", "n"), [(1, 44), (2, 76)])
def test_dlstm_derives_its_size(layers: int, n: int) -> None:
    net = one(f"dlstm[hidden=4,layers={layers},length=7]")
    assert (net.n, net.depth) == (n, 7)
    assert net.constants[1].shape == (8, 4)
    assert np.all(net.constants[1].sum(axis=1) >= 1)


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("black_scholes[assets=0]", ["assets >= 1", "got assets=0"]),
        ("black_scholes[m=4]", ["'m'", "assets", "options"]),
        ("attention[tokens=1]", ["tokens >= 2", "got tokens=1"]),
        ("attention[n=3]", ["'n'", "tokens", "width"]),
        ("dlstm[length=0]", ["length >= 1", "got length=0"]),
        ("dlstm[depth=3]", ["'depth'", "hidden", "layers", "length"]),
    ],
)
def test_impossible_sizes_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    assert all(word in str(refused.value) for word in words)

"""The Gaussian mixture: its posterior from the densities themselves, and the public data."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
mp = mpmath.mp.clone()
mp.dps = 40


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def pieces(x: Any, k: int, d: int) -> tuple[Any, Any, Any]:
    """alpha, mu and the triangles Q, filled by loops."""
    alpha, mu = x[:k], [x[k + i * d : k + (i + 1) * d] for i in range(k)]
    rest, each = x[k + k * d :], d * (d + 1) // 2
    triangles = []
    for i in range(k):
        icf = list(rest[i * each : (i + 1) * each])
        q = mp.matrix(d, d)
        for j in range(d):
            q[j, j] = mp.exp(icf.pop(0))
        for column in range(d):
            for row in range(column + 1, d):
                q[row, column] = icf.pop(0)
        triangles.append(q)
    return alpha, mu, triangles


def posterior(x: Any, points: Any, k: int, sign: int) -> Any:
    """log(prod_i sum_k phi_k N(x_i; mu_k, S_k) prod_k Wishart(S_k^-1)): determinants, no log-sums.

    The prior that is right has the Wishart density at d + 1 degrees of freedom; with the other
    sign it divides.
    """
    d = points.shape[1]
    alpha, mu, triangles = pieces([mp.mpf(v) for v in x.tolist()], k, d)
    total = mp.fsum(map(mp.exp, alpha))
    precisions = [q.T * q for q in triangles]
    likelihood = mp.mpf(1)
    for point in points.tolist():
        chance = mp.mpf(0)
        for a, m, s in zip(alpha, mu, precisions, strict=True):
            apart = mp.matrix([p - c for p, c in zip(point, m, strict=True)])
            density = mp.exp(-(apart.T * s * apart)[0] / 2) * mp.sqrt(mp.det(s) / (2 * mp.pi) ** d)
            chance += mp.exp(a) / total * density
        likelihood *= chance
    prior = mp.mpf(1)
    n = d + 1
    of_n = mp.pi ** (mp.mpf(d * (d - 1)) / 4)
    for j in range(d):
        of_n *= mp.gamma(mp.mpf(n - j) / 2)
    for s in precisions:
        trace = sum(s[j, j] for j in range(d))
        prior *= mp.exp(-trace / 2) / (mp.mpf(2) ** (mp.mpf(n * d) / 2) * of_n)
    return mp.log(likelihood * prior ** (-sign))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("size", ["d=2,K=1,N=3", "d=3,K=2,N=5", "d=4,K=3,N=4"])
@pytest.mark.parametrize("generator", ["own", "public"])
def test_value_is_the_log_of_the_densities(size: str, sign: int, generator: str) -> None:
    mixture = one(f"gmm[{size},sign={sign},generator={generator}]")
    expected = posterior(mixture.x, mixture.constants[0], int(mixture.params["K"]), sign)
    assert float(mixture.value()) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("size", ["d=2,K=2,N=3", "d=3,K=2,N=2"])
def test_gradient_is_that_of_the_densities(size: str) -> None:
    mixture = one(f"gmm[{size}]")
    points, k = mixture.constants[0], int(mixture.params["K"])
    h = 1e-6
    slopes = []
    for unit in np.eye(mixture.n) * h:
        up, down = (posterior(mixture.x + s * unit, points, k, -1) for s in (1, -1))
        slopes.append(float((up - down) / (2 * h)))
    assert np.allclose(mixture.gradient(), slopes, rtol=0, atol=1e-7)


def test_one_component_at_its_mean_by_hand() -> None:
    """K = 1: alpha drops out; at x_i = mu only the scales q are pulled, by 1 - e^{2q}."""
    gradient = one("gmm[d=2,K=1,N=1]").answers["gradient"]
    q, below = np.array([0.25, -0.5]), 0.75
    x = np.array([0.3, 1.0, 2.0, *q, below])
    answer = gradient(x, np.array([[1.0, 2.0]]), np.array(-1.0))
    assert answer[:3].tolist() == [0.0, 0.0, 0.0]
    assert np.allclose(answer[3:5], 1.0 - np.exp(2.0 * q), rtol=1e-15)
    assert answer[5] == -below


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("size", ["d=2,K=1,N=2", "d=2,K=3,N=10", "d=4,K=2,N=7"])
@pytest.mark.parametrize("generator", ["own", "public"])
def test_manual_and_reverse_are_exact_to_rounding(size: str, seed: int, generator: str) -> None:
    mixture = one(f"gmm[{size},generator={generator}]", seed)
    mine = {
        "gradient": lambda: ad.grad(mixture.f)(mixture.x, *mixture.constants),
        "hvp": lambda: ad.hvp(mixture.f, mixture.x, mixture.v, *mixture.constants),
        "hessian": lambda: ad.hessian(mixture.f)(mixture.x, *mixture.constants),
    }
    for name, program in mine.items():
        reference = oracle.certify(mixture, name)
        assert reference.claim == "certified"
        for answer in (mixture.answer(name), program()):
            judged = judge(answer, reference)
            assert judged.verdict == "exact to rounding", (name, judged.verdict_reason)


def test_far_points_neither_overflow_nor_lose_their_slope() -> None:
    mixture = one("gmm[d=2,K=2,N=2]")
    far = mixture.constants[0] * 1e4
    gradient = mixture.answers["gradient"](mixture.x, far, mixture.constants[1])
    assert np.isfinite(gradient).all()
    assert np.allclose(
        gradient, ad.grad(mixture.f)(mixture.x, far, mixture.constants[1]), rtol=1e-12
    )


def test_public_data_are_drawn_in_the_stated_order() -> None:
    d, k, count = 2, 5, 1000
    rng = np.random.default_rng(31337)
    points = np.array([rng.normal(size=d) for _ in range(count)])
    alpha = rng.normal(size=k)
    mu = [rng.uniform(size=d) for _ in range(k)]
    q = [rng.normal(size=d) for _ in range(k)]
    below = [rng.normal(size=d * (d - 1) // 2) for _ in range(k)]
    icf = [np.concatenate(each) for each in zip(q, below, strict=True)]
    for seed in (0, 7):
        mixture = one("gmm[generator=public,d=2,K=5,N=1000]", seed)
        assert np.array_equal(mixture.constants[0], points)
        assert np.array_equal(mixture.x, np.concatenate([alpha, *mu, *icf]))
    assert float(mixture.value()) == pytest.approx(VALUE, rel=1e-13)
    assert np.linalg.norm(mixture.gradient()) == pytest.approx(NORM, rel=1e-13)


VALUE, NORM = -3916.464821054467, 920.8469993989363  # of d=2, K=5, N=1000; the test above


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("gmm[d=1]", ["d >= 2", "got d=1"]),
        ("gmm[K=0]", ["K >= 1", "got K=0"]),
        ("gmm[sign=0]", ["sign=0", "-1, 1"]),
        ("gmm[generator=other]", ["generator=other", "own, public"]),
        ("gmm[n=12]", ["'n'", "d, K, N"]),
    ],
)
def test_impossible_parameters_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    assert all(word in str(refused.value) for word in words)

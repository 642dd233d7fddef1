"""A Gaussian mixture with a Wishart prior: its log posterior in weights, means and precisions."""

from __future__ import annotations

from collections.abc import Mapping
from math import lgamma, log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
PUBLIC_SEED = 31337


# --- f ---------------------------------------------------------------------------------------


def _split(x: Any, xp: Any, d: int) -> tuple[Any, Any, Any, Any]:
    """alpha (K,), mu (K, d), and of icf q (K, d) and l (K, d (d - 1) / 2)."""
    each = d * (d + 1) // 2
    k = x.shape[0] // (1 + d + each)
    icf = xp.reshape(x[k + k * d :], (k, each))
    return x[:k], xp.reshape(x[k : k + k * d], (k, d)), icf[:, :d], icf[:, d:]


def _lower(xp: Any, diagonal: Any, below: Any) -> Any:
    """Lower triangles (K, d, d) of their diagonals and what stands below, column by column."""
    k, d = diagonal.shape
    place = np.full((d, d), d * (d + 1) // 2)  # of a zero
    place[np.diag_indices(d)] = np.arange(d)
    column, row = np.triu_indices(d, 1)
    place[row, column] = d + np.arange(row.size)
    entries = xp.concat([diagonal, below, xp.zeros((k, 1))], axis=1)
    return xp.reshape(xp.take(entries, xp.asarray(place.ravel()), axis=1), (k, d, d))


def _logsumexp(z: Any, xp: Any) -> Any:
    """Along the first axis; exp never overflows."""
    top = xp.max(z, axis=0, keepdims=True)
    return top[0, ...] + xp.log(xp.sum(xp.exp(z - top), axis=0))


def _wishart(d: int) -> float:
    """C = -n' d log(2) / 2 - log Gamma_d(n' / 2) at gamma = 1, w = 0, n' = d + 1."""
    gammas = sum(lgamma((d + 1 - j) / 2) for j in range(d))
    return -(d + 1) * d * log(2.0) / 2 - d * (d - 1) / 4 * log(pi) - gammas


def f(x: Any, xp: Any, points: Any, sign: Any) -> Any:
    """sum_i logsumexp_k fit_ki - N logsumexp(alpha) + sign P - N d log(2 pi) / 2.

    fit_ki = alpha_k + sum q_k - |Q_k (x_i - mu_k)|^2 / 2, and P = sum_k |Q_k|^2 / 2 - K C.
    """
    count, d = points.shape
    alpha, mu, q, below = _split(x, xp, d)
    k = alpha.shape[0]
    factors = _lower(xp, xp.exp(q), below)
    bent = xp.matmul(points - xp.reshape(mu, (k, 1, d)), xp.matrix_transpose(factors))
    fit = xp.reshape(alpha + xp.sum(q, axis=1), (k, 1)) - 0.5 * xp.sum(bent * bent, axis=2)
    likelihood = xp.sum(_logsumexp(fit, xp)) - float(count) * _logsumexp(alpha, xp)
    prior = 0.5 * xp.sum(factors * factors) - k * _wishart(d)
    return likelihood + sign * prior - count * d * log(2.0 * pi) / 2


# --- by hand ---------------------------------------------------------------------------------


class _State(NamedTuple):
    """What gradient and Hessian share; ``slope`` is df/dQ_k but for the q_k within fit."""

    weights: Array  # softmax of alpha, (K,)
    scale: Array  # exp q, (K, d)
    factors: Array  # Q, (K, d, d)
    apart: Array  # x_i - mu_k, (K, d, N)
    bent: Array  # Q_k (x_i - mu_k), (K, d, N)
    share: Array  # softmax of fit over k, (K, N)
    pull: Array  # share bent, (K, d, N)
    slope: Array  # sign Q - sum_i pull (x_i - mu_k)', (K, d, d)


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=0))
    return np.asarray(e / e.sum(axis=0))


def _softmax_moves(p: Array, dz: Array) -> Array:
    """The tangents p (dz - p'dz) of a softmax p; dz is first taken from its largest entry's.

    So the share that is almost one moves by what is right, and not by what cancels.
    """
    dz = dz - np.take_along_axis(dz, p.argmax(axis=0)[None], axis=0)
    return np.asarray(p * (dz - (p * dz).sum(axis=0)))


def _state(x: Array, points: Array, sign: Array) -> _State:
    alpha, mu, q, below = _split(x, np, points.shape[1])
    scale = np.exp(q)
    factors = _lower(np, scale, below)
    apart = points.T - mu[:, :, None]
    bent = factors @ apart
    share = _softmax((alpha + q.sum(axis=1))[:, None] - 0.5 * (bent * bent).sum(axis=1))
    pull = share[:, None] * bent
    slope = sign * factors - pull @ np.swapaxes(apart, 1, 2)
    return _State(_softmax(alpha), scale, factors, apart, bent, share, pull, slope)


def _flat(alpha: Array, mu: Array, q: Array, matrices: Array) -> Array:
    """One vector in the order of x; of the matrices what stands below the diagonal."""
    column, row = np.triu_indices(mu.shape[1], 1)
    icf = np.concatenate([q, matrices[:, row, column]], axis=1)
    return np.concatenate([alpha, mu.ravel(), icf.ravel()])


def _diagonals(matrices: Array) -> Array:
    return np.diagonal(matrices, axis1=1, axis2=2)


def gradient(x: Array, points: Array, sign: Array) -> Array:
    """alpha: sum_i s_ki - N softmax_k; mu: sum_i Q' pull; q: sum_i s_ki + e^q diag slope."""
    at = _state(x, points, sign)
    taken = at.share.sum(axis=1)
    mu = np.swapaxes(at.factors, 1, 2) @ at.pull.sum(axis=2)[:, :, None]
    q = taken[:, None] + at.scale * _diagonals(at.slope)
    return _flat(taken - len(points) * at.weights, mu[:, :, 0], q, at.slope)


def _hvp(at: _State, v: Array, sign: Array) -> Array:
    """The derivative of :func:`gradient` along v, quantity by quantity."""
    alpha, mu, q, below = _split(v, np, at.scale.shape[1])
    factors = _lower(np, at.scale * q, below)
    bent = factors @ at.apart - at.factors @ mu[:, :, None]
    fit = (alpha + q.sum(axis=1))[:, None] - (at.bent * bent).sum(axis=1)
    share = _softmax_moves(at.share, fit)
    pull = share[:, None] * at.bent + at.share[:, None] * bent
    pulled, moved = at.pull.sum(axis=2)[:, :, None], pull.sum(axis=2)[:, :, None]
    slope = sign * factors - pull @ np.swapaxes(at.apart, 1, 2) + pulled * mu[:, None]
    taken = share.sum(axis=1)
    weights = _softmax_moves(at.weights, alpha) * at.share.shape[1]
    of_mu = np.swapaxes(factors, 1, 2) @ pulled + np.swapaxes(at.factors, 1, 2) @ moved
    of_q = taken[:, None] + at.scale * (_diagonals(slope) + q * _diagonals(at.slope))
    return _flat(taken - weights, of_mu[:, :, 0], of_q, slope)


def hvp(x: Array, v: Array, points: Array, sign: Array) -> Array:
    """The Hessian along one direction."""
    return _hvp(_state(x, points, sign), v, sign)


def hessian(x: Array, points: Array, sign: Array) -> Array:
    """The Hessian along all n unit directions, one after another."""
    at = _state(x, points, sign)
    return np.stack([_hvp(at, unit, sign) for unit in np.eye(x.size)])


# --- sizes -----------------------------------------------------------------------------------


def _draw(rng: np.random.Generator, d: int, k: int, count: int) -> tuple[Array, Array]:
    """The points and x = (alpha, mu, icf), drawn in the order x, alpha, mu, q, l."""
    points, alpha = rng.normal(size=(count, d)), rng.normal(size=k)
    mu, q = rng.uniform(size=(k, d)), rng.normal(size=(k, d))
    below = rng.normal(size=(k, d * (d - 1) // 2))
    return points, np.concatenate([alpha, mu.ravel(), np.concatenate([q, below], axis=1).ravel()])


def _mild(x: Array, d: int, k: int) -> Array:
    """The same with a milder icf."""
    return np.concatenate([x[: k + k * d], x[k + k * d :] * (0.5 / np.sqrt(d))])


def _about(points: Array, x: Array, k: int) -> Array:
    """A guess x for points of no scale as one for these: means and deviations are scaled alike."""
    d = points.shape[1]
    wide = points.std(axis=0)
    wide = np.where(wide > 0.0, wide, 1.0)
    alpha, mu, q, below = _split(x, np, d)
    mu = points.mean(axis=0) + wide * (2.0 * mu - 1.0)
    icf = np.concatenate([q - np.log(wide), below / wide[np.triu_indices(d, 1)[0]]], axis=1)
    return np.concatenate([alpha, mu.ravel(), icf.ravel()])


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Data of a public suite, of a file, or the suite's of the family's own seed, milder."""
    k, points = params["K"], params.get("file")
    d, count = (params["d"], params["N"]) if points is None else (points.shape[1], 1)
    drawn, x = _draw(rng, d, k, count)
    x, prepare_x = _mild(x, d, k), _mild(_draw(rng, d, k, 1)[1], d, k)
    if points is not None:
        x, prepare_x = _about(points, x, k), _about(points, prepare_x, k)
    elif params["generator"] == "public":
        points, x = _draw(np.random.default_rng(PUBLIC_SEED), d, k, count)
    else:
        points = drawn
    return Parts(
        f=f,
        x=x,
        prepare_x=prepare_x,
        constants=(points, np.array(float(params["sign"]))),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="gmm",
    title="Gaussian mixture",
    shows="the field's own yardstick: one sweep back for all parameters of a dense mixture",
    reference="Srajer, Kukelova and Fitzgibbon, A benchmark of selected AD tools, 2018",
    latex=(
        r"f(\alpha, \mu, q, l) = \sum_{i=1}^N \ln \sum_k \exp\bigl(\alpha_k + \textstyle\sum q_k"
        r" - \tfrac12 \lVert Q_k (x_i - \mu_k) \rVert^2\bigr) - N \ln \sum_k e^{\alpha_k}"
        r" - \tfrac{N d}{2} \ln 2\pi"
        r" \pm \Bigl(\tfrac12 \sum_k \lVert Q_k \rVert_F^2 - K C\Bigr)"
    ),
    parameters={
        "d": Parameter(2, "dimensions of a point", minimum=2),
        "K": Parameter(3, "components; n = K (1 + d + d (d + 1) / 2)", minimum=1),
        "N": Parameter(10, "points", minimum=1),
        "sign": Parameter(-1, "of the prior: -1 is right, one public suite has 1", choices=(-1, 1)),
        "generator": Parameter(
            "own", "own, or public: the suites' data, whatever the seed", choices=("own", "public")
        ),
        "file": Parameter(
            "", "a CSV, one point a line", columns=(2, None), replaces=("d", "N", "generator")
        ),
    },
    sizes={
        "quick": "d=2,K=1|2,N=2",
        "standard": "d=2,K=3,N=8|256",
        "full": "d=2|10|32,K=5|25,N=1000",
    },
    build=build,
)

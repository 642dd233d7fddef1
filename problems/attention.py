"""One head of softmax attention with mean squared loss, as a function of its three weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any, tokens: Any, targets: Any) -> Any:
    """The mean of (P X W_V - targets)^2, P = softmax(X W_Q (X W_K)' / sqrt(width)) by rows.

    The largest score of a row is taken off first, so that no exponential overflows.
    """
    width = tokens.shape[1]
    maps = xp.reshape(x, (3, width, width))
    query, key, value = (xp.matmul(tokens, maps[i, ...]) for i in range(3))
    scores = xp.matmul(query, xp.matrix_transpose(key)) * (1.0 / sqrt(width))
    raised = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    mixed = xp.matmul(raised / xp.sum(raised, axis=1, keepdims=True), value)
    residual = mixed - targets
    return xp.mean(residual * residual)


def _forward(x: Array, tokens: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Queries, keys and values (3, tokens, width), P, and the adjoint of the block's output."""
    width = tokens.shape[1]
    heads = tokens @ x.reshape(3, width, width)
    scores = heads[0] @ heads[1].T * (1.0 / sqrt(width))
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    mix = raised / raised.sum(axis=1, keepdims=True)
    return heads, mix, (mix @ heads[2] - targets) * (2.0 / targets.size)


def _sum(a: Array) -> Array:
    """The sums of the rows."""
    return np.asarray(a.sum(axis=-1, keepdims=True))


def gradient(x: Array, tokens: Array, targets: Array) -> Array:
    """dV = P' dO; dS = P (dO V' - rowsum(P dO V')) / sqrt(width); dQ = dS K, dK = dS' Q; X' d."""
    heads, mix, back = _forward(x, tokens, targets)
    query, key, value = heads
    lift = back @ value.T
    pull = mix * (lift - _sum(mix * lift)) * (1.0 / sqrt(tokens.shape[1]))
    return np.asarray((tokens.T @ np.stack([pull @ key, pull.T @ query, mix.T @ back])).ravel())


def _hvps(x: Array, v: Array, tokens: Array, targets: Array) -> Array:
    """The Hessian times k directions ``v``, shape (k, n), by the R-operator: (k, n).

    Every quantity q of :func:`gradient` has its derivative Rq along the direction.
    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.
    """
    width = tokens.shape[1]
    scale = 1.0 / sqrt(width)
    heads, mix, back = _forward(x, tokens, targets)
    query, key, value = heads
    rheads = tokens @ v.reshape(-1, 3, width, width)
    rquery, rkey, rvalue = (rheads[:, i] for i in range(3))
    rscores = (rquery @ key.T + query @ np.swapaxes(rkey, 1, 2)) * scale
    rmix = mix * (rscores - _sum(mix * rscores))
    rback = (rmix @ value + mix @ rvalue) * (2.0 / targets.size)
    lift = back @ value.T
    rlift = rback @ value.T + back @ np.swapaxes(rvalue, 1, 2)
    centred = lift - _sum(mix * lift)
    rcentred = rlift - _sum(rmix * lift + mix * rlift)
    pull, rpull = mix * centred * scale, (rmix * centred + mix * rcentred) * scale
    parts = [
        rpull @ key + pull @ rkey,
        np.swapaxes(rpull, 1, 2) @ query + pull.T @ rquery,
        np.swapaxes(rmix, 1, 2) @ back + mix.T @ rback,
    ]
    return np.asarray((tokens.T @ np.stack(parts, axis=1)).reshape(v.shape))


def hvp(x: Array, v: Array, tokens: Array, targets: Array) -> Array:
    """The R-operator along one direction."""
    return np.asarray(_hvps(x, v[None], tokens, targets)[0])


def hessian(x: Array, tokens: Array, targets: Array) -> Array:
    """The R-operator along all n unit directions at once."""
    return _hvps(x, np.eye(x.size), tokens, targets)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Tokens of size 1 and weights of size 1/sqrt(width), so that scores are of size 1."""
    width, shape = params["width"], (params["tokens"], params["width"])
    n = 3 * width * width
    return Parts(
        f=f,
        x=rng.standard_normal(n) / np.sqrt(width),
        prepare_x=rng.standard_normal(n) / np.sqrt(width),
        constants=(rng.standard_normal(shape), rng.uniform(-1.0, 1.0, shape)),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="attention",
    title="Softmax attention",
    shows="the core of a transformer: one reverse sweep through products and a stable softmax",
    reference="Vaswani et al., Attention is all you need, 2017",
    latex=(
        r"f(W_Q, W_K, W_V) = \frac{1}{\mathrm{tokens} \cdot \mathrm{width}} \Bigl\lVert"
        r" \operatorname{softmax}\Bigl(\frac{X W_Q (X W_K)^\top}{\sqrt{\mathrm{width}}}\Bigr)"
        r" X W_V - T \Bigr\rVert^2"
    ),
    parameters={
        "tokens": Parameter(8, "tokens of the sequence", minimum=2),
        "width": Parameter(4, "entries of a token; n = 3 width^2", minimum=1),
    },
    sizes={
        "quick": "tokens=3,width=1|2",
        "standard": "tokens=4,width=4",
        "full": "tokens=8|64,width=1|4|16|64",
    },
    build=build,
)

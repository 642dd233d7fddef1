"""A tanh network with mean squared loss, as a function of all its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any, inputs: Any, targets: Any, *, layers: int) -> Any:
    """The mean of (h_L - targets)^2 with h_0 = inputs and h_l = tanh(h_{l-1} W_l + c_l)."""
    width = inputs.shape[1]
    h, start = inputs, 0
    for _ in range(layers):
        middle = start + width * width
        weights = xp.reshape(x[start:middle], (width, width))
        h = xp.tanh(xp.matmul(h, weights) + x[middle : middle + width])
        start = middle + width
    residual = h - targets
    return xp.mean(residual * residual)


def _layers(x: Array, width: int, layers: int) -> Iterator[tuple[Array, Array]]:
    """The matrices W_l, shape (..., width, width), and shifts c_l, (..., 1, width), in ``x``."""
    size = width * (width + 1)
    for start in range(0, layers * size, size):
        layer = x[..., start : start + size]
        weights = layer[..., : width * width].reshape(*x.shape[:-1], width, width)
        yield weights, layer[..., None, width * width :]


def gradient(x: Array, inputs: Array, targets: Array, *, layers: int) -> Array:
    """Backpropagation: delta_l = (delta_{l+1} W_{l+1}') (1 - h_l^2); dW_l = h_{l-1}' delta_l."""
    width = inputs.shape[1]
    shape = list(_layers(x, width, layers))
    h = [inputs]
    for weights, shift in shape:
        h.append(np.tanh(h[-1] @ weights + shift))
    back = (h[-1] - targets) * (2.0 / targets.size)
    parts: list[Array] = []
    for i in reversed(range(layers)):
        delta = back * (1.0 - h[i + 1] * h[i + 1])
        parts += [delta.sum(axis=0), (h[i].T @ delta).ravel()]
        back = delta @ shape[i][0].T
    return np.concatenate(parts[::-1])


def _hvps(x: Array, v: Array, inputs: Array, targets: Array, layers: int) -> Array:
    """The Hessian times k directions ``v``, shape (k, n), by the R-operator: (k, n).

    Every quantity q of :func:`gradient` has its derivative Rq along the direction.
    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.
    """
    width = inputs.shape[1]
    shape, moves = list(_layers(x, width, layers)), list(_layers(v, width, layers))
    h, rh = [inputs], [np.zeros((1, *inputs.shape))]
    for (weights, shift), (move, drift) in zip(shape, moves, strict=True):
        rz = rh[-1] @ weights + h[-1] @ move + drift
        h.append(np.tanh(h[-1] @ weights + shift))
        rh.append((1.0 - h[-1] * h[-1]) * rz)
    scale = 2.0 / targets.size
    back, rback = (h[-1] - targets) * scale, rh[-1] * scale
    parts: list[Array] = []
    for i in reversed(range(layers)):
        slope = 1.0 - h[i + 1] * h[i + 1]
        delta = back * slope
        rdelta = rback * slope - back * (2.0 * h[i + 1]) * rh[i + 1]
        rweights = np.swapaxes(rh[i], -1, -2) @ delta + h[i].T @ rdelta
        parts += [rdelta.sum(axis=-2), rweights.reshape(len(v), -1)]
        rback = rdelta @ shape[i][0].T + delta @ np.swapaxes(moves[i][0], -1, -2)
        back = delta @ shape[i][0].T
    return np.concatenate(parts[::-1], axis=-1)


def hvp(x: Array, v: Array, inputs: Array, targets: Array, *, layers: int) -> Array:
    """The R-operator along one direction."""
    return np.asarray(_hvps(x, v[None], inputs, targets, layers)[0])


def hessian(x: Array, inputs: Array, targets: Array, *, layers: int) -> Array:
    """The R-operator along all n unit directions at once."""
    return _hvps(x, np.eye(x.size), inputs, targets, layers)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Weights of size 1/sqrt(width), data of size 1; n = layers width (width + 1)."""
    width, layers, batch = params["width"], params["layers"], params["batch"]
    n = layers * width * (width + 1)
    answers: dict[str, Function] = {"gradient": gradient, "hvp": hvp, "hessian": hessian}
    return Parts(
        f=partial(f, layers=layers),
        x=rng.standard_normal(n) / np.sqrt(width),
        prepare_x=rng.standard_normal(n) / np.sqrt(width),
        constants=(rng.uniform(-1.0, 1.0, (batch, width)), rng.uniform(-1.0, 1.0, (batch, width))),
        depth=layers,
        answers={name: partial(answer, layers=layers) for name, answer in answers.items()},
    )


FAMILY = Family(
    name="mlp",
    title="Tanh network",
    shows="backpropagation is reverse mode: a network's loss differentiated by all its weights",
    reference="Rumelhart et al., Learning representations by back-propagating errors, 1986",
    latex=(
        r"h_l = \tanh(h_{l-1} W_l + c_l), \quad"
        r" f(W, c) = \frac{1}{\mathrm{batch} \cdot \mathrm{width}} \lVert h_L - T \rVert^2"
    ),
    parameters={
        "width": Parameter(4, "units of each layer, and of the input", minimum=1),
        "layers": Parameter(3, "layers of weights; n = layers width (width + 1)", minimum=1),
        "batch": Parameter(8, "examples in the loss", minimum=1),
    },
    sizes={
        "quick": "width=1|2,layers=2,batch=8",
        "standard": "width=1|4|16,layers=2,batch=8",
        "full": "width=1|4|16|32|64|100,layers=1|3,batch=8",
    },
    build=build,
)

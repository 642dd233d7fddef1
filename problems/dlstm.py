"""A diagonal LSTM that predicts a sequence of bits, as a function of all its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
BLOCK = 32  # directions at once: what the Hessian holds of a long sequence stays bounded


# --- f, whole and in its parts ---------------------------------------------------------------


def _split(x: Any, xp: Any, initial: Any) -> tuple[Any, Any]:
    """Weights and shifts (layers, 2, 4, hidden), then what scales bits and outputs (3, hidden)."""
    rows, hidden = initial.shape
    n = 4 * rows * hidden
    main = xp.reshape(x[:n], (rows // 2, 2, 4, hidden))
    return main, xp.reshape(x[n : n + 3 * hidden], (3, hidden))


def _advance(main: Any, ends: Any, memory: Any, xp: Any, now: Any, after: Any) -> tuple[Any, Any]:
    """The next memory (2 layers, hidden), and the log-likelihood of the bits that come after.

    A layer: z = (u, h, u, h) w + c with forget, in and out = sigma(z_0..2), change = tanh(z_3);
    cell = forget cell + in change, h = out tanh(cell), which is the next layer's u. At last
    y = u e_1 + e_2 and after'(y - log(2 + sum exp y)), with the 2 of the public suites.
    """
    rows, signal = [], now * ends[0, ...]
    for layer in range(main.shape[0]):
        hidden, cell = memory[2 * layer, ...], memory[2 * layer + 1, ...]
        z = xp.stack([signal, hidden, signal, hidden]) * main[layer, 0, ...] + main[layer, 1, ...]
        gates = 1.0 / (1.0 + xp.exp(-z[:3, ...]))
        cell = gates[0, ...] * cell + gates[1, ...] * xp.tanh(z[3, ...])
        signal = gates[2, ...] * xp.tanh(cell)
        rows += [signal, cell]
    y = signal * ends[1, ...] + ends[2, ...]
    gain = xp.sum(after * (y - xp.log(2.0 + xp.sum(xp.exp(y)))))
    return xp.stack(rows), gain


def start(x: Any, xp: Any, initial: Any, sequence: Any) -> Any:
    """One row of numbers: the parameters, the memory at first, and the log-likelihood so far."""
    return xp.concat([x, xp.reshape(initial, (-1,)), xp.zeros((1,))])


def step(state: Any, xp: Any, i: int, initial: Any, sequence: Any) -> Any:
    """Bits i are read, bits i + 1 are predicted."""
    rows, hidden = initial.shape
    last = state.shape[0] - 1
    n = last - rows * hidden
    main, ends = _split(state, xp, initial)
    memory = xp.reshape(state[n:last], (rows, hidden))
    now, after = sequence[i, ...], sequence[i + 1, ...]
    memory, gain = _advance(main, ends, memory, xp, now, after)
    return xp.concat([state[:n], xp.reshape(memory, (-1,)), state[last:] + gain])


def finish(state: Any, xp: Any, initial: Any, sequence: Any) -> Any:
    """Minus the log-likelihood, a bit."""
    return -state[state.shape[0] - 1] / _bits(sequence)


def _bits(sequence: Any) -> float:
    return float((sequence.shape[0] - 1) * sequence.shape[1])


def f(x: Any, xp: Any, initial: Any, sequence: Any) -> Any:
    """The same without what ``step`` carries on."""
    main, ends = _split(x, xp, initial)
    memory, total = initial, 0.0
    for i in range(sequence.shape[0] - 1):
        now, after = sequence[i, ...], sequence[i + 1, ...]
        memory, gain = _advance(main, ends, memory, xp, now, after)
        total = total + gain
    return -total / _bits(sequence)


# --- by hand ---------------------------------------------------------------------------------


class _Run(NamedTuple):
    """What f leaves behind; the first four are (steps, layers, 4, hidden)."""

    feeds: Array  # u, h, u, h
    gates: Array  # forget, in, out, change
    slopes: Array  # of the gates
    sides: Array  # what each gate is multiplied by: cell before, change, tanh of the cell, in
    slope: Array  # of tanh of the cell, (steps, layers, hidden)
    outputs: Array  # u after the last layer, (steps, hidden)
    shares: Array  # exp(y) / (2 + sum exp y)
    miss: Array  # the adjoint of y


def _sech2(z: Array) -> Array:
    """The slope of tanh; 1 - tanh^2 would cancel."""
    return np.asarray(1.0 / np.cosh(z) ** 2)


def _forward(main: Array, ends: Array, initial: Array, sequence: Array) -> _Run:
    """f once more, and all that its derivatives need of it."""
    steps, (layers, _, _, hidden) = len(sequence) - 1, main.shape
    memory = initial.reshape(layers, 2, hidden).copy()
    feeds, z, gates, sides = (np.empty((steps, layers, 4, hidden)) for _ in range(4))
    cells, outputs = np.empty((steps, layers, hidden)), np.empty((steps, hidden))
    for t in range(steps):
        u = sequence[t] * ends[0]
        for i in range(layers):
            h, before = memory[i]
            feeds[t, i] = u, h, u, h
            z[t, i] = feeds[t, i] * main[i, 0] + main[i, 1]
            gate = gates[t, i]
            gate[:3], gate[3] = 1.0 / (1.0 + np.exp(-z[t, i, :3])), np.tanh(z[t, i, 3])
            cell = gate[0] * before + gate[1] * gate[3]
            sides[t, i] = before, gate[3], np.tanh(cell), gate[1]
            u = gate[2] * sides[t, i, 2]
            memory[i] = u, cell
            cells[t, i] = cell
        outputs[t] = u
    logistic = np.exp(-z[:, :, :3]) * gates[:, :, :3] ** 2
    slopes = np.concatenate([logistic, _sech2(z[:, :, 3:])], axis=2)
    raised, bits = np.exp(outputs * ends[1] + ends[2]), sequence[1:]
    shares = raised / (2.0 + raised.sum(axis=1, keepdims=True))
    miss = (shares * bits.sum(axis=1, keepdims=True) - bits) / bits.size
    return _Run(feeds, gates, slopes, sides, _sech2(cells), outputs, shares, miss)


def _backward(run: _Run, main: Array, ends: Array) -> tuple[Array, Array, Array]:
    """Adjoints of z, (steps, layers, 4, hidden), of what its gates are in, and of the first u.

    Those in between are up for h, held for the cell, as (held, held, up, held).
    """
    pushes, fulls = np.empty_like(run.feeds), np.empty_like(run.feeds)
    first = np.empty_like(run.outputs)
    back = np.zeros((len(main), 2, ends.shape[1]))  # adjoints of h and the cell, a step later
    for t in reversed(range(len(first))):
        up = run.miss[t] * ends[1]
        for i in reversed(range(len(main))):
            up = up + back[i, 0]
            held = back[i, 1] + up * run.gates[t, i, 2] * run.slope[t, i]
            fulls[t, i] = held, held, up, held
            pushes[t, i] = fulls[t, i] * run.sides[t, i] * run.slopes[t, i]
            pull = pushes[t, i] * main[i, 0]
            up, back[i] = pull[0] + pull[2], (pull[1] + pull[3], held * run.gates[t, i, 0])
        first[t] = up
    return pushes, fulls, first


def gradient(x: Array, initial: Array, sequence: Array) -> Array:
    """Backpropagation through time: dw = sum_t dz (u, h, u, h), dc = sum_t dz, then the ends."""
    main, ends = _split(x, np, initial)
    run = _forward(main, ends, initial, sequence)
    pushes, _, first = _backward(run, main, ends)
    of_main = np.stack([(pushes * run.feeds).sum(axis=0), pushes.sum(axis=0)], axis=1)
    rows = sequence[:-1] * first, run.miss * run.outputs, run.miss
    return np.concatenate([of_main.ravel(), *(row.sum(axis=0) for row in rows)])


def _tangents(
    run: _Run, main: Array, turn: Array, drift: Array, sequence: Array
) -> tuple[Array, Array, Array, Array]:
    """Derivatives of feeds, gates and sides, (steps, layers, k, 4, hidden), and of outputs."""
    steps, layers, _, hidden = run.feeds.shape
    k = len(drift)
    memory = np.zeros((layers, 2, k, hidden))
    feeds, gates, sides = (np.empty((steps, layers, k, 4, hidden)) for _ in range(3))
    outputs = np.empty((steps, k, hidden))
    for t in range(steps):
        u = sequence[t] * drift[:, 0]
        for i in range(layers):
            h, before = memory[i]
            gate, side = run.gates[t, i], run.sides[t, i]
            feed = feeds[t, i] = np.stack([u, h, u, h], axis=1)
            tilt = feed * main[i, 0] + run.feeds[t, i] * turn[:, i, 0] + turn[:, i, 1]
            rgate = gates[t, i] = run.slopes[t, i] * tilt
            cell = rgate[:, 0] * side[0] + gate[0] * before
            cell += rgate[:, 1] * gate[3] + gate[1] * rgate[:, 3]
            end = run.slope[t, i] * cell
            sides[t, i] = np.stack([before, rgate[:, 3], end, rgate[:, 1]], axis=1)
            u = rgate[:, 2] * side[2] + gate[2] * end
            memory[i] = u, cell
        outputs[t] = u
    return feeds, gates, sides, outputs


def _hvps(x: Array, v: Array, initial: Array, sequence: Array) -> Array:
    """The Hessian times k directions ``v``, shape (k, n), by the R-operator: (k, n).

    Every quantity q of :func:`gradient` has its derivative rq along the direction.
    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.
    """
    main, ends = _split(x, np, initial)
    turn, drift = map(np.array, zip(*(_split(row, np, initial) for row in v), strict=True))
    run = _forward(main, ends, initial, sequence)
    pushes, fulls, _ = _backward(run, main, ends)
    feeds, gates, sides, outputs = _tangents(run, main, turn, drift, sequence)
    y = outputs * ends[1] + run.outputs[:, None] * drift[:, 1] + drift[:, 2]
    mean = (run.shares[:, None] * y).sum(axis=2, keepdims=True)
    weight = run.shares * sequence[1:].sum(axis=1, keepdims=True) / run.miss.size
    miss = weight[:, None] * (y - mean)
    bends = np.concatenate([1.0 - 2.0 * run.gates[:, :, :3], -2.0 * run.gates[:, :, 3:]], axis=2)
    of_main, first = np.zeros_like(turn), np.empty_like(outputs)
    back = np.zeros((len(main), 2, *first.shape[1:]))
    for t in reversed(range(len(first))):
        up = miss[t] * ends[1] + run.miss[t] * drift[:, 1]
        for i in reversed(range(len(main))):
            (forget, _, out, _), side, full = run.gates[t, i], run.sides[t, i], fulls[t, i]
            gate, slope = gates[t, i], run.slope[t, i]
            up = up + back[i, 0]
            bend = -2.0 * side[2] * sides[t, i, :, 2]
            held = back[i, 1] + slope * (up * out + full[2] * gate[:, 2]) + full[2] * out * bend
            push = np.stack([held, held, up, held], axis=1) * side + full * sides[t, i]
            push = run.slopes[t, i] * push + full * side * bends[t, i] * gate
            of_main[:, i, 0] += push * run.feeds[t, i] + pushes[t, i] * feeds[t, i]
            of_main[:, i, 1] += push
            pull = push * main[i, 0] + pushes[t, i] * turn[:, i, 0]
            up = pull[:, 0] + pull[:, 2]
            back[i] = pull[:, 1] + pull[:, 3], held * forget + full[0] * gate[:, 0]
        first[t] = up
    middle = miss * run.outputs[:, None] + run.miss[:, None] * outputs
    rows = sequence[:-1, None] * first, middle, miss
    return np.concatenate([of_main.reshape(len(v), -1), *(row.sum(axis=0) for row in rows)], axis=1)


def hvp(x: Array, v: Array, initial: Array, sequence: Array) -> Array:
    """The R-operator along one direction."""
    return np.asarray(_hvps(x, v[None], initial, sequence)[0])


def hessian(x: Array, initial: Array, sequence: Array) -> Array:
    """The R-operator along all n unit directions, a block at once."""
    units = np.eye(x.size)
    blocks = [units[i : i + BLOCK] for i in range(0, x.size, BLOCK)]
    return np.concatenate([_hvps(x, block, initial, sequence) for block in blocks])


# --- sizes -----------------------------------------------------------------------------------


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Parameters and a first memory of size 1, and fair bits; n = (8 layers + 3) hidden."""
    hidden, layers, length = params["hidden"], params["layers"], params["length"]
    n = (8 * layers + 3) * hidden
    sequence = rng.integers(0, 2, (length + 1, hidden)).astype(np.float64)
    t = np.arange(length + 1)
    sequence[t, t % hidden] = 1.0  # nothing is to be predicted of zeros
    return Parts(
        f=f,
        x=rng.uniform(-1.0, 1.0, n),
        prepare_x=rng.uniform(-1.0, 1.0, n),
        constants=(rng.uniform(-1.0, 1.0, (2 * layers, hidden)), sequence),
        depth=length,
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
        start=start,
        step=step,
        finish=finish,
    )


FAMILY = Family(
    name="dlstm",
    title="Diagonal LSTM",
    shows="backpropagation through time: every step reads the same parameters, none forgets them",
    reference="D-LSTM of ADBench; Hochreiter and Schmidhuber, Long short-term memory, 1997",
    latex=(
        r"c_t = \sigma(z^1) c_{t-1} + \sigma(z^2) 	anh(z^4), \quad h_t = \sigma(z^3) 	anh c_t,"
        r" \quad z = (u_t, h_{t-1}, u_t, h_{t-1}) \circ w + b, \quad u_t = e^0 s_t, \quad"
        r" y_t = e^1 h_t + e^2, \quad f(w, b, e) = -rac{1}{T H} \sum_{t < T}"
        r" s_{t+1}^	op igl(y_t - \ln(2 + 	extstyle\sum_j e^{y_{t,j}})igr)"
    ),
    parameters={
        "hidden": Parameter(4, "bits of each vector, and units of a layer", minimum=1),
        "layers": Parameter(1, "layers; n = (8 layers + 3) hidden", minimum=1),
        "length": Parameter(8, "steps; the sequence has one vector more", minimum=1),
    },
    sizes={
        "quick": "hidden=1|2,length=3",
        "standard": "hidden=2,length=3",
        "full": "hidden=2|14,layers=1|2,length=4|16|64|512",
    },
    build=build,
)

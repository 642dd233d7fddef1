"""Sparse derivatives: patterns against dense ones, compressed sweeps bit by bit, other paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_ad_programs import PROGRAMS

from diffbench import ad
from diffbench.ad import compressed, rowsets
from diffbench.ad.counters import COUNTERS
from diffbench.ad.errors import TooDense
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
N = 6
RNG = np.random.default_rng(7)
SPARSE_A = np.triu(np.tril(RNG.uniform(1.0, 2.0, (5, N)), 1))
MASK = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 3.0])
ODD = np.arange(N) % 2 == 1


def grid(x: Any, xp: Any) -> Any:
    return xp.reshape(x, (2, 3))


def boundary(x: Any, xp: Any) -> Any:
    """Values chosen by a constant condition: what a solver does at its boundary."""
    return xp.where(ODD, x * x, xp.sin(xp.roll(x, 1)))


def stencil(x: Any, xp: Any) -> Any:
    wide = xp.concat([xp.zeros((1,)), x, xp.zeros((1,))])
    return xp.exp(x) + wide[2:] - 2.0 * wide[:-2]


def loop(x: Any, xp: Any) -> Any:
    """Written entry by entry."""
    total = [x[0]]
    for i in range(1, N):
        total.append(x[i] * x[i - 1] if i % 3 else x[i] + 1.0)
    return xp.stack(total)


# programs whose structural pattern is that of their Jacobian at a general point
EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "elementwise": lambda x, xp: xp.sin(x) * x + xp.logaddexp(x, 1.0),
    "stencil": stencil,
    "boundary": boundary,
    "loop": loop,
    "masked": lambda x, xp: x * MASK + xp.zeros((N,)),
    "scalar zero": lambda x, xp: x * 0.0 + xp.flip(x),
    "choice by x": lambda x, xp: xp.where(x > 0.5, x, 2.0 * x),
    "fixed": lambda x, xp: xp.round(x) + xp.sign(x) * x,
    "broadcast": lambda x, xp: xp.reshape(x[:2, None] * x[None, 2:], -1),
    "outer": lambda x, xp: xp.reshape(xp.outer(x[:2], x[3:]), -1),
    "columns": lambda x, xp: xp.sum(grid(x, xp), axis=0),
    "rows": lambda x, xp: xp.prod(grid(x, xp), axis=1),
    "norms": lambda x, xp: xp.linalg.vector_norm(grid(x, xp), axis=0),
    "transpose": lambda x, xp: xp.reshape(xp.matrix_transpose(grid(x, xp)), -1) ** 2,
    "stacked": lambda x, xp: xp.reshape(xp.stack([x, xp.cos(x[::-1])], axis=1), -1),
    "take": lambda x, xp: xp.take(x, np.array([3, 1, 3])) * x[:3],
    "single": lambda x, xp: x[2] * x[-1],
    "boolean key": lambda x, xp: x[ODD] ** 3,
    "scattered": lambda x, xp: xp.scatter(x[1:3], (np.array([4, 0]),), (N,)) + x,
    "tile": lambda x, xp: xp.tile(x[:2], (3,)) * x,
    "diagonal": lambda x, xp: xp.diagonal(grid(x, xp), 1),
    "triangle": lambda x, xp: xp.sum(xp.tril(grid(x, xp)), axis=1),
    "running": lambda x, xp: xp.reshape(xp.cumulative_sum(grid(x, xp) ** 2, axis=1), -1),
    "sparse matrix": lambda x, xp: xp.tanh(xp.matmul(SPARSE_A, x)),
    "matrix right": lambda x, xp: xp.matmul(x[:5], SPARSE_A),
    "product": lambda x, xp: xp.reshape(
        xp.matmul(grid(x, xp), xp.matrix_transpose(grid(x, xp))), -1
    ),
    "batch": lambda x, xp: xp.vecdot(grid(x, xp), xp.exp(grid(x, xp))),
    "dot": lambda x, xp: xp.dot(x[:3], x[3:]),
    "solve": lambda x, xp: xp.linalg.solve(np.eye(3) + 0.1, x[:3]),
    "solve many": lambda x, xp: xp.reshape(
        xp.linalg.solve(np.eye(2) + 0.1, grid(x, xp)), -1
    ),
    "identity": lambda x, xp: x,
    "constant": lambda x, xp: xp.ones((3,)),
    "number": lambda x, xp: 3.0,
}  # fmt: skip


def points(x: Any) -> list[Any]:
    """Near x on the same path, so that zeros by chance do not stay."""
    return [x + RNG.uniform(-1e-3, 1e-3, x.shape) * (x != 0) for _ in range(3)]


def nonzeros(derivative: Callable[[Any], Any], x: Any) -> Any:
    return np.any([derivative(at) != 0 for at in points(x)], axis=0)


@pytest.mark.parametrize("name", EXACT)
def test_the_pattern_is_that_of_the_dense_jacobian(name: str) -> None:
    f, x = EXACT[name], RNG.uniform(0.6, 1.4, N)
    pattern = ad.sparsity(f, x)
    assert pattern.dtype == bool
    assert pattern.has_canonical_format
    assert np.array_equal(pattern.toarray(), nonzeros(ad.jacobian(f), x))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_compressed_is_dense_bit_by_bit(name: str, mode: str) -> None:
    f, x = EXACT[name], RNG.uniform(0.6, 1.4, N)
    plan = ad.sparse_plan(f, x, mode=mode)
    sparse = plan(x)
    assert sparse.format == "csr"
    assert sparse.dtype == np.float64
    assert np.array_equal(sparse.toarray(), ad.jacobian(f, plan.mode)(x))


@pytest.mark.parametrize("name", PROGRAMS)
def test_patterns_of_all_programs_hold_their_derivatives(name: str) -> None:
    f, x = PROGRAMS[name]
    x = np.array(x)
    assert not np.any(ad.jacobian(f)(x)[~ad.sparsity(f, x).toarray()])
    dense, pattern = ad.hessian(f)(x), ad.hessian_sparsity(f, x).toarray()
    assert np.array_equal(pattern, pattern.T)
    assert not np.any(dense[~pattern])
    assert np.array_equal(
        ad.sparse_jacobian(f, "forward")(x).toarray(), ad.jacobian(f, "forward")(x)
    )
    recovered = ad.sparse_hessian(f)(x).toarray()
    scale = np.max(np.abs(dense))
    assert np.max(np.abs(recovered - dense)) <= 1e-14 * scale


def test_unknown_kinds_are_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no handler knows is taken to depend on everything: never on too little."""
    from diffbench.ad import pattern

    monkeypatch.setattr(pattern, "HANDLERS", {})
    assert ad.sparsity(lambda x, xp: xp.sin(x[:2]) * x[2], np.ones(4)).toarray().all()


# --- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 5, 100, 100_000])
def test_bratu_takes_three_directions_whatever_n_is(n: int) -> None:
    (bratu,) = FAMILIES.instances(f"bratu[n={n}]")
    for mode, counts in (("forward", (3, 0)), ("reverse", (0, 3))):
        plan = ad.sparse_plan(bratu.f, bratu.prepare_x, *bratu.constants, mode=mode)
        COUNTERS.reset()
        found = plan(bratu.x, *bratu.constants)
        assert (COUNTERS.directions, COUNTERS.sweeps) == counts
        assert plan.count == 3
        assert found.nnz == 3 * n - 2
    scale = (n + 1.0) ** 2
    assert np.array_equal(found.diagonal(), np.exp(bratu.x) - 2.0 * scale)
    assert np.all(found.diagonal(1) == scale)
    assert np.all(found.diagonal(-1) == scale)


@pytest.mark.parametrize("n", [3, 8, 4096])
def test_rosenbrocks_hessian_takes_three_directions_over_one_sweep(n: int) -> None:
    (valley,) = FAMILIES.instances(f"rosenbrock[n={n}]")
    plan = ad.sparse_plan(valley.f, valley.prepare_x, operator="hessian")
    COUNTERS.reset()
    found = plan(valley.x)
    assert (COUNTERS.directions, COUNTERS.sweeps, plan.count) == (3, 1, 3)
    assert found.nnz == 3 * n - 2
    if n <= 8:
        assert np.allclose(found.toarray(), valley.hessian(), rtol=1e-14, atol=1e-12)


def test_auto_takes_the_fewer() -> None:
    tall, wide = (lambda x, xp: x[0] * xp.ones((5,))), (lambda x, xp: xp.sum(x))
    plans = [ad.sparse_plan(f, np.ones(4)) for f in (tall, wide)]
    assert [(p.mode, p.count) for p in plans] == [("forward", 1), ("reverse", 1)]

    def both(x: Any, xp: Any) -> Any:
        """An arrow: a full row and a full column, n colours in either mode."""
        return xp.concat([xp.reshape(xp.sum(x), (1,)), x[1:] * x[0]])

    assert ad.sparse_plan(both, np.arange(1.0, 6.0)).count == 5


def test_many_seeds_go_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK_BYTES", 8 * N * 2)
    f, x = EXACT["stencil"], RNG.uniform(0.6, 1.4, N)
    for mode in ("forward", "reverse"):
        plan = ad.sparse_plan(f, x, mode=mode)
        assert [len(seeds) for seeds in plan.seeds] == [2, 1]
        assert np.array_equal(plan(x).toarray(), ad.jacobian(f, mode)(x))


def test_sizes_are_counted() -> None:
    sizes = ad.sparse_plan(lambda x, xp: x[1:] * x[:-1], np.ones(5)).sizes(np.ones(5))
    assert sizes["graph_ops"] == 2 * 3 * 4  # g b + a g for each of two directions
    assert sizes["tape_bytes"] > 0


# --- edges ---------------------------------------------------------------------------------------


def test_derivatives_that_vanish_take_no_direction() -> None:
    for plan in (
        ad.sparse_plan(EXACT["constant"], np.ones(N)),
        ad.sparse_plan(lambda x, xp: x[:0], np.ones(N)),
        ad.sparse_plan(lambda x, xp: xp.sum(x), np.ones(N), operator="hessian"),
        ad.sparse_plan(lambda x, xp: x, np.ones(0)),
    ):
        COUNTERS.reset()
        found = plan(np.ones(plan.pattern.shape[1]))
        assert (plan.count, COUNTERS.directions, found.nnz) == (0, 0, 0)
        assert found.shape == plan.pattern.shape


def test_inputs_that_do_nothing_and_outputs_that_are_constant() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.concat([x[1:3] ** 2, xp.ones((2,))])

    for mode in ("forward", "reverse"):
        plan = ad.sparse_plan(f, np.arange(4.0), mode=mode)
        assert plan.count == 1
        assert plan(np.arange(4.0)).toarray().tolist() == [
            [0, 2, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0],
        ]  # fmt: skip


def test_an_answer_does_not_hand_out_the_plan() -> None:
    plan = ad.sparse_plan(EXACT["stencil"], np.ones(N))
    found = plan(np.ones(N))
    with pytest.raises(ValueError, match="read-only"):
        found.indices[0] = 3
    found.data[:] = 7.0
    assert not np.any(plan(np.ones(N)).data == 7.0)
    copied = found.copy()
    copied.indices[0] = 3


def test_what_is_too_dense_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowsets, "MOST_NONZEROS", 30)
    with pytest.raises(TooDense, match="too dense for a sparse method"):
        ad.sparsity(lambda x, xp: xp.cumulative_sum(x), np.ones(10))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ad.sparse_plan(EXACT["loop"], np.ones(N), mode="sideways"), "mode='sideways'"),
        (lambda: ad.sparse_plan(EXACT["loop"], np.ones(N), operator="jvp"), "operator='jvp'"),
        (lambda: ad.sparsity(EXACT["loop"], np.ones((2, 3))), r"shape \(n,\), got \(2, 3\)"),
        (lambda: ad.sparse_hessian(EXACT["loop"])(np.ones(N)), r"y of shape \(\)"),
        (
            lambda: ad.grad(lambda x, xp: ad.sparse_jacobian(stencil)(x).sum())(np.ones(N)),
            "it got a traced array",
        ),
    ],
)
def test_misuse_is_one_clear_error(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ad.ADError, match=words):
        call()


# --- paths ---------------------------------------------------------------------------------------


def branch(x: Any, xp: Any) -> Any:
    return x * x[0] if x[1] > 0 else x * x[2]


def chosen(x: Any, xp: Any) -> Any:
    return x * x[xp.argmax(x)]


def longer(x: Any, xp: Any) -> Any:
    y = x
    while y[0] < 4.0:
        y = y * xp.roll(x, 1)
    return y


def scaled(x: Any, xp: Any, factor: Any) -> Any:
    return xp.matmul(factor, x)


def wired(x: Any, xp: Any, which: Any) -> Any:
    a, b = x[:1], x[1:2]
    return a * a if which > 0 else b * b


A, B = np.array([2.0, 1.0, 3.0]), np.array([2.0, -1.0, 5.0])
DIAGONAL = (np.diag([1.0, 2.0, 3.0]),)
FULL = (np.ones((3, 3)),)
FLIPS: dict[str, tuple[Any, Any, tuple[Any, ...], Any, tuple[Any, ...], str]] = {
    # name -> f, where the plan is made, where it is called, what the error says
    "branch": (branch, A, (), B, (), "takes other parameters"),
    "index by value": (chosen, A, (), A[::-1].copy(), (), "takes other parameters"),
    "loop": (longer, A, (), B + 3.0, (), "operations, it took"),
    "zeros of a constant": (scaled, A, DIAGONAL, A, FULL, "zeros elsewhere"),
    "wiring by a constant": (wired, A, (1.0,), A, (-1.0,), "wired differently"),
    "another rule": (
        lambda x, xp: xp.sin(x) if x[1] > 0 else xp.cumulative_sum(x),
        A, (), B, (), "is now 'cumulative_sum', it was 'sin'",
    ),
    "another size": (lambda x, xp: x[:-1] * 2.0, A, (), np.ones(4), (), r"has shape \(4,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLIPS)
def test_another_path_is_noticed_and_planned_anew(name: str) -> None:
    f, x, constants, there, others, words = FLIPS[name]
    plan = ad.sparse_plan(f, x, *constants)
    assert np.array_equal(plan(x, *constants).toarray(), ad.jacobian(f, plan.mode)(x, *constants))
    with pytest.raises(ad.PathChanged, match=words):
        plan(there, *others)
    jacobian = ad.sparse_jacobian(f, "forward")
    for at, given in ((x, constants), (there, others), (x, constants)):
        expected = ad.jacobian(f, "forward")(at, *given)
        assert np.array_equal(jacobian(at, *given).toarray(), expected)


def test_a_plan_is_kept_while_the_path_is() -> None:
    jacobian = ad.sparse_jacobian(branch)
    jacobian(A)
    plan = jacobian.plan
    jacobian(A * 2.0)
    assert jacobian.plan is plan
    jacobian(B)
    assert jacobian.plan is not plan


def test_other_constants_with_the_same_zeros_keep_the_plan() -> None:
    plan = ad.sparse_plan(scaled, A, *DIAGONAL)
    assert plan.count == 1
    other = 5.0 * DIAGONAL[0]
    assert np.array_equal(plan(A, other).toarray(), other)


def test_the_hessian_notices_too() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.sum(x**3) if x[1] > 0 else xp.prod(x)

    plan = ad.sparse_plan(f, A, operator="hessian")
    with pytest.raises(ad.PathChanged):
        plan(B)
    hessian = ad.sparse_hessian(f)
    for x in (A, B):
        assert np.allclose(hessian(x).toarray(), ad.hessian(f)(x), rtol=1e-15)

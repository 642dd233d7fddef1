"""What makes the eager modes cheap must not be seen in answers; counts say that it is there."""

from __future__ import annotations

import itertools
import operator
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_ad_programs import PROGRAMS

from diffbench import ad
from diffbench.ad import floats, reverse
from diffbench.ad.adjoints import swept
from diffbench.ad.contraction import contract
from diffbench.ad.counters import COUNTERS
from diffbench.ad.graph import opened
from diffbench.ad.guarded import guarded
from diffbench.ad.namespace import BARE, FLOATS, NUMPY
from diffbench.ad.origins import NOTES, TELLING
from diffbench.ad.rules import RULES
from diffbench.registry import discover
from diffbench.studies import conventions

FAMILIES = discover(kinds=("problems",))
X = np.array([0.7, -1.3, 1.9, 0.4, -0.6, 1.1])
CASES = {
    **PROGRAMS,
    **{case.key: (case.f, case.x) for case in conventions.CASES},
    **{i.name: (i.f, i.x) for i in FAMILIES.instances("lecture[n=8],rosenbrock[n=8]")},
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """As within every derivative."""
    with np.errstate(all="ignore"):
        yield


def _recorded(f: Any, x: Any, *constants: Any) -> tuple[Any, Any]:
    with opened() as level:
        return reverse.record(f, np.asarray(x, dtype=float), constants, FLOATS, level)


# --- sweeps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_finite_sweep_without_masks_is_the_masked_one_bit_for_bit(name: str) -> None:
    graph, _ = _recorded(*CASES[name])
    one = np.float64(1.0)
    careful = guarded(graph.rules)
    (bare,) = swept(graph, graph.rules, BARE.plain, one, [None], bytearray(len(graph)))
    (masked,) = swept(graph, careful, FLOATS.plain, one, [None], bytearray(len(graph)))
    (plain,) = swept(graph, careful, NUMPY, one, [None], None)
    assert np.array_equal(masked, plain, equal_nan=True)
    assert not np.all(np.isfinite(bare)) or np.array_equal(bare, masked)
    assert np.array_equal(reverse.sweep(graph, 1.0), masked + np.zeros(len(graph.values[0])), True)


def test_some_sweep_needs_its_masks() -> None:
    graph, _ = _recorded(lambda x, xp: xp.where(x[0] > 0, xp.sqrt(x[0]), 0.0), [0.0])
    owned = bytearray(len(graph))
    (bare,) = swept(graph, graph.rules, BARE.plain, np.float64(1.0), [None], owned)
    assert not np.isfinite(bare)
    assert reverse.sweep(graph, 1.0) == 0.0


def test_nothing_that_was_given_is_written_in_place() -> None:
    def f(x: Any, xp: Any, a: Any, b: Any) -> Any:
        y = x + b
        return xp.matmul(a, y * y + x[::-1]) + (y - x)

    given = [X.copy(), np.arange(36.0).reshape(6, 6), np.ones(6), np.arange(1.0, 7.0)]
    for array in given:
        array.flags.writeable = False
    x, a, b, w = given
    expected = w @ ad.jacobian(f, "forward")(x, a, b)
    assert np.allclose(ad.vjp(f, x, w, a, b)[1], expected, rtol=1e-13)
    identity = ad.vjp(lambda x, xp: x + xp.zeros((6,)) + 0.0 * x, x, w)[1]
    assert np.array_equal(identity, w)


# --- rows of a Jacobian ---------------------------------------------------------------------------


def _solved(x: Any, xp: Any) -> Any:
    a = xp.reshape(x[:4], (2, 2)) + 3.0 * xp.eye(2)
    lower = xp.linalg.cholesky(xp.matmul(a, xp.matrix_transpose(a)))
    return xp.concat([xp.linalg.solve(a, x[4:6]), xp.reshape(lower, (4,))])


CURVES = {
    "elementwise": lambda x, xp: xp.sin(x) * xp.exp(x[::-1]) + x[0] / (2.0 + x * x),
    "entries": lambda x, xp: xp.stack([x[i] * x[(i + 1) % 6] + x[0] for i in range(6)]),
    "slices": lambda x, xp: xp.concat([x[:3] * x[3:], xp.sum(x[1:]) * x[::2]]),
    "small adjoints": lambda x, xp: xp.stack([xp.sum(x[i:]) + xp.sum(x) for i in range(5)]),
    "tables": lambda x, xp: xp.take(x, np.array([3, 1, 1, 0, 5])) ** 3 + x[np.array([0] * 5)],
    "apart": lambda x, xp: xp.reshape(x, (1, 2, 3))[np.array([0, 0]), :, np.array([2, 1])] ** 2,
    "choices": lambda x, xp: xp.where(x > 0, xp.sqrt(abs(x)), x * x) * xp.maximum(x, 0.5),
    "products": lambda x, xp: xp.matmul(xp.reshape(x, (3, 2)), xp.reshape(xp.cos(x), (2, 3))),
    "reductions": lambda x, xp: x * xp.prod(x) + xp.max(x) * xp.linalg.vector_norm(x),
    "matrices": _solved,
    "moved": lambda x, xp: xp.roll(xp.flip(xp.cumulative_sum(x)), 2) * xp.tile(x[:3], (2,)),
    "constant in x": lambda x, xp: xp.stack([x[0] * 0.0, x[1] * 0.0, 1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", CURVES)
def test_many_rows_at_once_are_the_rows_one_by_one(name: str) -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.reshape(CURVES[name](x, xp), (-1,))

    m = f(X, NUMPY).size
    assert m > reverse.FEW
    COUNTERS.reset()
    together = ad.jacobian(f, "reverse")(X)
    assert (COUNTERS.sweeps, COUNTERS.directions) == (m, 0)
    apart = np.stack([ad.vjp(f, X, w)[1] for w in np.eye(m)])
    assert np.allclose(together, apart, rtol=1e-14, atol=1e-16)
    assert np.allclose(together, ad.jacobian(f, "forward")(X), rtol=1e-13, atol=1e-15)


def test_rows_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    f, whole = CURVES["entries"], ad.jacobian(CURVES["entries"], "reverse")(X)
    monkeypatch.setattr(reverse, "CHUNK_BYTES", 8 * 6 * 4)
    COUNTERS.reset()
    assert np.array_equal(ad.jacobian(f, "reverse")(X), whole)
    assert COUNTERS.sweeps == 6


def test_rows_that_are_not_finite_get_their_masks() -> None:
    """A row that does not use sqrt(x_0) is untouched by its infinite slope at 0."""
    jacobian = ad.jacobian(lambda x, xp: xp.concat([xp.sqrt(x[:1]), x]), "reverse")
    expected = np.concatenate([[[np.inf, 0, 0, 0]], np.eye(4)])
    assert np.array_equal(jacobian(np.array([0.0, 1.0, 2.0, 3.0])), expected)


# --- arithmetic without wrappers ------------------------------------------------------------------

NUMBER, VECTOR, MATRIX = np.float64(-0.3), X, X.reshape(2, 3)
PARAMS = {
    "sum": [((0,),), ((0, 1),)],
    "prod": [((1,),), ((0, 1),)],
    "max": [((0,),), ((0, 1),)],
    "min": [((0,),), ((0, 1),)],
    "reshape": [((3, 2),), ((6,),)],
    "permute_dims": [((1, 0),)],
}


@pytest.mark.parametrize("name", floats.KERNELS)
def test_float_kernels_give_the_bits_of_their_row(name: str) -> None:
    rule, kernel = RULES[name], floats.KERNELS[name]
    if name in PARAMS:
        pairs = [((MATRIX,), params) for params in PARAMS[name]]
    elif rule.numpy.nin == 1:
        pairs = [((a,), ()) for a in (NUMBER, VECTOR, MATRIX)]
    else:
        numbers = (NUMBER, 0.0, 3, VECTOR, np.zeros(6))
        mixed = [(a, b) for a in numbers for b in numbers if {type(a), type(b)} - {int, float}]
        pairs = [(args, ()) for args in mixed]
    for args, params in pairs:
        got, expected = kernel(*args, *params), rule.numpy(*args, *params)
        assert type(got) is type(expected)
        assert np.array_equal(got, expected, equal_nan=True)


def test_float_names_are_numpys() -> None:
    calls = {
        "all": [(MATRIX > -9,), (VECTOR > 0,)],
        "broadcast_to": [(NUMBER, (2, 3)), (MATRIX[:, :1], (2, 3))],
        "concat": [((VECTOR, VECTOR),)],
        "masked": [(VECTOR, 1.0 / VECTOR), (0.0 * VECTOR, np.full(6, np.inf))],
        "matrix_transpose": [(MATRIX,)],
        "permute_dims": [(MATRIX, (1, 0))],
        "reshape": [(MATRIX, (6,)), (VECTOR[:1], ())],
        "square": [(NUMBER,), (MATRIX,)],
        "sum": [(MATRIX,), (VECTOR,)],
    }
    assert set(calls) == set(floats.NAMES)
    table = {**vars(NUMPY), "masked": RULES["masked"].numpy}
    for name, arguments in calls.items():
        for args in arguments:
            assert np.array_equal(floats.NAMES[name](*args), table[name](*args)), name


@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf])
def test_one_entry_that_is_not_finite_is_found(entry: float) -> None:
    for shape in ((9,), (3, 3)):
        x = np.full(9, 1e200)  # whose squares overflow
        assert floats.finite(x.reshape(shape))
        x[4] = entry
        assert not floats.finite(x.reshape(shape))
    assert not floats.finite(np.float64(entry))


SIZES = {"i": 2, "j": 3, "k": 4}
LETTERS = ["".join(p) for n in range(4) for p in itertools.permutations("ijk", n)]


def _results(a: str, b: str) -> list[str]:
    """What may be asked of operands with those letters: a letter of one of them alone stays."""
    shared = set(a) & set(b)
    alone = (set(a) | set(b)) - shared
    kept = [c for n in range(len(shared) + 1) for c in itertools.combinations(sorted(shared), n)]
    return ["".join(p) for k in kept for p in itertools.permutations(sorted({*alone, *k}))]


def test_contractions_are_the_sums_that_their_letters_say() -> None:
    rng = np.random.default_rng(0)
    arrays = {a: rng.uniform(-1, 1, [SIZES[c] for c in a]) for a in LETTERS if a}
    numbers = {**arrays, "": np.float64(0.7)}
    for a, b in itertools.product(LETTERS, LETTERS):
        for out in _results(a, b):
            got = contract(numbers[a], numbers[b], a, b, out)
            expected = np.einsum(f"{a},{b}->{out}", numbers[a], numbers[b])
            assert np.shape(got) == expected.shape, (a, b, out)
            assert np.allclose(got, expected, rtol=1e-13, atol=1e-15), (a, b, out)


SHAPES = [(3,), (2,), (2, 3), (3, 2), (1, 3), (4, 2, 3), (1, 3, 2), (5, 4, 2, 3), (5, 1, 3, 2)]


@pytest.mark.parametrize("left", SHAPES)
def test_matrix_products_broadcast_as_numpys(left: tuple[int, ...]) -> None:
    a = np.arange(float(np.prod(left))).reshape(left)
    for right in SHAPES:
        b = np.cos(np.arange(float(np.prod(right)))).reshape(right)
        if left[-1] == right[-2 if len(right) > 1 else -1]:
            got = FLOATS.traced.matmul(a, b)
            assert got.shape == np.matmul(a, b).shape
            assert np.allclose(got, np.matmul(a, b), rtol=1e-13)


# --- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(NOTES) - TELLING))
def test_a_note_that_is_not_asked_would_have_had_nothing_to_say(name: str) -> None:
    graph, _ = _recorded(lambda x, xp: x, X)
    one, other = graph.input(X), graph.input(X + 1.0)
    for args in ((one, other), (one, 1.0), (2.0, one)):
        assert NOTES[name](args, ("i", "i", "") if name == "contract" else ((0,),)) is None


def test_a_product_with_itself_is_a_square_however_it_is_written() -> None:
    for product in (lambda x, xp: x * x, lambda x, xp: xp.multiply(x, x)):
        graph = ad.trace(lambda x, xp, product=product: xp.sqrt(xp.sum(product(x, xp))), X)
        assert "norm" in graph.names()


def test_operands_of_three_levels_go_to_the_highest() -> None:
    """The third derivative of x^2 y^2 z^2, each variable at its own level: 8 x y z."""
    xs = [1.5, -0.5, 2.0]

    def nested(free: list[Any]) -> Any:
        if len(free) == 3:
            squares = [v * v for v in free]
            return lambda xp: xp.where(True, squares[0] * squares[1], 0.0) * squares[2]
        return lambda xp: ad.grad(lambda v, xp: nested([*free, v[0]])(xp))([xs[len(free)]])[0]

    assert nested([])(NUMPY) == pytest.approx(8.0 * np.prod(xs), rel=1e-15)


def test_every_level_of_nested_traces_guards_a_branch() -> None:
    def f(x: Any, xp: Any) -> Any:
        return x[0] * x[0] * x[1] if x[0] > x[1] else x[1]

    value = ad.trace(f, [2.0, 1.0])
    gradient = ad.derivative_graph(f, np.array([2.0, 1.0]), "gradient")
    hessian = ad.derivative_graph(f, np.array([2.0, 1.0]), "hessian")
    for graph in (value, gradient, hessian):
        assert [outcome for _, outcome in graph.guards] == [True]
        ((node, _),) = graph.guards
        assert graph.rules[node] is RULES["greater"]
    other = ad.derivative_graph(f, np.array([1.0, 2.0]), "gradient")
    assert [outcome for _, outcome in other.guards] == [False]


# --- counts ---------------------------------------------------------------------------------------


def _python_calls(call: Any) -> int:
    """Calls of Python functions: what an eager mode pays beside numpy."""
    count = 0

    def watch(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    ("selection", "most"),
    [
        ("logistic[depth=24|32]", 6),  # operator, record, Traced, and two partials at most
        ("chebyshev[m=24|32]", 14),  # whose stack also reshapes, joins and cuts
    ],
)
def test_a_node_costs_few_python_calls(selection: str, most: int) -> None:
    calls, nodes = [], []
    for i in FAMILIES.instances(selection):
        calls.append(_python_calls(lambda i=i: ad.vjp(i.f, i.x, i.w)))
        nodes.append(len(ad.trace(i.f, i.x)))
    assert operator.sub(*calls) / operator.sub(*nodes) <= most


def test_joining_many_parts_takes_time_linear_in_their_number() -> None:
    def calls(m: int) -> int:
        x = np.linspace(0.1, 0.9, m)
        f = lambda x, xp: xp.stack([x[i] * x[i] for i in range(m)])  # noqa: E731  # one line
        return _python_calls(lambda: ad.vjp(f, x, x))

    assert calls(128) - calls(64) <= 2.1 * (calls(64) - calls(32))

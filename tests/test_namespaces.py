"""One function over every namespace: the standard's subset, and the names that others lack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.linalg import LINALG
from diffbench.ad.namespace import EXTRAS, NAMES, NUMPY
from diffbench.method import prepare
from diffbench.methods import autograd as by_autograd
from diffbench.methods import jax as by_jax
from diffbench.problem import Family, Instance, Parameter, Parts
from diffbench.registry import discover

RULES_ONLY = {
    name for name, reason in EXTRAS.items() if reason.startswith("used by the rule table")
}
METHODS = discover(kinds=("methods",))
X = np.array([0.7, -1.3, 1.9, 0.4, -0.6, 1.1, 0.9, 1.6, 0.8])


@pytest.mark.parametrize("namespace", [by_jax.namespace, by_autograd.namespace])
def test_other_namespaces_have_every_name(namespace: Callable[[], Any]) -> None:
    xp = namespace()
    assert [name for name in NAMES if name not in RULES_ONLY and not hasattr(xp, name)] == []
    assert [name for name in LINALG if not hasattr(xp.linalg, name)] == []


# --- autograd's gaps, entry by entry --------------------------------------------------------------


def _matrix(x: Any, xp: Any) -> Any:
    return xp.reshape(x, (3, 3))


def _positive(x: Any, xp: Any) -> Any:
    a = _matrix(x, xp)
    return xp.matmul(a, xp.matrix_transpose(a)) + 2.0 * np.eye(3)


B = np.array([0.3, -0.2, 0.9])
GAPS: dict[str, Callable[[Any, Any], Any]] = {
    "asarray": lambda x, xp: xp.asarray([x[0] * x[1], x[2]]),
    "broadcast_to": lambda x, xp: xp.broadcast_to(x, (2, 9)),
    "concat": lambda x, xp: xp.concat([x[2:4], B, xp.sin(x)]),
    "cumulative_prod": lambda x, xp: xp.cumulative_prod(x),
    "cumulative_sum": lambda x, xp: xp.cumulative_sum(_matrix(x, xp), axis=1),
    "diagonal": lambda x, xp: xp.linalg.diagonal(_matrix(x, xp), offset=1),
    "erf": lambda x, xp: xp.erf(x),
    "expit": lambda x, xp: xp.expit(4.0 * x),
    "flip": lambda x, xp: xp.flip(_matrix(x, xp), axis=1),
    "hypot": lambda x, xp: xp.hypot(x, 2.0 * x[::-1]),
    "matrix_transpose": lambda x, xp: xp.matrix_transpose(_matrix(x, xp)),
    "prod": lambda x, xp: xp.prod(_matrix(x, xp), axis=0),
    "take": lambda x, xp: xp.take(_matrix(x, xp), np.array([2, 0, 2]), axis=1),
    "trace": lambda x, xp: xp.linalg.trace(_matrix(x, xp)),
    "vecdot": lambda x, xp: xp.vecdot(_matrix(x, xp), _matrix(xp.sin(x), xp)),
    "xlogx": lambda x, xp: xp.xlogx(x * x + 0.1),
    "xlogy": lambda x, xp: xp.xlogy(x, x * x + 0.5),
    "linalg.cholesky": lambda x, xp: xp.linalg.cholesky(_positive(x, xp)),
    "linalg.det": lambda x, xp: xp.linalg.det(_matrix(x, xp)),
    "linalg.inv": lambda x, xp: xp.linalg.inv(_matrix(x, xp)),
    "linalg.outer": lambda x, xp: xp.linalg.outer(x, xp.sin(x)),
    "linalg.slogdet": lambda x, xp: xp.linalg.slogdet(_positive(x, xp)).logabsdet,
    "linalg.solve": lambda x, xp: xp.linalg.solve(_matrix(x, xp), B * x[0]),
    "linalg.vector_norm": lambda x, xp: xp.linalg.vector_norm(x),
}


def _flat(entry: str) -> Callable[[Any, Any], Any]:
    return lambda x, xp: xp.reshape(GAPS[entry](x, xp), (-1,))


def _instance(f: Callable[[Any, Any], Any], m: int | None) -> Instance:
    parts = Parts(f=f, x=X, prepare_x=X + 0.01, m=m)
    family = Family(
        name="gap",
        title="",
        shows="",
        reference="",
        latex="",
        parameters={"n": Parameter(9, "inputs")},
        sizes={},
        build=lambda params, rng: parts,
    )
    return family.instance()


def _answer(instance: Instance, operator: str) -> Any:
    (method,) = METHODS.methods("autograd")
    prepared = prepare(method, instance, operator)
    args = prepared.stage(instance.x, instance.seed_of(operator))
    return prepared.collect(prepared(*args))


def test_every_gap_has_its_test() -> None:
    entries = {*by_autograd.GAPS, *(f"linalg.{name}" for name in by_autograd.LINALG_GAPS)}
    assert set(GAPS) == entries


@pytest.mark.parametrize("entry", GAPS)
def test_gap_in_value_and_both_modes(entry: str) -> None:
    f = _flat(entry)
    value, expected = f(X, NUMPY), ad.jacobian(f)(X)
    instance = _instance(f, value.size)
    assert np.allclose(_answer(instance, "value"), value, rtol=1e-14, atol=1e-15)
    assert np.allclose(_answer(instance, "jacobian"), expected, rtol=1e-12, atol=1e-13)
    assert np.allclose(_answer(instance, "jvp"), expected @ instance.v, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("entry", GAPS)
def test_gap_to_second_order(entry: str) -> None:
    f = _flat(entry)
    instance = _instance(lambda x, xp: xp.sum(xp.sin(f(x, xp))), None)
    expected = ad.hvp(instance.f, X, instance.v)
    assert np.allclose(_answer(instance, "hvp"), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("operator", ["gradient", "hvp", "hessian"])
def test_product_with_a_zero_factor(operator: str) -> None:
    zero = np.array([0.0, 2.0, 3.0])
    parts = Parts(f=lambda x, xp: xp.prod(x), x=zero, prepare_x=zero + 1.0)
    family = Family(
        name="zero",
        title="",
        shows="",
        reference="",
        latex="",
        parameters={"n": Parameter(3, "inputs")},
        sizes={},
        build=lambda params, rng: parts,
    )
    instance = family.instance()
    hessian = np.array([[0.0, 3.0, 2.0], [3.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    expected = {"gradient": [6.0, 0.0, 0.0], "hessian": hessian, "hvp": hessian @ instance.v}
    assert np.array_equal(_answer(instance, operator), np.array(expected[operator]))

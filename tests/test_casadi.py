"""The optional method casadi: its expressions row by row, and what it refuses."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.rules import ENTRYWISE, RULES
from diffbench.errors import Unsupported
from diffbench.method import Instance, prepare, why_not
from diffbench.registry import Registry

HINT = "needs casadi: pip install 'diffbench[casadi]'"
needed = pytest.mark.skipif(importlib.util.find_spec("casadi") is None, reason=HINT)
NO_EXPRESSION = {"trunc", "round", "isfinite", "isnan"}
STRUCTURAL = {"masked"}  # the rule table's own


@pytest.fixture
def casadi(registry: Registry) -> Any:
    (found,) = registry.methods("casadi")
    return found


def made(registry: Registry, selection: str, f: Any = None) -> Instance:
    (instance,) = registry.instances(selection)
    return instance if f is None else replace(instance, f=f)


def test_without_the_package_a_sentence_says_what_to_type(
    registry: Registry, casadi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert why_not(casadi, made(registry, "lecture[n=2]"), "gradient") == HINT


def test_sizes_that_take_too_long_are_refused(registry: Registry, casadi: Any) -> None:
    large = made(registry, "helmholtz[n=512]")
    assert "527880 operations in 1 sweeps" in casadi.why_not(large, "gradient")
    wide = made(registry, "affine_tanh[m=256,n=128]")
    assert casadi.why_not(wide, "jvp") is None
    assert "in 128 sweeps" in casadi.why_not(wide, "jacobian")
    assert "n may be 256" in casadi.why_not(made(registry, "speelpenning[n=512]"), "hessian")


# --- where it is installed ------------------------------------------------------------------------


def row_instance(registry: Registry, name: str) -> Instance:
    """f is one row of the table, on two points of its safe domain; its operands are parts of x."""
    arity = 3 if name == "where" else getattr(RULES[name].numpy, "nin", len(RULES[name].partials))
    domain = RULES[name].domain or ((-2.0, 2.0),) * arity
    x = np.array([low + k * (high - low) for low, high in domain for k in (0.3, 0.85)])

    def f(x: Any, xp: Any) -> Any:
        parts = [x[2 * k : 2 * k + 2] for k in range(arity)]
        if name == "where":
            parts[0] = xp.greater(parts[0], 0.0)
        return getattr(xp, name)(*parts) * 1.0

    return replace(made(registry, "affine_tanh[n=2,m=2]"), f=f, x=x, prepare_x=x, constants=())


def answer(casadi: Any, instance: Instance, operator: str) -> Any:
    prepared = prepare(casadi, instance, operator)
    return prepared.collect(prepared(*prepared.stage(instance.x)))


@needed
@pytest.mark.parametrize("name", sorted(set(ENTRYWISE) - STRUCTURAL - NO_EXPRESSION))
def test_every_row_has_its_value_and_derivative(registry: Registry, casadi: Any, name: str) -> None:
    instance = row_instance(registry, name)
    value = np.asarray(instance.value(), dtype=float)
    assert np.allclose(answer(casadi, instance, "value"), value, rtol=4e-15, atol=0)
    expected = ad.jacobian(instance.f)(instance.x)
    assert np.allclose(answer(casadi, instance, "jacobian"), expected, rtol=4e-14, atol=1e-16)


@needed
@pytest.mark.parametrize("name", sorted(NO_EXPRESSION))
def test_a_row_without_an_expression_is_refused(registry: Registry, casadi: Any, name: str) -> None:
    with pytest.raises(Unsupported, match=f"casadi: {name} has no expression there"):
        prepare(casadi, row_instance(registry, name), "value")


@needed
def test_a_loop_on_values_is_refused(registry: Registry, casadi: Any) -> None:
    def f(x: Any, xp: Any) -> Any:
        return x[0] * 2.0 if x[1] > 0.0 else x[0]

    with pytest.raises(Unsupported, match="casadi: lecture is no expression"):
        prepare(casadi, made(registry, "lecture[n=2]", f), "gradient")


@needed
def test_scalars_and_arrays_mix_in_either_order(registry: Registry, casadi: Any) -> None:
    weights = np.array([1.0, 2.0, 3.0])

    def f(x: Any, xp: Any) -> Any:
        first, second = x[0], x[1]
        parts = (weights * first, first * weights, weights - second, second / weights)
        return xp.sum(sum(parts[1:], start=parts[0])) + 2**-first - (1.0 - second) ** 3

    instance = made(registry, "lecture[n=2]", f)
    assert np.allclose(answer(casadi, instance, "gradient"), ad.grad(f)(instance.x), rtol=1e-14)
    assert np.allclose(answer(casadi, instance, "hessian"), ad.hessian(f)(instance.x), rtol=1e-13)


@needed
def test_every_staging_has_its_own_room(registry: Registry, casadi: Any) -> None:
    instance = made(registry, "lecture[n=4]")
    prepared = prepare(casadi, instance, "gradient")
    one, two = prepared.stage(instance.x), prepared.stage(instance.prepare_x)
    first = prepared.collect(prepared(*one))
    second = prepared.collect(prepared(*two))
    assert np.array_equal(prepared.collect(prepared(*one)), first)
    assert not np.allclose(first, second)
    assert np.allclose(second, instance.answers["gradient"](instance.prepare_x), rtol=1e-14)
    assert prepared.sizes()["dag_nodes"] > 4

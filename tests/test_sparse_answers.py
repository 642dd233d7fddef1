"""Sparse answers in the harness: who is asked, how they are proven, judged, stored and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
from scipy import sparse
from small_runs import use_profile, without_report

import diffbench
from diffbench.measure import answers, reference
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import Reference, certify
from diffbench.method import MOST_ENTRIES, capability, gathered, prepare, why_not
from diffbench.problem import Instance
from diffbench.registry import discover
from diffbench.running import plan

PLUGINS = discover(kinds=("methods", "problems"))
SMALL = (("bratu[n=5]", "jacobian"), ("rosenbrock[n=6]", "hessian"))


def one(selection: str) -> Instance:
    (instance,) = PLUGINS.instances(selection)
    return instance


def method(name: str) -> Any:
    (found,) = PLUGINS.methods(name)
    return found


@pytest.fixture
def nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if even small answers were too large to be made whole."""
    monkeypatch.setattr(reference, "MOST_ENTRIES", 4)


# --- who is asked --------------------------------------------------------------------------------


def test_size_is_no_limit_where_family_and_method_are_sparse() -> None:
    large = one("bratu[n=100000]")
    for name in ("sparse_forward", "sparse_reverse"):
        assert capability(method(name), large, "jacobian").origin == "native"
        assert why_not(method(name), large, "jvp") is None  # one direction, no matrix
        undeclared = replace(large, sparse=frozenset())
        assert "1e+10 entries" in str(why_not(method(name), undeclared, "jacobian"))
    assert "1e+10 entries" in str(why_not(method("sparse_forward"), large, "vjp"))  # made whole
    assert "1e+10 entries" in str(why_not(method("forward"), large, "jacobian"))


def test_small_answers_are_collected_whole() -> None:
    bratu = one("bratu[n=8]")
    prepared = prepare(method("sparse_forward"), bratu, "jacobian")
    out = prepared(*prepared.stage(bratu.x))
    assert out.format == "csr"
    assert np.array_equal(prepared.collect(out), bratu.jacobian())
    large = sparse.csr_array((MOST_ENTRIES, 2))
    assert gathered(large) is large


def test_forward_sends_second_order_elsewhere() -> None:
    reason = why_not(method("sparse_forward"), one("rosenbrock[n=4]"), "hessian")
    assert reason == "sparse_forward: hessian runs over a reverse sweep; use sparse_reverse"


@pytest.mark.parametrize("name", ["sparse_forward", "sparse_reverse"])
def test_too_many_colours_are_refused_in_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"diffbench.methods.{name}.MOST_SEEDS", 20)
    with pytest.raises(diffbench.errors.Unsupported, match=r"has 5 colours; .* may be 4"):
        prepare(method(name), one("affine_tanh[n=5,m=5]"), "jacobian")


def test_profiles_plan_sparse_answers_at_any_size() -> None:
    quick = plan.PROFILES["quick"]
    size = {"n": 4096, "m": 4096, "scalar": False}
    assert "jacobian" not in plan.planned(quick, (), **size)
    assert "jacobian" in plan.planned(quick, (), **size, sparse=["jacobian"])


# --- the proof -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("selection", "operator"), SMALL)
@pytest.mark.usefixtures("nothing_fits")
def test_the_proof_on_a_pattern_is_the_proof_of_the_whole(selection: str, operator: str) -> None:
    instance = one(selection)
    whole = certify(replace(instance, sparse=frozenset()), operator)
    proven = certify(instance, operator)
    assert whole.pattern is None
    assert (proven.claim, proven.shape) == ("certified", whole.hi.shape)
    rows, columns = proven.pattern.nonzero()
    assert np.array_equal(proven.hi, whole.hi[rows, columns])
    assert np.count_nonzero(whole.hi) == proven.pattern.nnz
    assert np.all(proven.radius <= 2.0**-60 * np.abs(proven.hi))
    assert np.allclose(proven.rad53, whole.rad53[rows, columns], rtol=0.5)


@pytest.mark.usefixtures("nothing_fits")
def test_balls_that_leave_the_path_prove_nothing() -> None:
    def f(x: Any, xp: Any) -> Any:
        """In doubles 1 + 2^-54 is 1; in truth it is more."""
        return xp.sin(x) if x[0] + x[1] > 1.0 else x * x

    instance = oracle.instance_of(f, [1.0, 2.0**-54, 0.5], m=3)
    proven = certify(replace(instance, sparse=frozenset({"jacobian"})), "jacobian")
    assert proven.claim == "none"
    assert "take another branch than doubles" in proven.reason


def test_what_is_too_large_to_prove_says_so() -> None:
    found = certify(one("bratu[n=300000]"), "jacobian")
    assert found.claim in ("weaker", "none")  # by whether numpy has a longer float here
    assert "too large to prove" in found.reason
    assert found.shape == (300_000, 300_000)


# --- the disk ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_fits")
def test_proofs_and_answers_survive_the_disk(tmp_path: Path) -> None:
    proven = certify(one("bratu[n=5]"), "jacobian")
    proven.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    assert np.array_equal(again.hi, proven.hi)
    assert np.array_equal(again.pattern.toarray(), proven.pattern.toarray())
    answer = sparse.csr_array(one("bratu[n=5]").jacobian())
    for saved in (answer, answer.toarray(), np.float64(2.0)):
        answers.save(saved, tmp_path / "answer.npy")
        loaded = answers.load(tmp_path / "answer.npy")
        assert answers.is_sparse(loaded) == answers.is_sparse(saved)
        assert np.array_equal(
            *(a.toarray() if answers.is_sparse(a) else a for a in (loaded, saved))
        )
    assert answers.numeric(answer)
    assert not answers.numeric([1.0])
    assert not answers.numeric(np.array([None]))


# --- the verdict ---------------------------------------------------------------------------------


def changed(row: int, column: int, value: float) -> Callable[[Any], Any]:
    def change(dense: Any) -> Any:
        dense = dense.copy()
        dense[row, column] = value
        return sparse.csr_array(dense)

    return change


VERDICTS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    # what is done to the right answer, given whole -> verdict, and what its reason says
    "as it is": (sparse.csr_array, "exact to rounding", ""),
    "another format": (sparse.coo_array, "exact to rounding", ""),
    "whole": (lambda dense: dense, "exact to rounding", ""),
    "stored zeros": (lambda dense: sparse.csr_array(dense) + 0.0 * sparse.eye_array(5, k=3),
                     "exact to rounding", ""),
    "an entry lost": (changed(0, 1, 0.0), "wrong", "the error reaches"),
    "an entry too many": (changed(0, 4, 1e-9), "degraded", "must be exactly 0 is not"),
    "a large entry too many": (changed(0, 4, 50.0), "wrong", "the error reaches"),
    "a digit lost": (changed(2, 2, -70.0), "degraded", "times the bound"),
    "not finite": (changed(2, 2, np.nan), "wrong", "1 of 13 entries are not finite"),
    "single": (lambda d: sparse.csr_array(d.astype(np.float32)), "wrong", "dtype float32"),
    "another shape": (lambda d: sparse.csr_array(d[:4]), "wrong", "shape (4, 5), expected (5, 5)"),
    "nothing": (lambda d: sparse.csr_array((5, 5)), "wrong", "the error reaches"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.usefixtures("nothing_fits")
def test_verdicts_on_sparse_answers(name: str) -> None:
    bratu = one("bratu[n=5]")
    change, verdict, words = VERDICTS[name]
    on_pattern = judge(change(bratu.jacobian()), certify(bratu, "jacobian"))
    whole = judge(change(bratu.jacobian()), certify(replace(bratu, sparse=frozenset()), "jacobian"))
    for judged in (on_pattern, whole):
        assert judged.verdict == verdict, judged
        assert words in judged.verdict_reason
        assert judged.nnz == 13
    assert on_pattern.digits == pytest.approx(whole.digits)


# --- a run ---------------------------------------------------------------------------------------


def test_a_run_measures_and_judges_what_no_dense_method_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    run = diffbench.run(
        problems="bratu[n=3000]",
        methods="sparse_forward,sparse_reverse,zero",
        profile="quick",
        out=tmp_path / "run",
    )
    rows = run.records.query("operator == 'jacobian'").set_index("method")
    assert "9e+06 entries" in rows.reason["zero"]
    for name, counts in (("sparse_forward", (3, 0)), ("sparse_reverse", (0, 3))):
        row = rows.loc[name]
        assert (row.status, row.verdict, row.reference) == ("ok", "exact to rounding", "certified")
        assert (row.directions, row.sweeps) == counts
        assert (row.nnz, row["dtype"], row.calls_f) == (8998, "float64", 0)

"""The checker checked: mistakes in hand-written derivatives, who sees them, and the page.

The judge must kill every mutant that counts, on every family there is, and no right answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
import synthetic
from scipy.stats import binomtest

from diffbench import ad
from diffbench.measure import accuracy, forgotten
from diffbench.measure.intervals import wilson
from diffbench.measure.mutants import MUTANTS, Mutation, Target, mutation
from diffbench.measure.peers import PEERS
from diffbench.measure.reference import certify
from diffbench.problem import Family, Instance
from diffbench.registry import discover
from diffbench.reports.error_prone import PAGE
from diffbench.reports.sections import Figure, Table, Text
from diffbench.studies.mutants import STUDY
from diffbench.study import StudyRow

FAMILIES = discover(kinds=("problems",)).families
NATURE = {"equivalent"}
JAX, AUTOGRAD, TORCH = PEERS


def asked(families: Iterable[Family], profile: str = "quick") -> list[StudyRow]:
    assert STUDY.over is not None
    return list(STUDY.over(list(families), profile))


def pairs(rows: Iterable[StudyRow]) -> list[tuple[list[str], StudyRow]]:
    """(instance, operator, mutant, checker) of each pair with its row."""
    return [(row.key.split("|")[1:], row) for row in rows if row.key.startswith("pair|")]


def shares(rows: Iterable[StudyRow]) -> dict[str, str]:
    """The counts behind each share: ``rate|zero|diffbench`` -> ``138 of 138``."""
    kinds = ("rate|", "alarms|", "family|", "decade|")
    return {row.key: row.reason for row in rows if row.key.startswith(kinds)}


@pytest.fixture(scope="module")
def rows() -> list[StudyRow]:
    return asked(FAMILIES.values())


# --- the judge ------------------------------------------------------------------------------------


def test_every_mutant_that_counts_is_killed_and_no_right_answer(rows: list[StudyRow]) -> None:
    counted = [row for _, row in pairs(rows) if row.unit in ("killed", "survived")]
    assert len(counted) > 70 * len(FAMILIES)
    assert [row for row in counted if row.unit != "killed"] == []
    right = [row for row in rows if row.key.startswith("right|")]
    assert len(right) >= 3 * len(FAMILIES)
    assert [row for row in right if row.unit != "alive"] == []
    found = shares(rows)
    assert found["rate|all|diffbench"] == f"{len(counted)} of {len(counted)}"
    assert found["alarms|diffbench"] == f"0 of {len(right)}"
    assert [row for row in rows if row.key.startswith("left|")] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_mutant_counts_somewhere_or_is_none_by_nature(
    rows: list[StudyRow], family: str
) -> None:
    outcomes: dict[str, set[str]] = {name: set() for name in MUTANTS}
    for (instance, _, mutant, _), row in pairs(rows):
        if instance.partition("[")[0] == family:
            outcomes[mutant].add(row.unit)
    for name, units in outcomes.items():
        assert "killed" in units or units == NATURE, (name, units)
    assert sum("killed" not in units for units in outcomes.values()) <= 2


def test_what_does_not_count_says_why_and_what_counts_is_large_enough(rows: list[StudyRow]) -> None:
    for _, row in pairs(rows):
        assert row.value is not None
        assert row.low is not None
        assert row.reason
        if row.unit == "killed":
            assert row.value > row.low
        elif row.unit == "uninformative":
            assert not row.value > row.low


@pytest.mark.parametrize("slack", [{"EXACT": 1e12}, {"EXACT": 1e9, "INFORMATIVE": np.inf}])
def test_a_weak_judge_lets_mutants_live(
    monkeypatch: pytest.MonkeyPatch, slack: dict[str, float]
) -> None:
    for name, value in slack.items():
        monkeypatch.setattr(accuracy, name, value)
    found = asked([FAMILIES["lecture"], FAMILIES["helmholtz"]])
    survived = {mutant for (_, _, mutant, _), row in pairs(found) if row.unit == "survived"}
    assert {"one entry by 1e-6", "float32 inside"} <= survived
    killed, counted = shares(found)["rate|one entry by 1e-6|diffbench"].split(" of ")
    assert int(killed) < int(counted)


def test_the_same_mistakes_are_planted_again(rows: list[StudyRow]) -> None:
    again = {row.key: row for row in asked([FAMILIES["gmm"]])}
    first = [row for row in rows if row.key.startswith("pair|gmm[")]
    assert len(first) == 2 * 3 * len(MUTANTS)
    assert [again[row.key] for row in first] == first


# --- the mutants ----------------------------------------------------------------------------------


def target_of(family: str, operator: str, **params: Any) -> Target:
    made = FAMILIES[family].instance(params)
    other = FAMILIES[family].instance(params, 1)
    return Target(made, other, operator, made.answer(operator), certify(made, operator))


def planted(name: str, target: Target) -> Mutation:
    made = mutation(MUTANTS[name], target)
    assert made.status == "counts"
    return made


def test_mutants_of_one_jacobian() -> None:
    target = target_of("affine_tanh", "jacobian", n=3, m=2)
    right = target.answer
    assert not planted("zero", target).answer.any()
    assert planted("zero", target).size == pytest.approx(1.0)
    assert np.isnan(planted("NaN", target).answer).sum() == 1
    assert np.isinf(planted("inf", target).answer).sum() == 1
    flipped = planted("sign flip", target)
    assert np.sort(flipped.answer / right, axis=None).tolist() == [-1, 1, 1, 1, 1, 1]
    assert flipped.size == pytest.approx(2.0)
    assert planted("permuted", target).answer[0, 1] == right[0, 0]
    assert planted("transposed", target).answer.shape == (3, 2)
    assert planted("float32", target).answer.dtype == np.float32
    inside = planted("float32 inside", target)
    assert inside.answer.dtype == np.float64
    assert 1e-9 < inside.size < 2.0**-24
    small = planted("one entry by 1e-6", target)
    assert small.size == pytest.approx(1e-6, rel=1e-8)
    assert np.count_nonzero(small.answer != right) == 1
    assert np.array_equal(
        planted("stale constant", target).answer,
        target.at(target.instance.x, (target.other.constants[0], *target.instance.constants[1:])),
    )
    frozen = target.at(target.instance.prepare_x, target.instance.constants)
    assert np.array_equal(planted("frozen branch", target).answer, frozen)


def test_a_frozen_branch_is_the_other_branch_at_the_right_point() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.sum(x * x) if x[0] > 0 else xp.sum(3.0 * x * x * x)

    def gradient(x: Any) -> Any:
        return 2 * x if x[0] > 0 else 9 * x * x

    made = oracle.instance_of(f, [1.5, -0.5])
    made = replace(made, prepare_x=np.array([-1.0, 2.0]), answers={"gradient": gradient})
    target = Target(made, made, "gradient", made.gradient(), certify(made, "gradient"))
    assert planted("frozen branch", target).answer.tolist() == [20.25, 2.25]


@pytest.mark.parametrize(
    ("radius", "status"), [(2.4e-8, "counts"), (2.6e-8, "uninformative"), (np.nan, "uninformative")]
)
def test_a_mutant_counts_from_ten_times_the_radius_on(radius: float, status: str) -> None:
    target = target_of("logistic", "gradient", depth=2)
    size = float(np.abs(target.answer[0]))
    proven = replace(target.reference, rad53=np.array([radius * size]))
    small = replace(MUTANTS["one entry by 1e-6"], candidates=lambda t, rng: [t.answer * (1 + 1e-6)])
    assert mutation(small, replace(target, reference=proven)).status == status


def test_a_reference_without_claim_makes_no_mutant_count() -> None:
    target = target_of("lecture", "gradient", n=2)
    nothing = replace(target.reference, claim="none", reason="no ball came out")
    for mutant in MUTANTS.values():
        made = mutation(mutant, replace(target, reference=nothing))
        assert (made.status, made.reason) == ("uninformative", "no ball came out")


# --- forgotten contributions ----------------------------------------------------------------------


def lecture(x: Any, xp: Any) -> Any:
    return xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1])


def all_of(answers: Any, made: Instance, operator: str = "gradient") -> set[tuple[float, ...]]:
    found = answers(made, operator, np.random.default_rng(0))
    return {tuple(np.round(a, 6).reshape(-1).tolist()) for a in found}


def test_the_lectures_adjoints_overwritten_instead_of_increased() -> None:
    """FACTS 1, row 23: each of the four contributions at (2, 5) is lost once."""
    found = all_of(forgotten.accumulations, oracle.instance_of(lecture, [2.0, 5.0]))
    assert {(0.5, 1.716338), (5.0, 1.716338), (5.5, 2.0), (5.5, -0.283662)} <= found


def test_a_product_rule_with_one_term() -> None:
    made = oracle.instance_of(lambda x, xp: x[0] * x[1], [2.0, 5.0])
    unchanged = {(5.0, 2.0)}  # the entry that x[0] does not take from x
    assert all_of(forgotten.chain_terms, made) - unchanged == {(5.0, 0.0), (0.0, 2.0)}


def test_a_product_with_a_matrix_overwritten_row_by_row() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    made = oracle.instance_of(lambda x, xp, a: xp.sum(xp.matmul(a, x)), [1.0, 1.0], None, (a,))
    assert all_of(forgotten.accumulations, made) == {(3.0, 4.0)}


def test_second_order_forgets_in_the_gradients_own_program() -> None:
    made = oracle.instance_of(lambda x, xp: x[0] * x[0] * x[1], [2.0, 5.0])
    right = tuple(ad.hessian(made.f)(made.x).reshape(-1).tolist())
    assert right == (10.0, 4.0, 4.0, 0.0)
    found = all_of(forgotten.chain_terms, made, "hessian")
    assert {(5.0, 4.0, 4.0, 0.0), (10.0, 2.0, 4.0, 0.0)} <= found


# --- the peers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [JAX, AUTOGRAD])
@pytest.mark.parametrize(
    ("family", "operator", "params"),
    [("lecture", "gradient", {"n": 2}), ("affine_tanh", "jacobian", {"n": 3, "m": 2})],
)
def test_peers_pass_what_is_right_and_object_to_what_is_not(
    name: str, family: str, operator: str, params: dict[str, Any]
) -> None:
    peer, target = PEERS[name], target_of(family, operator, **params)
    assert peer.missing() is None
    assert peer.objects(target.instance, target.answer) is None
    for mistake in ("zero", "NaN", "inf", "sign flip", "transposed", "float32"):
        said = peer.objects(target.instance, planted(mistake, target).answer)
        assert said is not None, mistake
        assert "Error: " in said
    assert peer.objects(target.instance, planted("float32 inside", target).answer) is None


def test_the_default_profile_asks_peers_of_the_smallest_instance_and_full_of_all() -> None:
    some, every = (asked([FAMILIES["lecture"]], profile) for profile in ("standard", "full"))
    for name in (JAX, AUTOGRAD):
        instances = [
            {where[0] for where, _ in pairs(found) if where[3] == name} for found in (some, every)
        ]
        assert list(map(len, instances)) == [1, 2]
        assert shares(some)[f"alarms|{name}"] == "0 of 1"
        killed, counted = map(int, shares(every)[f"rate|all|{name}"].split(" of "))
        assert 0.7 * counted < killed < counted == 2 * len(MUTANTS)
    assert sum(row.key.startswith("sample|") for row in some) == 2
    assert not any(row.key.startswith("sample|") for row in every)


def test_the_quick_profile_says_that_peers_were_not_asked(rows: list[StudyRow]) -> None:
    absent = {row.key: row.reason for row in rows if row.key.startswith("absent|")}
    assert absent[f"absent|{JAX}"] == "asked in the profiles standard and full"
    assert set(absent) == {f"absent|{name}" for name in PEERS}


def test_a_peer_that_is_not_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert PEERS[TORCH].missing() == "torch is not installed: pip install torch"
    found = asked([FAMILIES["lecture"]], "standard")
    assert {where[3] for where, _ in pairs(found)} <= {"diffbench", "every"}


class Tensor(np.ndarray):
    """As much of a tensor as the check of torch uses."""

    def detach(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return np.asarray(self)

    def to(self, dtype: Any) -> Tensor:
        return self.astype(dtype)


def gradcheck(apply: Any, x: Tensor) -> None:
    """The whole Jacobian by differences against that of ``backward``, as torch documents it."""
    ruled, h = apply.__self__, 1e-6
    numeric = [(apply(x + h * e) - apply(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    y = apply(x)
    seeds = [np.float64(1.0)] if y.ndim == 0 else list(np.eye(y.size))
    for i, seed in enumerate(seeds):
        given = ruled.backward(None, np.asarray(seed).view(Tensor))
        assert given.shape == x.shape
        column = [np.atleast_1d(d)[i] for d in numeric]
        np.testing.assert_allclose(given, column, rtol=1e-3, atol=1e-5)


def test_torch_is_asked_as_it_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    class Function:
        @classmethod
        def apply(cls, x: Any) -> Any:
            return cls.forward(None, x)  # type: ignore[attr-defined]

    torch = SimpleNamespace(
        as_tensor=lambda a: np.asarray(a).view(Tensor),
        tensor=lambda a, requires_grad: np.array(a).view(Tensor),
        autograd=SimpleNamespace(Function=Function, gradcheck=gradcheck),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    for family, operator in (("lecture", "gradient"), ("affine_tanh", "jacobian")):
        target = target_of(family, operator)
        assert PEERS[TORCH].objects(target.instance, target.answer) is None
        for mistake in ("zero", "NaN", "sign flip", "transposed"):
            said = PEERS[TORCH].objects(target.instance, planted(mistake, target).answer)
            assert said is not None, mistake
        small = planted("one entry by 1e-6", target).answer
        assert PEERS[TORCH].objects(target.instance, small) is None


# --- families of others ---------------------------------------------------------------------------


def test_nothing_is_planted_in_a_derivative_that_is_wrong() -> None:
    family = FAMILIES["lecture"]

    def build(params: Any, rng: Any) -> Any:
        parts = family.build(params, rng)
        doubled = {"gradient": lambda x: 2.0 * parts.answers["gradient"](x)}
        return replace(parts, answers=doubled)

    found = asked([replace(family, name="doubled", build=build)])
    objected = [row for row in found if row.unit == "objected"]
    assert len(objected) == 2
    assert all(row.reason.startswith("wrong: the error reaches") for row in objected)
    assert shares(found) == {"alarms|diffbench": "2 of 2"}
    left = [row.reason for row in found if row.key.startswith("left|doubled[n=")]
    assert left == ["the hand-written answer itself is not right: no mistake was planted in it"] * 2


def test_what_a_plugin_leaves_out_or_breaks_is_said_and_the_others_go_on() -> None:
    family = FAMILIES["lecture"]

    def bare(params: Any, rng: Any) -> Any:
        return replace(family.build(params, rng), answers={})

    def broken(params: Any, rng: Any) -> Any:
        raise ValueError("no such file")

    def odd(params: Any, rng: Any) -> Any:
        return replace(family.build(params, rng), expected={"hessian": "it overflows here"})

    names = {"bare": bare, "broken": broken, "odd": odd}
    found = asked([replace(family, name=name, build=build) for name, build in names.items()])
    left = {row.key: row.reason for row in found if row.key.startswith("left|")}
    assert left.pop("left|bare") == "this family has no hand-written derivative"
    assert left.pop("left|broken") == "ValueError: no such file"
    assert set(left.values()) == {"it overflows here"}
    assert {where[1] for where, _ in pairs(found)} == {"gradient", "hvp"}


# --- intervals and the page -----------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "of"), [(0, 1), (0, 23), (23, 23), (1, 23), (248, 295)])
def test_wilson_is_that_of_scipy(hits: int, of: int) -> None:
    theirs = binomtest(hits, of).proportion_ci(method="wilson")
    assert wilson(hits, of) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_of_nothing_asked_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


class _Run:
    def __init__(self, rows: Iterable[StudyRow]) -> None:
        self.studies: pd.DataFrame = synthetic.frame(list(rows), StudyRow)


def _rows_of(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.cells()}


def test_the_page_shows_rates_intervals_and_what_was_left_out() -> None:
    _, claim, mistakes, figure, families, unseen, uncounted, left = PAGE.render(
        _Run(synthetic.mutants())
    )
    assert claim.items == (
        "diffbench sees 20 of 20 mistakes (100 %; 95 % interval 90 to 100 %) and objects to 0 of 4 "
        "answers without one.",
        "peer.check sees 10 of 20 mistakes (50 %; 95 % interval 45 to 100 %) and objects to 0 of 4 "
        "answers without one.",
        "Error prone: yes, in that a derivative may be wrong and pass the usual check. Not always "
        "seen by the others: small.",
    )
    cells = _rows_of(mistakes)
    assert list(cells) == ["zero", "small", "all", "none"]
    assert cells["small"] == ["the mistake small", "10 of 10 (90 to 100 %)", "0 of 10 (0 to 100 %)"]
    tones = {row[0].text: [cell.tone for cell in row[2:]] for row in mistakes.cells()}
    assert tones["small"] == ["good", "bad"]
    assert tones["none"] == ["good", "good"]
    assert isinstance(figure, Figure)
    assert len(figure.table.rows) == 4
    assert _rows_of(families) == {"lecture": ["20 of 20 (90 to 100 %)", "10 of 20 (45 to 100 %)"]}
    assert [row[2:4] for row in unseen.rows] == [["small", "peer.check"]]
    assert [row[-1] for row in uncounted.rows] == ["the answer is 0"]
    assert left.items == ("other: not installed: pip install other",)


def test_the_page_of_a_quick_run_claims_nothing_of_the_others(rows: list[StudyRow]) -> None:
    claim = PAGE.render(_Run([*STUDY.run(), *rows]))[1]
    assert isinstance(claim, Text)
    assert len(claim.items) == 2
    assert claim.items[1] == "Whether the usual checks would see them was not asked in this run."


def test_where_all_is_seen_the_claim_is_not_shown() -> None:
    seen = [
        replace_row(row, value=1.0) if row.key.startswith("rate|") else row
        for row in synthetic.mutants()
    ]
    claim = PAGE.render(_Run(seen))[1]
    assert claim.items[-1].startswith("Error prone: not shown here")


def replace_row(row: StudyRow, **facts: Any) -> StudyRow:
    kept = {name: getattr(row, name) for name in row.__struct_fields__}
    return StudyRow(**{**kept, **facts})


def test_without_the_study_the_page_says_so_and_why() -> None:
    (text,) = PAGE.render(_Run([]))
    assert text.paragraphs == ("The study mutants is not in this run.",)
    broke = StudyRow(study="mutants", key="status|timeout", reason="not done after 20 s")
    (text,) = PAGE.render(_Run([broke]))
    assert text.paragraphs == ("No mistake was planted.",)
    assert text.items == ("timeout: not done after 20 s",)

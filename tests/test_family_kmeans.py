"""k-means: hand-made clusters, a formula by cluster means, and the public data."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def clusters(instance: Instance) -> list[Any]:
    """The points of each centroid, by a plain double loop."""
    points = instance.constants[0]
    centroids = instance.x.reshape(-1, points.shape[1])
    mine: list[list[Any]] = [[] for _ in centroids]
    for point in points:
        mine[int(np.argmin([np.dot(point - c, point - c) for c in centroids]))].append(point)
    return [np.array(each).reshape(-1, points.shape[1]) for each in mine]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "size",
    ["K=1,N=1,d=1", "K=3,N=30,d=2", "K=10,N=1000,d=8", "K=10,N=1000,d=8,generator=public"],
)
def test_value_and_derivatives_by_the_means(size: str, seed: int) -> None:
    """f = sum_k scatter_k + n_k |c_k - mean_k|^2: Steiner's theorem."""
    means = one(f"kmeans[{size}]", seed)
    d = means.constants[0].shape[1]
    value, slopes, counts = 0.0, [], []
    for c, mine in zip(means.x.reshape(-1, d), clusters(means), strict=True):
        mean = mine.mean(axis=0) if len(mine) else c
        value += float(((mine - mean) ** 2).sum() + len(mine) * ((c - mean) ** 2).sum())
        slopes.append(2.0 * len(mine) * (c - mean))
        counts.append(len(mine))
    bend = np.repeat(2.0 * np.array(counts), d)
    assert sum(counts) == len(means.constants[0])
    assert float(means.value()) == pytest.approx(value, rel=1e-13, abs=1e-30)
    assert np.allclose(means.gradient(), np.concatenate(slopes), rtol=0, atol=1e-12)
    assert np.array_equal(means.hessian(), np.diag(bend))
    assert np.array_equal(means.hvp(), bend * means.v)


def test_five_points_on_a_line_by_hand() -> None:
    """Owners of 0, 1, 2 | 8, 10 at centroids 2 and 9; the third centroid has no point."""
    points, x = np.array([[0.0], [1.0], [2.0], [8.0], [10.0]]), np.array([2.0, 9.0, 99.0])
    answers = one("kmeans[K=3,d=1]").answers
    assert answers["gradient"](x, points).tolist() == [6.0, 0.0, 0.0]
    assert answers["hessian"](x, points).tolist() == np.diag([6.0, 4.0, 0.0]).tolist()
    assert answers["hvp"](x, np.ones(3), points).tolist() == [6.0, 4.0, 0.0]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("size", ["K=1,N=5,d=1", "K=2,N=32,d=2", "K=5,N=40,d=3"])
def test_manual_and_reverse_are_exact_to_rounding(size: str, seed: int) -> None:
    means = one(f"kmeans[{size}]", seed)
    mine = {
        "gradient": lambda: ad.grad(means.f)(means.x, *means.constants),
        "hvp": lambda: ad.hvp(means.f, means.x, means.v, *means.constants),
        "hessian": lambda: ad.hessian(means.f)(means.x, *means.constants),
    }
    for name, program in mine.items():
        reference = oracle.certify(means, name)
        assert reference.claim == "certified"
        for answer in (means.answer(name), program()):
            judged = judge(answer, reference)
            assert judged.verdict == "exact to rounding", (name, judged.verdict_reason)


def test_one_colour_gives_the_whole_hessian() -> None:
    means = one("kmeans[K=8,N=64,d=3]")
    plan = ad.sparse_plan(means.f, means.x, *means.constants, operator="hessian")
    assert plan.pattern.nnz == means.n
    assert plan.count == 1


def test_public_data_are_the_first_draw_of_the_suite() -> None:
    expected = np.random.RandomState(31337).rand(1000, 8)  # the suite's generator
    means = one("kmeans[generator=public,K=10,N=1000,d=8]", seed=5)
    assert np.array_equal(means.constants[0], expected)
    assert np.array_equal(means.x, expected[-10:].ravel())
    assert float(means.value()) == pytest.approx(609.3389875892319, rel=1e-13)
    assert np.linalg.norm(means.gradient()) == pytest.approx(260.9648893953727, rel=1e-13)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("kmeans[K=0]", ["K >= 1", "got K=0"]),
        ("kmeans[K=5,N=4]", ["N >= 5", "got N=4"]),
        ("kmeans[d=0]", ["d >= 1"]),
        ("kmeans[generator=mine]", ["generator=mine", "own, public"]),
        ("kmeans[K=10,N=1000,d=2,generator=public]", ["public suite has no d=2, only 8", "N=1000"]),
        ("kmeans[n=6]", ["'n'", "K, N, d"]),
    ],
)
def test_impossible_parameters_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    assert all(word in str(refused.value) for word in words)

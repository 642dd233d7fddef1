"""The cost of k-means clustering in its centroids: a smooth piece for each way to assign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import BadSize, Family, Parameter, Parts, published

Array = NDArray[np.float64]
PUBLIC_SEED = 31337
PUBLIC = {"K": (10,), "N": (1000,), "d": (8,)}  # what is drawn first
SPREAD = 0.2  # of a cluster about its centre; centres lie in the unit cube


def f(x: Any, xp: Any, points: Any) -> Any:
    """sum_i min_k |p_i - c_k|^2; x holds the centroids one after another."""
    count, d = points.shape
    apart = xp.reshape(points, (count, 1, d)) - xp.reshape(x, (1, x.shape[0] // d, d))
    return xp.sum(xp.min(xp.sum(apart * apart, axis=2), axis=1))


def _nearest(x: Array, points: Array) -> tuple[Array, NDArray[np.intp]]:
    """The centroids, shape (K, d), and whose each point is, shape (N,)."""
    centroids = x.reshape(-1, points.shape[1])
    distances = np.stack([((points - c) ** 2).sum(axis=1) for c in centroids])
    return centroids, distances.argmin(axis=0)


def _bend(x: Array, points: Array) -> Array:
    """The diagonal of the Hessian: twice the number of points, for each coordinate."""
    centroids, owner = _nearest(x, points)
    return np.repeat(2.0 * np.bincount(owner, minlength=len(centroids)), points.shape[1])


def gradient(x: Array, points: Array) -> Array:
    """2 sum (c_k - p_i) over the points i that are nearest to k."""
    centroids, owner = _nearest(x, points)
    out = np.zeros_like(centroids)
    np.add.at(out, owner, 2.0 * (centroids[owner] - points))
    return out.ravel()


def hvp(x: Array, v: Array, points: Array) -> Array:
    """The diagonal times v."""
    return _bend(x, points) * v


def hessian(x: Array, points: Array) -> Array:
    """A diagonal matrix."""
    return np.diag(_bend(x, points))


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Points about K centres, the guess beside these; or uniform points, the last K the guess.

    The guess is off to one side, so that the sums of the gradient grow and round in any order;
    sums that stay small may come out exact in the order of the reference, and in no other. Beside
    points of a file it is off K of them.
    """
    if "file" in params:
        return _of_file(params["K"], params["file"], rng)
    k, count, d = params["K"], params["N"], params["d"]
    Parameter(k, "as many points as centroids", minimum=k).check("kmeans", "N", count)
    prepare_x = rng.random(k * d)
    if params["generator"] == "public":
        published("kmeans", params, PUBLIC)
        points = np.random.RandomState(PUBLIC_SEED).rand(count, d)  # the suite's
        x = points[count - k :].ravel()
    else:
        centres = rng.random((k, d))
        points = centres[np.arange(count) % k] + SPREAD * rng.standard_normal((count, d))
        x = (centres + SPREAD * rng.uniform(0.5, 1.0, (k, d))).ravel()
    return _parts(x, prepare_x, points)


def _of_file(k: int, points: Array, rng: np.random.Generator) -> Parts:
    """Two guesses, each off K of the points by a part of their deviation."""
    most = len(points)
    if k > most:
        raise BadSize(
            f"'kmeans' needs K <= {most}, for the file has {most} points, got K={k}; "
            f"try 'kmeans[file=...,K={most}]' with the same file"
        )
    wide = points.std(axis=0)
    wide = SPREAD * np.where(wide > 0.0, wide, 1.0)
    x, prepare_x = (
        (points[rng.choice(most, k, replace=False)] + wide * rng.uniform(0.5, 1.0, (k, wide.size)))
        for _ in range(2)
    )
    return _parts(x.ravel(), prepare_x.ravel(), points)


def _parts(x: Array, prepare_x: Array, points: Array) -> Parts:
    return Parts(
        f=f,
        x=x,
        prepare_x=prepare_x,
        constants=(points,),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="kmeans",
    title="k-means clustering",
    shows="a diagonal Hessian behind a choice of the nearest: one colour gives all of it",
    reference="Bottou and Bengio, Convergence properties of the k-means algorithms, 1994",
    latex=r"f(c_1, \dots, c_K) = \sum_{i=1}^N \min_k \lVert p_i - c_k \rVert^2",
    parameters={
        "K": Parameter(3, "centroids; n = K d", minimum=1),
        "N": Parameter(30, "points", minimum=1),
        "d": Parameter(2, "dimensions of a point", minimum=1),
        "generator": Parameter(
            "own",
            "own, or public: the suite's first data, whatever the seed",
            choices=("own", "public"),
        ),
        "file": Parameter(
            "", "a CSV, one point a line", columns=(1, None), replaces=("d", "N", "generator")
        ),
    },
    sizes={
        "quick": "K=2|3,N=12,d=2",
        "standard": "K=2|3,N=8,d=2",
        "full": "K=10|100,N=1000|10000,d=8",
    },
    build=build,
    sparse=frozenset({"hessian"}),
)

"""The memory of a tape: what the library says that it keeps is what the allocator handed out."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad import reverse, tape
from diffbench.ad.graph import Graph, opened
from diffbench.ad.namespace import FLOATS
from diffbench.problem import Instance
from diffbench.registry import discover

# What stays uncounted: the trace's own object, and what numpy keeps beside a header (its shape,
# its strides), which is a fifth where all arrays hold one number.
FIXED, SHARE = 4096, 0.25
LARGE = (
    "affine_tanh[n=64,m=512],chebyshev[m=128],fisher[n=4,depth=200],fisher[n=1000,depth=20],"
    "helmholtz[n=1024],lecture[n=4096],logistic[depth=500],mlp[width=32,layers=3,batch=8],"
    "rosenbrock[n=4096],speelpenning[n=4096]"
)
REGISTRY = discover(kinds=("problems",))


def allocated(instance: Instance) -> tuple[Graph, int]:
    """A trace of f, and the bytes that recording it allocated and left."""

    def record(level: int) -> Graph:
        return reverse.record(instance.f, instance.x, instance.constants, FLOATS, level)[0]

    with opened() as level:
        record(level)  # fills every cache on the way
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            graph = record(level)
            return graph, tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            gc.enable()


@pytest.mark.parametrize("instance", REGISTRY.instances(LARGE), ids=lambda i: i.name)
def test_the_bytes_of_a_tape_are_those_that_were_allocated(instance: Instance) -> None:
    graph, real = allocated(instance)
    assert abs(graph.nbytes - real) <= FIXED + SHARE * real
    assert ad.tape_bytes(instance.f, instance.x, *instance.constants) == graph.nbytes


def test_what_was_given_costs_nothing_and_a_view_only_its_header() -> None:
    a = np.ones((100, 100))
    matrix = tape.nbytes([a])
    assert 80_000 < matrix < 80_200
    assert tape.nbytes([a, a, [a]]) - matrix < 100
    assert tape.nbytes([a[1:, ::2]]) - matrix < 200
    assert tape.nbytes([a[1:, ::2]], given=[a]) < 200
    assert tape.nbytes([1, 256, -5, None, "name"]) == 0
    assert tape.nbytes([1.5]) - tape.nbytes([257]) == 24 - 28

    def f(x: Any, xp: Any, m: Any) -> Any:
        return xp.sum(xp.matmul(m, x))

    assert ad.tape_bytes(f, np.ones(100), a) < 3000


def test_a_tape_grows_by_the_same_bytes_with_every_step() -> None:
    """Linear in depth, up to the room that growing lists leave."""
    sizes = [
        ad.tape_bytes(i.f, i.x, *i.constants)
        for i in REGISTRY.instances("fisher[n=100,depth=50|100|200|400]")
    ]
    steps = np.diff(sizes) / [50, 100, 200]
    assert steps == pytest.approx(steps[0], rel=0.05)

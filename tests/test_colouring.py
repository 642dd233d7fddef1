"""Colourings: valid by their definitions on any pattern, and as few colours as theory allows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from diffbench.ad.colouring import column_colours, count, row_colours, star_colours


def pattern(dense: Any) -> Any:
    return sparse.csr_array(np.asarray(dense, dtype=bool))


def columns_apart(dense: Any, colours: Any) -> bool:
    """No row holds two columns of one colour, and a column with entries has a colour."""
    used = dense.any(axis=0)
    rows = (colours[np.flatnonzero(row)].tolist() for row in dense)
    return bool(np.all((colours >= 0) == used)) and all(len(set(r)) == len(r) for r in rows)


def is_star(dense: Any, colours: Any) -> bool:
    """Neighbours differ, and no path of four vertices has two colours: by trying them all."""
    n = len(dense)
    near = [[j for j in range(n) if dense[i, j] and j != i] for i in range(n)]
    if any(colours[i] == colours[j] for i in range(n) for j in near[i]):
        return False
    paths = (
        (a, b, c, d) for b in range(n) for a in near[b] for c in near[b] for d in near[c]
        if len({a, b, c, d}) == 4
    )  # fmt: skip
    return all(len({colours[v] for v in path}) > 2 for path in paths)


def matrices(most: int) -> st.SearchStrategy[Any]:
    """Boolean matrices of up to ``most`` rows and columns, from empty to full."""
    sizes = st.tuples(st.integers(0, most), st.integers(1, most), st.floats(0, 1), st.integers(0))
    return sizes.map(lambda s: np.random.default_rng(s[3]).random(s[:2]) < s[2])


@given(dense=matrices(12))
def test_columns_and_rows_of_one_colour_stand_apart(dense: Any) -> None:
    assert columns_apart(dense, column_colours(pattern(dense)))
    assert columns_apart(dense.T, row_colours(pattern(dense)))


@given(dense=matrices(9))
def test_stars_are_stars(dense: Any) -> None:
    n = min(dense.shape)
    symmetric = dense[:n, :n] | dense[:n, :n].T
    colours = star_colours(pattern(symmetric))
    assert is_star(symmetric, colours)
    assert np.all((colours >= 0) == symmetric.any(axis=0))


def test_every_graph_of_five_vertices_gets_a_star_colouring() -> None:
    pairs = list(itertools.combinations(range(5), 2))
    for edges in itertools.product([False, True], repeat=len(pairs)):
        dense = np.eye(5, dtype=bool)
        for (i, j), there in zip(pairs, edges, strict=True):
            dense[i, j] = dense[j, i] = there
        assert is_star(dense, star_colours(pattern(dense))), dense


def band(n: int, half: int) -> Any:
    i = np.arange(n)
    return np.abs(i[:, None] - i) <= half


@pytest.mark.parametrize(("n", "half"), [(9, 0), (9, 1), (30, 1), (30, 2), (40, 5)])
def test_bands_take_their_width(n: int, half: int) -> None:
    full = pattern(band(n, half))
    for colour in (column_colours, row_colours, star_colours):
        assert count(colour(full)) == 2 * half + 1


def test_a_grid_is_coloured_by_residues_or_greedily() -> None:
    """Five points on a k by k grid: the offsets 1 and k are apart modulo 5 for k = 12 and 13."""
    for k, colours in ((12, 5), (13, 5), (10, 6)):
        line = sparse.csr_array(band(k, 1))
        one = sparse.eye_array(k, dtype=bool)
        grid = (sparse.kron(line, one) + sparse.kron(one, line)).astype(bool).tocsr()
        found = column_colours(grid)
        assert columns_apart(grid.toarray(), found)
        assert count(found) == colours


def test_a_band_of_a_million_rows_is_quick() -> None:
    n = 1_000_000
    full = sparse.diags_array([1, 1, 1], offsets=[-1, 0, 1], shape=(n, n), dtype=bool).tocsr()
    for colour in (column_colours, star_colours):
        assert colour(full)[:7].tolist() == [0, 1, 2, 0, 1, 2, 0]
        assert count(colour(full)) == 3


@pytest.mark.parametrize("hub", [0, 4, 9])
def test_an_arrow_takes_two_colours_by_symmetry_and_n_without(hub: int) -> None:
    arrow = np.eye(10, dtype=bool)
    arrow[hub, :] = arrow[:, hub] = True
    assert count(star_colours(pattern(arrow))) == 2
    assert count(column_colours(pattern(arrow))) == 10


def test_blocks_take_the_largest_of_them() -> None:
    blocks = sparse.block_diag([np.ones((k, k), dtype=bool) for k in (2, 4, 3)]).toarray()
    assert count(column_colours(pattern(blocks))) == 4
    assert count(star_colours(pattern(blocks))) == 4


def test_full_columns_first_where_the_natural_order_takes_more() -> None:
    """A path a - b - c - d that stands as a, d, b, c: 3 colours from the left, 2 from the full."""
    a, d, b, c = np.eye(4, dtype=bool)
    assert column_colours(pattern([a | b, b | c, c | d])).tolist() == [1, 0, 0, 1]


def test_columns_without_entries_take_no_direction() -> None:
    dense = np.array([[0, 1, 0, 1], [0, 0, 0, 1]], dtype=bool)
    assert column_colours(pattern(dense)).tolist() == [-1, 0, -1, 1]
    assert count(column_colours(pattern(np.zeros((3, 2))))) == 0
    assert count(star_colours(pattern(np.zeros((3, 3))))) == 0
    assert count(row_colours(pattern(np.zeros((0, 2))))) == 0

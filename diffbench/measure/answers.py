"""Answers on their way to the judge: dense arrays whole, sparse ones by their nonzeros."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["is_sparse", "joined", "load", "numeric", "on_pattern", "parts", "save"]

NUMBERS = "biufc"


def is_sparse(answer: Any) -> bool:
    """Whether it is a ``scipy.sparse`` array; scipy is not imported to find out."""
    return type(answer).__module__.startswith("scipy.sparse")


def numeric(answer: Any) -> bool:
    """Whether it is an array of numbers, dense or sparse."""
    known = isinstance(answer, np.ndarray | np.generic) or is_sparse(answer)
    return known and answer.dtype.kind in NUMBERS


def save(answer: Any, path: Path | str) -> None:
    """Write an array: as npy, a sparse one as npz of its parts."""
    with open(path, "wb") as file:
        if is_sparse(answer):
            np.savez(file, **parts(answer))
        else:
            np.save(file, answer)


def load(path: Path | str) -> Any:
    """Read what ``save`` wrote."""
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return found
    with found:
        return joined(found)


def parts(a: Any) -> dict[str, Any]:
    """The arrays that make up a sparse one, by name; none for None."""
    if a is None:
        return {}
    a = a.tocsr()
    shape = np.array(a.shape)
    return {"data": a.data, "indices": a.indices, "indptr": a.indptr, "shape": shape}


def joined(stored: Mapping[str, Any]) -> Any:
    """The sparse array of its parts; None where there are none."""
    if "indptr" not in stored:
        return None
    from scipy import sparse

    arrays = (stored["data"], stored["indices"], stored["indptr"])
    return sparse.csr_array(arrays, shape=tuple(stored["shape"].tolist()))


def on_pattern(answer: Any, pattern: Any) -> tuple[Any, Any]:
    """The entries of a sparse answer at the nonzeros of a pattern, and those anywhere else."""
    places, given = _places(pattern), answer.tocsr()
    given.sum_duplicates()
    at = np.searchsorted(places, _places(given))
    at = np.minimum(at, max(0, places.size - 1))
    known = places[at] == _places(given) if places.size else np.zeros(given.nnz, dtype=np.bool_)
    values = np.zeros(places.size)
    values[at[known]] = given.data[known]
    return values, given.data[~known]


def _places(a: Any) -> Any:
    """The numbers of the nonzeros of a CSR array in C order, ascending."""
    rows = np.repeat(np.arange(a.shape[0], dtype=np.int64), np.diff(a.indptr))
    return rows * a.shape[1] + a.indices

"""Which records count for what: one place for the filters that all pages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, final

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FIRST_ORDER",
    "Cut",
    "answered",
    "cuts",
    "dicts",
    "first_derivative",
    "trusted",
    "unfinished",
]

FIRST_ORDER = ("gradient", "jacobian", "jvp", "vjp")


def dicts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries by column name, numbers as Python's own."""
    return cast("list[dict[str, Any]]", rows.to_dict("records"))


def unfinished(studies: pd.DataFrame, name: str) -> list[str]:
    """Why a study of a run ended early: a sentence for each of its jobs that did."""
    if not len(studies):
        return []
    rows = studies[(studies["study"] == name) & studies["key"].str.startswith("status|")]
    return [f"{row['key'].split('|')[1]}: {row['reason']}" for row in dicts(rows)]


def answered(records: pd.DataFrame) -> pd.DataFrame:
    """Cells that gave an answer, right or wrong."""
    return records[records["status"] == "ok"]


def trusted(records: pd.DataFrame) -> pd.DataFrame:
    """Cells that may win: answered, timed, not wrong, and no negative control."""
    ok = answered(records)
    return ok[(ok["verdict"] != "wrong") & (ok["claim"] != "control") & ok["run_s"].notna()]


def first_derivative(records: pd.DataFrame) -> pd.DataFrame:
    """The full first derivative once: the gradient for m = 1, the Jacobian else."""
    scalar = set(records.loc[_is(records, "gradient") & (records["status"] == "ok"), "instance"])
    gradient = _is(records, "gradient") & records["instance"].isin(scalar)
    return records[gradient | (_is(records, "jacobian") & ~records["instance"].isin(scalar))]


def _is(records: pd.DataFrame, operator: str) -> pd.Series[bool]:
    return records["operator"] == operator


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """One family along one axis, the other sizes held: what a curve is drawn from."""

    family: str
    axis: str  # n, m or depth
    operator: str
    held: str  # "m = 8", empty where nothing else varies
    rows: pd.DataFrame


def cuts(records: pd.DataFrame, axis: str, least: int = 2) -> list[Cut]:
    """The longest cut of each family along ``axis`` with at least ``least`` sizes."""
    found = []
    for family, rows in first_derivative(records).groupby("family", sort=True):
        cut = _cut(str(family), rows, axis, least)
        if cut is not None:
            found.append(cut)
    return found


def _cut(family: str, rows: pd.DataFrame, axis: str, least: int) -> Cut | None:
    # n and m are never mixed in one curve, nor machines; depth may follow n (a product of factors).
    others = [*{"n": ["m"], "m": ["n"], "depth": ["n", "m"]}[axis], "machine"]
    groups = [(key, group) for key, group in rows.groupby(others, sort=True)]
    key, best = max(groups, key=lambda pair: (pair[1][axis].nunique(), pair[0]))
    if best[axis].nunique() < least:
        return None
    varied = [(name, k) for name, k in zip(others, key, strict=True) if rows[name].nunique() > 1]
    held = ", ".join(f"{name} = {k}" for name, k in varied)
    return Cut(family, axis, str(best["operator"].iloc[0]), held, best.sort_values(axis))

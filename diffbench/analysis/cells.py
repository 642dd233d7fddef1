"""Which records count for what: one place for the filters that all pages share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast, final

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FIRST_ORDER",
    "SEPARATOR",
    "Cut",
    "answered",
    "cuts",
    "dicts",
    "first_derivative",
    "slices",
    "spelled",
    "study_rows",
    "trusted",
    "unfinished",
]

FIRST_ORDER = ("gradient", "jacobian", "jvp", "vjp")
SEPARATOR = " ⟂ "  # in the reason of a study's row: between what is right and what is said of it
# n and m are never mixed in one curve; depth may follow n (a product of factors).
HELD = {"n": ["m"], "m": ["n"], "depth": ["n", "m"]}


def dicts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries by column name, numbers as Python's own."""
    return cast("list[dict[str, Any]]", rows.to_dict("records"))


def study_rows(studies: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    """The rows of one study; none where the run does not hold it."""
    return dicts(studies[studies["study"] == name]) if len(studies) else []


def unfinished(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(method, status, reason) of each job of a study that ended early; its own has no method."""
    found = []
    for row in rows:
        kind, status, method = [*row["key"].split("|", 2), "", ""][:3]
        if kind == "status":
            found.append((method, status, row["reason"]))
    return found


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
    """One family along one axis, all else held: what a curve is drawn from."""

    family: str
    axis: str  # n, m or depth
    operator: str
    words: str  # "form = naive": which of a family's variants; empty where it has one
    held: str  # "m = 8": what varies elsewhere in the variant; empty where nothing does
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The family with its words."""
        return f"{self.family}, {self.words}" if self.words else self.family


def cuts(records: pd.DataFrame, axis: str, least: int = 2) -> list[Cut]:
    """The longest cut of each family and set of words along ``axis``, of ``least`` sizes or more.

    Along a cut one numeric parameter of the family varies and no other, so that at each size
    there is one instance.
    """
    found = []
    for family, words, rows in spelled(first_derivative(records)):
        cut = _cut(family, words, rows, axis)
        if cut is not None and cut.rows[axis].nunique() >= least:
            found.append(cut)
    return found


def spelled(records: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(family, words, rows) of each variant: methods of solution, formulas, sources of data."""
    for family, rows in records.groupby("family", sort=True):
        texts = _varied(rows, str)
        for words, variant in rows.groupby(rows["params"].map(texts), sort=True):
            yield str(family), str(words), variant


def slices(
    rows: pd.DataFrame, free: int, by: list[str]
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """(key, rows) of every part of a variant in which at most ``free`` numeric parameters vary.

    A key holds the values of the columns ``by``, then the text of the parameters held.
    """
    names = sorted(_numbers(rows))
    for chosen in combinations(names, min(free, len(names))):
        fixed = rows["params"].map(_varied(rows, int | float, chosen)).rename("fixed")
        for key, part in rows.groupby([*by, fixed], sort=True):
            yield cast("tuple[Any, ...]", key), part


def _numbers(rows: pd.DataFrame) -> set[str]:
    """The numeric parameters that vary."""
    points = [json.loads(text) for text in rows["params"].unique()]
    names = {name for point in points for name, v in point.items() if not isinstance(v, str)}
    return {name for name in names if len({point.get(name) for point in points}) > 1}


def _varied(rows: pd.DataFrame, kind: Any, but: tuple[str, ...] = ()) -> dict[str, str]:
    """For each text of parameters, those of a kind that vary among the rows: ``"form = naive"``."""
    points = {text: json.loads(text) for text in rows["params"].unique()}
    names = {name for point in points.values() for name, v in point.items() if isinstance(v, kind)}
    shown = sorted(
        name for name in names - set(but) if len({p.get(name) for p in points.values()}) > 1
    )
    return {
        text: ", ".join(f"{name} = {p[name]}" for name in shown if name in p)
        for text, p in points.items()
    }


def _cut(family: str, words: str, rows: pd.DataFrame, axis: str) -> Cut | None:
    by = [*HELD[axis], "operator", "machine"]
    key, best = max(slices(rows, 1, by), key=lambda pair: (pair[1][axis].nunique(), pair[0]))
    told = [key[-1]] if key[-1] else []
    for name, value in zip(by, key[:-1], strict=True):
        text = f"{name} = {value}"
        if rows[name].nunique() > 1 and name != "operator" and text not in key[-1].split(", "):
            told.append(text)
    operator = str(best["operator"].iloc[0])
    return Cut(family, axis, operator, words, ", ".join(told), best.sort_values(axis))

"""Who wins a cell, with ties, and the map of winners over n and m."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts, slices, trusted
from diffbench.analysis.ratios import tie
from diffbench.analysis.scaling import kind_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BACKENDS",
    "MODES",
    "Border",
    "Winner",
    "border",
    "grid",
    "mode",
    "mode_winners",
    "race",
    "winner",
    "winners",
]

PLACE = ["instance", "operator"]
COLUMNS = [*PLACE, "family", "n", "m", "depth", "method", "run_s", "run_s_low", "run_s_high"]
BACKENDS = {
    # both modes of one implementation
    "in-house": ("forward", "reverse"),
    "compiled": ("compiled_forward", "compiled_reverse"),
    "jax": ("jax[mode=forward]", "jax[mode=reverse]"),
}
MODES = {
    "forward AD": "forward mode",
    "reverse AD": "reverse mode",
    "numerical": "numerical differentiation",
    "symbolic": "symbolic differentiation",
}


@final
@dataclass(frozen=True, slots=True)
class Winner:
    """The fastest method of one (instance, operator) and those it cannot be told from.

    ``margin`` is the time of the fastest method that is no tie over the winner's (at least 1);
    NaN where there is none.
    """

    instance: str
    family: str
    operator: str
    n: int
    m: int
    depth: int
    method: str
    tied: tuple[str, ...]
    margin: float
    run_s: float

    @property
    def clear(self) -> bool:
        """Whether one method alone wins."""
        return not self.tied


def race(records: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """The cells that compete: trusted ones of methods that need no hand-written derivative.

    With ``exact``, cells with the verdict *degraded* do not compete. Where several machines
    measured an (instance, operator), only the one that measured most of it counts.
    """
    rows = trusted(records)
    rows = _one_machine(rows[rows["category"] != "manual"])
    return rows[rows["verdict"] != "degraded"] if exact else rows


def _one_machine(rows: pd.DataFrame) -> pd.DataFrame:
    if rows["machine"].nunique() < 2:
        return rows
    held = rows.groupby([*PLACE, "machine"]).size().rename("held").reset_index()
    most = held.sort_values(["held", "machine"], ascending=[False, True]).drop_duplicates(PLACE)
    return rows.merge(most[[*PLACE, "machine"]])


def winner(rows: pd.DataFrame) -> Winner | None:
    """Who wins among the records of one (instance, operator); None where none competes."""
    return _first(_runners(rows))


def _runners(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return dicts(rows[COLUMNS].sort_values(["run_s", "method"]))


def _first(runners: list[dict[str, Any]]) -> Winner | None:
    """The winner among runners, the fastest first."""
    if not runners:
        return None
    best, rest = runners[0], runners[1:]
    tied = [r for r in rest if tie(_interval(best), _interval(r))]
    beaten = [r["run_s"] for r in rest if r not in tied]
    return Winner(
        **{key: best[key] for key in COLUMNS[:-2]},
        tied=tuple(r["method"] for r in tied),
        margin=min(beaten) / best["run_s"] if beaten else math.nan,
    )


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    return row["run_s_low"], row["run_s_high"]


def winners(records: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """One row an (instance, operator) in which somebody competes: the fields of Winner, clear."""
    return _best(race(records, exact))


def mode_winners(records: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """As ``winners``, but modes compete by their fastest methods; ``by`` names the winning one."""
    rows = race(records, exact)
    modes = [mode(*pair) for pair in zip(rows["method"], rows["category"], strict=True)]
    rows = rows.assign(by=rows["method"], method=modes).sort_values(["run_s", "by"])
    rows = rows.drop_duplicates([*PLACE, "method"])
    best, keys = _best(rows), [*PLACE, "method"]
    by = dict(zip(rows[keys].itertuples(index=False, name=None), rows["by"], strict=True))
    return best.assign(by=[by[key] for key in best[keys].itertuples(index=False, name=None)])


def mode(method: str, category: str) -> str:
    """How a method differentiates; a tool that picks its mode itself stands for itself."""
    return MODES.get(kind_of(method, category) or category, method)


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _runners(rows):
        groups.setdefault((row["instance"], row["operator"]), []).append(row)
    best = [_first(groups[key]) for key in sorted(groups)]
    made = [{**asdict(w), "clear": w.clear} for w in best if w is not None]
    return pd.DataFrame(made, columns=[*Winner.__dataclass_fields__, "clear"])


@final
@dataclass(frozen=True, slots=True)
class Border:
    """From ``at`` on, measured, nothing beats ``mode``: it is fastest alone or tied for it.

    ``before`` is the largest measured value at which something does (NaN: none), ``by`` counts
    the methods of the mode that are fastest alone, and ``cells`` are all from ``at`` on.
    """

    mode: str
    at: float
    before: float
    cells: int
    alone: int
    by: tuple[tuple[str, int], ...]


def border(rows: pd.DataFrame, values: pd.Series[float]) -> Border | None:
    """The border of the mode that is fastest alone in most cells; None where no mode has one."""
    found = [_border(rows.assign(at=values), name) for name in sorted(set(rows["method"]))]
    held = [b for b in found if b is not None]
    return max(held, key=lambda b: (b.alone, b.cells, b.mode), default=None)


def _border(rows: pd.DataFrame, name: str) -> Border | None:
    beaten = [row["at"] for row in dicts(rows) if name not in (row["method"], *row["tied"])]
    before = float(max(beaten, default=math.nan))
    held = rows if math.isnan(before) else rows[rows["at"] > before]
    alone = held[held["clear"]]
    if held["at"].nunique() < 2 or alone.empty:  # one size is no trend, and a tie no victory
        return None
    by = Counter(alone["by"]).most_common()
    ranked = tuple(sorted(by, key=lambda pair: (-pair[1], pair[0])))
    return Border(name, float(held["at"].min()), before, len(held), len(alone), ranked)


def grid(rows: pd.DataFrame) -> pd.DataFrame:
    """The records of a variant on its best filled grid of n and m; empty where none is a map.

    A grid has at least 2 by 3 sizes, and two cells or more in each of its rows and columns.
    """
    parts = [_filled(part) for _, part in slices(rows, 2, ["depth", "machine"])]
    return max(parts, key=lambda part: part["instance"].nunique(), default=rows.iloc[:0])


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    while len(rows):
        lonely = [
            rows[axis].map(rows.groupby(axis)[other].nunique()) < 2
            for axis, other in (("n", "m"), ("m", "n"))
        ]
        if not (lonely[0] | lonely[1]).any():
            break
        rows = rows[~(lonely[0] | lonely[1])]
    wide = max(rows["n"].nunique(), rows["m"].nunique()) >= 3
    return rows if wide else rows.iloc[:0]

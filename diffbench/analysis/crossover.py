"""Who wins a cell, with ties, and the map of winners over n and m."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts, trusted
from diffbench.analysis.ratios import tie

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Winner", "race", "winner", "winners"]

COLUMNS = ["instance", "family", "operator", "n", "m", "depth", "method"]
COLUMNS += ["run_s", "run_s_low", "run_s_high"]


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
    place = ["instance", "operator"]
    held = rows.groupby([*place, "machine"]).size().rename("held").reset_index()
    most = held.sort_values(["held", "machine"], ascending=[False, True]).drop_duplicates(place)
    return rows.merge(most[[*place, "machine"]])


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
        **{key: best[key] for key in COLUMNS[:8]},
        tied=tuple(r["method"] for r in tied),
        margin=min(beaten) / best["run_s"] if beaten else math.nan,
    )


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    return row["run_s_low"], row["run_s_high"]


def winners(records: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """One row an (instance, operator) in which somebody competes: the fields of Winner, clear."""
    import pandas as pd

    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _runners(race(records, exact)):
        groups.setdefault((row["instance"], row["operator"]), []).append(row)
    best = [_first(groups[key]) for key in sorted(groups)]
    rows = [{**asdict(w), "clear": w.clear} for w in best if w is not None]
    return pd.DataFrame(rows, columns=[*Winner.__dataclass_fields__, "clear"])

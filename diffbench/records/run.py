"""A run, read-only: its records, samples and studies as pandas frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from diffbench.errors import RunError
from diffbench.records.export import exported, read_csv
from diffbench.records.store import TABLES, held, read, reading

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ENVIRONMENT",
    "EXECUTOR",
    "EXPORTS",
    "FORMATS",
    "PLAN",
    "REPORT",
    "REPORTS",
    "TWO_EXPORTS",
    "TWO_RUNS",
    "Run",
    "load",
]

PLAN = "plan.json"
ENVIRONMENT = "environment.json"
REPORT = "report.html"
# By edition; each stands beside the others. What a report of two runs is called has no edition.
REPORTS = {"all": REPORT, "course": "report-course.html", "engineer": "report-engineer.html"}
TWO_RUNS = "two-runs.html"
# The folders of the other formats likewise; each format is in a folder of its name there.
EXPORTS = {"all": "export", "course": "export-course", "engineer": "export-engineer"}
TWO_EXPORTS = "export-two-runs"
FORMATS = ("html", "csv", "parquet", "latex", "markdown", "svg")
EXECUTOR = "executor"  # in the table meta: local, or that of a cluster
FAULTS = (
    "SELECT instance, operator, method FROM records WHERE verdict = 'wrong' AND claim = 'exact' "
    "AND (category = 'manual' OR library = 'diffbench')"
)


@final
@dataclass(frozen=True)
class Run:
    """One run folder. Columns are the fields of Record, Sample and StudyRow."""

    folder: Path

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a cell."""
        return _frame(self.folder, "records")

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a timed sample, with the cell it belongs to."""
        return _frame(self.folder, "samples")

    @cached_property
    def studies(self) -> pd.DataFrame:
        """The flat rows of all studies."""
        return _frame(self.folder, "studies")

    def counts(self, *names: str) -> dict[tuple[Any, ...], int]:
        """How many records have each combination of these fields, the most first."""
        fields = ", ".join(f'"{name}"' for name in names)
        with reading(self.folder) as db:
            rows = db.execute(
                f'SELECT {fields}, COUNT(*) AS cells FROM "records" GROUP BY {fields} '
                f"ORDER BY cells DESC, {fields}"
            ).fetchall()
        return {row[:-1]: row[-1] for row in rows}

    @cached_property
    def faults(self) -> list[str]:
        """Cells in which a hand-written or in-house derivative is wrong and its family says no why.

        Each is a mistake of ours.
        """
        with reading(self.folder) as db:
            excused = " AND expected = ''" if "expected" in held(db, "records") else ""
            rows = db.execute(f"{FAULTS}{excused} ORDER BY rowid").fetchall()
        return [" ".join(row) for row in rows]

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What was asked for."""
        return _json(self.folder / PLAN)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """The machine and the software."""
        return _json(self.folder / ENVIRONMENT)


def load(path: str | Path) -> Run:
    """The run in a folder, of its database or of its CSV files where these were exported alone.

    Raises RunError where there is none or it cannot be read.
    """
    folder = Path(path)
    if not exported(folder):
        read(folder, "meta")
    return Run(folder)


def _frame(folder: Path, table: str) -> pd.DataFrame:
    """Numbers are numbers: whole ones without gaps int64, else float64 with NaN for None.

    A field that came later than the run is empty in every row.
    """
    import pandas as pd

    names, rows = (read_csv if exported(folder) else read)(folder, table)
    fields, _ = TABLES[table]
    made = {}
    for i, name in enumerate(names):
        column = [row[i] for row in rows]
        kind = fields.get(name, str)
        if kind is not str:
            whole = kind is int and None not in column
            made[name] = pd.Series(column, dtype="int64" if whole else "float64")
        else:
            made[name] = pd.Series(column, dtype=object)
    for name in fields.keys() - set(names):
        made[name] = pd.Series("" if fields[name] is str else float("nan"), index=range(len(rows)))
    return pd.DataFrame(made, columns=[*names, *(n for n in fields if n not in names)])


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} is not readable: {error}; move it away, and the records can still be read, "
            f"though the run cannot go on"
        ) from error
    if not isinstance(found, dict):
        raise RunError(f"{path} holds no table of facts")
    return found

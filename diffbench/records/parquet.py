"""Parquet files of a run: whole numbers stay whole where some are missing, texts are texts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.errors import RunError
from diffbench.records.store import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["parquet"]

DTYPES: dict[type, str] = {int: "Int64", float: "float64", str: "string"}
WHOLE = "int64"  # of integers without a gap
NAMES = ("records", "samples", "studies")


def parquet(run: Run, into: Path) -> list[Path]:
    """Write one file a table; the paths written. Raises RunError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise RunError("Parquet needs pyarrow; type: pip install 'diffbench[parquet]'")
    return [_write(getattr(run, name), name, into / f"{name}.parquet") for name in NAMES]


def _write(frame: pd.DataFrame, table: str, path: Path) -> Path:
    fields, _ = TABLES[table]
    kinds: dict[str, Any] = {name: DTYPES[fields[name]] for name in frame.columns}
    whole = {name: WHOLE for name, kind in frame.dtypes.items() if kind == WHOLE}
    frame.astype({**kinds, **whole}).to_parquet(path, engine="pyarrow", index=False)
    return path

"""The study of error against step size, read back from its flat rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HALF_DECADE", "envelope", "errors", "schemes", "summary"]

HALF_DECADE = 10**0.5


def errors(studies: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Columns h and error of one scheme, by growing h."""
    import pandas as pd

    rows = _rows(studies)
    prefix = f"{scheme}|"
    mine = rows[rows["key"].str.startswith(prefix)]
    h = mine["key"].str.removeprefix(prefix).astype(float)
    found = pd.DataFrame({"h": h.to_numpy(), "error": mine["value"].astype(float).to_numpy()})
    return found.dropna().sort_values("h", ignore_index=True)


def _rows(studies: pd.DataFrame) -> pd.DataFrame:
    return studies[studies["study"] == "step_size"] if len(studies) else studies


def schemes(studies: pd.DataFrame) -> list[str]:
    """The schemes whose errors the study holds: those whose keys end in a step."""
    rows = _rows(studies)
    if not len(rows):
        return []
    parts = rows["key"].str.partition("|")
    return sorted(
        {str(scheme) for scheme, step in zip(parts[0], parts[2], strict=True) if _step(step)}
    )


def _step(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def envelope(rows: pd.DataFrame) -> list[float]:
    """The largest error within half a decade of each step: what one can rely on."""
    h, error = rows["h"].to_numpy(), rows["error"].to_numpy()
    low = h.searchsorted(h / HALF_DECADE, "left")
    high = h.searchsorted(h * HALF_DECADE, "right")
    return [float(error[a:b].max()) for a, b in zip(low, high, strict=True)]


def summary(studies: pd.DataFrame, name: str, scheme: str) -> tuple[float, float, float, str]:
    """(value, low, high, unit) of a summary row, NaN where the study has none."""
    rows = _rows(studies)
    found = rows[rows["key"] == f"{name}|{scheme}"] if len(rows) else rows
    if not len(found):
        return float("nan"), float("nan"), float("nan"), ""
    row = found.iloc[0]
    value, low, high = (
        float("nan") if row[key] is None else float(row[key]) for key in ("value", "low", "high")
    )
    return value, low, high, str(row["unit"])

"""Peak resident memory of one call: ``VmHWM`` during it less ``VmRSS`` before it (Linux only).

Writing 5 to ``/proc/self/clear_refs`` sets the high-water mark back to the present size. Memory
that the allocator keeps from earlier calls is handed back first: it would hide what is used anew.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["LEAST_BYTES", "peak_bytes"]

LEAST_BYTES = 2**20  # below this, pages and caches of the allocator are all that shows
CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


def _status(field: str) -> int:
    """A size of this process in bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in {STATUS}")


def _trim() -> None:
    """Hand free memory back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset() -> int | None:
    """The resident size now, with the high-water mark set to it; None where there is no such."""
    try:
        _trim()
        CLEAR.write_text("5")
        return _status("VmRSS")
    except OSError:
        return None


def peak_bytes(call: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, int | None]:
    """``call(*args)`` and the peak resident bytes above those before it.

    None under 1 MiB and where the system does not tell.
    """
    before = _reset()
    out = call(*args)
    if before is None:
        return out, None
    peak = _status("VmHWM") - before
    return out, peak if peak >= LEAST_BYTES else None

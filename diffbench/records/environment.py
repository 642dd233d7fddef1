"""The machine and the software that a run was made with: facts, never persons.

Versions are read from the installed packages' metadata; nothing is imported for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffbench import __version__
from diffbench.running.platform import THREADS, affinity, memory_bytes

__all__ = ["changes", "environment", "machine_id"]

PACKAGES = (
    "numpy",
    "scipy",
    "sympy",
    "jax",
    "jaxlib",
    "autograd",
    "python-flint",
    "pandas",
    "llvmlite",
    "torch",
    "casadi",
)
SOFTWARE = ("python", "implementation", "compiler", "diffbench", "kernel", "blas")
SETTINGS = ("affinity", "governor")
IDENTITY = ("system", "architecture", "cpu", "cpus", "memory_gib")
CPU = Path("/sys/devices/system/cpu")


def environment() -> dict[str, Any]:
    """All facts, in an order to read them."""
    facts = {**_machine(), **_software()}
    return {"machine": machine_id(facts), **facts}


def machine_id(facts: dict[str, Any]) -> str:
    """The same for machines that cannot be told apart by what matters to a time; no names in it."""
    text = json.dumps([facts.get(name) for name in IDENTITY])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What may move a time and is not the same in two environments: ``numpy 2.1 → 2.2``."""
    old, new = dict(_movers(before)), dict(_movers(after))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [f"{name} {_said(old.get(name))} → {_said(new.get(name))}" for name in names]


def _movers(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The facts that two runs should share, by name."""
    yield from ((name, facts.get(name)) for name in (*SOFTWARE, *SETTINGS))
    for table in ("packages", "threads"):
        yield from facts.get(table, {}).items()


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def _machine() -> dict[str, Any]:
    memory = memory_bytes()
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "affinity": affinity(),
        "caches": _caches(),
        "governor": _text(CPU / "cpu0/cpufreq/scaling_governor"),
        "memory_gib": round(memory / 2**30) if memory else None,
        "load": _load(),
    }


def _software() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "diffbench": __version__,
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "blas": _blas(),
        "threads": dict(THREADS),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _blas() -> str | None:
    """The library that numpy's wheel brings, by its file name."""
    try:
        files = importlib.metadata.files("numpy") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [file.name for file in files if "blas" in file.name and ".libs" in str(file)]
    return found[0] if found else None


def _cpu_model() -> str:
    text = _text(Path("/proc/cpuinfo")) or ""
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _caches() -> dict[str, str]:
    """Size by level and type, of the first processor."""
    found = {}
    for folder in sorted((CPU / "cpu0/cache").glob("index*")):
        level, kind, size = (_text(folder / name) for name in ("level", "type", "size"))
        if level and kind and size:
            found[f"L{level} {kind.lower()}"] = size
    return found


def _load() -> list[float] | None:
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except OSError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None

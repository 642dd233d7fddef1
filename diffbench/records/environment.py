"""The machine and the software that a run was made with: facts, never persons.

Versions are read from the installed packages' metadata; nothing is imported for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from diffbench import __version__
from diffbench.running.platform import THREADS, affinity, memory_bytes

__all__ = [
    "MIXED",
    "SAME",
    "changed",
    "changes",
    "differences",
    "environment",
    "lasting",
    "machine_id",
    "parts",
    "together",
]

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
IDENTITY = ("system", "architecture", "cpu", "cpus", "memory_gib")
CPU = Path("/sys/devices/system/cpu")
MIXED, PARTS = "mixed", "parts"
OF_ONE_START = ("workers", "spent", "machines", "refused")


def _itself(fact: Any) -> Any:
    return fact


def _count(fact: Any) -> Any:
    return len(fact or ())


# What must be the same for numbers to stand in one run, and as what each is compared: which
# processors a process may use, and how busy the machine was, differ from one start to the next.
SAME: Mapping[str, Callable[[Any], Any]] = {
    "system": _itself,
    "kernel": _itself,
    "architecture": _itself,
    "cpu": _itself,
    "cpus": _itself,
    "affinity": _count,
    "caches": _itself,
    "governor": _itself,
    "memory_gib": _itself,
    "python": _itself,
    "implementation": _itself,
    "compiler": _itself,
    "diffbench": _itself,
    "packages": _itself,
    "blas": _itself,
    "threads": _itself,
}


def environment() -> dict[str, Any]:
    """All facts, in an order to read them."""
    facts = {**_machine(), **_software()}
    return {"machine": machine_id(facts), **facts}


def machine_id(facts: dict[str, Any]) -> str:
    """The same for machines that cannot be told apart by what matters to a time; no names in it."""
    text = json.dumps([facts.get(name) for name in IDENTITY])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# --- several environments -------------------------------------------------------------------------


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two environments differ by, of what SAME names: ``packages.numpy 2.1 → 2.2``."""
    return [f"{name} {was} → {found}" for name, was, found in changed(before, now)]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The same as a refusal puts it: ``packages.numpy 2.2, not 2.1``."""
    return [f"{name} {found}, not {was}" for name, was, found in changed(before, now)]


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, what it was, what it is) of each such fact."""
    was, found = dict(_compared(before)), dict(_compared(now))
    for name in dict.fromkeys([*was, *found]):
        if was.get(name) != found.get(name):
            yield name, _said(was.get(name)), _said(found.get(name))


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _compared(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, read in SAME.items():
        fact = read(facts.get(name))
        if isinstance(fact, Mapping):
            yield from ((f"{name}.{key}", value) for key, value in fact.items())
        else:
            yield name, fact


def lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is of one start of a run: its processes, and where their time went."""
    return {name: fact for name, fact in facts.items() if name not in OF_ONE_START}


def parts(facts: Mapping[str, Any], name: str) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """(names of what was measured so, environment) for each environment of a run.

    A run that is not mixed has the one, and goes by the ``name`` given.
    """
    if not facts.get(MIXED):
        yield [name], dict(facts)
        return
    for part in facts[PARTS].values():
        yield list(part["runs"]), {key: value for key, value in part.items() if key != "runs"}


def together(found: Iterable[tuple[Iterable[str], Mapping[str, Any]]]) -> dict[str, Any]:
    """One environment of several: itself where it is the same, else marked as mixed.

    A mixed one holds what all have in common, and each that differs, with the names of what was
    measured so.
    """
    kinds: list[tuple[list[str], Mapping[str, Any]]] = []
    for names, facts in found:
        known = next((kind for kind in kinds if not differences(kind[1], facts)), None)
        if known is None:
            kinds.append((list(names), facts))
        else:
            known[0].extend(names)
    first = dict(kinds[0][1])
    if len(kinds) == 1:
        return first
    common = {k: v for k, v in first.items() if all(facts.get(k) == v for _, facts in kinds)}
    each = {f"{i}": {"runs": names, **facts} for i, (names, facts) in enumerate(kinds, 1)}
    return {MIXED: True, **common, PARTS: each}


# --- facts ----------------------------------------------------------------------------------------


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

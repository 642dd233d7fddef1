"""LLVM text to addresses in memory, for this processor."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["Loaded", "loaded"]

_LOCK = threading.Lock()


class Loaded(NamedTuple):
    """Machine code in memory: the addresses of its functions, alive while ``owner`` is."""

    owner: Any
    addresses: dict[str, int]


@functools.cache
def _host() -> tuple[Any, dict[str, Any]]:
    """LLVM's idea of this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    kind = {"cpu": llvm.get_host_cpu_name(), "features": features, "jit": True}
    return llvm.Target.from_default_triple(), kind


def _target(level: int) -> Any:
    """A code generator; the engine that it is given to owns it."""
    target, kind = _host()
    return target.create_target_machine(opt=level, reloc="pic", codemodel="jitdefault", **kind)


def loaded(text: str, names: Iterable[str], level: int = 2) -> Loaded:
    """The module's functions of those names, ready to be called."""
    import llvmlite.binding as llvm

    with _LOCK:
        machine = _target(level)
        module = llvm.parse_assembly(text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return Loaded(engine, {name: engine.get_function_address(name) for name in names})

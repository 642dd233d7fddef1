"""A program as LLVM functions: the stored values in order, cut where a function grows too long.

LLVM's time grows faster than a function's length, so a long program becomes several functions;
scalars that one leaves for another go through the workspace. Each returns 0, or 1 where the
path that was recorded is not the one to take, or 2 where numpy raised an error.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, final

import numpy as np

from diffbench.ad.native import lanes, tasks
from diffbench.ad.native.buffers import ITEM, used_by
from diffbench.ad.native.layout import Layout, laid_out
from diffbench.ad.native.nests import Affine, Nests
from diffbench.ad.native.program import LEAVES, Node, Program
from diffbench.ad.native.writer import Code, Value, at_address
from diffbench.ad.rules import RULES

__all__ = ["OTHER_PATH", "RAISED", "Written", "api_address", "written"]

MOST_TASKS = 600  # stored values in one function
OTHER_PATH, RAISED = 1, 2
DTYPES = {"f": np.float64, "i": np.int64, "b": np.bool_}


class Written(NamedTuple):
    """The text of the functions, their names, the workspace, and what must stay alive."""

    text: list[str]
    declared: set[str]
    names: list[str]
    signature: str
    space: Any
    alive: list[Any]
    bytes: int
    entries: int  # of all that is stored: what the code works on
    interrupted: bool  # it calls numpy, which may let another thread run


def written(program: Program, arrays: list[Any]) -> Written:
    """The functions that compute a program; ``arrays`` are its static arrays."""
    return _Writer(program, arrays).written()


@final
class _Writer:
    def __init__(self, program: Program, arrays: list[Any]) -> None:
        self.program = program
        self.layout: Layout = laid_out(program)
        self.arrays = arrays
        self.alive: list[Any] = [arrays]
        self.conditions = dict(program.guards)
        inputs = "".join(f", ptr %in{i}" for i in range(len(program.inputs)))
        self.signature = f"ptr %space, ptr %out{inputs}"

    def written(self) -> Written:
        parts = self._parts()
        self._hand_over(parts)
        self.space = np.zeros(-(-self.layout.space // 8) + 1)
        texts, declared = [], set[str]()
        for number, part in enumerate(parts):
            code = Code("t")
            texts.append(self._function(number, part, code))
            declared |= code.declared
        names = [f"part{i}" for i in range(len(parts))]
        out = self.program.output.size * ITEM[self.program.output.kind]
        return Written(
            texts,
            declared,
            names,
            self.signature,
            self.space,
            self.alive,
            self.layout.space + out,
            sum(node.size for node in self.layout.tasks),
            any(node.op == "python" for node in self.layout.tasks),
        )

    def _parts(self) -> list[list[Node]]:
        tasks = self.layout.tasks
        return [tasks[i : i + MOST_TASKS] for i in range(0, len(tasks), MOST_TASKS)]

    def _hand_over(self, parts: list[list[Node]]) -> None:
        """Give those scalars an address that another function or numpy reads."""
        home = {n.index: i for i, part in enumerate(parts) for n in part}
        for i, part in enumerate(parts):
            for node in part:
                for a in used_by(self.layout, node):
                    away = home.get(a.index, i) != i or node.op == "python"
                    if a.size == 1 and away and a.op not in LEAVES and not self.layout.stored(a):
                        self.layout.slot(a)
        if self.program.output.size == 1:
            self.layout.slots.pop(self.program.output.index, None)

    # --- one function --------------------------------------------------------------------------

    def _function(self, number: int, part: list[Node], code: Code) -> str:
        bases: dict[int, str] = {}

        def base(node: Node) -> str:
            if node.index not in bases:
                bases[node.index] = self._base(code, node)
            return bases[node.index]

        nests = Nests(code, self.layout, base)
        nests.elsewhere = set(self.layout.slots) - {node.index for node in part}
        wrong: list[Value] = []
        for node in part:
            if node.op == "python":
                self._python(code, node)
            else:
                tasks.write(nests, node)
            self._leave(nests, node)
            if node in self.conditions:
                value = nests.value(node, (Affine(0),) * len(node.shape))
                wrong.append(self._differs(code, value, self.conditions[node]))
        body = "\n".join(code.levels[0])
        return (
            f"define internal i32 @part{number}({self.signature}) {{\n{body}\n"
            f"{self._verdict(code, wrong)}}}\n"
        )

    def _base(self, code: Code, node: Node) -> str:
        memory = self.layout.memory.get(node.index)
        if memory is None:
            return self._at_offset(code, "%space", self.layout.slots[node.index], node)
        if memory.base == "input":
            return f"%in{memory.place}"
        if memory.base == "output":
            return self._at_offset(code, "%out", memory.place, node)
        if memory.base == "array":
            return f"inttoptr (i64 {self.arrays[memory.place].ctypes.data} to ptr)"
        return self._at_offset(code, "%space", memory.place, node)

    def _at_offset(self, code: Code, base: str, offset: int, node: Node) -> str:
        name = f"%b{node.index}"
        code.line(f"{name} = getelementptr i8, ptr {base}, i64 {offset}", 0)
        return name

    def _leave(self, nests: Nests, node: Node) -> None:
        """Put a scalar where others look for it: into its slot, or into the output."""
        if node.size != 1 or node.op == "python":
            return
        target = None
        if node is self.program.output:
            target = "%out"
        elif node.index in self.layout.slots:
            target = self._at_offset(nests.code, "%space", self.layout.slots[node.index], node)
        if target:
            value = nests.value(node, (Affine(0),) * len(node.shape))
            nests.store(target, Affine(0), value, node.kind, 0)

    def _differs(self, code: Code, value: Value, outcome: bool) -> Value:
        truth = lanes.truth(code, value)
        return lanes.entry(code, "logical_not", [truth]) if outcome else truth

    def _verdict(self, code: Code, wrong: list[Value]) -> str:
        if not wrong:
            return "  ret i32 0\n"
        lines, total = [], wrong[0].text
        for i, value in enumerate(wrong[1:]):
            lines.append(f"  %w{i} = or i1 {total}, {value.text}")
            total = f"%w{i}"
        lines += [f"  %code = zext i1 {total} to i32", "  ret i32 %code", ""]
        return "\n".join(lines)

    # --- numpy's own functions -------------------------------------------------------------------

    def _python(self, code: Code, node: Node) -> None:
        """A call of numpy on views of the workspace; an exception ends the program."""
        call = self._closure(node)
        self.alive.append(call)
        made, tag = code.fresh(), code.fresh()[1:]
        run, drop = api_address("PyObject_CallNoArgs"), api_address("Py_DecRef")
        for text in (
            f"  {made} = call ptr {at_address(run)}(ptr {at_address(id(call))})",
            f"  {made}n = icmp eq ptr {made}, null",
            f"  br i1 {made}n, label %X{tag}, label %Y{tag}",
            f"X{tag}:",
            f"  ret i32 {RAISED}",
            f"Y{tag}:",
            f"  call void {at_address(drop)}(ptr {made})",
        ):
            code.levels[0].append(text)

    def _closure(self, node: Node) -> Callable[[], None]:
        kernel, params = RULES[node.params.name].numpy, node.params.params
        args = [self._seen(a) for a in node.args]
        target = self._at(self.layout.memory[node.index].place, node)

        def call() -> None:
            with np.errstate(all="ignore"):
                target[...] = kernel(*args, *params)

        return call

    def _seen(self, a: Node) -> Any:
        """An operand as numpy sees it."""
        if a.op == "number":
            return a.params[1] if a.size == 1 else np.full(a.shape, a.params[1])
        memory = self.layout.memory.get(a.index)
        if memory is None:
            return self._at(self.layout.slots[a.index], a)
        if memory.base == "array":
            return self.arrays[memory.place]
        return self._at(memory.place, a)

    def _at(self, offset: int, node: Node) -> Any:
        dtype = DTYPES[node.kind]
        count = node.size * np.dtype(dtype).itemsize
        raw = self.space.view(np.uint8)[offset : offset + count]
        return raw.view(dtype).reshape(node.shape)


def api_address(name: str) -> int:
    """Where a function of Python's C interface stands."""
    found = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert found is not None
    return found

"""The derivative program of a trace: straight-line Python, the values and then the adjoints.

Every line is a line of the trace table, so the program gives the table's numbers to the last bit.
Readable derivative code is what source transformation gives: van Merriënboer, Moldovan and
Wiltschko, Tangent, 2018.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

from diffbench.ad.rules import ENTRYWISE, RULES
from diffbench.problem import Instance
from diffbench.traces import BAR, TraceRow, assigned, rows

__all__ = ["program"]

VARIABLE = re.compile(f"\\bv({BAR}?)(-?)([0-9]+)")  # v-1 is one; v1 - v0 has blanks
CALLED = re.compile(r"\b([a-z]\w*)\(")
CONSTANTS = re.compile(r"\b(?:inf|nan|pi)\b")
MODULES = ("numpy", "scipy.special")  # where a reader knows the functions from


def program(instance: Instance) -> str:
    """The source of ``gradient(x1, ...)``, or ``jacobian`` with one tuple an output.

    Inputs are numbers, v-1 is called vm1 and its adjoint vm1_bar. Raises BadSize where the trace
    is too long for a table.
    """
    table = rows(instance, "reverse")
    name = "gradient" if instance.scalar else "jacobian"
    inputs = ", ".join(f"x{i + 1}" for i in range(instance.n))
    body = [f"def {name}({inputs}):", *_values(instance.n, table), *_sweeps(instance, table)]
    return "\n".join([*_imports("\n".join(body)), "", "", *body, ""])


def _python(text: str) -> str:
    return VARIABLE.sub(lambda v: f"v{'m' * bool(v[2])}{v[3]}{'_bar' * bool(v[1])}", text)


def _values(n: int, table: list[TraceRow]) -> Iterator[str]:
    for i, row in enumerate(row for row in table if row.role == "primal"):
        yield _line(row.name, "=", f"float64({row.equation})" if i < n else row.equation)


def _line(name: str, sign: str, equation: str) -> str:
    return f"    {_python(name)} {sign} {_python(equation)}"


def _sweeps(instance: Instance, table: list[TraceRow]) -> Iterator[str]:
    """One sweep back an output; what no sweep reaches has the derivative 0."""
    answers = []
    for k in range(instance.m):
        role = "adjoint" if instance.scalar else f"adjoint of y{k + 1}"
        sweep = [row for row in table if row.role == role]
        for row in sweep:
            seed = row.edge is None
            yield _line(row.name, *(("=", "1.0") if seed else assigned(row)))
        reached = {row.name for row in sweep}
        names = [f"v{BAR}{i + 1 - instance.n}" for i in range(instance.n)]
        entries = ", ".join(_python(v) if v in reached else "0.0" for v in names)
        answers.append(f"({entries}{',' * (instance.n == 1)})")
        if not instance.scalar:
            yield f"    y{k + 1}_x = {answers[-1]}"
            answers[-1] = f"y{k + 1}_x"
    yield f"    return {answers[0] if instance.scalar else '[' + ', '.join(answers) + ']'}"


def _imports(body: str) -> Iterator[str]:
    """Where each name comes from: what numpy and scipy lack is taken from the rule table."""
    called = sorted(set(CALLED.findall(body)) & set(ENTRYWISE))
    known = {name: _module(name) for name in called}
    known |= {name: "numpy" for name in (*CONSTANTS.findall(body), "float64")}
    for module in MODULES:
        names = sorted(name for name, home in known.items() if home == module)
        if names:
            yield f"from {module} import {', '.join(names)}"
    ours = [name for name, home in known.items() if not home]
    if ours:
        yield "from diffbench.ad.rules import RULES"
        yield from ("", *(f'{name} = RULES["{name}"].numpy' for name in ours))


def _module(name: str) -> str:
    """The module whose function of that name is the table's; empty where there is none."""
    function = RULES[name].numpy
    homes = (m for m in MODULES if getattr(importlib.import_module(m), name, None) is function)
    return next(homes, "")

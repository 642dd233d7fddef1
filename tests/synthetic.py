"""A realistic run without running anything: about 1700 records from cost and error models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.analysis.cells import dicts
from diffbench.operators import OPERATORS
from diffbench.records.record import Record, Sample
from diffbench.records.run import ENVIRONMENT, PLAN
from diffbench.records.store import RECORD, SAMPLE_KEY, STUDY, Store
from diffbench.registry import discover
from diffbench.study import StudyRow

EVIL_METHOD = "<script>alert(1)</script>"
EVIL_REASON = '"><img src=x onerror=alert(1)>'


@dataclass(frozen=True)
class SyntheticRun:
    """What diffbench.records.run.Run offers, from numbers made up here."""

    records: pd.DataFrame
    samples: pd.DataFrame
    studies: pd.DataFrame
    environment: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path("runs/synthetic")


@dataclass(frozen=True)
class Tool:
    """A made-up method: time = floor + factor * primal * passes, and its relative error."""

    name: str
    category: str
    claim: str
    passes: str  # which count multiplies the primal: one, n, m, n+1, 2n
    factor: float
    floor: float
    error: float


TOOLS = (
    Tool("zero", "control", "control", "none", 0.0, 4e-7, 1.0),
    Tool("manual", "manual", "exact", "one", 1.4, 1e-6, 1e-16),
    Tool("finite_difference[scheme=forward]", "numerical", "approximate", "n+1", 1.0, 2e-6, 3e-8),
    Tool("finite_difference[scheme=central]", "numerical", "approximate", "2n", 1.0, 2e-6, 2e-11),
    Tool("complex_step", "numerical", "exact", "n", 2.1, 2e-6, 1e-16),
    Tool("symbolic[cse=no]", "symbolic", "exact", "tree", 1.0, 2e-6, 2e-16),
    Tool("symbolic[cse=yes]", "symbolic", "exact", "one", 3.0, 2e-6, 2e-16),
    Tool("forward", "forward AD", "exact", "n", 2.5, 3e-5, 1e-16),
    Tool("reverse", "reverse AD", "exact", "m", 6.0, 4e-5, 1e-16),
    Tool("autograd", "reverse AD", "exact", "m", 9.0, 9e-5, 2e-16),
    Tool("jax[mode=reverse]", "AD", "exact", "m", 1.5, 1.2e-5, 4e-16),
    Tool("jax[mode=forward]", "AD", "exact", "n", 1.2, 1.2e-5, 4e-16),
)
FEW = tuple(  # one of each kind, for tests to which numbers of methods do not matter
    tool for tool in TOOLS if tool.name in ("manual", "forward", "reverse", "autograd")
)
LIBRARIES = {"forward": "diffbench", "reverse": "diffbench", "autograd": "autograd", "jax": "jax"}
ROUNDS = 4
TREE_OPS = {2: 2, 3: 21, 4: 82, 5: 264, 6: 768, 7: 2096, 8: 5472}
LADDER = (2, 8, 32, 128, 512, 2048)


def sizes() -> Iterator[tuple[str, dict[str, int], int, int, int]]:
    """(family, params, n, m, depth) of every instance."""
    for family in ("helmholtz", "lecture", "mlp", "rosenbrock", "speelpenning"):
        for n in LADDER:
            yield family, {"n": n}, n, 1, n if family == "speelpenning" else 1
    for depth in TREE_OPS:
        yield "logistic", {"depth": depth}, 1, 1, depth
    for m in LADDER:
        yield "chebyshev", {"m": m}, 1, m, m
    for n in (4, 16, 64, 256, 1024):
        for m in (4, 16, 64, 256, 1024):
            yield "affine_tanh", {"m": m, "n": n}, n, m, 1


def _passes(kind: str, n: int, m: int, depth: int) -> float:
    tree = TREE_OPS.get(depth, 4 * n) / 8.0
    return {"none": 0.0, "one": 1.0, "n": n, "m": m, "n+1": n + 1.0, "2n": 2.0 * n, "tree": tree}[
        kind
    ]


def _base(
    tool: Tool, family: str, params: dict[str, int], n: int, m: int, depth: int
) -> dict[str, Any]:
    instance = f"{family}[{','.join(f'{k}={v}' for k, v in sorted(params.items()))}]"
    return {
        "run": "synthetic",
        "machine": "a machine that is not there",
        "generation": 1,
        "family": family,
        "instance": instance,
        "params": json.dumps(params),
        "n": n,
        "m": m,
        "depth": depth,
        "seed": 0,
        "method": tool.name,
        "category": tool.category,
        "library": LIBRARIES.get(tool.name.partition("[")[0], ""),
        "claim": tool.claim,
        "command": f"diffbench run --problems '{instance}' --methods '{tool.name}'",
    }


def _why_not(tool: Tool, operator: str, n: int, m: int) -> str:
    if OPERATORS[operator].scalar_only and m > 1:
        return f"{operator} needs a scalar function; m = {m}"
    if tool.name.startswith("symbolic") and n * m > 128:
        return f"symbolic: n m <= 128 keeps the derivation under a minute, got {n * m}"
    if tool.name == "complex_step" and OPERATORS[operator].order == 2:
        return "complex_step: no second order, its derivative is not holomorphic"
    return ""


def _times(tool: Tool, work: float, passes: float, rng: np.random.Generator) -> dict[str, Any]:
    primal = 1.5e-6 + 1e-9 * work
    run = (tool.floor + tool.factor * passes * primal) * math.exp(rng.normal(0, 0.03))
    wide = 0.04 * math.exp(rng.normal(0, 0.3))
    ratio = run / primal
    return {
        "prepare_s": 0.3 if tool.name.startswith(("jax", "symbolic")) else 2e-5,
        "first_call_s": run * 1.6,
        "run_s": run,
        "run_s_low": run * (1 - wide),
        "run_s_high": run * (1 + wide),
        "samples": 12,
        "loops": max(1, round(1e-3 / run)),
        "empty_call_s": 6e-8,
        "ratio_own_primal": ratio,
        "ratio_own_primal_low": ratio * (1 - wide),
        "ratio_own_primal_high": ratio * (1 + wide),
        "ratio_numpy_primal": ratio * 1.01,
        "ratio_numpy_primal_low": ratio * 1.01 * (1 - wide),
        "ratio_numpy_primal_high": ratio * 1.01 * (1 + wide),
        "warnings": "interval wider than 10 %" if wide > 0.05 else "",
    }


def _error(tool: Tool, operator: str, depth: int, rng: np.random.Generator) -> dict[str, Any]:
    error = 1e-16 if operator == "value" and tool.claim != "control" else tool.error
    error *= 1.0 if tool.claim == "control" else math.exp(rng.normal(0, 0.6)) * (1 + depth / 50)
    verdict = "wrong" if error > 0.1 else "exact to rounding" if error < 5e-14 else "degraded"
    return {
        "nnz": 1,
        "error_max_rel": error * 1.7,
        "error_norm_rel": error,
        "error_over_bound": error / 1e-16,
        "rad53_rel": 1e-16,
        "digits": min(15.95, max(0.0, -math.log10(error))),
        "verdict": verdict,
        "reference": "certified",
        "reference_bits": 128,
        "dtype": "float64",
    }


def _counts(tool: Tool, operator: str, n: int, m: int, depth: int) -> dict[str, Any]:
    if operator not in ("gradient", "jacobian"):
        return {}
    primal = 8 * n * m if m > 1 or n > 1 else 3 * (depth - 1)
    swell: dict[str, dict[str, Any]] = {
        "symbolic[cse=no]": {
            "tree_ops": TREE_OPS.get(depth, 30 * n) if n == m == 1 else 30 * n,
            "string_length": 4 * TREE_OPS.get(depth, 30 * n),
            "dag_nodes": 9 * depth + 5 * n,
        },
        "symbolic[cse=yes]": {"cse_ops": 2 * depth * depth + 3 * n},
        "reverse": {"graph_ops": 7 * (depth - 1) if n == m == 1 else 20 * n, "tape_bytes": 96 * n},
        "forward": {"graph_ops": 9 * depth * n},
        "jax[mode=reverse]": {"jaxpr_eqns": 8 * (depth - 1) + 4},
    }
    calls: dict[str, dict[str, Any]] = {
        "finite_difference[scheme=forward]": {"calls_f": n + 1},
        "finite_difference[scheme=central]": {"calls_f": 2 * n},
        "complex_step": {"calls_f": n},
        "forward": {"directions": n},
        "reverse": {"sweeps": m},
    }
    return {"primal_ops": primal, **swell.get(tool.name, {}), **calls.get(tool.name, {})}


def _record(tool: Tool, operator: str, size: tuple[Any, ...], rng: np.random.Generator) -> Record:
    family, params, n, m, depth = size
    base = {**_base(tool, family, params, n, m, depth), "operator": operator}
    reason = _why_not(tool, operator, n, m)
    if reason:
        return Record(**base, status="unsupported", reason=reason)
    if tool.name == "autograd" and family == "speelpenning" and n == 2048:
        return Record(**base, status="timeout", reason="over 30 s; the worker was killed")
    if tool.name == "autograd" and family == "helmholtz" and n == 2:
        bad = {"verdict": "wrong", "verdict_reason": "NaN in the answer", "dtype": "float64"}
        times = _times(tool, 1.0, 1.0, rng)
        return Record(**base, status="ok", reason="", origin="native", **times, **bad)
    order = {0: 0.0, 1: 1.0, 2: float(n)}[OPERATORS[operator].order]
    full = _passes(tool.passes, n, m, depth) if operator in ("gradient", "jacobian") else order
    work = {"helmholtz": float(n * n)}.get(family, float(8 * n * m + depth))
    return Record(
        **base,
        status="ok",
        reason="",
        origin="native",
        **_times(tool, work, full, rng),
        **_error(tool, operator, depth, rng),
        **_counts(tool, operator, n, m, depth),
    )


@cache
def records(tools: tuple[Tool, ...] = TOOLS) -> pd.DataFrame:
    """Every cell of every made-up method, made once: copy the frame before changing it."""
    rng = np.random.default_rng(7)
    asked = {"chebyshev": ("jacobian", "jvp", "vjp"), "affine_tanh": ("jacobian",)}
    scalar = ("value", "gradient", "hvp", "hessian")
    rows = [
        _record(tool, operator, size, rng)
        for size in sizes()
        for operator in asked.get(size[0], scalar)
        for tool in tools
    ]
    return frame(rows, Record)


@cache
def samples(tools: tuple[Tool, ...] = TOOLS) -> pd.DataFrame:
    """A few rounds of every cell that answered: its time and that of f in numpy, with noise."""
    table = records(tools)
    ok = table[table["status"] == "ok"]
    noise = np.exp(np.random.default_rng(11).normal(0, 0.02, (len(ok), ROUNDS, 2)))
    parts = []
    for number in range(ROUNDS):
        kinds = {"run": ok["run_s"], "numpy_primal": ok["run_s"] / ok["ratio_numpy_primal"]}
        for k, (kind, seconds) in enumerate(kinds.items()):
            facts = {"generation": 0, "round": number, "kind": kind, "loops": 1}
            timed = {**facts, "seconds": seconds * noise[:, number, k]}
            parts.append(ok[list(SAMPLE_KEY)].assign(**timed))
    return pd.concat(parts, ignore_index=True)[[*SAMPLE_KEY, *Sample.__struct_fields__]]


def frame(rows: list[Any], kind: type[Any]) -> pd.DataFrame:
    """A frame with one column a field, None as missing number, numbers as numbers."""
    names = kind.__struct_fields__
    made = pd.DataFrame([{k: getattr(row, k) for k in names} for row in rows], columns=list(names))
    made = made.infer_objects()
    texts = made.select_dtypes(exclude="number").columns
    return made.astype(dict.fromkeys(texts, object))


# --- studies ----------------------------------------------------------------------------------


def logistic4(x: float) -> float:
    """l_4, the survey's function, as a loop."""
    for _ in range(3):
        x = 4.0 * x * (1.0 - x)
    return x


def step_size() -> list[StudyRow]:
    """The survey's figure: the real errors of both schemes at 801 steps, and its summary rows."""
    x, true = 0.2, 9.0660864
    rows = []
    for h in np.logspace(-17, -1, 801).tolist():
        forward = (logistic4(x + h) - logistic4(x)) / h
        central = (logistic4(x + h) - logistic4(x - h)) / (2 * h)
        for scheme, value in (("forward", forward), ("central", central)):
            rows.append(("step_size", f"{scheme}|{h!r}", abs(value - true), "absolute error"))
    summary = {
        "envelope_minimum": (4.3e-7, 1.5e-9, "absolute error"),
        "envelope_argmin": (1.7e-9, 3.8e-7, "step h"),
        "raw_minimum": (2.9e-9, 2.4e-11, "absolute error"),
        "theory_step": (1.4e-9, 2.9e-7, "step h"),
        "theory_error": (9e-8, 1.7e-10, "absolute error"),
    }
    for key, (forward, central, unit) in summary.items():
        rows.append(("step_size", f"{key}|forward", forward, unit))
        rows.append(("step_size", f"{key}|central", central, unit))
    made = [StudyRow(study=s, key=k, value=v, unit=u) for s, k, v, u in rows]
    slopes = (
        ("slope_truncation|forward", 0.998, 0.9975, 0.9985),
        ("slope_truncation|central", 2.0, 1.9995, 2.0004),
        ("slope_roundoff|forward", -0.98, -1.02, -0.94),
        ("slope_roundoff|central", -0.99, -1.01, -0.97),
    )
    for key, value, low, high in slopes:
        made.append(
            StudyRow(
                study="step_size", key=key, value=value, low=low, high=high, unit="log-log slope"
            )
        )
    return made


@cache
def measured(name: str) -> list[StudyRow]:
    """The rows of a study that takes no time."""
    return list(discover(kinds=("studies",)).studies[name].run())


def evil_trace() -> list[StudyRow]:
    """A trace and an expression as a plugin could write them: markup wherever text may stand."""
    name = EVIL_METHOD
    lines = [
        ("primal", ["v0", "=", "x1", [2.0], None]),
        ("primal", ["v1", "=", EVIL_REASON, [EVIL_REASON, 2.0], None]),
        (EVIL_REASON, ["v1", EVIL_REASON, EVIL_REASON, [EVIL_REASON, 1.0], [1, 0]]),
    ]
    made = [
        StudyRow(study="traces", key=f"line|{name}|{k}", value=2.0, unit=role, reason=json.dumps(r))
        for k, (role, r) in enumerate(lines)
    ]
    said = (
        ("traces", f"about|{name}", EVIL_REASON, 3),
        ("traces", f"edge|{name}|1.0", json.dumps([0, EVIL_REASON]), 0.5),
        ("traces", f"program|{name}", EVIL_METHOD, None),
        ("traces", f"left|{name}", EVIL_REASON, None),
        ("expressions", "form|simplified|3", json.dumps(["+", EVIL_REASON, EVIL_METHOD]), 1),
        ("expressions", "graph|3", json.dumps([[EVIL_METHOD, []], [EVIL_REASON, [0]]]), 2),
    )
    return [*made, *(StudyRow(study=s, key=k, reason=r, value=v) for s, k, r, v in said)]


def conventions(tools: tuple[Tool, ...]) -> list[StudyRow]:
    """Two pitfalls, one of them explained, and every method but the control on both."""
    made = []
    for i, (case, right, why) in enumerate(
        (("1 kink", "any in [-1, 1]", ""), ("2 lost", "2", "f is lost"))
    ):
        made.append(
            StudyRow(
                study="conventions", key=f"case|{case}", value=i + 1, reason=f"{right} ⟂ {why}"
            )
        )
        for tool in tools:
            if tool.claim != "control":
                said = ("valid", "other convention", "NaN", "unsupported")[len(tool.name) % 4]
                value = 0.25 if said in ("valid", "other convention") else None
                key = f"{case}|{tool.name}|0"
                row = StudyRow(study="conventions", key=key, value=value, unit=said, reason=why)
                made.append(row)
    return made


def conditioning(tools: tuple[Tool, ...]) -> list[StudyRow]:
    """What is true by depth, and tools that lose a bit a step as the program itself does."""
    made = list(measured("conditioning"))
    for tool in tools:
        for depth in (20, 30, 60):
            for kind, digits in (
                ("digits", 16.0 - 0.301 * depth),
                ("own", -math.log10(tool.error)),
            ):
                key = f"{kind}|{depth}|{tool.name}"
                made.append(StudyRow(study="conditioning", key=key, value=digits, unit=tool.claim))
    return made


def mutants() -> list[StudyRow]:
    """Two mistakes before two checkers, one of whom is blind to the smaller."""

    def row(key: str, **facts: Any) -> StudyRow:
        return StudyRow(study="mutants", key=key, **facts)

    def share(what: str, checker: str, value: float, reason: str) -> StudyRow:
        return row(f"{what}|{checker}", value=value, low=0.9 * value, high=1.0, reason=reason)

    made = [row("absent|other", reason="not installed: pip install other")]
    for i, (name, k) in enumerate((("zero", 0), ("small", -6))):
        made.append(row(f"mutant|{name}", value=i, reason=f"the mistake {name}"))
        for checker, seen in (("diffbench", 10), ("peer.check", 10 * (name == "zero"))):
            what = (f"rate|{name}", f"decade|{k}")
            made += [share(w, checker, seen / 10, f"{seen} of 10") for w in what]
            outcome = "killed" if seen else "survived"
            key = f"pair|lecture[n=2]|gradient|{name}|{checker}"
            made.append(row(key, value=10.0**k, low=1e-14, unit=outcome))
    for checker, seen in (("diffbench", 20), ("peer.check", 10)):
        what = ("rate|all", "family|lecture")
        made += [share(w, checker, seen / 20, f"{seen} of 20") for w in what]
        made.append(share("alarms", checker, 0.0, "0 of 4"))
    key = "pair|lecture[n=2]|hessian|zero|every"
    return [*made, row(key, value=0.0, low=0.0, unit="equivalent", reason="the answer is 0")]


@cache
def run(tools: tuple[Tool, ...] = TOOLS) -> SyntheticRun:
    """The whole run: records, studies, and an environment."""
    environment = {
        "python": "3.11.7",
        "system": "Linux",
        "cpu": "a processor",
        "packages": {"numpy": "2.4.6", "jax": "0.10.2"},
        "threads": 1,
        "load": [0.1, 0.2, 0.3],
        "nothing": None,
    }
    plan = {"selection": "all", "profile": "standard", "seed": 0}
    drawn = [*measured("traces"), *measured("expressions")]
    told = [*step_size(), *drawn, *conventions(tools), *conditioning(tools), *mutants()]
    studies = frame(told, StudyRow)
    return SyntheticRun(records(tools), samples(tools), studies, environment, plan)


def part(made: SyntheticRun, families: tuple[str, ...]) -> SyntheticRun:
    """The same run of some of its families."""
    table = made.records[made.records["family"].isin(families)]
    samples = made.samples[made.samples["instance"].isin(table["instance"])]
    return replace(made, records=table, samples=samples)


def stored(made: SyntheticRun, folder: Path) -> Path:
    """The same run in a folder, as a run leaves it behind."""
    folder.mkdir(parents=True)
    samples = {key: rows for key, rows in made.samples.groupby(list(SAMPLE_KEY))}
    with Store(folder) as store:
        store.save_cells(
            (Record(**row), map(_sample, dicts(samples.get(_key(row), made.samples[:0]))))
            for row in _rows(made.records, RECORD)
        )
        for name, rows in made.studies.groupby("study"):
            store.save_study(str(name), "done", [StudyRow(**row) for row in _rows(rows, STUDY)])
        store.finish()
    (folder / PLAN).write_text(json.dumps(made.plan))
    (folder / ENVIRONMENT).write_text(json.dumps(made.environment))
    return folder


def _rows(frame: pd.DataFrame, kinds: dict[str, type]) -> Iterator[dict[str, Any]]:
    """The rows with None for what is missing, and whole numbers whole."""
    for row in dicts(frame):
        yield {k: None if pd.isna(v) else kinds[k](v) for k, v in row.items()}


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in SAMPLE_KEY)


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(**{name: row[name] for name in Sample.__struct_fields__})


EVIL = Tool(EVIL_METHOD, "AD", "exact", "m", 7.0, 5e-5, 1e-16)


def evil_run(tools: tuple[Tool, ...] = TOOLS) -> SyntheticRun:
    """The run with a method whose name is markup, and a reason that would load an image."""
    made = run((*tools, EVIL))
    table = made.records.copy()
    failed = (table["method"] == EVIL_METHOD) & (table["operator"] == "hessian")
    table.loc[failed, "status"] = "failed"
    table.loc[failed, "reason"] = EVIL_REASON
    studies = pd.concat([made.studies, frame(evil_trace(), StudyRow)], ignore_index=True)
    return replace(made, records=table, studies=studies)

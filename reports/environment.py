"""How each number was made: versions, machine, seeds, noise, and how to do it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import answered
from diffbench.analysis.ratios import Estimate, median
from diffbench.page import Page
from diffbench.reports.formats import NONE, count, interval, number, ranked
from diffbench.reports.sections import Column, Table, Text
from diffbench.reports.styles import label, ordered

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

MACHINES = "machines"  # of the environment, where a cluster measured: its facts by machine
WORKERS = "workers"  # of the environment: a table a process
SPENT = "spent"  # and where the time went
LEFT_OUT = "left_out"  # of the plan: sizes by family that only the full profile has
MIXED = "mixed"  # of the environment: parts of the run were measured in different ones
HOW = (
    "Time of one call: the median of samples, each a loop of calls doubled until it is long "
    "enough, divided by its calls; garbage collector off, warm-up and first call apart, "
    "single-threaded worker processes pinned to a processor. Preparing (deriving, tracing, "
    "compiling) is timed by itself and done at another point than the one measured.",
    "Ratios: medians of paired ratios. Each round samples f in numpy, f in the method's own "
    "arrays, and the method, one after the other in the same worker, so that what slows the "
    "machine slows all three.",
    "Intervals: 95 %. With one generation of processes they hold the spread between processes "
    "as this run's own pairs of identical code show it.",
    "Counts (calls of f, sweeps, directions, operations) are exact and have no interval. "
    "Operations are scalar: elementwise one an entry, a sum of k terms k - 1, a product of "
    "matrices m n (2 k - 1), moving data none.",
    "Errors are measured against a proven enclosure in ball arithmetic at the exact binary "
    "input, its precision doubled until it is tight.",
    "Exponents: Theil and Sen's slope of the log-log line with its exact 95 % interval; points "
    "under ten times the cost of an empty call are left out. A growth claim holds where the "
    "whole interval lies within 0.1 of the theory, does not hold where it lies wholly outside, "
    "and is not decidable here else.",
    "Ties: methods whose intervals overlap. The fastest wins only where nobody ties with it.",
)
OVER_COMMITS = (
    "How such numbers move from commit to commit of diffbench: make dashboard, in a checkout, "
    "measures a selection of them for each commit with asv and leaves a page like this one, "
    ".asv/html/trend.html."
)


def render(run: Run) -> list[Any]:
    """The method in words, the noise of this run, its environment and plan."""
    blocks: list[Any] = [Text("How each number was made", items=HOW)]
    if len(run.records):
        blocks += [_noise(answered(run.records)), _warnings(run.records)]
    apart = (WORKERS, SPENT, MACHINES)
    facts = {key: value for key, value in run.environment.items() if key not in apart}
    return [
        *blocks,
        *_mixed(run.environment),
        _table("environment", "The machine and the software of this run", facts),
        *_machines(run.environment.get(MACHINES)),
        *_workers(run.environment.get(WORKERS)),
        *_spent(run.environment.get(SPENT)),
        _table("plan", "What was asked for", {k: v for k, v in run.plan.items() if k != LEFT_OUT}),
        *_left_out(run.plan),
        Text("Do it again", (_again(run), OVER_COMMITS)),
    ]


def _mixed(facts: Mapping[str, Any]) -> Iterator[Text]:
    if facts.get(MIXED):
        said = (
            f"This run was measured in {len(facts['parts'])} environments, listed below: times of "
            "different ones are no common measure, and ratios are only formed within one machine."
        )
        yield Text("Several environments in one run", (said,))


def _left_out(plan: Mapping[str, Any]) -> Iterator[Table]:
    """The sizes that the profile chose, beside those of the full one."""
    if found := plan.get(LEFT_OUT):
        rows = [
            [name, row["sizes"], row["full"], count(row["more"])] for name, row in found.items()
        ]
        columns = (
            Column("Family"),
            Column("Sizes of this run"),
            Column("Sizes of --profile full"),
            Column("Left out, instances", True),
        )
        total = sum(row["more"] for row in found.values())
        left = [f"{total} instances", "larger Jacobians and Hessians"]
        if plan.get("generations") is None:  # they were asked for beside the profile else
            left.append("all but one generation of processes")
        caption = (
            f"What the profile {plan['profile']} leaves out: {'; '.join(left)}. "
            "--profile full takes all"
        )
        yield Table("left out", caption, columns, rows, plain=True)


def _again(run: Run) -> str:
    return (
        "Every cell of the matrix (At a glance) unfolds to the command that reproduces it. "
        f"The records behind this page are in run.sqlite and records.csv of "
        f"the folder {run.folder.name}, "
        "the raw samples in samples.csv."
    )


def _noise(ok: pd.DataFrame) -> Table:
    timed = ok[ok["run_s"].notna()]
    width = (timed["run_s_high"] - timed["run_s_low"]) / timed["run_s"]
    rows = [
        _row("empty call", "ns", timed["empty_call_s"] * 1e9),
        _row("width of the interval of a time, over the time", "%", width * 100),
        _row("samples behind one time", "samples", timed["samples"]),
        _row("calls in one sample", "calls", timed["loops"]),
        _row("preparing", "ms", timed["prepare_s"] * 1e3),
        _row("first call over a later call", "×", timed["first_call_s"] / timed["run_s"]),
    ]
    columns = (
        Column("Quantity"),
        Column("Unit"),
        Column("Median over cells", True),
        Column("95 % interval of the median"),
        Column("Smallest", True),
        Column("Largest", True),
        Column("Cells", True),
    )
    return Table("noise", "The noise of this run", columns, rows, plain=True)


def _row(name: str, unit: str, values: pd.Series[float]) -> list[Any]:
    sample = values.dropna().astype(float)
    e = median(sample.tolist()) if len(sample) else Estimate(*(float("nan"),) * 3, 0)
    ends = (float(sample.min()), float(sample.max())) if len(sample) else (None, None)
    return [
        name,
        unit,
        number(e.value),
        interval(e.low, e.high),
        number(ends[0]),
        number(ends[1]),
        count(e.count),
    ]


def _warnings(records: pd.DataFrame) -> Table:
    said = Counter(w for text in records["warnings"] if text for w in str(text).split("; "))
    rows = [[text, count(times)] for text, times in ranked(said)[:30]]
    columns = (Column("Warning"), Column("Cells", True))
    caption = f"Warnings that travel with the records ({sum(said.values())})"
    return Table("warnings", caption, columns, rows, plain=True)


def _machines(found: Any) -> Iterator[Table]:
    """Where the cells of a cluster were measured."""
    if isinstance(found, Mapping) and found:
        columns = ("Machine", "Processor", "Processors", "Memory, GiB", "System", "Python")
        names = ("machine", "cpu", "cpus", "memory_gib", "kernel", "python")
        rows = [[str(facts.get(name) or NONE) for name in names] for facts in found.values()]
        caption = (
            "The machines that measured; the machine above only drove them. Each record names its "
            "own, and ratios are formed within one."
        )
        yield Table("machines", caption, tuple(map(Column, columns)), rows, plain=True)


def _workers(found: Any) -> Iterator[Table]:
    """What each worker process told of itself as it started, methods in the legends' order."""
    if isinstance(found, Mapping) and found:
        names = sorted(name for name in found if name.startswith(" "))  # no method's name does
        columns = (
            Column("Worker"),
            Column("Started on"),
            Column("Processors at work", True),
            Column("Reading the clock, ns", True),
            Column("Empty call, ns", True),
        )
        rows = [_worker(name, found[name]) for name in (*ordered(set(found) - {*names}), *names)]
        caption = (
            "The worker processes: one a method, one for the reference, one a study. In a product "
            "of matrices at most one processor may be at work."
        )
        yield Table("workers", caption, columns, rows, plain=True)


def _worker(name: str, facts: Mapping[str, Any]) -> list[Any]:
    nanoseconds = (facts.get(key) for key in ("clock_s", "empty_call_s"))
    return [
        label(name.strip()),
        _listed(facts.get("cpus") or ("no processor",)),
        number(facts.get("cpu_share"), 2),
        *(number(None if value is None else value * 1e9) for value in nanoseconds),
    ]


def _spent(found: Any) -> Iterator[Table]:
    """Seconds by what was done in them, the most first, over the seconds of the run."""
    if isinstance(found, Mapping) and found.get("wall"):
        kinds = {key: value for key, value in found.items() if key not in ("wall", "inside")}
        rows = [
            [kind, number(seconds), number(100 * seconds / found["wall"], 2)]
            for kind, seconds in sorted(kinds.items(), key=lambda row: -row[1])
        ]
        wall, inside = found["wall"], 100 * found["inside"] / found["wall"]
        caption = (
            f"Where the time went: of {wall:.0f} seconds until the last cell of this start, "
            f"{inside:.0f} % passed while a method "
            "was prepared or called. Workers work side by side, so the rows may sum to more."
        )
        columns = (Column("What"), Column("Seconds", True), Column("% of the run", True))
        yield Table("spent", caption, columns, rows, plain=True)


def _listed(values: Sequence[Any]) -> str:
    """Parts with commas between them; too many of them as their number."""
    text = ", ".join(map(str, values))
    return (text or NONE) if len(text) <= 400 else f"{len(values)} entries"


def _table(name: str, caption: str, values: Mapping[str, Any]) -> Table:
    rows = [[key, value] for key, value in _flat(values)]
    return Table(name, caption, (Column("Key"), Column("Value")), rows, plain=True)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", _listed(value)
        else:
            yield f"{prefix}{key}", str("" if value is None else value) or NONE


PAGE = Page(name="environment", title="Method and environment", order=90, render=render)

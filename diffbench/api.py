"""diffbench as a library: make a run, read a run. The command line is a shell over these two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from diffbench.errors import BadSelection, PluginError, RunError, UnknownName
from diffbench.records.run import ENVIRONMENT, PLAN, REPORT, SEVERAL, Run, load
from diffbench.running.folder import new_folder, opened, requested, scratch, write_facts
from diffbench.running.plan import Request
from diffbench.running.plan import profile as profile_of

if TYPE_CHECKING:
    from diffbench.analysis.compare import Comparison
    from diffbench.records.store import Store
    from diffbench.registry import Registry
    from diffbench.running.executor import Progress
    from diffbench.running.forecast import Forecast
    from diffbench.running.ledger import Ledger

__all__ = [
    "Interrupted",
    "compare",
    "compare_runs",
    "load",
    "plan",
    "report",
    "requested",
    "run",
]

EXECUTORS = ("local", "dask")
# What is kept of a budget for the last intervals, the exports and the report: seconds.
FINISH_S, FINISH_CELL_S = 4.0, 1e-3


@final
class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after all that was done has been stored and reported."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"interrupted; {folder} keeps what was done")
        self.folder = folder


def run(
    problems: str = "all",
    methods: str = "all",
    operators: str = "",
    profile: str = "standard",
    *,
    out: str | Path | None = None,
    seed: int = 0,
    generations: int | None = None,
    budget: float | None = None,
    resume: bool = False,
    plugins: Sequence[str | Path] = (),
    executor: str = "local",
    scheduler: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Measure every selected method on every selected problem; the finished run.

    ``problems`` and ``methods`` are selections (``"rosenbrock[n=8],mlp"``), ``operators`` a list
    of names, or empty for those that the profile (quick, standard, full) plans. ``out`` is the
    folder of the run, by default a new one under ``runs/``; with ``resume`` it is one that exists
    and was begun with the same selections. ``budget`` is in seconds, for everything: what it cuts
    off can be resumed; what it leaves goes into further generations of the cells whose intervals
    are still wide, unless ``generations`` says how many. That defaults to the profile's. The
    ``executor`` is local, or dask: the machines of the cluster whose ``scheduler`` is there.
    ``progress`` is called often, between measurements.

    Raises DiffbenchError for every mistake in the arguments, before anything is measured, and
    Interrupted after Ctrl-C.
    """
    began = time.monotonic()
    where = _where(executor, scheduler)
    request = Request(
        problems=problems,
        methods=methods,
        operators=operators,
        profile=profile,
        seed=seed,
        generations=generations,
        plugins=_plugin_files(plugins),
    ).checked()
    folder = new_folder() if out is None else Path(out)
    ends_at = None if budget is None else began + budget
    with opened(folder, request, resume) as plan:
        chosen = _Chosen.of(request)
        plan |= chosen.facts()
        write_facts(folder / PLAN, plan)
        tell = progress or (lambda p: None)
        _Making(folder, request, plan, chosen, began, ends_at, where, tell).make()
    return load(folder)


def plan(
    problems: str = "all",
    methods: str = "all",
    operators: str = "",
    profile: str = "standard",
    *,
    seed: int = 0,
    generations: int | None = None,
    plugins: Sequence[str | Path] = (),
) -> Forecast:
    """What ``run`` would make for the same arguments, in order, and about how long it would take.

    Nothing is measured and no folder made; raises what ``run`` raises for mistakes.
    """
    from diffbench.running.forecast import forecast

    request = Request(
        problems=problems,
        methods=methods,
        operators=operators,
        profile=profile,
        seed=seed,
        generations=generations,
        plugins=_plugin_files(plugins),
    ).checked()
    chosen = _Chosen.of(request)
    return forecast(
        request, chosen.registry, chosen.points, list(chosen.methods.values()), chosen.operators
    )


def report(folder: str | Path, path: str | Path | None = None) -> Path:
    """Write the report of a run again, by default into its folder; the path written."""
    found = load(folder)
    target = found.folder / REPORT if path is None else Path(path)
    from diffbench.registry import discover
    from diffbench.reports.build import write

    pages = discover(found.plan.get("plugins", ()), ("pages",)).pages.values()
    with _writable(target):
        write(found, target, pages)
    return target


def compare(folder: str | Path, of: str, to: str, operators: str = "") -> Comparison:
    """The paired ratios of the times of two methods of one run, ``of`` over ``to``.

    Without ``operators`` over all derivatives. Raises DiffbenchError for a method or operator that
    is not there, and where the two have no cell in common.
    """
    from diffbench.analysis import compare as comparing
    from diffbench.analysis.book import Book
    from diffbench.registry import Registry

    book = Book.of(load(folder))
    above, below = book.method(of), book.method(to)
    if above == below:
        raise BadSelection(f"both sides are {above!r}; compare takes two methods")
    asked = Registry().operators(operators) if operators else comparing.DERIVATIVES
    return _with_cells(comparing.compare(book, above, below, asked))


def compare_runs(
    run_a: str | Path, run_b: str | Path, methods: str = "all", operators: str = ""
) -> Comparison:
    """The ratios of the times of two runs of one machine, ``run_b`` over ``run_a``.

    Each time is taken over that of f in numpy in the same rounds. ``methods`` is a selection among
    those that either run holds; without ``operators`` over all derivatives. Raises DiffbenchError
    for a name that is not there, a run with itself, runs of different machines, and where the two
    have no cell in common.
    """
    from diffbench.analysis import compare as comparing
    from diffbench.analysis.book import Book, variants
    from diffbench.records.environment import changes
    from diffbench.registry import Registry

    before, after = load(run_a), load(run_b)
    _check_apart(before, after)
    books = Book.of(after), Book.of(before)
    held = {method for book in books for method in book.records}
    chosen = sorted(held) if methods == "all" else variants(held, methods)
    asked = Registry().operators(operators) if operators else comparing.DERIVATIVES
    found = _with_cells(comparing.compare_runs(*books, chosen, asked))
    facts = tuple(changes(before.environment, after.environment))
    return replace(found, of=str(run_b), to=str(run_a), changes=facts)


def _check_apart(before: Run, after: Run) -> None:
    """Two runs, not one, with a machine in common."""
    ids, machines = (
        [set(run.records[name]) for run in (before, after)] for name in ("run", "machine")
    )
    if before.folder.resolve() == after.folder.resolve() or (ids[0] and ids[0] == ids[1]):
        raise RunError(
            f"{before.folder} and {after.folder} are the same run; give two, "
            "or compare two methods of one: --of METHOD --to METHOD"
        )
    if all(machines) and machines[0].isdisjoint(machines[1]):
        raise RunError(
            f"{before.folder} and {after.folder} were measured on different machines "
            f"({', '.join(sorted(machines[0]))} and {', '.join(sorted(machines[1]))}); "
            "ratios are formed within one: measure both on it"
        )


def _with_cells(found: Comparison) -> Comparison:
    """The same; raises RunError where nothing could be compared."""
    if not found.cells:
        why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        raise RunError(
            f"{found.of} and {found.to} have no cell to compare ({why or 'none was asked for'})"
        )
    return found


def _where(executor: str, scheduler: str) -> tuple[str, str]:
    """Both; raises where they do not go together."""
    if executor not in EXECUTORS:
        raise UnknownName("executor", executor, EXECUTORS)
    if executor == "dask" and not scheduler:
        raise RunError(
            "--executor dask needs the address of a scheduler; start one (dask scheduler) and add "
            "what it prints: --scheduler tcp://HOST:8786"
        )
    if executor != "dask" and scheduler:
        raise RunError(f"--scheduler {scheduler} is for --executor dask; add that")
    return executor, scheduler


def _plugin_files(plugins: Sequence[str | Path]) -> tuple[str, ...]:
    for path in plugins:
        if not Path(path).is_file():
            raise PluginError(f"no plugin file {path}; give the path of a Python file")
    return tuple(str(Path(path).resolve()) for path in plugins)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


@final
@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a request's selections name; making it raises for every mistake in them."""

    registry: Registry
    points: list[tuple[str, dict[str, Any]]]
    methods: dict[str, Any]
    operators: list[str]

    @classmethod
    def of(cls, request: Request) -> _Chosen:
        """Look all names up."""
        from diffbench.method import variant_name
        from diffbench.registry import discover

        registry = discover(request.plugins, ("methods", "problems", "studies"))
        return cls(
            registry=registry,
            points=registry.points(request.problems, request.profile),
            methods={variant_name(m): m for m in registry.methods(request.methods)},
            operators=registry.operators(request.operators) if request.operators else [],
        )

    def facts(self) -> dict[str, Any]:
        """For plan.json: what the selections came to, and the plugins that were refused."""
        from diffbench.problem import canonical

        return {
            "instances": [canonical(name, params) for name, params in self.points],
            "variants": list(self.methods),
            "studies": sorted(self.registry.studies),
            "broken": dict(self.registry.broken),
        }


@final
@dataclass(frozen=True, slots=True)
class _Making:
    """A run that is begun: its folder and plan stand, its request is right."""

    folder: Path
    request: Request
    plan: dict[str, Any]
    chosen: _Chosen
    began: float
    ends_at: float | None
    where: tuple[str, str]  # executor and scheduler
    progress: Callable[[Progress], None]

    def make(self) -> None:
        """Measure, store, export, report; also after Ctrl-C, which is raised again at the end."""
        from diffbench.records.export import export
        from diffbench.records.salvage import salvage, torn
        from diffbench.records.store import Store

        with _writable(self.folder):
            if torn(self.folder):
                self.plan["salvaged"] = salvage(self.folder)
            with Store(self.folder) as store:
                interrupted = self._measured(store)
                store.finish()
            export(self.folder)
        report(self.folder)
        if interrupted:
            raise Interrupted(self.folder)

    def _measured(self, store: Store) -> bool:
        """Whether it was interrupted."""
        from diffbench.records.environment import environment
        from diffbench.running.cells import Context
        from diffbench.running.cluster import Cluster
        from diffbench.running.executor import Executor
        from diffbench.running.ledger import Ledger

        facts, (executor, scheduler) = environment(), self.where
        one = facts["machine"] if executor == "local" else SEVERAL
        _check_machine(store, one, self.folder)
        write_facts(self.folder / ENVIRONMENT, facts)
        context = Context(self.plan["run"], facts["machine"], self.request, self.chosen.methods)
        ledger = Ledger(context, store)
        ledger.remember()
        effort = profile_of(self.request.profile)
        config = {"plugins": self.request.plugins, "memory": effort.memory}
        with scratch(self.folder) as room:
            makers: dict[str, Callable[..., Executor | Cluster]]
            makers = {"local": Executor, "dask": partial(Cluster, scheduler)}
            fills = self.ends_at is not None and self.request.generations is None
            made = makers[executor](
                ledger, effort, room, config, self.progress, self._over(ledger), fills
            )
            interrupted = made.measure(
                self.chosen.points, self.chosen.operators, self.chosen.registry.studies
            )
        ledger.refresh()
        write_facts(self.folder / PLAN, {**self.plan, "cells": made.total})
        lasted = time.monotonic() - self.began
        write_facts(self.folder / ENVIRONMENT, {**facts, **made.facts(lasted)})
        return interrupted

    def _over(self, ledger: Ledger) -> Callable[[], bool]:
        """Whether only what is needed to finish is left of the budget."""
        if self.ends_at is None:
            return lambda: False
        ends_at = self.ends_at - FINISH_S
        return lambda: time.monotonic() > ends_at - FINISH_CELL_S * len(ledger.records)


def _check_machine(store: Store, machine: str, folder: Path) -> None:
    """A local run is measured on one machine: times of two cannot stand in one table."""
    before = store.meta().setdefault("machine", machine)
    if before != machine:
        where = {before: "on another machine", machine: "here", SEVERAL: "by --executor dask"}
        raise RunError(
            f"{folder} was measured {where[before]}, not {where[machine]}; go on as it was "
            f"begun, or begin a new run with --out"
        )
    store.save_meta("machine", machine)

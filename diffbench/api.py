"""diffbench as a library: make a run, read a run. The command line is a shell over these two."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffbench.errors import BadSelection, PluginError, RunError, UnknownName
from diffbench.making import Chosen, How, Interrupted, Making, spared, writable
from diffbench.records.run import (
    EXPORTS,
    FORMATS,
    PLAN,
    REPORTS,
    TWO_EXPORTS,
    TWO_RUNS,
    Run,
    load,
)
from diffbench.records.shards import Shard
from diffbench.running.folder import new_folder, opened, requested, write_facts
from diffbench.running.plan import Request

if TYPE_CHECKING:
    from diffbench.analysis.compare import Comparison
    from diffbench.page import Page
    from diffbench.running.executor import Progress
    from diffbench.running.forecast import Forecast

__all__ = [
    "Interrupted",
    "compare",
    "compare_runs",
    "export",
    "live_page",
    "load",
    "page_alone",
    "place",
    "plan",
    "refused",
    "report",
    "requested",
    "run",
    "waiting_page",
]

EXECUTORS = ("local", "dask")
DATA = ("csv", "parquet")  # formats that no page is in


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
    shard: str | None = None,
    mixed: bool = False,
    told: Callable[[Forecast], None] | None = None,
) -> Run:
    """Measure every selected method on every selected problem; the finished run.

    ``problems`` and ``methods`` are selections (``"rosenbrock[n=8],mlp"``), ``operators`` a list
    of names, or empty for those that the profile (quick, standard, full) plans. ``out`` is the
    folder of the run, by default a new one under ``runs/``; with ``resume`` it is one that exists
    and was begun with the same selections. ``budget`` is in seconds, for everything: what it cuts
    off can be resumed; what it leaves goes into further generations of the cells whose intervals
    are still wide, unless ``generations`` says how many. That defaults to the profile's. The
    ``executor`` is local, or dask: the machines of the cluster whose ``scheduler`` is there.
    ``progress`` is called often, between measurements, and ``told`` once before them, with the
    plan and its estimate. ``shard`` as ``"3/16"`` makes that part
    alone, in a folder of its own in ``out``; ``diffbench.merge`` joins them. ``mixed`` resumes a
    run in another environment (machine, versions, ...) than it was begun in.

    Raises DiffbenchError for every mistake in the arguments, before anything is measured, and
    Interrupted after Ctrl-C.
    """
    began = time.monotonic()
    _check_where(executor, scheduler)
    request = _asked(problems, methods, operators, profile, seed, generations, plugins)
    folder, part = place(out, shard)
    ends_at = None if budget is None else began + budget
    with opened(folder, request, resume, part) as plan:
        chosen = _planned(folder, request, plan, told)
        how = How(began, ends_at, executor, scheduler, mixed, progress or (lambda p: None))
        interrupted = Making(folder, request, plan, chosen, how).make()
        if part is None:
            report(folder)
    if interrupted:
        raise Interrupted(folder)
    return load(folder)


def _planned(
    folder: Path,
    request: Request,
    plan: dict[str, Any],
    told: Callable[[Forecast], None] | None,
) -> Chosen:
    """What a request names; it joins the plan, which is written and told."""
    chosen = Chosen.of(request)
    plan.update(chosen.facts())
    write_facts(folder / PLAN, plan)
    if told is not None:
        told(_forecast(request, chosen))
    return chosen


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
    request = _asked(problems, methods, operators, profile, seed, generations, plugins)
    return _forecast(request, Chosen.of(request))


def _forecast(request: Request, chosen: Chosen) -> Forecast:
    from diffbench.running.forecast import forecast

    return forecast(
        request, chosen.registry, chosen.points, list(chosen.methods.values()), chosen.operators
    )


def place(out: str | Path | None, shard: str | None) -> tuple[Path, Shard | None]:
    """(folder, shard) of a run that is to be in ``out``; raises BadSelection."""
    if shard is None:
        return new_folder() if out is None else Path(out), None
    if out is None:
        raise BadSelection("--shard needs the folder that all shards share: --out DIR")
    part = Shard.parse(shard)
    return Path(out) / part.name, part


def report(
    folder: str | Path,
    path: str | Path | None = None,
    *,
    beside: str | Path | None = None,
    edition: str = "all",
) -> Path:
    """Write the report of a run again, by default into its folder; the path written.

    With a second run ``beside`` it, the report that compares the two. ``edition`` is all, course
    or engineer: which pages, and in which order. Raises DiffbenchError for an edition that is not
    there, and for two runs that ``compare_runs`` refuses.
    """
    runs, pages = _readers(folder, beside, edition)
    target = runs[0].folder / _page(beside, edition) if path is None else spared(Path(path))
    from diffbench.reports.build import write

    with writable(target):
        write(runs[0], target, pages, *runs[1:], edition=edition)
    return target


def export(
    folder: str | Path,
    formats: Sequence[str],
    out: str | Path | None = None,
    *,
    beside: str | Path | None = None,
    edition: str = "all",
) -> list[Path]:
    """Write a run in several formats; the paths written: a folder each, and the file of html.

    They are html, csv, parquet, latex, markdown and svg; each goes into a folder of its name in
    ``out``, by default ``export`` in the run's folder (``export-course`` for that edition), and
    html beside them, by default where ``report`` writes it. ``diffbench.load`` reads the folder of
    csv.
    The other arguments and what is raised are those of ``report``.
    """
    asked = list(dict.fromkeys(formats))
    for name in asked:
        if name not in FORMATS:
            raise UnknownName("format", name, FORMATS)
    _check_shown(asked, beside)
    runs, pages = _readers(folder, beside, edition)
    usual = EXPORTS[edition] if beside is None else TWO_EXPORTS
    into = runs[0].folder / usual if out is None else Path(out)
    page = (runs[0].folder if out is None else into) / _page(beside, edition)
    if out is not None and "html" in asked:
        spared(page)
    from diffbench.reports.exports import write

    with writable(into):
        made: list[Path] = write(runs[0], asked, into, page, pages, *runs[1:], edition=edition)
    return made


def _page(beside: str | Path | None, edition: str) -> str:
    """What the file of a report is called."""
    return REPORTS[edition] if beside is None else TWO_RUNS


def _check_shown(formats: Sequence[str], beside: str | Path | None) -> None:
    """Two runs have pages of their own, but no common tables of records."""
    data = [name for name in formats if name in DATA]
    if data and beside is not None:
        raise BadSelection(
            f"--format {','.join(data)} is of one run; leave RUN_B out, or write "
            "diffbench compare RUN_A RUN_B --format csv"
        )


def _readers(
    folder: str | Path, beside: str | Path | None, edition: str
) -> tuple[list[Run], Collection[Page]]:
    """The runs of a report and the pages that there are, the plugins' of the first run, too."""
    if edition not in REPORTS:
        raise UnknownName("edition", edition, REPORTS)
    runs = [load(path) for path in (folder, beside) if path is not None]
    if beside is not None:
        if edition != "all":
            raise BadSelection(
                f"--edition {edition} is of one run; leave it out, or leave RUN_B out"
            )
        _compared(runs[0], runs[1])
    from diffbench.registry import discover

    plugins = runs[0].plan.get("plugins", ())
    return runs, discover(plugins, ("pages",)).pages.values()


def refused(folder: str | Path) -> dict[str, str]:
    """The plugins of a run that are no longer there or are refused, each with the reason."""
    from diffbench.registry import discover

    return discover(load(folder).plan.get("plugins", ()), ()).broken


def live_page(folder: str | Path, version: str) -> str:
    """The report of a run that may still be at work, as text, for ``diffbench serve``.

    Where it holds no record yet, a page that says so. Raises RunError where it cannot be read.
    """
    from diffbench.registry import discover
    from diffbench.reports.build import html

    found = load(folder)
    if found.records.empty:
        return waiting_page(folder, "This run holds no records yet.", version)
    pages = discover(found.plan.get("plugins", ()), ("pages",)).pages.values()
    return str(html(found, pages, version=version))


def page_alone(page: Page, sections: Sequence[Any]) -> str:
    """The report of one page whose sections are made already; raises where they are none."""
    from diffbench.reports.build import identifier, whole, written

    written(sections)  # within a report one that cannot be set is shown as one that failed
    facts = {"name": page.name, "id": identifier(page.name), "title": page.title}
    return str(whole(page.title, [{**facts, "blocks": list(sections)}]))


def waiting_page(folder: str | Path, why: str, version: str) -> str:
    """The page in place of a report that cannot be made yet, with the reason."""
    from diffbench.reports.build import waiting

    return str(waiting(Run(Path(folder)), why, version))


def compare(folder: str | Path, of: str, to: str, operators: str = "") -> Comparison:
    """The paired ratios of the times of two methods of one run, ``of`` over ``to``.

    Without ``operators`` over all derivatives. Raises DiffbenchError for a method or operator that
    is not there, and where the two have no cell in common.
    """
    from diffbench.analysis import comparable
    from diffbench.analysis import compare as comparing
    from diffbench.analysis.book import Book
    from diffbench.registry import Registry

    book = Book.of(load(folder))
    above, below = book.method(of), book.method(to)
    if above == below:
        raise BadSelection(f"both sides are {above!r}; compare takes two methods")
    asked = Registry().operators(operators) if operators else comparing.DERIVATIVES
    return comparable.with_cells(comparing.compare(book, above, below, asked))


def compare_runs(
    run_a: str | Path, run_b: str | Path, methods: str = "all", operators: str = ""
) -> Comparison:
    """The ratios of the times of two runs of one machine, ``run_b`` over ``run_a``.

    Each time is taken over that of f in numpy in the same rounds. ``methods`` is a selection among
    those that either run holds; without ``operators`` over all derivatives. Raises DiffbenchError
    for a name that is not there, a run with itself, runs of different machines, and where the two
    have no cell in common.
    """
    return _compared(load(run_a), load(run_b), methods, operators)


def _compared(before: Run, after: Run, methods: str = "all", operators: str = "") -> Comparison:
    """Two runs compared; see :func:`compare_runs`."""
    from diffbench.analysis import comparable
    from diffbench.analysis import compare as comparing
    from diffbench.analysis.book import Book, variants
    from diffbench.records.environment import changes
    from diffbench.registry import Registry

    comparable.check_apart(before, after)
    books = Book.of(after), Book.of(before)
    held = {method for book in books for method in book.records}
    chosen = sorted(held) if methods == "all" else variants(held, methods)
    asked = Registry().operators(operators) if operators else comparing.DERIVATIVES
    found = comparing.compare_runs(*books, chosen, asked)
    named = dict(zip(comparing.RUNS, (str(after.folder), str(before.folder)), strict=True))
    facts = tuple(changes(before.environment, after.environment))
    return comparable.with_cells(
        replace(found, of=named[found.of], to=named[found.to], changes=facts), named
    )


def _asked(
    problems: str,
    methods: str,
    operators: str,
    profile: str,
    seed: int,
    generations: int | None,
    plugins: Sequence[str | Path],
) -> Request:
    """The request, checked as far as it can be without the plugins, its data files located."""
    files = _plugin_files(plugins)
    return Request(
        problems=_located(problems, files),
        methods=methods,
        operators=operators,
        profile=profile,
        seed=seed,
        generations=generations,
        plugins=files,
    ).checked()


def _located(problems: str, plugins: tuple[str, ...]) -> str:
    """The same with its data files by path and content; without words there can be none."""
    from diffbench.selection import parse

    values = (v for choice in parse(problems) for row in choice.values.values() for v in row)
    if not any(isinstance(value, str) for value in values):
        return problems
    from diffbench.registry import discover  # numpy and all plugins: not for names alone

    return discover(plugins, ("problems",)).located(problems)


def _check_where(executor: str, scheduler: str) -> None:
    """Raise where they do not go together."""
    if executor not in EXECUTORS:
        raise UnknownName("executor", executor, EXECUTORS)
    if executor == "dask" and not scheduler:
        raise RunError(
            "--executor dask needs the address of a scheduler; start one (dask scheduler) and add "
            "what it prints: --scheduler tcp://HOST:8786"
        )
    if executor != "dask" and scheduler:
        raise RunError(f"--scheduler {scheduler} is for --executor dask; add that")


def _plugin_files(plugins: Sequence[str | Path]) -> tuple[str, ...]:
    for path in plugins:
        if not Path(path).is_file():
            raise PluginError(f"no plugin file {path}; give the path of a Python file")
    return tuple(str(Path(path).resolve()) for path in plugins)

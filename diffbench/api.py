"""diffbench as a library: make a run, read a run. The command line is a shell over these two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from diffbench.errors import BadSelection, PluginError, RunError
from diffbench.records.run import ENVIRONMENT, PLAN, Run, load
from diffbench.records.shards import WHOLE, Shard
from diffbench.running.folder import new_folder, opened, requested, scratch, share, write_facts
from diffbench.running.plan import Request
from diffbench.running.plan import profile as profile_of

if TYPE_CHECKING:
    from diffbench.analysis.compare import Comparison
    from diffbench.records.store import Store
    from diffbench.registry import Registry
    from diffbench.running.executor import Progress

__all__ = ["Interrupted", "compare", "load", "place", "report", "requested", "run"]

REPORT = "report.html"
REPORT_S = 8.0  # of a budget, kept for exports and the report


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
    progress: Callable[[Progress], None] | None = None,
    shard: str | None = None,
    mixed: bool = False,
) -> Run:
    """Measure every selected method on every selected problem; the finished run.

    ``problems`` and ``methods`` are selections (``"rosenbrock[n=8],mlp"``), ``operators`` a list
    of names, or empty for those that the profile (quick, standard, full) plans. ``out`` is the
    folder of the run, by default a new one under ``runs/``; with ``resume`` it is one that exists
    and was begun with the same selections. ``budget`` is in seconds: after it nothing new begins,
    and what is left can be resumed. ``generations`` defaults to the profile's. ``progress`` is
    called often, between measurements. ``shard`` as ``"3/16"`` makes that part alone, in a folder
    of its own in ``out``; ``diffbench.merge`` joins them. ``mixed`` resumes a run in another
    environment (machine, versions, ...) than it was begun in.

    Raises DiffbenchError for every mistake in the arguments, before anything is measured, and
    Interrupted after Ctrl-C.
    """
    began = time.monotonic()
    effort = profile_of(profile)
    request = Request(
        problems=problems,
        methods=methods,
        operators=operators,
        profile=profile,
        seed=seed,
        generations=effort.generations if generations is None else generations,
        plugins=_plugin_files(plugins),
    ).checked()
    folder, part = place(out, shard)
    stop_at = float("inf") if budget is None else began + max(0.0, budget - REPORT_S)
    with opened(folder, request, resume, part) as plan:
        chosen = _Chosen.of(request)
        plan |= chosen.facts()
        write_facts(folder / PLAN, plan)
        tell = progress or (lambda p: None)
        _Making(folder, request, plan, chosen, stop_at, tell, mixed).make()
    return load(folder)


def place(out: str | Path | None, shard: str | None) -> tuple[Path, Shard | None]:
    """(folder, shard) of a run that is to be in ``out``; raises BadSelection."""
    if shard is None:
        return new_folder() if out is None else Path(out), None
    if out is None:
        raise BadSelection("--shard needs the folder that all shards share: --out DIR")
    part = Shard.parse(shard)
    return Path(out) / part.name, part


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
    found = comparing.compare(book, above, below, asked)
    if not found.cells:
        why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        raise RunError(
            f"{above} and {below} have no cell to compare ({why or 'none was asked for'})"
        )
    return found


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
    stop_at: float
    progress: Callable[[Progress], None]
    mixed: bool

    def make(self) -> None:
        """Measure, store, export, report; also after Ctrl-C, which is raised again at the end.

        A shard is only measured and stored: what is read is the whole run, once it is merged.
        """
        from diffbench.records.export import export
        from diffbench.records.store import Store

        with _writable(self.folder):
            with Store(self.folder) as store:
                interrupted = self._measured(store)
                store.finish()
            if self._shard is None:
                export(self.folder)
        if self._shard is None:
            report(self.folder)
        if interrupted:
            raise Interrupted(self.folder)

    @property
    def _shard(self) -> Shard | None:
        return share(self.plan, self.folder)

    def _measured(self, store: Store) -> bool:
        """Whether it was interrupted."""
        from diffbench.records.environment import environment
        from diffbench.running.cells import Context
        from diffbench.running.executor import Executor
        from diffbench.running.ledger import Ledger

        now = environment()
        facts = self._continued(store, now)
        write_facts(self.folder / ENVIRONMENT, facts)
        context = Context(self.plan["run"], now["machine"], self.request, self.chosen.methods)
        ledger = Ledger(context, store)
        ledger.remember()
        effort = profile_of(self.request.profile)
        config = {"plugins": self.request.plugins, "memory": effort.memory}
        with scratch(self.folder) as room:
            executor = Executor(ledger, effort, room, config, self.progress, self.stop_at)
            studies = self.chosen.registry.studies
            interrupted = executor.measure(
                self.chosen.points, self.chosen.operators, studies, self._shard or WHOLE
            )
        ledger.refresh()
        if executor.total_of_run is not None:
            self.plan.update(cells=executor.total, cells_of_run=executor.total_of_run)
            write_facts(self.folder / PLAN, self.plan)
        write_facts(self.folder / ENVIRONMENT, {**facts, "workers": executor.fleet.hellos})
        return interrupted

    def _continued(self, store: Store, now: dict[str, Any]) -> dict[str, Any]:
        """The environment of the run, which ``now`` must be unless it may be mixed."""
        from diffbench.records.environment import MIXED, differences, parts, together

        before = Run(self.folder).environment
        before.pop("workers", None)
        known = list(parts(before, "begun")) if before else []
        found = [differences(facts, now) for _, facts in known]
        if not all(found):
            return before if before.get(MIXED) else now
        if not known:
            return now
        if not self.mixed:
            raise RunError(
                f"{self.folder} was measured in another environment: {'; '.join(found[0])}; "
                f"begin a new run with --out, or add --mixed"
            )
        store.save_meta(MIXED, True)
        return together([*known, (["resumed"], now)])

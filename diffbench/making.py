"""The making of a run whose request is right: measure, store, export, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from diffbench.errors import RunError
from diffbench.records.run import ENVIRONMENT, EXECUTOR, PLAN, REPORT, Run
from diffbench.records.shards import WHOLE, Shard
from diffbench.running.folder import scratch, share, write_facts
from diffbench.running.plan import Request
from diffbench.running.plan import profile as profile_of

if TYPE_CHECKING:
    from diffbench.records.store import Store
    from diffbench.registry import Registry
    from diffbench.running.executor import Progress
    from diffbench.running.ledger import Ledger

__all__ = ["Chosen", "How", "Interrupted", "Making", "spared", "writable"]

# What is kept of a budget for the last intervals, the exports and the report: seconds.
FINISH_S, FINISH_CELL_S = 4.0, 1e-3
# How every report begins, and what stands in so many bytes of it.
DOCTYPE, MARK, HEAD = b"<!doctype html>", b"<title>diffbench: ", 2000


@final
class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after all that was done has been stored and reported."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"interrupted; {folder} keeps what was done")
        self.folder = folder


def spared(path: Path) -> Path:
    """The path itself; raises RunError where a report there would destroy what is none.

    What it may write over begins as every report does. Devices and empty files hold nothing.
    """
    if path.is_dir():
        raise RunError(f"{path} is a folder; name the file in it, as {path / REPORT}")
    if path.is_file():
        with writable(path), path.open("rb") as file:
            head = file.read(HEAD)
        if head and not (head.startswith(DOCTYPE) and MARK in head):
            raise RunError(f"{path} is no report of diffbench, so it stays; give another name")
    return path


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """The system's refusals as one clear line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


@final
@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request's selections name; making it raises for every mistake in them."""

    registry: Registry
    points: list[tuple[str, dict[str, Any]]]
    methods: dict[str, Any]
    operators: list[str]
    left_out: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, request: Request) -> Chosen:
        """Look all names up."""
        from diffbench.method import variant_name
        from diffbench.registry import discover

        registry = discover(request.plugins, ("methods", "problems", "studies")).sound()
        return cls(
            registry=registry,
            points=registry.points(request.problems, request.profile),
            methods={variant_name(m): m for m in registry.methods(request.methods)},
            operators=registry.operators(request.operators) if request.operators else [],
            left_out=registry.left_out(request.problems, request.profile),
        )

    def facts(self) -> dict[str, Any]:
        """For plan.json: what the selections came to, and the plugins that were refused."""
        from diffbench.problem import canonical

        return {
            "instances": [canonical(name, params) for name, params in self.points],
            "variants": list(self.methods),
            "studies": sorted(self.registry.studies),
            "left_out": self.left_out,
            "broken": dict(self.registry.broken),
        }


@final
@dataclass(frozen=True, slots=True)
class How:
    """What a run is made with, and is no part of what it measures.

    ``began`` and ``ends_at`` are times of ``time.monotonic``.
    """

    began: float
    ends_at: float | None
    executor: str
    scheduler: str
    mixed: bool
    progress: Callable[[Progress], None]


@final
@dataclass(frozen=True, slots=True)
class Making:
    """A run that is begun: its folder and plan stand, its request is right."""

    folder: Path
    request: Request
    plan: dict[str, Any]
    chosen: Chosen
    how: How

    def make(self) -> bool:
        """Measure, store, export; whether Ctrl-C ended it.

        A shard is only measured and stored: what is read is the whole run, once it is merged.
        """
        from diffbench.records.export import export
        from diffbench.records.salvage import salvage, torn
        from diffbench.records.store import Store

        with writable(self.folder):
            if torn(self.folder):
                self.plan["salvaged"] = salvage(self.folder, self.plan["run"])
            with Store(self.folder) as store:
                interrupted = self._measured(store)
                store.finish()
            if self._shard is None:
                export(self.folder)
        return interrupted

    @property
    def _shard(self) -> Shard | None:
        return share(self.plan, self.folder)

    def _measured(self, store: Store) -> bool:
        """Whether it was interrupted."""
        from diffbench.records.environment import environment
        from diffbench.running.cells import Context
        from diffbench.running.cluster import Cluster
        from diffbench.running.executor import Executor
        from diffbench.running.ledger import Ledger

        now, how = environment(), self.how
        _check_executor(store, how.executor, self.folder)
        facts = self._continued(store, now)
        write_facts(self.folder / ENVIRONMENT, facts)
        context = Context(self.plan["run"], now["machine"], self.request, self.chosen.methods)
        ledger = Ledger(context, store)
        ledger.remember()
        effort = profile_of(self.request.profile)
        config = {"plugins": self.request.plugins, "memory": effort.memory}
        with scratch(self.folder) as room:
            fills = how.ends_at is not None and self.request.generations is None
            shard = self._shard or WHOLE
            home = Executor(
                ledger, effort, room, config, how.progress, self._over(ledger), fills, shard
            )
            made = Cluster(how.scheduler, home) if how.scheduler else home
            studies = dict(shard.of(sorted(self.chosen.registry.studies.items())))
            interrupted = made.measure(self.chosen.points, self.chosen.operators, studies)
        ledger.refresh()
        if made.total_of_run is not None:
            self.plan.update(cells=made.total, cells_of_run=made.total_of_run)
            write_facts(self.folder / PLAN, self.plan)
        lasted = time.monotonic() - how.began
        write_facts(self.folder / ENVIRONMENT, {**facts, **made.facts(lasted)})
        return interrupted

    def _over(self, ledger: Ledger) -> Callable[[], bool]:
        """Whether only what is needed to finish is left of the budget."""
        if self.how.ends_at is None:
            return lambda: False
        ends_at = self.how.ends_at - FINISH_S
        return lambda: time.monotonic() > ends_at - FINISH_CELL_S * len(ledger.records)

    def _continued(self, store: Store, now: dict[str, Any]) -> dict[str, Any]:
        """The environment of the run, which ``now`` must be unless it may be mixed."""
        from diffbench.records.environment import MIXED, differences, lasting, parts, together

        before = lasting(Run(self.folder).environment)
        known = list(parts(before, "begun")) if before else []
        found = [differences(facts, now) for _, facts in known]
        if not all(found):
            return before if before.get(MIXED) else now
        if not known:
            return now
        if not self.how.mixed:
            raise RunError(
                f"{self.folder} was measured in another environment: {'; '.join(found[0])}; "
                f"begin a new run with --out, or add --mixed"
            )
        store.save_meta(MIXED, True)
        return together([*known, (["resumed"], now)])


def _check_executor(store: Store, executor: str, folder: Path) -> None:
    """A run that one machine measures stays with it, and one of a cluster with clusters."""
    before = store.meta().setdefault(EXECUTOR, executor)
    if before != executor:
        raise RunError(
            f"{folder} was begun with --executor {before}, not {executor}; go on as it was "
            f"begun, or begin a new run with --out"
        )
    store.save_meta(EXECUTOR, executor)

"""What a worker can be asked to do: each task is a method of Session, called by its name."""

from __future__ import annotations

import contextlib
import errno
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, final

import msgspec
import numpy as np

from diffbench.ad.namespace import NUMPY
from diffbench.errors import DiffbenchError, Unsupported, place, worded
from diffbench.measure import answers, clock, counts, memory, swell
from diffbench.measure.spending import Spans
from diffbench.method import Method, Prepared, prepare
from diffbench.problem import Instance
from diffbench.registry import Registry, discover
from diffbench.running.plan import described
from diffbench.running.platform import NEAR_CAP, affinity, data_bytes
from diffbench.running.process import MEMORY_WORDS
from diffbench.study import Study, StudyRow

__all__ = ["Session"]

KINDS = ("numpy_primal", "own_primal", "run")  # the order within a round
PROBE_S = 0.02
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # the run's trouble, not the cell's
Task = dict[str, Any]


@final
@dataclass(slots=True)
class Timed:
    """A call that is sampled: ready to run, with its loops once they are known."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    loops: int = 0
    seconds: float = 0.0  # of one sample, roughly

    def calibrate(self, target: float) -> None:
        """Find the loops, once."""
        if not self.loops:
            self.loops, self.seconds = clock.calibrate(self.call, self.args, target)


@final
@dataclass(slots=True)
class Held:
    """A prepared cell with what is sampled in its rounds."""

    prepared: Prepared
    timed: dict[str, Timed]


@final
@dataclass
class Session:
    """The state of one worker: its plugins, the instances and cells of the present block."""

    config: dict[str, Any]
    tell: Callable[..., None]
    registry: Registry = field(init=False)
    instances: dict[str, Instance] = field(default_factory=dict)
    held: dict[tuple[str, str, str], Held] = field(default_factory=dict)
    numpy_primals: dict[str, Timed] = field(default_factory=dict)
    own_primals: dict[tuple[str, str], Timed | None] = field(default_factory=dict)
    references: dict[str, Any] = field(default_factory=dict)
    warm: set[str] = field(default_factory=set)
    spans: Spans = field(default_factory=Spans)

    def __post_init__(self) -> None:
        gc.disable()
        self.registry = discover(self.config["plugins"], ("methods", "problems", "studies"))
        gc.freeze()  # what is imported stays: later collections need not look at it

    def hello(self) -> Task:
        """What this process is like: its processors, threads at work, cost of the clock."""
        return {"cpus": affinity(), "cpu_share": cpu_share(), **asdict(clock.overheads())}

    def answer(self, message: Task) -> Task:
        """Do one task; whatever it raises becomes the reply, with the time that it took."""
        found = self._answer(**message)
        gc.collect(1)  # the collector is off while timing: cycles are cleared here
        return {**found, "spans": self.spans.taken()}

    def _answer(self, do: str, **message: Any) -> Task:
        try:
            return {"result": getattr(self, f"do_{do}")(**message)}
        except BaseException as error:
            return {"error": explained(error, self.config["memory"])}

    # --- the reference worker ---------------------------------------------------------------------

    def do_describe(self, points: Iterable[tuple[str, dict[str, Any]]], seed: int) -> list[Task]:
        """Name and size of each instance; each is built and dropped again."""
        return [described(self.registry.family(name).instance(p, seed)) for name, p in points]

    def do_certify(self, instance: Task, operator: str, path: str) -> str:
        """Compute the proven answer and leave it in a file; its claim."""
        from diffbench.measure.reference import certify

        with self.spans.of("certify"):
            reference = certify(self._instance(instance), operator)
            reference.save(path)
        self.references[path] = reference
        return reference.claim

    def do_judge(self, answer: str, path: str, claim: str) -> Task:
        """The verdict on the answer of a method with that claim against the reference in a file."""
        from diffbench.measure.accuracy import judge
        from diffbench.measure.reference import Reference

        if not Path(path).exists():
            return {"verdict": "uninformative", "reference": "none"}
        with self.spans.of("judge"):
            if path not in self.references:
                self.references[path] = Reference.load(path)
            return asdict(judge(answers.load(answer), self.references[path], claim))

    # --- the workers of the methods ---------------------------------------------------------------

    def do_prepare(
        self, instance: Task, operator: str, method: str, answer: str, target: float
    ) -> Task:
        """Prepare and call once; with a file for the answer also check, count, weigh it."""
        made, chosen = self._instance(instance), self._method(method)
        with self._phase("warm-up"):
            self._warm_up(made, chosen, method)
        with self._phase("prepare"):
            start = perf_counter()
            prepared = prepare(chosen, made, operator)
            facts: Task = {"prepare_s": perf_counter() - start, "origin": prepared.origin}
        with self._phase("first call"):
            facts["first_call_s"] = first_call(prepared)
        if answer:
            with self._phase("check"):
                facts |= checked(prepared, answer)
        with self._phase("calibrate"):
            timed = self._timed(prepared, made, chosen, method)
            for row in timed.values():
                row.calibrate(target)
        self.held[made.name, operator, method] = Held(prepared, timed)
        return {**facts, "round_s": sum(row.seconds for row in timed.values())}

    def do_round(self, instance: str, operator: str, method: str) -> dict[str, tuple[int, float]]:
        """One round: each kind's loops and seconds."""
        timed = self.held[instance, operator, method].timed
        with self.spans.of("rounds"):
            return {
                kind: (row.loops, clock.warm_sample(row.call, row.args, row.loops))
                for kind, row in timed.items()
            }

    def do_sizes(self, instance: Task, operator: str, method: str) -> dict[str, int | None]:
        """The sizes of the cell's expressions and the operations of f."""
        made = self._instance(instance)
        held = self.held.get((made.name, operator, method))
        with self.spans.of("sizes"):
            prepared = held.prepared if held else prepare(self._method(method), made, operator)
            return {**swell.sizes(prepared), "primal_ops": swell.primal_ops(made)}

    def do_drop(self) -> int | None:
        """Forget the block; the bytes still in use."""
        for table in (self.instances, self.held, self.numpy_primals, self.own_primals):
            table.clear()
        self.references.clear()
        gc.collect()
        gc.freeze()  # what survives (modules, caches) need not be looked at again
        return data_bytes()

    def do_study(self, name: str, method: str, families: Iterable[str], profile: str) -> int:
        """Run a study, or what it asks of one method; its rows go out one by one."""
        count = 0
        with self.spans.of("study"):
            for row in self._rows(self.registry.studies[name], method, families, profile):
                self.tell(row=msgspec.to_builtins(row, enc_hook=lambda number: number.item()))
                count += 1
        return count

    # --- what they share --------------------------------------------------------------------------

    def _rows(
        self, study: Study, method: str, families: Iterable[str], profile: str
    ) -> Iterator[StudyRow]:
        if study.each and method:
            yield from study.each(self._method(method))
            return
        yield from study.run()
        if study.over:
            yield from study.over([self.registry.family(name) for name in families], profile)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Tell what is done now, should it never end, and note how long it takes."""
        self.tell(phase=name)
        with self.spans.of(name):
            yield

    def _instance(self, spec: Task) -> Instance:
        made = self.instances.get(spec["name"])
        if made is None:
            family, shelf = self.registry.family(spec["family"]), self.config.get("shelf")
            made = family.instance(spec["params"], spec["seed"], shelf)
            self.instances[spec["name"]] = made
        return made

    def _method(self, name: str) -> Method:
        (chosen,) = self.registry.methods(name)
        return chosen

    def _timed(
        self, prepared: Prepared, made: Instance, method: Method, name: str
    ) -> dict[str, Timed]:
        run = Timed(prepared.call, prepared.stage(made.x, made.seed_of(prepared.operator)))
        if prepared.operator == "value":
            self.own_primals[made.name, name] = run  # nothing is compiled twice
        found = {
            "numpy_primal": self._numpy_primal(made),
            "own_primal": self._own_primal(made, method, name),
            "run": run,
        }
        return {kind: row for kind in KINDS if (row := found[kind]) is not None}

    def _warm_up(self, made: Instance, method: Method, name: str) -> None:
        """Import and start, once a process, what a method uses: no part of any cell's own time."""
        if name not in self.warm:
            self.warm.add(name)
            with contextlib.suppress(Exception):  # the cell will meet it again, and report it
                prepared = prepare(method, made, "value")
                prepared(*prepared.stage(made.prepare_x))

    def _numpy_primal(self, made: Instance) -> Timed:
        if made.name not in self.numpy_primals:
            self.numpy_primals[made.name] = Timed(made.f, (made.x, NUMPY, *made.constants))
        return self.numpy_primals[made.name]

    def _own_primal(self, made: Instance, method: Method, name: str) -> Timed | None:
        """f as the method evaluates it; None where it has no value of its own."""
        key = (made.name, name)
        if key not in self.own_primals:
            try:
                value = prepare(method, made, "value")
            except Unsupported:
                self.own_primals[key] = None
            else:
                self.own_primals[key] = Timed(value.call, value.stage(made.x))
        return self.own_primals[key]


def first_call(prepared: Prepared) -> float:
    """Seconds of the first call, at the point where the cell was prepared."""
    instance = prepared.instance
    args = prepared.stage(instance.prepare_x, instance.seed_of(prepared.operator))
    start = perf_counter()
    prepared(*args)
    return perf_counter() - start


def checked(prepared: Prepared, path: str) -> Task:
    """One call at x: its answer left in a file, its counts and its peak memory."""
    instance = prepared.instance
    args = prepared.stage(instance.x, instance.seed_of(prepared.operator))
    (out, peak), found = counts.counted(instance.f, lambda: memory.peak_bytes(prepared.call, args))
    answer = prepared.collect(out)
    facts: Task = {"peak_bytes": peak, **asdict(found)}
    if not answers.numeric(answer):
        kind = f"{type(answer).__name__} {getattr(answer, 'dtype', '')}".strip()
        malformed = f"the answer is no array of numbers but {kind}"
        return {**facts, "verdict": "wrong", "verdict_reason": malformed}
    answers.save(answer, path)
    return {**facts, "dtype": str(answer.dtype)}


def cpu_share() -> float:
    """Processor time over wall time of a product of matrices: at most 1 with one thread."""
    a = np.ones((256, 256))
    a @ a
    wall, cpu = perf_counter(), process_time()
    while perf_counter() - wall < PROBE_S:
        a @ a
    return (process_time() - cpu) / (perf_counter() - wall)


def explained(error: BaseException, cap: int) -> dict[str, str]:
    """The status and reason of what a task raised."""
    text = worded(error)[:500]
    if isinstance(error, Unsupported):
        return {"status": "unsupported", "reason": str(error)}
    if isinstance(error, OSError) and error.errno in DISK:
        return {"status": "disk", "reason": text}
    used = data_bytes()
    near = used is not None and used > NEAR_CAP * cap
    if isinstance(error, MemoryError) or near or any(word in text for word in MEMORY_WORDS):
        return {"status": "out_of_memory", "reason": f"{text} (the cap is {cap / 2**20:.0f} MiB)"}
    kind = "usage" if isinstance(error, DiffbenchError) else "failed"
    return {"status": kind, "reason": f"{text}{place(error)}"}

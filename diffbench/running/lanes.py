"""Jobs on workers: in parallel where nothing is timed, one at a time where something is.

A job is one message to one worker with a deadline. What goes wrong (the deadline, the death of
the worker, an error it reports) becomes the job's reply; the worker is then replaced at its next
job, for whatever it was doing may have left it in any state.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, final

from diffbench.errors import RunError
from diffbench.measure.spending import Spending
from diffbench.running.platform import move
from diffbench.running.process import Worker
from diffbench.running.supervisor import Supervisor

__all__ = ["Fleet", "Job", "Lanes"]

START_S = 60.0  # for a worker to import and report, on a busy machine
TICK_S = 0.25
MEMORY = 50  # jobs of a worker that tell how long its next ones will take
Reply = dict[str, Any]


@final
@dataclass(slots=True)
class Job:
    """One message to the worker of that name; ``done`` gets its result or its error."""

    worker: str
    message: dict[str, Any]
    limit: float  # seconds
    done: Callable[[Reply], None]
    rows: list[Any] = field(default_factory=list)


@final
class Fleet:
    """The workers that live, by name; started when first needed."""

    def __init__(self, config: dict[str, Any], scratch: Path) -> None:
        self._config = config
        self._scratch = scratch
        self._alive: dict[str, Worker] = {}
        self._started = 0
        self._supervisor = Supervisor()
        self.hellos: dict[str, dict[str, Any]] = {}
        self.spending = Spending()

    def get(self, name: str, cpu: int | None) -> tuple[Worker, bool]:
        """The worker of that name, and whether it was started for this, on that processor."""
        if name in self._alive:
            return self._alive[name], False
        self._started += 1
        log = self._scratch / f"worker-{self._started}.log"
        cpus = self._config["cpus"] if cpu is None else [cpu]
        worker = Worker({**self._config, "cpus": cpus}, log, self._supervisor)
        worker.cpu = cpu
        self._alive[name] = worker
        return worker, True

    def forget(self, name: str) -> None:
        """A worker that has died or was killed."""
        self._alive.pop(name, None)

    def kill(self, name: str) -> None:
        """End one worker; the next job of that name starts another."""
        if name in self._alive:
            self._alive.pop(name).kill()

    def holds(self, name: str, what: object) -> bool:
        """Whether a worker lives and has that prepared."""
        return name in self._alive and what in self._alive[name].held

    def hold(self, name: str, what: object) -> None:
        """Note that it has."""
        self._alive[name].held.add(what)

    def alive(self) -> list[str]:
        """The names of those that live."""
        return list(self._alive)

    def kill_all(self) -> None:
        """End every worker group."""
        while self._alive:
            _, worker = self._alive.popitem()
            worker.kill()

    def close(self) -> None:
        """The same, and no other is started."""
        self.kill_all()
        self._supervisor.close()


@final
@dataclass(slots=True)
class _Active:
    job: Job
    worker: Worker
    cpu: int | None
    deadline: float
    phase: str
    began: float = field(default_factory=time.monotonic)


@final
class Lanes:
    """Runs jobs, each worker one at a time and in order, as many workers at once as processors."""

    def __init__(self, fleet: Fleet, cpus: Sequence[int], most: int) -> None:
        self._fleet = fleet
        self._free: list[int | None] = list(cpus) or [None] * most
        self._queues: dict[str, deque[Job]] = {}
        self._active: dict[int, _Active] = {}
        self._seconds: dict[str, deque[float]] = {}  # what each worker's last jobs took
        self.stopped: Callable[[], bool] = lambda: False
        self.tick: Callable[[], None] = lambda: None

    def add(self, job: Job) -> None:
        """Queue a job behind those of its worker; jobs may add others when they are done."""
        self._queues.setdefault(job.worker, deque()).append(job)

    def run(self, jobs: Iterable[Job]) -> None:
        """Until all is done; once it is ``stopped()`` what is under way is killed and dropped."""
        for job in jobs:
            self.add(job)
        while True:
            if self.stopped():
                self._drop()
            self._fill()
            if not self._active:
                return
            self._wait()

    def _drop(self) -> None:
        self._queues.clear()
        for active in self._active.values():
            self._fleet.kill(active.job.worker)
            self._free.append(active.cpu)
        self._active.clear()

    def _fill(self) -> None:
        busy = {active.job.worker for active in self._active.values()}
        ready = [name for name, queue in self._queues.items() if queue and name not in busy]
        # The most work first: what is left at the end then runs side by side.
        ready.sort(key=self._work, reverse=True)
        for name in ready[: len(self._free)]:
            self._start(self._queues[name].popleft(), self._free.pop())

    def _work(self, name: str) -> float:
        """Seconds that a worker's queue will take, if its jobs are like those before."""
        return len(self._queues[name]) * fmean(self._seconds.get(name, (1.0,)))

    def _start(self, job: Job, cpu: int | None) -> None:
        worker, fresh = self._fleet.get(job.worker, cpu)
        if cpu is not None and worker.cpu != cpu:
            move(worker.pid, (cpu,))
            worker.cpu = cpu
        worker.send(job.message)
        deadline = time.monotonic() + (START_S if fresh else job.limit)
        phase = "starting" if fresh else str(job.message["do"])
        self._active[worker.fileno()] = _Active(job, worker, cpu, deadline, phase)

    def _wait(self) -> None:
        nearest = min(active.deadline for active in self._active.values())
        timeout = max(0.0, min(TICK_S, nearest - time.monotonic()))
        ready, _, _ = select.select(list(self._active), [], [], timeout)
        for channel in ready:
            self._read(self._active[channel])
        now = time.monotonic()
        for active in self._active.values():
            active.worker.weigh()
        for active in [a for a in self._active.values() if a.deadline < now]:
            reason = f"{active.phase}: not done after {active.job.limit:g} s, so it was killed"
            self._lose(active, "timeout", reason)
        self.tick()

    def _read(self, active: _Active) -> None:
        try:
            for line in active.worker.lines():
                self._take(active, line)
        except EOFError:
            death = active.worker.autopsy(active.phase)
            self._lose(active, death.status, death.reason)
        except ValueError:
            self._lose(active, "crashed", f"{active.phase}: the worker's channel was written over")

    def _take(self, active: _Active, line: dict[str, Any]) -> None:
        if "hello" in line:
            active.deadline = time.monotonic() + active.job.limit
            active.phase = str(active.job.message["do"])
            self._fleet.hellos[active.job.worker] = line["hello"]
        elif "phase" in line:
            active.phase = line["phase"]
        elif "row" in line:
            active.job.rows.append(line["row"])
        else:
            self._close(active, line)

    def _close(self, active: _Active, line: dict[str, Any]) -> None:
        self._fleet.spending.add(line.pop("spans"))
        if "result" in line:
            self._end(active, line)
        else:
            error = line["error"]
            if error["status"] == "disk":
                raise RunError(f"{error['reason']}; free some room, then go on with --resume")
            if error["status"] == "unsupported":
                self._end(active, line)
            else:
                self._lose(active, error["status"], f"{active.phase}: {error['reason']}")

    def _lose(self, active: _Active, status: str, reason: str) -> None:
        """The job failed: its worker goes too."""
        active.worker.kill()
        self._fleet.forget(active.job.worker)
        self._end(active, {"error": {"status": status, "reason": reason}})

    def _end(self, active: _Active, reply: Reply) -> None:
        channel = next(key for key, value in self._active.items() if value is active)
        del self._active[channel]
        self._free.append(active.cpu)
        took = time.monotonic() - active.began
        self._seconds.setdefault(active.job.worker, deque(maxlen=MEMORY)).append(took)
        active.job.done(reply)

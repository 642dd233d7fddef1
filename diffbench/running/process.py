"""A worker seen from the parent: started, spoken to in lines of JSON, killed as a group."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from diffbench.running.platform import (
    NEAR_CAP,
    data_bytes,
    ended,
    kill_group,
    worker_environment,
)
from diffbench.running.supervisor import Supervisor

__all__ = ["MEMORY_WORDS", "Death", "Worker"]

# What libraries say when memory runs out, whatever they raise or however they end.
MEMORY_WORDS = (
    "MemoryError",
    "RESOURCE_EXHAUSTED",
    "std::bad_alloc",
    "bad_alloc",
    "out of memory",
    "Out of memory",
    "Cannot allocate memory",
    "Unable to allocate",
)
TAIL = 2000  # bytes of a dead worker's last words


@final
@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended without being asked to: a status of the record, and its reason."""

    status: str
    reason: str


@final
class Worker:
    """One process with its configuration; lines that it sends come out of ``lines``.

    It dies with the thread that starts it: that must live as long as the run. What it starts
    itself dies by the ``supervisor``.
    """

    def __init__(self, config: dict[str, Any], log: Path, supervisor: Supervisor) -> None:
        self.log = log
        self._supervisor = supervisor
        self._cap, self._most = config["memory"], 0  # bytes: allowed, and the most seen in use
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "diffbench.running.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=worker_environment(),
                start_new_session=True,
            )
        supervisor.watch(self.pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._rest = b""
        self.held: set[object] = set()  # what it has prepared; it dies with the process
        self.cpu: int | None = None  # where it runs now
        self.send({**config, "parent": os.getpid()})

    @property
    def pid(self) -> int:
        """The process id, and the id of its group."""
        return self._process.pid

    def fileno(self) -> int:
        """What to wait for with ``select``."""
        return self._out.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """One message; to a dead worker it is lost, and ``lines`` will tell."""
        try:
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()
        except OSError:
            return

    def lines(self) -> Iterator[dict[str, Any]]:
        """What has arrived, as messages; raises EOFError where the worker has ended."""
        chunk = os.read(self.fileno(), 2**16)
        if not chunk:
            raise EOFError
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            yield json.loads(line)

    def weigh(self) -> None:
        """Look how much memory it uses: when it has died, nobody can tell."""
        self._most = max(self._most, data_bytes(self.pid) or 0)

    def kill(self) -> int:
        """End the whole group now; the return code. A second time changes nothing."""
        code = self._process.returncode
        if code is None:  # else its id may belong to another process by now
            kill_group(self._process)
            self._supervisor.forget(self.pid)
            code = self._process.wait()
        for channel in (self._in, self._out):
            with contextlib.suppress(OSError):  # what a dead worker never read is lost
                channel.close()
        return code

    def autopsy(self, phase: str) -> Death:
        """Bury a worker whose channel closed, and say what it died of."""
        # The channel closes a moment before the process ends; killing would hide its code.
        on_its_own = ended(self._process, 1.0)
        code = self.kill()
        if not on_its_own:
            return Death("crashed", f"{phase}: the worker closed its channel and went on")
        words = self.last_words()
        if any(word in words for word in MEMORY_WORDS):
            return Death("out_of_memory", f"{phase}: the worker ended with: {words}")
        if self._most > NEAR_CAP * self._cap:
            seen = f"{self._most / 2**20:.0f} of {self._cap / 2**20:.0f} MiB in use"
            return Death("out_of_memory", f"{phase}: the worker ended with {_cause(code)}, {seen}")
        said = f": {words}" if words else ""
        return Death("crashed", f"{phase}: the worker ended with {_cause(code)}{said}")

    def last_words(self) -> str:
        """The last line that the worker wrote to stderr, printable and short."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - TAIL))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else ""


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return f"{name}, which the kernel also sends where the machine's memory runs out"
    return name

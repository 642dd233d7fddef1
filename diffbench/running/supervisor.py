"""The supervisor of a run: a process of its own that kills every worker group when the run dies.

A signal of death reaches a worker but not what the worker started. So the run keeps one more
process, in a session of its own, that knows the groups of all living workers and holds the other
end of a pipe: at its end the run has ended, however it did, and every group is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import final

__all__ = ["Supervisor", "guard", "main"]

WATCH, FORGET = "+", "-"  # the two messages: a sign and the id of a group, one a line


@final
class Supervisor:
    """The run's side: tells which groups live. One that was killed is replaced."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Kill that group, should this process end."""
        self._groups.add(group)
        if self._process is None or not _sent(self._process, ((WATCH, group),)):
            self._start()

    def forget(self, group: int) -> None:
        """It has ended; to be called before its id can pass to another process."""
        self._groups.discard(group)
        if self._process is not None:  # one that was killed is replaced with the next to watch
            _sent(self._process, ((FORGET, group),))

    def close(self) -> None:
        """End it; what it still watches is killed."""
        if self._process is not None:
            _end(self._process)
            self._process = None

    def _start(self) -> None:
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "diffbench.running.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _sent(self._process, ((WATCH, known) for known in self._groups))


def _sent(process: subprocess.Popen[bytes], messages: Iterable[tuple[str, int]]) -> bool:
    """Whether it lives to hear them."""
    assert process.stdin is not None
    try:
        process.stdin.write("".join(f"{sign}{group}\n" for sign, group in messages).encode())
        process.stdin.flush()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it was killed, and what it was told last is lost
        process.stdin.close()
    process.wait()


def guard(messages: Iterable[bytes]) -> None:
    """Follow the messages to their end, then kill every group that was not forgotten."""
    groups: set[int] = set()
    for line in messages:
        if line.endswith(b"\n"):  # else the run died while it wrote
            group = int(line[1:])
            (groups.add if line[:1].decode() == WATCH else groups.discard)(group)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Guard what is told on stdin; only its end ends this, no polite signal."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    guard(sys.stdin.buffer)


if __name__ == "__main__":
    main()

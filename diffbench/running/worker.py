"""The worker's side: limits first, imports after, then one message at a time until none comes.

Messages are lines of JSON over private copies of stdin and stdout; the real ones are pointed
elsewhere, so that a plugin that prints or reads does no harm. The answer to a message is one line
with ``result`` or ``error``; lines with ``phase`` or ``row`` may come before it.
"""

from __future__ import annotations

import json
import os
from typing import IO, Any

from diffbench.running.platform import affinity, cap_memory, die_with_parent, move

__all__ = ["main"]


def _private_channel() -> tuple[IO[bytes], int]:
    """(what to read, where to write): copies that no child process of a plugin inherits."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _write(channel: int, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[os.write(channel, data) :]


def main() -> None:
    """Serve until the parent closes the channel."""
    incoming, outgoing = _private_channel()
    config = json.loads(incoming.readline())
    if not die_with_parent(config["parent"]):
        return
    move(os.getpid(), config["cpus"] or affinity())
    cap_memory(config["memory"])

    from diffbench.running.tasks import Session

    def tell(**message: Any) -> None:
        _write(outgoing, message)

    session = Session(config, tell)
    tell(hello=session.hello())
    for line in incoming:
        tell(**session.answer(json.loads(line)))


if __name__ == "__main__":
    main()

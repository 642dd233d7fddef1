"""What is printed to a reader that may leave, as in ``diffbench list problems | head``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, final

__all__ = ["Patient"]


@final
class Patient:
    """A stream that takes no offence: once its reader has left, what is written is lost.

    The command goes on and ends as it would have, so that its exit code stays true.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream does."""
        with self._alone():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream does."""
        with self._alone():
            self._stream.flush()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # what it still holds is written at exit: to nowhere then
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

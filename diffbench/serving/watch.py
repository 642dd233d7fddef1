"""The latest page of a run, made again in the background while somebody looks at it."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import final

from diffbench import api
from diffbench.errors import DiffbenchError
from diffbench.records.store import stamp

__all__ = ["Watch"]

LOOK_S = 0.5  # between looks at the store
LEAST_S = 3.0  # between pages
SHARE = 2  # times the work of a page is waited: it takes a third of one processor at most
EYES_S = 10.0  # after the last question nobody looks any more


@final
class Watch:
    """Use it as a context manager: the thread runs inside.

    A page that cannot be made leaves the one before it in its place; the first tells why.
    Raises RunError where there is no run in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._stamp = folder, stamp(folder)
        self._made, self._page = "", ""  # the stamp of the latest page, and the page
        self._asked = time.monotonic()
        self._next = 0.0
        self._first, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def latest(self) -> tuple[str, str]:
        """(version, page); waits for the first."""
        self._asked = time.monotonic()
        self._first.wait()
        return self._made, self._page

    def _work(self) -> None:
        # On Linux a thread has a niceness of its own; what measures on this machine goes first.
        with suppress(AttributeError, OSError):
            os.nice(10)
        while not self._ended.wait(LOOK_S if self._page else 0):
            if self._due():
                self._make()

    def _due(self) -> bool:
        now = time.monotonic()
        if now < self._next or now - self._asked > EYES_S:
            return False
        with suppress(DiffbenchError):  # a folder that is gone has no newer page
            self._stamp = stamp(self._folder)
        return self._stamp != self._made

    def _make(self) -> None:
        began, version = time.thread_time(), self._stamp
        try:
            self._set(version, api.live_page(self._folder, version))
        except Exception as error:  # whatever it is: who asks must have an answer
            if not self._page:
                kind = "" if isinstance(error, DiffbenchError) else f"{type(error).__name__}: "
                # Of no version, so that it is tried again.
                self._set("none", api.waiting_page(self._folder, f"{kind}{error}", "none"))
        self._next = time.monotonic() + max(LEAST_S, SHARE * (time.thread_time() - began))

    def _set(self, version: str, page: str) -> None:
        self._made, self._page = version, page
        self._first.set()

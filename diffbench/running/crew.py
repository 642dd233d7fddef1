"""The dask workers of a cluster: found, asked what they are, and counted again and again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pkgutil
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from operator import methodcaller
from typing import Any, final

from diffbench import __version__
from diffbench.errors import RunError

__all__ = ["Crew"]

CONNECT_S = 10.0  # for the scheduler to answer, and for a first dask worker to be there
RECOUNT_S = 1.0
POLL_S = 0.05
GREET = "diffbench.running.remote:greet"


@final
class Crew:
    """Who can be given blocks: ``machines`` has the machine of each by its address.

    Raises RunError where there is no scheduler at ``address``, no worker that can measure, and,
    from every call, when the scheduler is gone.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = _connected(address)
        self.machines: dict[str, str] = {}
        self.facts: dict[str, dict[str, Any]] = {}  # by machine
        self.refused: dict[str, str] = {}  # address: reason
        self._met: dict[str, Any] = {}  # address: what it will answer
        self._counted = float("-inf")
        try:
            self._muster()
        except BaseException:
            self.close()
            raise

    def _muster(self) -> None:
        until = time.monotonic() + CONNECT_S
        while not self.machines:
            self.recount()
            if time.monotonic() > until:
                raise RunError(self.why_none())
            time.sleep(POLL_S)

    def why_none(self) -> str:
        """Why nobody can be given a block."""
        for address, reason in self.refused.items():
            return f"no dask worker of {self.address} can measure; {address}: {reason}"
        return f"no dask worker at {self.address}; start one: dask worker {self.address}"

    def recount(self) -> bool:
        """See who is there, at most once a second; whether anybody came or went."""
        before = set(self.machines)
        if time.monotonic() - self._counted > RECOUNT_S:
            self._counted = time.monotonic()
            self._count()
        for address, answer in [pair for pair in self._met.items() if pair[1].done()]:
            del self._met[address]
            self._meet(address, answer)
        return before != set(self.machines)

    def _count(self) -> None:
        with self._there():
            alive = set(self._client.nthreads())
        known: tuple[dict[str, Any], ...] = (self.machines, self.refused, self._met)
        for table in known:
            for address in table.keys() - alive:
                del table[address]
        for address in alive.difference(*known):
            # A name that is not there would end a dask worker, were it the task itself.
            found = self.submit(address, pkgutil.resolve_name, GREET)
            self._met[address] = self.submit(address, methodcaller("__call__"), found)

    def _meet(self, address: str, answer: Any) -> None:
        try:
            facts = answer.result(timeout=CONNECT_S)
        except Exception as error:
            self.refuse(address, f"{said(error)}; install diffbench {__version__} there")
            return
        if facts["diffbench"] != __version__:
            self.refuse(address, f"it has diffbench {facts['diffbench']}, here is {__version__}")
            return
        self.machines[address] = facts["machine"]
        self.facts.setdefault(facts["machine"], facts)

    def refuse(self, address: str, reason: str) -> None:
        """Give it no block any more."""
        self.machines.pop(address, None)
        self.refused[address] = reason

    def submit(self, address: str, task: Callable[..., Any], *args: Any) -> Any:
        """Begin a task there and nowhere else; its future."""
        with self._there():
            return self._client.submit(
                task, *args, workers=[address], allow_other_workers=False, pure=False, retries=0
            )

    def tell(self, task: Callable[..., Any], *args: Any) -> None:
        """Call something on every worker at once, whatever it is doing."""
        with contextlib.suppress(Exception):  # who cannot hear it any more need not
            self._client.run(task, *args, workers=list(self.machines), on_error="ignore")

    def close(self) -> None:
        """Leave the cluster; what was submitted is forgotten there."""
        with contextlib.suppress(Exception):  # it may be gone already
            self._client.close()

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            if self._client.status != "running":  # it would wait, and what was submitted is lost
                raise OSError("the connection broke")
            yield
        except Exception as error:
            raise RunError(
                f"the scheduler at {self.address} is gone ({said(error)}); what is done is kept: "
                f"start it again and go on with --resume"
            ) from error


def said(error: BaseException) -> str:
    """An error in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")[:300]


def _connected(address: str) -> Any:
    try:
        import distributed
        from distributed.versions import VersionMismatchWarning
    except ImportError as error:
        raise RunError(
            f"--executor dask needs dask ({error}); type: pip install 'diffbench[cluster]'"
        ) from error
    try:
        with ThreadPoolExecutor(1) as aside:  # this thread may run a loop of its own (Jupyter)
            kind = aside.submit(asyncio.run, _kind(address)).result()
    except Exception as error:
        raise RunError(
            f"no scheduler answers within {CONNECT_S:g} s at {address!r} ({said(error)}); give the "
            f"address that `dask scheduler` prints, as tcp://HOST:8786"
        ) from error
    if kind != "Scheduler":
        raise RunError(f"{address} is a {kind}; give the address that `dask scheduler` prints")
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # the crew says it itself
    with warnings.catch_warnings():  # versions of packages are among the facts of each machine
        warnings.simplefilter("ignore", VersionMismatchWarning)
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)


async def _kind(address: str) -> str:
    """Ask who is there before a Client does: it fails with many lines, and late."""
    from distributed import Security, rpc

    security = Security().get_connection_args("client")
    async with asyncio.timeout(CONNECT_S), rpc(address, connection_args=security) as there:
        return str((await there.identity())["type"])

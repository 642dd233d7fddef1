"""Disks that are full or cannot be written: one clear line, and nothing that was stored is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench.running.platform import LINUX

MAIN = "import sys; from diffbench.cli import main; sys.argv = ['diffbench', *sys.argv[1:]]; main()"
ASKED = ("--problems", "lecture,rosenbrock,mlp", "--methods", "manual,reverse,zero")
CELLS = 66
KEY = ["instance", "operator", "method"]

pytestmark = pytest.mark.skipif(not LINUX, reason="only Linux has these limits")


def command(folder: Path, *more: str, limit_kib: int | None = None) -> tuple[int, str]:
    """Exit code and stderr of a run; no file of it may grow beyond the limit."""
    ulimit = [] if limit_kib is None else ["bash", "-c", f'ulimit -f {limit_kib}; exec "$@"', "-"]
    run = [sys.executable, "-c", MAIN, "run", "--profile", "quick", "--out", str(folder), *more]
    done = subprocess.run([*ulimit, *run], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def workers() -> list[int]:
    """The processes of runs that live, whoever started them in this session of tests."""
    found = psutil.process_iter(["cmdline", "environ"])
    mine = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    return [
        p.pid
        for p in found
        if "diffbench.running.worker" in (p.info["cmdline"] or ())
        and (p.info["environ"] or {}).get("PYTEST_XDIST_TESTRUNUID", "") == mine
        and (p.info["environ"] or {}).get("PYTEST_CURRENT_TEST", "")
        == os.environ["PYTEST_CURRENT_TEST"]
    ]


def finished(folder: Path, before: int) -> None:
    """What was stored is still there and the rest is made."""
    kept = diffbench.load(folder).records.set_index(KEY)
    assert before <= len(kept) < CELLS
    with pytest.MonkeyPatch.context() as patch:
        without_report(patch)
        asked = dict(zip(("problems", "methods"), ASKED[1::2], strict=True))
        whole = diffbench.run(**asked, profile="quick", out=folder, resume=True).records
    assert len(whole) == CELLS
    assert (whole.set_index(KEY).loc[kept.index].prepare_s == kept.prepare_s).all()


def test_a_limit_on_files_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    code, said = command(tmp_path / "run", *ASKED, limit_kib=400)
    assert code == 2
    assert said.splitlines()[-1].endswith(
        "what is stored is safe: look after the disk, then go on with --resume"
    )
    assert workers() == []
    finished(tmp_path / "run", before=1)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small disk; skipped where this user may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(options: str) -> Path:
        tmpfs = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(tmpfs, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root (the limit on files is tested anyway)")
        return place

    yield mounted
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def test_a_full_disk_stops_the_run_and_more_room_lets_it_go_on(
    mount: Callable[[str], Path],
) -> None:
    place = mount("size=1m")
    code, said = command(place / "run", *ASKED)
    assert code == 2
    assert said.splitlines()[-1].endswith("then go on with --resume")
    assert workers() == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
    finished(place / "run", before=1)


def test_a_folder_that_is_read_only_is_read_and_not_written(
    mount: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    place = mount("size=64m")
    asked = ("--problems", "lecture[n=2]", "--methods", "manual")
    made = diffbench.run("lecture[n=2]", "manual", profile="quick", out=place / "run").records
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    assert diffbench.load(place / "run").records.equals(made)
    for folder, more in ((place / "new", asked), (place / "run", ("--resume",))):
        code, said = command(folder, *more)
        assert (code, said.count("\n")) == (2, 1)
        assert f"cannot write to {folder}: Read-only file system" in said

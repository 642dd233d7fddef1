"""Interrupting and going on: nothing is lost, nothing is repeated, the same cells in the end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench.errors import DiffbenchError, RunError
from diffbench.running import platform
from diffbench.running.executor import Progress

ASKED = {
    "problems": "lecture[n=2|4|8]",
    "methods": "manual,zero,reverse",
    "operators": "value,gradient",
    "profile": "quick",
}
CELLS = 18


def stop_after(cells: int) -> Any:
    def progress(seen: Progress) -> None:
        if seen.made >= cells:
            raise KeyboardInterrupt

    return progress


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)


def test_an_interrupted_run_goes_on_to_the_same_cells(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(diffbench.Interrupted):
        diffbench.run(**ASKED, out=folder, progress=stop_after(7))
    first = diffbench.load(folder)
    assert 7 <= len(first.records) < CELLS
    for name in ("records.csv", "samples.csv", "studies.csv"):
        assert (folder / name).exists()
    second = diffbench.run(**ASKED, out=folder, resume=True)
    assert len(second.records) == CELLS
    assert (second.records.status == "ok").all()
    assert (second.records.attempt == 1).all()
    before = first.samples.set_index(["instance", "operator", "method", "round", "kind"]).seconds
    after = second.samples.set_index(["instance", "operator", "method", "round", "kind"]).seconds
    assert (after.loc[before.index] == before).all()
    assert after.index.is_unique
    assert first.plan["run"] == second.plan["run"] == second.records.run.unique().item()
    again = diffbench.run(**ASKED, out=folder, resume=True)
    assert again.samples.equals(second.samples)


def test_generations_go_on_where_they_stopped(tmp_path: Path) -> None:
    asked: dict[str, Any] = {**ASKED, "problems": "lecture[n=2]", "generations": 2}
    calls = {"again": 0}

    def progress(seen: Progress) -> None:
        calls["again"] += seen.done == 6
        if calls["again"] > 8:  # all cells stand, so the second generation is under way
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(diffbench.Interrupted):
        diffbench.run(**asked, out=folder, progress=progress)
    assert set(diffbench.load(folder).records.generation) <= {1, 2}
    made = diffbench.run(**asked, out=folder, resume=True)
    assert made.records.generation.tolist() == [2] * 6
    assert not made.samples.duplicated(
        ["instance", "operator", "method", "generation", "round", "kind"]
    ).any()


def test_after_a_kill_nothing_acknowledged_is_lost_and_no_worker_lives(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    script = (
        "import diffbench, sys\n"
        "def tell(p):\n"
        "    if p.made >= 4: print('now', flush=True)\n"
        f"diffbench.run(**{ASKED!r}, out={str(folder)!r}, progress=tell)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], 60)
    assert ready
    workers = _workers(child.pid)
    assert workers
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    until = time.monotonic() + 5
    while any(map(_runs, workers)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(_runs, workers))
    kept = diffbench.load(folder).records
    assert len(kept) >= 4
    made = diffbench.run(**ASKED, out=folder, resume=True)
    assert len(made.records) == CELLS
    key = ["instance", "operator", "method"]
    both = made.records.set_index(key).loc[kept.set_index(key).index]
    assert (both.prepare_s.to_numpy() == kept.prepare_s.to_numpy()).all()
    assert not (folder / ".scratch").exists()


def _workers(parent: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(parent).children()]


def _runs(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# --- what cannot be resumed -----------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    diffbench.run("lecture[n=2]", "manual", "value", "quick", out=folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "zero"}, "was begun with methods 'manual', not 'zero'"),
        ({"seed": 1}, "was begun with seed 0, not 1"),
        ({"profile": "standard"}, "was begun with profile 'quick'"),
        ({"generations": 2}, "was begun with generations as the profile has it, not 2"),
    ],
)
def test_another_selection_is_refused(
    finished: Path, changes: dict[str, Any], message: str
) -> None:
    asked = {"problems": "lecture[n=2]", "methods": "manual", "operators": "value"}
    asked |= {"profile": "quick"}
    with pytest.raises(RunError, match=message):
        diffbench.run(**{**asked, **changes}, out=finished, resume=True)


def test_a_folder_that_holds_a_run_is_refused_without_resume(finished: Path) -> None:
    with pytest.raises(RunError, match="holds a run already; add --resume"):
        diffbench.run("lecture[n=2]", "manual", "value", "quick", out=finished)
    assert len(diffbench.load(finished).records) == 1


def test_there_is_nothing_to_resume_where_no_run_is(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run in"):
        diffbench.run(**ASKED, out=tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_is_named(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *given: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_text", refuse)  # whoever runs this may write anywhere
    with pytest.raises(RunError, match=f"cannot write to {finished}: Permission denied"):
        diffbench.run("lecture[n=2]", "manual", "value", "quick", out=finished, resume=True)


@pytest.mark.skipif(not platform.LINUX, reason="only Linux has the lock")
def test_a_folder_at_work_is_left_alone(finished: Path) -> None:
    with platform.locked(finished) as alone:
        assert alone
        with pytest.raises(RunError, match="another diffbench is at work in"):
            diffbench.run("lecture[n=2]", "manual", "value", "quick", out=finished, resume=True)
    again = diffbench.run("lecture[n=2]", "manual", "value", "quick", out=finished, resume=True)
    assert len(again.records) == 1


def test_another_machine_does_not_go_on(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffbench.records import environment

    monkeypatch.setattr(environment, "_cpu_model", lambda: "another")
    with pytest.raises(RunError, match=r"in another environment: cpu another, not .*--mixed"):
        diffbench.run("lecture[n=2]", "manual", "value", "quick", out=finished, resume=True)


def test_a_mistake_leaves_no_folder(tmp_path: Path) -> None:
    for wrong in ("rosenbrok", "rosenbrock[n=1]", "rosenbrock[n", "mlp[n=3]"):
        with pytest.raises(DiffbenchError):
            diffbench.run(wrong, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_the_folder_and_its_plan_come_first(tmp_path: Path) -> None:
    """Before numpy is imported: measured in the process, so that a busy machine cannot fail it."""
    script = (
        "import sys, diffbench.running.folder as folder\n"
        "write = folder.write_facts\n"
        "def spy(path, facts):\n"
        "    write(path, facts)\n"
        "    print(path.name, 'numpy' in sys.modules)\n"
        "    raise SystemExit\n"
        "folder.write_facts = spy\n"
        "import diffbench\n"
        f"diffbench.run('lecture', out={str(tmp_path / 'run')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split() == ["plan.json", "False"]

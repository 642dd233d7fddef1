"""SIGKILL at any moment: nothing acknowledged is lost, nobody survives, --resume makes the rest."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_runs import FAKES, gone, told, until, use_profile, without_report

import diffbench
from diffbench.errors import RunError
from diffbench.running.platform import LINUX

ASKED = {
    "problems": "lecture,rosenbrock,cubes",
    "methods": "manual,reverse,zero,compiled_reverse,right",
    "profile": "quick",
    "generations": 2,
    "plugins": [FAKES],
}
RUN = """
import dataclasses, json, sys
from diffbench.running import plan
small = dataclasses.replace(plan.PROFILES["quick"], sample_s=1e-4, rounds=3, most_rounds=3)
plan.PROFILES["quick"] = small
import diffbench
diffbench.run(**json.loads(sys.argv[1]), progress=lambda p: print(p.done, flush=True))
"""
KEY = ["instance", "operator", "method"]
SURVIVAL_S = 1.0  # the longest that a worker may outlive the run
LASTS_S = 8.0  # an undisturbed run, roughly

pytestmark = pytest.mark.skipif(not LINUX, reason="only Linux kills orphans")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch, studies=True)
        without_report(patch)
        return diffbench.run(**ASKED, out=tmp_path_factory.mktemp("kill") / "run").records


def killed(folder: Path, resume: bool, after: float) -> tuple[int, float]:
    """Cells acknowledged before the kill, and for how long the last process outlived it."""
    asked = json.dumps({**ASKED, "out": str(folder), "resume": resume})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = folder.with_suffix(".told")
    with told.open("w") as file:
        run = subprocess.Popen([sys.executable, "-c", RUN, asked], stdout=file, env=environment)
    time.sleep(after)
    started = [process.pid for process in psutil.Process(run.pid).children(recursive=True)]
    run.kill()
    end = time.monotonic()
    run.wait()
    until(lambda: all(map(gone, started)), 20 * SURVIVAL_S)
    lasted = time.monotonic() - end
    whole_lines = told.read_text().splitlines(keepends=True)
    counts = [int(line) for line in whole_lines if line.endswith("\n")]
    return (counts[-1] if counts else 0), lasted


def stored(folder: Path) -> Any:
    """The records of a run; None where it was killed before it held anything."""
    try:
        return diffbench.load(folder).records
    except RunError as error:
        if not re.search("is empty: its run was ended|no run in", str(error)):
            raise
        return None


def disturbed(folder: Path, moments: list[float]) -> list[float]:
    """A run killed and resumed at these moments, then finished; survival after each kill."""
    survived = []
    for after in moments:
        acknowledged, seconds = killed(folder, (folder / "plan.json").exists(), after)
        survived.append(seconds)
        kept = stored(folder)
        assert (0 if kept is None else len(kept)) >= acknowledged
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch, studies=True)
        without_report(patch)
        whole = diffbench.run(**ASKED, out=folder, resume=(folder / "plan.json").exists()).records
    if kept is not None and len(kept):
        before = kept.set_index(KEY).prepare_s
        assert whole.set_index(KEY).prepare_s[before.index].equals(before)
    return survived


def complete(folder: Path, undisturbed: Any) -> None:
    made = diffbench.load(folder)
    assert not made.records.duplicated(KEY).any()
    assert set(made.records[KEY].itertuples(index=False)) == set(
        undisturbed[KEY].itertuples(index=False)
    )
    ok = made.records[made.records.status == "ok"]
    assert len(ok) == (undisturbed.status == "ok").sum() > len(undisturbed) / 2
    assert set(ok.generation) == {2}
    assert not made.samples.duplicated([*KEY, "generation", "round", "kind"]).any()
    assert not (folder / ".scratch").exists()


def test_a_run_that_is_killed_twice_is_whole_in_the_end(tmp_path: Path, undisturbed: Any) -> None:
    disturbed(tmp_path / "run", [2.5, 3.5])
    complete(tmp_path / "run", undisturbed)


@pytest.mark.nightly
@pytest.mark.quiet
def test_fifty_kills_at_random_moments(tmp_path: Path, undisturbed: Any) -> None:
    moments = [random.Random(k).uniform(0.0, LASTS_S) for k in range(50)]
    survived = []
    for number, after in enumerate(moments):
        folder = tmp_path / f"run{number}"
        survived += disturbed(folder, [after])
        complete(folder, undisturbed)
    told(f"50 kills: the last process outlived its run by {max(survived):.2f} s at most")
    assert max(survived) < SURVIVAL_S, survived

"""What a run holds: counts, completeness, how to go on, shards; read without touching it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_runs import stored_run, use_profile, without_report

import diffbench
from diffbench.errors import RunError
from diffbench.records.record import SCHEMA
from diffbench.records.store import FILE, Store
from diffbench.running import platform
from diffbench.running.executor import Progress
from diffbench.running.folder import write_facts

PLAN: dict[str, Any] = {
    "format": 1,
    "run": "20260110-123456-abcd",
    "problems": "lecture",
    "methods": "all",
    "operators": "",
    "profile": "quick",
    "seed": 3,
    "generations": 5,
    "plugins": [],
    "studies": ["step_size"],
    "cells": 3,
}


def planned(folder: Path, **changes: Any) -> Path:
    """A run of three cells without measuring, complete unless the plan is changed."""
    stored_run(folder, manual=1e-6, reverse=2e-6, zero=1e-7)
    with Store(folder) as store:
        (first, *_) = store.records()
        store.save_study("step_size", "ok", [])
        assert first.generation == 5
        store.finish()
    write_facts(folder / "plan.json", {**PLAN, **changes})
    return folder


def test_a_complete_run(tmp_path: Path) -> None:
    made = diffbench.info(planned(tmp_path / "run"))
    assert made.run == "20260110-123456-abcd"
    assert made.begun == "2026-01-10 12:34:56"
    assert abs(time.mktime(time.strptime(made.written, "%Y-%m-%d %H:%M:%S")) - time.time()) < 300
    assert (made.planned, made.cells, made.behind, made.samples) == (3, 3, 0, 30)
    assert made.status == {"ok": 3}
    assert made.methods == {name: {"ok": 1} for name in ("manual", "reverse", "zero")}
    assert made.machines == ("m",)
    assert made.request["seed"] == 3
    assert "studies" not in made.request
    assert (made.complete, made.at_work, made.command) == (True, False, "")
    assert made.schema == SCHEMA
    assert made.studies == {"step_size": "ok"}
    files = [path.stat().st_size for path in (tmp_path / "run").iterdir()]
    assert made.bytes == sum(files)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"cells": 5}, "cells     3 of 5; not complete"),
        ({"generations": 6}, "cells     3 of 3, 3 with fewer generations than asked for; not"),
        ({"studies": ["step_size", "late"]}, "studies   step_size ok, late not yet"),
    ],
)
def test_what_is_missing_and_how_to_go_on(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    folder = planned(tmp_path / "my run", **changes)
    made = diffbench.info(folder)
    assert not made.complete
    assert made.command == f"diffbench run --out '{folder}' --resume"
    assert line in made.text()
    assert f"go on     {made.command}" in made.text()


def test_a_run_that_never_came_to_its_end_has_an_unknown_number(tmp_path: Path) -> None:
    folder = planned(tmp_path / "run")
    write_facts(folder / "plan.json", {k: v for k, v in PLAN.items() if k != "cells"})
    made = diffbench.info(folder)
    assert (made.planned, made.complete) == (None, False)
    assert "3 of an unknown number; not complete" in made.text()
    with Store(folder) as store:
        store.save_meta("cells", 4)  # as a run does that knows the sizes
        store.finish()
    assert diffbench.info(folder).planned == 4


def test_a_run_on_a_cluster_names_its_machines_and_goes_on_there(tmp_path: Path) -> None:
    folder = planned(tmp_path / "run", cells=5)
    machines = {name: {"machine": name, "cpu": name.upper()} for name in ("a", "b")}
    write_facts(folder / "environment.json", {"machine": "home", "machines": machines})
    with Store(folder) as store:
        store.save_meta("executor", "dask")
        store.finish()
    made = diffbench.info(folder)
    assert "machine   a, A; b, B" in made.text().splitlines()
    assert made.command.endswith(" --resume --executor dask --scheduler ADDRESS")


def test_statuses_warnings_and_verdicts_are_counted(tmp_path: Path) -> None:
    folder = planned(tmp_path / "run")
    db = sqlite3.connect(folder / FILE)
    with db:
        db.execute("UPDATE records SET warnings = 'a; b', verdict = 'wrong' WHERE method = 'zero'")
        db.execute("UPDATE records SET warnings = 'b', status = 'timeout' WHERE method = 'manual'")
    db.close()
    made = diffbench.info(folder)
    assert made.warnings == {"b": 2, "a": 1}
    assert made.status == {"ok": 2, "timeout": 1}
    assert made.verdict == {"wrong": 1}
    text = made.text().splitlines()
    assert "warnings  2 b, 1 a" in text
    assert text[-4:] == [
        "method   ok  timeout",
        "manual   -   1",
        "reverse  1   -",
        "zero     1   -",
    ]


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_facts(tmp_path / "run" / "plan.json", {**PLAN, "studies": []})
    made = diffbench.info(tmp_path / "run")
    assert (made.cells, made.schema, made.complete, made.methods) == (0, None, False, {})
    assert made.text().splitlines()[0] == f"run       {PLAN['run']} in {tmp_path / 'run'}"


def test_a_database_alone_is_a_run(tmp_path: Path) -> None:
    made = diffbench.info(stored_run(tmp_path / "run", manual=1e-6))
    assert (made.run, made.begun, made.cells, made.complete) == ("run", None, 1, False)
    assert "begun     at an unknown time" in made.text()


# --- real runs ------------------------------------------------------------------------------


def test_a_real_run_is_told_while_it_works_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch, studies=True)
    without_report(monkeypatch)
    folder, seen = tmp_path / "run", []

    def look(progress: Progress) -> None:
        if progress.made and not seen:
            assert (folder / f"{FILE}-wal").exists()
            seen.append((progress.made, diffbench.info(folder)))

    asked = ("lecture[n=2|32]", "manual,zero", "gradient,value", "quick")
    diffbench.run(*asked, out=folder, progress=look)
    ((made, during),) = seen
    assert (during.cells, during.planned) == (made, 8)
    assert not during.complete
    assert during.at_work is platform.LINUX
    assert (during.command == "") is platform.LINUX
    after = diffbench.info(folder)
    assert (after.cells, after.complete, after.at_work) == (8, True, False)
    assert set(after.studies.values()) == {"ok"}
    facts = json.loads(after.json())
    assert facts["methods"] == {"manual": {"ok": 4}, "zero": {"ok": 4}}
    assert facts["environment"]["machine"] == facts["machines"][0]
    assert f"numpy {facts['environment']['packages']['numpy']}" in after.text()


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that others may read; within, this process has no rights of an administrator."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not platform.LINUX, reason="rights as Linux has them")
@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_that_cannot_be_written_to(nobody: Path, finished: bool) -> None:
    folder = planned(nobody / "run")
    if not finished:
        store = Store(folder)
        store.save_meta("cells", 7)
        copy = shutil.copytree(folder, nobody / "copy")  # with the log, as a kill leaves it
        store.close()
        folder = Path(copy)
        assert (folder / f"{FILE}-wal").stat().st_size > 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in (*folder.iterdir(), folder):
        path.chmod(0o444 if path.is_file() else 0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        made = diffbench.info(folder)
    finally:
        if user == 0:
            os.seteuid(0)
        folder.chmod(0o755)
    assert (made.cells, made.planned) == (3, 3 if finished else 7)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# --- shards ---------------------------------------------------------------------------------


def test_shards_are_counted_each(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    planned(folder / "shard-1-of-2")
    planned(folder / "shard-2-of-2", cells=9, studies=[], shard={"index": 2, "count": 2})
    (folder / "shard-3-of-2").mkdir()  # no run
    made = diffbench.info(folder)
    assert list(made.shards) == ["shard-1-of-2", "shard-2-of-2"]
    assert (made.cells, made.complete) == (0, False)
    assert made.request["problems"] == "lecture"
    text = made.text()
    assert "shard-1-of-2 3 of 3; complete" in text
    assert "shard-2-of-2 3 of 9; not complete" in text
    assert f"diffbench run --out {folder} --shard 2/2 --resume" in text
    assert "--shard 1/2" not in text


def sharded(folder: Path, of: int) -> Path:
    """The first two of so many shards, complete: they share out two studies."""
    folder.mkdir()
    for k in (1, 2):
        shard = planned(
            folder / f"shard-{k}-of-{of}",
            shard={"index": k, "count": of},
            studies=["other", "step_size"],
        )
        with Store(shard) as store:
            store.save_study("other", "ok", [])
            store.finish()
    return folder


@pytest.mark.parametrize(("of", "complete"), [(2, True), (3, False)])
def test_a_run_is_complete_when_all_its_shards_are(tmp_path: Path, of: int, complete: bool) -> None:
    made = diffbench.info(sharded(tmp_path / "run", of))
    assert made.complete is complete
    assert (made.begun, made.samples) == ("2026-01-10 12:34:56", 60)
    studies = [part.studies for part in made.shards.values()]
    assert studies == [{"other": "ok"}, {"step_size": "ok"}]


def test_a_missing_shard_is_named_then_the_merge_and_then_nothing(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "my run", 3)
    make = (
        f"diffbench run --out '{folder}' --shard 3/3 --problems lecture --methods all "
        f"--profile quick --seed 3 --generations 5"
    )
    made = diffbench.info(folder)
    assert (made.command, made.missing) == ("", {"shard-3-of-3": make})
    assert made.text().splitlines()[-4:] == [
        "shard-1-of-3 3 of 3; complete",
        "shard-2-of-3 3 of 3; complete",
        "shard-3-of-3 missing",
        f"go on     {make}",
    ]
    planned(folder / "shard-3-of-3", shard={"index": 3, "count": 3}, studies=[])
    made = diffbench.info(folder)
    assert (made.command, made.missing) == (f"diffbench merge '{folder}'", {})
    assert made.text().splitlines()[-1] == f"go on     diffbench merge '{folder}'"
    planned(tmp_path / "joined")
    for path in (tmp_path / "joined").iterdir():
        path.rename(folder / path.name)
    rest = planned(tmp_path / "rest", shard={"index": 1, "count": 3}, cells=9)
    shutil.rmtree(folder / "shard-1-of-3")
    rest.rename(folder / "shard-1-of-3")  # nobody needs it any more
    made = diffbench.info(folder)
    assert (made.complete, made.command, made.missing) == (True, "", {})
    assert "go on" not in made.text()


def test_of_many_missing_shards_some_are_named(tmp_path: Path) -> None:
    made = diffbench.info(sharded(tmp_path / "run", 40))
    assert len(made.missing) == 38
    lines = made.text().splitlines()
    assert sum(line.startswith("go on ") for line in lines) == 5
    assert [line for line in lines if line.endswith("missing")][-1] == "shard-7-of-40 missing"
    assert "missing   38 shards in all" in lines


def test_a_shard_goes_on_from_inside_as_from_outside(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "run", 2)
    shard = folder / "shard-2-of-2"
    write_facts(shard / "plan.json", {**PLAN, "cells": 9, "shard": {"index": 2, "count": 2}})
    command = f"diffbench run --out {folder} --shard 2/2 --resume"
    assert diffbench.info(shard).command == command
    assert diffbench.info(folder).shards["shard-2-of-2"].command == command


# --- what is no run -------------------------------------------------------------------------


def test_a_folder_of_runs_names_the_newest(tmp_path: Path) -> None:
    for name, age in (("a", 50), ("b", 10), ("c", 90)):
        folder = planned(tmp_path / name)
        for path in folder.iterdir():
            os.utime(path, (time.time() - age, time.time() - age))
    with pytest.raises(RunError, match=rf"no run in {tmp_path} .*; try {tmp_path / 'b'}$"):
        diffbench.info(tmp_path)


def test_a_damaged_run_is_one_clear_line(tmp_path: Path) -> None:
    folder = planned(tmp_path / "run")
    (folder / "plan.json").write_text("{ torn")
    with pytest.raises(RunError, match=r"plan.json is not readable"):
        diffbench.info(folder)
    write_facts(folder / "plan.json", PLAN)
    (folder / FILE).write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    with pytest.raises(RunError, match="not readable as a run"):
        diffbench.info(folder)

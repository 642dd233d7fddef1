"""Merging: the joined run is the run, and what does not belong together is refused in one line."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from small_runs import plain_record, use_profile, without_report

import diffbench
from diffbench import cli
from diffbench.errors import RunError
from diffbench.records import environment
from diffbench.records.joining import absorb
from diffbench.records.record import SCHEMA, Record, Sample
from diffbench.records.shards import shards
from diffbench.records.store import FILE, Store
from diffbench.reports.environment import PAGE
from diffbench.running import platform

ASKED: dict[str, Any] = {
    "problems": "lecture[n=2|4],rosenbrock[n=2|4]",
    "methods": "manual,zero",
    "operators": "value,gradient",
    "profile": "quick",
}
CELLS = 16
KEY = ["instance", "operator", "method"]
ROUND = [*KEY, "generation", "round", "kind"]
# What a merge computes anew: it follows from the spread of the whole run, or names the run.
RENEWED = ["run", "warnings", "run_s_low", "run_s_high"]
RENEWED += [f"ratio_{kind}_primal_{end}" for kind in ("own", "numpy") for end in ("low", "high")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch, studies=True)
    without_report(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three finished shards; copy it before anything is done to it."""
    folder = tmp_path_factory.mktemp("made") / "run"
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch, studies=True)
        for i in (1, 2, 3):
            diffbench.run(**ASKED, out=folder, shard=f"{i}/3")
    return folder


@pytest.fixture
def parent(made: Path, tmp_path: Path) -> Path:
    """The shards, for this test alone."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def frame(runs: list[diffbench.Run], table: str, key: list[str]) -> pd.DataFrame:
    """All rows of several runs, in the order of the key."""
    rows = pd.concat([getattr(run, table) for run in runs])
    return rows.sort_values(key).reset_index(drop=True)


def parts_of(folder: Path) -> list[diffbench.Run]:
    return [diffbench.load(path) for path in shards(folder)]


def rewrite(path: Path, **facts: Any) -> None:
    """Change facts of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def execute(folder: Path, statement: str) -> None:
    """Change the database of a run."""
    db = sqlite3.connect(folder / FILE)
    with db:
        db.execute(statement)
    db.close()


# --- the joined run -------------------------------------------------------------------------------


def test_the_joined_run_has_every_cell_once_and_as_it_was_measured(parent: Path) -> None:
    parts = parts_of(parent)
    whole = diffbench.merge([parent])
    assert whole.folder == parent
    assert len(whole.records) == CELLS
    assert whole.records.run.unique().tolist() == [whole.plan["run"]]
    assert whole.records.run[0] not in {part.plan["run"] for part in parts}
    before = frame(parts, "records", KEY).drop(columns=RENEWED)
    after = frame([whole], "records", KEY).drop(columns=RENEWED)
    pd.testing.assert_frame_equal(after, before, check_dtype=False)
    pd.testing.assert_frame_equal(frame([whole], "samples", ROUND), frame(parts, "samples", ROUND))
    studies = ["study", "key"]
    pd.testing.assert_frame_equal(
        frame([whole], "studies", studies), frame(parts, "studies", studies)
    )


def test_it_is_a_run_like_any_other(parent: Path, tmp_path: Path) -> None:
    whole = diffbench.merge([parent], tmp_path / "joined")
    names = {path.name for path in whole.folder.iterdir()}
    csv = {"records.csv", "samples.csv", "studies.csv"}
    assert names == {FILE, "plan.json", "environment.json", *csv}
    db = sqlite3.connect(whole.folder / FILE)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    db.close()
    assert whole.plan["cells"] == CELLS
    assert "shard" not in whole.plan
    assert "mixed" not in whole.environment
    again = diffbench.run(**ASKED, out=whole.folder, resume=True)  # nothing is left to do
    assert again.samples.equals(whole.samples)
    assert len(again.records) == CELLS


def test_intervals_are_those_of_the_spread_of_all(tmp_path: Path) -> None:
    """Two calm shards and a wild one: the spread of all widens each cell alike."""
    noise = {1: 0.0, 2: 0.0, 3: 0.5}
    for i, spread in noise.items():
        fake_shard(tmp_path / "run", i, 3, spread)
    before = pd.concat([part.records for part in parts_of(tmp_path / "run")])
    after = diffbench.merge([tmp_path / "run"]).records
    widths = [
        rows.set_index(KEY).eval("run_s_high / run_s_low").sort_index() for rows in (before, after)
    ]
    assert (widths[0] == 1.0).all()  # as they were stored: of no spread at all
    assert widths[1].min() > 1.05
    assert widths[1].nunique() == 1  # one spread for all, and the same rounds in every cell
    assert after.run_s.tolist() == pytest.approx([1e-6] * len(after))


def test_every_machine_has_its_own_spread(tmp_path: Path) -> None:
    for i, spread in {1: 0.0, 2: 0.5}.items():
        fake_shard(tmp_path / "run", i, 2, spread, machine=f"m{i}")
    after = diffbench.merge([tmp_path / "run"]).records
    width = (after.run_s_high / after.run_s_low).groupby(after.machine).max()
    assert width["m2"] > 1.5 > width["m1"]


def fake_shard(parent: Path, i: int, k: int, spread: float, machine: str = "m") -> None:
    """Eight instances with two methods each; f in numpy differs from one to the other."""
    folder = parent / f"shard-{i}-of-{k}"
    folder.mkdir(parents=True)
    request = {"problems": "all", "methods": "all", "operators": "", "profile": "quick", "seed": 0}
    request |= {"generations": 1, "plugins": [], "format": 1, "run": f"r{i}"}
    request |= {"cells": 16, "cells_of_run": 16 * k, "shard": {"index": i, "count": k}}
    (folder / "plan.json").write_text(json.dumps(request))
    (folder / "environment.json").write_text(json.dumps({"machine": machine}))
    with Store(folder) as store:
        for number in range(8):
            for sign, method in ((1, "a"), (-1, "b")):
                store.save(*fake_cell(f"f[n={8 * i + number}]", method, sign * spread, machine))
        store.finish()


def fake_cell(
    instance: str, method: str, spread: float, machine: str
) -> tuple[Record, list[Sample]]:
    times = dict.fromkeys(("run_s", "run_s_low", "run_s_high"), 1e-6)
    record = plain_record(machine=machine, family="f", instance=instance, method=method, **times)
    seconds = {"run": 1e-6, "own_primal": 1e-6, "numpy_primal": 1e-6 * math.exp(spread)}
    samples = [
        Sample(generation=0, round=round_, kind=kind, loops=1, seconds=value)  # type: ignore[arg-type]  # a key
        for round_ in range(3)
        for kind, value in seconds.items()
    ]
    return record, samples


def test_a_field_that_came_later_than_a_shard_is_empty(parent: Path) -> None:
    for folder in shards(parent):
        for name in ("library", "sweeps"):
            execute(folder, f"ALTER TABLE records DROP COLUMN {name}")
        execute(folder, f"PRAGMA user_version = {SCHEMA - 1}")
    whole = diffbench.merge([parent])
    assert set(whole.records.library) == {""}
    assert whole.records.sweeps.isna().all()
    assert list(whole.records.columns) == list(Record.__struct_fields__)


def test_shards_may_lie_in_several_folders(parent: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (parent / "shard-2-of-3").rename(elsewhere / "shard-2-of-3")
    assert len(diffbench.merge([parent, elsewhere], tmp_path / "joined").records) == CELLS
    each = [*shards(elsewhere), *shards(parent)]
    assert len(diffbench.merge(each, tmp_path / "again").records) == CELLS


# --- parts of a run -------------------------------------------------------------------------------


def test_a_partial_run_goes_on_to_the_rest(parent: Path, tmp_path: Path) -> None:
    shutil.rmtree(parent / "shard-2-of-3")
    with pytest.raises(RunError, match=r"none of number 2; .* --shard 2/3, or add --partial"):
        diffbench.merge([parent])
    part = diffbench.merge([parent], tmp_path / "joined", partial=True)
    assert part.plan["cells"] == CELLS
    assert len(part.records) < CELLS
    whole = diffbench.run(**ASKED, out=part.folder, resume=True)
    assert len(whole.records) == CELLS
    assert set(whole.studies.study) == set(whole.plan["studies"])


def test_what_a_killed_shard_acknowledged_is_joined(parent: Path, tmp_path: Path) -> None:
    """Its last cells stand in the log alone."""
    folder = parent / "shard-2-of-3"
    with Store(folder) as store:
        row = store.records()[0]
        store.save(msgspec.structs.replace(row, digits=1.25))
        shutil.copytree(parent, tmp_path / "killed")
    assert (tmp_path / "killed" / folder.name / f"{FILE}-wal").stat().st_size
    whole = diffbench.merge([tmp_path / "killed"])
    assert len(whole.records) == CELLS
    assert (whole.records.digits == 1.25).sum() == 1


def test_a_shard_that_came_late_joins_a_partial_run(parent: Path, tmp_path: Path) -> None:
    late = parent / "shard-2-of-3"
    late.rename(tmp_path / late.name)
    part = diffbench.merge([parent], tmp_path / "joined", partial=True)
    whole = diffbench.merge([part.folder, tmp_path / late.name], tmp_path / "whole")
    assert len(whole.records) == CELLS
    with pytest.raises(RunError, match=f"of {CELLS} cells are there; add --partial"):
        diffbench.merge([part.folder, part.folder], tmp_path / "none")


def test_an_unfinished_shard_is_named_with_how_to_go_on(parent: Path) -> None:
    for table in ("records", "samples"):
        execute(parent / "shard-3-of-3", f"DELETE FROM {table} WHERE method = 'zero'")
    with pytest.raises(
        RunError, match=r"shard-3-of-3 is not finished: it has 2 of 4 cells.*--shard 3/3 --resume"
    ):
        diffbench.merge([parent])
    assert len(diffbench.merge([parent], partial=True).records) == CELLS - 2


def test_a_shard_that_died_at_its_start_is_as_good_as_missing(parent: Path) -> None:
    (parent / "shard-3-of-3" / FILE).unlink()
    held = sum(len(diffbench.load(path).records) for path in shards(parent)[:2])
    assert len(diffbench.merge([parent], partial=True).records) == held < CELLS


def test_the_same_cell_twice_counts_once(parent: Path, tmp_path: Path) -> None:
    shutil.copytree(parent / "shard-1-of-3", tmp_path / "copy")
    whole = diffbench.merge([parent, tmp_path / "copy"], tmp_path / "joined")
    assert len(whole.records) == CELLS
    assert not whole.samples.duplicated(ROUND).any()
    first = diffbench.merge([parent])  # its intervals are those of the whole run
    again = diffbench.merge([first.folder / "shard-1-of-3", whole.folder], tmp_path / "again")
    assert len(again.records) == CELLS


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET digits = 3.0",
        "UPDATE records SET machine = 'another'",
        "UPDATE samples SET seconds = 2 * seconds",
    ],
)
def test_the_same_cell_otherwise_is_refused(parent: Path, tmp_path: Path, change: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(parent / "shard-1-of-3", other)
    execute(other, f"{change} WHERE method = 'zero'")
    with pytest.raises(RunError, match=r"other has the cell \S+ \S+ zero otherwise"):
        diffbench.merge([parent, other], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


# --- refusals -------------------------------------------------------------------------------------


def newer(folder: Path) -> None:
    execute(folder, "PRAGMA user_version = 999")


def torn(folder: Path) -> None:
    path = folder / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def torn_within(folder: Path) -> None:
    """The pages of the samples, which looking at the shard does not reach."""
    db = sqlite3.connect(folder / FILE)
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'samples'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (folder / FILE).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"torn" * (size // 4))


def without_database(folder: Path) -> None:
    (folder / FILE).unlink()


def of_another_k(folder: Path) -> None:
    rewrite(folder / "plan.json", shard={"index": 2, "count": 4})


def of_another_seed(folder: Path) -> None:
    rewrite(folder / "plan.json", seed=1)


def of_other_methods(folder: Path) -> None:
    rewrite(folder / "plan.json", variants=["manual"])


def of_another_numpy(folder: Path) -> None:
    facts = json.loads((folder / "environment.json").read_text())
    rewrite(folder / "environment.json", packages={**facts["packages"], "numpy": "0.9"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (newer, "was written by a newer diffbench"),
        (torn, "is not readable as a run"),
        (
            torn_within,
            "shard-2-of-3/run.sqlite cannot be joined into .*: database disk image is malformed",
        ),
        (without_database, r"no run in .*shard-2-of-3 \(no run.sqlite\)"),
        (of_another_k, "is one of 4 shards, but .*shard-1-of-3 one of 3"),
        (of_another_seed, "was begun with other seed than"),
        (of_other_methods, "was begun with other variants than"),
        (
            of_another_numpy,
            r"other environment than shard-1-of-3: packages.numpy 0\.9, not .*mixed",
        ),
    ],
)
def test_a_wrong_shard_is_refused(
    parent: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(parent / "shard-2-of-3")
    with pytest.raises(RunError, match=message) as refused:
        diffbench.merge([parent], tmp_path / "joined")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "joined").exists()
    with pytest.raises(RunError):
        diffbench.merge([parent])
    assert sorted(path.name for path in parent.iterdir()) == [p.name for p in shards(parent)]


@pytest.mark.skipif(not platform.LINUX, reason="only Linux has the lock")
def test_a_shard_at_work_is_waited_for(parent: Path) -> None:
    with (
        platform.locked(parent / "shard-2-of-3"),
        pytest.raises(RunError, match=r"at work in .*shard-2-of-3; wait"),
    ):
        diffbench.merge([parent])
    assert len(diffbench.merge([parent]).records) == CELLS


def test_what_is_there_is_not_overwritten(parent: Path, tmp_path: Path) -> None:
    first = diffbench.merge([parent])
    with pytest.raises(RunError, match="holds a run already; join into another folder: --out DIR"):
        diffbench.merge([parent])
    with pytest.raises(RunError, match="several runs are joined into a new folder: add --out"):
        diffbench.merge(shards(parent))
    with pytest.raises(RunError, match="holds no shards"):
        diffbench.merge([parent / "shard-1-of-3"], tmp_path / "joined")
    with pytest.raises(RunError, match="there is no folder"):
        diffbench.merge([parent, tmp_path / "none"], tmp_path / "joined")
    assert diffbench.load(parent).records.equals(first.records)


def test_a_full_disk_is_one_line(parent: Path, tmp_path: Path) -> None:
    with Store(tmp_path, draft=True) as store:
        store._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(RunError, match=r"cannot be joined into .*: database or disk is full"):
            absorb(store, parent / "shard-1-of-3", "r")


def test_a_merge_that_died_leaves_no_run(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(store: Store) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("diffbench.merging.refresh", die)
        with pytest.raises(KeyboardInterrupt):
            diffbench.merge([parent])
    assert not (parent / FILE).exists()
    assert len(diffbench.merge([parent]).records) == CELLS


# --- several environments -------------------------------------------------------------------------


def test_environments_may_be_mixed_where_that_is_asked_for(parent: Path) -> None:
    of_another_numpy(parent / "shard-2-of-3")
    numpy = {
        run.environment["packages"]["numpy"]: [run.folder.name] for run in parts_of(parent)[1:]
    }
    whole = diffbench.merge([parent], mixed=True)
    found = whole.environment
    assert found["mixed"] is True
    said = [block.paragraphs for block in PAGE.render(whole) if block.kind == "text"]
    assert sum("measured in 2 environments" in text for lines in said for text in lines) == 1
    assert "packages" not in found  # what is common to all stands on top
    assert found["cpu"] == found["parts"]["1"]["cpu"]
    runs = {part["packages"]["numpy"]: part["runs"] for part in found["parts"].values()}
    assert runs["0.9"] == numpy["0.9"] == ["shard-2-of-3"]
    assert sorted(name for names in runs.values() for name in names) == [
        path.name for path in shards(parent)
    ]
    with Store(parent) as store:
        assert store.meta()["mixed"] is True


def test_a_mixed_run_goes_on_in_any_of_its_environments(parent: Path) -> None:
    of_another_numpy(parent / "shard-2-of-3")
    before = diffbench.merge([parent], mixed=True).environment
    again = diffbench.run(**ASKED, out=parent, resume=True)
    assert again.environment["parts"] == before["parts"]


def test_a_run_goes_on_elsewhere_only_where_that_is_asked_for(parent: Path) -> None:
    folder = parent / "shard-1-of-3"
    of_another_numpy(folder)
    with pytest.raises(
        RunError, match=r"in another environment: packages.numpy [\d.]+, not 0\.9; .*--mixed"
    ):
        diffbench.run(**ASKED, out=parent, shard="1/3", resume=True)
    made = diffbench.run(**ASKED, out=parent, shard="1/3", resume=True, mixed=True)
    assert made.environment["mixed"] is True
    assert [part["runs"] for part in made.environment["parts"].values()] == [["begun"], ["resumed"]]
    assert len(made.environment["parts"]) == 2
    with Store(folder) as store:
        assert store.meta()["mixed"] is True
    again = diffbench.run(**ASKED, out=parent, shard="1/3", resume=True)  # known by now
    assert len(again.environment["parts"]) == 2


def test_a_cell_stays_on_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of two machines in one cell would be no pairs."""
    asked = {**ASKED, "problems": "lecture[n=2|4]", "generations": 2}

    def stop(seen: Any) -> None:
        if seen.made >= 4:
            raise KeyboardInterrupt

    with pytest.raises(diffbench.Interrupted):
        diffbench.run(**asked, out=tmp_path / "run", progress=stop)
    begun = diffbench.load(tmp_path / "run").records
    monkeypatch.setattr(environment, "_cpu_model", lambda: "another")
    made = diffbench.run(**asked, out=tmp_path / "run", resume=True, mixed=True).records
    assert len(made) == 8
    assert made.machine.nunique() == 2
    old = made[made.machine == begun.machine[0]]
    assert sorted(old[KEY].itertuples(index=False)) == sorted(begun[KEY].itertuples(index=False))
    assert set(old.generation) == {1}
    assert set(made[made.machine != begun.machine[0]].generation) == {2}


@pytest.mark.parametrize("name", environment.SAME)
def test_each_fact_that_counts_makes_a_difference(name: str) -> None:
    facts = environment.environment()
    changed = {**facts, name: {"a": 1} if isinstance(facts[name], dict) else [1] * 999}
    (first, *_) = environment.differences(facts, changed)
    assert first.startswith(name)
    assert environment.differences(facts, dict(facts)) == []


def test_what_differs_from_start_to_start_makes_none() -> None:
    facts = environment.environment()
    others = [cpu + 1 for cpu in facts["affinity"]]
    assert environment.differences(facts, {**facts, "load": [99.0], "affinity": others}) == []


# --- the command line -----------------------------------------------------------------------------


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["diffbench", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_joins_and_says_what_came_out(
    parent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "merge", str(parent), "--no-report") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"status: {CELLS} ok", f"{parent}/records.csv"]


def test_the_command_says_what_is_left(
    parent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(parent / "shard-2-of-3")
    held = sum(len(part.records) for part in parts_of(parent))
    assert command(monkeypatch, "merge", str(parent), "--partial") == 0
    said = capsys.readouterr().out
    assert f"cells left: {CELLS - held}; go on with:\n  diffbench run --out {parent}" in said
    assert f"{parent}/report.html" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'DIR...'"),
        (["{}"], "{}/run holds a run already"),
        (["{}", "{}"], "several runs are joined into a new folder"),
        (["{}", "--out", ""], "the name is empty"),
    ],
)
def test_mistakes_are_one_line(
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (parent / "plan.json").touch()
    given = [argument.format(parent) for argument in arguments]
    assert command(monkeypatch, "merge", *given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.format(parent.parent) in line

"""Cleaning: what goes, what stays, and nothing without ``yes``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from small_runs import use_profile
from test_info import planned

import diffbench
from diffbench.care import clean as cleaning
from diffbench.care.folders import WRITTEN, is_run, tree_bytes
from diffbench.errors import BadSize, RunError
from diffbench.records.store import FILE
from diffbench.running import platform

DAY_S = 86400.0


def aged(folder: Path, days: float) -> Path:
    """As if it had been written to that long ago."""
    then = time.time() - days * DAY_S
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of growing age, one of them unfinished, and things that are none."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "runs"
    (home / "notes").mkdir(parents=True)
    (home / "notes" / "plan.json").write_text('{"terraform": 1}')
    (home / "file").write_text("mine")
    aged(planned(home / "young"), 1)
    aged(planned(home / "middle", cells=9), 10)
    aged(planned(home / "old"), 100)
    return Path("runs")


def names(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()}


# --- leftovers ------------------------------------------------------------------------------


def test_what_a_dead_run_left_goes_and_only_with_yes(runs: Path) -> None:
    room = runs / "old" / ".scratch"
    room.mkdir()
    (room / "worker-1.log").write_bytes(b"x" * 1234)
    (runs / "middle" / "plan.json.new").write_text("{")
    for yes in (False, True):
        made = diffbench.clean(yes=yes)
        assert [(row.path, row.bytes) for row in made.removals] == [
            (runs / "middle" / "plan.json.new", 1),
            (room, 1234),
        ]
        assert (made.looked, made.bytes, made.kept) == (3, 1235, [])
        assert room.exists() != yes
    assert diffbench.info(runs / "old").cells == 3
    assert not (runs / "middle" / "plan.json.new").exists()
    assert diffbench.clean().text() == "nothing to remove; runs looked at: 3"


@pytest.mark.skipif(not platform.LINUX, reason="only Linux has the lock")
def test_a_run_at_work_is_never_touched(runs: Path) -> None:
    (runs / "old" / ".scratch").mkdir()
    part = planned(runs / "middle" / "shard-1-of-2")
    with platform.locked(runs / "old"), platform.locked(part):
        made = diffbench.clean(keep=0, yes=True)
    assert [row.path.name for row in made.removals] == ["young"]
    assert {row.path.name: row.why for row in made.kept} == dict.fromkeys(
        ("old", "middle"), "at work, or not to be opened"
    )
    assert (runs / "old" / ".scratch").exists()
    assert (part / FILE).exists()


# --- whole runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "gone"),
    [
        ({"unfinished": True}, {"middle"}),
        ({"older_than": 5 * DAY_S}, {"middle", "old"}),
        ({"older_than": 50 * DAY_S}, {"old"}),
        ({"older_than": 5 * DAY_S, "unfinished": True}, {"middle"}),
        ({"older_than": 50 * DAY_S, "unfinished": True}, set()),
        ({"keep": 0}, {"young", "middle", "old"}),
        ({"keep": 1}, {"middle", "old"}),
        ({"keep": 3}, set()),
        ({"keep": 2, "older_than": 5 * DAY_S}, {"old"}),
        ({"keep": 2, "unfinished": True}, set()),
    ],
)
def test_whole_runs_go_where_all_criteria_agree(
    runs: Path, criteria: dict[str, Any], gone: set[str]
) -> None:
    before = {name: tree_bytes(runs / name) for name in ("young", "middle", "old")}
    listed = diffbench.clean(**criteria)
    assert names(runs) == {*before, "notes", "file"}
    made = diffbench.clean(**criteria, yes=True)
    assert listed.removals == made.removals
    assert {row.path.name: row.bytes for row in made.removals} == {n: before[n] for n in gone}
    assert names(runs) == {*before, "notes", "file"} - gone


def test_to_read_a_run_makes_it_no_younger(runs: Path) -> None:
    for name in ("run.sqlite-shm", "mine.txt"):
        (runs / "old" / name).touch()
    made = diffbench.clean(older_than=50 * DAY_S)
    assert [row.path for row in made.removals] == [runs / "old"]
    (runs / "old" / "shard-1-of-2").mkdir()
    (runs / "old" / "shard-1-of-2" / FILE).write_bytes((runs / "old" / FILE).read_bytes())
    assert diffbench.clean(older_than=50 * DAY_S).removals == []


def test_only_the_named_runs_are_looked_at(runs: Path) -> None:
    made = diffbench.clean([runs / "old", runs / "middle", runs / "old/"], keep=1, yes=True)
    assert made.looked == 2
    assert names(runs) == {"young", "middle", "notes", "file"}


def test_a_run_whose_end_cannot_be_told_is_not_unfinished(runs: Path) -> None:
    (runs / "old" / FILE).write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    made = diffbench.clean([runs / "old"], unfinished=True, yes=True)
    assert made.removals == []
    assert "nobody can tell whether it is finished" in made.kept[0].why
    assert [r.path for r in diffbench.clean([runs / "old"], keep=0, yes=True).removals] == [
        runs / "old"
    ]
    assert not (runs / "old").exists()


def test_shards_go_with_their_run(runs: Path) -> None:
    for place in (runs / "parts", runs / "young"):
        place.mkdir(exist_ok=True)
        aged(planned(place / "shard-1-of-2"), 200)
        aged(planned(place / "shard-2-of-2", cells=7), 200)
    made = diffbench.clean(unfinished=True, yes=True)
    assert {row.path.name for row in made.removals} == {"middle", "parts"}
    assert not (runs / "parts").exists()
    diffbench.clean([runs / "young"], keep=0, yes=True)
    assert not (runs / "young").exists()


# --- what is somebody else's ----------------------------------------------------------------


def test_a_file_of_the_user_stays_with_its_folder(runs: Path) -> None:
    (runs / "old" / "notes.txt").write_text("mine")
    (runs / "old" / "plots").mkdir()
    (runs / "old" / "plots" / "run.sqlite").write_text("mine")
    part = planned(runs / "old" / "shard-1-of-2")
    (part / "mine.txt").write_text("mine")
    made = diffbench.clean([runs / "old"], keep=0, yes=True)
    assert {row.path for row in made.kept} == {
        runs / "old" / "notes.txt",
        runs / "old" / "plots",
        part / "mine.txt",
    }
    assert all(row.why.startswith("not written by diffbench") for row in made.kept)
    left = {str(path.relative_to(runs / "old")) for path in (runs / "old").rglob("*")}
    assert left == {
        "notes.txt",
        "plots",
        "plots/run.sqlite",
        "shard-1-of-2",
        "shard-1-of-2/mine.txt",
    }


def test_links_are_not_followed(runs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    elsewhere = planned(tmp_path / "elsewhere")
    (runs / "link").symlink_to(elsewhere)
    (runs / "old" / ".scratch").symlink_to(outside)
    (runs / "old" / "shard-1-of-2").symlink_to(elsewhere)
    (runs / "old" / "report.html").symlink_to(outside / "precious")
    (runs / "middle" / ".scratch").mkdir()
    (runs / "middle" / ".scratch" / "link").symlink_to(outside)
    made = diffbench.clean(keep=0, yes=True)
    assert {row.path.name for row in made.removals} == {"young", "middle", "old"}
    assert {row.path.name for row in made.kept} == {".scratch", "shard-1-of-2", "report.html"}
    assert (outside / "precious").read_text() == "x"
    assert diffbench.info(elsewhere).cells == 3
    assert names(runs) == {"old", "link", "notes", "file"}


def test_what_the_system_refuses_is_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cleaning, "_delete", refuse)
    made = diffbench.clean([runs / "old"], keep=0, yes=True)
    assert made.removals == []
    assert "Permission denied" in made.kept[0].why


def test_what_is_cut_off_is_still_a_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "old" / "records.csv").touch()
    delete, calls = cleaning._delete, []

    def stop(path: Path) -> None:
        calls.append(path.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        delete(path)

    monkeypatch.setattr(cleaning, "_delete", stop)
    with pytest.raises(KeyboardInterrupt):
        diffbench.clean([runs / "old"], keep=0, yes=True)
    assert calls == ["records.csv", FILE, "plan.json"]
    assert is_run(runs / "old")


def test_all_that_a_run_writes_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    folder = tmp_path / "run"
    diffbench.run("lecture[n=2]", "manual", "value", "quick", out=folder)
    assert names(folder) <= WRITTEN
    diffbench.clean([folder], keep=0, yes=True)
    assert not folder.exists()


# --- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs_", "criteria", "message"),
    [
        (["runs/none"], {}, "runs/none is no run"),
        (["runs/old", "runs/notes"], {"keep": 0}, "runs/notes is no run"),
        (["runs/file"], {"keep": 0}, "runs/file is no run"),
        (["runs"], {"keep": 0}, r"runs is no run, so it stays; name the runs in it: runs/\*"),
        (["runs/link"], {"keep": 0}, "runs/link is a link"),
        ([], {"keep": -1}, "must not be negative, got -1"),
        ([], {"older_than": 0.0}, "must be positive seconds, got 0"),
        ([], {"older_than": float("nan")}, "must be positive seconds, got nan"),
        ([], {"home": "nowhere", "keep": 1}, "no folder nowhere here"),
    ],
)
def test_a_mistake_removes_nothing(
    runs: Path, runs_: list[str], criteria: dict[str, Any], message: str
) -> None:
    (runs / "link").symlink_to((runs / "old").resolve())
    before = sorted(runs.rglob("*"))
    with pytest.raises((RunError, BadSize), match=message):
        diffbench.clean(runs_, **criteria, yes=True)
    assert sorted(runs.rglob("*")) == before

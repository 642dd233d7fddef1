"""Shards: each makes its share alone, together they make the run; each writes its own files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench import cli
from diffbench.errors import BadSelection, DiffbenchError, RunError
from diffbench.records.shards import MOST, WHOLE, Shard, shards
from diffbench.registry import Registry
from diffbench.running.folder import requested

ASKED: dict[str, Any] = {
    "problems": "lecture[n=2|4],rosenbrock[n=2|4|8]",
    "methods": "manual,zero",
    "operators": "value,gradient",
    "profile": "quick",
}
KEY = ["instance", "operator", "method"]


def cells(run: diffbench.Run) -> list[tuple[str, ...]]:
    return sorted(run.records[KEY].itertuples(index=False, name=None))


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["diffbench", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


# --- what a shard is ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1/1", "3/16", f"{MOST}/{MOST}", "007/9"])
def test_shards_are_read(text: str) -> None:
    index, count = map(int, text.split("/"))
    assert Shard.parse(text) == Shard(index, count)


@pytest.mark.parametrize(
    "text",
    ["", "3", "0/3", "4/3", "-1/3", "1/0", "1/3/5", "1 / 3", "1.0/3", "a/b", "²/3", "1/100001"],
)
def test_what_is_no_shard_is_one_line(text: str) -> None:
    with pytest.raises(BadSelection, match=r"is no shard; write I/K with 1 <= I <= K <= 100000"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_the_shares_are_all_there_is_each_once_and_alike_in_size(count: int) -> None:
    items = list(range(13))
    shares = [list(Shard(i, count).of(items)) for i in range(1, count + 1)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(item % count == i for i, share in enumerate(shares) for item in share)
    assert WHOLE.of(items) == items


def test_folders_of_shards_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("shard-10-of-12", "shard-2-of-12", "shard-1-of-12", "shard-x-of-12", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "shard-3-of-12").write_text("no folder")
    names = [path.name for path in shards(tmp_path)]
    assert names == ["shard-1-of-12", "shard-2-of-12", "shard-10-of-12"]
    assert shards(tmp_path / "none") == []


# --- what it makes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in three shards, and the same undisturbed."""
    folder = tmp_path_factory.mktemp("sharded")
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch, studies=True)
        without_report(patch)
        for i in (1, 2, 3):
            diffbench.run(**ASKED, out=folder / "run", shard=f"{i}/3")
        diffbench.run(**ASKED, out=folder / "whole")
    return folder


def test_the_shards_together_have_the_cells_of_the_run_each_once(parent: Path) -> None:
    whole = diffbench.load(parent / "whole")
    parts = [diffbench.load(folder) for folder in shards(parent / "run")]
    assert sorted(cell for part in parts for cell in cells(part)) == cells(whole)
    assert len(cells(whole)) == 20
    assert [part.plan["cells"] for part in parts] == [len(cells(part)) for part in parts]
    assert {part.plan["cells_of_run"] for part in parts} == {20}


def test_a_block_stays_together_and_blocks_are_dealt_in_order(parent: Path) -> None:
    """Small sizes first, families in turn: every third goes to the same shard."""
    whole = diffbench.load(parent / "whole").records
    order = list(dict.fromkeys(whole.instance))
    for i, folder in enumerate(shards(parent / "run")):
        assert set(diffbench.load(folder).records.instance) == set(order[i::3])


def test_studies_are_dealt_likewise(parent: Path, registry: Registry) -> None:
    names = sorted(registry.studies)
    assert len(names) > 3  # one shard has two
    for i, folder in enumerate(shards(parent / "run")):
        assert set(diffbench.load(folder).studies.study) == set(names[i::3])


def test_a_shard_leaves_its_own_folder_and_no_report(parent: Path) -> None:
    found = {path.name for path in (parent / "run").iterdir()}
    assert found == {"shard-1-of-3", "shard-2-of-3", "shard-3-of-3"}
    files = {path.name for path in (parent / "run" / "shard-2-of-3").iterdir()}
    assert files == {"plan.json", "environment.json", "run.sqlite"}


def test_plans_differ_by_the_shard_and_commands_do_not_have_it(parent: Path) -> None:
    first, second = (parent / "run" / f"shard-{i}-of-3" for i in (1, 2))
    assert requested(first) == requested(second) == requested(parent / "whole")
    plan = json.loads((second / "plan.json").read_text())
    assert plan["shard"] == {"index": 2, "count": 3}
    assert not diffbench.load(second).records.command.str.contains("shard").any()


def test_a_shard_without_a_block_still_has_its_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    use_profile(monkeypatch, studies=True)
    asked = {**ASKED, "problems": "lecture[n=2]", "methods": "zero", "operators": "value"}
    made = diffbench.run(**asked, out=tmp_path / "run", shard="2/5")
    assert (made.plan["cells"], made.plan["cells_of_run"]) == (0, 1)
    assert set(made.studies.study) == set(sorted(registry.studies)[1::5])


# --- going on -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch, studies=True)
    without_report(monkeypatch)


def test_a_shard_goes_on_with_its_share_alone(tmp_path: Path) -> None:
    def stop(seen: Any) -> None:
        if seen.made >= 3:
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(diffbench.Interrupted):
        diffbench.run(**ASKED, out=folder, shard="2/2", progress=stop)
    assert [path.name for path in folder.iterdir()] == ["shard-2-of-2"]
    before = diffbench.load(folder / "shard-2-of-2")
    assert 3 <= len(before.records) < 8
    made = diffbench.run(**ASKED, out=folder, shard="2/2", resume=True)
    assert len(made.records) == made.plan["cells"] == 8
    assert set(cells(before)) <= set(cells(made))
    straight = diffbench.run(**ASKED, out=folder / "shard-2-of-2", resume=True)  # by its folder
    assert cells(straight) == cells(made)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resume": True}, "holds shards and no run of its own; join them: diffbench merge"),
        ({}, "holds shards and no run of its own"),
        ({"shard": "1/4"}, "holds shard-1-of-3: all shards of a run have the same K"),
        ({"shard": "1/3"}, "holds a run already; add --resume"),
    ],
)
def test_shards_are_not_mixed_up(parent: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        diffbench.run(**ASKED, out=parent / "run", **given)
    assert len(shards(parent / "run")) == 3


def test_a_mistake_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DiffbenchError, match="unknown family"):
        diffbench.run("lectur", out=tmp_path / "run", shard="1/2")
    assert not (tmp_path / "run").exists()


def test_a_shard_that_was_not_begun_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run in .*shard-1-of-2 to resume"):
        diffbench.run(**ASKED, out=tmp_path / "run", shard="1/2", resume=True)
    assert not (tmp_path / "run").exists()


def test_reading_the_folder_of_shards_says_to_merge(parent: Path) -> None:
    with pytest.raises(RunError, match=r"no run in .*; join its shards first: diffbench merge"):
        diffbench.load(parent / "run")


# --- the command line -----------------------------------------------------------------------------


def test_the_command_says_how_to_go_on_and_how_to_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    asked = ["--problems", "lecture[n=2|4]", "--methods", "zero", "--operators", "value"]
    given = ["run", *asked, "--profile", "quick", "--out", str(folder), "--shard", "1/2"]
    assert command(monkeypatch, *given) == 0
    said = capsys.readouterr().out
    assert f"{folder}/shard-1-of-2; when all shards are done: diffbench merge {folder}" in said
    assert "cells left" not in said
    assert "report.html" not in said
    assert command(monkeypatch, "run", "--out", str(folder), "--shard", "1/2", "--resume") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "1/2"], "--shard needs the folder that all shards share: --out DIR"),
        (["--out", "{}/run", "--shard", "3/2"], "--shard '3/2' is no shard"),
        (["--out", "{}/run", "--shard", ""], "--shard '' is no shard"),
        (["--out", "{}/run", "--mixed"], "--mixed is for a run that exists: add --resume"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    assert command(monkeypatch, "run", "--problems", "lecture", *given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"diffbench: {message}")
    assert not (tmp_path / "run").exists()

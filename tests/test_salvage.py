"""A torn database: what can be read is kept, what cannot is made again, the file stays beside."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench.errors import RunError
from diffbench.records.salvage import salvage, torn
from diffbench.records.store import FILE

ASKED = {
    "problems": "lecture[n=2|4|8],rosenbrock[n=2|4]",
    "methods": "manual,reverse,forward,zero",
    "profile": "quick",
}
KEY = ["instance", "operator", "method"]
TIMES = ["prepare_s", "first_call_s", "run_s"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch)
        without_report(patch)
        made = diffbench.run(**ASKED, out=folder)
    assert (made.records.status == "ok").all()
    return folder


@pytest.fixture
def whole(finished: Path) -> bytes:
    """Its database."""
    return (finished / FILE).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, for a test to tear."""
    use_profile(monkeypatch)
    without_report(monkeypatch)
    return Path(shutil.copytree(finished, tmp_path / "run"))


def cut(data: bytes, part: float) -> bytes:
    """What is left of a file whose copy was cut short."""
    return data[: int(part * len(data))]


def holed(data: bytes, at: float) -> bytes:
    """The same with four pages overwritten."""
    start = int(at * len(data)) // 4096 * 4096
    return data[:start] + b"\xa5" * 4 * 4096 + data[start + 4 * 4096 :]


TEARS = {
    "most of it": lambda data: cut(data, 0.9),
    "half of it": lambda data: cut(data, 0.5),
    "a little of it": lambda data: cut(data, 0.05),
    "a hole early on": lambda data: holed(data, 0.2),
    "a hole late": lambda data: holed(data, 0.7),
    "no header": lambda data: b"?" * 100 + data[100:],
}


def rows(folder: Path) -> Any:
    return diffbench.load(folder).records.set_index(KEY).sort_index()


@pytest.mark.parametrize("tear", TEARS)
def test_resume_saves_what_can_be_read(folder: Path, whole: bytes, tear: str) -> None:
    before = rows(folder)
    (folder / FILE).write_bytes(TEARS[tear](whole))
    assert torn(folder)
    made = diffbench.run(**ASKED, out=folder, resume=True)
    after = rows(folder)
    assert after.index.equals(before.index)
    assert (after.status == "ok").all()
    kept = (after[TIMES] == before[TIMES]).all(axis=1)  # measured again, one may tie, not all
    assert kept.sum() == made.plan["salvaged"]
    counted = made.samples[made.samples.kind == "run"].groupby(KEY).size()
    assert (counted == after.samples).all()
    assert (folder / f"{FILE}.torn1").read_bytes() == TEARS[tear](whole)
    assert not torn(folder)


def test_the_more_is_left_the_more_is_saved(folder: Path, whole: bytes) -> None:
    run, saved = diffbench.load(folder).records.run[0], []
    for part in (0.99, 0.02):
        (folder / FILE).write_bytes(cut(whole, part))
        saved.append(salvage(folder, run))
    assert saved[0] > saved[1] >= 0
    assert {path.name for path in folder.glob("*.torn*")} == {f"{FILE}.torn1", f"{FILE}.torn2"}


def test_a_sound_database_is_left_as_it_is(folder: Path, whole: bytes) -> None:
    assert not torn(folder)
    made = diffbench.run(**ASKED, out=folder, resume=True)
    assert "salvaged" not in made.plan
    assert not list(folder.glob("*.torn*"))


def test_a_cell_without_all_its_samples_is_made_again(folder: Path) -> None:
    with sqlite3.connect(folder / FILE) as db:
        db.execute("DELETE FROM samples WHERE method = 'zero' AND round = 1")
    db.close()
    whole = rows(folder)
    others = whole.index.get_level_values("method") != "zero"
    assert salvage(folder, whole.run.iloc[0]) == others.sum()
    assert rows(folder).index.equals(whole.index[others])


def test_a_reader_is_told_what_to_do(folder: Path, whole: bytes) -> None:
    (folder / FILE).write_bytes(b"?" * 100 + whole[100:])
    with pytest.raises(RunError, match="torn: --resume saves what can be read"):
        diffbench.load(folder)

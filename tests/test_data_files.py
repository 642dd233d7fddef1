"""Data given by a user: what a file may hold, how it is named, and who notices that it changed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench import api, data
from diffbench.errors import BadData, BadSize, DiffbenchError, RunError
from diffbench.problem import Family, Parameter, Parts
from diffbench.registry import Registry, discover
from diffbench.running.executor import Executor

FAMILIES = discover(kinds=("problems",))
TEXT = "width,height\n1,2\n3,5\n-2.5,1e1\n"
POINTS = [[1.0, 2.0], [3.0, 5.0], [-2.5, 10.0]]
DIGITS = "1f47d22fb0cf"


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """points.csv in the present folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "points.csv"
    path.write_text(TEXT)
    return path


def table(path: Path, least: int = 1, most: int | None = None) -> Any:
    return data.read(data.named(str(path)), (least, most))


# --- what a file may hold -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "1,2\n3,5\n-2.5,1e1",
        "\ufeff1,2\r\n3,5\r\n-2.5,10\r\n",
        '"width, cm",height\n"1", 2\n\n 3,5 \n-2.5,10\n\n',
    ],
)
def test_numbers_with_or_without_titles(points: Path, text: str) -> None:
    points.write_bytes(text.encode())
    found = table(points)
    assert found.dtype == np.float64
    assert found.tolist() == POINTS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no numbers; accepted are lines of equally many finite numbers"),
        (b"a,b\n", "holds no numbers"),
        (b"1,2\n3\n", "line 2: 1 instead of 2 fields"),
        (b"a,b\n\n1,2\n3,4,5\n", "line 4: 3 instead of 2 fields"),
        (b"1,2\n3,x\n", "line 2: 'x' is no number"),
        (b"1,x\n3,4\n", "line 1: 'x' is no number"),
        (b"a,b\nc,d\n1,2\n", "line 2: 'c' is no number"),
        (b"1,2\n3,\n", "line 2: '' is no number"),
        (b"1,1_0\n", "line 1: '1_0' is no number"),
        (b"1,2\nnan,3\n", "line 2: 'nan' is not finite"),
        (b"1,2\n4,3\n1,-inf\n", "line 3: '-inf' is not finite"),
        (b"1,1e999\n", "line 1: '1e999' is not finite"),
        (b"1;2\n", "line 1: 1 column where at least 2 are needed"),
        (b"\xff\xfe1", "is no text in UTF-8"),
    ],
)
def test_what_cannot_be_used_is_one_line(points: Path, content: bytes, said: str) -> None:
    points.write_bytes(content)
    with pytest.raises(BadData) as refused:
        FAMILIES.instances("gmm[file=points.csv]")
    message = str(refused.value)
    assert said in message
    assert str(points) in message
    assert "accepted are" in message
    assert "\n" not in message


def test_what_cannot_be_read_is_one_line(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, said in (("none.csv", "No such file"), (".", "Is a directory")):
        with pytest.raises(BadData, match=f"cannot read .*: {said}.*; give the path of a CSV"):
            FAMILIES.instances(f"gmm[file={name}]")
    for columns, said in (((3, 3), "2 columns where 3 are"), ((1, 1), "2 columns where 1 are")):
        with pytest.raises(BadData, match=f"line 1: {said} needed"):
            table(points, *columns)
    monkeypatch.setattr(data, "MOST_BYTES", 2**4)
    with pytest.raises(BadData, match=r"has 0\.0 MiB; at most 0 are read: give fewer lines"):
        FAMILIES.instances("gmm[file=points.csv]")


# --- names ----------------------------------------------------------------------------------------


def test_a_name_is_the_path_and_the_content(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{points}#{DIGITS}"
    for path in ("points.csv", "./points.csv", str(points), name):
        (instance,) = FAMILIES.instances(f"kmeans[K=2,file={path}]")
        assert instance.name == f"kmeans[K=2,file={name}]"
    monkeypatch.setenv("HOME", str(points.parent))
    assert data.named("~/points.csv") == name
    assert FAMILIES.located(" lecture,kmeans[file=points.csv,K=2:3],gmm") == (
        f" lecture,kmeans[file={name},K=2|3],gmm"
    )
    points.write_text(TEXT + "0,0\n")
    with pytest.raises(BadData, match=rf"has changed: .* now #\w{{12}}, not #{DIGITS}; restore it"):
        FAMILIES.instances(f"kmeans[file={name}]")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a,b.csv", r"cannot read 'b.csv'; .* path of a file, without any of \[\]\|,:#"),
        ("a:b.csv", r"path of a file holds none of \[\]\|,:#"),
        ("a#b.csv", "holds '#', and a path in a selection holds none of"),
        ("a\tb.csv", r"holds '\\t', and a path in a selection"),
        ("2024", "'gmm' needs a file for file, got 2024; write file=./2024"),
    ],
)
def test_what_cannot_be_a_path_is_one_line(points: Path, value: str, said: str) -> None:
    with pytest.raises(DiffbenchError, match=said):
        FAMILIES.instances(f"gmm[file={value}]")


@pytest.mark.parametrize("other", ["d=2", "N=3", "generator=public"])
def test_what_the_data_decide_is_left_out(points: Path, other: str) -> None:
    with pytest.raises(BadSize, match=f"with file= the data decide; leave out {other[0]}"):
        FAMILIES.instances(f"gmm[file=points.csv,{other}]")


# --- families -------------------------------------------------------------------------------------


def test_families_take_their_data(points: Path) -> None:
    (mixture,) = FAMILIES.instances("gmm[file=points.csv,K=2]")
    assert (mixture.n, set(mixture.params)) == (2 * (1 + 2 + 3), {"K", "file", "sign"})
    (means,) = FAMILIES.instances("kmeans[file=points.csv,K=2]")
    assert mixture.constants[0].tolist() == means.constants[0].tolist() == POINTS
    assert means.n == 4
    wanted = r"needs K <= 3, for the file has 3 points, got K=4; try 'kmeans\[file=\.\.\.,K=3\]'"
    with pytest.raises(BadSize, match=wanted):
        FAMILIES.instances("kmeans[file=points.csv,K=4]")
    (fit,) = FAMILIES.instances("llsq[file=points.csv,m=3]")
    powers, values = fit.constants
    assert values.tolist() == [2.0, 5.0, 10.0]
    t = (np.array([1.0, 3.0, -2.5]) - 0.25) / 2.75
    assert np.allclose(powers, np.stack([t**0, t, t**2], axis=1), rtol=1e-15)
    misses = values - powers @ fit.x
    assert float(fit.value()) == pytest.approx(0.5 * misses @ misses, rel=1e-14)


def test_a_plugin_may_take_several(points: Path) -> None:
    def build(params: Any, rng: Any) -> Parts:
        pair = [params[name] for name in ("left", "right") if name in params]
        x = np.arange(1.0, 1.0 + len(pair))
        return Parts(f=lambda x, xp, *c: xp.sum(x), x=x, prepare_x=x + 0.5, constants=tuple(pair))

    row = Parameter("", "a table", columns=(1, 2))
    family = Family(
        name="pair",
        title="",
        shows="",
        reference="",
        latex="",
        parameters={"left": row, "right": row},
        sizes={},
        build=build,
    )
    registry = Registry(families={"pair": family})
    points.with_name("b c.csv").write_text("7\n")
    (made,) = registry.instances("pair[left=points.csv,right=b c.csv]")
    assert [c.tolist() for c in made.constants] == [POINTS, [[7.0]]]
    assert family.instance({"right": "b c.csv"}).n == 1


# --- runs -----------------------------------------------------------------------------------------


def small_run(out: Path, **more: Any) -> Any:
    asked: dict[str, Any] = {
        "problems": "kmeans[file=points.csv,K=2]",
        "methods": "manual",
        "operators": "gradient",
        "profile": "quick",
    }
    return diffbench.run(**{**asked, **more}, out=out)


def test_a_run_goes_on_anywhere_but_not_with_other_data(
    points: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    monkeypatch.setattr(Executor, "due", lambda self, studies: [])
    points = points.rename(points.with_name("my points.csv"))
    asked = "kmeans[file=my points.csv,K=2]"
    (record,) = small_run(tmp_path / "run", problems=asked).records.itertuples()
    name = f"kmeans[K=2,file={points}#{DIGITS}]"
    assert (record.instance, record.verdict) == (name, "exact to rounding")
    words = shlex.split(record.command)
    assert words[words.index("--problems") + 1] == name

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = api.requested(tmp_path / "run")
    assert before.problems == f"kmeans[file={points}#{DIGITS},K=2]"
    again = small_run(tmp_path / "run", problems=before.problems, resume=True)
    assert len(again.records) == 1
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "run", problems=asked, resume=True)

    points.write_text(TEXT + "0,0\n")
    with pytest.raises(BadData, match="has changed"):
        small_run(tmp_path / "run", problems=before.problems, resume=True)
    with pytest.raises(RunError, match=r"was begun with problems .*, not .*; leave the selection"):
        small_run(tmp_path / "run", problems=asked, resume=True)


def test_mistakes_leave_no_folder(points: Path, cli: Any) -> None:
    points.write_text("1,2\n3\n")
    done = cli("run", "--problems", "gmm[file=points.csv]", "--out", "run")
    assert done.code == 2
    assert done.err == (
        f"diffbench: {points}, line 2: 1 instead of 2 fields; accepted are lines of equally "
        "many finite numbers with commas between them, after at most one line of titles\n"
    )
    assert not Path("run").exists()


def test_the_content_travels_to_other_machines(points: Path, tmp_path: Path) -> None:
    name = data.named("points.csv")
    carried = data.carried({"K": 2, "file": name, "generator": "own"})
    assert carried == {DIGITS: TEXT.encode()}
    points.unlink()
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / DIGITS).write_bytes(carried[DIGITS])
    far = FAMILIES.family("kmeans").instance({"K": 2, "file": name}, 0, str(tmp_path / "shelf"))
    assert far.constants[0].tolist() == POINTS

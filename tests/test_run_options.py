"""``diffbench run``: the plan before, options from a file, the budget, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_runs import use_profile, without_report

import diffbench
from diffbench import api
from diffbench.cli.planning import lasting
from diffbench.running.executor import Progress
from diffbench.running.ledger import Ledger

FAULTY = str(Path(__file__).parent / "plugins" / "faulty.py")
SMALL = {"problems": "lecture[n=2|4],rosenbrock[n=2]", "methods": "manual,reverse"}
CELLS = 24


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)


# --- the plan -------------------------------------------------------------------------------


def test_the_plan_is_what_a_run_makes(tmp_path: Path) -> None:
    found = diffbench.plan(**SMALL, profile="quick")
    made = diffbench.run(**SMALL, profile="quick", out=tmp_path / "run").records
    planned = [(row.block.name, op) for row in found.blocks for op in row.block.operators]
    assert list(dict.fromkeys(zip(made.instance, made.operator, strict=True))) == planned
    assert found.cells == len(made) == CELLS
    assert sum(row.answered for row in found.blocks) == (made.status == "ok").sum()
    assert [row.block.name for row in found.blocks][:2] == ["lecture[n=2]", "rosenbrock[n=2]"]


def test_more_generations_take_longer_and_blocks_end_in_order() -> None:
    one = diffbench.plan(**SMALL, profile="quick")
    five = diffbench.plan(**SMALL, profile="quick", generations=5)
    ends = [row.ends_s for row in one.blocks]
    assert ends == sorted(ends)
    assert one.seconds == pytest.approx(ends[-1] + one.finish_s)
    assert five.seconds - five.finish_s == pytest.approx(5 * ends[-1])


def test_a_dry_run_prints_the_plan_and_leaves_no_folder(cli: Any, tmp_path: Path) -> None:
    asked = [f"--{name}={value}" for name, value in SMALL.items()]
    out = tmp_path / "run"
    done = cli("run", "--dry-run", *asked, "--profile=quick", "--out", out, "--budget", "1s")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == [
        "instance", "lecture[n=2]", "rosenbrock[n=2]", "lecture[n=4]",
    ]  # fmt: skip
    assert lines[4].startswith("24 cells of 3 instances of 2 families, about ")
    assert lines[5] == "the budget of 1.0 s ends after about 0 of these cells"
    assert not out.exists()
    enough = cli("run", "--dry-run", *asked, "--budget", "1h").out.splitlines()[-1]
    assert enough == "the budget of 1 h 00 min is enough; what is left makes more generations"


def test_a_plan_in_vain_says_why(cli: Any) -> None:
    asked = ["--problems=chebyshev[m=4]", "--methods=manual,reverse", "--operators=gradient"]
    lines = cli("run", "--dry-run", *asked).out.splitlines()
    assert lines[2].startswith("2 cells of 1 instance of 1 family, about ")
    assert lines[3:] == [
        "no cell of these can be answered: gradient needs a scalar function; chebyshev has m = 4: "
        "ask for jacobian, jvp or vjp"
    ]
    assert diffbench.plan(**SMALL, profile="quick").vain == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.3, "12 s"), (89.0, "89 s"), (150, "2 min"), (7500, "2 h 05 min")],
)
def test_times_for_the_eye(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


# --- options from a file ----------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_a_file_gives_the_options_and_the_command_line_wins(cli: Any, tmp_path: Path) -> None:
    config = written(
        tmp_path,
        'problems = "lecture[n=2]"\nmethods = "manual"\noperators = "value"\nseed = 3\n'
        f'profile = "quick"\nplugin = ["{FAULTY}"]\nout = "{tmp_path / "run"}"\n',
    )
    assert cli("run", "--config", config, "--operators", "gradient").code == 0
    (row,) = diffbench.load(tmp_path / "run").records.itertuples()
    assert (row.operator, row.seed, row.method) == ("gradient", 3, "manual")
    assert diffbench.load(tmp_path / "run").plan["plugins"] == [FAULTY]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('problms = "mlp"', "no option 'problms'; did you mean 'problems'?"),
        ("seed = 1.5", "'1.5' is not a valid integer"),
        ('budget = "soon"', "write 90, 90s, 5m or 1h"),
        ('problems = ["mlp", "lecture"]', "problems takes one value"),
        ("[run]\nseed = 1", "no option 'run'"),
        ("seed =", "is no TOML"),
        ('config = "other.toml"', "no option 'config'"),
        ('profile = "fast"', "'fast' is not one of"),
        ("resume = true", "--resume needs the folder of a run"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(cli: Any, tmp_path: Path, text: str, said: str) -> None:
    done = cli("run", "--config", written(tmp_path, text))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    # only what options mean together is no longer of one file
    assert (str(tmp_path / "run.toml") in done.err) == (not said.startswith("--"))


def test_a_file_that_is_not_there(cli: Any, tmp_path: Path) -> None:
    done = cli("run", "--config", tmp_path / "none.toml")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "No such file" in done.err


# --- the budget -------------------------------------------------------------------------------


def stopped_when(monkeypatch: pytest.MonkeyPatch, enough: Callable[[Ledger], bool]) -> None:
    """A budget that is up when the ledger holds enough."""
    monkeypatch.setattr(api.Making, "_over", lambda self, ledger: lambda: enough(ledger))


def test_a_budget_that_is_left_makes_generations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch, width=0.0)
    stopped_when(
        monkeypatch, lambda ledger: any(r.generation == 3 for r in ledger.records.values())
    )
    asked = {"problems": "lecture[n=2]", "methods": "manual", "operators": "value"}
    made = diffbench.run(**asked, profile="quick", out=tmp_path / "run", budget=1e6)
    (row,) = made.records.itertuples()
    assert (row.generation, row.samples) == (3, 9)
    again = diffbench.run(**asked, profile="quick", out=tmp_path / "run", resume=True)
    assert again.records.generation.tolist() == [3]


def test_generations_that_were_asked_for_are_not_exceeded(tmp_path: Path) -> None:
    asked = {"problems": "lecture[n=2]", "methods": "manual", "operators": "value"}
    made = diffbench.run(**asked, profile="quick", out=tmp_path / "run", budget=1e6, generations=2)
    assert made.records.generation.tolist() == [2]


def test_narrow_intervals_end_a_run_before_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch, width=1e9)
    asked = {"problems": "lecture[n=2]", "methods": "manual", "operators": "value"}
    made = diffbench.run(**asked, profile="quick", out=tmp_path / "run", budget=1e6)
    assert made.records.generation.tolist() == [1]


def test_what_is_under_way_at_the_end_is_dropped_and_made_on_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stopped_when(patch, lambda ledger: len(ledger.records) >= 5)
        cut = diffbench.run(**SMALL, profile="quick", out=tmp_path / "run", budget=1e6)
    assert 5 <= len(cut.records) < CELLS
    assert (cut.records.status == "ok").all()
    whole = diffbench.run(**SMALL, profile="quick", out=tmp_path / "run", resume=True)
    assert len(whole.records) == CELLS


def test_studies_wait_for_the_smallest_size_of_each_family(tmp_path: Path) -> None:
    seen: list[str] = []

    def note(progress: Progress) -> None:
        if not seen or seen[-1] != progress.now:
            seen.append(progress.now)

    diffbench.run(**SMALL, profile="quick", out=tmp_path / "run", progress=note)
    assert [re.sub(":.*", "", now) for now in seen] == [
        "sizes of the instances", "lecture[n=2]", "rosenbrock[n=2]", "studies", "lecture[n=4]",
    ]  # fmt: skip


# --- how it ends ------------------------------------------------------------------------------


def ended(cli: Any, folder: Path, family: str, methods: str = "manual,reverse") -> Any:
    asked = ("--methods", methods, "--operators", "gradient", "--profile", "quick")
    return cli("run", "--problems", family, *asked, "--plugin", FAULTY, "--out", folder)


def test_a_wrong_derivative_of_our_own_ends_with_1(cli: Any, tmp_path: Path) -> None:
    done = ended(cli, tmp_path / "run", "faulty")
    assert done.code == 1
    assert done.err.endswith("wrong, and nothing says why: faulty[n=2] gradient manual\n")
    assert "verdict: 1 exact to rounding, 1 wrong" in done.out


def test_one_that_its_family_expects_does_not(cli: Any, tmp_path: Path) -> None:
    done = ended(cli, tmp_path / "run", "excused")
    assert done.code == 0
    records = diffbench.load(tmp_path / "run").records.set_index("method")
    assert records.verdict["manual"] == "wrong"
    assert records.expected["manual"].startswith("it is wrong by a factor of two")


def test_nor_does_a_control(cli: Any, tmp_path: Path) -> None:
    assert ended(cli, tmp_path / "run", "faulty", "zero").code == 0


def test_the_time_of_a_run_is_accounted_for(tmp_path: Path) -> None:
    spent = diffbench.run(**SMALL, profile="quick", out=tmp_path / "run").environment["spent"]
    inside = ("warm-up", "prepare", "first call", "check", "calibrate", "rounds")
    assert set(spent) == {"wall", "inside", *inside, "certify", "judge", "sizes", "study"}
    assert all(seconds > 0 for seconds in spent.values())
    assert spent["inside"] <= min(spent["wall"], sum(spent[kind] for kind in inside))

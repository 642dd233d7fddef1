"""A run with methods that misbehave in every way: each has its status, the others are complete."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from small_runs import FAKES, started, use_profile, without_report

import diffbench
from diffbench.registry import Registry
from diffbench.running import plan
from diffbench.running.executor import Progress
from diffbench.running.plan import Block, Request, blocks, command, planned

LIMIT_S = 5.0  # ten times what the slowest honest task needs: machines are busy
# method: status, verdict, a piece of the reason (of the status, else of the verdict)
EXPECTED = {
    "right": ("ok", "exact to rounding", ""),
    "prints": ("ok", "exact to rounding", ""),
    "raises": ("failed", "", "first call: ValueError: no such luck"),
    "hangs": ("timeout", "", f"first call: not done after {LIMIT_S:g} s"),
    "spins": ("timeout", "", f"first call: not done after {LIMIT_S:g} s"),
    "sleeps": ("timeout", "", f"first call: not done after {LIMIT_S:g} s"),
    "grips": ("timeout", "", f"first call: not done after {LIMIT_S:g} s"),
    "forks": ("timeout", "", f"first call: not done after {LIMIT_S:g} s"),
    "eats": ("out_of_memory", "", "first call: "),
    "aborts": ("out_of_memory", "", " of 512 MiB in use"),
    "exhausted": ("out_of_memory", "", "RESOURCE_EXHAUSTED"),
    "exits": ("crashed", "", "exit code 3"),
    "segfaults": ("crashed", "", "SIGSEGV"),
    "leaves": ("failed", "", "SystemExit"),
    "complains": ("failed", "", "a mistake of its own"),
    "late": ("failed", "exact to rounding", "round: RuntimeError: late"),
    "cached": ("ok", "wrong", "the largest entry"),
    "nan": ("ok", "wrong", "not finite"),
    "shape": ("ok", "wrong", "shape (2, 1)"),
    "float32": ("ok", "wrong", "float32"),
    "texts": ("ok", "wrong", "no array of numbers but str"),
    "unsendable": ("ok", "wrong", "no array of numbers but lock"),
    "billionth": ("ok", "degraded", "9.0 digits"),
    "manual": ("ok", "exact to rounding", ""),
    "reverse": ("ok", "exact to rounding", ""),
}
SKIPPED = {"hangs", "spins", "sleeps", "grips", "forks", "eats", "aborts", "exhausted"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> diffbench.Run:
    folder = tmp_path_factory.mktemp("fakes")
    child = folder / "child"
    with pytest.MonkeyPatch.context() as patch:
        use_profile(patch, studies=True, limit_s=LIMIT_S, memory=2**29)
        patch.setenv("DIFFBENCH_TEST_CHILD", str(child))
        made = diffbench.run(
            problems="cubes",
            methods=",".join(EXPECTED),
            operators="gradient",
            profile="quick",
            out=folder / "run",
            plugins=[FAKES],
        )
    left = int(child.read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
    return made


@pytest.mark.parametrize("method", EXPECTED)
def test_each_fault_has_its_status_verdict_and_reason(run: diffbench.Run, method: str) -> None:
    row = run.records.set_index(["instance", "method"]).loc[("cubes[n=2]", method)]
    status, verdict, reason = EXPECTED[method]
    assert (row.status, row.verdict) == (status, verdict)
    assert reason in (row.verdict_reason if status == "ok" else row.reason)
    assert (row.reason == "") == (status == "ok")
    assert f"--methods {method} " in row.command
    assert f"--plugin {FAKES}" in row.command


def test_larger_sizes_are_skipped_after_time_or_memory_only(run: diffbench.Run) -> None:
    larger = run.records[run.records.instance == "cubes[n=3]"].set_index("method")
    assert set(larger.index) == set(EXPECTED)
    assert set(larger.index[larger.status == "skipped"]) == SKIPPED
    assert "cubes[n=2] already ended with timeout" in larger.reason["hangs"]
    assert larger.status["raises"] == "failed"


def test_good_cells_are_timed_with_intervals_and_samples(run: diffbench.Run) -> None:
    good = run.records[run.records.method.isin(["right", "manual", "reverse"])]
    assert len(good) == 6
    assert (good.samples >= 3).all()
    assert (good.run_s_low < good.run_s).all()
    assert (good.run_s < good.run_s_high).all()
    assert good.ratio_numpy_primal.notna().all()
    own = good.set_index("method").ratio_own_primal
    assert own["right"].isna().all()
    assert own["reverse"].notna().all()
    assert good.set_index("method").sweeps["reverse"].tolist() == [1, 1]
    libraries = {"right": {""}, "manual": {""}, "reverse": {"diffbench"}}
    assert {name: set(rows.library) for name, rows in good.groupby("method")} == libraries
    assert good.primal_ops.tolist() == [5, 8] * 3 or set(good.primal_ops) == {5, 8}
    timed = run.samples[run.samples.kind == "run"].groupby(["instance", "method"]).size()
    for row in good.itertuples():
        assert timed[row.instance, row.method] == row.samples


def test_the_studies_are_part_of_the_run(run: diffbench.Run, registry: Registry) -> None:
    assert set(run.studies.study) == set(registry.studies)
    assert not run.studies.key.str.startswith("status|").any()
    families = run.studies.key[run.studies.key.str.startswith("family|")]
    assert families.tolist() == ["family|cubes|diffbench"]  # of a plugin, and no other family


def test_a_study_that_compares_methods_asks_all_but_the_controls(run: diffbench.Run) -> None:
    keys = run.studies.key[run.studies.study == "conventions"]
    asked = {key.split("|")[-2] for key in keys if not key.startswith("case|")}
    assert asked == {"manual", "reverse"}  # the fakes are controls


def test_the_folder_holds_what_was_promised(run: diffbench.Run) -> None:
    assert {path.name for path in run.folder.iterdir()} == {
        "environment.json",
        "plan.json",
        "records.csv",
        "report.html",
        "run.sqlite",
        "samples.csv",
        "studies.csv",
    }
    assert run.plan["cells"] == len(run.records) == 2 * len(EXPECTED)
    workers = run.environment["workers"]
    assert all(facts["cpu_share"] < 1.1 for facts in workers.values())
    assert json.loads((run.folder / "plan.json").read_text()) == run.plan


def test_nothing_is_left_behind(run: diffbench.Run) -> None:
    assert started("diffbench.running.worker") == []


# --- generations, budget --------------------------------------------------------------------


def test_generations_add_samples_of_fresh_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    made = diffbench.run(
        "lecture[n=2]", "manual", "gradient", "quick", out=tmp_path / "run", generations=3
    )
    (row,) = made.records.itertuples()
    assert row.generation == 3
    assert row.samples == 9
    assert sorted(set(made.samples.generation)) == [0, 1, 2]


def test_nothing_begins_after_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    asked = {"problems": "lecture[n=2]", "methods": "manual", "operators": "gradient"}
    empty = diffbench.run(**asked, profile="quick", out=tmp_path / "run", budget=0.1)
    assert len(empty.records) == 0
    assert (tmp_path / "run" / "records.csv").exists()
    whole = diffbench.run(**asked, profile="quick", out=tmp_path / "run", resume=True)
    assert whole.records.status.tolist() == ["ok"]


def test_progress_counts_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    seen: list[Progress] = []
    diffbench.run(
        "lecture[n=2]",
        "manual,zero",
        "gradient,jvp",
        "quick",
        out=tmp_path / "run",
        progress=seen.append,
    )
    assert {p.total for p in seen} == {0, 4}
    assert max(p.done for p in seen) == 4
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert "lecture[n=2]" in {p.now for p in seen}


# --- the plan -------------------------------------------------------------------------------


def described(family: str, n: int, m: int = 1, scalar: bool = True) -> dict[str, object]:
    name = f"{family}[n={n}]"
    return {
        "family": family, "params": {"n": n}, "name": name,
        "n": n, "m": m, "depth": 1, "scalar": scalar,
    }  # fmt: skip


def test_families_take_turns_and_grow() -> None:
    rows = [described("a", n) for n in (512, 8, 2)] + [described("b", n) for n in (4096, 1024)]
    order = [block.name for block in blocks(rows, plan.PROFILES["quick"], ())]
    assert order == ["a[n=2]", "b[n=1024]", "a[n=8]", "b[n=4096]", "a[n=512]"]


def test_operators_are_the_profiles_unless_named() -> None:
    quick = plan.PROFILES["quick"]
    first = ("value", "gradient", "hvp")
    assert planned(quick, (), 4, 1, True) == (*first, "hessian")
    assert planned(quick, (), 4096, 1, True) == first
    assert planned(quick, (), 8, 4, False) == ("value", "jacobian", "jvp", "vjp")
    full = plan.PROFILES["full"]
    assert planned(full, (), 8, 1, True) == ("value", "gradient", "jvp", "vjp", "hvp", "hessian")
    assert planned(quick, ("hessian",), 4096, 4, False) == ("hessian",)


def test_a_command_reproduces_a_cell() -> None:
    request = Request(profile="quick", seed=3, plugins=("/a b.py",))
    made = Block("a", {"n": 2}, "a[n=2]", 2, 1, 1, True, ("jvp",))
    assert command(request, made.name, "jax[mode=reverse]", "jvp") == (
        "diffbench run --problems 'a[n=2]' --methods 'jax[mode=reverse]' --operators jvp "
        "--profile quick --seed 3 --plugin '/a b.py'"
    )

"""asv accepts the benchmarks, runs a few of them, and publishes what they leave."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffbench.registry import Registry

N = 16
CHOSEN = {
    "DIFFBENCH_PROBLEMS": f"lecture[n={N}]",
    "DIFFBENCH_METHODS": "reverse,autograd,finite_difference[scheme=central]",
}
# Of these, two cells of each kind of benchmark: asv matches this against name(parameters).
KINDS = r"(time_|peakmem_|track_(calls|sweeps|tape|steps|digits))\w*"
SOME = KINDS + r"\(.*'(reverse|finite_difference.*)'\)"
PAIR = r"track_time_ratio\(.*'reverse over autograd'\)"


def asv(config: Path, *arguments: str) -> str:
    """The output of an asv command; its home is the test's, for its file on the machine."""
    command = [sys.executable, "-m", "asv", "--config", str(config), *arguments]
    environment = os.environ | {"HOME": str(config.parent)} | CHOSEN
    done = subprocess.run(
        command, cwd=config.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def head(root: Path) -> str:
    command = ["git", "-c", "safe.directory=*", "rev-parse", "HEAD"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout here: asv needs a commit")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def config(root: Path, head: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's configuration with its results in a folder of the test."""
    folder = tmp_path_factory.mktemp("asv")
    settings = json.loads((root / "asv.conf.json").read_text())
    settings |= {"repo": str(root), "benchmark_dir": str(root / settings["benchmark_dir"])}
    path = folder / "asv.conf.json"
    path.write_text(json.dumps(settings))
    asv(path, "machine", "--yes", "--machine", "test")
    return path


def test_asv_accepts_the_benchmarks(config: Path) -> None:
    assert "No problems found" in asv(config, "check")


def test_the_parameters_are_the_registrys(registry: Registry) -> None:
    from benchmarks.tracked.derivatives import INSTANCES, METHODS

    assert {row.family for row in INSTANCES.values()} == set(registry.families)
    assert {method.name for method in METHODS.values()} == set(registry.method_types)


def test_the_pairs_are_the_engines_of_one_mode_at_two_sizes(registry: Registry) -> None:
    from benchmarks.tracked.engines import SIZES, pairs

    assert {"forward over jax[mode=forward]", "reverse over autograd"} <= set(pairs())
    assert "reverse over jax[mode=forward]" not in pairs()
    by_family: dict[str, list[int]] = {}
    for row in SIZES.values():
        by_family.setdefault(row.family, []).append(row.n * row.m * row.depth)
    assert set(by_family) == set(registry.families)
    assert all(len(sizes) == 2 and sizes[0] < sizes[1] for sizes in by_family.values())


def test_a_ratio_that_does_not_exist_is_nan() -> None:
    from benchmarks.tracked.engines import Call, ratio

    nothing, impossible = Call(lambda: None, (), 8), Call(lambda: None, (), -1)
    assert ratio(nothing, nothing) > 0.0
    assert math.isnan(ratio(nothing, impossible))


def results(config: Path, head: str) -> dict[str, list[float | None]]:
    """The values of each benchmark that has any, by its short name."""
    (path,) = (config.parent / ".asv" / "results" / "test").glob(f"{head[:8]}-*.json")
    saved = json.loads(path.read_text())
    first = saved["result_columns"].index("result")
    return {
        name.rpartition(".")[2]: [value for value in row[first] if value is not None]
        for name, row in saved["results"].items()
        if row[first]
    }


def test_a_few_run_and_are_published(config: Path, head: str) -> None:
    what = ["--quick", "--bench", SOME, "--bench", PAIR]
    asv(config, "run", "--machine", "test", "--set-commit-hash", head, *what)
    found = {k: [v for v in row if not math.isnan(v)] for k, row in results(config, head).items()}
    assert 2.0 * N in found["track_calls_f"]
    assert 1.0 in found["track_sweeps"]
    assert found["track_tape_bytes"][0] > 8 * N
    assert set(found["track_steps"]) == {0.0}  # none of these has a loop to checkpoint
    assert 0 <= min(found["track_digits_lost"]) < 2 < max(found["track_digits_lost"]) < 10
    assert len(found["track_time_ratio"]) == 1
    assert all(0.0 < value < math.inf for value in found["track_time_ratio"])
    assert len(found["time_derivative"]) == len(found["peakmem_derivative"]) == 2
    assert min(found["time_derivative"]) > 0
    asv(config, "publish")
    index = json.loads((config.parent / ".asv" / "html" / "index.json").read_text())
    assert {name.rpartition(".")[2] for name in index["benchmarks"]} >= set(found)


def test_every_benchmark_has_a_title_a_unit_and_named_parameters(config: Path) -> None:
    saved = json.loads((config.parent / ".asv" / "results" / "benchmarks.json").read_text())
    shown = [row for name, row in saved.items() if name != "version"]
    assert len({row["pretty_name"] for row in shown}) == len(shown) == 10
    assert all(" " in row["pretty_name"] and row["unit"] not in ("", "unit") for row in shown)
    assert {tuple(row["param_names"]) for row in shown} == {
        ("instance", "method"),
        ("instance", "pair"),
    }

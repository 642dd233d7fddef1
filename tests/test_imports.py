"""What each command loads: numpy and pandas alone cost more than ``--help`` may take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import stored_run

HEAVY = {"jax", "sympy", "autograd", "flint", "altair", "vl_convert", "scipy", "llvmlite"}
DATA = {"numpy", "pandas", "rich", "jinja2"}

SCRIPT = """
import sys
{0}
loaded = {{name.split(".")[0] for name in sys.modules}}
print("loaded:" + ",".join(sorted(loaded & set(sys.argv[1].split(",")))))
"""
COMMAND = """
from diffbench.cli import main
sys.argv = ["diffbench", *{0!r}]
watched = {1!r}
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.argv = ["", watched]
"""


def loaded(script: str, watched: set[str]) -> set[str]:
    """Which of the watched packages a script loads in a fresh interpreter."""
    command = [sys.executable, "-c", SCRIPT.format(script), ",".join(watched)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].strip().split(",")) - {""}


def loaded_by(arguments: list[str], watched: set[str]) -> set[str]:
    return loaded(COMMAND.format(arguments, ",".join(watched)), watched)


def test_importing_the_package_loads_nothing() -> None:
    assert loaded("import diffbench", HEAVY | DATA) == set()


HELPED = ("run", "list", "doctor", "info", "clean")


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in HELPED)])
def test_help_loads_nothing(arguments: list[str]) -> None:
    assert loaded_by(arguments, HEAVY | DATA) == set()


def test_looking_after_runs_and_machines_loads_nothing(tmp_path: Path) -> None:
    folder = str(stored_run(tmp_path / "run", manual=1e-6))
    for arguments in (["info", folder], ["clean", folder, "--keep", "0"], ["doctor", "--quick"]):
        assert loaded_by(arguments, HEAVY | DATA) == set()


@pytest.mark.parametrize("kind", ["methods", "problems", "operators"])
def test_listing_loads_nothing_heavy(kind: str) -> None:
    assert loaded_by(["list", kind], HEAVY) == set()


def test_differentiating_loads_only_numpy() -> None:
    script = """
import numpy as np
import diffbench.ad as ad
ad.grad(lambda x, xp: xp.sum(xp.sin(x)))(np.array([1.0, 2.0]))
"""
    assert loaded(script, HEAVY - {"scipy"} | {"pandas"}) == set()

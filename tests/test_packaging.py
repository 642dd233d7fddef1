"""What is shipped: the wheel holds what the folders hold, versions are pinned, nothing leaks."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCES = ("diffbench", "methods", "problems", "reports")
FILES = ("pyproject.toml", "README.md", "LICENSE")
PLACES = {"methods": "diffbench/methods", "problems": "diffbench/problems"}
SHIPPED = {"templates": "diffbench/reports/templates", "assets": "diffbench/reports/assets"}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return found


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy, so that no stale ``build/`` and no other test can touch it."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(root / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (copy / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def files(folder: Path, pattern: str = "*") -> set[str]:
    return {p.name for p in folder.glob(pattern) if p.is_file()}


def inside(wheel: zipfile.ZipFile, folder: str) -> set[str]:
    return {Path(n).name for n in wheel.namelist() if str(Path(n).parent) == folder}


# --- the wheel ------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", PLACES)
def test_the_wheel_holds_every_plugin_and_no_other(
    root: Path, wheel: zipfile.ZipFile, folder: str
) -> None:
    assert inside(wheel, PLACES[folder]) == files(root / folder, "*.py")


def test_the_wheel_holds_every_page(root: Path, wheel: zipfile.ZipFile) -> None:
    assert inside(wheel, "diffbench/reports") == files(root / "reports", "*.py")


@pytest.mark.parametrize("folder", SHIPPED)
def test_the_wheel_holds_templates_and_assets(
    root: Path, wheel: zipfile.ZipFile, folder: str
) -> None:
    assert inside(wheel, SHIPPED[folder]) == files(root / "reports" / folder)


def test_the_wheel_holds_every_module_of_the_engine(root: Path, wheel: zipfile.ZipFile) -> None:
    modules = {str(p.relative_to(root)) for p in (root / "diffbench").rglob("*.py")}
    assert modules <= set(wheel.namelist())
    assert "diffbench/py.typed" in wheel.namelist()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"diffbench"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


# --- the installed package ------------------------------------------------------------------


def test_the_installed_package_says_what_it_is(project: dict[str, object]) -> None:
    import diffbench

    found = importlib.metadata.metadata("diffbench")
    assert found["Name"] == "diffbench"
    assert found["Version"] == diffbench.__version__ == project["version"]
    assert found["License-Expression"] == "MIT"
    assert found["Requires-Python"] == ">=3.11"
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="diffbench")
    assert script.value == "diffbench.cli:main"


# --- the constraints ------------------------------------------------------------------------

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")


def pins(root: Path) -> dict[str, str]:
    lines = (root / "constraints.txt").read_text().split()
    return {canonicalize_name(n): v for n, v in (line.split("==") for line in lines)}


def test_constraints_are_plain_pins(root: Path) -> None:
    for line in (root / "constraints.txt").read_text().splitlines():
        assert PIN.fullmatch(line), f"{line!r} is not name==version"


def needed(names: list[str]) -> set[str]:
    """The names, and all that they need here, directly or not."""
    todo, found = [Requirement(name) for name in names], set[str]()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        extras = ["", *requirement.extras]
        more = map(Requirement, importlib.metadata.requires(name) or [])
        todo += [r for r in more if r.marker is None or _applies(r, extras)]
    return found


def _applies(requirement: Requirement, extras: list[str]) -> bool:
    assert requirement.marker is not None
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


@pytest.mark.parametrize("extra", ["", "dev"])
def test_constraints_pin_every_dependency(
    root: Path, project: dict[str, object], extra: str
) -> None:
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    direct = optional[extra] if extra else project["dependencies"]
    assert isinstance(direct, list)
    assert needed(direct) <= set(pins(root))


def test_constraints_satisfy_the_declared_ranges(root: Path, project: dict[str, object]) -> None:
    pinned = pins(root)
    dependencies = project["dependencies"]
    assert isinstance(dependencies, list)
    for requirement in map(Requirement, dependencies):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


# --- leaks ----------------------------------------------------------------------------------

# Assembled from parts, so that this file does not hold what it looks for.
LEAKS = re.compile(
    "|".join(
        [
            "/" + r"(?:root|home/\w+|work|Users/\w+)/",
            "/" + r"opt/\w",
            "/" + r"tmp/(?!\*)[\w.]",
            "index" + "-url",
            "find" + "-links",
            r"\bpypi" + r"\.org/simple",
            "file" + r"://\w*/",
        ]
    )
)
BINARY = {".png"}


def tracked(root: Path) -> list[Path]:
    """The files that git tracks; all text files of the tree where this is no checkout."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout here: what is tracked is not known")
    return [root / name for name in done.stdout.split("\0") if name]


def test_no_tracked_file_names_this_machine(root: Path) -> None:
    leaks = {
        f"{path.relative_to(root)}: {match[0]}"
        for path in tracked(root)
        if path.suffix not in BINARY and path.is_file()
        for match in [LEAKS.search(path.read_text(encoding="utf-8"))]
        if match
    }
    assert leaks == set()


def test_runs_and_environments_are_not_tracked(root: Path) -> None:
    tops = {path.relative_to(root).parts[0] for path in tracked(root)}
    assert tops.isdisjoint({"runs", ".venv", "build", "dist", ".asv", "diffbench.egg-info"})

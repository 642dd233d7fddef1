"""The README is true: its examples run, its commands parse, its tables list what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from diffbench.conformance import on_trial
from diffbench.method import variant_name
from diffbench.operators import OPERATORS
from diffbench.registry import Registry, discover

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MAIN = "from diffbench.cli import main; main()"
CELL = re.compile(r"`((?:[^`\\]|\\.)+)`")


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(README) if kind == language]


def plugins() -> dict[str, str]:
    """The Python examples that begin with the name of their file."""
    found = {}
    for text in blocks("python"):
        first = text.partition("\n")[0]
        if first.startswith("# "):
            found[first[2:]] = text
    return found


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for text in blocks("sh") for line in text.splitlines()]
    return [line for line in lines if line.startswith("diffbench ")]


def table(title: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    section = re.split(r"^#+ ", README.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)
    rows = [line for line in section[0].splitlines() if line.startswith("| `")]
    return {name.replace("\\", "") for row in rows for name in CELL.findall(row.split(" | ")[0])}


# --- tables ---------------------------------------------------------------------------------


def test_the_tables_list_every_plugin(registry: Registry) -> None:
    assert table("Methods") == {variant_name(method) for method in registry.methods()}
    assert table("Families") == set(registry.families)
    assert table("Operators") == set(OPERATORS)


def test_the_selections_are_understood(registry: Registry) -> None:
    for selection in table("Selections"):
        choose = registry.methods if selection.startswith("jax") else registry.instances
        assert choose(selection), selection


# --- commands -------------------------------------------------------------------------------


@pytest.mark.parametrize("line", commands())
def test_the_commands_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffbench.cli import diffbench

    (tmp_path / "run.toml").write_text('problems = "mlp"\n')
    monkeypatch.chdir(tmp_path)
    name, *arguments = shlex.split(line)[1:]
    command = diffbench.get_command(click.Context(diffbench), name)
    assert command is not None
    context = command.make_context(name, arguments)
    assert not context.args


@pytest.mark.parametrize("target", ["run", "test", "lint", "nightly", "dashboard", "clean"])
def test_make_has_its_targets(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_picture_is_there_and_small() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert 10_000 < (ROOT / picture).stat().st_size < 200_000


# --- examples -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin examples as files."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in plugins().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_plugins_are_accepted(folder: Path) -> None:
    found = discover([str(folder / name) for name in plugins()])
    assert found.broken == {}
    assert "wave" in found.families
    assert "five_point" in found.method_types
    assert "slowest" in found.pages
    assert "halving" in found.studies


def test_the_plugins_run(folder: Path) -> None:
    (line,) = [c for c in commands() if "--plugin" in c]
    options = ["--profile", "quick", "--operators", "gradient,jvp", "--out", str(folder / "out")]
    command = [sys.executable, "-c", MAIN, *shlex.split(line)[1:], *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    import diffbench

    records = diffbench.load(folder / "out").records
    assert set(records.status) == {"ok"}
    verdicts = records.set_index(["method", "operator"]).verdict
    for operator in ("gradient", "jvp"):
        assert verdicts["five_point", operator] == "degraded"
        assert verdicts["manual", operator] == verdicts["reverse", operator] == "exact to rounding"
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "wave" in report
    assert "five_point" in report
    assert "The ten cells whose calls take longest." in report
    studies = diffbench.load(folder / "out").studies.set_index("study")
    assert studies.loc["halving", "value"] == 53


@pytest.mark.parametrize("name", plugins())
def test_the_plugins_pass_their_test(folder: Path, name: str) -> None:
    found = list(on_trial(str(folder / name), discover()))
    assert len(found) > 3
    assert [finding for finding in found if finding.wrong or not finding.tried] == []


@pytest.mark.parametrize("i", range(len(blocks("python")) - len(plugins())))
def test_the_python_examples_run(i: int, tmp_path: Path) -> None:
    text = [text for text in blocks("python") if text not in plugins().values()][i]
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for shown in re.findall(r"print\(.*\)  # (.+)", text):
        assert shown in done.stdout

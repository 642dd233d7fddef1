"""The layers of the design, read off the source with ``ast``: who may import, print or exit."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "diffbench": "diffbench",
    "methods": "diffbench.methods",
    "problems": "diffbench.problems",
    "reports": "diffbench.reports",
}

# Each layer may import those above it, and itself. A name stands for a module and all below it;
# the longest name that fits a module decides.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("diffbench.ad",),
    ("diffbench.errors",),
    (
        "diffbench.columns",
        "diffbench.data",
        "diffbench.operators",
        "diffbench.selection",
        "diffbench.page",
        "diffbench.study",
    ),
    ("diffbench.records.record",),
    ("diffbench.problem",),
    ("diffbench.method",),
    ("diffbench.registry",),
    ("diffbench.measure", "diffbench.traces"),
    ("diffbench.adjoint_program",),
    ("diffbench.running.platform",),
    ("diffbench.records",),
    ("diffbench.running",),
    ("diffbench.analysis",),
    ("diffbench.making",),
    (
        "diffbench.api",
        "diffbench.care",
        "diffbench.conformance",
        "diffbench.comparison",
        "diffbench.merging",
        "diffbench.progress",
        "diffbench.serving",
    ),
    ("diffbench.cli", "diffbench.__main__"),
)
PLUGINS = {
    "diffbench.methods": {
        "diffbench.method",
        "diffbench.operators",
        "diffbench.errors",
        "diffbench.ad",
    },
    "diffbench.problems": {"diffbench.problem"},
    "diffbench.reports": {
        "diffbench.records",
        "diffbench.analysis",
        "diffbench.page",
        "diffbench.reports",  # pages share the sections and charts that build.py lays out
    },
    "diffbench.studies": {"diffbench"},  # part of the engine, but named by the registry alone
}
# The rule table names ball and sympy functions in two of its columns; they load when first used.
AD_AT_IMPORT = {"numpy"}
AD_LAZILY = {"numpy", "scipy", "sympy", "flint"}
AD_COMPILES = {"diffbench.ad.native.machine": {"llvmlite"}}
# They lay pages out and name none: the way from api to HTML and to the other formats.
RENDERERS = {"diffbench.reports.build", "diffbench.reports.exports"}
FUNCTION_LINES = 50
FILE_LINES = 400


def modules() -> dict[str, Path]:
    """Every module of the package by its installed name."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


MODULES = modules()
every_module = pytest.mark.parametrize("module", MODULES)


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def within(module: str, names: set[str] | tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def targets(node: ast.AST) -> list[str]:
    """What an import statement names; ``from a import b`` is ``a.b`` where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        base = node.module or ""
        return [f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names]
    return []


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    return {name for node in nodes for name in targets(node)}


def top_level(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that run at import: functions are not entered."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If):
            yield from top_level(getattr(node, "body", []))


def foreign(nodes: Iterator[ast.AST]) -> set[str]:
    """The third parties that are imported."""
    names = {name.split(".")[0] for name in imports(nodes)}
    return names - sys.stdlib_module_names - {"diffbench"}


def ours(module: str) -> set[str]:
    return {name for name in imports(ast.walk(tree(module))) if within(name, {"diffbench"})}


def layer(module: str) -> int:
    names = [name for row in LAYERS for name in row if within(module, {name})]
    assert names, f"{module} stands in no layer: add it to LAYERS"
    longest = max(names, key=len)
    return next(i for i, row in enumerate(LAYERS) if longest in row)


def owner(module: str) -> str | None:
    """The plugin folder that a module belongs to, if any."""
    return next((name for name in PLUGINS if within(module, {name})), None)


ENGINE = [module for module in MODULES if owner(module) is None]


# --- imports --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [m for m in ENGINE if m != "diffbench"])
def test_imports_only_what_stands_above_it(module: str) -> None:
    assert layer(module) >= 0
    engine = {name for name in ours(module) if owner(name) is None and name != "diffbench"}
    below = {name for name in engine if layer(name) > layer(module)}
    assert below == set()


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(ENGINE)))
def test_a_plugin_imports_only_its_contract(module: str) -> None:
    folder = owner(module)
    assert folder is not None
    strangers = {name for name in ours(module) if not within(name, PLUGINS[folder])}
    assert strangers == set()
    others = {name for name in ours(module) if owner(name) not in (None, folder)}
    assert others == set()


@every_module
def test_nothing_but_the_registry_names_plugins(module: str) -> None:
    named = {name for name in ours(module) if owner(name) not in (None, owner(module))}
    assert named <= (RENDERERS if module == "diffbench.api" else set())
    if module != "diffbench.registry" and owner(module) is None:
        words = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)}
        assert words.isdisjoint(PLUGINS), "only the registry knows where plugins live"


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, {"diffbench.ad"})])
def test_ad_stands_alone(module: str) -> None:
    assert all(within(name, {"diffbench.ad"}) for name in ours(module))


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, {"diffbench.ad"})])
def test_ad_needs_numpy_and_the_rest_lazily(module: str) -> None:
    compiles = AD_COMPILES.get(module, set())
    assert foreign(ast.walk(tree(module))) <= AD_LAZILY | compiles
    assert foreign(top_level(tree(module).body)) <= AD_AT_IMPORT | compiles


@every_module
def test_nothing_imports_the_folders_by_their_bare_names(module: str) -> None:
    bare = {"methods", "problems", "reports", "benchmarks", "tests"}
    assert not any(within(name, bare) for name in imports(ast.walk(tree(module))))


# --- printing and exiting -------------------------------------------------------------------


def calls(module: str) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree(module)) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("module", [m for m in MODULES if not within(m, {"diffbench.cli"})])
def test_only_the_cli_prints_and_exits(module: str) -> None:
    speaks = {"print", "input", "exit", "quit", "sys.exit", "os._exit", "breakpoint", "click.echo"}
    assert calls(module).isdisjoint(speaks)


# --- sizes ----------------------------------------------------------------------------------


@every_module
def test_functions_and_files_stay_small(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= FILE_LINES
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    }
    assert long == {}


def test_functions_are_short_on_the_whole() -> None:
    sizes = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef)
    )
    assert sizes[len(sizes) // 2] <= 8

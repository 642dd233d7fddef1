"""``diffbench test FILE.py``: what holds passes, and each manner of failing has its check."""

from __future__ import annotations

import importlib.util
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from small_runs import BROKEN, PLUGINS

from diffbench.conformance import Finding, examined, families, methods, on_trial, pages, studies
from diffbench.conformance.tiny import TINY
from diffbench.registry import discover

FILE = str(PLUGINS / "nonconforming.py")
KNOWN = discover()
# plugin: {the check that fails: words of what it says}; all others pass
WRONG: dict[str, dict[str, str]] = {
    "good": {},
    "wrong_shape": {"shapes": r"gradient has shape \(1, 2\), float64, not \(2,\), float64"},
    "off_by_a_millionth": {"proven": r"gradient of .* is degraded: 6\.0 digits"},
    "stale": {"points": "prepare_x shares entries with x"},
    "twice": {"points": "entries of x are equal"},
    "scribbles": {"untouched": "f writes to x"},
    "single": {"shapes": r"value has shape \(\), float32"},
    "single_x": {"shapes": r"x has shape \(2,\), float32; both points are \(n,\), float64"},
    "closes": {"arguments": "f holds the array c; hand it over as a constant", "names": "ndarray"},
    "global": {
        "arguments": "f holds the array WEIGHTS",
        "names": "beyond the array API standard",
        "proven": "gradient of .* is wrong",
    },
    "partial": {"arguments": "f holds the array w"},
    "drifts": {"arguments": "f or an answer depends on more than x and constants"},
    "random": {"reproducible": "other numbers each time it is built; draw from rng alone"},
    "fixed": {"reproducible": "the same prepare_x at every seed"},
    "beyond": {
        "names": "write xp.sin",
        "proven": r"write xp.sin\(x\), not np.sin\(x\).* \(nonconforming.py:\d+\)",
        "zero": "write xp.sin",
    },
    "misspelt": {"shapes": r"xp has no 'sine'; it has: abs.* \(nonconforming.py:\d+\)"},
    "nan": {"shapes": "gradient is not finite, and expected says no why"},
    "linear": {"zero": "hessian of .* is zero, so that any zero is right; say so by zero="},
    "raises": {"sizes": r"ZeroDivisionError: division by zero \(nonconforming.py:\d+\)"},
    "loop": {"parts": "start, step and finish do not give what f gives"},
    "zero": {"zero": "gradient of .* is declared to be zero, and is not"},
    "operator": {"operators": "hessain: no such operator"},
    "silent": {"declared": "nothing is said for shows"},
    "no_sizes": {"registered": "family 'no_sizes' declares no sizes for standard"},
    "word": {"registered": "family 'word': n=two is the default, and the Parameter itself refuses"},
    "impossible": {"registered": "needs n >= 1, got n=0"},
    "differences": {},
    "lying": {
        "right": "gradient of wave at x is degraded",
        "constants": "is degraded",
    },
    "coarse": {"right": "is wrong", "constants": "is wrong"},
    "narrow": {"right": "dtype float32, expected float64", "constants": "dtype float32"},
    "frozen": {"constants": "is wrong"},
    "cached": {"right": "gradient of wave at x is wrong", "constants": "is wrong"},
    "writing": {"untouched": "writes to the seed"},
    "curt": {"sentences": "why_not for value of wave is 'no': no sentence in one line"},
    "unable": {"able": "answers no derivative of any tiny problem: it has never learned"},
    "raising": {
        "able": r"gradient of wave raises ArithmeticError: no luck \(nonconforming.py:\d+\)"
    },
    "native": {"native": "native has vjp natively for wave, and native does not say so"},
    "mute": {"declared": "nothing is said for cost, __doc__"},
    "nothing": {"variants": "a parameter has no value, so there is no variant of it"},
    "hidden": {"registered": "native must hold at least one of"},
    "nameless": {"registered": "method 'nameless' lacks name; diffbench/method.py says"},
    "unsaid": {"registered": "method 'unsaid' lacks cost, native; "},
    "unasked": {"registered": r"method 'unasked' lacks why_not\(\), build\(\); "},
    "told": {},
    "both": {},
    "untitled": {"declared": "nothing is said for title"},
    "three": {"declared": "runs is 3; a page is of 1 run or of 2"},
    "texts": {
        "sections": r"TypeError: 'just text' is no section \(Text, Table",
        "empty": r"TypeError: 'just text' is no section \(Text, Table",
    },
    "nothing_made": {
        "sections": "render gives NoneType, no list",
        "empty": "render gives NoneType",
    },
    "breaks": {
        "sections": r"ZeroDivisionError: division by zero \(nonconforming.py:\d+\)",
        "empty": "render gives float, no list of sections",
    },
    "cannot_stand": {"sections": "TypeError: 'int' object is not iterable", "empty": "TypeError"},
    "fragile": {"empty": r"IndexError: .* \(nonconforming.py:\d+\)"},
    "all_ways": {},
    "anonymous": {"declared": "nothing is said for title"},
    "barren": {"rows": "it yields no row"},
    "pairs": {"rows": "it yields tuple; a row is a StudyRow of diffbench.study"},
    "astray": {"rows": "the row 'one' is of the study 'elsewhere', not 'astray'"},
    "wordy": {"rows": "the value of 'one' is 'much', no number"},
    "double": {"keys": "two rows have the key 'one'; the later would replace it"},
    "again": {"keys": "two rows have the key 'one'"},
}
TABLES = {"family": families, "method": methods, "page": pages, "study": studies}


@cache
def findings() -> dict[str, list[Finding]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, list[Finding]] = {}
        for finding in on_trial(FILE, discover()):
            found.setdefault(finding.plugin, []).append(finding)
    return found


def test_every_plugin_of_the_file_is_looked_at() -> None:
    assert list(findings()) == list(WRONG)


@pytest.mark.parametrize("name", WRONG)
def test_each_manner_of_failing_has_its_check(name: str) -> None:
    found = findings()[name]
    wrong = {finding.check: finding.wrong for finding in found if finding.wrong}
    assert wrong.keys() == WRONG[name].keys()
    for check, words in WRONG[name].items():
        assert re.search(words, wrong[check])
        assert "\n" not in wrong[check]
    checks = TABLES[found[0].kind].CHECKS
    names = ["registered", *(check.name for check in checks)]
    needed = {"registered", *(check.name for check in checks if check.needed)}
    ends = next((n for n in names if n in wrong.keys() & needed), names[-1])
    assert [finding.check for finding in found] == names
    assert [f.check for f in found if f.tried] == names[: names.index(ends) + 1]


def test_every_check_can_fail() -> None:
    every = {(kind, check.name) for kind, table in TABLES.items() for check in table.CHECKS}
    failed = {(f.kind, f.check) for found in findings().values() for f in found if f.wrong}
    assert failed - every == {("family", "registered"), ("method", "registered")}
    assert every <= failed


@pytest.mark.parametrize("family", TINY, ids=lambda f: f.name)
def test_the_tiny_problems_hold_what_a_family_must(family: Any) -> None:
    trial = families.Trial(family, 1)
    assert [w for check in families.CHECKS if (w := examined(check, trial))] == []


@pytest.mark.parametrize("name", KNOWN.pages)
def test_every_page_conforms(name: str) -> None:
    trial = pages.Trial(KNOWN.pages[name])
    assert {c.name: w for c in pages.CHECKS if (w := examined(c, trial))} == {}


SLOW = {"jax", "symbolic"}  # they take most of the time, and the other tests of methods try them


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.nightly] if name in SLOW else [])
        for name in sorted(KNOWN.method_types)
    ],
)
def test_every_method_conforms(name: str) -> None:
    kind = KNOWN.method_types[name]
    for package in kind.requires:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    trial = methods.Trial(kind)
    assert {c.name: w for c in methods.CHECKS if (w := examined(c, trial))} == {}
    assert len(trial.prepared) >= 10 * len(trial.variants) or name == "reverse_checkpointed"


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_a_line_a_check(cli: Any, tmp_path: Path) -> None:
    text = Path(FILE).read_text()
    good = tmp_path / "good.py"
    good.write_text(text.split("SHAPE = ")[0])
    done = cli("test", good, "--seed", 5)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "family good"
    assert lines[1] == "  pass  registered    the registry takes it in"
    assert len(lines) == 2 + 1 + len(families.CHECKS)
    assert lines[-1] == f"{len(lines) - 2} of {len(lines) - 2} checks passed"
    good.write_text(text.split("STALE = ")[0])
    done = cli("test", good)
    assert done.code == 1
    assert done.out.count("  FAIL  ") == 2
    assert "  FAIL  proven        gradient of off_by_a_millionth[n=2] is degraded" in done.out
    left = len(families.CHECKS) - 4  # the check of shapes is needed by those after it
    total = 3 * len(lines[1:-1]) - left
    assert done.out.splitlines()[-1] == f"{total - 2} of {total} checks passed, {left} not tried"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no plugin file"),
        ("x = 1", "defines no method, family, page or study"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("raise SystemExit", "cannot be imported: SystemExit"),
    ],
)
def test_a_bad_file_is_one_line(cli: Any, tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "bad.py"
    if text is not None:
        path.write_text(text)
    done = cli("test", path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert str(path) in done.err
    assert done.err.count("\n") == 1
    assert cli("test", BROKEN).code == 2

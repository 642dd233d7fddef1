"""The command line: what it prints, and one clear line with exit status 2 for every mistake."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from small_runs import (
    BROKEN,
    FAKES,
    INTERRUPTIBLE,
    PLUGINS,
    plain_record,
    stored_run,
    use_profile,
    without_report,
)

import diffbench
from diffbench.records.store import FILE, Store
from diffbench.registry import Registry
from diffbench.running.folder import write_facts
from diffbench.running.plan import Request

MAIN = [sys.executable, "-c", "from diffbench.cli import main; main()"]
NOTHING = str(Path(__file__).with_name("small_runs.py"))
SMALL = ["--problems", "lecture[n=2]", "--methods", "manual,zero", "--operators", "gradient"]
INTERRUPTED = ["--problems", "lecture,rosenbrock,speelpenning", "--methods", "manual,zero,reverse"]


# --- bad input ------------------------------------------------------------------------------

RAISING = ("--plugin", str(PLUGINS / "raising.py"))
HELD = ("compare", "held", "--of", "reverse", "--to", "manual")
MISTAKES = {
    ("rnu",): "No such command 'rnu'",
    ("list", "method"): "'method' is not one of",
    ("run", "--problems", "rosenbrok"): "did you mean 'rosenbrock'?",
    ("run", "--problems", "rosenbrock[n=1]"): "'rosenbrock' needs n >= 2, got n=1",
    ("run", "--problems", "rosenbrock[n=2.5]"): "needs a whole number for n",
    ("run", "--problems", "rosenbrock[n=2"): "'[' is never closed",
    ("run", "--problems", "rosenbrock]"): "']' without '['",
    ("run", "--problems", "rosenbrock[n=8:2]"): "is empty",
    ("run", "--problems", "rosenbrock[size=2]"): "no parameter 'size'",
    ("run", "--problems", ""): "cannot read",
    ("run", "--problems", "rosenbrock[n=8,16]"): "or, for several values, n=8|16 (",
    ("run", "--problems", "rosenbrock[n=2:9, 16]"): "or, for several values, n=2:9|16 (",
    ("run", "--methods", "zero,jax(mode=reverse)"): "write 'zero,jax[mode=reverse]'",
    ("run", "--problems", "mlp[n=5]"): "no parameter 'n'",
    ("run", "--problems", "rosenbrock[n=2:300,n=5]"): "n is given twice",
    (
        "run",
        "--problems",
        "affine_tanh[n=1:9999,m=1:9999]",
    ): "99980001 combinations, at most 100000",
    ("run", "--problems", "lecture[n=2:9999999]"): "has over 100000 values",
    ("run", "--problems", "speelpenning[n=nan]"): "needs a whole number for n",
    ("run", "--methods", "revers"): "did you mean 'reverse'?",
    ("run", "--methods", "jax[mode=sideways]"): "not one of mode=reverse|forward",
    ("run", "--operators", "gradients"): "did you mean 'gradient'?",
    ("run", "--operators", "all,gradients"): "did you mean 'gradient'?",
    ("run", "--operators", "gradient[n=2]"): "takes no parameters",
    ("run", "--operators", ""): "--operators is empty",
    ("run", "--profile", "slow"): "'slow' is not one of",
    ("run", "--budget", "soon"): "no time; write 90, 90s, 5m or 1h",
    ("run", "--budget", "-5"): "no time",
    ("run", "--seed", "-1"): "must not be negative",
    ("run", "--seed", "x"): "not a valid integer",
    ("run", "--seed", "9" * 25): "at most 9223372036854775807",
    ("run", "--generations", "0"): "at least 1",
    ("run", "--executor", "ray"): "'ray' is not one of 'local', 'dask'",
    ("run", "--executor", "dask"): "add what it prints: --scheduler",
    ("run", "--scheduler", "tcp://a:1"): "--scheduler tcp://a:1 is for --executor dask",
    ("run", "--executor", "dask", "--scheduler", "nowhere"): "missing port number in address",
    ("run", "--generations", "9" * 25): "at most 1000",
    ("run", "--out", ""): "the name is empty",
    ("run", "--resume"): "--out DIR",
    ("run", "--out", "none", "--resume"): "no run in none to resume",
    ("run", "--plugin", "none.py"): "no plugin file none.py",
    ("run", "--plugin", BROKEN): "broken.py is refused: RuntimeError: this plugin is broken; mend",
    ("run", "--plugin", NOTHING, "--dry-run"): "is refused: it defines no method",
    ("run", "--plugin", "file"): "/file is refused: no Python file; give the path of a file that",
    ("run", "--plugin", "again.py"): "/again.py is refused: family 'lecture' is already registered",
    ("run", "--problems", "odd", "--plugin", "odd.py"): "cannot build odd[n=2]: ZeroDivisionError",
    (
        "run",
        "--problems",
        "odd",
        "--plugin",
        "odd.py",
        "--dry-run",
    ): "by zero; choose smaller sizes",
    ("show", "lecture", "--plugin", BROKEN): "broken.py is refused",
    ("trace", "lecture", "--mode", "reverse", "--plugin", BROKEN): "broken.py is refused",
    ("run", "--out", "file"): "cannot write to file: it is a file, no folder; take",
    ("run", "--out", "file/run"): "cannot write to file/run: a file stands where a folder has to",
    ("run", "--out", "/proc/nowhere"): "cannot write to /proc/nowhere",
    ("report",): "Missing argument 'RUN'",
    ("report", "none"): "no run in none",
    ("report", "torn"): "not readable as a run",
    ("report", "newer"): "newer diffbench",
    ("run", "--out", "torn", "--resume"): "(char 2); move it away, and the records can still be",
    (
        "run",
        "--out",
        "damaged",
        "--resume",
    ): "is damaged: it has no whole number as its format; take",
    ("run", "--out", "formless", "--resume"): "no whole number as its format",
    ("run", "--out", "torn"): "holds a run already",
    ("run", "--out", "notes"): "notes holds report.html and no run, which would write over it",
    ("merge", "held", "later", "--out", "notes"): "notes holds report.html and no run",
    ("run", "--out", "held"): "held holds a run whose plan.json is lost; take another --out",
    ("run", "--out", "held", "--resume"): "plan.json is lost; take another --out (its records can",
    ("compare",): "Missing argument 'RUN_A'",
    ("compare", "held"): "one run with no method; write RUN_A RUN_B",
    ("compare", "held", "--of", "reverse"): "one run with --of; write",
    (*HELD, "--methods", "reverse"): "one run with --of, --to, --methods; write",
    ("compare", "held", "--methods", "reverse"): "one run with --methods; write",
    ("compare", "held", "later", "--to", "zero"): "two runs with --to; write",
    (*HELD[:2], "later", *HELD[2:]): "two runs with --of, --to; write",
    ("compare", "held", "later", "held"): "unexpected extra argument",
    ("compare", "held", ""): "the name is empty",
    ("compare", "held", "none"): "no run in none",
    ("compare", "torn", "held"): "not readable as a run",
    ("compare", "held", "held"): "held and held are the same run; give two",
    ("compare", "held", "copy"): "held and copy are the same run",
    ("compare", "held", "away"): "different machines (m and k)",
    ("compare", "held", "later", "--methods", "revers"): "did you mean 'reverse'?",
    (
        "compare",
        "held",
        "later",
        "--methods",
        "zero",
    ): "1 of 1 cells: later was not asked); measure",
    (
        "compare",
        "held",
        "apart",
    ): "have no cell to compare (3 of 5 cells: apart was not asked, 2 of",
    ("compare", "held", "later", "--methods", ""): "cannot read ''",
    ("compare", "held", "later", "--operators", "hvp"): "later and held have no cell to compare",
    (*HELD, "--fail-above", "0.05"): "'0.05' is no factor from 1 on; write 1.05 or 5%",
    (*HELD, "--fail-above", "much"): "is no factor",
    (*HELD, "--fail-above", "nan"): "is no factor",
    (*HELD, "--fail-above", "inf%"): "is no factor",
    (*HELD, "--fail-above", "-5%"): "is no factor",
    ("compare", "none", "--of", "reverse", "--to", "zero"): "no run in none",
    ("compare", "torn", "--of", "reverse", "--to", "zero"): "not readable as a run",
    ("compare", "held", "--of", "revers", "--to", "manual"): "did you mean 'reverse'?",
    ("compare", "held", "--of", "reverse", "--to", "jax"): "there are: manual, reverse, zero",
    ("compare", "held", "--of", "reverse", "--to", "reverse"): "both sides are 'reverse'",
    ("compare", "held", "--of", "reverse,zero", "--to", "manual"): "names 2 methods",
    ("compare", "held", "--of", "reverse", "--to", "zero"): "zero: shorter than 10 empty calls",
    (*HELD, "--operators", "gradeint"): "did you mean 'gradient'?",
    (*HELD, "--operators", "hvp"): "(none was asked for); name other --operators",
    (*HELD, "--format", "html"): "'html' is not one of",
    ("report", "other"): "its table records has other columns (digits)",
    ("report", "empty"): "is empty: its run was ended before it held anything",
    ("report", ""): "the name is empty",
    ("report", "held", "--out", "file"): "file is no report of diffbench, so it stays",
    ("report", "held", "--out", f"held/{FILE}"): "is no report of diffbench, so it stays",
    ("report", "held", "--out", "other"): "a folder; name the file in it, as other/report.html",
    ("report", "held", "--format", "html,csv", "--out", "notes"): "notes/report.html is no report",
    ("report", "held", "later", "--edition", "course"): "--edition course is of one run; leave it",
    ("report", "held", "apart"): "apart and held have no cell to compare",
    ("report", "held", "apart", "--format", "svg"): "apart and held have no cell to compare",
    ("info",): "Missing argument 'RUN'",
    ("info", ""): "the name is empty",
    ("info", "none"): "no run in none",
    ("info", "."): "; try apart",
    ("info", "torn"): "is not readable",
    ("info", "newer"): "newer diffbench",
    ("info", "held", "--format", "csv"): "'csv' is not one of",
    ("clean",): "no folder runs here",
    ("clean", ""): "the name is empty",
    ("clean", "none"): "none is no run",
    ("clean", "file", "--yes"): "file is no run",
    ("clean", "held", "--keep", "-1"): "-1 is not in the range",
    ("clean", "held", "--keep", "few"): "'few' is not a valid whole number",
    ("serve", "held", "--port", "80x"): "'80x' is not a valid whole number",
    ("serve", "empty"): "is empty: its run was ended before it held anything",
    ("serve", "torn"): "not readable as a run",
    ("serve", "."): "; try ",
    ("report", "."): "; try ",
    ("clean", "--keep", "2"): "no folder runs here",
    ("clean", "held", "--older-than", "30"): "no age; write 12h, 30d or 4w",
    ("clean", "held", "--older-than", "-1d"): "no age",
    ("clean", "held", "--older-than", ""): "no age",
    ("doctor", "now"): "unexpected extra argument",
    ("doctor", "--format", "csv"): "'csv' is not one of",
    ("list", "methods", "--plugin", "none.py"): "no plugin file",
    ("show", "lectur"): "did you mean 'lecture'?",
    ("show", "lecture[n=3]"): "multiple of 2",
    ("trace", "lecture"): "Missing option '--mode'",
    ("trace", "lecture", "--mode", "sideways"): "'sideways' is not one of",
    ("show", "raises", *RAISING): "raises ZeroDivisionError: division by zero (raising.py:",
    (
        "show",
        "misspelt",
        *RAISING,
    ): "f of misspelt[n=2] raises NamespaceError: the namespace xp has",
    ("show", "rosenbrock[n=100000000000]"): "choose smaller sizes",
    ("trace", "misspelt", *RAISING, "--mode", "forward"): "no 'sine'",
    ("trace", "beyond", *RAISING, "--mode", "forward"): "write xp.sin(x), not np.sin(x)",
    ("trace", "raises", *RAISING, "--mode", "reverse"): "by zero (raising.py:",
    ("trace", "lecture", "--mode", "forward", "--at", "2,x"): "write numbers as 2,5",
    ("trace", "lecture", "--mode", "forward", "--at", "2,inf"): "write numbers as 2,5",
    ("trace", "lecture", "--mode", "forward", "--at", "2,5,3"): "multiple of 2, got 3",
    ("trace", "lecture[n=2]", "--mode", "forward", "--at", "1,2,3,4"): "--at gives 4 numbers",
    ("trace", "logistic", "--mode", "forward", "--at", "1,2"): "--at gives 2 numbers",
    ("trace", "lecture,mlp", "--mode", "forward"): "takes one family",
    ("trace", "lecture[n=2|4]", "--mode", "forward"): "takes one size",
    ("trace", "lecture[n=512]", "--mode", "forward"): "choose a smaller size, as 'lecture[n=2]'",
    ("trace", "mlp", "--mode", "reverse"): "size, as 'mlp[batch=8,layers=2,width=1]'",
}


ODD = """
from dataclasses import replace
import diffbench.problems.lecture as lecture
FAMILY = replace(lecture.FAMILY, name="odd", build=lambda params, rng: 1 / 0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all sorts of things that are no run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file")
    (tmp_path / "again.py").write_text("from diffbench.problems.lecture import FAMILY\n")
    (tmp_path / "odd.py").write_text(ODD)
    for name in ("torn", "newer", "damaged", "formless", "other", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "torn" / FILE).write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    (tmp_path / "torn" / "plan.json").write_text("{ torn")
    (tmp_path / "damaged" / "plan.json").write_text('{"problems": 1}')
    stored_run(tmp_path / "held", reverse=4e-4, manual=1e-4, zero=5e-8)
    stored_run(tmp_path / "copy", reverse=4e-4)
    stored_run(tmp_path / "later", "s", reverse=5e-4)
    stored_run(tmp_path / "away", "s", "k", reverse=4e-4)
    stored_run(tmp_path / "apart", "s", forward=4e-4, jax=4e-4)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "report.html").write_text("<!doctype html><title>my notes</title>")
    (tmp_path / "formless" / "plan.json").write_text('{"format": "x"}')
    (tmp_path / "empty" / FILE).touch()
    _changed_store(tmp_path / "newer", "PRAGMA user_version = 999")
    _changed_store(tmp_path / "other", "ALTER TABLE records DROP COLUMN digits")
    return tmp_path


def _changed_store(folder: Path, change: str) -> None:
    Store(folder).close()
    db = sqlite3.connect(folder / FILE)
    db.execute(change)
    db.close()


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_line_and_exit_2(cli, folder: Path, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]  # a fixture
    before = {path.name for path in folder.iterdir()}
    held = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("diffbench: ")
    assert done.err.count("\n") == 1
    assert MISTAKES[arguments] in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in folder.iterdir()} - before <= {"runs"}
    assert {path: path.read_bytes() for path in held} == held
    assert not list((folder / "runs").glob("*"))


def test_sizes_that_no_memory_holds_leave_no_folder(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # a fixture
    folder = tmp_path / "run"
    done = cli("run", "--problems", "rosenbrock[n=100000000000]", "--out", folder)
    assert done.code == 2
    assert done.out == ""
    assert "cannot build the instances: " in done.err
    assert done.err.endswith("; choose smaller sizes\n")
    assert not folder.exists()


def test_without_a_command_it_tells_what_there_is(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    done = cli()
    assert (done.code, done.err) == (0, "")
    assert done.out == cli("--help").out
    assert "Commands:" in done.out


def test_the_package_is_the_command_too() -> None:
    command = [sys.executable, "-m", "diffbench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"diffbench {diffbench.__version__}\n"


# --- list, show, trace ----------------------------------------------------------------------


def test_list_names_everything(cli, registry: Registry) -> None:  # type: ignore[no-untyped-def]  # a fixture
    for kind, names in (
        ("problems", set(registry.families)),
        ("studies", set(registry.studies)),
        ("pages", set(registry.pages)),
        ("operators", {"value", "gradient", "jacobian", "jvp", "vjp", "hvp", "hessian"}),
    ):
        done = cli("list", kind)
        assert done.code == 0
        assert {line.split()[0] for line in done.out.splitlines()} == names
    methods = cli("list", "methods").out
    assert "jax[mode=forward]" in methods
    assert "finite_difference[scheme=central]" in methods


def test_list_shows_plugins_and_what_was_refused(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    done = cli("list", "methods", "--plugin", FAKES, "--plugin", BROKEN, "--plugin", NOTHING)
    assert done.code == 0
    assert f"refused: {NOTHING}: it defines no method, family, page or study" in done.out
    assert "segfaults" in done.out
    assert f"refused: {BROKEN}: RuntimeError: this plugin is broken" in done.out


def test_an_installed_plugin_that_is_broken_breaks_nothing_and_says_why(
    cli,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]  # a fixture
) -> None:
    odd = EntryPoint("odd", "no_such_module:FAMILY", "diffbench.problems")
    found = {odd.group: [odd]}
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found.get(group, ()))
    assert cli("show", "lecture[n=2]").code == 0
    assert cli("show", "odd").err.endswith(
        "; refused plugins: odd (no_such_module:FAMILY): ModuleNotFoundError: "
        "No module named 'no_such_module'\n"
    )


def test_show_has_formula_sizes_and_numbers(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    out = cli("show", "lecture[n=2],chebyshev[m=2]").out
    assert r"\ln x_{2k-1}" in out
    assert "n = 2, m = 1, depth = 1, seed = 0" in out
    assert "f(x) = 11.6520714552231" in out
    assert "|gradient| = 5.76158098906965" in out
    assert "|f(x)| = " in out
    assert "|jacobian| = " in out


PUBLISHED = {
    # what the public suites print of these instances, by the labels of show
    "gmm[generator=public,d=2,K=5,N=1000]": (-3916.46482105447, 920.846999398936),
    "kmeans[generator=public,K=10,N=1000,d=8]": (609.338988, 260.964889),
    "lse[generator=public,n=2500]": (8.367846526577088, 0.020802438229665442),
    "llsq[generator=public,N=16]": (1970.5168637678776, 711.4628545731052),
    "llsq[generator=public,N=8196]": (67544.17314422686, 31245.55274359681),
    "det[generator=public,l=5]": (0.0049113500945117865, 0.19442089284711053),
    "det[generator=public,l=11]": (-0.021697830534539, 0.40007164452983796),
}


@pytest.mark.parametrize("selection", PUBLISHED)
def test_show_prints_what_the_public_suites_do(cli, selection: str) -> None:  # type: ignore[no-untyped-def]  # a fixture
    lines = cli("show", selection).out.splitlines()
    shown = dict(line.strip().rsplit(" = ", 1) for line in lines[3:])
    places = 1e-8 if selection.startswith("kmeans") else 1e-12  # as they are published
    for label, number in zip(("f(x)", "|gradient|"), PUBLISHED[selection], strict=True):
        assert float(shown.pop(label)) == pytest.approx(number, rel=places)
    assert 0 < float(shown.pop("max|gradient|")) < PUBLISHED[selection][1]
    assert ("|diagonal of the hessian|" in shown) == selection.startswith("kmeans")


def test_trace_prints_the_lecture(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    forward = cli("trace", "lecture", "--at", "2,5", "--mode", "forward").out
    reverse = cli("trace", "lecture", "--at", "2,5", "--mode", "reverse", "--format", "csv").out
    for number in ("11.652071455223084", "5.5", "1.7163378145367738"):
        assert number in forward
        assert number in reverse
    moved = cli("trace", "lecture", "--at", "1,2,3,4", "--mode", "reverse", "--digits", "hex")
    assert "0x1." in moved.out
    assert "x4" in moved.out


def test_trace_shows_where_infinity_arose_and_nothing_else(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    done = cli("trace", "lecture", "--at", "0,5", "--mode", "reverse")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"v1 = .* log\(0\.0\) +=  -inf\n", done.out)


def test_trace_says_where_a_value_leaves_the_domain(cli) -> None:  # type: ignore[no-untyped-def]  # a fixture
    done = cli("trace", "lecture", "--at", "-2,5", "--mode", "forward")
    assert done.code == 0
    assert re.search(r"v1 = .* log\(-2\.0\) +=  nan\n", done.out)
    assert "(-2.0) * 5.0" in done.out
    assert "(nan)" not in done.out
    assert done.err == (
        "v1 is no number, for log(-2.0) is outside the domain of the operation; "
        "neither is what follows from it\n"
    )


# --- run and report -------------------------------------------------------------------------


def test_a_run_says_where_its_results_are(
    cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]  # a fixture
) -> None:
    use_profile(monkeypatch)
    folder = tmp_path / "my run"
    done = cli("run", *SMALL, "--profile", "quick", "--out", folder)
    assert done.code == 0
    assert done.out.splitlines() == [
        "status: 2 ok",
        "verdict: 1 exact to rounding, 1 wrong",
        str(folder / "report.html"),
        str(folder / "records.csv"),
    ]
    assert f"{folder}: 2 of 2 cells" in done.err
    assert "Traceback" not in done.err
    (folder / "report.html").unlink()
    assert cli("report", folder).out.strip() == str(folder / "report.html")
    assert (folder / "report.html").exists()
    other = tmp_path / "other.html"
    assert cli("report", folder, "--out", other).code == 0
    assert "<title>diffbench: my run</title>" in other.read_text()
    refused = cli("report", folder, "--out", tmp_path / "no" / "where.html")
    assert refused.code == 2
    assert refused.err.startswith("diffbench: cannot write")
    without_report(monkeypatch)
    again = cli("run", "--out", folder, "--resume")  # the selection is the run's own
    assert again.code == 0
    assert "status: 2 ok" in again.out
    wrong = cli("run", "--out", folder, "--resume", "--methods", "zero")
    assert wrong.code == 2
    assert "was begun with methods" in wrong.err


ENDED = (
    *[("ok", "")] * 2,
    *[("failed", "ValueError: no\n luck")] * 2,
    ("failed", "KeyError: 'x'"),
    ("timeout", "over 10 s"),
    *[("unsupported", "needs a scalar function")] * 4,
    ("skipped", "a smaller size ran out of time"),
)
LAST = "what repeats such a cell: the column command of the records"


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (ENDED, ["failed, 2 of 3: ValueError: no luck", "timeout, 1 of 1: over 10 s", LAST]),
        (ENDED[6:10], ["unsupported, 4 of 4: needs a scalar function", LAST]),
        (ENDED[:2] + ENDED[6:], []),
    ],
)
def test_a_run_says_why_cells_have_no_answer(
    cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]  # a fixture
    ended: tuple[tuple[str, str], ...],
    said: list[str],
) -> None:
    with Store(tmp_path) as store:
        for i, (status, reason) in enumerate(ended):
            store.save(plain_record(method=f"m{i}", status=status, reason=reason), [])
        store.finish()
    monkeypatch.setattr("diffbench.api.run", lambda **given: diffbench.load(tmp_path))
    done = cli("run", *SMALL, "--out", tmp_path)
    assert done.code == 0
    assert done.out.startswith("status: ")
    assert done.out.splitlines()[1:-2] == said


@pytest.mark.parametrize("given", [(), ("--budget", "5m"), ("--resume",)])
def test_a_run_of_sizes_that_the_profile_chose_says_first_how_much_it_is(
    cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]  # a fixture
    given: tuple[str, ...],
) -> None:
    without_report(monkeypatch)
    monkeypatch.setattr("diffbench.api.Making.make", lambda making: False)
    folder = tmp_path / "run"
    if "--resume" in given:
        folder.mkdir()
        request = Request(problems="lecture", methods="zero")
        write_facts(folder / "plan.json", {"format": 1, "run": "r", **msgspec.to_builtins(request)})
    held = diffbench.load(stored_run(tmp_path / "held", zero=1e-3))
    monkeypatch.setattr("diffbench.api.load", lambda path: held)
    done = cli("run", "--problems", "lecture", "--methods", "zero", "--out", folder, *given)
    assert done.code == 0
    size = r"23 cells of 5 instances of 1 family, about \d+ s; Ctrl-C keeps what is done\n"
    assert re.fullmatch("" if given else size, done.err)


def test_two_methods_of_a_run_are_compared(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # a fixture
    folder = stored_run(tmp_path / "run", reverse=4e-4, manual=1e-4)
    done = cli("compare", folder, "--of", "reverse", "--to", "manual")
    assert (done.code, done.err) == (0, "")
    (line,) = [line for line in done.out.splitlines() if line.startswith("all")]
    assert line.split()[:7] == ["all", "1", "4.00", "4.00", "to", "4.00", "0"]
    turned = ("compare", folder, "--of", "manual", "--to", "reverse", "--operators", "gradient")
    rows = cli(*turned, "--format", "csv").out.splitlines()
    assert rows[1].startswith("cell,lecture[n=2],gradient,2,1,1,1,0.25,")
    assert cli(*turned, "--format", "markdown").out.count("\n| ") == 8
    found = diffbench.compare(folder, "manual", "reverse")
    assert [group.name for group in found.totals] == ["all", "n <= 64"]
    assert found.cells[0].value == pytest.approx(0.25)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A run and a later one, in which reverse takes a quarter longer."""
    first = stored_run(tmp_path / "a", reverse=4e-4, manual=1e-4, zero=5e-8)
    second = stored_run(tmp_path / "b", "s", reverse=5e-4, manual=1e-4, zero=5e-8)
    return first, second


def test_two_runs_are_compared(cli, pair: tuple[Path, Path]) -> None:  # type: ignore[no-untyped-def]  # a fixture
    first, second = pair
    done = cli("compare", first, second)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"RUN_A is {first}, RUN_B is {second}.\n")
    lines = {line.split("  ")[0]: line.split() for line in done.out.splitlines()}
    assert lines["lecture"][1:3] == ["2", "1.12"]
    assert lines["reverse"][1:3] == ["1", "1.25"]
    assert lines["lecture[n=2] gradient reverse"][-1] == "slower"
    assert "lecture[n=2] gradient manual" not in lines
    assert "lecture[n=2] gradient manual" in cli("compare", first, second, "--all").out
    assert "left out: 1 cells (1 RUN_B: shorter than 10 empty calls)" in done.out
    only = cli("compare", second, first, "--methods", "reverse", "--format", "csv")
    (row,) = pd.read_csv(io.StringIO(only.out)).query("kind == 'cell'").itertuples()
    assert (row.method, row.machine, row.outcome) == ("reverse", "m", "faster")
    assert row.ratio == pytest.approx(0.8)
    found = diffbench.compare_runs(first, second, "reverse")
    assert found.cells[0].value == pytest.approx(1.25)


@pytest.mark.parametrize(("limit", "code"), [("1.2", 3), ("20%", 3), ("1.3", 0), ("30 %", 0)])
def test_a_regression_is_exit_3(cli, pair: tuple[Path, Path], limit: str, code: int) -> None:  # type: ignore[no-untyped-def]  # a fixture
    plain = cli("compare", *pair)
    done = cli("compare", *pair, "--fail-above", limit)
    assert (done.code, done.out) == (code, plain.out)
    said = [
        "regression: 1 cell is slower by more than a factor 1.2",
        "  lecture[n=2] gradient reverse, 1.25 (1.22 to 1.28)",
    ]
    assert done.err.splitlines() == (said if code else [])
    assert cli("compare", *reversed(pair), "--fail-above", limit).code == 0


def test_a_method_slower_than_another_is_a_regression_too(cli, pair: tuple[Path, Path]) -> None:  # type: ignore[no-untyped-def]  # a fixture
    given = ("compare", pair[0], "--fail-above", "5%")
    slow = cli(*given, "--of", "reverse", "--to", "manual")
    assert (slow.code, slow.err.count("\n")) == (3, 2)
    assert cli(*given, "--of", "manual", "--to", "reverse").code == 0


def test_other_software_is_noted_and_not_refused(cli, pair: tuple[Path, Path]) -> None:  # type: ignore[no-untyped-def]  # a fixture
    for folder, version in zip(pair, ("2.1", "2.2"), strict=True):
        facts = {"machine": "m", "load": [float(version)], "packages": {"numpy": version}}
        (folder / "environment.json").write_text(json.dumps(facts))
    done = cli("compare", *pair)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "environment, RUN_A → RUN_B: packages.numpy 2.1 → 2.2"


def test_info_tells_what_a_run_holds(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # a fixture
    folder = stored_run(tmp_path / "run", reverse=4e-4, manual=1e-4)
    done = cli("info", folder)
    assert (done.code, done.err) == (0, "")
    assert "status    2 ok" in done.out.splitlines()
    facts = json.loads(cli("info", folder, "--format", "json").out)
    assert facts["methods"] == {"manual": {"ok": 1}, "reverse": {"ok": 1}}


def test_clean_tells_what_to_type_and_removes_it_then(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # a fixture
    folder = stored_run(tmp_path / "my run", reverse=4e-4)
    listed = cli("clean", folder, "--unfinished", "--older-than", "0.0000001h")
    assert listed.code == 0
    *_, line = listed.out.splitlines()
    assert line == f"  diffbench clean '{folder}' --unfinished --older-than 0.0000001h --yes"
    assert folder.exists()
    done = cli(*shlex.split(line)[1:])
    assert done.out.startswith("removed:\n")
    assert "to remove it" not in done.out
    assert not folder.exists()


@pytest.mark.parametrize("layout", ["text", "json"])
def test_doctor_ends_with_its_verdict(
    cli,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,  # type: ignore[no-untyped-def]  # a fixture
) -> None:
    monkeypatch.setattr("diffbench.care.doctor.WATCH_S", 0.0)
    done = cli("doctor", "--quick", "--format", layout)
    assert (done.code, done.err) == (0, "")
    last = done.out.splitlines()[-1] if layout == "text" else json.loads(done.out)["sentence"]
    assert re.match(r"(fit|fit with care|not fit) to measure", last)


def test_a_budget_that_is_up_tells_how_to_go_on(
    cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]  # a fixture
) -> None:
    use_profile(monkeypatch)
    without_report(monkeypatch)
    monkeypatch.setattr("diffbench.making.FINISH_S", -2.0)
    folder = tmp_path / "run"
    done = cli("run", "--profile", "quick", "--budget", "1s", "--out", folder)
    assert done.code == 0
    assert re.search(
        rf"cells left: \d+; go on with:\n  diffbench run --out {folder} --resume", done.out
    )


@pytest.mark.parametrize("terminal", [False, True])
def test_ctrl_c_keeps_what_is_done_and_tells_how_to_go_on(tmp_path: Path, terminal: bool) -> None:
    folder = tmp_path / "run"
    primary, secondary = pty.openpty()
    child = subprocess.Popen(
        [*INTERRUPTIBLE, "run", *INTERRUPTED, "--profile", "quick", "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=secondary if terminal else subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(secondary)
    drawn = _until_some_cells(child, folder, primary if terminal else None)
    child.send_signal(signal.SIGINT)
    drawn += _drain(primary, child) if terminal else b""
    out, _ = child.communicate(timeout=60)
    os.close(primary)
    assert child.returncode == 130
    text = out.decode()
    assert f"go on with:\n  diffbench run --out {folder} --resume" in text
    assert "Traceback" not in text
    assert (b"cells" in drawn or b"/" in drawn) == terminal
    assert (folder / "report.html").exists()
    assert len(diffbench.load(folder).records) >= 1


def _until_some_cells(child: subprocess.Popen[bytes], folder: Path, screen: int | None) -> bytes:
    drawn, until = b"", time.monotonic() + 90
    while time.monotonic() < until:
        assert child.poll() is None
        if screen is not None and select.select([screen], [], [], 0.05)[0]:
            drawn += os.read(screen, 65536)
        else:
            time.sleep(0.05)
        if (folder / FILE).exists() and _cells(folder):
            return drawn
    raise AssertionError("no cell was done")


def _cells(folder: Path) -> int:
    try:
        return len(diffbench.load(folder).records)
    except diffbench.DiffbenchError:
        return 0


def _drain(screen: int, child: subprocess.Popen[bytes]) -> bytes:
    drawn = b""
    while child.poll() is None or select.select([screen], [], [], 0)[0]:
        if select.select([screen], [], [], 0.05)[0]:
            try:
                drawn += os.read(screen, 65536)
            except OSError:  # the other end is closed
                break
    return drawn


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [*MAIN, "trace", "lecture[n=64]", "--mode", "forward"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(10)
    child.stdout.close()
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    assert (child.wait(30), said) == (0, b"")


def test_without_a_reader_the_exit_code_stays_true(pair: tuple[Path, Path]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*MAIN, "compare", *map(str, pair), "--fail-above", "5%"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr.count("\n")) == (3, 2)
    assert done.stderr.startswith("regression: 1 cell is slower")

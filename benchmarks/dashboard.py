"""``make dashboard``: commits measured by asv, each in its own environment, and published.

    python -m benchmarks.dashboard [--all] [--again] [COMMIT ...]

leaves in ``.asv/html`` asv's site, which needs a web server but no network, and ``trend.html``,
which needs neither. Without COMMIT it takes the current one and the one before it. A quick
selection is measured unless ``--all`` is given, and what was measured before is kept unless
``--again`` is.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from benchmarks import results, site
from benchmarks.commits import Commit, DashboardError, find, forget, history, installed, unsaved
from diffbench.errors import DiffbenchError
from diffbench.running.platform import locked, worker_environment

ROOT = Path(__file__).resolve().parent.parent
PORT = 8000
PLACES = {"env_dir": "env", "results_dir": "results", "html_dir": "html"}  # asv's: ours
FAILED = 2  # asv's status where some benchmarks failed, and the others are saved


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """What is measured: families and methods as ``diffbench run`` takes them, and asv's --bench."""

    problems: str
    methods: str
    bench: str


EVERYTHING = Selection("all", "all", ".")
# Explicit sizes: those of a profile may differ from one commit to the next.
QUICK = Selection(
    "lecture[n=16],rosenbrock[n=32|128]",
    "forward,reverse,compiled_reverse,autograd,jax,finite_difference[scheme=central]",
    "time_|track_(digits_lost|graph_ops|tape_bytes|time_ratio)",
)


@final
@dataclass(frozen=True)
class Dashboard:
    """The dashboard of a repository, in ``folder``."""

    root: Path
    folder: Path
    selection: Selection = QUICK
    again: bool = False
    machine: str = platform.node() or "this machine"

    @property
    def config(self) -> Path:
        """asv's configuration: the repository's, with the folders of this dashboard."""
        return self.folder / "asv.conf.json"

    def configure(self, branches: Sequence[str]) -> None:
        """Write the configuration for what asv is to do next: measure or show these branches."""
        settings = json.loads((self.root / "asv.conf.json").read_text(encoding="utf-8"))
        places = {key: str(self.folder / name) for key, name in PLACES.items()}
        benchmarks = str(self.root / settings["benchmark_dir"])
        fixed = {"repo": str(self.root), "benchmark_dir": benchmarks}
        every = {**settings, **places, **fixed, "branches": list(branches)}
        self.config.write_text(json.dumps(every, indent=4), encoding="utf-8")

    def asv(self, *arguments: str, accepted: Sequence[int] = (0,), quiet: bool = False) -> int:
        """The status of an asv command: its home is the folder, its threads those of a run."""
        chosen = {
            "HOME": str(self.folder),
            "DIFFBENCH_PROBLEMS": self.selection.problems,
            "DIFFBENCH_METHODS": self.selection.methods,
        }
        command = [sys.executable, "-m", "asv", "--config", str(self.config), *arguments]
        said = subprocess.DEVNULL if quiet else None
        environment = worker_environment() | chosen
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=said, check=False)
        if done.returncode not in accepted:
            raise DashboardError(
                f"asv {arguments[0]} ended with status {done.returncode}; it says why above"
            )
        return done.returncode

    def measure(self, commit: Commit) -> int:
        """Run what is selected against the commit; asv's status."""
        python = installed(self.root, self.folder, commit)
        self.configure([commit.hash])  # asv looks there for what it has measured before
        kept = () if self.again else ("--skip-existing-successful",)
        where = ("--machine", self.machine, f"--python={python}", "--set-commit-hash", commit.hash)
        what = ("--bench", self.selection.bench)
        return self.asv("run", "--no-pull", *where, *what, *kept, accepted=(0, FAILED))

    def publish(self, commits: Sequence[Commit], packages: Path) -> Path:
        """asv's site of all that was ever measured, and the trend page of these commits."""
        from benchmarks.trend import trend_page

        html, found = (self.folder / PLACES[name] for name in ("html_dir", "results_dir"))
        results.level(found, self.machine, commits, platform.python_version())
        self.asv("publish", "--no-pull")
        site.mended(html, packages)
        trends = results.read(found, self.machine, commits)
        trend_page(trends, html / "trend.html")
        return html

    def make(self, names: Sequence[str]) -> Path:
        """Measure the commits of these names, the oldest first, and publish; the site's folder."""
        commits, aside = history(self.root, [find(self.root, name) for name in names])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DashboardError(
                f"--folder {self.folder}: {error.strerror}; give another"
            ) from None
        with locked(self.folder) as mine:
            if not mine:
                raise DashboardError(
                    f"another dashboard is being made in {self.folder}; wait for it"
                )
            return self._made(commits, aside)

    def _made(self, commits: Sequence[Commit], aside: Sequence[str]) -> Path:
        packages = site.scripts(self.folder)
        self.configure(["HEAD"])
        self.asv("machine", "--yes", "--machine", self.machine, quiet=True)
        if unsaved(self.root):
            _say("the tree has changes in no commit: of them only those of benchmarks/ take part")
        for commit in commits:
            _say(f"measuring {commit.short} {commit.subject}")
            if self.measure(commit):
                _say(f"some benchmarks failed on {commit.short}: they have no number there")
        forget(self.folder, commits)
        self.configure(["HEAD", *aside])
        return self.publish(commits, packages)


def default(root: Path) -> list[str]:
    """The current commit and the one before it, where the clone holds one."""
    find(root, "HEAD")
    try:
        find(root, "HEAD~1")
    except DashboardError:
        _say("there is no commit before the current one here: it is measured alone")
        return ["HEAD"]
    return ["HEAD~1", "HEAD"]


def _say(text: str) -> None:
    print(f"dashboard: {text}", flush=True)


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="hash, branch, tag, HEAD~3")
    parser.add_argument("--all", action="store_true", help="every benchmark, family and method")
    parser.add_argument("--again", action="store_true", help="measure also what was measured")
    parser.add_argument("--folder", type=Path, default=ROOT / ".asv", help="where all of it stays")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Make the dashboard and say where it is; the exit status."""
    asked = _asked(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that worktrees are cleaned up
    chosen = EVERYTHING if asked.all else QUICK
    dashboard = Dashboard(root, asked.folder.resolve(), chosen, asked.again)
    try:
        html = dashboard.make(asked.commits or default(root))
    except DiffbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say(f"interrupted; what was measured is in {dashboard.folder}, and the next start goes on")
        return 130
    serve = f"{sys.executable} -m http.server --bind 127.0.0.1 --directory {html} {PORT}"
    _say(f"trends on one page: {html / 'trend.html'}")
    _say(f"asv's site: type\n  {serve}\nand open http://127.0.0.1:{PORT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

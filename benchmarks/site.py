"""asv's site made whole: what its page loads from the network is put beside it.

asv's page names scripts and styles on other hosts. The same versions come as packages of npm, once
into a folder of their own, and the page is rewritten to load them from there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from benchmarks.commits import DashboardError, command

__all__ = ["mended", "scripts"]

LIST = Path(__file__).parent / "npm"
LOCK = "package-lock.json"
BESIDE = "offline"
# what asv's page loads, without version and ".min": where the packages have it
FILES = {
    "bootstrap.css": "bootstrap/dist/css/bootstrap.min.css",
    "bootstrap.js": "bootstrap/dist/js/bootstrap.min.js",
    "jquery.js": "jquery/dist/jquery.min.js",
    "jquery.flot.js": "flot/jquery.flot.js",
    "jquery.flot.categories.js": "flot/jquery.flot.categories.js",
    "jquery.flot.orderBars.js": "flot-orderbars/js/jquery.flot.orderBars.js",
    "jquery.flot.selection.js": "flot/jquery.flot.selection.js",
    "jquery.flot.time.js": "flot/jquery.flot.time.js",
    "md5.js": "blueimp-md5/js/md5.min.js",
    "stupidtable.js": "stupid-table-plugin/stupidtable.min.js",
}
ELSEWHERE = re.compile(r'<(script|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*?([^"/]+)"[^>]*>')
LOCAL = {
    "script": '<script src="{}" onerror="js_load_failure()">',
    "link": '<link rel="stylesheet" href="{}">',
}
MENU = '<li id="nav-li-regressions">'
TREND = '<li><a href="trend.html">Trends on one page</a></li>\n\t'


def scripts(folder: Path) -> Path:
    """The folder of the packages, fetched where it does not hold the locked versions."""
    found, lock = folder / "npm", LIST / LOCK
    done = found / "done"
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        shutil.copytree(LIST, found, dirs_exist_ok=True)
        asked = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        command(asked, found, "fetching the scripts of asv's site")
        shutil.copy(lock, done)
    return found / "node_modules"


def mended(html: Path, packages: Path) -> None:
    """Let the published site of a folder load nothing from elsewhere, and lead to the trends."""
    page = html / "index.html"
    (html / BESIDE).mkdir()

    def beside(tag: re.Match[str]) -> str:
        name = re.sub(r"-[\d.]+(?=\.)|\.min(?=\.)", "", tag[2])
        if name not in FILES:
            raise DashboardError(
                f"the page of this asv loads {tag[2]}, which benchmarks/site.py has no package for"
            )
        shutil.copy(packages / FILES[name], html / BESIDE / name)
        return LOCAL[tag[1]].format(f"{BESIDE}/{name}")

    text = ELSEWHERE.sub(beside, page.read_text(encoding="utf-8"))
    page.write_text(text.replace(MENU, TREND + MENU), encoding="utf-8")

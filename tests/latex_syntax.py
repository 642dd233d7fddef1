"""A check of LaTeX without TeX: what a compiler would stop at, as far as our own output goes."""

from __future__ import annotations

import re

__all__ = ["COMMANDS", "faults"]

# Every command that the export writes; whatever else stands there came from outside.
COMMANDS = frozenset(
    "documentclass usepackage begin end section subsection input scriptsize caption par "
    "toprule midrule bottomrule endfirsthead endhead endlastfoot raggedright arraybackslash "
    "textbackslash textasciicircum textasciitilde textless textgreater textbar textquotedbl "
    "textasciigrave textquotesingle textsubscript textsuperscript textdegree dots ensuremath "
    "times mu le ge infty partial propto cdot to perp pm dot bar mathop mathrm mbox r c v "
    "allowbreak".split()
)
TOKEN = re.compile(r"\\(?P<command>[A-Za-z]+)|\\(?P<sign>.)|(?P<other>[{}$&#_^~%])", re.DOTALL)
SIGNS = frozenset("{}$&#%_\\,`'^~=.\"")
ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+)\}")


def faults(text: str) -> list[str]:
    """What is wrong with a file: characters, commands, braces, mathematics, environments, rows."""
    found = [] if text.isascii() else ["a character that is not ASCII"]
    depth, math = 0, False
    for token in TOKEN.finditer(text):
        command, sign, other = token.group("command", "sign", "other")
        if command and command not in COMMANDS:
            found.append(f"the command {token[0]}")
        if sign and sign not in SIGNS:
            found.append(f"the command {token[0]}")
        depth += (other == "{") - (other == "}")
        math ^= other == "$"
        if depth < 0 or (other in ("#", "%") or (other in ("_", "^") and not math)):
            found.append(f"a bare {other} at {text[token.start() - 20 : token.end() + 5]!r}")
    found += [f"{depth} braces left open"] * bool(depth) + ["an open $"] * math
    return found + _environments(text) + _rows(text)


def _environments(text: str) -> list[str]:
    open_ones: list[str] = []
    for kind, name in ENVIRONMENT.findall(text):
        if kind == "begin":
            open_ones.append(name)
        elif not open_ones or open_ones.pop() != name:
            return [f"\\end{{{name}}} closes nothing"]
    return [f"{name} is never ended" for name in open_ones]


def _rows(text: str) -> list[str]:
    r"""Every row has a cell for every column, and none begins with what \\ takes for its own."""
    found = []
    for columns, body in re.findall(
        r"\\begin\{longtable\}\{([^\n]*)\}\n(.*?)\\end\{longtable\}", text, re.S
    ):
        count = len(re.findall("[lrp]", re.sub(r">\{.*?\}p\{.*?\}", "p", columns)))
        lines = [line for line in body.splitlines() if line.endswith(r" \\")]
        cells = {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines}
        found += [f"rows of {sorted(cells)} cells, {count} columns"] * (cells != {count})
        found += ["a row that begins with [ or *"] * any(line[0] in "[*" for line in lines)
    return found

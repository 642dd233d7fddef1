"""The command line: the only place that prints and exits.

Every mistake of a user is one line, ``diffbench: ...``, and exit status 2; Ctrl-C is 130. What a
command needs is imported when it runs: ``--help`` and a mistyped name must not wait for numpy.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click

from diffbench import __version__
from diffbench.cli.care import clean, doctor, info
from diffbench.cli.conformance import test
from diffbench.cli.listing import list_, show, trace
from diffbench.cli.merge import merge
from diffbench.cli.options import INTERRUPTED, USAGE
from diffbench.cli.pipes import Patient
from diffbench.cli.reading import compare, report
from diffbench.cli.run import run
from diffbench.cli.serve import serve
from diffbench.errors import DiffbenchError

__all__ = ["main"]

COMMANDS = (run, merge, report, serve, compare, info, clean, doctor, list_, show, trace, test)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="diffbench", message="%(prog)s %(version)s")
@click.pass_context
def diffbench(context: click.Context) -> None:
    """Every way to differentiate a function, with proven errors, measured side by side."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in COMMANDS:
    diffbench.add_command(command)


def _one_line(message: str) -> str:
    return f"diffbench: {' '.join(message.split())}"


def main() -> None:
    """The entry point of the command line."""
    try:
        with redirect_stdout(Patient(sys.stdout)):
            code = diffbench.main(prog_name="diffbench", standalone_mode=False)
    except click.ClickException as error:
        click.echo(_one_line(error.format_message()), err=True)
        sys.exit(USAGE)
    except DiffbenchError as error:
        click.echo(_one_line(str(error)), err=True)
        sys.exit(USAGE)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)

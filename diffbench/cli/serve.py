"""``diffbench serve``: the report of a run while it grows; and the browser that shows one."""

from __future__ import annotations

from pathlib import Path

import click

from diffbench.cli.options import Folder, Whole

__all__ = ["browse", "serve"]


def browse(address: str) -> None:
    """Open an address in the browser, and say so, or that there is none, in one line."""
    import webbrowser

    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    if opened:
        click.echo(f"opened in the browser: {address}")
    else:
        click.echo(f"no browser could be started; open this in one: {address}", err=True)


@click.command()
@click.argument("folder", metavar="RUN", type=Folder())
@click.option("--port", type=Whole(1, 65535), help="A free one if not given.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
def serve(folder: Path, port: int | None, opens: bool) -> None:
    """Show the report of the run in the folder RUN on this machine alone, as records arrive.

    It only reads, so the run may still be at work. Ctrl-C ends it.
    """
    from diffbench.api import load
    from diffbench.care.folders import at_work
    from diffbench.serving.server import Server

    if not at_work(folder):
        load(folder)  # what cannot be read now never will be
    try:
        with Server(folder, port or 0) as server:
            click.echo(f"{folder} on {server.address} to this machine alone; Ctrl-C ends it")
            if opens:
                browse(server.address)
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("\nended")

"""``--config run.toml``: the options of a command in a file; the command line wins.

The file's keys are the command's own options, so the two cannot differ, and its values go through
the same checks: each is handed on as the text that the command line would give.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click

from diffbench.cli.options import Folder

__all__ = ["config_option"]

CONFIG, NOT_IN_FILES = "config", ("config", "help")


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is no TOML: {error}") from error


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options by their names without dashes."""
    options = [row for row in command.params if isinstance(row, click.Option)]
    named = {row.opts[-1].lstrip("-"): row for row in options}
    return {name: row for name, row in named.items() if name not in NOT_IN_FILES}


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise click.UsageError(f"{path}: {key} takes one value, got {value!r}; write {key} = '...'")
    return str(value)


def _value(path: Path, key: str, option: click.Option, value: Any) -> Any:
    """What click takes as a default: texts, as the command line gives them."""
    if not option.multiple:
        return _text(path, key, value)
    return [_text(path, key, v) for v in (value if isinstance(value, list) else [value])]


def _defaults(context: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    options, found = _options(context.command), {}
    for key, value in _read(path).items():
        if key not in options:
            near = difflib.get_close_matches(key, options, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise click.UsageError(
                f"{path}: there is no option {key!r}; {hint}(there are: {', '.join(options)})"
            )
        name = options[key].name
        assert name is not None
        found[name] = _value(path, key, options[key], value)
        try:
            options[key].type_cast_value(context, found[name])
        except click.BadParameter as error:
            raise click.UsageError(f"{path}: {error.format_message()}") from error
    context.default_map = found


config_option = click.option(
    f"--{CONFIG}",
    type=Folder(),
    is_eager=True,
    expose_value=False,
    callback=_defaults,
    metavar="FILE",
    help="A TOML file with any of these options, as problems = 'mlp'; the command line wins.",
)

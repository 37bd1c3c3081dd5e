"""The command line ``triton-embed``: the only module that knows all commands.

Each command is imported when it is run or when help is printed. The modules of commands import
nothing but click, settings and the standard library until they run.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import click
from click.exceptions import NoArgsIsHelpError

from triton_embed.runtime.commands import CommandError

NAME = "triton-embed"
"""Name of the console script, and of the distribution."""


@dataclass(frozen=True)
class LazyCommand:
    """A command that is not imported yet.

    Attributes:
        section: The heading in ``--help``.
        extra: The extra of the distribution that the command needs.
        load: Imports and returns the command.
    """

    section: str
    extra: str
    load: Callable[[], click.Command]


def _attribute(module: str, name: str) -> Callable[[], click.Command]:
    """Return a function that imports a command of a module."""

    def load() -> click.Command:
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    return load


def _serve() -> click.Command:
    from triton_embed.gateway.settings import RequestSettings
    from triton_embed.serve.command import serve_command

    return serve_command(RequestSettings)


_EXPORT = "triton_embed.export.command"
_MODELS = "triton_embed.export.model_commands"

COMMANDS = {
    "serve": LazyCommand("Servers", "serve", _serve),
    "gateway": LazyCommand("Servers", "gateway", _attribute("triton_embed.gateway.command", "gateway")),
    "health": LazyCommand("Servers", "triton", _attribute("triton_embed.runtime.health", "health")),
    "embed": LazyCommand("Clients", "embed", _attribute("triton_embed.corpus.command", "embed")),
    "export": LazyCommand("Models", "export", _attribute(_EXPORT, "export")),
    "list": LazyCommand("Models", "export", _attribute(_MODELS, "list_models")),
    "show": LazyCommand("Models", "export", _attribute(_MODELS, "show")),
    "remove": LazyCommand("Models", "export", _attribute(_MODELS, "remove")),
    "verify": LazyCommand("Models", "export", _attribute(_MODELS, "verify")),
}
"""The commands by name, in the order of ``--help``."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of click: options of ``--help``, and its maximum width in characters."""

SIGNAL_STATUS = 128
"""Exit status of a shell for signal number 0; see the section on exit status in bash(1)."""

OPTIONAL_MODULES = {"opentelemetry": "otel"}
"""Extras that an option of a command needs, by top-level module."""


class LazyGroup(click.Group):
    """A group of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; ``None`` if there is none of this name."""
        command = COMMANDS.get(cmd_name)
        return command.load() if command else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with; an error names the most similar command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            for name in get_close_matches(args[0], COMMANDS, 1):
                message = f"{error.message} Did you mean '{name}'?"
                raise click.UsageError(message, error.ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; name the extra to install if a package is missing."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            command = COMMANDS.get(ctx.invoked_subcommand or "")
            if command is None or package in ("", "triton_embed"):
                raise
            extra = OPTIONAL_MODULES.get(package, command.extra)
            raise CommandError(
                f"the package '{package}' is not installed; run: pip install '{NAME}[{extra}]'"
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and first sentences of the commands, section by section."""
        width = formatter.width - 6 - max(map(len, COMMANDS))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in COMMANDS.items():
            row = (name, command.load().get_short_help_str(width))
            sections.setdefault(command.section, []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(package_name=NAME, message="%(package)s %(version)s")
def group() -> None:
    """Embedding server: the API of NVIDIA's NeMo Retriever NIM on Triton Inference Server."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    Args:
        arguments: The command line without the program's name; by default that of this process.
    """
    try:
        result = group.main(arguments, NAME, standalone_mode=False)
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        click.echo(usage_line(error), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return stopped(signal.SIGINT)
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > SIGNAL_STATUS:
            return stopped(end.code - SIGNAL_STATUS)
        raise
    return result if isinstance(result, int) else 0


def usage_line(error: click.UsageError) -> str:
    """Return the message of an error in the command line, with the command that explains it."""
    command = error.ctx.command_path if error.ctx else NAME
    message = error.format_message().rstrip(".")
    return f"{command}: {message}; see: {command} --help"


def stopped(number: int) -> int:
    """Print that a signal ended the command, and return the exit status of a shell for it."""
    click.echo("stopped", err=True)
    return SIGNAL_STATUS + number

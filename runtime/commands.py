"""Base classes of the commands: help in sections, values by parsers, errors of one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click


class CommandError(click.ClickException):
    """Ends a command with exit status 1 and a message of one line, without a prefix."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error, or to `file`."""
        click.echo(self.format_message(), file=file, err=file is None)


class HeadedOption(click.Option):
    """An option that ``--help`` lists under a heading; see `HeadedCommand`.

    Args:
        heading: The heading.
    """

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class ParserType(click.ParamType[Any]):
    """The type of an option whose value a function parses.

    Args:
        parse: Turns text into the value; raises ValueError if it cannot.
    """

    name = "text"

    def __init__(self, parse: Callable[[str], Any]) -> None:
        self._parse = parse

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the name of a value in ``--help``."""
        return str(getattr(self._parse, "metavar", "TEXT"))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text; a default is returned as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class HeadedCommand(click.Command):
    """A command whose ``--help`` lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options; those without a heading, like ``--help``, come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "heading", "Options"), []).append(record)
        others = groups.pop("Options", [])
        for title, records in [*groups.items(), ("Options", others)]:
            with formatter.section(title):
                formatter.write_dl(records)

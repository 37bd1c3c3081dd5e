"""Command line options made from settings classes, and commands that are called with settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from triton_embed.runtime.commands import HeadedCommand, HeadedOption, ParserType
from triton_embed.runtime.settings import SettingsBase, heading, setting_fields, variables

SettingsT = TypeVar("SettingsT", bound=SettingsBase)


class SettingOption(HeadedOption):
    """The option of one setting.

    Unlike click's own options, it reports the variable that has set it, and an empty variable
    counts as set if the setting is secret: ``TRITON_EMBED_API_KEYS=""`` must not start an open
    server.
    """

    def __init__(self, item: Field[Any], heading: str) -> None:
        flag = item.name.replace("_", "-")
        is_switch = isinstance(item.default, bool)
        super().__init__(
            [f"--{flag}/--no-{flag}" if is_switch else f"--{flag}", item.name],
            heading=heading,
            help=_sentence(item.metadata["help"]),
            type=click.BOOL if is_switch else ParserType(item.metadata["parse"]),
            default=item.default,
            show_default=item.default not in (None, ()),
            envvar=variables(item),
            show_envvar=True,
        )
        self.secret = bool(item.metadata["secret"])

    def variable(self) -> str | None:
        """Return the name of the variable that sets the option, if the command line does not."""
        is_set = os.environ.__contains__ if self.secret else os.environ.get
        return next(filter(is_set, self.envvar or ()), None)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the variable that sets the option."""
        name = self.variable()
        return None if name is None else os.environ[name]

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return the flag, or the variable with its value, for messages about the value."""
        name = self.variable()
        if name is None or ctx is None or not _is_from_environment(ctx, self):
            return f"'{self.opts[0]}'"
        return name if self.secret else f"{name}={os.environ[name]}"

    def source(self, ctx: click.Context) -> str:
        """Return the origin of the value: a flag, a variable or the default."""
        if _is_from_environment(ctx, self):
            return f"variable {self.variable()}"
        if ctx.get_parameter_source(self.name or "") is ParameterSource.COMMANDLINE:
            return f"flag {self.opts[0]}"
        return "default"


def _sentence(phrase: str) -> str:
    return f"{phrase[0].upper()}{phrase[1:]}."


def _is_from_environment(ctx: click.Context, option: click.Option) -> bool:
    return ctx.get_parameter_source(option.name or "") is ParameterSource.ENVIRONMENT


def setting_options(*kinds: type[SettingsBase]) -> list[click.Parameter]:
    """Return the options of settings classes; a setting of several classes gets one option."""
    options: dict[str, click.Parameter] = {}
    for kind in kinds:
        for item in setting_fields(kind):
            options.setdefault(item.name, SettingOption(item, heading(kind, item)))
    return list(options.values())


def read_settings(ctx: click.Context, kind: type[SettingsT]) -> SettingsT:
    """Return the settings that the options of a command have set.

    Raises:
        UsageError: values contradict each other; the message is that of the ValueError of `kind`.
    """
    try:
        return kind(**{item.name: ctx.params[item.name] for item in setting_fields(kind)})
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error


def settings_from_environment(kind: type[SettingsT]) -> SettingsT:
    """Return the settings that the environment of this process sets.

    Raises:
        ClickException: a variable has an invalid value.
    """
    command = click.Command("environment", params=setting_options(kind))
    return read_settings(command.make_context("environment", []), kind)


@dataclass(frozen=True)
class ComputedValue:
    """The value of a setting that nothing sets, for ``--show-config``.

    Attributes:
        value: The value.
        basis: What it is computed from.
    """

    value: object
    basis: str


class SettingsCommand(HeadedCommand):
    """A command that is called with settings, and with ``--show-config`` prints them instead.

    Args:
        kinds: Settings classes. The callback gets one object of each as positional arguments, and
            the other parameters as keywords.
        computed: Returns the computed values by name, from the settings; further names are values
            that the command passes to its child processes.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        kinds: Sequence[type[SettingsBase]],
        computed: Callable[..., Mapping[str, ComputedValue]] = lambda *settings: {},
        params: Sequence[click.Parameter] = (),
        **kwargs: Any,
    ) -> None:
        show_config = click.Option(
            ["--show-config"],
            is_flag=True,
            help="Print each setting with its source, and exit.  [env var: SHOW_CONFIG]",
        )
        options = setting_options(*kinds)
        super().__init__(name, params=[*params, *options, show_config], **kwargs)
        self._kinds = kinds
        self._computed = computed
        self._settings = {option.name for option in options}

    def invoke(self, ctx: click.Context) -> Any:
        """Call the callback, or print the settings."""
        settings = [read_settings(ctx, kind) for kind in self._kinds]
        show_config = os.environ.get("SHOW_CONFIG", "").lower() in ("1", "true")
        if ctx.params["show_config"] or show_config:
            for line in config_lines(ctx, self._computed(*settings)):
                click.echo(line)
            return 0
        assert self.callback is not None
        others = {
            name: value
            for name, value in ctx.params.items()
            if name not in self._settings and name != "show_config"
        }
        return ctx.invoke(self.callback, *settings, **others)


def config_lines(ctx: click.Context, computed: Mapping[str, ComputedValue]) -> list[str]:
    """Return one line for each setting of a command: name, value and source.

    Args:
        ctx: The context of the command.
        computed: Values in place of defaults, and further values.
    """
    rows = {name: (each.value, f"computed from {each.basis}") for name, each in computed.items()}
    shown = {}
    for option in ctx.command.params:
        if isinstance(option, SettingOption):
            name, source = option.name or "", option.source(ctx)
            value = "(set)" if option.secret and ctx.params[name] else ctx.params[name]
            row = rows.pop(name, None)
            shown[name] = row if row and source == "default" else (value, source)
    shown |= rows
    return [f"{name} = {_text(value)}  # {source}" for name, (value, source) in shown.items()]


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""Settings as frozen data classes, read from the command line and the environment.

A field made with `setting` has a flag ``--like-this``, a variable ``TRITON_EMBED_LIKE_THIS``, and
often variables of the NIM, so that a deployment of the NIM needs no changes. A flag takes
precedence over the environment, and an earlier variable of a field over a later one.
`runtime.options` makes the command line options.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

from triton_embed.runtime.variables import NIM_VARIABLES, OWN_VARIABLES


@dataclass(frozen=True)
class SettingsBase:
    """Base class of all settings.

    Attributes:
        heading: Title of the options of a class in ``--help``, those of its bases excluded.
    """

    heading: ClassVar[str] = "Options"


def setting(
    default: Any,
    help: str,
    *env: str,
    parse: Callable[[str], Any] = str,
    secret: bool = False,
) -> Any:
    """Return a data class field that is a setting.

    Args:
        default: The value if nothing sets it; ``False`` and ``True`` make the flag a switch.
        help: One phrase for ``--help``.
        env: Variables of the NIM that set it.
        parse: Turns text into the value; raises ValueError if it cannot. The ``metavar`` of a
            `runtime.values.Parser` is the placeholder of the value in ``--help``.
        secret: Mask the value in ``--show-config``; an empty variable counts as set.
    """
    assert NIM_VARIABLES.issuperset(env), "a variable is missing in NIM_VARIABLES"
    metadata = {"help": help, "env": env, "parse": parse, "secret": secret}
    return field(default=default, metadata=metadata)


def setting_fields(kind: type[SettingsBase]) -> list[Field[Any]]:
    """Return the fields of `kind` that are settings, those of its bases first."""
    return [item for item in fields(kind) if "help" in item.metadata]


def variables(item: Field[Any]) -> tuple[str, ...]:
    """Return the names of the environment variables of a setting, by precedence."""
    own = f"TRITON_EMBED_{item.name.upper()}"
    assert own in OWN_VARIABLES, f"{own} is missing in OWN_VARIABLES"
    return own, *item.metadata["env"]


def heading(kind: type[SettingsBase], item: Field[Any]) -> str:
    """Return the heading of the class that declares a setting of `kind`."""
    for base in reversed(kind.__mro__):
        if is_dataclass(base) and item.name in {inner.name for inner in fields(base)}:
            return str(base.heading)  # type: ignore[attr-defined]
    raise AssertionError(f"{kind.__name__} has no setting '{item.name}'")


def to_variables(settings: SettingsBase) -> dict[str, str]:
    """Return environment variables from which a child process reads equal settings.

    Settings without a value (``None`` and empty lists) are left out.
    """
    values = {item: getattr(settings, item.name) for item in setting_fields(type(settings))}
    return {
        variables(item)[0]: ",".join(value) if isinstance(value, tuple) else str(value)
        for item, value in values.items()
        if value not in (None, ())
    }

"""Settings as frozen data classes, read once from the command line and the environment.

A field made with `setting` has a flag ``--like-this``, a variable ``TRITON_EMBED_LIKE_THIS``, and
often variables of the NIM, so that a deployment can be moved over unchanged. A flag goes before
the environment, and an earlier variable of a field before a later one.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any, TypeVar

logger = logging.getLogger("configuration")

Settings = TypeVar("Settings")

NIM_VARIABLES = frozenset(
    {
        "NIM_BIND_ADDR",
        "NIM_ENABLE_OTEL",
        "NIM_ENGINE_COUNT",
        "NIM_GRPC_BIND_ADDR",
        "NIM_HTTP_API_PORT",
        "NIM_JSONL_LOGGING",
        "NIM_LOGGING_JSONL",
        "NIM_LOG_LEVEL",
        "NIM_MAX_QUEUE_SIZE",
        "NIM_NUM_MODEL_INSTANCES",
        "NIM_NUM_TOKENIZERS",
        "NIM_PIPELINE_MAX_BATCH_SIZE",
        "NIM_SERVED_MODEL_NAME",
        "NIM_SERVER_BIND_ADDR",
        "NIM_SERVER_GRPC_BIND_ADDR",
        "NIM_SERVER_HTTP_BODY_LIMIT_BYTES",
        "NIM_SERVER_MAX_QUEUE_SIZE",
        "NIM_SERVER_TLS_CERT_PATH",
        "NIM_SERVER_TLS_KEY_PATH",
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS",
        "NIM_TRITON_GRPC_PORT",
        "NIM_TRITON_LOG_VERBOSE",
        "NIM_TRITON_MAX_BATCH_SIZE",
        "NIM_TRITON_PERFORMANCE_MODE",
    }
)
"""The NIM's variables that set something, in one process or another."""

OWN_VARIABLES = frozenset(
    f"TRITON_EMBED_{name}"
    for name in (
        "API_KEYS",
        "CORS_ORIGINS",
        "DRAIN_SECONDS",
        "ENCODER_INSTANCES",
        "GATEWAY",
        "HOST",
        "LOG_JSONL",
        "LOG_LEVEL",
        "MAX_BATCH_SIZE",
        "MAX_BODY_BYTES",
        "MAX_INPUTS",
        "MAX_INPUTS_IN_FLIGHT",
        "MAX_QUEUE_DELAY_MICROSECONDS",
        "MAX_WAIT_SECONDS",
        "MODEL_REPOSITORY",
        "OTEL",
        "PERFORMANCE_MODE",
        "PORT",
        "REFRESH_SECONDS",
        "SERVED_MODEL_NAME",
        "TLS_CERTIFICATE",
        "TLS_KEY",
        "TOKENIZER_INSTANCES",
        "TRITON_ADDRESS",
        "TRITON_GRPC_PORT",
        "TRITON_HOST",
        "TRITON_HTTP_PORT",
        "TRITON_LOG_VERBOSE",
        "TRITON_METRICS_PORT",
        "TRITON_TLS",
        "TRITON_TLS_CERTIFICATE",
        "TRITON_TLS_KEY",
        "TRITON_TLS_ROOT_CERTIFICATE",
        "WORKERS",
    )
)
"""Our own, of all processes: each sees those of the others, too."""


def setting(
    default: Any,
    help: str,
    *env: str,
    parse: Callable[[str], Any] = str,
    secret: bool = False,
) -> Any:
    """Return a data class field that is a setting.

    Args:
        default: The value if nothing sets it; ``False`` makes the flag a switch.
        help: One phrase for ``--help``.
        env: Variables of the NIM that set it.
        parse: Turns text into the value; raises ValueError if it cannot.
        secret: It is not shown, and a variable that is set but empty does not count as unset.
    """
    assert NIM_VARIABLES.issuperset(env), "a variable is missing in NIM_VARIABLES"
    metadata = {"help": help, "env": env, "parse": parse, "secret": secret}
    return field(default=default, metadata=metadata)


def read(
    kind: type[Settings],
    *,
    program: str,
    description: str,
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings of `kind`, or print them and exit if ``--show-config`` asks for that.

    A value that cannot be parsed ends the program with a message that names its flag or variable,
    and so does a ValueError of `kind`, about values that do not go together.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    for item in _settings(kind):
        _add_flag(parser, item)
    parser.add_argument("--show-config", action="store_true", help="print the settings and exit")
    given = vars(parser.parse_args(arguments))
    values = {item.name: item.default for item in _settings(kind)}
    for item in _settings(kind):
        if given[item.name] is not None:
            values[item.name] = given[item.name]
            continue
        counts = environment.__contains__ if item.metadata["secret"] else environment.get
        name = next(filter(counts, _variables(item)), None)
        if name:
            try:
                values[item.name] = _parser(item)(environment[name])
            except (ValueError, argparse.ArgumentTypeError) as error:
                shown = "" if item.metadata["secret"] else f"={environment[name]}"
                parser.error(f"{name}{shown}: {error}")
    try:
        settings = kind(**values)
    except ValueError as error:
        parser.error(str(error))
    if given["show_config"] or environment.get("SHOW_CONFIG", "").lower() in ("1", "true"):
        show(settings)
        raise SystemExit(0)
    return settings


def show(settings: Any) -> None:
    """Print every setting, its value and what sets it."""
    for item in _settings(type(settings)):
        value = getattr(settings, item.name)
        shown = "(set)" if item.metadata["secret"] and value else value
        print(f"{item.name} = {shown}  # {', '.join((_flag(item), *_variables(item)))}")


def log_unknown_variables(environment: Mapping[str, str] = os.environ) -> None:
    """Log, in one line, the ``NIM_*`` and ``TRITON_EMBED_*`` variables that mean nothing here."""
    unknown = sorted(
        name
        for name in environment.keys() - NIM_VARIABLES - OWN_VARIABLES
        if name.startswith(("NIM_", "TRITON_EMBED_"))
    )
    if unknown:
        logger.warning("ignoring %s: unknown to triton-embed", ", ".join(unknown))


def boolean(text: str) -> bool:
    """Return what a switch in the environment says."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected true or false")


def integer(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return a parser of integers in a range."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be an integer, not '{text}'") from None
        if value < minimum or (maximum is not None and value > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise argparse.ArgumentTypeError(f"must be at least {minimum}{upper}")
        return value

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser of one of `choices`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def seconds(text: str) -> float:
    """Return a number of seconds, which is neither negative nor infinite."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError("must be a number of seconds")
    return value


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the parts of a list.

    Raises:
        ArgumentTypeError: there is none.
    """
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not parts:
        raise argparse.ArgumentTypeError("the list is empty")
    return parts


def bearer_keys(text: str) -> tuple[str, ...]:
    """Return the parts of a list of keys.

    Raises:
        ArgumentTypeError: there is none, which must not mean "no keys needed", or one that clients
            could not send in a header.
    """
    if not text.isascii():
        raise argparse.ArgumentTypeError("keys must be ASCII")
    return comma_separated(text)


tcp_port = integer(1, 65535)
"""Parses a TCP port."""


def address_host(text: str) -> str:
    """Return the host of ``HOST:PORT``, or of a `text` without a port."""
    host, _, port = text.rpartition(":")
    if port.isdecimal() and (":" not in host or host.startswith("[")):
        # As servers do, an address without a host means every one.
        return host.strip("[]") or "0.0.0.0"
    return text


def address_port(text: str) -> int:
    """Return the port of ``HOST:PORT``, or of a `text` without a host."""
    port = text.rpartition(":")[2]
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a port or HOST:PORT, not '{text}'")
    return tcp_port(port)


def _settings(kind: type) -> list[Field[Any]]:
    return [item for item in fields(kind) if "help" in item.metadata]


def _flag(item: Field[Any]) -> str:
    return f"--{item.name.replace('_', '-')}"


def _variables(item: Field[Any]) -> tuple[str, ...]:
    return f"TRITON_EMBED_{item.name.upper()}", *item.metadata["env"]


def _parser(item: Field[Any]) -> Callable[[str], Any]:
    return boolean if isinstance(item.default, bool) else item.metadata["parse"]


def _add_flag(parser: argparse.ArgumentParser, item: Field[Any]) -> None:
    text = f"{item.metadata['help']} [{', '.join(_variables(item))}]"
    if isinstance(item.default, bool):
        parser.add_argument(
            _flag(item),
            dest=item.name,
            action=argparse.BooleanOptionalAction,
            default=None,
            help=text,
        )
        return
    default = "" if item.default in (None, ()) else f" (default: {item.default})"
    parser.add_argument(
        _flag(item),
        dest=item.name,
        type=item.metadata["parse"],
        default=None,
        help=f"{text}{default}".replace("%", "%%"),
        metavar=item.name.split("_")[-1].upper(),
    )

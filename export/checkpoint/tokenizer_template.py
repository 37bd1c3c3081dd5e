"""The special tokens that a tokenizer puts around each text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from triton_embed.export.errors import ExportError

Around = tuple[list[str], list[str]]
"""The tokens before and after each text."""


def check_template(tokenizer: Tokenizer) -> None:
    """Check that a template defines the tokens that it names; otherwise the library panics.

    Raises:
        ExportError: a token is not defined.
    """
    if tokenizer.post_processor is None:
        return
    state = json.loads(tokenizer.post_processor.__getstate__())
    for processor in state.get("processors", [state]):
        if processor["type"] != "TemplateProcessing":
            continue
        pieces = (*processor["single"], *processor["pair"])
        names = (piece["SpecialToken"]["id"] for piece in pieces if "SpecialToken" in piece)
        if missing := [name for name in names if name not in processor["special_tokens"]]:
            raise ExportError(
                f"tokenizer.json: the template of post_processor names '{missing[0]}', which its "
                "special_tokens do not define"
            )


def around(tokenizer: Tokenizer) -> Around:
    """Return the special tokens that `tokenizer` puts before and after a text."""
    encoding = tokenizer.encode("a")
    tokens = [tokenizer.id_to_token(index) or "" for index in encoding.ids]
    before = sum(1 for _ in takewhile(bool, encoding.special_tokens_mask))
    after = sum(1 for _ in takewhile(bool, reversed(encoding.special_tokens_mask)))
    return tokens[:before], tokens[len(tokens) - after :]


def described(tokens: Around) -> str:
    """Return ``'<s> … </s>'`` for messages."""
    return f"'{' '.join((*tokens[0], '…', *tokens[1]))}'"


def with_tokens(
    tokens: Around, values: Mapping[str, bool], names: Mapping[str, str | None]
) -> Around:
    """Return `tokens` with or without the bos token in front and the eos token at the end.

    Args:
        tokens: The tokens before and after each text.
        values: Of ``add_bos_token`` and ``add_eos_token``, if they are defined.
        names: The special tokens, by the name of their setting.

    Raises:
        ExportError: a token is to be added, but no file names it.
    """
    sides = {"bos_token": list(tokens[0]), "eos_token": list(tokens[1])}
    for role, side in sides.items():
        value, name = values.get(f"add_{role}"), names[role]
        if value and name is None:
            raise ExportError(
                f"add_{role} is true, but the tokenizer has no {role}: name one in "
                f"tokenizer_config.json, or pass --no-add-{role.replace('_', '-')}"
            )
        if value and name is not None and name not in side:
            side.insert(0 if role == "bos_token" else len(side), name)
        elif value is False and name in side:
            side.remove(name)
    return sides["bos_token"], sides["eos_token"]


def set_template(tokenizer: Tokenizer, tokens: Around) -> None:
    """Put `tokens` around each text, in place of the present template.

    Raises:
        ExportError: a token has no id.
    """
    ids = {token: tokenizer.token_to_id(token) for side in tokens for token in side}
    if missing := [token for token, index in ids.items() if index is None]:
        raise ExportError(f"the tokenizer has no id for '{missing[0]}', which must enclose texts")
    content = [*tokens[0], "$A", *tokens[1]]
    tokenizer.post_processor = TemplateProcessing(single=content, special_tokens=list(ids.items()))


def unread_settings(
    settings: Mapping[str, Any], class_name: str, present: Around, names: Mapping[str, str | None]
) -> Iterator[str]:
    """Yield a warning for each ``add_…_token`` that its class does not read, against the file."""
    for role, tokens in zip(("bos_token", "eos_token"), present, strict=True):
        value = settings.get(f"add_{role}")
        if value is None or bool(value) == (names[role] in tokens):
            continue
        flag = f"--{'' if value else 'no-'}add-{role.replace('_', '-')}"
        yield (
            f"add_{role} is {str(bool(value)).lower()} in tokenizer_config.json, but "
            f"{class_name} does not read it, and tokenizer.json encloses a text as "
            f"{described(present)}, which is used; {flag} overrides it"
        )

"""The special tokens that a tokenizer puts around each text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from triton_embed.export.errors import ExportError

Around = tuple[list[str], list[str]]
"""The tokens before and after each text."""


def around(tokenizer: Tokenizer) -> Around:
    """Return the special tokens that `tokenizer` puts before and after a text."""
    encoding = tokenizer.encode("a")
    tokens, mask = encoding.tokens, encoding.special_tokens_mask
    before = sum(1 for _ in takewhile(bool, mask))
    after = sum(1 for _ in takewhile(bool, reversed(mask)))
    return tokens[:before], tokens[len(tokens) - after :]


def described(tokens: Around) -> str:
    """Return ``'<s> … </s>'`` for messages."""
    return f"'{' '.join((*tokens[0], '…', *tokens[1]))}'"


def set_template(
    tokenizer: Tokenizer, values: Mapping[str, bool], names: Mapping[str, str | None]
) -> None:
    """Put the bos and the eos token around each text, in place of the present template.

    Args:
        tokenizer: The tokenizer to change.
        values: Of ``add_bos_token`` and ``add_eos_token``.
        names: The special tokens, by the name of their setting.

    Raises:
        ExportError: a token is to be put there, but no file names it, or it has no id.
    """
    tokens: dict[str, int] = {}
    pieces = {}
    for role in ("bos_token", "eos_token"):
        pieces[role] = ""
        if not values[f"add_{role}"]:
            continue
        token = names[role]
        index = None if token is None else tokenizer.token_to_id(token)
        if token is None or index is None:
            raise ExportError(
                f"add_{role} is true, but the tokenizer has no {role}: name one in "
                f"tokenizer_config.json, or pass --no-add-{role.replace('_', '-')}"
            )
        tokens[token] = index
        pieces[role] = token
    content = [piece for piece in (pieces["bos_token"], "$A", pieces["eos_token"]) if piece]
    tokenizer.post_processor = TemplateProcessing(
        single=content, special_tokens=list(tokens.items())
    )


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
            f"{class_name} does not read it, and tokenizer.json makes a text "
            f"{described(present)}, which is used; {flag} overrides it"
        )

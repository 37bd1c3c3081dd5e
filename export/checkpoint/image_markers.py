"""The tokens that stand for an image, taken out of the reach of texts.

A client's text may contain ``<img>`` or ``<IMG_CONTEXT>``. As a token, it would be read as a part
of an image; in the served tokenizer it is text like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from tokenizers import Tokenizer

from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

ID_SETTINGS = ("img_context_token_id", "image_token_id", "image_token_index")
"""Settings of config.json with the id of the token that a row of features replaces."""


class Markers(Protocol):
    """The text around an image; see `families.vision.ImageMarkers`."""

    @property
    def placeholder(self) -> str: ...  # noqa: D102
    @property
    def before(self) -> str: ...  # noqa: D102
    @property
    def between(self) -> str: ...  # noqa: D102
    @property
    def after(self) -> str: ...  # noqa: D102
    @property
    def separator(self) -> str: ...  # noqa: D102


def separate_image_tokens(
    content: str, markers: Markers, feature_size: int
) -> tuple[str, ImageTokens]:
    """Return the tokenizer for texts, and the tokens of images.

    Args:
        content: The tokenizer in the format of tokenizer.json.
        markers: The text around an image.
        feature_size: Length of a row of features.

    Raises:
        ExportError: the tokenizer lacks a marker, or its kind is not supported.
    """
    tokenizer = Tokenizer.from_str(content)
    ids = {token.content: key for key, token in tokenizer.get_added_tokens_decoder().items()}
    names = [markers.placeholder, markers.before, markers.between, markers.after]
    names = [name for name in names if name]
    if missing := [name for name in names if name not in ids]:
        raise ExportError(
            f"tokenizer.json has no added token '{missing[0]}', which stands for a part of an image"
        )

    def found(name: str) -> tuple[int, ...]:
        return (ids[name],) if name else ()

    tokens = ImageTokens(
        placeholder=ids[markers.placeholder],
        before=found(markers.before),
        between=found(markers.between),
        after=found(markers.after),
        separator=markers.separator,
        feature_size=feature_size,
    )
    return _without(content, ids, names), tokens


def check_placeholder(config: Mapping[str, Any], tokens: ImageTokens) -> None:
    """Check that config.json and the tokenizer agree on the token of an image.

    Raises:
        ExportError: they do not.
    """
    settings = Settings("config.json", config)
    for name in ID_SETTINGS:
        if settings.integer(name, 0) not in (None, tokens.placeholder):
            raise settings.error(name, f"{tokens.placeholder}, as in tokenizer.json")


def _without(content: str, ids: dict[str, int], names: list[str]) -> str:
    """Return the tokenizer without the added tokens `names`; all other ids stay the same."""
    settings: dict[str, Any] = json.loads(content)
    vocabulary = settings["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        raise ExportError(
            f"tokenizer.json: a tokenizer of type {settings['model'].get('type')} is not supported "
            "for a model that takes images"
        )
    # An added token has the id that the vocabulary gives it, or else the next free one, so that a
    # missing token would change the ids of those after it.
    vocabulary.update(ids)
    settings["added_tokens"] = [
        token for token in settings["added_tokens"] if token["content"] not in names
    ]
    changed = json.dumps(settings, ensure_ascii=False)
    tokenizer = Tokenizer.from_str(changed)
    for name in names:
        if ids[name] in tokenizer.encode(f"a {name} {name}a", add_special_tokens=False).ids:
            raise ExportError(f"tokenizer.json: '{name}' cannot be separated from texts")
    return changed

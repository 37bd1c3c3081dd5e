"""``chat_template.jinja``: the text around an input, as sentence-transformers renders it.

A chat template is a program of the checkpoint. It is rendered here only, in Jinja's sandbox, to
find the text before and after an input; the served model puts the same text there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.errors import ExportError, one_line

FILE = "chat_template.jinja"

INPUT = "\ue000"
"""Stands for an input in a rendered template: a character that no template has."""

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")

DEFAULT = "default"
"""Name of the prompt of texts without an input type, if the checkpoint does not name one."""


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a checkpoint.

    Attributes:
        source: Its text.
        special_tokens: The tokenizer's special tokens, by the names that templates use.
    """

    source: str
    special_tokens: Mapping[str, str]

    def render(
        self, text: str, *, prompt: str = "", task: str | None = None, image: bool = False
    ) -> str:
        """Return an input as sentence-transformers renders it.

        Args:
            text: The text of the input.
            prompt: The prompt, which becomes a system message.
            task: ``query`` or ``document``; ``None``: no stated type.
            image: Whether an image precedes the text.

        Raises:
            ExportError: the template is malformed or rejects the input.
        """
        content: list[dict[str, str]] = [{"type": "text", "text": text}]
        if image:
            content.insert(0, {"type": "image"})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if prompt:
            system = [{"type": "text", "text": prompt}]
            messages.insert(0, {"role": "system", "content": system})
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise
        variables = {**self.special_tokens, "add_generation_prompt": False}
        try:
            template = environment.from_string(self.source)
            return template.render(messages=messages, task=task, **variables)
        # A template can raise any error.
        except Exception as error:
            raise ExportError(
                f"{FILE} cannot render an input with {'an image' if image else 'a text'}: "
                f"{one_line(error)}"
            ) from None


def read_chat_template(folder: Path) -> ChatTemplate | None:
    """Return the template of the tokenizer in `folder`; ``None``: it has none.

    Raises:
        ExportError: a file is malformed.
    """
    settings: dict[str, Any] = read_json(folder / "tokenizer_config.json", default={})
    source = settings.get("chat_template")
    if (folder / FILE).is_file():
        source = (folder / FILE).read_text(encoding="utf-8")
    elif (folder / "chat_template.json").is_file():
        source = read_json(folder / "chat_template.json").get("chat_template")
    if not isinstance(source, str):
        return None
    tokens = {name: settings.get(name) for name in SPECIAL_TOKENS}
    # A token is a string, or an object with its content.
    content = {
        name: token.get("content") if isinstance(token, dict) else token
        for name, token in tokens.items()
    }
    return ChatTemplate(source, {name: str(token) for name, token in content.items() if token})


def apply_chat_template(checkpoint: Checkpoint, image_token: str) -> Checkpoint:
    """Return `checkpoint` with the rendered text before inputs as its prompts.

    Args:
        checkpoint: The checkpoint. If it renders no messages, it is returned as it is.
        image_token: The token that the template writes for an image.

    Raises:
        ExportError: there is no template, or it writes text after an input, or other text before
            an image than before a text.
    """
    if not checkpoint.renders_messages:
        return checkpoint
    template = read_chat_template(checkpoint.transformer)
    if template is None:
        raise ExportError(f"'{checkpoint.transformer}' has no {FILE}, which renders its inputs")
    passage = checkpoint.prompt_passage
    prompts = {
        "query": _before(template, prompt=checkpoint.prompt_query, task="query"),
        "passage": _before(template, prompt=passage, task="document"),
        DEFAULT: _before(template, prompt=checkpoint.prompt_default),
    }
    with_image = _before(template, prompt=passage, task="document", image=True)
    before, token, separator = with_image.partition(image_token)
    if not token or before != prompts["passage"]:
        raise ExportError(
            f"{FILE} writes {with_image!r} before the text of an image, which is not supported; "
            f"it must be {prompts['passage']!r}, as before other texts, then {image_token!r}"
        )
    return replace(
        checkpoint, prompts=prompts, default_prompt_name=DEFAULT, image_separator=separator
    )


def _before(template: ChatTemplate, **options: Any) -> str:
    """Return the text that `template` writes before an input, without the token of its start."""
    before, _, after = template.render(INPUT, **options).partition(INPUT)
    if after and after != template.special_tokens.get("eos_token"):
        raise ExportError(f"{FILE} writes {after!r} after an input, which is not supported")
    return before.removeprefix(template.special_tokens.get("bos_token", ""))


def _raise(message: str) -> None:
    raise TemplateError(message)

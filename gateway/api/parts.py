"""Conversion of inputs with typed parts, as in OpenAI's chat API, to the NIM's form, a string.

::

    {"input": [[{"type": "text", "text": "a cat"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}]]}

An item may be such a list, one part, or an object with the list as ``content``. Instead of
``input``, a request may have ``messages``, which are one input together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.options import InputType, Modality, abbreviated

CHAT_FIELDS = frozenset(
    {"max_completion_tokens", "max_tokens", "n", "stream", "stream_options", "temperature"}
)
"""Fields that clients of chat APIs send along with ``messages``; embeddings do not need them."""

SIDES = {"query": InputType.QUERY, "document": InputType.PASSAGE}
"""Roles of a message that state the input type, as in vLLM's chat template for Nemotron."""


def flatten_parts(body: bytes) -> bytes | None:
    """Return `body` with its typed parts as strings; ``None``: it has none.

    Raises:
        InvalidRequest: a part is malformed; if there are several inputs, with its index.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(request, dict):
        return None
    if "messages" in request and "input" not in request:
        return orjson.dumps(_from_messages(request))
    items = request.get("input")
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list) or not any(map(_has_parts, items)):
        return None
    stated = request.get("modality")
    inputs = map_inputs(items, _flatten)
    texts, modalities = zip(*inputs, strict=True)
    return orjson.dumps({**request, "input": texts, "modality": stated or modalities})


def _from_messages(request: dict[str, Any]) -> dict[str, Any]:
    messages = request["messages"]
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise InvalidRequest("'messages' must be a list of objects", param="messages")
    parts = [part for message in messages for part in _parts(message)]
    text, modality = _joined(parts)
    roles = (role for each in messages if isinstance(role := each.get("role"), str))
    sides = [SIDES[role] for role in roles if role in SIDES]
    kept = {name: each for name, each in request.items() if name not in CHAT_FIELDS}
    del kept["messages"]
    defaults = {"input_type": sides[0].value} if sides else {}
    return {**defaults, **kept, "input": [text], "modality": modality}


def _has_parts(item: object) -> bool:
    return isinstance(item, dict) or (
        isinstance(item, list) and bool(item) and isinstance(item[0], dict)
    )


def _flatten(item: object) -> tuple[str, str]:
    """Return an item as a string, and its modality; empty: to be inferred."""
    if isinstance(item, str):
        return item, ""
    return _joined(list(_parts(item)))


def _parts(item: object) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of an item or message."""
    if isinstance(item, dict) and "content" in item:
        item = item["content"]
    if isinstance(item, str):
        yield {"type": "text", "text": item}
        return
    for part in item if isinstance(item, list) else [item]:
        if not isinstance(part, dict):
            raise _malformed(part)
        yield part


def _joined(parts: list[Mapping[str, Any]]) -> tuple[str, str]:
    texts = [text for text in map(_text, parts) if text is not None]
    images = [url for url in map(_url, parts) if url is not None]
    if len(texts) + len(images) != len(parts):
        raise _malformed(next(each for each in parts if _text(each) is None and _url(each) is None))
    if not images:
        return "\n".join(texts), Modality.TEXT.value
    modality = Modality.TEXT_IMAGE if any(map(str.strip, texts)) else Modality.IMAGE
    return " ".join(filter(None, ["\n".join(texts), *images])), modality.value


def _text(part: Mapping[str, Any]) -> str | None:
    text = part.get("text") if part.get("type") == "text" else None
    return text if isinstance(text, str) else None


def _url(part: Mapping[str, Any]) -> str | None:
    """Return the URL of an image part, which some clients nest and others do not."""
    if part.get("type") != "image_url":
        return None
    image = part.get("image_url", part)
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else None


def _malformed(part: object) -> InvalidRequest:
    return InvalidRequest(
        "'input': a part must be {'type': 'text', 'text': ...} or "
        f"{{'type': 'image_url', 'image_url': {{'url': ...}}}}, not {abbreviated.repr(part)}",
        param="input",
    )

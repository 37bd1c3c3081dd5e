"""The limit on the values in a JSON body: parsing millions of them would block the event loop."""

from __future__ import annotations

from triton_embed.contract.errors import InvalidRequest

MAX_VALUES = 300_000
"""Maximum values in a body: token ids, texts and fields. Parsing them takes 30 ms, during which the
gateway serves no other request. OpenAI's API accepts as many tokens per request."""

MAX_LISTS = 1 << 16
"""Maximum lists and objects in a body. Each takes as long to parse as four numbers."""


def validate_values(body: bytes) -> None:
    """Raise InvalidRequest if a JSON body has too many values or lists."""
    if len(body) <= MAX_LISTS or not _has_too_many(body):
        return
    # Count again without the texts, which may contain commas and brackets.
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if body.count(b'"') > 2 * MAX_VALUES or _has_too_many(b"".join(body.split(b'"')[::2])):
        raise InvalidRequest(
            f"The request body has more than {MAX_VALUES} values or {MAX_LISTS} lists; "
            "send the inputs in several requests"
        )


def _has_too_many(text: bytes) -> bool:
    return text.count(b",") >= MAX_VALUES or text.count(b"[") + text.count(b"{") > MAX_LISTS

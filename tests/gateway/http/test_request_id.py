from __future__ import annotations

import re

import pytest

from triton_embed.gateway.http.request_id import request_id


@pytest.mark.parametrize("given", [b"mine", b"!~", b"x" * 128])
def test_valid_id_is_kept(given: bytes) -> None:
    headers = [(b"host", b"x"), (b"x-request-id", given)]
    assert request_id({"headers": headers}) == given.decode()


@pytest.mark.parametrize(
    "given", [b"", b"not valid", b"x" * 129, b"two\nlines", b"\xc3\xa4", b"\x7f", b"x\n"]
)
def test_id_that_could_forge_a_line_of_the_log_is_replaced(given: bytes) -> None:
    made = request_id({"headers": [(b"x-request-id", given)]})
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_requests_without_an_id_get_different_ids() -> None:
    assert len({request_id({"headers": []}) for _ in range(100)}) == 100

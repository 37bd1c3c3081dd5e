from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import documents

TEXT = "before\n\n<!-- figures: rates -->\nold\n\nolder\n<!-- end -->\n\nafter <!-- end -->\n"


def test_block_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text(TEXT, encoding="utf-8")
    assert documents.update(path, {"rates": r"new \1", "others": "not there"}) == ["rates"]
    assert path.read_text(encoding="utf-8") == TEXT.replace("old\n\nolder", r"new \1")


@pytest.mark.parametrize("block", ["throughput", "latency"])
def test_one_document_has_the_block(block: str) -> None:
    texts = [document.read_text(encoding="utf-8") for document in documents.DOCUMENTS]
    (text,) = [each for each in texts if f"<!-- figures: {block} -->\n" in each]
    assert "\n<!-- end -->" in text.partition(f"<!-- figures: {block} -->")[2]

"""The fenced blocks of README and docs/, and the reasons why some are not run by a test.

``python -m testing.documents`` prints the reasons. The tests are in `tests/docs/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from testing.paths import ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
"""The documents whose blocks are run."""

LANGUAGES = ("sh", "python")
"""Languages that are run; `OUTPUT` is compared with the output of the block before it."""

OUTPUT = "text"

NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
CHECKED = re.compile(r"<!-- checked by (tests/.+\.py) -->")
UNTIL_READY = "<!-- run: until ready -->"
"""Marks a block that starts the service; it is stopped as soon as it is ready."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        path: The document.
        line: Number of the line of its opening fence, from 1.
        language: Info string of the fence.
        text: Contents, ending with a newline.
        not_run: Reason why no test runs it; empty if one does.
        checked_by: The test that checks a block that cannot be run, such as a file; or empty.
        until_ready: Whether the block runs a service until it is stopped.
        output: Contents of the block of language `OUTPUT` that follows directly, or ``None``.
    """

    path: Path
    line: int
    language: str
    text: str
    not_run: str
    checked_by: str
    until_ready: bool
    output: str | None

    @property
    def place(self) -> str:
        """The document and the line."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a document in order, without those that are outputs."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    found: list[Block] = []
    for index, token in enumerate(tokens):
        if token.type != "fence" or _is_output(tokens, index):
            continue
        assert token.map is not None
        comment = (
            tokens[index - 1].content.strip() if tokens[index - 1].type == "html_block" else ""
        )
        reason, checked = NOT_RUN.fullmatch(comment), CHECKED.fullmatch(comment)
        followed = index + 1 < len(tokens) and _is_output(tokens, index + 1)
        block = Block(
            path=path,
            line=token.map[0] + 1,
            language=token.info,
            text=token.content,
            not_run=reason[1] if reason else "",
            checked_by=checked[1] if checked else "",
            until_ready=comment == UNTIL_READY,
            output=tokens[index + 1].content if followed else None,
        )
        found.append(block)
    return found


def _is_output(tokens: list[Token], index: int) -> bool:
    """Return whether a token is the output of the runnable block directly before it."""
    token, previous = tokens[index], tokens[index - 1]
    return (
        index > 0
        and token.type == previous.type == "fence"
        and token.info == OUTPUT
        and previous.info in LANGUAGES
    )


def main() -> None:
    """Print the blocks that no test runs, with their reasons."""
    for path in DOCUMENTS:
        for block in blocks(path):
            if block.not_run:
                print(f"{block.place}: not run: {block.not_run}")


if __name__ == "__main__":
    main()

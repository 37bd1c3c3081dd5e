"""Natural-language texts of many lengths, for tests and benchmarks."""

from __future__ import annotations

import ast
import random
import sysconfig
from pathlib import Path

from triton_embed.export.parity.texts import SENTENCES


def mixed_texts(count: int, *, seed: int = 0) -> list[str]:
    """Return texts of 1 to a few hundred tokens: sentences in many languages, and prose."""
    generator = random.Random(seed)
    prose: list[str] = []
    library = Path(sysconfig.get_path("stdlib"))
    for name in ("argparse", "asyncio/tasks", "datetime", "json/decoder", "logging/__init__"):
        for node in ast.walk(ast.parse((library / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                prose += (ast.get_docstring(node) or "").split()
    texts = [text for text in SENTENCES if text.strip()]
    while len(texts) < count:
        start = generator.randrange(len(prose))
        length = int(1 + 180 * generator.random() ** 2)
        texts.append(" ".join(prose[start : start + length]))
    generator.shuffle(texts)
    return texts[:count]

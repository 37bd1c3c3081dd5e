"""Says in words what an installed or a planned model is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import names
from contract.card import ModelCard
from export.entry import Entry
from export.files import human
from export.origin import Origin

if TYPE_CHECKING:
    from export.plan import Plan


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` as lines, with columns that are as wide as their widest cell."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def listing(entries: Sequence[Entry]) -> str:
    """Return one line for each entry, under a line that names the columns."""
    rows = [("MODEL", "FAMILY", "DIMENSION", "MAX TOKENS", "PRECISION", "SIZE", "")]
    for entry in entries:
        origin, card = entry.origin, entry.card
        rows.append(
            (
                entry.title,
                origin.architecture if origin else "-",
                str(card.dimension) if card else "-",
                str(card.max_tokens) if card else "-",
                origin.precision if origin else "-",
                human(entry.size),
                _problem(entry),
            )
        )
    return table(rows)


def of_card(card: ModelCard) -> list[tuple[str, str]]:
    """Return the lines about a model's card, as pairs of a label and a text."""
    return [
        ("id", card.model_id),
        ("name over gRPC", names.triton_model_name(card.model_id)),
        ("dimension", str(card.dimension)),
        ("'dimensions'", _dimensions(card)),
        ("max tokens", str(card.max_tokens)),
        ("'input_type'", "required" if card.asymmetric else "optional"),
        ("query prompt", _quoted(card.prompt_query)),
        ("passage prompt", _quoted(card.prompt_passage)),
        *([] if card.asymmetric else [("other prompt", _quoted(card.prompt_default))]),
        ("'embedding_type'", ", ".join(kind.value for kind in card.embedding_types)),
    ]


def of_entry(entry: Entry) -> str:
    """Return everything about an installed model, as text."""
    rows = of_card(entry.card) if entry.card else [("name over gRPC", entry.name)]
    if entry.problem:
        rows.append(("problem", _problem(entry)))
    if entry.origin:
        rows += of_origin(entry.origin)
    if entry.parity:
        rows.append(("parity", ", ".join(f"{name} {value}" for name, value in _figures(entry))))
    rows.append(("size", human(entry.size)))
    files = [(f"  {human(size)}", path) for path, size in entry.files.items()]
    return f"{table(rows)}\nfiles\n{table(files)}" if files else table(rows)


def of_origin(origin: Origin) -> list[tuple[str, str]]:
    """Return the lines about where a model came from."""
    commit = f" at {origin.revision}" if origin.revision else ""
    return [
        ("family", origin.architecture),
        ("target", origin.target),
        ("precision", origin.precision),
        ("checkpoint", f"{origin.checkpoint}{commit}"),
    ]


def as_data(entry: Entry) -> dict[str, Any]:
    """Return everything about an installed model, for JSON."""
    origin = entry.origin
    return {
        "model": entry.title,
        "name": entry.name,
        "problem": entry.problem,
        "card": entry.card.to_parameters() if entry.card else None,
        "origin": vars(origin) if origin else None,
        "parity": entry.parity,
        "size": entry.size,
        "files": dict(entry.files),
    }


def of_plan(plan: Plan, origin: Origin, folder: Path, *, replaces: bool) -> str:
    """Return what an export would do, as text."""
    model = folder / names.triton_model_name(plan.card.model_id)
    return table(
        [
            *of_card(plan.card),
            *of_origin(origin),
            ("pooling", " and ".join(plan.checkpoint.pooling_modes)),
            ("size", f"about {human(plan.size)}"),
            ("goes to", f"{model}{', replacing what is there' if replaces else ''}"),
            *(("NOTE", note) for note in plan.notes),
        ]
    )


def _problem(entry: Entry) -> str:
    if not entry.problem:
        return ""
    return f"{'broken' if entry.ours else 'foreign'}: it {entry.problem}"


def _dimensions(card: ModelCard) -> str:
    if card.matryoshka is None:
        return "not supported"
    return ", ".join(map(str, card.matryoshka)) or f"any from 1 to {card.dimension}"


def _quoted(prompt: str) -> str:
    return repr(prompt) if prompt else "none"


def _figures(entry: Entry) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), f"{value:.7g}")
        for name, value in (entry.parity or {}).items()
        if isinstance(value, int | float)
    ]

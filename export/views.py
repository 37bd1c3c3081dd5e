"""Says in words what an installed or a planned model is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_embed.contract import naming
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository.files import human
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance

if TYPE_CHECKING:
    from triton_embed.export.plan import ExportPlan


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` as lines, with columns that are as wide as their widest cell."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def listing(entries: Sequence[InstalledModel]) -> str:
    """Return one line for each entry, under a line that names the columns."""
    rows = [("MODEL", "FAMILY", "DIMENSION", "MAX TOKENS", "PRECISION", "SIZE", "")]
    for entry in entries:
        origin, spec = entry.origin, entry.spec
        rows.append(
            (
                entry.title,
                origin.architecture if origin else "-",
                str(spec.dimension) if spec else "-",
                str(spec.max_tokens) if spec else "-",
                origin.precision if origin else "-",
                human(entry.size),
                _problem(entry),
            )
        )
    return table(rows)


def of_spec(spec: ModelSpec) -> list[tuple[str, str]]:
    """Return the lines about a model's spec, as pairs of a label and a text."""
    return [
        ("id", spec.model_id),
        ("name over gRPC", naming.triton_model_name(spec.model_id)),
        ("dimension", str(spec.dimension)),
        ("'dimensions'", _dimensions(spec)),
        ("max tokens", str(spec.max_tokens)),
        ("'input_type'", "required" if spec.is_input_type_required else "optional"),
        ("query prompt", _quoted(spec.prompt_query)),
        ("passage prompt", _quoted(spec.prompt_passage)),
        *([] if spec.is_input_type_required else [("other prompt", _quoted(spec.prompt_default))]),
        ("'embedding_type'", ", ".join(kind.value for kind in spec.embedding_types)),
    ]


def of_entry(entry: InstalledModel) -> str:
    """Return everything about an installed model, as text."""
    rows = of_spec(entry.spec) if entry.spec else [("name over gRPC", entry.name)]
    if entry.problem:
        rows.append(("problem", _problem(entry)))
    if entry.origin:
        rows += of_origin(entry.origin)
    if entry.parity:
        rows.append(("parity", ", ".join(f"{name} {value}" for name, value in _figures(entry))))
    rows.append(("size", human(entry.size)))
    files = [(f"  {human(size)}", path) for path, size in entry.files.items()]
    return f"{table(rows)}\nfiles\n{table(files)}" if files else table(rows)


def of_origin(origin: Provenance) -> list[tuple[str, str]]:
    """Return the lines about where a model came from."""
    commit = f" at {origin.revision}" if origin.revision else ""
    return [
        ("family", origin.architecture),
        ("target", origin.target),
        ("precision", origin.precision),
        ("checkpoint", f"{origin.checkpoint}{commit}"),
    ]


def as_data(entry: InstalledModel) -> dict[str, Any]:
    """Return everything about an installed model, for JSON."""
    origin = entry.origin
    return {
        "model": entry.title,
        "name": entry.name,
        "problem": entry.problem,
        "spec": spec_to_parameters(entry.spec) if entry.spec else None,
        "origin": vars(origin) if origin else None,
        "parity": entry.parity,
        "size": entry.size,
        "files": dict(entry.files),
    }


def of_plan(plan: ExportPlan, origin: Provenance, folder: Path, *, replaces: bool) -> str:
    """Return what an export would do, as text."""
    model = folder / naming.triton_model_name(plan.spec.model_id)
    return table(
        [
            *of_spec(plan.spec),
            *of_origin(origin),
            ("pooling", " and ".join(plan.checkpoint.pooling_modes)),
            ("size", f"about {human(plan.size)}"),
            ("goes to", f"{model}{', replacing what is there' if replaces else ''}"),
            *(("NOTE", note) for note in plan.notes),
        ]
    )


def _problem(entry: InstalledModel) -> str:
    if not entry.problem:
        return ""
    return f"{'broken' if entry.ours else 'foreign'}: it {entry.problem}"


def _dimensions(spec: ModelSpec) -> str:
    if spec.matryoshka_dimensions is None:
        return "not supported"
    return ", ".join(map(str, spec.matryoshka_dimensions)) or f"any from 1 to {spec.dimension}"


def _quoted(prompt: str) -> str:
    return repr(prompt) if prompt else "none"


def _figures(entry: InstalledModel) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), f"{value:.7g}")
        for name, value in (entry.parity or {}).items()
        if isinstance(value, int | float)
    ]

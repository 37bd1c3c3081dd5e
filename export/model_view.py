"""Installed models as text for people and as data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from triton_embed.contract import naming
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository.files import human
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance

Row = tuple[str, str]
"""A label and its value."""


def listing(models: Sequence[InstalledModel]) -> str:
    """Return one line per model, below a line of column names."""
    rows = [("MODEL", "FAMILY", "DIMENSION", "MAX TOKENS", "PRECISION", "SIZE", "")]
    for model in models:
        origin, spec = model.origin, model.spec
        rows.append(
            (
                model.title,
                origin.architecture if origin else "-",
                str(spec.dimension) if spec else "-",
                str(spec.max_tokens) if spec else "-",
                origin.precision if origin else "-",
                human(model.size),
                _problem(model),
            )
        )
    return table(rows)


def details(model: InstalledModel) -> str:
    """Return everything about an installed model, one line per fact."""
    rows = spec_rows(model.spec) if model.spec else [("name over gRPC", model.name)]
    if model.problem:
        rows.append(("problem", _problem(model)))
    if model.origin:
        rows += provenance_rows(model.origin)
    if model.parity:
        rows.append(("parity", ", ".join(f"{name} {value}" for name, value in _figures(model))))
    rows.append(("size", human(model.size)))
    files = [(f"  {human(size)}", path) for path, size in model.files.items()]
    return f"{table(rows)}\nfiles\n{table(files)}" if files else table(rows)


def as_data(model: InstalledModel) -> dict[str, Any]:
    """Return everything about an installed model as values that JSON can hold."""
    origin = model.origin
    return {
        "model": model.title,
        "name": model.name,
        "problem": model.problem,
        "spec": spec_to_parameters(model.spec) if model.spec else None,
        "origin": vars(origin) if origin else None,
        "parity": model.parity,
        "size": model.size,
        "files": dict(model.files),
    }


def spec_rows(spec: ModelSpec) -> list[Row]:
    """Return the rows of a model spec."""
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


def provenance_rows(origin: Provenance) -> list[Row]:
    """Return the rows of a model's provenance."""
    commit = f" at {origin.revision}" if origin.revision else ""
    return [
        ("family", origin.architecture),
        ("target", origin.target),
        ("precision", origin.precision),
        ("checkpoint", f"{origin.checkpoint}{commit}"),
    ]


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` as lines whose columns are as wide as their widest cells."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _problem(model: InstalledModel) -> str:
    if not model.problem:
        return ""
    return f"{'broken' if model.ours else 'foreign'}: it {model.problem}"


def _dimensions(spec: ModelSpec) -> str:
    if spec.matryoshka_dimensions is None:
        return "not supported"
    return ", ".join(map(str, spec.matryoshka_dimensions)) or f"any from 1 to {spec.dimension}"


def _quoted(prompt: str) -> str:
    return repr(prompt) if prompt else "none"


def _figures(model: InstalledModel) -> list[Row]:
    return [
        (name.replace("_", " "), f"{value:.7g}")
        for name, value in (model.parity or {}).items()
        if isinstance(value, int | float)
    ]

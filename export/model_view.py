"""Installed models as text for people and as data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from triton_embed.contract import naming
from triton_embed.contract.pipeline import Role
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import parity_report
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance, TokenizerProvenance

Row = tuple[str, str]
"""A label and its value."""


def listing(models: Sequence[InstalledModel]) -> str:
    """Return one line per model, below a line of column names."""
    rows = [("MODEL", "FAMILY", "DIMENSION", "MAX TOKENS", "PRECISION", "SIZE", "")]
    for model in models:
        provenance, spec = _provenance(model), model.spec
        rows.append(
            (
                model.display_name,
                provenance.architecture if provenance else "-",
                str(spec.dimension) if spec else "-",
                str(spec.max_tokens) if spec else "-",
                provenance.precision if provenance else "-",
                human_size(model.size),
                _problem(model),
            )
        )
    return table(rows)


def details(model: InstalledModel) -> str:
    """Return everything about an installed model, one line per fact."""
    rows = spec_rows(model.spec) if model.spec else [("name over gRPC", model.name)]
    if problem := _problem(model):
        rows.append(("problem", problem))
    if provenance := _provenance(model):
        rows += provenance_rows(provenance)
    if parity := _figures(_parity(model)):
        rows.append(("parity", ", ".join(f"{name} {value}" for name, value in parity)))
    rows.append(("size", human_size(model.size)))
    files = [(f"  {human_size(size)}", path) for path, size in model.files.items()]
    return f"{table(rows)}\nfiles\n{table(files)}" if files else table(rows)


def as_data(model: InstalledModel) -> dict[str, Any]:
    """Return everything about an installed model as values that JSON can hold."""
    provenance = _provenance(model)
    return {
        "model": model.display_name,
        "name": model.name,
        "problem": model.problem,
        "spec": spec_to_parameters(model.spec) if model.spec else None,
        "provenance": asdict(provenance) if provenance else None,
        "parity": _parity(model),
        "size": model.size,
        "files": model.files,
    }


def spec_rows(spec: ModelSpec) -> list[Row]:
    """Return the rows of a model spec."""
    return [
        ("id", spec.model_id),
        ("name over gRPC", naming.triton_model_name(spec.model_id)),
        ("dimension", str(spec.dimension)),
        ("pooling", _pooling(spec)),
        ("normalized", "yes" if spec.normalized else "no"),
        ("'dimensions'", _dimensions(spec)),
        ("max tokens", str(spec.max_tokens)),
        *_limit_row("query", spec.max_tokens_query),
        *_limit_row("passage", spec.max_tokens_passage),
        ("'input_type'", "required" if spec.is_input_type_required else "optional"),
        ("query prompt", _quoted(spec.prompt_query)),
        ("passage prompt", _quoted(spec.prompt_passage)),
        *([] if spec.is_input_type_required else [("other prompt", _quoted(spec.prompt_default))]),
        ("'embedding_type'", ", ".join(kind.value for kind in spec.embedding_types)),
    ]


def provenance_rows(provenance: Provenance) -> list[Row]:
    """Return the rows of a model's provenance."""
    commit = f" at {provenance.revision}" if provenance.revision else ""
    return [
        ("family", provenance.architecture),
        ("target", provenance.target),
        ("precision", provenance.precision),
        ("checkpoint", f"{provenance.checkpoint}{commit}"),
        *_tokenizer_rows(provenance.tokenizer),
    ]


def _tokenizer_rows(tokenizer: TokenizerProvenance | None) -> list[Row]:
    if tokenizer is None:
        return []
    changes = [("  changed", change) for change in tokenizer.changes]
    return [("tokenizer", f"sha256 {tokenizer.sha256}"), *changes]


def human_size(size: float) -> str:
    """Return a number of bytes for people to read, such as ``91 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` as lines whose columns are as wide as their widest cells."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _problem(model: InstalledModel) -> str:
    if model.is_managed:
        return f"broken: it {model.problem}" if model.problem else ""
    return f"foreign: it {model.problem or 'was not made by triton-embed export'}"


def _limit_row(kind: str, limit: int | None) -> list[Row]:
    return [] if limit is None else [(f"max tokens of a {kind}", str(limit))]


def _pooling(spec: ModelSpec) -> str:
    modes = " and ".join(spec.pooling)
    return modes if spec.pools_prompt else f"{modes}, without the prompt's tokens"


def _dimensions(spec: ModelSpec) -> str:
    if spec.matryoshka_dimensions is None:
        return "not supported"
    return ", ".join(map(str, spec.matryoshka_dimensions)) or f"any from 1 to {spec.dimension}"


def _quoted(prompt: str) -> str:
    return repr(prompt) if prompt else "none"


def _provenance(model: InstalledModel) -> Provenance | None:
    return Provenance.read(model.version_folder(Role.ENCODE))


def _parity(model: InstalledModel) -> Mapping[str, Any] | None:
    return parity_report.read(model.version_folder(Role.ENCODE))


def _figures(parity: Mapping[str, Any] | None) -> list[Row]:
    return [
        (name.replace("_", " "), f"{value:.7g}")
        for name, value in (parity or {}).items()
        if isinstance(value, int | float)
    ]

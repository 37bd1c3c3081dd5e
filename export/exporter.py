"""The whole way from a checkpoint to an installed repository entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2

from triton_embed.contract import naming, pipelines
from triton_embed.export import plan as plans
from triton_embed.export.graph import builder as graph
from triton_embed.export.graph import tensorrt
from triton_embed.export.overrides import SpecOverrides
from triton_embed.export.parity import measurement as parity
from triton_embed.export.parity import reference
from triton_embed.export.parity.measurement import Parity
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.plan import ExportPlan
from triton_embed.export.progress import Advance, Progress
from triton_embed.export.towers.text import PackedEncoder
from triton_embed.repository import config
from triton_embed.repository import model as entry
from triton_embed.repository.installer import Repository

if TYPE_CHECKING:
    from typing_extensions import Unpack


def export(
    checkpoint: str,
    folder: Path,
    *,
    model_id: str | None = None,
    revision: str | None = None,
    target: str = "cpu",
    precision: str | None = None,
    max_batch_size: int | None = None,
    **flags: Unpack[SpecOverrides],
) -> Parity:
    """Export `checkpoint` into the model repository `folder` and return the measured parity.

    An older entry of the same id is replaced. On failure the repository is left as it was.

    Args:
        checkpoint: A folder or a hub id.
        folder: The model repository.
        model_id: The public id; by default the hub id, or the name of the folder.
        revision: A branch, tag or commit of the hub.
        target: What runs the encoder, one of `TARGETS`.
        precision: Of the transformer, one of `PRECISIONS`; by default what suits the target.
        max_batch_size: Most texts of one request to Triton, and of one execution; by default
            what suits the target.
        flags: What goes before the checkpoint's own files, see `SpecOverrides`.

    Raises:
        ExportError: the checkpoint cannot be exported, or its parity fails.
    """
    progress = Progress(6 + (target == "tensorrt"))
    with progress.step(f"reading {checkpoint}", talks=not Path(checkpoint).is_dir()):
        plan = plans.make(
            checkpoint,
            model_id=model_id,
            revision=revision,
            target=target,
            precision=precision,
            max_batch_size=max_batch_size,
            flags=flags,
        )
        replaced = entry.replaced(folder, plan.spec.model_id)
        plan.source.download(plan.checkpoint)
    for note in plan.notes:
        progress.note(note)
    texts = parity_texts()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as advance:
        expected = reference.compute(
            plan.checkpoint, plan.prompts, texts, plan.spec.max_tokens, advance
        )
    with progress.step("loading the weights"):
        encoder = PackedEncoder(plan.checkpoint, target, plan.variant.precision)
    plan = plan.calibrated(expected.vectors.values())
    repository = Repository(folder)
    with repository.staging() as staging:
        with progress.step("building the packed ONNX encoder") as advance:
            configs = plan.configs(datetime.now(timezone.utc))
            model = _write(staging, configs, plan, encoder, expected, advance)
        with progress.step("comparing it with the reference") as advance:
            measured = parity.measure(
                model, expected, plan.spec.max_tokens, texts, plan.variant, advance
            )
            measured.check()
            measured.write(model.with_name("parity.json"))
            plan.origin(flags).write(model.parent)
        if target == "tensorrt":
            installed = folder / model.parent.relative_to(staging)
            shapes = tensorrt.profile(plan.variant.max_batch_size, plan.spec.max_tokens)
            _build_engine(model, installed, shapes, progress)
        with progress.step(f"installing '{plan.spec.model_id}' in {folder}"):
            before = replaced.models if replaced else ()
            aliases = [name for name in before if name not in configs and name.lower() in configs]
            repository.install(staging, configs, obsolete=aliases)
    if measured.caveat:
        progress.note(f"the parity was {measured.caveat}")
    return measured


def _build_engine(
    model: Path, installed: Path, shapes: tensorrt.Profile, progress: Progress
) -> None:
    """Build the engine of `model`, or note how to do that in the folder `installed`."""
    with progress.step("building the TensorRT engine where there is a GPU"):
        script = tensorrt.build(model, shapes)
    if script:
        progress.note(
            "no engine was built, and Triton cannot load the model before "
            f"{installed / script.name} has run where there are TensorRT and a GPU. "
            f"Its command is: {tensorrt.command(shapes)}"
        )


def _write(
    staging: Path,
    configs: Mapping[str, model_config_pb2.ModelConfig],
    plan: ExportPlan,
    encoder: PackedEncoder,
    expected: Reference,
    advance: Advance,
) -> Path:
    """Write every file of the entry into `staging` and return the path of the ONNX model."""
    spec = plan.spec
    ensemble = naming.triton_model_name(spec.model_id)
    for name, content in configs.items():
        (staging / name / "1").mkdir(parents=True)
        config.write(staging / name, content)
    tokenizer = staging / pipelines.TOKENIZER.triton_name(ensemble) / "1" / "tokenizer.json"
    tokenizer.write_text(expected.tokenizer, encoding="utf-8")
    path = staging / pipelines.ENCODER.triton_name(ensemble) / "1" / "model.onnx"
    model = graph.to_onnx(encoder, spec.max_tokens, plan.variant.target)
    graph.save(model, path, advance)
    # The comparison loads them a second time.
    graph.free(model, encoder)
    return path

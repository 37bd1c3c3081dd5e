"""The stages of an export, from a request to an installed model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from triton_embed.contract import naming, pipelines
from triton_embed.contract.image_spec import Resize
from triton_embed.contract.pipeline import Role
from triton_embed.contract.spec import ModelSpec
from triton_embed.export import stages
from triton_embed.export.graph import builder, storage, tensorrt
from triton_embed.export.graph.vision import any_size_to_onnx, vision_to_onnx
from triton_embed.export.parity.gate import Parity
from triton_embed.export.parity.measurement import ServedModel, measure
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.plan import ExportPlan
from triton_embed.export.progress import Progress, ProgressCallback
from triton_embed.export.request import ExportRequest
from triton_embed.export.towers.any_size import AnySizeTower, load_any_size_tower
from triton_embed.export.towers.text import PackedEncoder
from triton_embed.export.towers.vision import VisionTower
from triton_embed.repository import config, installer, layout, parity_report
from triton_embed.repository.conflict import find_replaced
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.staging import staging


@dataclass(frozen=True)
class ExportedModel:
    """The result of an export.

    Attributes:
        spec: The installed model's spec.
        parity: The measured parity.
    """

    spec: ModelSpec
    parity: Parity


def export(request: ExportRequest) -> ExportedModel:
    """Export a checkpoint into a model repository.

    An installed model of the same id is replaced. On failure the repository stays as it was.

    Raises:
        ExportError: the checkpoint cannot be exported, or misses the parity thresholds.
        RepositoryError: the model must not replace the installed model.
    """
    progress = Progress(6 + (request.target == "tensorrt"))
    plan = stages.read_checkpoint(request, progress, check=_find_replaced)
    for note in plan.notes:
        progress.note(note)
    reference = stages.embed_reference(plan, progress)
    with progress.step("loading the weights"):
        tokens = plan.spec.image_tokens
        encoder = PackedEncoder(
            plan.checkpoint,
            request.target,
            plan.options.precision,
            placeholder=tokens.placeholder if tokens else None,
            calibration=reference.typical_rows(),
        )
    plan = plan.calibrated(reference.vectors.values())
    with staging(request.model_repository) as staged:
        with progress.step("building the packed ONNX encoder") as report:
            configs = plan.configs(datetime.now(timezone.utc))
            model = _write_model(staged, configs, plan, encoder, report)
        with progress.step("comparing it with the reference") as report:
            parity = _pass_gate(staged, model, plan, reference, report)
        if plan.options.target.runtime.backend == "tensorrt":
            _build_engines(staged, plan, progress)
        with progress.step(f"installing '{plan.spec.model_id}' in {request.model_repository}"):
            _install(staged, configs, plan)
    if parity.caveat:
        progress.note(f"the parity was {parity.caveat}")
    return ExportedModel(plan.spec, parity)


def _find_replaced(plan: ExportPlan) -> InstalledModel | None:
    return find_replaced(plan.request.model_repository, plan.spec)


def _write_model(
    staged: Path,
    configs: Mapping[str, model_config_pb2.ModelConfig],
    plan: ExportPlan,
    encoder: PackedEncoder,
    on_progress: ProgressCallback,
) -> Path:
    """Write every file of the model into `staged` and return the path of the ONNX file."""
    spec = plan.spec
    ensemble = naming.triton_model_name(spec.model_id)
    for name, content in configs.items():
        layout.version_folder(staged, name).mkdir(parents=True)
        config.write(staged / name, content)
    assert plan.tokenizer is not None
    tokenizer = layout.step_file(staged, ensemble, pipelines.TOKENIZER)
    tokenizer.write_text(plan.tokenizer.content, encoding="utf-8")
    if plan.preprocessor:
        _write_vision(layout.step_file(staged, ensemble, pipelines.VISION), plan, on_progress)
    path = layout.step_file(staged, ensemble, pipelines.ENCODER)
    model = builder.to_onnx(encoder, spec.max_tokens, plan.options.target)
    storage.save(model, path, on_progress)
    # The comparison loads the weights a second time.
    storage.free(model, encoder)
    return path


def _write_vision(path: Path, plan: ExportPlan, on_progress: ProgressCallback) -> None:
    """Write the ONNX file of the image tower to `path`."""
    assert plan.preprocessor
    target, precision = plan.options.target, plan.options.precision
    arguments = (plan.checkpoint, plan.preprocessor, target.name, precision)
    tower: AnySizeTower | VisionTower
    if plan.preprocessor.spec.resize is Resize.FIT:
        tower = load_any_size_tower(*arguments)
        model = any_size_to_onnx(tower, target)
    else:
        tower = VisionTower(*arguments).eval()
        model = vision_to_onnx(tower, target)
    storage.save(model, path, on_progress)
    storage.free(model, tower)


def _pass_gate(
    staged: Path,
    model: Path,
    plan: ExportPlan,
    reference: Reference,
    on_progress: ProgressCallback,
) -> Parity:
    """Measure the parity, and write it and the provenance next to `model`.

    Raises:
        ExportError: a threshold is missed.
    """
    ensemble = naming.triton_model_name(plan.spec.model_id)
    tokenizer = layout.step_file(staged, ensemble, pipelines.TOKENIZER)
    parity = measure(
        ServedModel(
            model,
            tokenizer.read_text(encoding="utf-8"),
            plan.spec,
            layout.step_file(staged, ensemble, pipelines.VISION) if plan.preprocessor else None,
        ),
        reference,
        parity_texts(),
        plan.options,
        on_progress,
    )
    parity.check()
    parity_report.write(model.parent, parity.figures())
    plan.provenance.write(model.parent)
    return parity


def _build_engines(staged: Path, plan: ExportPlan, progress: Progress) -> None:
    """Build the TensorRT engines, or print the commands that build them elsewhere."""
    spec = plan.spec
    ensemble = naming.triton_model_name(spec.model_id)
    engines = {
        pipelines.ENCODER: tensorrt.profile(
            plan.options.max_batch_size,
            spec.max_tokens,
            spec.feature_size if spec.image_tokens else 0,
        )
    }
    for step in plan.pipeline.steps:
        if step.role is Role.VISION:
            engines[step] = tensorrt.vision_profile(spec, step.inputs)
    with progress.step("building the TensorRT engine if there is a GPU"):
        scripts = {
            script: shapes
            for step, shapes in engines.items()
            if (script := tensorrt.build(layout.step_file(staged, ensemble, step), shapes))
        }
    for script, shapes in scripts.items():
        installed = plan.request.model_repository / script.relative_to(staged)
        progress.note(
            "no engine was built, and Triton cannot load the model until "
            f"{installed} has run on a machine with TensorRT and a GPU. "
            f"Its command is: {tensorrt.command(shapes)}"
        )


def _install(staged: Path, names: Iterable[str], plan: ExportPlan) -> None:
    """Move the staged model into the repository, replacing an installed one of the same id."""
    names = tuple(names)
    installed = _find_replaced(plan)
    before = installed.folders if installed else ()
    # Such as the alias, if the id's case has changed.
    obsolete = [name for name in before if name not in names]
    installer.install(plan.request.model_repository, staged, names, obsolete)

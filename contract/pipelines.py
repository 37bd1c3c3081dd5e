"""The pipelines that `export` can make."""

from __future__ import annotations

from dataclasses import replace

from triton_embed.contract import tensors
from triton_embed.contract.pipeline import DType, Ensemble, Pipeline, Role, Stage, Step, Tensor

ROUTER_INSTANCES = 4
"""Instances of the router of a model that takes images. Each executes one request at a time, and
mostly waits for the steps."""

TEXT_INPUT = Tensor(tensors.TEXT, DType.BYTES, (1,))
MODALITY_INPUT = Tensor(tensors.MODALITY, DType.BYTES, (1,), optional=True)
LENGTH = Tensor(tensors.LENGTH, DType.INT32, (1,))
TOKEN_COUNT = Tensor(tensors.TOKEN_COUNT, DType.INT32, (1,))
VECTORS = Tensor(tensors.EMBEDDINGS, DType.FP32, ("dimension",))
"""The encoder's vectors. Their length is fixed so that Triton rejects any other: a tensor whose
size in bytes overflows 64 bits would crash the Python process of the step that receives it."""
EMBEDDINGS = Tensor(tensors.EMBEDDINGS, DType.FP32, (-1,))
"""Vectors in the form that a request specifies, of any length."""

TOKENIZER = Step(
    name="tokenizer",
    role=Role.TOKENIZE,
    backend="tokenizer",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(Tensor(tensors.TOKEN_IDS, DType.INT32, (-1,)), LENGTH, TOKEN_COUNT),
    files=("tokenizer.json",),
    needs_spec=True,
)

ENCODER = Step(
    name="encoder",
    role=Role.ENCODE,
    backend=None,
    inputs=(
        Tensor(tensors.TOKEN_IDS, DType.INT32, (-1,), ragged=True, width_name=tensors.ROW_WIDTH),
        LENGTH,
    ),
    outputs=(VECTORS,),
    files=("model.onnx",),
)

POSTPROCESS = Step(
    name="postprocess",
    role=Role.POSTPROCESS,
    backend="postprocess",
    inputs=(VECTORS,),
    outputs=(EMBEDDINGS,),
    needs_spec=True,
)


def _tokenize(tokenizer: Step, length: str) -> Stage:
    """Return the stage of `tokenizer`, with the name of the ensemble's tensor of lengths."""
    outputs = {tensor.name: tensor.name for tensor in tokenizer.outputs}
    outputs[tensors.LENGTH] = length
    if length == tensors.TOKEN_COUNT:
        # The same numbers: one tensor fewer to pass on.
        del outputs[tensors.TOKEN_COUNT]
    inputs = {tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY}
    return Stage(tokenizer, inputs, outputs)


def _encode(encoder: Step, length: str, vectors: str) -> Stage:
    """Return the stage of `encoder`, with the ensemble's tensors of lengths and vectors."""
    inputs = {tensor.name: tensor.name for tensor in encoder.inputs}
    inputs[tensors.LENGTH] = length
    return Stage(encoder, inputs, {tensors.EMBEDDINGS: vectors})


def _text_direct(suffix: str, tokenizer: Step, encoder: Step, length: str) -> Ensemble:
    """Return the ensemble for texts that ends with the encoder.

    Args:
        suffix: Ends its name.
        tokenizer: The step that tokenizes.
        encoder: The step that encodes.
        length: Its tensor of lengths: ``token_count`` if they are the numbers of tokens.
    """
    return Ensemble(
        role=Role.DIRECT,
        suffix=suffix,
        inputs=(TEXT_INPUT, MODALITY_INPUT),
        outputs=(TOKEN_COUNT, EMBEDDINGS),
        stages=(_tokenize(tokenizer, length), _encode(encoder, length, tensors.EMBEDDINGS)),
    )


def _text_complete(role: Role, suffix: str, tokenizer: Step, encoder: Step) -> Ensemble:
    """Return the ensemble for texts with all steps."""
    return Ensemble(
        role=role,
        suffix=suffix,
        inputs=(TEXT_INPUT, MODALITY_INPUT),
        outputs=(TOKEN_COUNT, EMBEDDINGS),
        stages=(
            # Triton drops an output together with the steps that read it, and a client may
            # request the count alone: it has a tensor of its own.
            _tokenize(tokenizer, tensors.LENGTH),
            _encode(encoder, tensors.LENGTH, tensors.VECTORS),
            Stage(
                POSTPROCESS,
                inputs={tensors.EMBEDDINGS: tensors.VECTORS},
                outputs={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
            ),
        ),
        needs_spec=True,
    )


TEXT_DIRECT = _text_direct("_direct", TOKENIZER, ENCODER, tensors.TOKEN_COUNT)
TEXT_ENTRY = _text_complete(Role.ENTRY, "", TOKENIZER, ENCODER)

TEXT = Pipeline(
    name="text",
    steps=(TOKENIZER, ENCODER, POSTPROCESS),
    ensembles=(TEXT_DIRECT, TEXT_ENTRY),
)

VISION = Step(
    name="vision",
    role=Role.VISION,
    backend=None,
    inputs=(Tensor(tensors.PIXELS, DType.UINT8, (3, "image_size", "image_size")),),
    outputs=(Tensor(tensors.EMBEDDINGS, DType.FP32, ("dimension",)),),
    files=("model.onnx",),
    max_batch_size="max_batch_tiles",
)

ROUTER = Step(
    name="router",
    role=Role.ROUTE,
    backend="multimodal",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    needs_spec=True,
    instances=ROUTER_INSTANCES,
    batches=False,
)
"""An ensemble cannot skip the image tower for a text, nor pass it several tiles of one input."""

ROUTED_ENTRY = Ensemble(
    role=Role.ENTRY,
    suffix="",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    stages=(
        Stage(
            ROUTER,
            inputs={tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY},
            outputs={
                tensors.TOKEN_COUNT: tensors.TOKEN_COUNT,
                tensors.EMBEDDINGS: tensors.EMBEDDINGS,
            },
        ),
    ),
    needs_spec=True,
)
"""The router alone. As an ensemble, it costs no process to serve it under further names."""

DUAL = Pipeline(
    name="dual",
    steps=(TOKENIZER, ENCODER, VISION, POSTPROCESS, ROUTER),
    ensembles=(
        # A text may be padded, so that its length is not its number of tokens.
        _text_direct("_text_direct", TOKENIZER, ENCODER, tensors.LENGTH),
        _text_complete(Role.TEXT, "_text", TOKENIZER, ENCODER),
        ROUTED_ENTRY,
    ),
)
"""Texts and images have a tower each, which give vectors in one space."""

FUSED_TOKENIZER = replace(
    TOKENIZER,
    inputs=(
        *TOKENIZER.inputs,
        Tensor(tensors.IMAGE_GRID, DType.INT32, (2,), optional=True),
    ),
    outputs=(*TOKENIZER.outputs, Tensor(tensors.FEATURES, DType.FP32, (1, "feature_size"))),
)

FUSED_ENCODER = replace(
    ENCODER,
    inputs=(
        *ENCODER.inputs,
        # The length of a row is fixed so that Triton rejects any other.
        Tensor(
            tensors.FEATURES,
            DType.FP32,
            (-1, "feature_size"),
            ragged=True,
            width_name=tensors.FEATURE_SHAPE,
        ),
    ),
)

FUSED_VISION = replace(
    VISION,
    outputs=(Tensor(tensors.FEATURES, DType.FP32, ("tokens_per_tile", "feature_size")),),
)

FUSED = Pipeline(
    name="fused",
    steps=(FUSED_TOKENIZER, FUSED_ENCODER, FUSED_VISION, POSTPROCESS, ROUTER),
    ensembles=(
        _text_direct("_text_direct", FUSED_TOKENIZER, FUSED_ENCODER, tensors.TOKEN_COUNT),
        _text_complete(Role.TEXT, "_text", FUSED_TOKENIZER, FUSED_ENCODER),
        ROUTED_ENTRY,
    ),
)
"""The features of an image replace the embeddings of its tokens in the language model, which
embeds texts and images. A text has one row of features that nothing reads: Triton's C++ backends
fill the inputs of batch mates incorrectly if a tensor is empty."""

FUSED_ANY_SIZE_VISION = replace(
    FUSED_VISION, inputs=(*FUSED_VISION.inputs, Tensor(tensors.TILE_POSITION, DType.INT32, (3,)))
)

FUSED_ANY_SIZE = replace(
    FUSED,
    name="fused_any_size",
    steps=(FUSED_TOKENIZER, FUSED_ENCODER, FUSED_ANY_SIZE_VISION, POSTPROCESS, ROUTER),
)
"""The same, with a tower for images of any size: each attends across all of its tiles."""

PIPELINES = {pipeline.name: pipeline for pipeline in (TEXT, DUAL, FUSED, FUSED_ANY_SIZE)}
"""Every pipeline, by the ``pipeline`` in a Triton model's parameters."""

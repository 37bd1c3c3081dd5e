"""The pipelines that `export` can make."""

from __future__ import annotations

from dataclasses import replace

from triton_embed.contract import tensors
from triton_embed.contract.pipeline import DType, Ensemble, Pipeline, Role, Stage, Step, Tensor

MAX_TILES = 32
"""Maximum tiles of one execution of an image tower: enough to occupy a GPU, and few enough that
their activations fit into memory next to the other models."""

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

TEXT_DIRECT = Ensemble(
    role=Role.DIRECT,
    suffix="_direct",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    stages=(
        Stage(
            TOKENIZER,
            inputs={tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY},
            outputs={
                tensors.TOKEN_IDS: tensors.TOKEN_IDS,
                # The same numbers as TOKEN_COUNT: one tensor less to pass on.
                tensors.LENGTH: tensors.TOKEN_COUNT,
            },
        ),
        Stage(
            ENCODER,
            inputs={tensors.TOKEN_IDS: tensors.TOKEN_IDS, tensors.LENGTH: tensors.TOKEN_COUNT},
            outputs={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
        ),
    ),
)

TOKENIZE_AND_COUNT = Stage(
    TOKENIZER,
    inputs={tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY},
    # Triton drops an output together with the steps that read it, and a client may
    # request the count alone: it has a tensor of its own.
    outputs={
        tensors.TOKEN_IDS: tensors.TOKEN_IDS,
        tensors.LENGTH: tensors.LENGTH,
        tensors.TOKEN_COUNT: tensors.TOKEN_COUNT,
    },
)

TEXT_ENTRY = Ensemble(
    role=Role.ENTRY,
    suffix="",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    stages=(
        TOKENIZE_AND_COUNT,
        Stage(
            ENCODER,
            inputs={tensors.TOKEN_IDS: tensors.TOKEN_IDS, tensors.LENGTH: tensors.LENGTH},
            outputs={tensors.EMBEDDINGS: tensors.VECTORS},
        ),
        Stage(
            POSTPROCESS,
            inputs={tensors.EMBEDDINGS: tensors.VECTORS},
            outputs={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
        ),
    ),
    needs_spec=True,
)

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
    max_batch_size=MAX_TILES,
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

# A text may be padded, so that its length is not its number of tokens.
DUAL_TEXT = replace(TEXT_ENTRY, role=Role.TEXT, suffix="_text")
DUAL_TEXT_DIRECT = Ensemble(
    role=Role.DIRECT,
    suffix="_text_direct",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    stages=(
        TOKENIZE_AND_COUNT,
        Stage(
            ENCODER,
            inputs={tensors.TOKEN_IDS: tensors.TOKEN_IDS, tensors.LENGTH: tensors.LENGTH},
            outputs={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
        ),
    ),
)

DUAL = Pipeline(
    name="dual",
    steps=(TOKENIZER, ENCODER, VISION, POSTPROCESS, ROUTER),
    ensembles=(DUAL_TEXT_DIRECT, DUAL_TEXT, ROUTED_ENTRY),
)
"""Texts and images have a tower each, which give vectors in one space."""

PIPELINES = {pipeline.name: pipeline for pipeline in (TEXT, DUAL)}
"""Every pipeline, by the ``pipeline`` in a Triton model's parameters."""

"""The pipelines that `export` can make."""

from __future__ import annotations

from triton_embed.contract import tensors
from triton_embed.contract.pipeline import DType, Ensemble, Pipeline, Role, Stage, Step, Tensor

TEXT_INPUT = Tensor(tensors.TEXT, DType.BYTES, (1,))
MODALITY_INPUT = Tensor(tensors.MODALITY, DType.BYTES, (1,), optional=True)
LENGTH = Tensor(tensors.LENGTH, DType.INT32, (1,))
TOKEN_COUNT = Tensor(tensors.TOKEN_COUNT, DType.INT32, (1,))
VECTORS = Tensor(tensors.EMBEDDINGS, DType.FP32, ("dimension",))
"""The encoder's vectors. Their length is declared where a client of Triton could send them: the
Python process of a step ends at a tensor whose size exceeds 64 bits."""
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

TEXT_ENTRY = Ensemble(
    role=Role.ENTRY,
    suffix="",
    inputs=(TEXT_INPUT, MODALITY_INPUT),
    outputs=(TOKEN_COUNT, EMBEDDINGS),
    stages=(
        Stage(
            TOKENIZER,
            inputs={tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY},
            # Triton drops an output together with the steps that read it, and a client may
            # request the count alone: it has a tensor of its own.
            outputs={
                tensors.TOKEN_IDS: tensors.TOKEN_IDS,
                tensors.LENGTH: tensors.LENGTH,
                tensors.TOKEN_COUNT: tensors.TOKEN_COUNT,
            },
        ),
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

PIPELINES = {pipeline.name: pipeline for pipeline in (TEXT,)}
"""Every pipeline, by the ``pipeline`` in a Triton model's parameters."""

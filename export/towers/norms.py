"""Layer normalization in the form that ONNX Runtime computes fastest on a CPU."""

from __future__ import annotations

from torch import Tensor, nn


class RowNorm(nn.Module):
    """A layer normalization that reshapes its input to a matrix.

    The reshape, which is free, keeps ONNX Runtime from fusing the normalization with the preceding
    addition: on a CPU the fused kernel (SkipLayerNormalization) is far slower than the two.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        """Share the weights of `norm`."""
        super().__init__()
        self.norm = norm

    def forward(self, states: Tensor) -> Tensor:
        """Normalize [..., size] over its last axis."""
        rows: Tensor = self.norm(states.reshape(-1, states.shape[-1]))
        return rows.reshape(states.shape)


def prevent_skip_norm_fusion(transformer: nn.Module) -> None:
    """Make every layer normalization of `transformer` a `RowNorm`, in place."""
    for parent in list(transformer.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.LayerNorm:
                setattr(parent, name, RowNorm(child))

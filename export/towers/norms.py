"""Layer normalisation in the form that ONNX Runtime is fastest with on a CPU."""

from __future__ import annotations

from torch import Tensor, nn


class RowNorm(nn.Module):
    """A layer normalisation of a matrix, whatever the shape of its input.

    The detour keeps ONNX Runtime from merging it with the addition before it: on a CPU the merged
    kernel is far slower than the two are. Reshaping costs nothing.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        """Share the weights of `norm`."""
        super().__init__()
        self.norm = norm

    def forward(self, states: Tensor) -> Tensor:
        """Normalise [..., size] over its last axis."""
        rows: Tensor = self.norm(states.reshape(-1, states.shape[-1]))
        return rows.reshape(states.shape)


def prevent_skip_norm_fusion(transformer: nn.Module) -> None:
    """Make every layer normalisation of `transformer` a `RowNorm`, in place."""
    for parent in list(transformer.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.LayerNorm:
                setattr(parent, name, RowNorm(child))

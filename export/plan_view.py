"""A dry run as text: the model that an export would install."""

from __future__ import annotations

from triton_embed.contract import naming
from triton_embed.export.model_view import human_size, provenance_rows, spec_rows, table
from triton_embed.export.plan import ExportPlan
from triton_embed.repository.conflict import find_replaced


def details(plan: ExportPlan) -> str:
    """Return everything that an export would install, one line per fact.

    Raises:
        RepositoryError: the model must not replace one that is installed.
    """
    repository, model_id = plan.request.model_repository, plan.spec.model_id
    destination = str(repository / naming.triton_model_name(model_id))
    if find_replaced(repository, plan.spec) is not None:
        destination += ", replacing the installed model"
    return table(
        [
            *spec_rows(plan.spec),
            *provenance_rows(plan.provenance),
            ("size", f"about {human_size(plan.size)}"),
            ("destination", destination),
            *(("NOTE", note) for note in plan.notes),
        ]
    )

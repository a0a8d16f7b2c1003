"""A tree and its masks into the database: one row and one COPY in leaf order, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from annotation_site.catalog.gathering import CategoryRows
from annotation_site.catalog.known_objects import Recognised, note_replacements
from annotation_site.catalog.models import Category, Role, Round, Tree
from pipeline.dendrogram import Dendrogram
from pipeline.progress import Progress, silent

COLUMNS = {
    "tree_id": "int8", "position": "int4", "image_id": "int8", "x": "float8", "y": "float8", "width":
    "float8", "height": "float8", "counts": "bytea", "class_score": "float8", "predicted_iou": "float8",
    "score": "float8", "iou": "float8",
}  # fmt: skip
"""Of a mask's row, with the types that binary COPY needs to be told."""

COPY = f"COPY catalog_mask ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"

REPORT_EVERY = 10_000


@transaction.atomic
def plant_tree(
    round_: Round,
    category: Category,
    role: Role,
    *,
    dendrogram: Dendrogram,
    rows: CategoryRows,
    ious: NDArray[np.floating] | None = None,
    recognised: Recognised | None = None,
    linkage: str,
    seed: int,
    progress: Progress = silent,
) -> Tree:
    """Store the tree of a category with its masks, or nothing of it.

    Parameters
    ----------
    rows : the n masks that were clustered; `dendrogram.order` says which row each leaf is
    ious : (n,) with the ground truth, for held-out images
    recognised : which of the rows may replace masks of earlier rounds
    linkage, seed : what the tree was made with, and what its leaf keys are made from
    """
    tree = Tree.objects.create(
        round=round_,
        category=category,
        role=role,
        n=dendrogram.n,
        linkage=linkage,
        seed=seed,
        packed=dendrogram.to_bytes(),
    )
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(COLUMNS.values()))
        for written, row in enumerate(_mask_rows(tree.pk, dendrogram.order, rows, ious)):
            if written % REPORT_EVERY == 0:
                progress(written, dendrogram.n)
            copy.write_row(row)
    if recognised is not None:
        positions = np.argsort(dendrogram.order)[recognised.kept_rows()]
        note_replacements(tree.pk, positions, recognised)
    return tree


def _mask_rows(
    tree: int, order: NDArray[np.int32], rows: CategoryRows, ious: NDArray[np.floating] | None
) -> Iterator[tuple[Any, ...]]:
    """The values of COLUMNS, leaf by leaf; a block of leaves at a time becomes Python numbers."""
    for start in range(0, len(order), REPORT_EVERY):
        leaves = order[start : start + REPORT_EVERY]
        columns = zip(
            rows.images[leaves].tolist(),
            rows.boxes[leaves].tolist(),
            rows.counts_of(leaves),
            rows.class_scores[leaves].tolist(),
            rows.predicted_ious[leaves].tolist(),
            rows.scores[leaves].tolist(),
            [None] * len(leaves) if ious is None else ious[leaves].tolist(),
            strict=True,
        )
        for place, (image, box, counts, *scores) in enumerate(columns, start):
            yield (tree, place, image, *box, counts, *scores)

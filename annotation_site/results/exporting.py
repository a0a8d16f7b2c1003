"""The verified dataset as a COCO file: written part by part, whole or not at all, as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation_site.catalog.models import Image, Project
from annotation_site.results.outcomes import Fate, Segment, TreeOutcome, one_moment, outcome_of, trees_of
from annotation_site.results.rows import ImageTable, MaskRow, ReplacedMasks, masks_within, places_within
from annotation_site.verification.models import Overruling
from pipeline import masks
from pipeline.coco import write_instances
from pipeline.predictions import Rle
from pipeline.progress import Progress, silent

OWN = "maskgrove"
"""The key under which everything stands that COCO does not know."""
BY_HAND = "by hand"
"""The rule of an admin's verdict."""

INCLUDE: Mapping[str, frozenset[Fate]] = {
    "accepted": frozenset({Fate.ACCEPTED}),
    "rejected": frozenset({Fate.REJECTED}),
    "all": frozenset(Fate),
}
"""What may be exported."""

Segmentation = Callable[[Rle], Any]


def _as_rle(rle: Rle) -> Any:
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}


SEGMENTATIONS: Mapping[str, Segmentation] = {"rle": _as_rle, "polygon": masks.polygons}
"""How a mask is written: exactly in both; polygons for tools that read no run lengths."""

IMAGES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds."""

    images: int
    annotations: int


def export_coco(
    *,
    project: Project,
    path: Path,
    at: datetime,
    include: str = "accepted",
    segmentation: str = "rle",
    round_number: int | None = None,
    every_image: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write a project's masks as COCO instances.

    Parameters
    ----------
    include : a name of `INCLUDE`
    segmentation : a name of `SEGMENTATIONS`
    round_number : only masks of this round; by default of all
    every_image : list pool images without an exported mask too
    """
    with one_moment():
        export = Export(
            project=project,
            fates=INCLUDE[include],
            segmentation=SEGMENTATIONS[segmentation],
            outcomes=[outcome_of(tree) for tree in trees_of(project, round_number=round_number)],
            images=ImageTable.of(project),
            progress=progress,
            replaces=ReplacedMasks.of(project),
        )
        listed = np.ones(len(export.images.keys), np.bool_) if every_image else export.images_with_masks()
        write_instances(
            path,
            info=_info(project, at, include=include, segmentation=segmentation, round=round_number),
            categories=_categories(project),
            images=export.image_entries(listed),
            annotations=export.annotations(),
        )
    return Exported(int(listed.sum()), export.written)


def _info(project: Project, at: datetime, **chosen: Any) -> dict[str, Any]:
    description = f"{project.name}: masks verified with Maskgrove"
    return {
        "description": description,
        "date_created": at.isoformat(),
        "year": at.year,
        OWN: {"project": project.slug, **chosen},
    }


def _categories(project: Project) -> list[dict[str, Any]]:
    return [
        {"id": category.coco_id, "name": category.name, "supercategory": category.supercategory}
        for category in project.categories.all()
    ]


@dataclass(slots=True)
class Export:
    """One export on its way."""

    project: Project
    fates: Collection[Fate]
    segmentation: Segmentation
    outcomes: Sequence[TreeOutcome]
    images: ImageTable
    progress: Progress
    replaces: ReplacedMasks
    written: int = 0
    _done: int = field(default=0, init=False)

    def images_with_masks(self) -> NDArray[np.bool_]:
        """Which images of the table have a mask to export."""
        found = np.zeros(len(self.images.keys), dtype=np.bool_)
        for outcome, segment in self._segments():
            for positions, keys in places_within(outcome.tree.pk, segment.lo, segment.hi):
                if outcome.is_uniform(segment):
                    wanted = keys
                else:
                    fates = [outcome.fate(segment, position) for position in positions.tolist()]
                    wanted = keys[[fate in self.fates for fate in fates]]
                found[self.images.find(wanted)] = True
        return found

    def image_entries(self, listed: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
        """COCO's entries of the listed images."""
        rows = np.flatnonzero(listed)
        for start in range(0, len(rows), IMAGES_AT_ONCE):
            some = rows[start : start + IMAGES_AT_ONCE]
            images = Image.objects.in_bulk(self.images.keys[some].tolist())
            for row, key in zip(some.tolist(), self.images.keys[some].tolist(), strict=True):
                yield _image_entry(images[key], int(self.images.coco_ids[row]))

    def annotations(self) -> Iterator[dict[str, Any]]:
        """COCO's entries of the masks, tree by tree in leaf order."""
        total = sum(segment.hi - segment.lo for _, segment in self._segments())
        for outcome, segment in self._segments():
            for rows in masks_within(outcome.tree.pk, segment.lo, segment.hi):
                self.progress(self._done, total, outcome.tree.category.name)
                yield from self._entries(outcome, segment, rows)
                self._done += len(rows)
        self.progress(total, total, "written")

    def _segments(self) -> Iterator[tuple[TreeOutcome, Segment]]:
        for outcome in self.outcomes:
            for segment in outcome.segments(self.fates):
                yield outcome, segment

    def _entries(
        self, outcome: TreeOutcome, segment: Segment, rows: Sequence[MaskRow]
    ) -> Iterator[dict[str, Any]]:
        places = self.images.find(np.array([row.image for row in rows], dtype=np.int64))
        sizes = np.stack([self.images.heights[places], self.images.widths[places]], axis=1).tolist()
        rles = [Rle(size=size, counts=bytes(row.counts)) for size, row in zip(sizes, rows, strict=True)]
        replaces = self.replaces.by([row.id for row in rows])
        ids, areas = self.images.coco_ids[places].tolist(), masks.areas(rles).tolist()
        cluster = _cluster(segment)
        for row, rle, image, area in zip(rows, rles, ids, areas, strict=True):
            fate = outcome.fate(segment, row.position)
            if fate not in self.fates:
                continue
            self.written += 1
            yield {
                "id": row.id,
                "image_id": image,
                "category_id": outcome.tree.category.coco_id,
                "segmentation": self.segmentation(rle),
                "bbox": [row.x, row.y, row.width, row.height],
                "area": area,
                "iscrowd": 0,
                "score": row.score,
                OWN: {
                    "round": outcome.tree.round.number,
                    "tree": outcome.tree.pk,
                    "position": row.position,
                    "class_score": row.class_score,
                    "predicted_iou": row.predicted_iou,
                    "decision": fate.value,
                    "answer": _answer(outcome, row.position),
                    "replaces": replaces.get(row.id, []),
                    **(_by_hand(outcome.ruled[row.position]) if row.position in outcome.ruled else cluster),
                },
            }


def _image_entry(image: Image, coco_id: int) -> dict[str, Any]:
    return {
        "id": coco_id,
        "file_name": image.name,
        "width": image.width,
        "height": image.height,
        OWN: {"image": image.pk, "sha256": image.digest},
    }


def _cluster(segment: Segment) -> dict[str, Any]:
    """The cluster of a segment, and what its decision rests on."""
    if segment.overruling is not None:
        return _by_hand(segment.overruling)
    decision = segment.decision
    if decision is None:
        return {"cluster": None, "evidence": None}
    cluster = decision.cluster
    return {
        "cluster": {
            "id": cluster.pk,
            "node": cluster.node,
            "size": cluster.size,
            "mean_score": cluster.mean_score,
        },
        "evidence": {
            "verdict": decision.verdict,
            "yes": decision.yes,
            "no": decision.no,
            "sample": decision.sample,
            "rule": decision.rule,
            "at": decision.at.isoformat(),
        },
    }


def _by_hand(overruling: Overruling) -> dict[str, Any]:
    """The node that an admin's verdict is on; its evidence is the reason."""
    return {
        "cluster": {"id": None, "node": overruling.node, "size": overruling.size, "mean_score": None},
        "evidence": {
            "verdict": overruling.verdict,
            "by": overruling.by.get_username(),
            "reason": overruling.reason,
            "rule": BY_HAND,
            "at": overruling.at.isoformat(),
        },
    }


def _answer(outcome: TreeOutcome, position: int) -> dict[str, Any] | None:
    """What people said of this very mask, None if nobody was asked."""
    answer = outcome.answers.get(position)
    if answer is None or not answer.yes + answer.no + answer.unsure:
        return None
    label = None if answer.label is None else ("yes" if answer.label else "no")
    return {"says": label, "yes": answer.yes, "no": answer.no, "unsure": answer.unsure}

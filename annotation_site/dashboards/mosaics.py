"""Masks as pages show them: a small crop, the outline over it, what people said and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask
from annotation_site.verification.models import Judgment, Question
from pipeline import masks


@dataclass(frozen=True, slots=True)
class Tile:
    """A mask with the answers that count, first one first."""

    mask: Mask
    says: Sequence[str] = ()

    @property
    def frame(self) -> Frame:
        """The part of the photo that is shown."""
        return framing.around(self.mask.box, width=self.mask.image.width, height=self.mask.image.height)

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.mask.rle)

    @property
    def said(self) -> str:
        """The one thing that people said, "both" where they disagree, else nothing."""
        different = set(self.says)
        return "" if not different else different.pop() if len(different) == 1 else "both"


def tiles(tree_id: int, positions: Collection[int]) -> list[Tile]:
    """The masks at some leaves of a tree, in the given order."""
    found = {
        mask.position: mask
        for mask in Mask.objects.filter(tree=tree_id, position__in=list(positions)).select_related("image")
    }
    says = answers_at(tree_id, positions)
    return [Tile(found[position], says.get(position, ())) for position in positions if position in found]


def answers_at(tree_id: int, positions: Collection[int]) -> dict[int, list[str]]:
    """Position -> the answers that count, of those leaves that have any."""
    counting = Prefetch("judgments", queryset=Judgment.objects.counting().order_by("pk"), to_attr="counting")
    asked = Question.objects.filter(tree=tree_id, position__in=list(positions)).prefetch_related(counting)
    return {
        question.position: [judgment.says for judgment in question.counting]
        for question in asked
        if question.position is not None and question.counting
    }

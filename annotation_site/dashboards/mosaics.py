"""Masks as pages show them: a small crop, the outline over it, what people said and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask
from annotation_site.verification.models import Judgment
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


def tiles(
    tree_id: int, positions: Collection[int], says: Mapping[int, Sequence[str]] | None = None
) -> list[Tile]:
    """The masks at some leaves of a tree, in the given order; `says` where it is known already."""
    found = {
        mask.position: mask
        for mask in Mask.objects.filter(tree=tree_id, position__in=list(positions)).select_related("image")
    }
    said = answers_at(tree_id, positions) if says is None else says
    return [Tile(found[position], said.get(position, ())) for position in positions if position in found]


def answers_at(tree_id: int, positions: Collection[int]) -> dict[int, list[str]]:
    """Position -> the answers that count, of those leaves that have any."""
    answers = Judgment.objects.counting().filter(
        question__tree=tree_id, question__position__in=list(positions)
    )
    found: dict[int, list[str]] = {}
    for position, says in answers.order_by("pk").values_list("question__position", "says"):
        assert position is not None  # A question of a tree has a leaf.
        found.setdefault(position, []).append(says)
    return found

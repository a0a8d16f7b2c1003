"""Everything that the pages say of one mask, and of one image with all its masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.db.models import QuerySet

from annotation_site.catalog.models import Image, Mask, Project, Tree
from annotation_site.dashboards.groves import Grove
from annotation_site.dashboards.mosaics import Tile, tiles
from annotation_site.dashboards.node_facts import NodeFacts
from annotation_site.people.models import GoldItem
from annotation_site.results.outcomes import Answer, Fate, Segment, TreeOutcome, outcomes_at
from annotation_site.results.truth import has_truth, true_iou
from annotation_site.verification.gold_review import OF_POOL
from annotation_site.verification.models import Decision, Judgment
from pipeline import masks

ALIKE = 8
"""Neighbours in leaf order that are shown on each side."""
MOST_MASKS = 600
"""Of one image on its page."""


@dataclass(frozen=True, eq=False)
class MaskFacts:
    """A mask: which cluster, which decision, which answers by whom, and why it became what it is."""

    project: Project
    mask: Mask

    @cached_property
    def grove(self) -> Grove:
        return Grove.of(self.mask.tree)

    @cached_property
    def node(self) -> NodeFacts:
        """Its leaf, with verdicts by hand on it and around it."""
        return NodeFacts(self.project, self.mask.tree, self.grove, self.grove.leaf(self.mask.position))

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.mask.rle)

    @cached_property
    def true_iou(self) -> float | None:
        """With the best object of its category; None where the image's objects are not known."""
        if self.mask.image.coco_id is None or not has_truth(self.project):
            return None
        return true_iou(self.mask, category_id=self.mask.tree.category_id)

    @cached_property
    def outcome(self) -> TreeOutcome:
        """True of this mask alone."""
        return outcomes_at({self.mask.tree: [self.mask.position]})[self.mask.tree_id]

    @cached_property
    def segment(self) -> Segment:
        return self.outcome.segment_at(self.mask.position)

    @cached_property
    def fate(self) -> Fate:
        return self.outcome.fate_at(self.mask.position)

    @cached_property
    def answer(self) -> Answer | None:
        """What people's answers come to."""
        return self.outcome.answers.get(self.mask.position)

    @property
    def is_refused(self) -> bool:
        """Whether people said no to this very mask of an accepted cluster."""
        said_no = self.answer is not None and self.answer.label is False
        return said_no and self.segment.verdict == Decision.Verdict.ACCEPT

    @cached_property
    def judgments(self) -> QuerySet[Judgment]:
        """Every answer that was ever given, those that stopped counting among them."""
        return Judgment.objects.filter(question__mask=self.mask).select_related("worker").order_by("pk")

    @cached_property
    def gold(self) -> GoldItem | None:
        """What it is as gold, retired or not: one that an admin marked before one that workers agreed on."""
        own = GoldItem.objects.filter(project=self.project, source_id=self.mask.pk, origin__in=OF_POOL)
        return own.defer("counts").order_by("-origin").first()

    @cached_property
    def path(self) -> list[NodeFacts]:
        """The clusters around it that people were asked about, from the largest to the smallest."""
        around = [node for node in self.grove.ancestors(self.node.node) if node in self.grove.asked]
        return [NodeFacts(self.project, self.mask.tree, self.grove, node) for node in around]

    @cached_property
    def alike(self) -> Sequence[Tile]:
        """Its neighbours in leaf order, itself left out."""
        near = range(
            max(0, self.mask.position - ALIKE), min(self.grove.tree.n, self.mask.position + ALIKE + 1)
        )
        return tiles(self.mask.tree_id, [at for at in near if at != self.mask.position])


@dataclass(frozen=True, slots=True)
class Drawn:
    """A mask of an image, and what became of it."""

    mask: Mask
    fate: Fate

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.mask.rle)


def drawn_on(image: Image) -> list[Drawn]:
    """The masks of an image, the largest first so that the smaller lie over them."""
    own = Mask.objects.filter(image=image, tree__role="pool").select_related(
        "tree__category", "tree__round", "image"
    )
    found = list(own.defer("tree__packed").order_by("-tree__round__number", "-score")[:MOST_MASKS])
    places: dict[Tree, list[int]] = defaultdict(list)
    for mask in found:
        places[mask.tree].append(mask.position)
    outcomes = outcomes_at(places)
    drawn = [Drawn(mask, outcomes[mask.tree_id].fate_at(mask.position)) for mask in found]
    return sorted(drawn, key=lambda one: -one.mask.width * one.mask.height)


def size_of(mask: Mask) -> float:
    """Area of a mask as a share of its photo."""
    return float(np.sum(masks.areas([mask.rle]))) / (mask.image.width * mask.image.height)

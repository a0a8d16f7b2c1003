"""Everything that the explorer says of one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from annotation_site.catalog.models import Project, Tree
from annotation_site.dashboards.groves import Grove, Status, walk
from annotation_site.dashboards.mosaics import Tile, answers_at, tiles
from annotation_site.verification.models import Cluster, Decision, Overruling
from pipeline.sampling import sample
from pipeline.shares import Share, estimated

SHOWN = 24
"""Masks of a mosaic; as many again at each further look."""
MOST_SHOWN = 480
BINS = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram: scores in [low, high), masks, and its height in per cent of the highest."""

    low: float
    high: float
    count: int
    height: float

    @property
    def drawn(self) -> str:
        """Its height in a drawing of 50 units."""
        return f"{self.height / 2:.2f}"

    @property
    def top(self) -> str:
        """Where it begins in that drawing."""
        return f"{50 - self.height / 2:.2f}"


@dataclass(frozen=True, eq=False)
class NodeFacts:
    """A node of a tree, as its panel shows it; each part is read when the template asks for it."""

    project: Project
    tree: Tree
    grove: Grove
    node: int
    wanted: int = SHOWN

    @property
    def lo(self) -> int:
        return int(self.grove.tree.lo[self.node])

    @property
    def hi(self) -> int:
        return int(self.grove.tree.hi[self.node])

    @property
    def size(self) -> int:
        return self.hi - self.lo

    @property
    def depth(self) -> int:
        return int(self.grove.tree.depth[self.node])

    @property
    def height(self) -> float:
        """The linkage distance at which it was merged."""
        return float(self.grove.tree.height[self.node])

    @property
    def mean_score(self) -> float:
        return float(self.grove.tree.mean(self.node))

    @property
    def is_mask(self) -> bool:
        return self.size == 1

    @cached_property
    def status(self) -> Status:
        return self.grove.status_of(self.node)

    @cached_property
    def shares(self) -> dict[str, int]:
        """Word -> masks that became so."""
        return {status.told: masks for status, masks in self.grove.shares(self.node).items()}

    @cached_property
    def walk(self) -> dict[str, int]:
        return walk(self.grove, self.node)

    @cached_property
    def children(self) -> list[NodeFacts]:
        """The two halves, none for a mask."""
        below = [self.walk[name] for name in ("down", "second") if name in self.walk]
        return [NodeFacts(self.project, self.tree, self.grove, node) for node in below]

    @cached_property
    def parent(self) -> NodeFacts | None:
        above = self.walk.get("up")
        return None if above is None else NodeFacts(self.project, self.tree, self.grove, above)

    @cached_property
    def cluster(self) -> Cluster | None:
        """Its row, where people were asked about it."""
        return Cluster.objects.filter(tree=self.tree.pk, node=self.node).first()

    @cached_property
    def decisions(self) -> list[Decision]:
        """All that were ever taken on it, the newest first."""
        return list(Decision.objects.filter(cluster=self.cluster).order_by("-pk")) if self.cluster else []

    @property
    def decision(self) -> Decision | None:
        """The one in force."""
        return next((one for one in self.decisions if one.withdrawn_at is None), None)

    @cached_property
    def around(self) -> Decision | None:
        """The decision on the cluster that it is a part of."""
        if self.decision:
            return None
        standing = Decision.objects.in_force().filter(tree=self.tree.pk).exclude(verdict="split")
        return (
            standing.filter(cluster__lo__lte=self.lo, cluster__hi__gte=self.hi)
            .select_related("cluster")
            .first()
        )

    @cached_property
    def overrulings(self) -> list[Overruling]:
        """Verdicts by hand on it, the newest first."""
        return list(
            Overruling.objects.filter(tree=self.tree.pk, node=self.node)
            .select_related("by", "undone_by", "replaced_by")
            .order_by("-pk")
        )

    @property
    def by_hand(self) -> Overruling | None:
        """The accept or reject by hand on it that stands."""
        return next((one for one in self.overrulings if one.stands and one.verdict != "reopen"), None)

    @cached_property
    def by_hand_around(self) -> Overruling | None:
        """The innermost verdict by hand on a node that it is a part of."""
        standing = Overruling.objects.standing().verdicts().filter(tree=self.tree.pk)
        larger = standing.filter(lo__lte=self.lo, hi__gte=self.hi).exclude(node=self.node)
        return larger.select_related("by").order_by("-lo", "hi").first()

    @cached_property
    def positions(self) -> Sequence[int]:
        """The leaves that are shown: in the order in which people are asked about them."""
        wanted = min(self.wanted, MOST_SHOWN)
        return [int(at) for at in sample(self.grove.keys, self.lo, self.hi, wanted)]

    @cached_property
    def mosaic(self) -> list[Tile]:
        """Those that people answered first."""
        return sorted(tiles(self.tree.pk, self.positions), key=lambda tile: not tile.says)

    @property
    def more(self) -> int | None:
        """How many masks the next look shows; None when all are there."""
        more = min(self.wanted + SHOWN * 2, MOST_SHOWN)
        return more if self.wanted < min(self.size, MOST_SHOWN) else None

    @cached_property
    def answered(self) -> tuple[int, int]:
        """(yes, no) among its own sample."""
        wanted = self.cluster.sample_size if self.cluster else self.project.n_s
        drawn = sample(self.grove.keys, self.lo, self.hi, min(wanted, self.size)).tolist()
        said = [set(says) for says in answers_at(self.tree.pk, drawn).values()]
        return sum(one == {"yes"} for one in said), sum("no" in one for one in said)

    @cached_property
    def is_sampled(self) -> bool:
        """Whether people are asked about a random sample of it.

        Not where only parts of it were candidates: those are the parts that promise most.
        """
        return Cluster.objects.filter(tree=self.tree.pk, lo__lte=self.lo, hi__gte=self.hi).exists()

    @cached_property
    def quality(self) -> Share | None:
        """Share of correct masks, by the answers on its own sample; None before the first."""
        yes, no = self.answered if self.is_sampled else (0, 0)
        return estimated(yes, no, size=self.size)

    @cached_property
    def histogram(self) -> list[Bar]:
        """Of the scores, in bars of 0.05."""
        scores = np.diff(self.grove.tree.score_sum[self.lo : self.hi + 1])
        counts, edges = np.histogram(np.clip(scores, 0, 1), bins=BINS, range=(0, 1))
        highest = max(int(counts.max()), 1)
        return [
            Bar(float(low), float(high), int(count), round(100 * int(count) / highest, 2))
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ]

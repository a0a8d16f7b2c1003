"""A tree as the explorer shows it: what became of each node, what is around it, and which nodes can be seen.

The dendrogram lies in this process's memory as arrays; what people and admins said is read for each request,
as many rows as clusters were asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from annotation_site.catalog.models import Tree
from annotation_site.verification.by_hand import by_hand_in
from annotation_site.verification.ground import leaves_of
from annotation_site.verification.models import Cluster, Decision, Overruling
from pipeline.dendrogram import Dendrogram
from pipeline.intervals import innermost

MOST_NODES = 20_000
"""More than a screen has room for."""


class Status(IntEnum):
    """What became of a node; the numbers are what the page's script knows."""

    UNASKED = 0
    ACCEPT = 1
    REJECT = 2
    OPEN = 3
    SPLIT = 4
    PARTS = 5

    @property
    def told(self) -> str:
        """The badge's class and word, as templates know them."""
        return self.name.lower()


SAID = {"accept": Status.ACCEPT, "reject": Status.REJECT, "split": Status.SPLIT}


@dataclass(frozen=True, slots=True, eq=False)
class Grove:
    """A tree and its facts.

    Attributes
    ----------
    tree, keys : the dendrogram and the (n,) keys of its leaves
    asked : node -> what stands of it, of the nodes that are clusters or have a verdict by hand
    by_hand : the nodes whose verdict is an admin's
    bounds : (p + 1,) first leaves of the pieces that became the same, and n
    fates : (p,) their Status
    """

    pk: int
    tree: Dendrogram
    keys: NDArray[np.uint64]
    asked: Mapping[int, Status]
    by_hand: frozenset[int]
    bounds: NDArray[np.int64]
    fates: NDArray[np.int8]

    @classmethod
    def of(cls, tree: Tree) -> Grove:
        """Read it."""
        dendrogram, keys = leaves_of(tree.pk)
        ruled = dict(
            _verdicts(Overruling.objects.standing().verdicts().filter(tree=tree).order_by("pk"), "node")
        )
        decided = dict(_verdicts(Decision.objects.in_force().filter(tree=tree), "cluster__node"))
        open_ = Cluster.objects.filter(tree=tree, is_open=True).values_list("node", flat=True)
        asked = {**dict.fromkeys(open_, Status.OPEN), **decided}
        bounds, fates = _pieces(dendrogram, asked, ruled, tree.pk)
        return cls(tree.pk, dendrogram, keys, {**asked, **ruled}, frozenset(ruled), bounds, fates)

    def status(self, nodes: NDArray[np.integer]) -> NDArray[np.int8]:
        """(m,) nodes -> (m,) Status: of all their masks where they share one, else SPLIT or PARTS."""
        first = np.searchsorted(self.bounds, self.tree.lo[nodes], side="right") - 1
        last = np.searchsorted(self.bounds, self.tree.hi[nodes], side="left") - 1
        found = np.where(first == last, self.fates[first], Status.PARTS).astype(np.int8)
        split = [node for node, status in self.asked.items() if status is Status.SPLIT]
        return np.where(
            (found != Status.ACCEPT) & (found != Status.REJECT) & np.isin(nodes, split), Status.SPLIT, found
        )

    def status_of(self, node: int) -> Status:
        """What became of one node."""
        return Status(int(self.status(np.array([node]))[0]))

    def shares(self, node: int) -> dict[Status, int]:
        """How many masks of a node became what."""
        lo, hi = int(self.tree.lo[node]), int(self.tree.hi[node])
        sizes = np.clip(self.bounds[1:], lo, hi) - np.clip(self.bounds[:-1], lo, hi)
        counts = np.bincount(self.fates, weights=sizes, minlength=len(Status))
        return {status: int(counts[status]) for status in Status if counts[status]}

    def leaf_fates(self) -> NDArray[np.int8]:
        """(n,) Status of every leaf."""
        return np.repeat(self.fates, np.diff(self.bounds))

    def leaf(self, position: int) -> int:
        """The node of a single mask: in preorder, the last one that begins there."""
        return int(np.searchsorted(self.tree.lo, position, side="right")) - 1

    def at(self, position: int, depth: int) -> int:
        """The deepest node around a leaf that lies no deeper than `depth`."""
        node = self.leaf(position)
        while int(self.tree.depth[node]) > depth:
            node = int(self.tree.parent[node])
        return node

    def ancestors(self, node: int) -> list[int]:
        """From the root down to the node's parent."""
        found = []
        while (node := int(self.tree.parent[node])) >= 0:
            found.append(node)
        return found[::-1]


def _verdicts(rows: QuerySet[Any], node: str) -> Iterable[tuple[int, Status]]:
    return ((key, SAID[verdict]) for key, verdict in rows.values_list(node, "verdict"))


def _pieces(
    tree: Dendrogram, asked: Mapping[int, Status], ruled: Mapping[int, Status], tree_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """The whole of a tree in pieces that became the same, verdicts by hand before people's."""
    covers = by_hand_in(tree_id).covers
    said = [(0, Status.UNASKED)]
    said += [
        (node, status)
        for node, status in asked.items()
        if status is not Status.SPLIT and not covers(int(tree.lo[node]), int(tree.hi[node]))
    ]
    said += ruled.items()
    pieces = innermost([(int(tree.lo[node]), int(tree.hi[node])) for node, _ in said])
    bounds = np.array([lo for lo, _, _ in pieces] + [tree.n], dtype=np.int64)
    return bounds, np.array([said[index][1] for _, _, index in pieces], dtype=np.int8)


@dataclass(frozen=True, slots=True)
class Window:
    """What a screen shows of a tree: leaves [lo, hi), some levels, and no node smaller than it can draw."""

    lo: int
    hi: int
    top: int
    rows: int
    least: int


def visible(grove: Grove, window: Window) -> NDArray[np.int64]:
    """(m,) the nodes within a window, in preorder; at most `MOST_NODES`, the largest ones."""
    tree = grove.tree
    around = grove.leaf(window.lo)
    while int(tree.hi[around]) < window.hi:
        around = int(tree.parent[around])
    below = tree.subtree(around)
    size = tree.hi[below] - tree.lo[below]
    nodes: NDArray[np.int64] = below.start + np.flatnonzero(size >= window.least)
    nodes = np.concatenate([np.array(grove.ancestors(around), dtype=np.int64), nodes])
    depth = tree.depth[nodes]
    inside = (depth >= window.top) & (depth < window.top + window.rows) & (tree.size(nodes) >= window.least)
    nodes = nodes[inside & (tree.lo[nodes] < window.hi) & (tree.hi[nodes] > window.lo)]
    if len(nodes) > MOST_NODES:
        nodes = np.sort(nodes[np.argsort(-tree.size(nodes), kind="stable")[:MOST_NODES]])
    return nodes


def walk(grove: Grove, node: int) -> dict[str, int]:
    """Where the arrow keys lead from a node; what is not there is left out.

    `left` and `right` are the neighbours on its level, or the leaf that ends above it there; `previous` and
    `next` the nearest clusters that were asked about, in leaf order.
    """
    tree = grove.tree
    lo, hi, depth = int(tree.lo[node]), int(tree.hi[node]), int(tree.depth[node])
    found: dict[str, int] = {}
    if node:
        found["up"] = int(tree.parent[node])
    if not tree.is_leaf(node):
        first, second = tree.children(node)
        found["down"], found["second"] = int(first), int(second)
    if lo > 0:
        found["left"] = grove.at(lo - 1, depth)
    if hi < tree.n:
        found["right"] = grove.at(hi, depth)
    asked = np.array(sorted(grove.asked), dtype=np.int64)
    at = int(np.searchsorted(asked, node))
    if at > 0:
        found["previous"] = int(asked[at - 1])
    after = at + int(node in grove.asked)
    if after < len(asked):
        found["next"] = int(asked[after])
    return found

"""Rows of clusters and their decisions, in few plain statements: any answer may settle a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from annotation_site import statements
from pipeline.decisions import Evidence, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """A cluster that is there."""

    id: int
    node: int
    lo: int
    hi: int
    mean_score: float
    priority: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class New:
    """A cluster to be written; `parent` is the primary key of the one whose split opens it."""

    node: int
    lo: int
    hi: int
    mean_score: float
    parent: int | None
    priority: float
    sample_size: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class NewDecision:
    """What answers make of a cluster; `rests_on` is the number of the last of them."""

    cluster: int
    verdict: Verdict
    evidence: Evidence
    rests_on: int


@dataclass(frozen=True, slots=True)
class AboutTree:
    """What is told of a tree: its project, the category's name, the round's number."""

    project: int
    category: str
    round: int


ABOUT = """
SELECT r.project_id, c.name, r.number FROM catalog_tree t
JOIN catalog_round r ON r.id = t.round_id JOIN catalog_category c ON c.id = t.category_id WHERE t.id = %s
"""

AT_NODES = """
SELECT id, node, lo, hi, mean_score, priority, is_open FROM verification_cluster
WHERE tree_id = %s AND node = ANY(%s::int[])
"""

ADD = """
INSERT INTO verification_cluster
  (tree_id, opened_at, node, lo, hi, mean_score, parent_id, priority, sample_size, is_open)
SELECT %(tree)s, %(at)s, new.* FROM unnest(
  %(nodes)s::int[], %(los)s::int[], %(his)s::int[], %(scores)s::float8[],
  %(parents)s::bigint[], %(priorities)s::float8[], %(samples)s::int[], %(open)s::bool[]
) AS new
RETURNING id, node, lo, hi, mean_score, priority, is_open
"""

TURN = "UPDATE verification_cluster SET is_open = NOT is_open WHERE id = ANY(%s::bigint[])"

HOLD_BELOW = """
SELECT id FROM verification_cluster
WHERE tree_id = %s AND lo >= %s AND hi <= %s AND id <> %s ORDER BY id FOR NO KEY UPDATE
"""

DECIDE = """
INSERT INTO verification_decision
  (cluster_id, tree_id, interval, verdict, yes, no, sample, rule, rests_on, at, withdrawn_because)
SELECT c.id, c.tree_id, int4range(c.lo, c.hi), new.verdict, new.yes, new.no, new.sample,
  %(rule)s, new.rests_on, %(at)s, ''
FROM unnest(
  %(clusters)s::bigint[], %(verdicts)s::text[], %(yes)s::int[], %(no)s::int[], %(samples)s::int[],
  %(rests_on)s::bigint[]
) AS new(cluster, verdict, yes, no, sample, rests_on)
JOIN verification_cluster c ON c.id = new.cluster
RETURNING cluster_id, id
"""


def about_tree(tree_id: int) -> AboutTree:
    """A tree's project, category and round."""
    return AboutTree(*statements.one(ABOUT, [tree_id]))


def at_nodes(tree_id: int, nodes: Sequence[int]) -> list[Row]:
    """The clusters that a tree has at some nodes."""
    return [Row(*row) for row in statements.rows(AT_NODES, [tree_id, list(nodes)])]


def add(tree_id: int, new: Collection[New], *, at: datetime) -> list[Row]:
    """Write clusters whose parents are there."""
    if not new:
        return []
    columns = {
        "nodes": [one.node for one in new],
        "los": [one.lo for one in new],
        "his": [one.hi for one in new],
        "scores": [one.mean_score for one in new],
        "parents": [one.parent for one in new],
        "priorities": [one.priority for one in new],
        "samples": [one.sample_size for one in new],
        "open": [one.is_open for one in new],
    }
    return [Row(*row) for row in statements.rows(ADD, {"tree": tree_id, "at": at, **columns})]


def turn(cluster_ids: Sequence[int]) -> None:
    """Close the open ones of these clusters, open the others."""
    if cluster_ids:
        statements.run(TURN, [list(cluster_ids)])


def hold_below(tree_id: int, lo: int, hi: int, *, but: int) -> None:
    """Lock the rows of the clusters within [lo, hi) in ascending order, but for one."""
    statements.run(HOLD_BELOW, [tree_id, lo, hi, but])


def decide(new: Collection[NewDecision], *, rule: str, at: datetime) -> dict[int, int]:
    """Write decisions; their primary keys by that of their cluster."""
    if not new:
        return {}
    columns = {
        "clusters": [one.cluster for one in new],
        "verdicts": [one.verdict.value for one in new],
        "yes": [one.evidence.yes for one in new],
        "no": [one.evidence.no for one in new],
        "samples": [one.evidence.sample for one in new],
        "rests_on": [one.rests_on for one in new],
    }
    return dict(statements.rows(DECIDE, {"rule": rule, "at": at, **columns}))


def by_node(rows: Iterable[Row]) -> dict[int, Row]:
    """Node -> cluster."""
    return {row.node: row for row in rows}

"""Trees, their nodes, and what became of them."""

from __future__ import annotations

from typing import TypedDict


class Tree(TypedDict):
    id: int
    round: int
    category: str
    masks: int
    accepted: int
    rejected: int
    open: int
    open_clusters: int


class Decision(TypedDict):
    id: int
    tree: int
    node: int
    lo: int
    hi: int
    mean_score: float
    verdict: str
    yes: int
    no: int
    sample: int
    rule: str
    at: str
    withdrawn_at: str | None
    withdrawn_because: str


class Verdict(TypedDict):
    id: int
    tree: int
    node: int
    lo: int
    hi: int
    verdict: str
    reason: str
    by: str
    at: str
    stands: bool
    replaced_by: int | None
    undone_at: str | None
    undone_by: str | None


class Quality(TypedDict):
    share: float
    low: float
    high: float


class Bar(TypedDict):
    low: float
    high: float
    count: int


class Answered(TypedDict):
    yes: int
    no: int


class NodeBrief(TypedDict):
    node: int
    lo: int
    hi: int
    size: int
    depth: int
    mean_score: float
    became: str


class Node(NodeBrief):
    height: float
    shares: dict[str, int]
    parent: NodeBrief | None
    children: list[NodeBrief]
    answered: Answered
    quality: Quality | None
    decision: Decision | None
    decided_around: Decision | None
    verdicts: list[Verdict]
    sample: list[int]
    histogram: list[Bar]

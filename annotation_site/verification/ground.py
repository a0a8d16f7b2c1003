"""A tree with the rules by which it is searched, as each process keeps it in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotation_site.catalog.held import Held
from annotation_site.catalog.models import Project, Round, Tree
from annotation_site.catalog.packed_trees import tree_of
from annotation_site.verification.models import SearchRules
from pipeline.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, Aggregation, Judgment
from pipeline.calibration import PAPER_K_PA, Calibration
from pipeline.decisions import RULES, Evidence, Rule, Thresholds, Verdict, fewest_missing
from pipeline.dendrogram import Dendrogram
from pipeline.sampling import leaf_keys, sample
from pipeline.search import candidates, open_clusters
from pipeline.strategies import STRATEGIES, Knowledge, Strategy

LAST = 1e6
"""More than any strategy's sort key."""


class Leaves(NamedTuple):
    """A tree, and the (n,) random keys of its leaves."""

    tree: Dendrogram
    keys: NDArray[np.uint64]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = (getattr(self.tree, name) for name in type(self.tree).__slots__)
        return int(self.keys.nbytes + sum(array.nbytes for array in arrays))


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a search of one tree stands on; nothing of it changes while the campaign runs.

    Attributes
    ----------
    tree, keys : the dendrogram and the (n,) random keys of its leaves
    known : the thresholds, and what the strategy may use besides
    opinions : from judgments on one mask to its answer
    singly : nothing of the tree is a candidate, so that its masks are asked about one by one
    """

    tree: Dendrogram
    keys: NDArray[np.uint64]
    known: Knowledge
    rule: Rule
    rule_name: str
    strategy: Strategy
    opinions: Aggregation
    singly: bool = False

    @property
    def thresholds(self) -> Thresholds:
        return self.known.thresholds

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return Leaves(self.tree, self.keys).nbytes

    def candidates(self, below: int | None) -> list[int]:
        """The nodes that open when `below` is split; when the search begins for None."""
        if self.singly:
            return np.flatnonzero(self.tree.hi - self.tree.lo == 1).tolist() if below is None else []
        return [int(node) for node in candidates(self.tree, self.thresholds, below=below)]

    def open_clusters(self, decided: Mapping[int, Verdict]) -> list[int]:
        """The nodes without a decision, in leaf order, once the decisions `node -> verdict` are applied."""
        if self.singly:
            return [node for node in self.candidates(None) if node not in decided]
        return [int(node) for node in open_clusters(self.tree, self.thresholds, decided)]

    def sample(self, node: int) -> NDArray[np.int64]:
        """Leaf positions of the node's own sample, in the order of asking."""
        size = int(self.tree.size(node))
        wanted = self.rule.sample_size(size, self.thresholds)
        return sample(self.keys, int(self.tree.lo[node]), int(self.tree.hi[node]), wanted)

    def priorities(self, nodes: Sequence[int]) -> list[float]:
        """The strategy's sort keys; larger is asked sooner.

        Single masks of the long tail come after all clusters, the most likely right ones first: an answer to
        them brings one mask at most.
        """
        if self.singly:
            return [float(score) - LAST for score in self.tree.mean(np.asarray(nodes, dtype=np.int64))]
        found = self.strategy(self.tree, np.asarray(nodes, dtype=np.int64), self.known)
        return [float(priority) for priority in found]

    def decide(self, evidence: Evidence) -> Verdict:
        """The rule's verdict."""
        return self.rule.decide(evidence, self.thresholds)

    def fewest_missing(self, evidence: Evidence) -> int:
        """So many questions may be out at the same time without any answer being in vain."""
        return fewest_missing(self.rule, evidence, self.thresholds)

    def again(self, asked: Mapping[int, Sequence[Judgment]], evidence: Evidence) -> frozenset[int]:
        """The answered questions on which somebody else is asked before the cluster is decided."""
        return self.opinions.again(asked, evidence, self.decide)

    def label(self, judgments: Sequence[Judgment]) -> bool | None:
        """The answer that judgments on one mask come to; None while it is open."""
        return self.opinions.label(judgments)

    def wanted(self, judgments: Sequence[Judgment]) -> int:
        """The fewest further judgments that can settle the answer."""
        return self.opinions.wanted(judgments)


def _parameters(project: Project, round_: Round) -> dict[str, Any]:
    """Fields of `Thresholds`: K_pa is the project's own, else the calibrated one, else the paper's."""
    k_pa = next((k for k in (project.k_pa, round_.k_pa) if k is not None), PAPER_K_PA)
    return {
        "k_iou": project.k_iou,
        "k_a": project.k_a,
        "k_pa": k_pa,
        "n_s": project.n_s,
        "min_size": project.min_size,
        "confidence": project.confidence,
        "accuracy": project.worker_accuracy,
    }


def thresholds_of(project: Project, round_: Round) -> Thresholds:
    """The method's parameters that opening the round now would fix.

    Raises
    ------
    InvalidThresholds
    """
    return Thresholds(**_parameters(project, round_))


def rules_of(project: Project, round_: Round) -> SearchRules:
    """The rules that opening the round now would fix (an unsaved row).

    Raises
    ------
    InvalidThresholds, KeyError, ValueError
        When a parameter of the project is out of range or unknown.
    """
    RULES[project.rule], STRATEGIES[project.strategy]
    AGGREGATIONS[project.aggregation](project.judgments_per_question, project.worker_accuracy)
    thresholds_of(project, round_)
    return _unchecked(project, round_)


def rules_in_force(round_: Round) -> SearchRules:
    """The rules that a round was opened with; before, those that opening it now would fix, unchecked."""
    opened = SearchRules.objects.filter(round=round_).first()
    return opened or _unchecked(round_.project, round_)


def _unchecked(project: Project, round_: Round) -> SearchRules:
    return SearchRules(
        round=round_,
        thresholds=_parameters(project, round_),
        rule=project.rule,
        strategy=project.strategy,
        judgments_per_question=project.judgments_per_question,
        aggregation=project.aggregation,
        long_tail=project.long_tail,
    )


def opinions_of(rules: SearchRules | None) -> Aggregation:
    """How the answers of a round are read; one vote a question where it was never opened."""
    if rules is None:
        return AGGREGATIONS[DEFAULT_AGGREGATION](1, 1.0)
    return AGGREGATIONS[rules.aggregation](
        rules.judgments_per_question, Thresholds(**rules.thresholds).accuracy
    )


def _load(tree_id: int) -> Ground:
    tree = Tree.objects.defer("packed").select_related("round__rules").get(pk=tree_id)
    rules = tree.round.rules
    stored = tree.round.calibration
    dendrogram = tree_of(tree_id)
    thresholds = Thresholds(**rules.thresholds)
    return Ground(
        tree=dendrogram,
        keys=leaf_keys(dendrogram.n, seed=tree.seed),
        known=Knowledge(
            thresholds=thresholds,
            calibration=Calibration.from_json(stored) if stored else None,
        ),
        rule=RULES[rules.rule],
        rule_name=rules.rule,
        strategy=STRATEGIES[rules.strategy],
        opinions=opinions_of(rules),
        singly=rules.long_tail and not len(candidates(dendrogram, thresholds)),
    )


def _load_leaves(tree_id: int) -> Leaves:
    tree = Tree.objects.defer("packed").get(pk=tree_id)
    return Leaves(tree_of(tree_id), leaf_keys(tree.n, seed=tree.seed))


def _limit() -> int:
    return int(settings.TREE_CACHE_BYTES)


_cache: Held[Ground] = Held(_load, limit=_limit)
_unopened: Held[Leaves] = Held(_load_leaves, limit=_limit)


def ground_of(tree_id: int) -> Ground:
    """The ground of a tree whose campaign is open, from this process's memory if it has it."""
    return _cache.get(tree_id)


def forget_grounds() -> None:
    """Drop the trees in memory (tests reuse primary keys)."""
    _cache.clear()
    _unopened.clear()


def leaves_of(tree_id: int) -> Leaves:
    """The dendrogram and leaf keys of any tree, from this process's memory if it has them.

    Raises
    ------
    Tree.DoesNotExist
    """
    if SearchRules.objects.filter(round__trees=tree_id).exists():
        ground = ground_of(tree_id)
        return Leaves(ground.tree, ground.keys)
    return _unopened.get(tree_id)

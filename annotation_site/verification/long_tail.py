"""Categories that have masks but no cluster to ask about: too few of them, or none good enough."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Sum

from annotation_site.catalog.models import Project, Role, Round, Tree
from annotation_site.verification.models import Cluster, SearchRules

CLUSTERS = Exists(Cluster.objects.filter(tree=OuterRef("pk"), hi__gt=F("lo") + 1))
"""Whether a tree has a cluster of more than one mask."""


def tail_trees(trees: QuerySet[Tree]) -> QuerySet[Tree]:
    """Those of the pool's trees without a cluster of more than one mask; of opened rounds only."""
    return trees.filter(~CLUSTERS, role=Role.POOL, round__rules__isnull=False)


def tail_categories(project: Project) -> set[int]:
    """Primary keys of the project's categories that have masks, but no cluster in any opened round."""
    trees = Tree.objects.filter(round__project=project)
    tail = set(tail_trees(trees).values_list("category", flat=True))
    return tail - set(trees.filter(CLUSTERS).values_list("category", flat=True))


def long_tail(round_: Round) -> dict[str, Any]:
    """How many categories of a round have no cluster, their masks, and whether these are asked about."""
    found = tail_trees(Tree.objects.filter(round=round_)).aggregate(trees=Count("pk"), masks=Sum("n"))
    asked = SearchRules.objects.filter(round=round_, long_tail=True).exists()
    return {"categories": found["trees"], "masks": found["masks"] or 0, "asked": asked}

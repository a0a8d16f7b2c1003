"""The trees of a project with what became of their masks."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import QuerySet

from annotation_site.catalog.models import Project, Tree
from annotation_site.verification.yields import DECIDED

ROWS = f"""
WITH {DECIDED}, became AS (
  SELECT tree_id, sum(accepted) AS accepted, sum(rejected) AS rejected FROM decided GROUP BY 1
), opened AS (
  SELECT c.tree_id, count(*) AS clusters, sum(c.hi - c.lo) AS masks
  FROM verification_cluster c JOIN tree ON tree.id = c.tree_id WHERE c.is_open GROUP BY 1
)
SELECT t.id, rd.number AS round, cat.name, t.n AS masks,
  coalesce(b.accepted, 0) AS accepted, coalesce(b.rejected, 0) AS rejected,
  coalesce(o.masks, 0) AS open, coalesce(o.clusters, 0) AS open_clusters
FROM tree
JOIN catalog_tree t ON t.id = tree.id
JOIN catalog_round rd ON rd.id = t.round_id
JOIN catalog_category cat ON cat.id = t.category_id
LEFT JOIN became b ON b.tree_id = t.id
LEFT JOIN opened o ON o.tree_id = t.id
ORDER BY rd.number DESC, t.n DESC, cat.name
"""


def tree_rows(project: Project) -> list[dict[str, Any]]:
    """One row per tree of the pool, the latest round and the largest trees first."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"projects": [project.pk]})
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def siblings(tree: Tree) -> QuerySet[Tree]:
    """The trees of the same round, the largest first."""
    own = Tree.objects.filter(round=tree.round_id, role=tree.role).defer("packed")
    return own.select_related("category").order_by("-n", "category__name")

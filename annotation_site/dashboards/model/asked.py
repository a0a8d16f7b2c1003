"""Which round and which category a request of the model page is about."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from annotation_site.catalog.models import Project, Round, Tree
from annotation_site.dashboards.model.heldout import heldout_trees


def round_of(request: HttpRequest, project: Project) -> Round | None:
    """The round of `?round=`, else the latest; None where the project has none yet.

    Raises
    ------
    Http404
    """
    number = request.GET.get("round", "")
    if not number:
        return project.rounds.order_by("-number").first()
    found = (
        project.rounds.filter(number=int(number)).first() if number.isdecimal() and len(number) < 9 else None
    )
    if found is None:
        raise Http404(f"There is no round {number}.")
    return found


def trees_of(request: HttpRequest, round_: Round | None) -> list[Tree]:
    """The held-out trees of the category of `?category=`, a primary key; of all without."""
    category = request.GET.get("category", "")
    trees = heldout_trees(round_)
    return [tree for tree in trees if str(tree.category_id) == category] if category else trees

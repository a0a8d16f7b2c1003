"""Pages of the trees: which there are, one of them with a node, two nodes side by side, verdicts by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation_site.access.models import Access
from annotation_site.catalog.models import Project, Role, Tree
from annotation_site.dashboards import groves
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.groves import Grove, Window
from annotation_site.dashboards.node_facts import SHOWN, NodeFacts
from annotation_site.dashboards.sharing import shared
from annotation_site.dashboards.tree_list import siblings, tree_rows
from annotation_site.verification.models import Overruling
from annotation_site.verification.overruling import CannotOverrule, overrule, reopen, undo_overruling

DIGITS = 4
PAGE = 50


@viewers
@require_GET
def trees(request: HttpRequest, project: Project) -> HttpResponse:
    """The trees of a project's rounds."""
    context = {"project": project, "section": "trees", "rows": shared(project, "trees", tree_rows)}
    return render(request, "dashboards/explorer/trees.html", context)


@viewers
@require_GET
def explore(request: HttpRequest, project: Project, tree: int, node: int = 0) -> HttpResponse:
    """A tree with one node; `?part=node` gives the node's panel alone, as the page's script swaps it in."""
    facts = facts_of(project, tree, node, wanted=_number(request.GET.get("show"), SHOWN))
    context = {"project": project, "section": "trees", "facts": facts, "may_overrule": may_overrule(request)}
    if request.GET.get("part") == "node":
        return render(request, "dashboards/explorer/node.html", context)
    context["others"] = siblings(facts.tree)
    return render(request, "dashboards/explorer/explore.html", context)


@viewers
@require_GET
def visible(request: HttpRequest, project: Project, tree: int) -> JsonResponse:
    """The nodes that a window shows, by column; `lo`, `hi`, `top`, `rows`, `least` as in `groves.Window`."""
    grove = Grove.of(tree_of(project, tree))
    window = _window(request, grove)
    nodes = groves.visible(grove, window)
    asked = [node for node in nodes.tolist() if node in grove.asked]
    return JsonResponse(
        {
            "node": nodes.tolist(),
            "lo": grove.tree.lo[nodes].tolist(),
            "hi": grove.tree.hi[nodes].tolist(),
            "depth": grove.tree.depth[nodes].tolist(),
            "score": grove.tree.mean(nodes).round(DIGITS).tolist(),
            "status": grove.status(nodes).tolist(),
            "asked": asked,
            "by_hand": [node for node in asked if node in grove.by_hand],
        }
    )


@viewers
@require_GET
def compare(request: HttpRequest, project: Project) -> HttpResponse:
    """Two nodes side by side: `?a=TREE-NODE&b=TREE-NODE`."""
    sides = [_place(request.GET.get(name, "")) for name in ("a", "b")]
    facts = [facts_of(project, *place) for place in sides]
    context = {"project": project, "section": "trees", "sides": facts, "may_overrule": may_overrule(request)}
    return render(request, "dashboards/explorer/compare.html", context)


@admins
@require_POST
def rule(request: HttpRequest, project: Project, tree: int, node: int) -> HttpResponse:
    """Accept, reject or reopen a node by hand."""
    found = tree_of(project, tree)
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    by: Any = request.user
    try:
        if verdict == Overruling.Verdict.REOPEN:
            reopen(tree=found, node=node, reason=reason, by=by, at=timezone.now())
        elif verdict in Overruling.Verdict.values:
            overrule(tree=found, node=node, verdict=verdict, reason=reason, by=by, at=timezone.now())
        else:
            raise CannotOverrule(_("Choose accept, reject or reopen."))
    except CannotOverrule as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Recorded. It can be undone here or in the list of verdicts by hand."))
    return redirect(_back(request, project, tree, node))


@admins
@require_POST
def undo(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Undo a verdict by hand."""
    found = get_object_or_404(Overruling, pk=pk, tree__round__project=project)
    by: Any = request.user
    try:
        undo_overruling(overruling=found, by=by, at=timezone.now())
    except CannotOverrule as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Undone: what people decided counts again."))
    return redirect(_back(request, project, found.tree_id, found.node))


@viewers
@require_GET
def verdicts(request: HttpRequest, project: Project) -> HttpResponse:
    """Every verdict by hand, the newest first."""
    rows = Overruling.objects.filter(tree__round__project=project).order_by("-pk")
    before = _number(request.GET.get("before"), 0)
    rows = rows.filter(pk__lt=before) if before else rows
    related = ("tree__category", "by", "undone_by", "replaced_by")
    found = list(rows.select_related(*related).defer("tree__packed")[: PAGE + 1])
    context = {
        "project": project,
        "section": "trees",
        "rows": found[:PAGE],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "may_overrule": may_overrule(request),
    }
    return render(request, "dashboards/explorer/verdicts.html", context)


def tree_of(project: Project, pk: int) -> Tree:
    """A tree of the project's pool.

    Raises
    ------
    Http404
    """
    trees_ = Tree.objects.defer("packed").select_related("category", "round")
    return get_object_or_404(trees_, pk=pk, round__project=project, role=Role.POOL)


def facts_of(project: Project, tree: int, node: int, *, wanted: int = SHOWN) -> NodeFacts:
    """A node of a tree of the project.

    Raises
    ------
    Http404
    """
    found = tree_of(project, tree)
    grove = Grove.of(found)
    if node >= len(grove.tree.lo):
        raise Http404(f"This tree has no node {node}.")
    return NodeFacts(project, found, grove, node, max(1, wanted))


def may_overrule(request: HttpRequest) -> bool:
    """Whether the visitor may do more than look."""
    had: Access = request.access  # type: ignore[attr-defined]
    return had.includes(Access.ADMIN)


@dataclass(frozen=True, slots=True)
class _Bound:
    default: int
    low: int
    high: int


def _window(request: HttpRequest, grove: Grove) -> Window:
    n = grove.tree.n
    bounds = {
        "lo": _Bound(0, 0, n - 1), "hi": _Bound(n, 1, n), "top": _Bound(0, 0, 2**31),
        "rows": _Bound(32, 1, 200), "least": _Bound(max(1, n // 1000), 1, n),
    }  # fmt: skip
    asked = {
        name: min(max(_number(request.GET.get(name), bound.default), bound.low), bound.high)
        for name, bound in bounds.items()
    }
    return Window(**{**asked, "hi": max(asked["hi"], asked["lo"] + 1)})


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 12 else default


def _place(text: str) -> tuple[int, int]:
    tree, _, node = text.partition("-")
    if not (tree.isdecimal() and node.isdecimal() and len(text) < 30):
        raise Http404("Name two nodes: ?a=TREE-NODE&b=TREE-NODE.")
    return int(tree), int(node)


def _back(request: HttpRequest, project: Project, tree: int, node: int) -> str:
    """The page that the form stood on."""
    said = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(said, allowed_hosts={request.get_host()}):
        return said
    return reverse("dashboards:node", args=[project.slug, tree, node])

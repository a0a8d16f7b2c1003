"""Trees and their nodes, decisions with their evidence, verdicts by hand."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, Whole, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards import groves, selectors
from annotation_site.dashboards.explorer import facts_of, tree_of
from annotation_site.dashboards.groves import Grove, Status, Window
from annotation_site.dashboards.node_facts import NodeFacts
from annotation_site.dashboards.sharing import shared
from annotation_site.dashboards.tree_list import tree_rows
from annotation_site.verification.models import Decision, Overruling
from annotation_site.verification.overruling import overrule, reopen, undo_overruling

BECAME = [status.told for status in Status]
Verdict = Overruling.Verdict


class TreeSerializer(serializers.Serializer[Any]):
    """A tree and what became of its masks."""

    id = serializers.IntegerField()
    round = serializers.IntegerField()
    category = serializers.CharField(source="name")
    masks = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Masks in open clusters.")
    open_clusters = serializers.IntegerField()


class TreesSerializer(serializers.Serializer[Any]):
    """All trees of a project: one a category and round."""

    results = TreeSerializer(many=True)


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    """What became of a cluster, and on what evidence."""

    tree = serializers.IntegerField(source="tree_id")
    node = serializers.IntegerField(source="cluster.node")
    lo = serializers.IntegerField(source="cluster.lo", help_text="Leaves [lo, hi) of the tree.")
    hi = serializers.IntegerField(source="cluster.hi")
    mean_score = serializers.FloatField(source="cluster.mean_score")

    class Meta:
        model = Decision
        fields = (
            "id", "tree", "node", "lo", "hi", "mean_score", "verdict", "yes", "no", "sample", "rule", "at",
            "withdrawn_at", "withdrawn_because",
        )  # fmt: skip


class OverrulingSerializer(serializers.ModelSerializer[Overruling]):
    """An admin's verdict by hand."""

    tree = serializers.IntegerField(source="tree_id")
    by = serializers.CharField(source="by.username")
    replaced_by = serializers.IntegerField(source="replaced_by_id", allow_null=True)
    undone_by = serializers.CharField(source="undone_by.username", allow_null=True, default=None)
    stands = serializers.BooleanField()

    class Meta:
        model = Overruling
        fields = (
            "id", "tree", "node", "lo", "hi", "verdict", "reason", "by", "at", "stands", "replaced_by",
            "undone_at", "undone_by",
        )  # fmt: skip


class QualityTold(serializers.Serializer[Any]):
    """The share of correct masks, estimated from the answers."""

    share = serializers.FloatField(source="value")
    low = serializers.FloatField(help_text="Of the interval that holds it with 95 % confidence.")
    high = serializers.FloatField()


class BarTold(serializers.Serializer[Any]):
    """Masks with a score in [low, high)."""

    low = serializers.FloatField()
    high = serializers.FloatField()
    count = serializers.IntegerField()


class NodeBrief(serializers.Serializer[Any]):
    """A node in a few words."""

    node = serializers.IntegerField()
    lo = serializers.IntegerField(help_text="Leaves [lo, hi) of the tree.")
    hi = serializers.IntegerField()
    size = serializers.IntegerField()
    depth = serializers.IntegerField()
    mean_score = serializers.FloatField()
    became = serializers.ChoiceField(choices=BECAME, source="status.told")


class AnsweredTold(serializers.Serializer[Any]):
    """Answers on the node's own sample."""

    yes = serializers.IntegerField()
    no = serializers.IntegerField()


class NodeSerializer(NodeBrief):
    """A node: what became of it and why, and what is around it."""

    height = serializers.FloatField(help_text="The linkage distance at which it was merged.")
    shares = serializers.DictField(child=serializers.IntegerField(), help_text="What became of how many.")
    parent = NodeBrief(allow_null=True)
    children = NodeBrief(many=True)
    answered = AnsweredTold()
    quality = QualityTold(allow_null=True)
    decision = DecisionSerializer(allow_null=True, help_text="The one in force on it.")
    decided_around = DecisionSerializer(
        source="around", allow_null=True, help_text="The one on the cluster that it is a part of."
    )
    verdicts = OverrulingSerializer(source="overrulings", many=True)
    sample = serializers.ListField(
        source="positions", child=serializers.IntegerField(), help_text="Leaves in the order of asking."
    )
    histogram = BarTold(many=True)


class WindowQuery(serializers.Serializer[Any]):
    """What is to be seen of a tree."""

    lo = Whole(min_value=0, max_value=2**31 - 1, default=0)
    hi = Whole(min_value=1, max_value=2**31 - 1, required=False, help_text="The tree's end.")
    top = Whole(min_value=0, max_value=2**31 - 1, default=0, help_text="The first level.")
    levels = Whole(min_value=1, max_value=200, default=32)
    least = Whole(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Leaves; a thousandth of the tree's."
    )


class NodesSerializer(serializers.Serializer[Any]):
    """Nodes by column, in preorder; at most the 20,000 largest."""

    node = serializers.ListField(child=serializers.IntegerField())
    lo = serializers.ListField(child=serializers.IntegerField())
    hi = serializers.ListField(child=serializers.IntegerField())
    depth = serializers.ListField(child=serializers.IntegerField())
    mean_score = serializers.ListField(child=serializers.FloatField())
    became = serializers.ListField(child=serializers.ChoiceField(choices=BECAME))


class DecisionQuery(PageQuery):
    """Which decisions."""

    verdict = serializers.ChoiceField(choices=Decision.Verdict.choices, required=False)


class VerdictBody(Body):
    """A verdict by hand and its reason."""

    verdict = serializers.ChoiceField(choices=Verdict.choices)
    reason = serializers.RegexField(NOT_BLANK, max_length=500, help_text="What others will know of it.")


class Trees(ProjectView):
    @operation("list_trees", "trees", gives=TreesSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the trees, the latest round and the largest first; some seconds old at most."""
        return Response(TreesSerializer({"results": shared(self.project, "trees", tree_rows)}).data)


class Nodes(ProjectView):
    @operation("list_nodes", "trees", query=WindowQuery, gives=NodesSerializer)
    def get(self, request: Request, slug: str, tree: int) -> Response:  # noqa: ARG002
        """The nodes of a window of a tree, none smaller than `least`."""
        asked = self.query(WindowQuery)
        grove = Grove.of(tree_of(self.project, tree))
        nodes = groves.visible(grove, _window(asked, grove.tree.n))
        told = {
            "node": nodes.tolist(),
            "lo": grove.tree.lo[nodes].tolist(),
            "hi": grove.tree.hi[nodes].tolist(),
            "depth": grove.tree.depth[nodes].tolist(),
            "mean_score": grove.tree.mean(nodes).tolist(),
            "became": [Status(one).told for one in grove.status(nodes).tolist()],
        }
        return Response(told)


class OneNode(ProjectView):
    @operation("read_node", "trees", gives=NodeSerializer)
    def get(self, request: Request, slug: str, tree: int, node: int) -> Response:  # noqa: ARG002
        """A node: scores, quality, parent, children, its decision with the evidence. 0 is the root."""
        return Response(_node(facts_of(self.project, tree, node)))


class NodeVerdicts(ProjectView):
    @operation(
        "overrule", "verdicts", body=VerdictBody, gives=OverrulingSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str, tree: int, node: int) -> Response:
        """Accept or reject a node by hand, or have it asked about again."""
        said = self.body(VerdictBody)
        found = facts_of(self.project, tree, node)
        assert isinstance(request.user, User)
        given: dict[str, Any] = {"tree": found.tree, "node": node, "by": request.user, "at": timezone.now()}
        if said["verdict"] == Verdict.REOPEN:
            made = reopen(reason=said["reason"], **given)
        else:
            made = overrule(**said, **given)
        address = reverse("api:verdict", args=[slug, made.pk], request=request)
        told = OverrulingSerializer(made).data
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class Verdicts(ProjectView):
    @operation("list_verdicts", "verdicts", query=PageQuery, gives=paged(OverrulingSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the verdicts by hand, the newest first; those undone or replaced too."""
        own = Overruling.objects.filter(tree__round__project=self.project).select_related("by", "undone_by")
        return page(request, own, self.query(PageQuery), lambda one: OverrulingSerializer(one).data)


class OneVerdict(ProjectView):
    @operation("read_verdict", "verdicts", gives=OverrulingSerializer)
    def get(self, request: Request, slug: str, verdict: int) -> Response:  # noqa: ARG002
        """Read a verdict by hand."""
        return Response(OverrulingSerializer(self._found(verdict)).data)

    @operation("undo_verdict", "verdicts", gives=OverrulingSerializer)
    def delete(self, request: Request, slug: str, verdict: int) -> Response:  # noqa: ARG002
        """Undo it: what people decided counts again. It stays in the list. Safe to repeat."""
        found = self._found(verdict)
        assert isinstance(request.user, User)
        undo_overruling(overruling=found, by=request.user, at=timezone.now())
        return Response(OverrulingSerializer(self._found(verdict)).data)

    def _found(self, pk: int) -> Overruling:
        own = Overruling.objects.select_related("by", "undone_by")
        return get_object_or_404(own, pk=pk, tree__round__project=self.project)


class Decisions(ProjectView):
    @operation("list_decisions", "decisions", query=DecisionQuery, gives=paged(DecisionSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the decisions in force, the newest first."""
        asked = self.query(DecisionQuery)
        found = selectors.standing(self.project).select_related("cluster")
        if "verdict" in asked:
            found = found.filter(verdict=asked["verdict"])
        return page(request, found, asked, lambda one: DecisionSerializer(one).data)


class MaskAnswered(serializers.Serializer[Any]):
    """A mask that people answered, in the order of asking."""

    mask = serializers.IntegerField(source="mask.pk")
    position = serializers.IntegerField(source="mask.position")
    says = serializers.ListField(child=serializers.CharField())


class EvidenceSerializer(DecisionSerializer):
    """A decision and the answers that it rests on."""

    sampled = MaskAnswered(many=True)

    class Meta(DecisionSerializer.Meta):
        fields = (*DecisionSerializer.Meta.fields, "sampled")  # type: ignore[assignment]


class OneDecision(ProjectView):
    @operation("read_decision", "decisions", gives=EvidenceSerializer)
    def get(self, request: Request, slug: str, decision: int) -> Response:  # noqa: ARG002
        """A decision with the answered masks of its sample; also one that was withdrawn."""
        own = Decision.objects.select_related("cluster", "tree").defer("tree__packed")
        found = get_object_or_404(own, pk=decision, tree__round__project=self.project)
        found.sampled = selectors.evidence(found).shown  # type: ignore[attr-defined]
        return Response(EvidenceSerializer(found).data)


def _window(asked: dict[str, Any], n: int) -> Window:
    lo = min(asked["lo"], n - 1)
    hi = max(min(asked.get("hi", n), n), lo + 1)
    least = min(asked.get("least", max(1, n // 1000)), n)
    return Window(lo=lo, hi=hi, top=asked["top"], rows=asked["levels"], least=least)


def _node(facts: NodeFacts) -> Any:
    yes, no = facts.answered
    told = {name: getattr(facts, name) for name in _PLAIN}
    return NodeSerializer({**told, "answered": {"yes": yes, "no": no}}).data


_PLAIN = (
    "node", "lo", "hi", "size", "depth", "mean_score", "status", "height", "shares", "parent", "children",
    "quality", "decision", "around", "overrulings", "positions", "histogram",
)  # fmt: skip

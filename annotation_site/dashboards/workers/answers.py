"""Every answer of a worker, a page by key: with its mask, what others say, and what became of the cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask
from annotation_site.people.models import GoldItem, Membership
from annotation_site.people.policies import policy_of
from annotation_site.verification.gold_answers import RIGHT, UNSEEN, is_right
from annotation_site.verification.models import Decision, Judgment, Says
from annotation_site.verification.opinions import Opinion, disagreements_of, opinions_on
from pipeline import masks

PAGE = 40


def _disagreed(member: Membership) -> Q:
    return Q(pk__in=disagreements_of(project_id=member.project_id, worker_id=member.worker_id))


FILTERS: Mapping[str, Callable[[Membership], Q]] = {
    "": lambda _: Q(),
    "missed": lambda _: Q(of_gold=True) & ~RIGHT & ~UNSEEN,
    "gold": lambda _: Q(of_gold=True),
    "disagreed": _disagreed,
    "fast": lambda member: Q(elapsed_ms__lt=policy_of(member.project_id).watch_faster_ms),
    "gone": lambda _: Q(retracted_at__isnull=False),
}
"""Which answers to show."""
OF_GOLD = ("missed", "gold")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and what is known beside it.

    Attributes
    ----------
    others : what others said of the same mask, as far as it counts
    opinion : of proven workers on the mask's cluster, where they are of one mind
    decision : the latest on the mask's cluster, in force or withdrawn
    """

    judgment: Judgment
    others: Sequence[str] = ()
    opinion: Opinion | None = None
    decision: Decision | None = None

    @property
    def outlined(self) -> Mask | GoldItem:
        """What was asked about."""
        question = self.judgment.question
        found = question.gold if question.gold is not None else question.mask
        assert found is not None
        return found

    @property
    def frame(self) -> Frame:
        """The part of the photo that is shown."""
        one = self.outlined
        return framing.around(one.box, width=one.image.width, height=one.image.height)

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.outlined.rle)

    @property
    def is_right(self) -> bool | None:
        """Whether gold was answered right; None for what is no gold, or could not be seen."""
        return is_right(self.judgment)

    @property
    def disagrees(self) -> bool:
        """Whether others contradict it: on the same mask, or of one mind about its cluster."""
        says = self.judgment.says
        if says == Says.UNSURE:
            return False
        told = {one for one in self.others if one != Says.UNSURE}
        against = self.opinion is not None and self.opinion.yes != (says == Says.YES)
        return against or bool(told - {says})


@dataclass(frozen=True, slots=True)
class AnswersPage:
    """A page by key; `before` is the key of the next one, None on the last."""

    rows: Sequence[Answered]
    before: int | None


def answers_page(
    member: Membership, *, which: str = "", before: int | None = None, gold: bool = True, size: int = PAGE
) -> AnswersPage:
    """The latest answers of a member, before one of them if given.

    Parameters
    ----------
    which : a key of `FILTERS`
    gold : whether answers to gold are shown, and told apart
    """
    found = _given(member).filter(FILTERS[which](member))
    if not gold:
        found = found.filter(of_gold=False)
    if before is not None:
        last = _given(member).filter(pk=before).values_list("at", flat=True).first()
        if last is not None:
            found = found.filter(Q(at__lt=last) | Q(at=last, pk__lt=before))
    joined = found.select_related(
        "item", "question__category", "question__mask__image", "question__gold__image"
    )
    shown = list(joined.order_by("-at", "-pk")[: size + 1])
    rows = _answered(member, shown[:size])
    return AnswersPage(rows, shown[size - 1].pk if len(shown) > size else None)


def _given(member: Membership) -> QuerySet[Judgment]:
    return Judgment.objects.given().filter(worker=member.worker_id, question__project=member.project_id)


def _answered(member: Membership, judgments: Sequence[Judgment]) -> list[Answered]:
    about_masks = [judgment for judgment in judgments if not judgment.of_gold]
    others = _others(member, [judgment.question_id for judgment in about_masks])
    clusters = {
        judgment.question.cluster_id for judgment in about_masks if judgment.question.cluster_id is not None
    }
    opinions = opinions_on(clusters, project_id=member.project_id, besides=member.worker_id)
    decisions = _decisions(clusters)
    return [
        Answered(
            judgment,
            others=others.get(judgment.question_id, ()),
            opinion=opinions.get(judgment.question.cluster_id or 0),
            decision=decisions.get(judgment.question.cluster_id or 0),
        )
        for judgment in judgments
    ]


def _others(member: Membership, questions: Collection[int]) -> dict[int, list[str]]:
    """Question -> what others said, as far as it counts."""
    said: dict[int, list[str]] = defaultdict(list)
    counting = Judgment.objects.counting().filter(question__in=questions).exclude(worker=member.worker_id)
    for question, says in counting.order_by("pk").values_list("question", "says"):
        said[question].append(says)
    return said


def _decisions(clusters: Collection[int]) -> dict[int, Decision]:
    """Cluster -> its latest decision."""
    latest = Decision.objects.filter(cluster__in=clusters).order_by("cluster", "-pk").distinct("cluster")
    return {decision.cluster_id: decision for decision in latest}

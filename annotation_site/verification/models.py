"""What is asked, what was answered, what was decided: append-only facts, and the queue derived from them.

Foreign keys have no index of their own where another one begins with them: claims and answers write to every
index of a row.
"""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import IntegerRangeField, RangeOperators
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Value

from annotation_site.catalog.models import SHARE, Category, Mask, Project, Round, Tree
from annotation_site.people.models import GoldItem, Worker


class Skill(models.Model):
    """How often a worker is right, as the answers about a tree are weighed; estimated anew at times.

    One for each tree, so that a tree's answers are all read by the same estimates while it is held.
    """

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="skills", db_index=False)
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="skills", db_index=False)
    sensitivity = models.FloatField(validators=SHARE)
    specificity = models.FloatField(validators=SHARE)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "worker"], name="one_skill_per_tree_and_worker"),
        ]


class SearchRules(models.Model):
    """By what a round's trees are searched; fixed when the campaign opens, so that facts can be replayed."""

    round = models.OneToOneField(Round, models.CASCADE, related_name="rules")
    thresholds = models.JSONField(help_text="Fields of pipeline.decisions.Thresholds.")
    rule = models.CharField(max_length=40)
    strategy = models.CharField(max_length=40)
    judgments_per_question = models.PositiveSmallIntegerField(default=1)
    aggregation = models.CharField(max_length=40, default="majority")
    long_tail = models.BooleanField(
        default=False, help_text="Trees without a candidate cluster are asked about mask by mask."
    )
    opened_at = models.DateTimeField()


class Cluster(models.Model):
    """A node of a tree that became a candidate: leaves [lo, hi). Nodes split without asking leave no row."""

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="clusters", db_index=False)
    node = models.PositiveIntegerField()
    lo = models.PositiveIntegerField()
    hi = models.PositiveIntegerField()
    mean_score = models.FloatField()
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    priority = models.FloatField(help_text="The strategy's sort key; larger is asked sooner.")
    sample_size = models.PositiveIntegerField(help_text="Masks that are asked about at most.")
    is_open = models.BooleanField(
        default=True,
        help_text="Derived: no standing decision, every cluster above stands split, nobody overruled it.",
    )
    opened_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "node"], name="one_cluster_per_node"),
            models.CheckConstraint(condition=Q(hi__gt=F("lo")), name="clusters_are_not_empty"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tree", "lo", "hi"], name="clusters_by_interval"),
            models.Index(fields=["tree", "-priority"], condition=Q(is_open=True), name="open_clusters"),
        ]

    @property
    def size(self) -> int:
        return self.hi - self.lo


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Decisions by whether they hold."""

    def in_force(self) -> Self:
        """Those that stand: nobody withdrew them."""
        return self.filter(withdrawn_at__isnull=True)


class Decision(models.Model):
    """What became of a cluster, with the counts it rests on. Withdrawn, never deleted."""

    objects = DecisionQuerySet.as_manager()

    class Verdict(models.TextChoices):
        ACCEPT = "accept"
        REJECT = "reject"
        SPLIT = "split"

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="decisions")
    tree = models.ForeignKey(Tree, models.CASCADE, related_name="decisions", db_index=False)
    interval = IntegerRangeField(help_text="Leaves [lo, hi).")
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    yes = models.PositiveIntegerField()
    no = models.PositiveIntegerField()
    sample = models.PositiveIntegerField(help_text="Size of the cluster's whole sample.")
    rule = models.CharField(max_length=40)
    rests_on = models.BigIntegerField(
        null=True, blank=True, help_text="The last judgment that was known when it was taken."
    )
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["cluster"],
                condition=Q(withdrawn_at__isnull=True),
                name="one_standing_decision_per_cluster",
            ),
            # A range of one tree id stands in for "=", which GiST knows for integers only with an extension.
            ExclusionConstraint(
                name="decided_intervals_do_not_overlap",
                expressions=[
                    (Func(F("tree"), F("tree"), Value("[]"), function="int8range"), RangeOperators.OVERLAPS),
                    ("interval", RangeOperators.OVERLAPS),
                ],
                condition=Q(withdrawn_at__isnull=True) & Q(verdict__in=["accept", "reject"]),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tree", "at"], name="decisions_by_time")]


class OverrulingQuerySet(models.QuerySet["Overruling"]):
    """Overrulings by whether they hold."""

    def standing(self) -> Self:
        """Neither undone nor replaced by a later one."""
        return self.filter(undone_at__isnull=True, replaced_by__isnull=True)

    def verdicts(self) -> Self:
        """Those that say what became of masks; a reopening leaves that to people."""
        return self.filter(verdict__in=[Overruling.Verdict.ACCEPT, Overruling.Verdict.REJECT])


class Overruling(models.Model):
    """An admin's verdict on a node of a tree: a cluster, any part of one, or a single mask (a leaf).

    It lies over what people decided and leaves that as it is; of those that stand the innermost says what
    became of a mask. Undone or replaced, never deleted.
    """

    objects = OverrulingQuerySet.as_manager()

    class Verdict(models.TextChoices):
        ACCEPT = "accept"
        REJECT = "reject"
        REOPEN = "reopen"

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="overrulings", db_index=False)
    node = models.PositiveIntegerField()
    lo = models.PositiveIntegerField()
    hi = models.PositiveIntegerField()
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="overrulings")
    at = models.DateTimeField()
    replaced_by = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="replaced",
        help_text="A later overruling that covers all of it; it stands again when that is undone.",
    )  # fmt: skip
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tree", "node"],
                condition=Q(
                    undone_at__isnull=True, replaced_by__isnull=True, verdict__in=["accept", "reject"]
                ),
                name="one_standing_overruling_per_node",
            ),
            models.CheckConstraint(condition=Q(hi__gt=F("lo")), name="overrulings_are_not_empty"),
            models.CheckConstraint(condition=~Q(reason=""), name="overrulings_have_a_reason"),
        ]
        indexes: ClassVar = [models.Index(fields=["tree", "lo", "hi"], name="overrulings_by_interval")]

    @property
    def size(self) -> int:
        return self.hi - self.lo

    @property
    def stands(self) -> bool:
        """Neither undone nor replaced."""
        return self.undone_at is None and self.replaced_by_id is None


class Question(models.Model):
    """Does this outline the category correctly? About one sampled mask, or about gold: workers cannot tell.

    A mask has at most one question; it is opened for one cluster after the other down the tree.
    `wanted` and `taken` are the queue: judgments the open cluster can still use, and live leases on them. All
    from `cluster` to `taken` are derived and can be computed again from the facts (fold.py).
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="questions")
    category = models.ForeignKey(Category, models.CASCADE, related_name="questions", db_index=False)
    mask = models.OneToOneField(Mask, models.CASCADE, null=True, blank=True, related_name="question")
    gold = models.OneToOneField(GoldItem, models.CASCADE, null=True, blank=True, related_name="question")
    tree = models.ForeignKey(
        Tree, models.CASCADE, null=True, blank=True, related_name="questions", db_index=False
    )
    position = models.PositiveIntegerField(null=True, blank=True, help_text="The mask's leaf.")
    cluster = models.ForeignKey(
        Cluster, models.CASCADE, null=True, blank=True, related_name="questions", db_index=False
    )
    rank = models.PositiveIntegerField(default=0, help_text="Place in the cluster's sample, in key order.")
    turn = models.PositiveSmallIntegerField(
        default=0,
        help_text="0: no answer to it can be in vain; 1: its cluster may be settled without it.",
    )
    priority = models.FloatField(default=0, help_text="The cluster's.")
    wanted = models.PositiveSmallIntegerField(default=0)
    taken = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(mask__isnull=False, gold__isnull=True) | Q(mask__isnull=True, gold__isnull=False),
                name="questions_are_about_one_thing",
            ),
            # With the key, a tree's questions are found without reading their rows.
            models.UniqueConstraint(
                fields=["tree", "position"], include=["id"], name="one_question_per_leaf"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                F("project"), F("turn"), F("priority").desc(), F("rank"), F("id"),
                condition=Q(wanted__gt=F("taken")), name="questions_to_ask",
            ),
            models.Index(fields=["cluster"], name="questions_by_cluster"),
        ]  # fmt: skip


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Assignments by what can still become of them."""

    def live(self) -> Self:
        """Neither finished nor released; the lease may have run out without anyone having swept it."""
        return self.filter(finished_at__isnull=True, released_at__isnull=True)


class Assignment(models.Model):
    """One worker's lease on a HIT; expires, keeps the judgments given so far."""

    objects = AssignmentQuerySet.as_manager()

    project = models.ForeignKey(Project, models.CASCADE, related_name="assignments")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="assignments")
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Every item answered.")
    released_at = models.DateTimeField(
        null=True, blank=True, help_text="Expired or given back before the end."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "worker"],
                condition=Q(finished_at__isnull=True, released_at__isnull=True),
                name="one_live_assignment_per_worker",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                condition=Q(finished_at__isnull=True, released_at__isnull=True),
                name="leases_to_sweep",
            ),
        ]

    @property
    def is_live(self) -> bool:
        return self.finished_at is None and self.released_at is None

    @property
    def reference(self) -> str:
        """What the ledger calls it."""
        return f"assignment:{self.pk}"


class ItemQuerySet(models.QuerySet["Item"]):
    """Items by whether they are answered."""

    def unanswered(self) -> Self:
        """Those without a standing judgment."""
        return self.filter(~Exists(Judgment.objects.counting().filter(item=OuterRef("pk"))))


class Item(models.Model):
    """A question's place in an assignment. `key` is all that a page, a URL or a response says of it."""

    objects = ItemQuerySet.as_manager()

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="items", db_index=False)
    index = models.PositiveSmallIntegerField()
    question = models.ForeignKey(Question, models.CASCADE, related_name="items")
    key = models.UUIDField(unique=True, default=uuid.uuid4)
    unseen_at = models.DateTimeField(
        null=True, blank=True, help_text="When its photo could not be read: the worker had nothing to judge."
    )

    class Meta:
        ordering: ClassVar = ["assignment", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "index"], name="one_item_per_place"),
            models.UniqueConstraint(fields=["assignment", "question"], name="a_question_once_per_hit"),
        ]

    @property
    def reference(self) -> str:
        """What the ledger calls it when it was answered after its assignment had ended."""
        return f"item:{self.pk}"


class Says(models.TextChoices):
    """A worker's answer."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure", "cannot tell"


SET_ASIDE = "reopened by hand"
"""How the reason of a judgment begins that an admin set aside to have its mask asked about again."""
UNDONE = "undone by the worker"
"""Why a judgment is retracted that its worker took back."""


class JudgmentQuerySet(models.QuerySet["Judgment"]):
    """Judgments by what they still mean: masks rest on those that count, cost on those that were given."""

    def counting(self) -> Self:
        """Those that decisions rest on: neither undone nor discarded later."""
        return self.filter(retracted_at__isnull=True)

    def given(self) -> Self:
        """The work that people did: also what was discarded later, not what they themselves took back."""
        return self.exclude(retracted_because=UNDONE)


class Judgment(models.Model):
    """One worker's answer. Retracted (undone, or its worker lost their standing), never deleted."""

    objects = JudgmentQuerySet.as_manager()

    question = models.ForeignKey(Question, models.CASCADE, related_name="judgments")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="judgments", db_index=False)
    item = models.ForeignKey(Item, models.CASCADE, related_name="judgments", db_index=False)
    says = models.CharField(max_length=6, choices=Says.choices)
    of_gold = models.BooleanField(default=False, help_text="The right answer was known.")
    elapsed_ms = models.PositiveIntegerField(help_text="Time the mask was visible and in focus.")
    at = models.DateTimeField()
    retracted_at = models.DateTimeField(null=True, blank=True)
    retracted_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(retracted_at__isnull=True), name="one_judgment_per_item"
            ),
            # Gold may come to the same worker again once they have seen all there is.
            models.UniqueConstraint(
                fields=["question", "worker"],
                condition=Q(retracted_at__isnull=True, of_gold=False),
                name="one_judgment_per_worker",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["worker", "at"], name="judgments_by_worker"),
            models.Index(fields=["worker"], condition=Q(of_gold=True), name="gold_answers"),
        ]

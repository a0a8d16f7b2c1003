"""What is asked, what was answered, what was decided: append-only facts, and the queue derived from them.

Foreign keys have no index of their own where another one begins with them: claims and answers write to every
index of a row.
"""

from annotation_site.verification.models.answers import (
    SET_ASIDE,
    UNCONFIRMED,
    UNDONE,
    Assignment,
    AssignmentQuerySet,
    Item,
    ItemQuerySet,
    Judgment,
    JudgmentQuerySet,
    Says,
)
from annotation_site.verification.models.overruling import Overruling, OverrulingQuerySet
from annotation_site.verification.models.questions import Question
from annotation_site.verification.models.search import Cluster, Decision, DecisionQuerySet, SearchRules, Skill

__all__ = [
    "SET_ASIDE",
    "UNCONFIRMED",
    "UNDONE",
    "Assignment",
    "AssignmentQuerySet",
    "Cluster",
    "Decision",
    "DecisionQuerySet",
    "Item",
    "ItemQuerySet",
    "Judgment",
    "JudgmentQuerySet",
    "Overruling",
    "OverrulingQuerySet",
    "Question",
    "Says",
    "SearchRules",
    "Skill",
]

"""From several people's judgments on one question to its answer, and whom to ask once more."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.decisions import Evidence, Verdict
from pipeline.skills import Skill

MOST_ACCURATE = 0.98
"""Nobody of whom nothing is known is taken to be right more often: every answer can be doubted."""
PATIENCE = 2
"""So many "cannot tell" beyond the votes wanted, and the answer is no: nobody can confirm the mask."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """What one worker says of one mask: True yes, False no, None cannot tell.

    Attributes
    ----------
    number : grows in the order in which the judgments of a cluster were given
    skill : what is known of the worker; None for nothing
    """

    worker: int
    says_yes: bool | None
    number: int = 0
    skill: Skill | None = None


Decide = Callable[[Evidence], Verdict]


class Aggregation(Protocol):
    """How many judgments a question needs, and what they come to."""

    def label(self, judgments: Sequence[Judgment]) -> bool | None:
        """The answer, from the standing judgments in the order given; None while it is open."""

    def wanted(self, judgments: Sequence[Judgment]) -> int:
        """The fewest further judgments that can settle the answer; 0 once it is settled."""

    def again(
        self, asked: Mapping[int, Sequence[Judgment]], evidence: Evidence, decide: Decide
    ) -> frozenset[int]:
        """The answered questions of a cluster on which to ask somebody else before it is decided.

        Parameters
        ----------
        asked : question -> its judgments
        evidence : what the answers come to
        """


@dataclass(frozen=True, slots=True)
class Majority:
    """The side that more than half of `of` votes take; settled as soon as the missing ones cannot change it.

    Attributes
    ----------
    of : odd number of votes; with 1, the first vote is the answer
    """

    of: int

    def __post_init__(self) -> None:
        if self.of < 1 or self.of % 2 == 0:
            raise ValueError(f"A majority of {self.of} votes may be a tie: choose an odd number.")

    def label(self, judgments: Sequence[Judgment]) -> bool | None:
        enough = self.of // 2 + 1
        yes = no = unsure = 0
        for judgment in judgments:
            yes += judgment.says_yes is True
            no += judgment.says_yes is False
            unsure += judgment.says_yes is None
            if yes >= enough:
                return True
            if no >= enough or unsure >= self.of + PATIENCE:
                return False
        return None

    def wanted(self, judgments: Sequence[Judgment]) -> int:
        if self.label(judgments) is not None:
            return 0
        votes = [judgment.says_yes for judgment in judgments]
        leading = max(votes.count(True), votes.count(False))
        return min(self.of // 2 + 1 - leading, self.of + PATIENCE - votes.count(None))

    def again(
        self, asked: Mapping[int, Sequence[Judgment]], evidence: Evidence, decide: Decide
    ) -> frozenset[int]:
        """Nobody: every question has all its votes."""
        del asked, evidence, decide
        return frozenset()


@dataclass(frozen=True, slots=True)
class WhereItMatters:
    """One vote a question, and further ones only where a decision hangs on answers that are doubtful.

    In a cluster of which nearly everything is right, a no is as often a slip as a wrong mask. So before a
    decision is taken, the answers are looked at that may well be wrong, given what the others say of the
    cluster; where the decision would be another if they were, somebody else is asked about them. Where a
    question has several votes, the heavier side is its answer.

    Attributes
    ----------
    typical : of workers of whom nothing is known; their yes and no weigh the same
    most : votes on one question
    doubt : [0, 1], chance to be wrong from which an answer is doubtful
    by_skill : weigh votes by what is known of their workers, else all the same
    """

    typical: Skill
    most: int = 3
    doubt: float = 0.12
    by_skill: bool = False

    def label(self, judgments: Sequence[Judgment]) -> bool | None:
        votes = [judgment for judgment in judgments if judgment.says_yes is not None]
        total = self._weight(votes)
        if total:
            return total > 0
        return False if len(judgments) - len(votes) >= 1 + PATIENCE else None

    def wanted(self, judgments: Sequence[Judgment]) -> int:
        return int(self.label(judgments) is None)

    def again(
        self, asked: Mapping[int, Sequence[Judgment]], evidence: Evidence, decide: Decide
    ) -> frozenset[int]:
        """The doubtful answers of a side, where the decision would be another without any of them."""
        verdict = decide(evidence)
        if verdict is Verdict.ASK:
            return frozenset()
        prior = math.log((evidence.yes + 1) / (evidence.no + 1))
        found: list[int] = []
        for side in (True, False):
            doubtful = [key for key, judgments in asked.items() if self._is_doubtful(judgments, side, prior)]
            if any(
                decide(_turned(evidence, side, count)) is not verdict for count in range(1, len(doubtful) + 1)
            ):
                found += doubtful
        return frozenset(found)

    def _is_doubtful(self, judgments: Sequence[Judgment], side: bool, prior: float) -> bool:
        """Whether a question's answer is `side`, may well be wrong, and may be asked about again."""
        votes = [judgment for judgment in judgments if judgment.says_yes is not None]
        if self.label(judgments) is not side or not 0 < len(votes) < self.most:
            return False
        odds = prior + self._weight(votes)
        return 1 / (1 + math.exp(odds if side else -odds)) >= self.doubt

    def _weight(self, votes: Sequence[Judgment]) -> float:
        """How much speaks for yes: above 0; for no: below."""
        if not self.by_skill:  # So that as many yes as no are exactly nothing.
            surplus = sum(1 if vote.says_yes else -1 for vote in votes)
            return surplus * self.typical.weight(True)
        return sum((vote.skill or self.typical).weight(bool(vote.says_yes)) for vote in votes)


def _turned(evidence: Evidence, side: bool, count: int) -> Evidence:
    """The evidence if so many answers of a side were the other."""
    by = -count if side else count
    return Evidence(evidence.yes + by, evidence.no - by, evidence.sample, evidence.size)


DEFAULT_AGGREGATION = "majority"

AGGREGATIONS: dict[str, Callable[[int, float], Aggregation]] = {
    "majority": lambda votes, _: Majority(votes),
    "second_opinions": lambda _, accuracy: WhereItMatters(_equal(accuracy)),
    "accuracy_weighted": lambda _, accuracy: WhereItMatters(_equal(accuracy), most=5, by_skill=True),
}
"""By name: made of the votes on a question (majority alone looks at them) and a worker's usual accuracy."""


def _equal(accuracy: float) -> Skill:
    known = min(accuracy, MOST_ACCURATE)
    return Skill(known, known)

"""From several people's judgments on one question to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

PATIENCE = 2
"""So many "cannot tell" beyond the votes wanted, and the answer is no: nobody can confirm the mask."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """What one worker says of one mask: True yes, False no, None cannot tell."""

    worker: int
    says_yes: bool | None


class Aggregation(Protocol):
    """How many judgments a question needs, and what they come to."""

    def label(self, judgments: Sequence[Judgment]) -> bool | None:
        """The answer, from the standing judgments in the order given; None while it is open."""

    def wanted(self, judgments: Sequence[Judgment]) -> int:
        """The fewest further judgments that can settle the answer; 0 once it is settled."""


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


DEFAULT_AGGREGATION = "single"

AGGREGATIONS: dict[str, Aggregation] = {
    "single": Majority(1),
    "majority_of_3": Majority(3),
    "majority_of_5": Majority(5),
}

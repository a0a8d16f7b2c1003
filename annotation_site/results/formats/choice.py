"""Which masks an export takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from annotation_site.catalog.models import Project
from annotation_site.results.exporting import INCLUDE
from annotation_site.results.outcomes import Fate, TreeOutcome, outcome_of, trees_of


@dataclass(frozen=True, slots=True)
class Choice:
    """What to export.

    Attributes
    ----------
    include : a name of `exporting.INCLUDE`
    round_number : only masks of this round; None for all
    every_image : list pool images without such a mask too
    """

    include: str = "accepted"
    round_number: int | None = None
    every_image: bool = False

    @property
    def fates(self) -> Collection[Fate]:
        """Of the masks that are taken."""
        return INCLUDE[self.include]

    def outcomes(self, project: Project) -> Sequence[TreeOutcome]:
        """The trees that they come from."""
        return [outcome_of(tree) for tree in trees_of(project, round_number=self.round_number)]

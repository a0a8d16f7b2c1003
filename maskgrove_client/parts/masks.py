"""Trees, masks, decisions, verdicts by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Decision, HeldoutPrediction, Mask, MaskFacts, Node, Tree, Verdict

Fate = Literal["accepted", "rejected", "replaced", "undecided"]


class Masks(ProjectScope):
    def trees(self) -> list[Tree]:
        """One a category and round, the latest and largest first."""
        found: list[Tree] = self._get("trees")["results"]
        return found

    def node(self, tree: int, node: int = 0) -> Node:
        """A node of a tree with its decision and what that rests on; 0 is the root."""
        found: Node = self._get(f"trees/{tree}/nodes/{node}")
        return found

    def decisions(self, verdict: Literal["accept", "reject", "split"] | None = None) -> Iterator[Decision]:
        """Those in force, the newest first."""
        return self._pages("decisions", verdict=verdict)

    def masks(
        self,
        *,
        became: Fate | None = None,
        tree: int | None = None,
        image: int | None = None,
        said: str | None = None,
        score_from: float | None = None,
        score_to: float | None = None,
        order: Literal["leaves", "best", "worst"] | None = None,
        limit: int = 200,
    ) -> Iterator[Mask]:
        """Masks by filter, `limit` of them at each request."""
        asked = {"became": became, "tree": tree, "image": image, "said": said, "order": order}
        return self._pages("masks", score_from=score_from, score_to=score_to, limit=limit, **asked)

    def mask(self, mask: int) -> MaskFacts:
        """One mask with its outline, its answers, and why it became what it is."""
        found: MaskFacts = self._get(f"masks/{mask}")
        return found

    def heldout_predictions(
        self,
        *,
        order: Literal["overconfident", "underconfident", "best", "worst"] | None = None,
        category: int | None = None,
        round: int | None = None,
        limit: int = 200,
    ) -> Iterator[HeldoutPrediction]:
        """What the model says of held-out images, with the real IoU of each; of the latest round or another.

        The most overconfident come first: those whose score is most above their IoU.
        """
        asked = {"order": order, "category": category, "round": round, "limit": limit}
        return self._pages("predictions/heldout", **asked)

    def overrule(
        self, tree: int, node: int, verdict: Literal["accept", "reject", "reopen"], *, reason: str
    ) -> Verdict:
        """Accept or reject a node by hand, or have it asked about again."""
        made: Verdict = self._send(
            "POST", f"trees/{tree}/nodes/{node}/verdicts", verdict=verdict, reason=reason
        )
        return made

    def undo(self, verdict: int) -> Verdict:
        """Undo a verdict by hand."""
        undone: Verdict = self._send("DELETE", f"verdicts/{verdict}")
        return undone

    def verdicts(self) -> Iterator[Verdict]:
        return self._pages("verdicts")

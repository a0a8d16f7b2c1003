"""What a project's parameters mean, in the order and the words of the set-up page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Told:
    """A parameter's name in the field's words, a sentence on it, and the paper's value where it has one."""

    label: str | _StrPromise
    sentence: str | _StrPromise
    paper: str | _StrPromise = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that belong together, and which stage has to be done over when one of them changes."""

    title: str | _StrPromise
    effect: str | _StrPromise
    names: tuple[str, ...]


GROUPS = (
    Group(
        _("What is right"),
        _("Held by the trees and the calibration: do the stage cluster over after a change."),
        ("k_iou", "k_a", "confidence"),
    ),
    Group(
        _("What is asked"),
        _("Fixed when the project opens; a later change is for the next round."),
        (
            "n_s", "min_size", "k_pa", "rule", "strategy", "worker_accuracy", "aggregation",
            "judgments_per_question", "long_tail",
        ),
    ),
    Group(
        _("Trees"),
        _("Do the stage cluster over after a change."),
        ("linkage", "feature", "use_score", "seed"),
    ),
    Group(_("Model"), _("Do the stage train over after a change."), ("detector", "detector_options")),
    Group(
        _("A page of work"),
        _("Holds for the next page that somebody opens."),
        ("hit_size", "gold_share", "lease_minutes"),
    ),
    Group(_("Rounds"), _("Looked at when nothing is left to ask."), ("most_rounds", "least_gain")),
    Group(_("About"), "", ("description", "generated")),
)  # fmt: skip

TOLD: Mapping[str, Told] = {
    "k_iou": Told(
        "K_iou", _("A mask is correct when its overlap (IoU) with the true mask is at least this."), "0.75"
    ),
    "k_a": Told(
        "K_a", _("A cluster is accepted when at least this share of its masks is correct."), "0.85"
    ),
    "confidence": Told(
        _("Confidence"), _("Predictions of a lower class score are dropped before clustering."), "0.2"
    ),
    "n_s": Told("N_s", _("So many masks of a cluster are sampled and asked about."), "15"),
    "min_size": Told(
        _("Smallest cluster"), _("Smaller clusters are not asked about; empty takes N_s."), "N_s"
    ),
    "k_pa": Told(
        "K_pa",
        _("Clusters of a lower mean score are split without asking; empty is calibrated on held-out images."),
        "0.7",
    ),
    "rule": Told(
        _("Rule"),
        _("When to stop asking about a cluster: paper takes all N_s answers, curtailed what can matter; "
          "sequential plans larger samples for larger clusters and stops when it is clear enough."),
        "paper",
    ),
    "strategy": Told(
        _("Strategy"),
        _("Which cluster is asked about next: best_first takes the highest score, expected_yield what brings "
          "most masks per question."),
        "best_first",
    ),
    "worker_accuracy": Told(
        _("Accuracy of workers"),
        _("How often one answer is right; the rule sequential and second opinions reckon with it."),
    ),
    "aggregation": Told(
        _("Votes"),
        _("majority counts votes; the others ask somebody else only where a decision hangs on an answer."),
        "majority",
    ),
    "judgments_per_question": Told(
        _("Votes on a question"), _("An odd number; only majority looks at it."), "1"
    ),
    "long_tail": Told(
        _("Long tail"), _("Ask about categories that have no cluster, mask by mask, once no cluster is left.")
    ),
    "linkage": Told(
        _("Linkage"), _("How the distance of two clusters follows from that of their masks."), "complete"
    ),
    "feature": Told(_("Feature"), _("By which vectors of the network masks are compared."), "attention"),
    "use_score": Told(
        _("Use the score"), _("Add the difference of two masks' scores to their distance."), _("yes")
    ),
    "seed": Told(_("Seed"), _("What everything random follows from.")),
    "detector": Told(
        _("Detector"), _("The model that is trained; maskrcnn-small learns on a CPU, the others on a GPU."),
        "pointrend",
    ),
    "detector_options": Told(
        _("Detector options"), _('A JSON object, as {"iterations": 400}; left out, what the detector is '
                                 'tuned for.')
    ),
    "hit_size": Told(_("Questions on a page"), _("What one worker gets at once."), "50"),
    "gold_share": Told(
        _("Gold"), _("The share of them whose answer is known, to see whether workers look closely.")
    ),
    "lease_minutes": Told(_("Minutes for a page"), _("What is unanswered then goes to somebody else.")),
    "most_rounds": Told(
        _("Rounds"), _("Up to so many; the next one trains on what was accepted and begins by itself."), "1"
    ),
    "least_gain": Told(
        _("Least gain"), _("No further round when the last added less than this share of accepted masks.")
    ),
    "description": Told(_("Description"), _("Shown on the project's overview.")),
    "generated": Told(_("Generated scenes"), _("The images are drawn by a program; the pages say so.")),
}  # fmt: skip

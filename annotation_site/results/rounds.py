"""What each round brought: objects found, what was asked for them, and how good its model was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.results.outcomes import TreeOutcome
from annotation_site.results.truth import has_truth, tally_of
from annotation_site.verification.models import UNDONE
from pipeline.metrics import Tally, total

ANSWERS = """
SELECT opened.number, count(*), sum(j.elapsed_ms) / 1000.0
FROM verification_judgment j
JOIN verification_question q ON q.id = j.question_id AND q.project_id = %(project)s
JOIN (
  SELECT r.number, s.opened_at AS since,
    lead(s.opened_at, 1, 'infinity') OVER (ORDER BY r.number) AS until
  FROM verification_searchrules s JOIN catalog_round r ON r.id = s.round_id AND r.project_id = %(project)s
) opened ON j.at >= opened.since AND j.at < opened.until
WHERE j.retracted_because <> %(undone)s GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round's part.

    Attributes
    ----------
    known : objects that it began with
    masks : predicted in pool images and not known
    accepted : of them, whether or not a later round replaced them
    replaced : masks of earlier rounds that its accepted masks took the place of
    objects : accepted masks when it ended, each object once
    questions, seconds : answers given from its opening to that of the next, gold included
    ap50, ap75 : of its model on held-out images, None where nothing was trained or held out
    tally : of all that was accepted when it ended, against ground truth
    """

    number: int
    known: int
    masks: int
    accepted: int
    replaced: int
    objects: int
    questions: int
    seconds: float
    ap50: float | None
    ap75: float | None
    tally: Tally

    @property
    def gain(self) -> float | None:
        """What it added to the objects that it began with, as a share; None for the first."""
        return self.objects / self.known - 1 if self.known else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a measure is not defined."""
        return {
            "round": self.number,
            "known_objects": self.known,
            "masks": self.masks,
            "accepted_masks": self.accepted,
            "replaced_masks": self.replaced,
            "objects": self.objects,
            "gain": self.gain,
            "precision": _defined(self.tally.precision),
            "sq": _defined(self.tally.sq),
            "coverage": _defined(self.tally.coverage),
            "questions": self.questions,
            "verification_hours": self.seconds / 3600,
            "ap50": self.ap50,
            "ap75": self.ap75,
        }


def round_reports(project: Project, outcomes: Sequence[TreeOutcome], now: Tally) -> list[RoundReport]:
    """A report for every round, in order; `now` is the tally of all that counts today."""
    rounds = list(project.rounds.order_by("number"))
    answers, with_truth = _answers(project), has_truth(project)
    found = []
    for round_ in rounds:
        so_far = [one for one in outcomes if one.tree.round.number <= round_.number]
        is_last = round_ == rounds[-1]
        measured = now if is_last or not with_truth else _tally(project, so_far, until=round_.number)
        found.append(_report(round_, so_far, answers.get(round_.number, (0, 0.0)), measured))
    return found


def _report(
    round_: Round, so_far: Sequence[TreeOutcome], answers: tuple[int, float], measured: Tally
) -> RoundReport:
    own = [one for one in so_far if one.tree.round.number == round_.number]
    by = [by for one in so_far for by in one.replaced.values()]
    validation = _validation(round_)
    return RoundReport(
        number=round_.number,
        known=round_.known.count(),
        masks=sum(one.tree.n for one in own),
        accepted=sum(one.accepted + len(one.replaced) for one in own),
        replaced=by.count(round_.number),
        objects=sum(one.accepted for one in so_far) + sum(number > round_.number for number in by),
        questions=answers[0],
        seconds=answers[1],
        ap50=validation.get("ap50"),
        ap75=validation.get("ap75"),
        tally=measured,
    )


def _answers(project: Project) -> dict[int, tuple[int, float]]:
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS, {"project": project.pk, "undone": UNDONE})
        return {number: (count, float(seconds)) for number, count, seconds in cursor.fetchall()}


def _tally(project: Project, outcomes: Sequence[TreeOutcome], *, until: int) -> Tally:
    by_category: dict[int, list[TreeOutcome]] = {}
    for outcome in outcomes:
        by_category.setdefault(outcome.tree.category_id, []).append(outcome)
    return total(
        tally_of(category, by_category.get(category.pk, []), k_iou=project.k_iou, until=until)
        for category in project.categories.all()
    )


def _validation(round_: Round) -> Mapping[str, float]:
    run = round_.stages.filter(stage=StageRun.Stage.TRAIN).first()
    found: Mapping[str, float] = run.detail.get("validation", {}) if run else {}
    return found


def _defined(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None

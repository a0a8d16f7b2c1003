"""What quality control made of a simulated crowd: who was stopped, after how much, and what it was worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from annotation_site.catalog.models import Project
from annotation_site.pages.crowd.population import Behaviour
from annotation_site.people.models import Membership, Standing, StandingChange
from annotation_site.results.reporting import report
from annotation_site.verification.models import Decision, Judgment
from annotation_site.verification.records import records_of


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of the workers of one behaviour.

    Attributes
    ----------
    standings : how many of them ended in each standing
    answers, counting : that they gave to real masks, and those of them that decisions rest on
    gold_right, gold : their answers to gold
    until_stopped : the middle one of how many answers, gold included, those who were stopped gave before
    because : what they were stopped for, each once, without its figures
    """

    name: str
    standings: Counter[str]
    answers: int
    counting: int
    gold_right: int
    gold: int
    until_stopped: float | None
    because: list[str]

    @property
    def workers(self) -> int:
        return sum(self.standings.values())

    @property
    def stopped(self) -> int:
        return self.standings[Standing.STOPPED]


@dataclass(frozen=True, slots=True)
class Worth:
    """What the campaign came to.

    Attributes
    ----------
    accepted, correct : accepted masks in images with ground truth, and those that reach K_iou, as reported
    withdrawn : decisions that fell with answers they rested on
    """

    accepted: int
    correct: int
    withdrawn: int

    @property
    def precision(self) -> float | None:
        """Share of correct masks; None without any."""
        return self.correct / self.accepted if self.accepted else None


def caught(recruited: Sequence[tuple[Membership, Behaviour]]) -> Iterator[Caught]:
    """By behaviour, in the order of the population."""
    for name in dict.fromkeys(behaviour.name for _, behaviour in recruited):
        members = [member.pk for member, behaviour in recruited if behaviour.name == name]
        yield _caught(name, list(Membership.objects.filter(pk__in=members)))


def _caught(name: str, members: list[Membership]) -> Caught:
    workers = [member.worker_id for member in members]
    given = Judgment.objects.given().filter(
        worker__in=workers, of_gold=False, question__project=members[0].project_id
    )
    records = records_of([member.pk for member in members]).values()
    stops = list(StandingChange.objects.filter(membership__in=members, after=Standing.STOPPED))
    before = [
        Judgment.objects.given().filter(worker=stop.membership.worker_id, at__lte=stop.at).count()
        for stop in stops
    ]
    return Caught(
        name=name,
        standings=Counter(member.standing for member in members),
        answers=given.count(),
        counting=given.counting().count(),
        gold_right=sum(record.gold.right for record in records),
        gold=sum(record.gold.answered for record in records),
        until_stopped=median(before) if before else None,
        because=sorted({reason for stop in stops for reason in _kinds(stop.reason)}),
    )


KINDS = {"gold": "gold answers right", "agreement": "agrees with proven workers", "speed": "answers in"}
"""How the reasons of `people.standing` begin or go on."""


def _kinds(reason: str) -> Iterator[str]:
    return (kind for kind, said in KINDS.items() if said in reason)


def worth_of(project: Project) -> Worth:
    """What a project's accepted masks are worth, as far as there is ground truth."""
    tally = report(project).tally
    fallen = Decision.objects.filter(tree__round__project=project, withdrawn_at__isnull=False)
    return Worth(tally.accepted, tally.correct, fallen.count())


def told(found: Caught) -> str:
    """A line for people."""
    standings = ", ".join(f"{count} {standing}" for standing, count in sorted(found.standings.items()))
    line = f"{found.name}: {standings}; gold {found.gold_right}/{found.gold}"
    line += f"; {found.counting} of {found.answers} answers count"
    if found.until_stopped is not None:
        line += f"; stopped after {found.until_stopped:.0f} answers by {', '.join(found.because)}"
    return line

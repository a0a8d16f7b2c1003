"""Whether a worker may answer: by gold, by their agreement with others, by how fast they are.

Standing is lost by upper confidence bounds and earned by lower ones: who is stopped is surely bad, who is
active is surely good enough, and in between people go on working.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from scipy.stats import beta

from annotation_site.people.models import Membership, Standing, StandingChange, TrustPolicy

CONFIDENCE = 0.95


class WorkerStopped(Exception):
    """The worker may not answer on this project any more; the message may be shown to them."""


def at_least(right: float, wrong: float) -> float:
    """The share that is surpassed with 95 % confidence (Clopper-Pearson)."""
    return float(beta.ppf(1 - CONFIDENCE, right, wrong + 1)) if right else 0.0


def at_most(right: float, wrong: float) -> float:
    """The share that is not reached with 95 % confidence (Clopper-Pearson)."""
    return float(beta.ppf(CONFIDENCE, right + 1, wrong)) if wrong else 1.0


@dataclass(frozen=True, slots=True)
class GoldRecord:
    """How a worker answered gold; "cannot tell" is wrong, as the answer could be told where the photo was."""

    right: int = 0
    wrong: int = 0

    @property
    def answered(self) -> int:
        return self.right + self.wrong

    @property
    def at_least(self) -> float:
        """The accuracy that the worker surpasses with 95 % confidence."""
        return at_least(self.right, self.wrong)

    @property
    def at_most(self) -> float:
        """The accuracy that the worker stays below with 95 % confidence."""
        return at_most(self.right, self.wrong)


@dataclass(frozen=True, slots=True)
class AgreementRecord:
    """How far a worker agrees with proven workers where these are of one mind.

    Attributes
    ----------
    agreed, shared : answers to masks of such clusters, and those that say what the others mostly say
    expected : [0, 1], how often the others say it themselves there
    """

    agreed: int = 0
    shared: int = 0
    expected: float = 1.0

    @property
    def at_most(self) -> float:
        """The share of the others' own agreement that the worker stays below with 95 % confidence."""
        return min(1.0, at_most(self.agreed, self.shared - self.agreed) / self.expected)


@dataclass(frozen=True, slots=True)
class PaceRecord:
    """How long a worker looks at a mask.

    Attributes
    ----------
    timed : answers
    look_ms : the middle one of the times that their pages reported
    clock_ms : from the opening of their HITs to the last answer, by answer; None before there is any, and
        for simulated workers
    """

    timed: int = 0
    look_ms: float = 0.0
    clock_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a worker's work on a project.

    Attributes
    ----------
    answers : that they gave; also those that stopped counting, not those that they took back
    last_at : the last of these; None before any
    """

    answers: int = 0
    last_at: datetime | None = None
    gold: GoldRecord = field(default_factory=GoldRecord)
    agreement: AgreementRecord = field(default_factory=AgreementRecord)
    pace: PaceRecord = field(default_factory=PaceRecord)


def assess(record: Record, policy: TrustPolicy, *, current: Standing) -> tuple[Standing, str]:
    """The standing that a record earns, and why; who is stopped stays so until a person decides otherwise."""
    if current in (Standing.STOPPED, Standing.NEW):
        return current, ""
    for level in (Standing.STOPPED, Standing.PROBATION):
        reasons = [reason for found, reason in _doubts(record, policy) if found == level]
        if reasons:
            return level, " ".join(reasons)
    gold = record.gold
    if gold.answered < policy.least_gold:
        return current, ""
    known = f"{gold.right} of {gold.answered} gold answers right"
    if gold.at_least >= policy.stop_below:
        return Standing.ACTIVE, f"{known}, so at least {gold.at_least:.0%} accurate."
    if current == Standing.PROBATION:
        return Standing.QUALIFIED, f"{known}, so up to {gold.at_most:.0%} accurate."
    return current, ""


def _doubts(record: Record, policy: TrustPolicy) -> Iterator[tuple[Standing, str]]:
    """What speaks against a worker, and the standing that it leaves them."""
    gold, agreement = record.gold, record.agreement
    if gold.answered >= policy.least_gold:
        known = f"{gold.right} of {gold.answered} gold answers right, so at most {gold.at_most:.0%} accurate"
        yield from _below(gold.at_most, policy.stop_below, policy.watch_below, known)
    if agreement.shared >= policy.least_shared:
        known = (
            f"agrees with proven workers in {agreement.agreed} of {agreement.shared} answers, so at most"
            f" {agreement.at_most:.0%} as often as they among themselves"
        )
        yield from _below(agreement.at_most, policy.stop_agreeing_below, policy.watch_agreeing_below, known)
    if record.pace.timed >= policy.least_timed:
        yield from _too_fast(record.pace, policy)


def _below(value: float, stop: float, watch: float, known: str) -> Iterator[tuple[Standing, str]]:
    if value < stop:
        yield Standing.STOPPED, f"{known}; {stop:.0%} is needed."
    elif value < watch:
        yield Standing.PROBATION, f"{known}; watched below {watch:.0%}."


def _too_fast(pace: PaceRecord, policy: TrustPolicy) -> Iterator[tuple[Standing, str]]:
    by_clock = policy.check_clock and pace.clock_ms is not None and pace.clock_ms < pace.look_ms
    fastest = pace.clock_ms if by_clock and pace.clock_ms is not None else pace.look_ms
    known = f"answers in {fastest:.0f} ms" + (" by the site's clock" if by_clock else "")
    if fastest < policy.stop_faster_ms:
        yield Standing.STOPPED, f"{known}; nobody looks in less than {policy.stop_faster_ms}."
    elif fastest < policy.watch_faster_ms:
        yield Standing.PROBATION, f"{known}; watched below {policy.watch_faster_ms}."


def hold_membership(membership: Membership) -> Standing:
    """Hold a membership until the transaction ends; the standing that it has until then."""
    locked = Membership.objects.select_for_update(no_key=True).get(pk=membership.pk)
    return Standing(locked.standing)


@transaction.atomic
def change_standing(*, membership: Membership, to: Standing, reason: str, at: datetime, by: str = "") -> bool:
    """Change a standing and note why and who; False when it was that already.

    Parameters
    ----------
    by : the name of the user who does it; empty for the site itself
    """
    before = hold_membership(membership)
    membership.standing = to
    if before == to:
        return False
    Membership.objects.filter(pk=membership.pk).update(standing=to)
    StandingChange.objects.create(membership=membership, before=before, after=to, reason=reason, by=by, at=at)
    return True


@transaction.atomic
def note_worker(*, membership: Membership, text: str, at: datetime, by: str) -> StandingChange:
    """Note something of a worker among the changes of their standing, which stays as it is."""
    standing = hold_membership(membership)
    return StandingChange.objects.create(
        membership=membership, before=standing, after=standing, reason=text, by=by, at=at
    )

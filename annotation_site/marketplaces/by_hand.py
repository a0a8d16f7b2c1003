"""What an admin does about a submission, beside a bonus: have it paid, or ask for its return."""

from __future__ import annotations

from datetime import datetime

from annotation_site.budget.ledger import BudgetSpent
from annotation_site.marketplaces.models import Action, Submission
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.reconciling import approve

State = Submission.State


class SubmissionRefused(ValueError):
    """What makes no sense for a submission as it stands; the message says why."""


def approve_by_hand(*, submission: Submission, at: datetime) -> None:
    """Have the marketplace pay for what was handed in, also after it was rejected. Safe to repeat.

    Raises
    ------
    BudgetSpent
        While the caps do not allow what is owed.
    SubmissionRefused
        When nothing was handed in.
    """
    if submission.state == State.REJECTED:
        _ask(submission, Action.Kind.OVERRIDE, at)
    elif submission.state == State.HANDED_IN:
        if not approve(submission, at=at):
            raise BudgetSpent("The budget does not allow it: set its cap higher.")
    elif submission.state != State.APPROVED:
        raise SubmissionRefused(f"{submission} was not handed in: there is nothing to approve.")


def ask_to_return(*, submission: Submission, at: datetime) -> None:
    """Ask a worker to give a place back, who is not paid for it then. Safe to repeat.

    Raises
    ------
    SubmissionRefused
        When it has ended.
    """
    if submission.state not in (State.ARRIVED, State.HANDED_IN):
        raise SubmissionRefused(f"{submission} is {submission.get_state_display()}: it stays with that.")
    _ask(submission, Action.Kind.RELEASE, at)


def _ask(submission: Submission, kind: Action.Kind, at: datetime) -> None:
    reference = f"{kind.value}:{submission.pk}"
    about = {"submission": submission, "worker": submission.worker}
    ask(listing=submission.listing, kind=kind, reference=reference, at=at, **about)

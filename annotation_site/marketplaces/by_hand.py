"""What an admin does about a submission, beside a bonus: have it paid, reject it, or ask for its return."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation_site.marketplaces import outbox
from annotation_site.marketplaces.models import Action, Submission
from annotation_site.marketplaces.paying import ask_to_pay
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.marketplaces.reconciling import is_to_be

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
    with transaction.atomic():
        held = Submission.objects.held().get(pk=submission.pk)
        if held.state == State.APPROVED:
            return
        if held.state not in (State.HANDED_IN, State.REJECTED):
            raise SubmissionRefused(f"{held} was not handed in: there is nothing to approve.")
        if held.state == State.HANDED_IN and is_to_be(Action.Kind.REJECT, held):
            raise SubmissionRefused(f"{held} is to be rejected: approve it after all once it is.")
        is_late = held.state == State.REJECTED
        asked = ask_to_pay(held, Action.Kind.OVERRIDE if is_late else Action.Kind.APPROVE, at=at)
        outbox.retry(asked, at=at)


def try_again(*, action: Action, at: datetime) -> None:
    """Tell the marketplace again what it refused. Safe to repeat.

    What an override pays was taken back when it was given up: it is in the ledger again before that.

    Raises
    ------
    BudgetSpent, SubmissionRefused
        As `approve_by_hand`, of an override.
    """
    if action.kind == Action.Kind.OVERRIDE and action.submission is not None:
        if action.failed_at is not None:
            approve_by_hand(submission=action.submission, at=at)
    else:
        outbox.retry(action, at=at)


def reject_by_hand(*, submission: Submission, reason: str, at: datetime) -> None:
    """Have the marketplace pay nothing for what was handed in; the site itself never asks for that.

    The ledger follows what the marketplace then says. Safe to repeat.

    Parameters
    ----------
    reason : the worker reads it

    Raises
    ------
    SubmissionRefused
        When it was not handed in, or is to be approved, or the reason says less than the marketplace wants.
    """
    if submission.state == State.REJECTED:
        return
    least = marketplace_of(submission.listing).least_reason
    if len(reason.strip()) < least:
        raise SubmissionRefused(f"Say why, in {least} characters or more: the worker reads it.")
    with transaction.atomic():
        held = Submission.objects.select_for_update(no_key=True).get(pk=submission.pk)
        if held.state != State.HANDED_IN:
            raise SubmissionRefused(f"{submission} is {held.get_state_display()}: it stays with that.")
        if is_to_be(Action.Kind.APPROVE, submission):
            raise SubmissionRefused(f"{submission} is to be approved: it cannot be rejected any more.")
        if not is_to_be(Action.Kind.REJECT, submission):
            before = submission.actions.filter(kind=Action.Kind.REJECT).count()  # Refused ones are kept.
            _ask(submission, Action.Kind.REJECT, at, number=before + 1, reason=reason.strip())


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


def _ask(
    submission: Submission, kind: Action.Kind, at: datetime, *, number: int = 1, reason: str = ""
) -> None:
    reference = f"{kind.value}:{submission.pk}" + (f":{number}" if number > 1 else "")
    about = {"submission": submission, "worker": submission.worker, "reason": reason}
    outbox.ask(listing=submission.listing, kind=kind, reference=reference, at=at, **about)

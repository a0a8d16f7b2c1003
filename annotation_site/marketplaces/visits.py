"""A visit: someone came from a marketplace to work at one place of it. No cookie, but a signed token."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from annotation_site.budget.terms import Terms
from annotation_site.marketplaces import paying
from annotation_site.marketplaces.models import Listing, Posting, Submission
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.marketplaces.seam import (
    Arrival,
    Ending,
    Marketplace,
    MarketplaceError,
    NotAnArrival,
    WayOut,
)
from annotation_site.people import members
from annotation_site.people.members import UnknownLink
from annotation_site.people.models import Membership
from annotation_site.people.qualification.policy import attempts_left, is_qualified
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment, Judgment
from annotation_site.verification.releasing import release_page
from annotation_site.verification.trust import review_standing

SALT = "maskgrove.visit"
LIFETIME = timedelta(hours=24)
"""The longest that a place is held anywhere; opening the page there again gives a fresh token."""
MARK = ":"
"""Signed tokens have it, secrets of personal links do not."""

logger = logging.getLogger(__name__)


@dataclass
class Visit:
    """Someone at a place. `token` addresses their pages; `hand_in_to` is what the marketplace said."""

    submission: Submission
    membership: Membership
    hand_in_to: str
    token: str

    @cached_property
    def marketplace(self) -> Marketplace:
        """Where they came from."""
        return marketplace_of(self.submission.listing)

    @property
    def is_test(self) -> bool:
        """The place is for the qualification alone."""
        return self.submission.posting.purpose == Posting.Purpose.TEST

    @property
    def is_over(self) -> bool:
        """Nothing is left to do at this place: its page of work or its test has ended."""
        if self.submission.state not in (Submission.State.ARRIVED, Submission.State.RETURNED):
            return True
        if self.is_test:
            return self._has_taken_the_test
        assignment = self.submission.assignment
        return assignment is not None and assignment.finished_at is not None

    @property
    def was_returned(self) -> bool:
        """Given back, and no page of work is open there: only coming again opens one."""
        page = self.submission.assignment
        return self.submission.state == Submission.State.RETURNED and (page is None or not page.is_live)

    @property
    def has_worked(self) -> bool:
        """Something at this place has to be paid for, and nothing is left to do for it."""
        page = self.submission.assignment
        if page is None:
            return self.is_test and self._has_taken_the_test
        return not page.is_live and Judgment.objects.given().filter(item__assignment=page).exists()

    @property
    def _has_taken_the_test(self) -> bool:
        return is_qualified(self.membership) or attempts_left(self.membership) == 0

    @property
    def terms(self) -> Terms:
        """How a page of work that is opened here is paid: as the listing promised."""
        return paying.terms_of(self.submission.listing)

    @property
    def promised(self) -> tuple[Decimal, str]:
        """What the marketplace says that this place pays, and in which currency."""
        listing = self.submission.listing
        return listing.reward_for(self.submission.posting.purpose), listing.currency

    @property
    def origins(self) -> list[str]:
        """Where the page may be framed, and its form be posted to."""
        return self.marketplace.origins(self.submission.listing)

    @property
    def is_handed_in(self) -> bool:
        """The marketplace itself has it."""
        return self.submission.handed_in_at is not None

    @property
    def done(self) -> WayOut | None:
        """How they hand in what is done; pages show it when the work is over, not before."""
        return self._way_out(Ending.DONE)

    def way_out(self, kind: str) -> WayOut | None:
        """How they go back from a notice of that kind; None where they can only return the place."""
        if self.is_handed_in:
            return None
        if self.has_worked or self.is_over:
            return self.done
        failed = kind in ("stopped", "not-passed")
        return self._way_out(Ending.SCREENED_OUT if failed else Ending.NOTHING_LEFT)

    def _way_out(self, ending: str) -> WayOut | None:
        return self.marketplace.way_out(self.submission, ending=ending, hand_in_to=self.hand_in_to)


def read_arrival(listing: Listing, query: Mapping[str, str]) -> Arrival:
    """What the marketplace says in the address that it opened.

    Raises
    ------
    NotAnArrival
        When ids are missing or were made up.
    """
    found = marketplace_of(listing).arrival(query)
    told = (found.posting_id, found.submission_id, found.worker_id, found.hand_in_to)
    if not all(text.isprintable() and len(text) <= 120 for text in told) or len(found.submission_id) > 64:
        raise NotAnArrival(_("The address of this page is damaged: open it again from the marketplace."))
    return found


def arrive(*, listing: Listing, arrival: Arrival, at: datetime) -> Visit:
    """Take in whoever accepted a place; coming again finds the same visit. Opens nothing.

    Raises
    ------
    NotAnArrival
        When the place is none of this listing, or the way back leads nowhere of the marketplace's.
    """
    posting = listing.postings.filter(external_id=arrival.posting_id).exclude(external_id="").first()
    if posting is None:
        raise NotAnArrival(_("This place is not known here any more. Return it, and take another one."))
    with transaction.atomic():
        membership = members.join(
            project=listing.project, provider=listing.realm, external_id=arrival.worker_id
        )
        submission, is_new = Submission.objects.select_related("assignment").get_or_create(
            listing=listing,
            worker=membership.worker,
            external_id=arrival.submission_id,
            defaults={"posting": posting, "arrived_at": at},
        )
        if not is_new and submission.state == Submission.State.RETURNED:
            _take_again(submission, posting, at)
        submission.listing, submission.posting = listing, posting
        visit = _visit(submission, membership, arrival.hand_in_to)
        visit._way_out(Ending.DONE)  # Refuses now, leaving nothing behind, what could not be handed in later.
    return visit


def is_held(listing: Listing, arrival: Arrival) -> bool:
    """Whether somebody who comes holds their place here already."""
    held = Submission.objects.filter(
        listing=listing, external_id=arrival.submission_id, state=Submission.State.ARRIVED
    )
    return held.exists()


def _take_again(submission: Submission, posting: Posting, at: datetime) -> None:
    """A place that they gave back, and took once more: what vouched for their work there still does."""
    submission.state, submission.posting, submission.arrived_at = Submission.State.ARRIVED, posting, at
    gone = ("handed_in_at", "ended_at", "booked_at")
    for name in gone:
        setattr(submission, name, None)
    submission.save(update_fields=["state", "posting", "arrived_at", *gone])


def _visit(submission: Submission, membership: Membership, hand_in_to: str) -> Visit:
    token = signing.dumps([submission.pk, membership.pk, hand_in_to], salt=SALT)
    membership.__dict__["came_by"] = token
    return Visit(submission, membership, hand_in_to, token)


class NotHeld(Exception):
    """The place is not theirs, as far as can be told: no page of work is opened for it."""


def open_page(*, visit: Visit, at: datetime) -> Assignment:
    """The page of work at a place: the one that is open there, else a new one, paid as the listing promised.

    Raises
    ------
    NotHeld
        When it was given back, the marketplace says that somebody else holds it, or others have all places.
    UnknownLink
        When this place has had its page of work.
    NoHit, BudgetSpent, NotQualified, WorkerStopped
        As `claim_hit`.
    """
    if visit.was_returned:
        raise NotHeld(f"{visit.submission} was given back: open the page again from the marketplace.")
    _confirm(visit.submission, at)
    if not _has_room(visit.submission):
        raise NotHeld(f"Every place of {visit.submission.posting} is taken.")
    assignment = claim_hit(membership=visit.membership, at=at, terms=visit.terms)
    try:
        bind(visit=visit, assignment=assignment)
    except (NotHeld, UnknownLink):  # Others were faster, or another page of theirs.
        is_free = not Submission.objects.filter(assignment=assignment).exists()
        if is_free and release_page(assignment.pk, at=at):
            review_standing(project_id=assignment.project_id, worker_id=assignment.worker_id, at=at)
        raise
    return assignment


def _confirm(submission: Submission, at: datetime) -> None:
    """Ask the marketplace, once each time that it is taken, whether the ids in the address are true.

    Where it cannot be asked people work all the same: places have a number, and nobody is paid unconfirmed.
    """
    if submission.is_confirmed:
        return
    try:
        held = marketplace_of(submission.listing).holds(submission)
    except MarketplaceError as error:
        logger.warning("%s cannot be confirmed: %s", submission, error)
        return
    if held is False:
        raise NotHeld(f"{submission} is not known at the marketplace.")
    if held:
        submission.confirmed_at = at
        Submission.objects.filter(pk=submission.pk).update(confirmed_at=at)


def _has_room(submission: Submission) -> bool:
    """Whether fewer others are at work, or were, than there are places; who is confirmed has one.

    Who came and has no open page takes nothing: a place may have been given back without a word. Neither does
    the page that the worker has open at another place: it moves here.
    """
    if submission.is_confirmed:
        return True
    begun = Q(assignment__isnull=False, assignment__released_at__isnull=True)
    arrived, returned = Submission.State.ARRIVED, Submission.State.RETURNED
    moving = Q(worker=submission.worker_id, state=arrived, assignment__finished_at__isnull=True)
    others = Submission.objects.filter(posting=submission.posting_id).exclude(pk=submission.pk)
    taken = others.filter(begun | ~Q(state=arrived)).exclude(state=returned).exclude(moving)
    return taken.count() < submission.posting.places


def is_visit(address: str) -> bool:
    """Whether an address is a visit's token, not the secret of a personal link."""
    return MARK in address


def visit_of(token: str) -> Visit:
    """The visit that a token speaks for; its member's pages are addressed by the token.

    Raises
    ------
    UnknownLink
        When it is none of this site, or of more than a day ago.
    """
    try:
        submission, member, hand_in_to = signing.loads(token, salt=SALT, max_age=LIFETIME)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise UnknownLink("This visit is over. Open the page again from the marketplace.") from error
    joined = Submission.objects.select_related("listing", "posting", "assignment", "worker")
    found = joined.filter(pk=submission).first()
    membership = Membership.objects.select_related("project", "worker").filter(pk=member).first()
    if found is None or membership is None or membership.worker_id != found.worker_id:
        raise UnknownLink("This visit is not known any more. Open the page again from the marketplace.")
    membership.__dict__["came_by"] = token
    return Visit(found, membership, hand_in_to, token)


@transaction.atomic
def bind(*, visit: Visit, assignment: Assignment) -> None:
    """Note that a page of work was opened at this place: it is paid there, and nowhere else.

    A page that the worker began at another place moves here; that one is given up, as far as this site knows.
    What ended at this place stays with it.

    Raises
    ------
    NotHeld
        When as many others are at work as there are places.
    UnknownLink
        When this place has had its page of work.
    """
    Posting.objects.select_for_update(no_key=True).get(pk=visit.submission.posting_id)  # One at a time.
    mine = Submission.objects.select_for_update(no_key=True).filter(
        Q(pk=visit.submission.pk) | Q(assignment=assignment)
    )
    held = {submission.pk: submission for submission in mine.order_by("pk")}
    bound = held[visit.submission.pk].assignment_id
    if bound == assignment.pk:
        return
    if bound is not None and Assignment.objects.filter(pk=bound, finished_at__isnull=False).exists():
        raise UnknownLink("The page of work at this place is done: hand it in.")
    if not _has_room(visit.submission):
        raise NotHeld(f"Every place of {visit.submission.posting} is taken.")
    Submission.objects.filter(assignment=assignment).update(assignment=None)
    Submission.objects.filter(pk=visit.submission.pk).update(assignment=assignment, booked_at=None)
    visit.submission.assignment = assignment

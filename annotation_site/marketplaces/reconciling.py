"""What a marketplace has is read back and compared: who handed in, who is to be approved, who may work there.

Nothing here decides by what an address or a message said. All of it may run any number of times. Marketplaces
allow about a request a second, so that a look may take minutes: the clock is asked after each answer.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from annotation_site.budget.ledger import BudgetSpent
from annotation_site.catalog.models import Project
from annotation_site.marketplaces.listings import end_finished
from annotation_site.marketplaces.models import Action, Listing, Posting, Submission
from annotation_site.marketplaces.outbox import Clock, Made, ask
from annotation_site.marketplaces.paying import ask_to_pay, book_ended
from annotation_site.marketplaces.providers import PROVIDERS, marketplace_of
from annotation_site.marketplaces.seam import MarketplaceError, News, Seen
from annotation_site.marketplaces.unconfirmed import restore_confirmed
from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification.models import Attempt
from annotation_site.people.qualification.policy import attempts_left
from annotation_site.verification.models import Assignment, Item, Judgment
from annotation_site.verification.releasing import release_page
from annotation_site.verification.trust import review_standing

State = Submission.State
AFTERWARDS = timedelta(days=30)
"""For so long after its end a listing is still looked at: places are handed in and returned late."""

GRACE = timedelta(hours=1)
"""After its deadline, until a place that nobody handed in counts as given back."""
LATE_WORD = timedelta(days=1)
MOST_LOOKS = 60
"""Postings of a listing that are read in one look."""
PASSED, FAILED = 1, 0
"""Scores of our own qualification there."""
Word = tuple[str, int | None]
NOT_GRANTED: Word = (Action.Kind.REVOKE.value, None)
ENDED = "Work on this project has ended."
"""What a stopped worker reads at the marketplace."""

logger = logging.getLogger(__name__)


def reconcile_all(*, clock: Clock = timezone.now, made: Made = marketplace_of) -> int:
    """Look at every listing that may still change; how many submissions were seen changed.

    Listings whose projects have nothing left to ask end with it, and the ledger is brought in line. Answers
    that were dropped as nobody vouched for their workers count again where somebody has.
    """
    at = clock()
    end_finished(at=at)
    recent = Q(state=Listing.State.PUBLISHED) | Q(state=Listing.State.ENDED, ended_at__gt=at - AFTERWARDS)
    changed = sum(_guarded(listing, clock, made) for listing in Listing.objects.filter(recent).order_by("pk"))
    book_ended(at=clock())
    restore_confirmed(at=clock())
    return changed


def _guarded(listing: Listing, clock: Clock, made: Made) -> int:
    try:
        return reconcile(listing, clock=clock, made=made)
    except MarketplaceError as error:  # The next look asks again; the others' listings are looked at.
        logger.warning("%s cannot be looked at: %s", listing, error)
        return 0


def reconcile(listing: Listing, *, clock: Clock = timezone.now, made: Made = marketplace_of) -> int:
    """Bring one listing's submissions and qualifications in line with both sides; submissions changed.

    Raises
    ------
    MarketplaceError
        When the marketplace cannot be asked.
    """
    changed, market = 0, made(listing)
    for posting in _to_look_at(listing, clock()):
        changed += sum(take_over(posting, seen, at=clock()) for seen in market.submissions(posting))
        _give_up_late(posting, listing, clock())
    ask_for_what_is_due(listing, at=clock())
    return changed


def _to_look_at(listing: Listing, at: datetime) -> list[Posting]:
    """Postings where somebody is; of many, some by chance: marketplaces allow about a request a second.

    An override may have been done though its answer was lost, and it was given up. Word of a place that was
    given up may come late, too: for a day it is still looked for.
    """
    asked = Action.objects.filter(submission=OuterRef("pk"), kind=Action.Kind.OVERRIDE)
    overridden = Q(Exists(asked), state=State.REJECTED)
    unheard_of = Q(discarded_at__gt=at - LATE_WORD)
    changing = Q(state__in=[State.ARRIVED, State.HANDED_IN]) | overridden | unheard_of
    open_ones = Submission.objects.filter(changing, posting=OuterRef("pk"))
    return list(listing.postings.exclude(external_id="").filter(Exists(open_ones)).order_by("?")[:MOST_LOOKS])


def _give_up_late(posting: Posting, listing: Listing, at: datetime) -> None:
    """Whoever did not hand in in time gave the place back, without anyone saying so."""
    since = at - timedelta(minutes=listing.minutes) - GRACE
    late = Submission.objects.going().filter(posting=posting, arrived_at__lt=since)
    late.update(state=State.RETURNED, ended_at=at, booked_at=None)


def hear(news: Iterable[News], *, clock: Clock = timezone.now, made: Made = marketplace_of) -> int:
    """Act on word that a marketplace sent: take over what only it can know, look at the rest."""
    heard, looked = 0, set()
    for word in news:
        posting = Posting.objects.select_related("listing").filter(external_id=word.posting_id).first()
        if posting is None:
            continue
        heard += 1
        if word.state:
            _take_word(posting, word, clock())
        elif posting.pk not in looked:
            looked.add(posting.pk)
            for seen in made(posting.listing).submissions(posting):
                take_over(posting, seen, at=clock())
            ask_for_what_is_due(posting.listing, at=clock())
    return heard


def hear_all(*, clock: Clock = timezone.now) -> int:
    """Read what every provider sent word of, where it does so by a queue."""
    heard = 0
    for provider in PROVIDERS:
        listed = Listing.objects.filter(provider=provider, published_at__isnull=False).order_by("pk").last()
        if listed is None:
            continue
        try:
            heard += hear(marketplace_of(listed).news(), clock=clock)
        except MarketplaceError as error:
            logger.warning("The news of %s cannot be read: %s", provider, error)
    return heard


def take_over(posting: Posting, seen: Seen, *, at: datetime) -> bool:
    """Take over how a submission stands there; whether that is news. Who never came here is left out.

    A place that was handed in has no open page: what is left of it is asked of others, and what was answered
    is settled before anyone is paid. Its worker is reviewed like those who finish theirs.
    """
    is_news, ended = _take_over(posting, seen, at)
    if ended is not None:
        review_standing(project_id=ended.project_id, worker_id=ended.worker_id, at=at)
    return is_news


@transaction.atomic
def _take_over(posting: Posting, seen: Seen, at: datetime) -> tuple[bool, Assignment | None]:
    """Whether it is news, and the page that ended by it.

    The submission's row comes before all locks of `verification.locks`.
    """
    mine = Submission.objects.select_for_update(no_key=True).filter(
        listing=posting.listing_id, external_id=seen.submission_id, worker__external_id=seen.worker_id
    )
    found = mine.first()
    if found is None or (found.state == seen.state and found.is_confirmed):
        return False, None
    found.confirmed_at = found.confirmed_at if found.is_confirmed else at
    if seen.state in (State.HANDED_IN, State.APPROVED, State.REJECTED):
        found.handed_in_at = found.handed_in_at or seen.at or at
    has_ended = seen.state in (State.APPROVED, State.REJECTED, State.RETURNED)
    found.ended_at = (found.ended_at or at) if has_ended else None
    found.state, found.booked_at = seen.state, None
    found.save(update_fields=["state", "confirmed_at", "handed_in_at", "ended_at", "booked_at"])
    page = found.assignment
    if found.handed_in_at is None or page is None or not release_page(page.pk, at=at):
        page = None
    return True, page


def _take_word(posting: Posting, word: News, at: datetime) -> None:
    """A place was given back: its id may mean another worker next, so only who came before that is meant.

    Whom it means is known, and so that somebody held it, where nobody else came with that id.
    """
    came = Submission.objects.going().filter(posting=posting, external_id=word.submission_id)
    meant = list(came.filter(arrived_at__lte=word.at or at).values_list("pk", flat=True))
    told = {"state": word.state, "ended_at": at, "booked_at": None}
    if len(meant) == 1:
        told["confirmed_at"] = Coalesce("confirmed_at", Value(at))
    came.filter(pk__in=meant).update(**told)


def ask_for_what_is_due(listing: Listing, *, at: datetime) -> None:
    """Approve what was handed in with work behind it; grant and revoke as standings say."""
    handed_in = listing.submissions.filter(state=State.HANDED_IN, confirmed_at__isnull=False)
    due = handed_in.filter(_worked(), ~_is_told(Action.Kind.REJECT))
    for submission in due.select_related("worker").order_by("pk"):
        approve(submission, at=at)
    if "qualification" in listing.remote:
        _qualify(listing, at)


def is_to_be(kind: Action.Kind, submission: Submission) -> bool:
    """Whether the marketplace was, or is to be, told so of a submission, and has not refused."""
    return Submission.objects.filter(_is_told(kind), pk=submission.pk).exists()


def _is_told(*kinds: Action.Kind) -> Exists:
    told = Action.objects.filter(submission=OuterRef("pk"), kind__in=kinds)
    return Exists(told.filter(failed_at__isnull=True))


def approve(submission: Submission, *, at: datetime) -> bool:
    """Have the marketplace pay for what still waits for that; whether it is asked to. Safe to repeat.

    It is not while the budget does not allow what is owed.
    """
    try:
        with transaction.atomic():
            held = Submission.objects.held().get(pk=submission.pk)
            if held.state != State.HANDED_IN or is_to_be(Action.Kind.REJECT, held):
                return False  # Meanwhile it was decided on, here or there.
            ask_to_pay(held, Action.Kind.APPROVE, at=at)
    except BudgetSpent as spent:
        logger.warning("%s is not approved yet: %s", submission, spent)
        return False
    return True


def _worked() -> Q:
    """The place's page was answered, or its test taken. Anything else waits for a person.

    Answered is every question of it; or some, where this site ended it before it was handed in. A lease that
    its worker let run out is not that: else one answer would bring the pay of them all.
    """
    given = Judgment.objects.given()
    items = Item.objects.filter(assignment=OuterRef("assignment"))
    begun = Exists(items.filter(Exists(given.filter(item=OuterRef("pk")))))
    is_short = Exists(items.filter(~Exists(given.filter(item=OuterRef("pk")))))
    ended_here = Q(assignment__released_at__lt=Least(F("handed_in_at"), F("assignment__expires_at")))
    mine = Q(membership__worker=OuterRef("worker"), membership__project=OuterRef("listing__project"))
    taken = Exists(Attempt.objects.filter(mine, finished_at__isnull=False))
    return (Q(begun) & (ended_here | ~is_short)) | Q(taken, posting__purpose=Posting.Purpose.TEST)


def unexplained(listing: Listing) -> QuerySet[Submission]:
    """Handed in without the work, or before its end: a person decides, or the marketplace at its deadline."""
    return listing.submissions.filter(state=State.HANDED_IN).exclude(_worked())


def approved_unasked(project: Project, *, before: datetime) -> tuple[int, datetime | None]:
    """Submissions that their marketplace approves by itself before a time, as nobody decided; the first's."""
    undecided = ~_is_told(Action.Kind.APPROVE, Action.Kind.REJECT)
    number, first = 0, None
    for listing in project.listings.filter(published_at__isnull=False):
        after = marketplace_of(listing).approves_after
        if after is None:
            continue
        waiting = listing.submissions.filter(undecided, state=State.HANDED_IN)
        late = waiting.filter(handed_in_at__lt=before - after)
        found = late.aggregate(number=Count("pk"), oldest=Min("handed_in_at"))
        number += found["number"]
        if found["oldest"] is not None:
            first = min(first or found["oldest"] + after, found["oldest"] + after)
    return number, first


def _qualify(listing: Listing, at: datetime) -> None:
    """Tell the marketplace who passed our test and who was stopped, as often as that changes."""
    members = Membership.objects.filter(
        project=listing.project_id, worker__provider=listing.realm, worker__submissions__listing=listing
    ).distinct()
    told: dict[int, list[Word]] = defaultdict(list)
    about = listing.actions.filter(kind__in=[Action.Kind.GRANT, Action.Kind.REVOKE]).order_by("pk")
    for worker, kind, score in about.values_list("worker", "kind", "score"):
        told[worker].append((kind, score))
    for member in members.select_related("worker", "project").order_by("pk"):
        before = told[member.worker_id]
        due = _due(member)
        if due is None or due == (before[-1] if before else NOT_GRANTED):
            continue
        kind, score = due
        reference = f"{kind}:{member.worker_id}:{len(before) + 1}"
        about_whom = {"worker": member.worker, "score": score, "reason": ENDED if kind == "revoke" else ""}
        ask(listing=listing, kind=kind, reference=reference, at=at, **about_whom)


def _due(member: Membership) -> Word | None:
    """What the marketplace should have been told of a worker last; None while there is nothing to tell."""
    if member.standing == Standing.STOPPED:
        return NOT_GRANTED
    if member.standing != Standing.NEW:
        return (Action.Kind.GRANT.value, PASSED)
    return None if attempts_left(member) else (Action.Kind.GRANT.value, FAILED)

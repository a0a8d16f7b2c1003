"""The ledger follows what marketplaces say of places that have ended."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.budget.ledger import BudgetSpent, spend_of
from annotation_site.marketplaces import outbox, paying, reconciling
from annotation_site.marketplaces.accounts import account_of
from annotation_site.marketplaces.by_hand import (
    SubmissionRefused,
    approve_by_hand,
    reject_by_hand,
    try_again,
)
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.marketplaces.seam import Refused
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.leases import sweep
from annotation_site.verification.trust import stop_worker
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.campaigns import items
from tests.site.offers import (
    begin_work,
    come,
    posting_of,
    published,
    say,
    seen,
    submission,
    work_through,
)

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)


def refuse(_: Action) -> dict[str, str]:
    raise Refused("No.")


class TestBooking:
    """The ledger follows what the marketplace says of a place that has ended."""

    @pytest.fixture
    def listing(self, market) -> Listing:
        return published("memory")

    def ends(self, market, visit, state: str, at=LATER) -> None:
        market.hand_in(visit.submission)
        there = market.states[visit.submission.posting.external_id]
        there[("S1", "W1")] = state
        reconciling.reconcile_all(clock=frozen(at))

    def spent(self, listing: Listing) -> Decimal:
        assert check_campaign(listing.project) == []
        return spend_of(listing.project).money

    @pytest.mark.parametrize("answers", [0, 2, None])
    def test_what_the_marketplace_approves_by_itself_is_spent(self, market, listing, answers):
        visit = come(listing)
        begin_work(visit, answers=answers)
        self.ends(market, visit, Submission.State.APPROVED)
        assert self.spent(listing) == Decimal("0.60")
        assert account_of(visit.membership).owed == 0

    def test_it_is_spent_beyond_the_cap_and_alarms(self, market, listing):
        visit = come(listing)
        set_caps(project=listing.project, questions=None, money=Decimal("0.20"))
        self.ends(market, visit, Submission.State.APPROVED)
        assert self.spent(listing) == Decimal("0.60")
        budget = budget_of(listing.project)
        assert budget.overdrawn == Decimal("0.40")
        with pytest.raises(BudgetSpent):
            claim_hit(membership=visit.membership, at=LATER)
        set_caps(project=listing.project, questions=None, money=Decimal(1))
        assert budget_of(listing.project).overdrawn == 0

    @pytest.mark.parametrize("how", ["finish", "sweep", "stop", "hand in"])
    def test_a_page_that_is_open_when_the_budget_is_overdrawn_ends_all_the_same(self, market, listing, how):
        visit = come(listing)
        other = come(listing, worker="W2", place="S2")
        page = begin_work(other, answers=2)
        set_caps(project=listing.project, questions=None, money=Decimal("0.80"))
        self.ends(market, visit, Submission.State.APPROVED)
        assert budget_of(listing.project).overdrawn == Decimal("0.40")
        if how == "finish":
            say(page, items(page)[2:])
        elif how == "sweep":
            assert sweep(at=NOON + timedelta(hours=1)) == 1
        elif how == "stop":
            stop_worker(membership=other.membership, reason="a test", at=LATER)
        else:
            market.hand_in(other.submission)
            reconciling.reconcile_all(clock=frozen(LATER))
        page.refresh_from_db()
        assert not page.is_live
        spent = Decimal("0.60") + {"finish": Decimal("0.60"), "stop": Decimal("0.24")}.get(how, Decimal(0))
        assert self.spent(listing) == spent
        assert budget_of(listing.project).overdrawn == max(spent - Decimal("0.80"), Decimal(0))

    def test_a_place_that_cannot_be_booked_holds_up_no_other(self, market, listing, monkeypatch, caplog):
        came = [come(listing, worker=f"W{one}", place=f"S{one}") for one in range(3)]
        broken, due = came[1].submission.pk, paying.promised
        for visit in came:
            market.hand_in(visit.submission)
        there = market.states[posting_of(listing).external_id]
        there.update(dict.fromkeys(there, Submission.State.APPROVED))

        def promised(one: Submission) -> Decimal:
            assert one.pk != broken
            return due(one)

        with monkeypatch.context() as patched:
            patched.setattr(paying, "promised", promised)
            reconciling.reconcile_all(clock=frozen(LATER))
        assert f"submission:{broken} cannot be booked" in caplog.text
        assert self.spent(listing) == Decimal("1.20")
        assert paying.book_ended(at=LATER) == 1
        assert self.spent(listing) == Decimal("1.80")

    @pytest.mark.parametrize("state", [Submission.State.RETURNED, Submission.State.REJECTED])
    def test_a_finished_page_that_is_not_paid_is_not_spent(self, market, listing, state):
        visit = come(listing)
        work_through(visit)
        assert spend_of(listing.project).money == Decimal("0.60")
        self.ends(market, visit, state)
        self.ends(market, visit, state)
        assert self.spent(listing) == 0
        assert account_of(visit.membership).owed == 0
        assert spend_of(listing.project).questions == 5

    def test_a_page_that_is_finished_after_its_place_was_given_back_is_not_spent(self, market, listing):
        visit = come(listing)
        assignment = begin_work(visit, answers=2)
        self.ends(market, visit, Submission.State.RETURNED)
        say(assignment, items(assignment)[2:])
        assert spend_of(listing.project).money == Decimal("0.60")
        reconciling.reconcile_all(clock=frozen(LATER))
        assert self.spent(listing) == 0

    def test_what_is_given_back_and_taken_again_is_spent_in_the_end(self, market, listing):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.RETURNED)
        come(listing)
        self.ends(market, visit, Submission.State.APPROVED)
        assert self.spent(listing) == Decimal("0.60")

    def test_an_override_is_in_the_ledger_before_the_marketplace_is_told(self, market, listing):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.REJECTED)
        set_caps(project=listing.project, questions=None, money=Decimal("0.20"))
        with pytest.raises(BudgetSpent):
            approve_by_hand(submission=submission(), at=LATER)
        assert not Action.objects.filter(kind=Action.Kind.OVERRIDE).exists()
        set_caps(project=listing.project, questions=None, money=Decimal(1))
        for _ in range(2):
            approve_by_hand(submission=submission(), at=LATER)
            reconciling.reconcile_all(clock=frozen(LATER))
            assert self.spent(listing) == Decimal("0.60")
        outbox.deliver_due(clock=frozen(LATER))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert submission().state == Submission.State.APPROVED
        assert self.spent(listing) == Decimal("0.60")

    def test_an_override_that_is_refused_is_not_spent_until_it_is_tried_again(
        self, market, listing, monkeypatch
    ):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.REJECTED)
        approve_by_hand(submission=submission(), at=LATER)
        assert self.spent(listing) == Decimal("0.60")
        with monkeypatch.context() as patched:
            patched.setattr(market, "perform", refuse)
            outbox.deliver_due(clock=frozen(LATER))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert self.spent(listing) == 0
        override = Action.objects.get(kind=Action.Kind.OVERRIDE)
        set_caps(project=listing.project, questions=None, money=Decimal("0.20"))
        with pytest.raises(BudgetSpent):
            try_again(action=override, at=LATER)
        assert Action.objects.get(pk=override.pk).failed_at is not None
        set_caps(project=listing.project, questions=None, money=Decimal(1))
        for again_by in (
            lambda: try_again(action=override, at=LATER),
            lambda: approve_by_hand(submission=submission(), at=LATER),
        ):
            again_by()
            reconciling.reconcile_all(clock=frozen(LATER))
            assert self.spent(listing) == Decimal("0.60")
        outbox.deliver_due(clock=frozen(LATER))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert submission().state == Submission.State.APPROVED
        assert self.spent(listing) == Decimal("0.60")

    def test_an_override_that_was_done_though_its_answer_was_lost_is_spent(self, market, listing):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.REJECTED)
        approve_by_hand(submission=submission(), at=LATER)
        market.faults = [Refused("Not understood.")]
        outbox.deliver_due(clock=frozen(LATER))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert submission().state == Submission.State.APPROVED
        assert self.spent(listing) == Decimal("0.60")

    @pytest.mark.parametrize("state", [Submission.State.RETURNED, Submission.State.REJECTED])
    def test_what_ended_before_the_row_was_held_is_not_approved(self, market, listing, state):
        visit = come(listing)
        work_through(visit)
        market.hand_in(visit.submission)
        reconciling.take_over(posting_of(listing), seen(visit, Submission.State.HANDED_IN), at=NOON)
        stale = submission()
        reconciling.take_over(posting_of(listing), seen(visit, state), at=LATER)
        assert not reconciling.approve(stale, at=LATER)
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()
        paying.book_ended(at=LATER)
        assert self.spent(listing) == 0

    def test_what_is_no_longer_rejected_is_not_overridden(self, market, listing):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.REJECTED)
        stale = submission()
        reconciling.take_over(posting_of(listing), seen(visit, Submission.State.RETURNED), at=LATER)
        paying.book_ended(at=LATER)
        with pytest.raises(SubmissionRefused, match="not handed in"):
            approve_by_hand(submission=stale, at=LATER)
        assert self.spent(listing) == 0

    def test_corrections_are_entries_of_their_own(self, market, listing):
        visit = come(listing)
        work_through(visit)
        self.ends(market, visit, Submission.State.REJECTED)
        approve_by_hand(submission=submission(), at=LATER)
        made = listing.project.ledger.filter(kind="correct").order_by("pk")
        pk = visit.submission.pk
        assert list(made.values_list("reference", "money", "fee")) == [
            (f"submission:{pk}:1", Decimal("-0.60"), Decimal("-0.10")),
            (f"submission:{pk}:2", Decimal("0.60"), Decimal("0.10")),
        ]

    def test_what_nobody_decided_on_is_warned_of_before_the_marketplace_approves_it(self, market, listing):
        market.hand_in(come(listing).submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        project = listing.project
        assert reconciling.approved_unasked(project, before=NOON + timedelta(days=3)) == (0, None)
        due = NOON + timedelta(days=3)
        assert reconciling.approved_unasked(project, before=due + timedelta(hours=1)) == (1, due)
        reject_by_hand(submission=submission(), reason="Not one was looked at.", at=LATER)
        assert reconciling.approved_unasked(project, before=due + timedelta(hours=1)) == (0, None)

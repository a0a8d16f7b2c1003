"""Places of a marketplace: who may work at one, who is rejected."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation_site.budget.ledger import spend_of
from annotation_site.marketplaces import outbox, reconciling, unconfirmed, visits
from annotation_site.marketplaces.by_hand import (
    SubmissionRefused,
    approve_by_hand,
    reject_by_hand,
)
from annotation_site.marketplaces.models import Action, Submission
from annotation_site.marketplaces.seam import Unavailable
from annotation_site.marketplaces.visits import NotHeld
from annotation_site.people.members import UnknownLink
from annotation_site.people.models import StandingChange
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import UNDONE, Assignment, Judgment
from annotation_site.verification.trust import reinstate_worker, stop_worker
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.campaigns import items
from tests.site.offers import (
    again,
    begin_work,
    come,
    published,
    say,
    seen,
    submission,
    work_through,
)

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)


class TestMadeUpIds:
    """Whoever knows a place's address can write ids into it."""

    def start(self, visit: visits.Visit, at=NOON) -> Assignment:
        return visits.open_page(visit=again(visit), at=at)

    def test_no_more_pages_are_opened_than_there_are_places(self, market):
        listing = published("memory")
        for number in range(8):
            visit = come(listing, worker=f"W{number}", place=f"S{number}")
            if number == 0:
                self.start(visit)
                self.start(visit)
            else:
                with pytest.raises(NotHeld):
                    self.start(visit)
        assert Assignment.objects.count() == 1
        assert spend_of(listing.project).reserved_money == Decimal("0.60")

    def test_who_loses_the_race_for_a_place_keeps_no_page(self, market, monkeypatch):
        listing = published("memory")
        self.start(come(listing))
        other = come(listing, worker="W2", place="S2")
        room = iter([True, False])
        monkeypatch.setattr(visits, "_has_room", lambda _: next(room))
        with pytest.raises(NotHeld):
            self.start(other)
        assert Assignment.objects.live().count() == 1

    @pytest.mark.parametrize("error", [NotHeld, UnknownLink])
    def test_who_is_refused_after_all_keeps_no_page_and_is_reviewed(self, market, monkeypatch, error):
        def bind(**_: object) -> None:
            raise error("No.")

        reviewed = []
        monkeypatch.setattr(visits, "bind", bind)
        monkeypatch.setattr(visits, "review_standing", lambda **about: reviewed.append(about["worker_id"]))
        visit = come(published("memory"))
        with pytest.raises(error):
            self.start(visit)
        assert not Assignment.objects.live().exists()
        assert reviewed == [visit.membership.worker_id]

    def test_a_place_is_free_again_when_its_lease_has_run_out_or_it_is_given_back(self, market):
        listing = published("memory")
        self.start(come(listing))
        other = come(listing, worker="W2", place="S2")
        sweep(at=NOON + timedelta(hours=1))
        assert self.start(other).submission == other.submission
        third = come(listing, worker="W3", place="S3")
        with pytest.raises(NotHeld):
            self.start(third)
        hear_returned(other)
        self.start(third)

    def test_what_was_given_back_opens_nothing_until_its_worker_comes_again(self, market):
        listing = published("memory")
        visit = come(listing)
        hear_returned(visit)
        with pytest.raises(NotHeld, match="given back"):
            self.start(visit)
        come(listing)
        self.start(visit)

    def test_a_marketplace_that_can_be_asked_is_asked_once(self, market, monkeypatch):
        listing = published("memory")
        asked = []
        monkeypatch.setattr(market, "holds", lambda one: asked.append(one) or one.worker.external_id == "W1")
        with pytest.raises(NotHeld, match="not known"):
            self.start(come(listing, worker="W2"))
        for _ in range(2):
            self.start(come(listing))
        assert len(asked) == 2
        assert Submission.objects.get(worker__external_id="W1").confirmed_at == NOON

    def test_nobody_is_turned_away_because_it_cannot_be_asked(self, market, monkeypatch):
        def holds(_: Submission) -> bool:
            raise Unavailable("away")

        monkeypatch.setattr(market, "holds", holds)
        self.start(come(published("memory")))

    def test_what_nobody_of_the_marketplace_said_does_not_count_in_the_end(self, market):
        listing = published("memory", minutes=30)
        work_through(come(listing))
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        assert submission().state == Submission.State.RETURNED
        of_masks = Judgment.objects.filter(of_gold=False)
        assert {one.retracted_because for one in of_masks} == {unconfirmed.REASON}
        assert spend_of(listing.project).money == 0
        assert check_campaign(listing.project) == []

    @pytest.mark.parametrize("moves", [False, True])
    def test_nor_when_they_arrive_once_more(self, market, moves):
        listing = published("memory", minutes=30)
        first = come(listing)
        work_through(first) if not moves else self.start(first)
        second = come(listing, place="S2", at=NOON + timedelta(hours=1))
        if moves:
            work_through(second)
            assert Submission.objects.get(pk=first.submission.pk).assignment is None
        for hours in (2, 3):
            reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=hours)))
        of_masks = Judgment.objects.filter(of_gold=False)
        assert {one.retracted_because for one in of_masks} == {unconfirmed.REASON}
        assert check_campaign(listing.project) == []

    def test_who_takes_a_place_again_keeps_what_the_marketplace_vouched_for(self, market):
        listing = published("memory", minutes=30)
        visit = come(listing)
        begin_work(visit, answers=2)
        hear_returned(visit)
        come(listing, at=LATER + timedelta(minutes=1))
        assert not submission().is_confirmed
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=3)))
        assert submission().state == Submission.State.RETURNED
        assert not Judgment.objects.filter(retracted_at__isnull=False).exists()

    def test_who_takes_a_place_again_is_asked_about_again(self, market, monkeypatch):
        listing = published("memory")
        visit = come(listing)
        hear_returned(visit)
        later = LATER + timedelta(minutes=1)
        come(listing, at=later)
        monkeypatch.setattr(market, "holds", lambda _: False)
        with pytest.raises(NotHeld, match="not known"):
            self.start(visit, at=later)
        monkeypatch.setattr(market, "holds", lambda _: True)
        self.start(visit, at=later)
        assert submission().confirmed_at == later

    def returned_unconfirmed(self, listing) -> visits.Visit:
        """Somebody whose answers do not count as the marketplace said nothing of them."""
        visit = come(listing)
        work_through(visit)
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        assert Judgment.objects.filter(retracted_because=unconfirmed.REASON).exists()
        return visit

    def test_what_did_not_count_counts_again_when_the_marketplace_vouches_for_its_worker(self, market):
        listing = published("memory", minutes=30)
        self.returned_unconfirmed(listing)
        market.hand_in(come(listing, place="S2", at=NOON + timedelta(hours=3)).submission)
        for hours in (4, 5):
            reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=hours)))
        assert not Judgment.objects.filter(retracted_at__isnull=False).exists()
        assert check_campaign(listing.project) == []
        notes = StandingChange.objects.order_by("pk").values_list("reason", flat=True)
        number = Judgment.objects.filter(of_gold=False).count()
        assert [note.split(":")[0] for note in notes] == [
            f"{number} answers do not count",
            f"{number} answers count again",
        ]

    def test_or_for_the_same_place_after_all(self, market):
        listing = published("memory", minutes=30)
        visit = self.returned_unconfirmed(listing)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=3)))
        assert not Judgment.objects.filter(retracted_at__isnull=False).exists()
        assert check_campaign(listing.project) == []

    def test_not_what_somebody_else_answered_instead_nor_what_was_taken_back(self, market):
        listing = published("memory", minutes=30)
        visit = come(listing)
        page = begin_work(visit, answers=3)
        undo_answer(item_key=items(page)[0].key, assignment_id=page.pk, at=NOON)
        sweep(at=NOON + timedelta(hours=1))
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        Submission.objects.update(confirmed_at=NOON + timedelta(hours=3))
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=3)))
        assert [one.retracted_because for one in Judgment.objects.filter(retracted_at__isnull=False)] == [
            UNDONE
        ]
        assert check_campaign(listing.project) == []

    def test_of_who_is_stopped_only_once_they_are_reinstated(self, market):
        listing = published("memory", minutes=30)
        member = self.returned_unconfirmed(listing).membership
        stop_worker(membership=member, reason="a test", at=LATER)
        reinstate_worker(membership=member, reason="a test", at=LATER, restore=True)
        assert Judgment.objects.filter(retracted_because=unconfirmed.REASON).exists()  # Nobody vouches yet.
        stop_worker(membership=member, reason="a test", at=LATER)
        Submission.objects.update(confirmed_at=LATER)
        assert unconfirmed.restore_confirmed(at=LATER) == 0
        reinstate_worker(membership=member, reason="a test", at=LATER)
        assert unconfirmed.restore_confirmed(at=LATER) == Judgment.objects.filter(of_gold=False).count()
        assert unconfirmed.restore_confirmed(at=LATER) == 0
        assert check_campaign(listing.project) == []

    def test_one_that_cannot_be_restored_holds_up_no_other(self, market, monkeypatch, caplog):
        listing = published("memory", minutes=30)
        self.returned_unconfirmed(listing)
        Submission.objects.update(confirmed_at=LATER)
        with monkeypatch.context() as patched:
            patched.setattr(unconfirmed, "restore_worker", lambda **_: 1 / 0)
            assert unconfirmed.restore_confirmed(at=LATER) == 0
        assert "cannot be restored" in caplog.text
        assert unconfirmed.restore_confirmed(at=LATER) > 0

    @pytest.mark.django_db(transaction=True)
    def test_records_are_counted_anew_when_nothing_is_held_any_more(self, market):
        listing = published("memory", minutes=30)
        visit = come(listing)
        work_through(visit)
        with CaptureQueriesContext(connection) as queries:
            reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        told = [query["sql"] or "" for query in queries]
        budget = max(n for n, sql in enumerate(told) if "budget_budget" in sql and "FOR NO KEY UPDATE" in sql)
        record = min(n for n, sql in enumerate(told) if "people_workrecord" in sql)
        assert budget < record

    def test_a_word_of_the_return_or_another_place_vouches_for_the_answers(self, market):
        listing = published("memory", minutes=30)
        first = come(listing)
        begin_work(first, answers=2)
        hear_returned(first)
        second = come(listing, worker="W2", place="S2")
        begin_work(second, answers=2)
        Submission.objects.filter(pk=second.submission.pk).update(arrived_at=NOON)
        come(listing, worker="W2", place="S3")
        Submission.objects.filter(external_id="S3").update(arrived_at=NOON + timedelta(hours=2))
        sweep(at=NOON + timedelta(hours=1))
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        assert Submission.objects.filter(state=Submission.State.RETURNED).count() == 2
        assert not Judgment.objects.filter(retracted_at__isnull=False).exists()


def hear_returned(visit: visits.Visit) -> None:
    """The marketplace says that a place was given back."""
    where = visit.submission.posting.external_id
    word = reconciling.News(where, visit.submission.external_id, Submission.State.RETURNED, LATER)
    reconciling.hear([word], clock=frozen(LATER))


class TestRejecting:
    @pytest.fixture
    def handed_in(self, market) -> Submission:
        market.hand_in(come(published("memory")).submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        return submission()

    def reject(self, about: Submission, reason: str = "Not one was looked at.") -> None:
        reject_by_hand(submission=about, reason=reason, at=NOON)

    def test_it_is_told_once_and_read_back(self, market, handed_in):
        for _ in range(2):
            self.reject(handed_in)
        outbox.deliver_due(clock=frozen(NOON))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert submission().state == Submission.State.REJECTED
        assert market.done["reject"] == 1
        self.reject(submission())
        assert spend_of(handed_in.listing.project).money == 0

    def test_it_says_why(self, handed_in):
        with pytest.raises(SubmissionRefused, match="Say why"):
            self.reject(handed_in, reason=" ")

    def test_only_what_waits_is_rejected_and_only_by_one_word(self, market, handed_in):
        self.reject(handed_in)
        with pytest.raises(SubmissionRefused, match="after all"):
            approve_by_hand(submission=handed_in, at=NOON)
        Action.objects.filter(kind=Action.Kind.REJECT).update(failed_at=NOON)
        approve_by_hand(submission=handed_in, at=NOON)
        with pytest.raises(SubmissionRefused, match="is to be approved"):
            self.reject(handed_in)
        Submission.objects.update(state=Submission.State.ARRIVED)
        with pytest.raises(SubmissionRefused, match="Arrived"):
            self.reject(submission())

    def test_of_a_rejection_and_an_approval_at_once_the_first_counts(self, market):
        visit = come(published("memory"))
        work_through(visit)
        reconciling.take_over(visit.submission.posting, seen(visit, Submission.State.HANDED_IN), at=NOON)
        stale = submission()
        self.reject(submission())
        assert not reconciling.approve(stale, at=NOON)
        with pytest.raises(SubmissionRefused, match="after all"):
            approve_by_hand(submission=stale, at=NOON)
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    def test_what_is_to_be_rejected_is_not_approved_when_late_answers_come(self, market):
        listing = published("memory")
        visit = come(listing)
        assignment = begin_work(visit, answers=4)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        self.reject(submission())
        say(assignment, items(assignment)[4:])
        reconciling.reconcile_all(clock=frozen(NOON))
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

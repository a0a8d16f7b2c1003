"""The seam: what is promised to marketplaces is kept, whatever happens on the way to them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import outbox, providers, reconciling, visits
from annotation_site.marketplaces.accounts import (
    Account,
    PaymentRefused,
    account_of,
    give_member_bonus,
    note_payment,
)
from annotation_site.marketplaces.by_hand import approve_by_hand
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.listings import ListingRefused, end, estimate, obstacles, publish
from annotation_site.marketplaces.messaging import CannotWrite, Route, route_to, write_to
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.marketplaces.paying import BonusRefused, book_ended, give_bonus
from annotation_site.marketplaces.providers import PROVIDERS, UnknownProvider
from annotation_site.marketplaces.seam import Arrival, NotAnArrival, Refused, Seen, Unavailable
from annotation_site.pages.briefing import Briefing
from annotation_site.people.members import UnknownLink
from annotation_site.people.models import Membership, Standing, WorkRecord
from annotation_site.people.standing import change_standing
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Cluster
from annotation_site.verification.trust import stop_worker
from tests.clocks import Clock, frozen
from tests.factories import NOON
from tests.site.campaigns import Person, items, together
from tests.site.offers import (
    again,
    begin_work,
    come,
    drafted,
    open_project,
    posting_of,
    published,
    say,
    submission,
    work_through,
)

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)


@pytest.fixture
def market(market, monkeypatch) -> InMemory:
    monkeypatch.setitem(PROVIDERS, "other", lambda environment: market)
    return market


class TestProviders:
    def test_each_makes_a_marketplace_for_both_environments(self):
        for make in PROVIDERS.values():
            assert {make(environment).title for environment in ("sandbox", "production")}

    def test_one_that_is_not_there_is_named(self):
        with pytest.raises(UnknownProvider, match="in-house, mturk, prolific"):
            providers.marketplace("nowhere", "sandbox")


class TestPublishing:
    def test_what_is_to_be_posted_is_written_down_and_delivered_once(self, market):
        listing = publish(listing=drafted("memory"), at=NOON)
        publish(listing=listing, at=NOON)
        assert market.places == {}
        assert outbox.deliver_due(clock=frozen(NOON)) == 4
        assert outbox.deliver_due(clock=frozen(LATER)) == 0
        assert set(market.places) == set(listing.postings.values_list("external_id", flat=True))
        assert len(market.places) == 3

    def test_a_page_of_work_costs_what_the_listing_promises(self, market):
        listing = published("memory")
        assert estimate(listing).total == Decimal("1.80")
        assert spend_of(listing.project).reserved_money == 0
        begin_work(come(listing), answers=0)
        assert spend_of(listing.project).reserved_money == Decimal("0.60")

    def test_it_changes_nothing_of_what_others_are_paid(self, market):
        project = open_project()
        set_caps(project=project, questions=None, money=Decimal(100), pay_per_question="0.02")
        before = budget_of(project).terms
        first = published("memory", project)
        other = published("other", project, reward=Decimal("0.30"))
        assert budget_of(project).terms == before
        begin_work(come(first), answers=None)
        begin_work(come(other, worker="W2"), answers=None)
        Person.of(project).work()
        paid = project.ledger.filter(kind="settle").order_by("pk").values_list("money", flat=True)
        assert list(paid) == [Decimal("0.60"), Decimal("0.36"), Decimal("0.06")]

    def test_a_sandbox_is_paid_nothing_for_real(self, market):
        listing = published("memory", environment="sandbox", wants={"testers": 9, "test_reward": "0.05"})
        assert obstacles(drafted("other", listing.project, environment="sandbox", places=9999)) == []
        visit = come(listing)
        work_through(visit)
        market.hand_in(visit.submission)
        for _ in range(2):
            reconciling.reconcile_all(clock=frozen(NOON))
            outbox.deliver_due(clock=frozen(NOON))
        assert market.done["approve"] == 1
        give_bonus(submission=submission(), money=Decimal("0.25"), reason="Careful", reference="1", at=NOON)
        outbox.deliver_due(clock=frozen(NOON))
        assert list(market.bonuses.values()) == [Decimal("0.25")]
        spend = spend_of(listing.project)
        assert (spend.money, spend.questions) == (0, 5)
        assert account_of(visit.membership) == Account()

    def test_a_place_of_the_test_promises_what_the_test_pays(self, market):
        listing = published("memory", wants={"testers": 9, "test_reward": "0.05"})
        assert come(listing).promised == (Decimal("0.50"), "USD")
        arrival = Arrival(posting_of(listing, "test").external_id, "S2", "W2", InMemory.site)
        visit = visits.arrive(listing=listing, arrival=arrival, at=NOON)
        assert visit.promised == (Decimal("0.05"), "USD")
        assert Briefing.of(visit.membership, promised=visit.promised).pay == visit.promised

    def test_one_budget_has_one_currency(self, market):
        listing = drafted("memory", currency="EUR")
        assert obstacles(listing) == ["The budget is in USD, this pays in EUR: use one of them."]

    def test_places_that_are_offered_elsewhere_are_paid_from_the_same_budget(self, market):
        project = open_project()
        other = published("other", project, places=100)
        listing = drafted("memory", project, places=100)
        assert "the budget has 40.00 left" in obstacles(listing)[0]
        begin_work(come(other), answers=None)
        assert "the budget has 40.00 left" in obstacles(listing)[0]
        end(listing=other, at=NOON)
        assert obstacles(listing) == []

    def test_who_only_came_elsewhere_takes_no_money_and_tests_are_counted(self, market):
        project = open_project()
        other = published("other", project, places=100, wants={"testers": 10})
        listing = drafted("memory", project, places=100)
        assert "the budget has 39.40 left" in obstacles(listing)[0]
        come(other, worker="W2", place="S2")
        let_go = begin_work(come(other), answers=1)
        sweep(at=let_go.expires_at)
        assert "the budget has 39.40 left" in obstacles(listing)[0]
        posting = posting_of(other, "test")
        arrival = Arrival(posting.external_id, "S3", "W3", InMemory.site)
        visits.arrive(listing=other, arrival=arrival, at=NOON)
        assert "the budget has 39.40 left" in obstacles(listing)[0]
        reconciling.take_over(posting, Seen("S3", "W3", Submission.State.APPROVED), at=NOON)
        book_ended(at=NOON)
        assert "the budget has 39.40 left" in obstacles(listing)[0]

    def test_more_than_the_budget_has_is_not_offered(self, market):
        listing = drafted("memory", places=1000)
        assert "the budget has 100.00 left" in obstacles(listing)[0]
        with pytest.raises(ListingRefused, match=r"All places cost 600\.00"):
            publish(listing=listing, at=NOON)
        assert not Action.objects.exists()

    def test_a_project_that_asks_nothing_is_not_offered(self, market):
        listing = drafted("memory")
        Project.objects.update(state=Project.State.PAUSED)
        listing.project.refresh_from_db()
        with pytest.raises(ListingRefused, match="Open the project"):
            publish(listing=listing, at=NOON)

    @pytest.mark.parametrize("terms", [{"reward": Decimal(0)}, {"places": 0}, {"title": ""}, {"minutes": 1}])
    def test_terms_that_nobody_could_mean_are_refused(self, market, terms):
        with pytest.raises(ListingRefused, match=next(iter(terms))):
            drafted("memory", **terms)

    def test_terms_are_changed_as_long_as_it_is_a_draft(self, market):
        listing = drafted("memory")
        assert drafted("memory", listing.project, places=7).pk == listing.pk
        publish(listing=listing, at=NOON)
        with pytest.raises(ListingRefused, match="end it"):
            drafted("memory", listing.project, places=9)

    def test_an_ended_listing_takes_its_places_back(self, market):
        listing = published("memory")
        end(listing=listing, at=NOON)
        end(listing=listing, at=LATER)
        outbox.deliver_due(clock=frozen(NOON))
        assert market.done["withdraw"] == 3
        with pytest.raises(ListingRefused, match="ended"):
            publish(listing=listing, at=NOON)
        assert drafted("memory", listing.project).pk != listing.pk


class TestEnding:
    def test_a_listing_ends_with_the_questions_of_its_project(self, market):
        listing = published("memory")
        reconciling.reconcile_all(clock=frozen(NOON))
        listing.refresh_from_db()
        assert listing.state == Listing.State.PUBLISHED
        Cluster.objects.update(is_open=False)
        reconciling.reconcile_all(clock=frozen(NOON))
        listing.refresh_from_db()
        assert listing.state == Listing.State.ENDED
        outbox.deliver_due(clock=frozen(NOON))
        assert market.done["withdraw"] == 3

    def test_it_stays_while_a_further_round_may_begin(self, market):
        listing = published("memory", open_project(most_rounds=2))
        Cluster.objects.update(is_open=False)
        reconciling.reconcile_all(clock=frozen(NOON))
        listing.refresh_from_db()
        assert listing.state == Listing.State.PUBLISHED

    def test_it_ends_when_the_budget_is_spent(self, market):
        listing = published("memory")
        set_caps(project=listing.project, questions=0, money=None)
        reconciling.reconcile_all(clock=frozen(NOON))
        listing.refresh_from_db()
        assert listing.state == Listing.State.ENDED

    def test_what_is_handed_in_after_the_end_is_paid(self, market):
        listing = published("memory")
        visit = come(listing)
        work_through(visit)
        end(listing=listing, at=NOON)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(LATER))
        outbox.deliver_due(clock=frozen(LATER))
        assert market.done["approve"] == 1


class TestOutbox:
    def test_what_arrived_though_the_answer_was_lost_is_not_done_twice(self, market):
        market.faults = [Unavailable("the line broke")] * 2
        listing = publish(listing=drafted("memory", places=1), at=NOON)
        assert outbox.deliver_due(clock=frozen(NOON)) == 0
        assert outbox.deliver_due(clock=frozen(LATER)) == 2
        assert len(market.places) == 1
        assert posting_of(listing).external_id in market.places

    def test_it_waits_longer_each_time_and_gives_up_at_last(self, market):
        listing = drafted("memory")
        action = outbox.ask(listing=listing, kind="withdraw", reference="w", at=NOON)
        at, waits = NOON, []
        while action.failed_at is None:
            market.faults = [Unavailable("away")]
            outbox.deliver_due(clock=frozen(at))
            action.refresh_from_db()
            waits.append(action.due_at - at)
            at = max(at, action.due_at)
        assert waits[0] == outbox.FIRST_WAIT
        assert waits[1] == 2 * outbox.FIRST_WAIT
        assert max(waits[:-1]) == outbox.LONGEST_WAIT
        assert len(waits) == outbox.MOST_TRIES
        assert "away" in action.error

    def test_what_is_being_told_is_not_due_to_others_however_slow_the_answers_before_it(
        self, market, monkeypatch
    ):
        listing, clock, slow = drafted("memory"), Clock(NOON), outbox.HOLD - timedelta(seconds=1)
        for reference in ("w1", "w2", "w3"):
            outbox.ask(listing=listing, kind="withdraw", reference=reference, at=NOON)
        tell = market.perform

        def perform(action: Action) -> dict[str, str]:
            clock.go_on(slow)
            assert not Action.objects.waiting().filter(pk=action.pk, due_at__lte=clock()).exists()
            return tell(action)

        monkeypatch.setattr(market, "perform", perform)
        assert outbox.deliver_due(clock=clock) == 3
        done = Action.objects.order_by("pk").values_list("done_at", flat=True)
        assert list(done) == [NOON + n * slow for n in (1, 2, 3)]

    def test_the_wait_for_the_next_try_begins_at_the_answer(self, market, monkeypatch):
        clock = Clock(NOON)
        action = outbox.ask(listing=drafted("memory"), kind="withdraw", reference="w", at=NOON)

        def perform(_: Action) -> dict[str, str]:
            clock.go_on(timedelta(minutes=3))
            raise Unavailable("away")

        monkeypatch.setattr(market, "perform", perform)
        outbox.deliver_due(clock=clock, most=1)
        action.refresh_from_db()
        assert action.due_at == NOON + timedelta(minutes=3) + outbox.FIRST_WAIT

    def test_what_is_refused_is_shown_and_can_be_tried_again(self, market):
        market.faults = [Refused("not like this")]
        action = outbox.ask(listing=drafted("memory"), kind="withdraw", reference="w", at=NOON)
        assert outbox.deliver_due(clock=frozen(NOON)) == 0
        action.refresh_from_db()
        assert (action.error, action.failed_at) == ("not like this", NOON)
        assert outbox.deliver_due(clock=frozen(LATER)) == 0
        outbox.retry(action, at=LATER)
        assert outbox.deliver_due(clock=frozen(LATER)) == 1

    def test_an_answer_that_nobody_foresaw_holds_up_no_other(self, market):
        listing = drafted("memory")
        for reference in ("w1", "w2"):
            outbox.ask(listing=listing, kind="withdraw", reference=reference, at=NOON)
        market.faults = [KeyError("status")]
        assert outbox.deliver_due(clock=frozen(NOON)) == 1
        assert "Not understood" in Action.objects.get(reference="w1").error

    def test_who_dies_with_an_action_leaves_it_to_the_next(self, market, monkeypatch):
        outbox.ask(listing=drafted("memory"), kind="withdraw", reference="w", at=NOON)
        market.faults = [KeyboardInterrupt()]
        with pytest.raises(KeyboardInterrupt):
            outbox.deliver_due(clock=frozen(NOON))
        assert outbox.deliver_due(clock=frozen(NOON + timedelta(minutes=1))) == 0
        assert outbox.deliver_due(clock=frozen(NOON + outbox.HOLD)) == 1

    def test_the_same_is_asked_once(self, market):
        listing = drafted("memory")
        first = outbox.ask(listing=listing, kind="withdraw", reference="w", at=NOON)
        assert outbox.ask(listing=listing, kind="withdraw", reference="w", at=LATER) == first
        with pytest.raises(IntegrityError), transaction.atomic():
            Action.objects.create(listing=listing, kind="withdraw", reference="w", asked_at=NOON, due_at=NOON)


@pytest.mark.django_db(transaction=True)
def test_actions_that_many_deliver_at_once_are_each_done_once(market):
    listing = drafted("memory")
    for number in range(20):
        outbox.ask(listing=listing, kind="withdraw", reference=f"w{number}", at=NOON)
    assert sum(together([lambda: outbox.deliver_due(clock=frozen(NOON))] * 4)) == 20
    assert market.done["withdraw"] == 20


class TestVisits:
    def test_arriving_makes_a_member_and_opens_nothing(self, market):
        listing = published("memory")
        visit = come(listing)
        assert (visit.membership.worker.provider, visit.membership.worker.external_id) == (
            "memory",
            "W1",
        )
        assert not Assignment.objects.exists()
        assert come(listing).submission.pk == visit.submission.pk

    def test_the_same_id_of_another_worker_is_another_submission(self, market):
        listing = published("memory")
        assert come(listing, worker="W1").submission.pk != come(listing, worker="W2").submission.pk

    def test_the_worker_of_a_sandbox_is_nobody_in_production(self, market):
        project = open_project()
        sandbox = published("memory", project, environment="sandbox")
        real = published("memory", project)
        assert come(sandbox).membership.worker_id != come(real).membership.worker_id

    def test_a_place_of_nobody_and_a_way_back_to_elsewhere_are_refused(self, market):
        listing = published("memory")
        with pytest.raises(NotAnArrival, match="not known"):
            visits.arrive(listing=listing, arrival=Arrival("made-up", "S1", "W1", market.site), at=NOON)
        with pytest.raises(NotAnArrival, match=r"evil\.example"):
            come(listing, hand_in_to="https://evil.example")
        assert not Submission.objects.exists()
        assert not Membership.objects.exists()

    def test_a_token_speaks_for_one_visit_of_one_worker(self, market):
        visit = come(published("memory"))
        assert again(visit).submission == visit.submission
        for forged in (visit.token[:-1], visit.token + "x", "a:b:c", ":::"):
            with pytest.raises(UnknownLink):
                visits.visit_of(forged)

    def test_a_token_ends(self, market, monkeypatch):
        visit = come(published("memory"))
        monkeypatch.setattr(visits, "LIFETIME", timedelta(seconds=-1))
        with pytest.raises(UnknownLink, match="over"):
            again(visit)

    def test_one_page_of_work_belongs_to_one_place(self, market):
        listing = published("memory")
        first, second = come(listing, place="S1"), come(listing, place="S2")
        assignment = claim_hit(membership=first.membership, at=NOON)
        visits.bind(visit=first, assignment=assignment)
        visits.bind(visit=first, assignment=assignment)
        visits.bind(visit=again(second), assignment=assignment)
        assert again(first).submission.assignment is None
        assert again(second).submission.assignment == assignment

    def test_a_place_whose_page_is_done_gets_no_second_one(self, market):
        visit = come(published("memory"))
        work_through(visit)
        assert again(visit).is_over
        with pytest.raises(UnknownLink, match="hand it in"):
            visits.bind(visit=visit, assignment=claim_hit(membership=visit.membership, at=NOON))

    def test_who_did_nothing_can_only_return_the_place(self, market):
        visit = come(published("memory"))
        assert visit.way_out("nothing-left") is None
        begin_work(visit, answers=4)
        assert again(visit).way_out("nothing-left") is None
        assert visit.way_out("stopped").fields["ending"] == "screened-out"
        work_through(visit)
        assert again(visit).way_out("stopped").fields["ending"] == "done"


class TestReconciling:
    def test_work_that_was_handed_in_is_approved_and_never_rejected(self, market):
        listing = published("memory")
        visit = come(listing)
        work_through(visit)
        market.hand_in(visit.submission)
        assert reconciling.reconcile_all(clock=frozen(NOON)) == 1
        assert submission().state == Submission.State.HANDED_IN
        outbox.deliver_due(clock=frozen(NOON))
        assert reconciling.reconcile_all(clock=frozen(LATER)) == 1
        assert submission().state == Submission.State.APPROVED
        assert reconciling.reconcile_all(clock=frozen(LATER)) == 0
        assert (market.done["approve"], market.done["reject"]) == (1, 0)
        assert spend_of(listing.project).money == Decimal("0.60")

    def test_nobody_is_paid_on_the_word_of_an_address(self, market):
        visit = come(published("memory"))
        work_through(visit)
        reconciling.reconcile_all(clock=frozen(NOON))
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    def test_handed_in_without_work_waits_for_a_person(self, market):
        listing = published("memory")
        market.hand_in(come(listing).submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        assert [one.external_id for one in reconciling.unexplained(listing)] == ["S1"]
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    def test_a_page_that_this_site_ended_is_paid_in_full_when_it_was_handed_in(self, market):
        listing = published("memory")
        visit = come(listing)
        begin_work(visit, answers=1)
        stop_worker(membership=visit.membership, reason="a test", at=NOON)
        market.hand_in(visit.submission)
        for at in (LATER, LATER):
            reconciling.reconcile_all(clock=frozen(at))
        assert spend_of(listing.project).money == Decimal("0.60")

    def test_a_page_whose_lease_was_let_run_out_waits_for_a_person(self, market):
        listing = published("memory")
        visit = come(listing)
        begin_work(visit, answers=1)
        sweep(at=NOON + timedelta(hours=1))
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(NOON + timedelta(hours=2)))
        assert list(reconciling.unexplained(listing)) == [visit.submission]
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    @pytest.mark.parametrize("answers", [0, 4])
    def test_a_page_that_is_handed_in_before_its_end_is_ended_and_waits_for_a_person(self, market, answers):
        listing = published("memory")
        visit = come(listing)
        assignment = begin_work(visit, answers=answers)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(LATER))
        assignment.refresh_from_db()
        assert assignment.released_at == LATER
        assert list(reconciling.unexplained(listing)) == [visit.submission]
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()
        spend = spend_of(listing.project)
        assert (spend.money, spend.reserved_money) == (0, 0)

    def test_who_hands_in_before_the_end_is_reviewed_like_those_who_finish(self, market):
        visit = come(published("memory"))
        begin_work(visit, answers=4)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(LATER))
        assert WorkRecord.objects.get(membership=visit.membership).answers == 4

    def test_what_arrives_after_the_hand_in_completes_the_page(self, market):
        listing = published("memory")
        visit = come(listing)
        assignment = begin_work(visit, answers=4)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        say(assignment, items(assignment)[4:])
        reconciling.reconcile_all(clock=frozen(LATER))
        assert Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    def test_an_approval_by_hand_is_not_taken_for_paid_by_what_was_only_reserved(self, market):
        listing = published("memory")
        visit = come(listing)
        begin_work(visit, answers=0)
        market.hand_in(visit.submission)
        reconciling.reconcile_all(clock=frozen(NOON))
        approve_by_hand(submission=submission(), at=NOON)
        sweep(at=NOON + timedelta(hours=1))
        assert spend_of(listing.project).money == Decimal("0.60")

    def test_nobody_is_approved_whom_the_budget_cannot_pay(self, market):
        listing = published("memory")
        visit = come(listing)
        begin_work(visit, answers=1)
        stop_worker(membership=visit.membership, reason="a test", at=NOON)
        market.hand_in(visit.submission)
        set_caps(project=listing.project, questions=None, money=Decimal("0.20"))
        reconciling.reconcile_all(clock=frozen(LATER))
        assert not Action.objects.filter(kind=Action.Kind.APPROVE).exists()

    def test_what_was_given_back_is_known_by_word_alone(self, market):
        listing = published("memory")
        visit = come(listing)
        market.words = [reconciling.News(visit.submission.posting.external_id, "S1", "returned", LATER)]
        assert reconciling.hear(market.news(), clock=frozen(LATER)) == 1
        assert submission().state == Submission.State.RETURNED
        come(listing)
        assert submission().state == Submission.State.ARRIVED

    def test_word_of_an_earlier_holder_does_not_touch_the_next(self, market):
        visit = come(published("memory"))
        before = NOON - timedelta(minutes=1)
        word = reconciling.News(visit.submission.posting.external_id, "S1", "returned", before)
        reconciling.hear([word], clock=frozen(LATER))
        assert submission().state == Submission.State.ARRIVED

    def test_word_without_a_time_is_about_who_came_while_it_was_waited_for(self, market):
        listing, clock = published("memory"), Clock(NOON - timedelta(minutes=1))

        def news():
            visit = come(listing)
            clock.go_on(timedelta(minutes=5))
            yield reconciling.News(visit.submission.posting.external_id, "S1", "returned")

        assert reconciling.hear(news(), clock=clock) == 1
        assert submission().state == Submission.State.RETURNED
        assert submission().ended_at > submission().arrived_at

    def test_times_are_those_of_the_answers_of_a_slow_marketplace(self, market, monkeypatch):
        clock, known = Clock(NOON), market.submissions
        for _ in range(2):
            market.hand_in(come(published("memory")).submission)
        monkeypatch.setattr(
            market, "submissions", lambda one: clock.go_on(timedelta(minutes=5)) or known(one)
        )
        assert reconciling.reconcile_all(clock=clock) == 2
        handed_in = Submission.objects.order_by("handed_in_at").values_list("handed_in_at", flat=True)
        assert list(handed_in) == [NOON + timedelta(minutes=5), NOON + timedelta(minutes=10)]

    def test_submissions_of_people_who_never_came_are_left_alone(self, market):
        posting = posting_of(published("memory"))
        assert not reconciling.take_over(posting, Seen("S9", "W9", Submission.State.HANDED_IN), at=NOON)

    def test_nothing_is_asked_about_places_where_nobody_is(self, market, monkeypatch):
        listing = published("memory")
        asked = []
        monkeypatch.setattr(market, "submissions", lambda posting: asked.append(posting.pk) or [])
        reconciling.reconcile(listing, clock=frozen(NOON))
        assert asked == []
        visit = come(listing)
        reconciling.reconcile(listing, clock=frozen(NOON))
        assert asked == [visit.submission.posting_id]

    def test_a_place_that_is_not_handed_in_in_time_counts_as_given_back(self, market):
        listing = published("memory", minutes=30)
        visit = come(listing)
        reconciling.reconcile(listing, clock=frozen(NOON + timedelta(minutes=80)))
        assert submission().state == Submission.State.ARRIVED
        reconciling.reconcile(listing, clock=frozen(NOON + timedelta(minutes=91)))
        assert submission().state == Submission.State.RETURNED
        market.hand_in(visit.submission)
        reconciling.hear([reconciling.News(visit.submission.posting.external_id)], clock=frozen(LATER))
        assert submission().state == Submission.State.HANDED_IN

    def test_what_was_handed_in_while_nobody_looked_is_not_given_up(self, market):
        listing = published("memory", minutes=30)
        visit = come(listing)
        work_through(visit)
        market.hand_in(visit.submission)
        reconciling.reconcile(listing, clock=frozen(NOON + timedelta(days=2)))
        assert submission().state == Submission.State.HANDED_IN

    def test_one_marketplace_that_is_away_does_not_hold_up_another(self, market, monkeypatch):
        away = published("memory")
        visit = come(published("memory"))
        work_through(visit)
        market.hand_in(visit.submission)
        ask = market.submissions
        gone = posting_of(away).external_id

        def submissions(posting):
            if posting.external_id == gone:
                raise Unavailable("away")
            return ask(posting)

        monkeypatch.setattr(market, "submissions", submissions)
        assert reconciling.reconcile_all(clock=frozen(NOON)) == 1


class TestQualification:
    @pytest.fixture
    def listing(self, market) -> Listing:
        return published("memory", wants={"testers": 9, "test_reward": "0.05"})

    def tell(self) -> None:
        reconciling.reconcile_all(clock=frozen(NOON))
        outbox.deliver_due(clock=frozen(NOON))

    def test_those_who_may_work_are_granted_it_once(self, market, listing):
        come(listing)
        self.tell()
        self.tell()
        assert market.scores == {"W1": 1}
        assert Action.objects.filter(kind=Action.Kind.GRANT).count() == 1

    def test_newcomers_are_granted_nothing_before_they_pass(self, market, listing):
        come(listing)
        Membership.objects.update(standing=Standing.NEW)
        self.tell()
        assert market.scores == {}

    def test_stopping_revokes_and_reinstating_grants_again(self, market, listing):
        member = come(listing).membership
        self.tell()
        change_standing(membership=member, to=Standing.STOPPED, reason="a test", at=NOON)
        self.tell()
        assert market.scores == {}
        change_standing(membership=member, to=Standing.ACTIVE, reason="a test", at=NOON)
        self.tell()
        assert market.scores == {"W1": 1}

    def test_who_was_stopped_before_a_grant_gets_none(self, market, listing):
        member = come(listing).membership
        change_standing(membership=member, to=Standing.STOPPED, reason="a test", at=NOON)
        self.tell()
        assert not Action.objects.filter(kind__in=["grant", "revoke"]).exists()


class TestMembersOfAMarketplace:
    """What the page on a worker does for those who came from one."""

    @pytest.fixture
    def member(self, market) -> Membership:
        visit = come(published("memory"))
        work_through(visit)
        market.hand_in(visit.submission)
        for _ in range(2):
            reconciling.reconcile_all(clock=frozen(NOON))
            outbox.deliver_due(clock=frozen(NOON))
        reconciling.reconcile_all(clock=frozen(NOON))
        return visit.membership

    def test_what_was_approved_is_paid(self, member):
        assert account_of(member) == Account(earned=Decimal("0.50"), paid=Decimal("0.50"))
        assert account_of(member).owed == 0

    def test_what_waits_for_approval_is_owed_and_what_was_rejected_is_not(self, member):
        Submission.objects.update(state=Submission.State.HANDED_IN)
        assert account_of(member).owed == Decimal("0.50")
        Submission.objects.update(state=Submission.State.REJECTED, booked_at=None)
        book_ended(at=NOON)
        assert account_of(member).owed == 0

    def test_a_bonus_goes_to_the_marketplace_once_and_is_owed_until_it_is_there(self, market, member):
        once = uuid4()
        for _ in range(2):
            give_member_bonus(
                membership=member, money=Decimal("0.25"), reason="Careful", by="eve", once=once, at=NOON
            )
        assert account_of(member).owed == Decimal("0.25")
        outbox.deliver_due(clock=frozen(NOON))
        assert list(market.bonuses.values()) == [Decimal("0.25")]
        assert account_of(member).owed == 0
        note = member.project.ledger.get(kind="bonus", reference__startswith="bonus:").note
        assert note == "eve: Careful"

    def test_a_form_that_is_sent_twice_gives_one_bonus_though_more_was_approved_between(self, market, member):
        once = uuid4()
        about = {"membership": member, "money": Decimal("0.25"), "reason": "Careful", "by": "eve"}
        give_member_bonus(**about, once=once, at=NOON)
        first = submission()
        Submission.objects.create(
            listing=first.listing, posting=first.posting, worker=first.worker, external_id="S2",
            state=Submission.State.APPROVED, arrived_at=NOON, booked_at=NOON,
        )  # fmt: skip
        give_member_bonus(**about, once=once, at=NOON)
        outbox.deliver_due(clock=frozen(NOON))
        assert list(market.bonuses.values()) == [Decimal("0.25")]
        assert member.project.ledger.filter(kind="bonus").count() == 1

    def test_nobody_is_paid_by_hand_whom_the_marketplace_pays(self, member):
        Submission.objects.update(state=Submission.State.HANDED_IN)
        with pytest.raises(PaymentRefused, match="by the marketplace"):
            note_payment(membership=member, money=Decimal("0.10"), by="eve", once=uuid4(), at=NOON)

    def test_a_message_is_passed_on_once(self, market, member):
        once = uuid4()
        for _ in range(2):
            message = write_to(membership=member, text="Thank you.", by="eve", once=once, at=NOON)
        assert message.arrived_at is None
        outbox.deliver_due(clock=frozen(NOON))
        assert market.written == {"W1": ["Thank you."]}
        message.action.refresh_from_db()
        assert message.arrived_at == NOON

    def test_where_messages_are_not_passed_on_none_is_written(self, monkeypatch, member):
        monkeypatch.setattr(InMemory, "messages", False)
        assert route_to(member) == Route.NO_WAY
        with pytest.raises(CannotWrite):
            write_to(membership=member, text="Thank you.", by="eve", once=uuid4(), at=NOON)


class TestBonus:
    @pytest.fixture
    def approved(self, market) -> Submission:
        visit = come(published("memory"))
        work_through(visit)
        market.hand_in(visit.submission)
        for _ in range(2):
            reconciling.reconcile_all(clock=frozen(NOON))
            outbox.deliver_due(clock=frozen(NOON))
        return submission()

    def pay(self, approved: Submission, money: str = "0.25", reference: str = "1") -> Action:
        told = {"money": Decimal(money), "reason": "Careful work", "reference": reference, "at": NOON}
        return give_bonus(submission=approved, **told)

    def test_it_goes_through_the_ledger_to_the_marketplace_once(self, market, approved):
        before = spend_of(approved.listing.project).bonuses
        assert self.pay(approved) == self.pay(approved)
        outbox.deliver_due(clock=frozen(NOON))
        assert list(market.bonuses.values()) == [Decimal("0.25")]
        assert spend_of(approved.listing.project).bonuses - before == Decimal("0.30")

    def test_two_are_two(self, market, approved):
        self.pay(approved)
        self.pay(approved, reference="2")
        outbox.deliver_due(clock=frozen(NOON))
        assert len(market.bonuses) == 2

    def test_one_that_the_budget_does_not_allow_is_nowhere(self, market, approved):
        set_caps(project=approved.listing.project, questions=None, money=Decimal("0.61"))
        with pytest.raises(Exception, match="does not allow"):
            self.pay(approved)
        assert not Action.objects.filter(kind=Action.Kind.BONUS).exists()

    def test_nothing_and_no_reason_are_refused(self, approved):
        for told in ({"money": Decimal(0)}, {"money": Decimal("0.001")}, {"reason": " "}):
            with pytest.raises(BonusRefused):
                give_bonus(
                    submission=approved,
                    reference="1",
                    at=NOON,
                    **{"money": Decimal("0.25"), "reason": "Careful work", **told},
                )

"""Prolific, against a stand-in for its API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from annotation_site.budget.ledger import spend_of
from annotation_site.marketplaces import outbox, reconciling, visits
from annotation_site.marketplaces.listings import end, estimate, obstacles
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.paying import give_bonus
from annotation_site.marketplaces.prolific import Prolific
from annotation_site.marketplaces.prolific.actions import VERBS
from annotation_site.marketplaces.prolific.codes import code
from annotation_site.marketplaces.seam import NotAnArrival, Refused
from annotation_site.verification.models import Question
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.offers import again, drafted, posting_of, published, submission, work_through
from tests.standins.prolific import TOKEN, ProlificStandIn

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)
ACTIONS = Action.objects.order_by("pk")
REASON = "Each answer of this page was given within a tenth of a second of the one before. " * 2


@pytest.fixture
def prolific(settings) -> Iterator[ProlificStandIn]:
    standin = ProlificStandIn()
    settings.PUBLIC_URL = "https://label.example"
    settings.PROLIFIC_TOKEN, settings.PROLIFIC_PRODUCTION = TOKEN, True
    settings.PROLIFIC_URL = f"{standin.url}/api/v1/"
    settings.PROLIFIC_COMPLETE_URL = f"{standin.url}/submissions/complete"
    yield standin
    standin.close()


@pytest.fixture
def listing(prolific) -> Listing:
    return published("prolific", environment="production")


def come(prolific: ProlificStandIn, listing: Listing, participant: str = "P1") -> visits.Visit:
    _, query = prolific.take(posting_of(listing).external_id, participant)
    return visits.arrive(listing=listing, arrival=visits.read_arrival(listing, query), at=NOON)


def sync(at=NOON) -> None:
    reconciling.reconcile_all(clock=frozen(at))
    outbox.deliver_due(clock=frozen(at))


def test_publishing_makes_one_study_of_all_places_and_lets_it_go(prolific, listing):
    (study,) = prolific.studies.values()
    assert (study["status"], study["total_available_places"], study["reward"]) == ("ACTIVE", 3, 50)
    assert study["external_study_url"].startswith(
        f"https://label.example/arrive/prolific/{listing.key}/?PROLIFIC"
    )
    assert posting_of(listing).external_id == study["id"]


def test_in_the_sandbox_a_study_stays_a_draft(prolific):
    published("prolific")
    assert [study["status"] for study in prolific.studies.values()] == ["UNPUBLISHED"]


def test_a_study_whose_answer_was_lost_is_found_again(prolific):
    prolific.broken = [200, 503]
    listing = published("prolific", environment="production")
    outbox.deliver_due(clock=frozen(LATER))
    assert len(prolific.studies) == 1
    assert posting_of(listing).external_id in prolific.studies


def test_ending_stops_the_study(prolific, listing):
    end(listing=listing, at=NOON)
    outbox.deliver_due(clock=frozen(NOON))
    assert [study["status"] for study in prolific.studies.values()] == ["AWAITING REVIEW"]


def test_what_is_not_set_up_stands_in_the_way(prolific, settings):
    settings.PROLIFIC_TOKEN, settings.PROLIFIC_PRODUCTION, settings.PUBLIC_URL = "", False, "http://x"
    told = " ".join(obstacles(drafted("prolific", environment="production")))
    assert "PROLIFIC_TOKEN" in told
    assert "PROLIFIC_PRODUCTION" in told
    assert "https" in told


def test_a_token_that_prolific_does_not_know_is_told_on_the_action(prolific, settings):
    settings.PROLIFIC_TOKEN = "another"
    published("prolific")
    assert "does not know PROLIFIC_TOKEN" in ACTIONS.first().error


def test_the_fee_is_the_one_that_prolific_told(prolific):
    assert estimate(drafted("prolific", places=10)).fees == Decimal("2.14")
    assert estimate(drafted("prolific", places=10, wants={"fee_share": 0.333})).fees == Decimal("1.665")


@pytest.mark.parametrize("missing", ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"])
def test_an_arrival_without_one_of_its_ids_is_refused(prolific, missing):
    query = dict.fromkeys(["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"], "x")
    with pytest.raises(NotAnArrival):
        Prolific("production").arrival({**query, missing: ""})


def test_codes_are_three_and_other_in_every_listing(prolific, listing):
    codes = {code["code"] for code in next(iter(prolific.studies.values()))["completion_codes"]}
    assert len(codes) == 3
    other = published("prolific", environment="production")
    assert codes.isdisjoint({code(other, ending) for ending in ("done", "screened-out", "nothing-left")})


class TestWork:
    def test_a_page_of_work_brings_the_completion_code_and_pay(self, prolific, listing):
        visit = come(prolific, listing)
        work_through(visit)
        out = again(visit).way_out("visit-over")
        assert out.method == "get"
        assert prolific.hand_in(visit.submission.external_id, out.fields["cc"]) == "COMPLETED"
        sync()
        sync(LATER)
        assert submission().state == Submission.State.APPROVED
        assert prolific.submissions[visit.submission.external_id]["status"] == "APPROVED"
        assert spend_of(listing.project).money == Decimal("0.7140")

    def test_nothing_to_do_is_over_quota_and_a_stop_screens_out(self, prolific, listing):
        visit = come(prolific, listing)
        held = visit.submission.external_id
        Question.objects.update(wanted=0)
        assert prolific.hand_in(held, visit.way_out("nothing-left").fields["cc"]) == "NO_PLACES"
        assert prolific.hand_in(held, visit.way_out("stopped").fields["cc"]) == "FAILED_SCREENER"
        sync()
        assert not ACTIONS.filter(kind=Action.Kind.APPROVE).exists()
        assert list(reconciling.unexplained(listing)) == [submission()]

    def test_who_goes_away_has_returned_it(self, prolific, listing):
        visit = come(prolific, listing)
        for status in ("RETURNED", "TIMED-OUT"):
            prolific.submissions[visit.submission.external_id]["status"] = status
            sync()
            assert submission().state == Submission.State.RETURNED

    def test_a_submission_of_another_participant_is_not_paid(self, prolific, listing):
        visit = come(prolific, listing)
        work_through(visit)
        prolific.hand_in(visit.submission.external_id, "")
        reconciling.reconcile_all(clock=frozen(NOON))
        prolific.submissions[visit.submission.external_id]["participant_id"] = "P2"
        outbox.deliver_due(clock=frozen(NOON))
        assert "another participant" in ACTIONS.get(kind=Action.Kind.APPROVE).error

    def test_an_approval_whose_answer_was_lost_changes_nothing_the_second_time(self, prolific, listing):
        visit = come(prolific, listing)
        work_through(visit)
        prolific.hand_in(visit.submission.external_id, "")
        reconciling.reconcile_all(clock=frozen(NOON))
        prolific.broken = [200, 502]
        assert outbox.deliver_due(clock=frozen(NOON)) == 0
        assert outbox.deliver_due(clock=frozen(LATER)) == 1

    def test_many_submissions_are_read_page_by_page(self, prolific, listing):
        for number in range(230):
            prolific.take(posting_of(listing).external_id, f"P{number}")
        assert len(list(Prolific("production").submissions(posting_of(listing)))) == 230

    def test_a_return_is_asked_for_and_a_rejection_says_why(self, prolific, listing):
        visit = come(prolific, listing)
        known = visit.submission.external_id
        about = {"listing": listing, "submission": visit.submission, "at": NOON}
        ask(kind=Action.Kind.RELEASE, reference="release", reason="Nothing was left to do.", **about)
        outbox.deliver_due(clock=frozen(NOON))
        assert prolific.returns == {known: ["Nothing was left to do."]}
        prolific.hand_in(known, "")
        ask(kind=Action.Kind.REJECT, reference="short", reason="Bad.", **about)
        ask(kind=Action.Kind.REJECT, reference="long", reason=REASON, **about)
        outbox.deliver_due(clock=frozen(NOON))
        assert "at least 100" in ACTIONS.get(reference="short").error
        assert prolific.submissions[known]["status"] == "REJECTED"


def test_only_a_participant_whom_prolific_knows_gets_a_page(prolific, listing):
    visit = come(prolific, listing)
    held = prolific.submissions[visit.submission.external_id]
    market = Prolific("production")
    for wrong in ({"participant_id": "P2"}, {"study_id": "another"}, {"status": "RETURNED"}):
        there = dict(held)
        held.update(wrong)
        assert market.holds(visit.submission) is False
        held.update(there)
    assert market.holds(visit.submission) is True
    visits.open_page(visit=visit, at=NOON)
    assert submission().confirmed_at == NOON
    prolific.submissions.clear()
    assert market.holds(visit.submission) is False
    assert Prolific("sandbox").holds(visit.submission) is None


@pytest.mark.parametrize("written", ["{}/?1", "{}#1", "x/../{}", "../submissions/{}", ".", "..", "%2e%2e"])
def test_an_id_that_somebody_wrote_into_the_address_confirms_nothing(prolific, listing, written):
    held = come(prolific, listing).submission
    made_up = Submission(
        listing=listing,
        posting=held.posting,
        worker=held.worker,
        external_id=written.format(held.external_id),
    )
    assert Prolific("production").holds(made_up) is False
    with pytest.raises(Refused):
        VERBS[Action.Kind.RELEASE](Action(listing=listing, kind="release", submission=made_up))
    assert prolific.returns == {}


class TestBonus:
    @pytest.fixture
    def approved(self, prolific, listing) -> Submission:
        visit = come(prolific, listing)
        work_through(visit)
        prolific.hand_in(visit.submission.external_id, "")
        sync()
        sync(LATER)
        return submission()

    def pay(self, approved: Submission, reference: str = "1") -> Action:
        told = {"money": Decimal("0.25"), "reason": "Careful work", "reference": reference, "at": LATER}
        return give_bonus(submission=approved, **told)

    def paid(self, prolific: ProlificStandIn, approved: Submission) -> list[int]:
        return prolific.submissions[approved.external_id]["bonus_payments"]

    def test_a_bonus_is_set_up_and_paid(self, prolific, approved):
        self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        assert self.paid(prolific, approved) == [25]

    def test_one_whose_answer_was_lost_is_paid_once(self, prolific, approved):
        action = self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        ACTIONS.filter(pk=action.pk).update(done_at=None, due_at=LATER, tries=F("tries"))
        outbox.deliver_due(clock=frozen(LATER))
        self.pay(approved, "2")
        outbox.deliver_due(clock=frozen(LATER))
        assert self.paid(prolific, approved) == [25, 25]

    def test_one_that_was_given_up_and_is_tried_again_is_paid_once(self, prolific, approved):
        action = self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        ACTIONS.filter(pk=action.pk).update(failed_at=LATER, done_at=None)
        outbox.retry(action, at=LATER)
        outbox.deliver_due(clock=frozen(LATER))
        assert self.paid(prolific, approved) == [25]


def test_a_message_whose_answer_was_lost_is_not_written_twice(prolific, listing):
    worker = come(prolific, listing).membership.worker
    about = {"kind": Action.Kind.MESSAGE, "reason": "Thank you.", "worker": worker, "at": NOON}
    ask(listing=listing, reference="message:1", **about)
    prolific.broken.append(500)
    outbox.deliver_due(clock=frozen(NOON))
    outbox.deliver_due(clock=frozen(LATER))
    assert [written["body"] for written in prolific.written] == ["Thank you."]
    ask(listing=listing, reference="message:2", **about)
    outbox.deliver_due(clock=frozen(LATER))
    assert len(prolific.written) == 2

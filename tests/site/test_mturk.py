"""Mechanical Turk, against a stand-in that holds every request against the service's own model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from xml.etree import ElementTree

import boto3
import pytest
from django.db.models import F

from annotation_site.budget.ledger import spend_of
from annotation_site.marketplaces import outbox, reconciling, visits
from annotation_site.marketplaces.listings import estimate, obstacles
from annotation_site.marketplaces.models import Action, Environment, Listing, Submission
from annotation_site.marketplaces.mturk import MTurk, clients
from annotation_site.marketplaces.mturk.question import QuestionRefused, external_question
from annotation_site.marketplaces.mturk.requirements import requirements
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.paying import give_bonus
from annotation_site.marketplaces.seam import NotAnArrival, NotConfigured
from annotation_site.people.models import Standing, Worker
from annotation_site.people.standing import change_standing
from annotation_site.verification.claiming import claim_hit
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.offers import drafted, open_project, posting_of, published, submission, work_through
from tests.standins.mturk import MTurkStandIn

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)
ACTIONS = Action.objects.order_by("pk")


@pytest.fixture
def turk(settings) -> Iterator[MTurkStandIn]:
    standin = MTurkStandIn()
    point_at(settings, standin)
    yield standin
    standin.close()


def point_at(settings, standin: MTurkStandIn) -> None:
    settings.MTURK_ENDPOINT_URL = settings.MTURK_QUEUE_ENDPOINT_URL = standin.url
    settings.MTURK_QUEUE_URL = f"{standin.url}/123456789012/maskgrove"
    settings.MTURK_SUBMIT_ORIGINS = [standin.url]
    settings.MTURK_ACCESS_KEY_ID, settings.MTURK_SECRET_ACCESS_KEY = "AKIDSTANDIN", "secret"
    settings.PUBLIC_URL = "https://label.example"


def come(turk: MTurkStandIn, listing: Listing, worker: str = "A1WORKER") -> visits.Visit:
    """A worker accepts a place, and the page in the frame is opened."""
    held = turk.accept(posting_of(listing).external_id, worker)
    query = {
        "assignmentId": held.id, "hitId": held.hit.id, "workerId": worker, "turkSubmitTo": turk.url,
    }  # fmt: skip
    return visits.arrive(listing=listing, arrival=visits.read_arrival(listing, query), at=NOON)


def hand_in(turk: MTurkStandIn, visit: visits.Visit) -> None:
    held = turk.assignments[visit.submission.external_id]
    held.status = "Submitted"
    turk._notify(held, "AssignmentSubmitted")


def sync(at=NOON) -> None:
    reconciling.hear_all(clock=frozen(at))
    reconciling.reconcile_all(clock=frozen(at))
    outbox.deliver_due(clock=frozen(at))


class TestPublishing:
    def test_types_hits_and_notifications_are_made_as_the_api_wants_them(self, turk):
        listing = published("mturk", places=3, wants={"least_rate": 97, "locales": ["US", "DE"]})
        (kind,) = turk.types.values()
        assert (kind["Reward"], kind["AutoApprovalDelayInSeconds"]) == ("0.50", 3 * 86_400)
        assert {needed["ActionsGuarded"] for needed in kind["QualificationRequirements"]} == {
            "PreviewAndAccept"
        }
        assert [hit.max_assignments for hit in turk.hits.values()] == [1, 1, 1]
        assert {hit.url for hit in turk.hits.values()} == {
            f"https://label.example/arrive/mturk/{listing.key}/"
        }
        assert listing.postings.exclude(external_id="").count() == 3
        assert turk.notified[kind["HITTypeId"]]["Transport"] == "SQS"

    def test_no_hit_has_the_ten_assignments_from_which_the_fee_doubles(self, turk):
        market = MTurk("sandbox")
        for places in (1, 99, 100, 101, 500, 901, 5000):
            portions = market.portions(Listing(places=places))
            assert sum(portions) == places
            assert max(portions) <= 9

    def test_the_fee_is_a_fifth_and_at_least_a_cent(self, turk):
        assert estimate(drafted("mturk", reward=Decimal("0.02"), places=10)).fees == Decimal("0.10")
        assert estimate(drafted("mturk", reward=Decimal("0.50"), places=10)).fees == Decimal("1.00")

    def test_a_request_whose_answer_was_lost_makes_no_second_hit(self, turk):
        turk.api.broken = [ConnectionError("lost")] * 6  # botocore itself tries again.
        listing = published("mturk", places=1)
        assert posting_of(listing).external_id == ""
        turk.api.broken = []
        outbox.deliver_due(clock=frozen(LATER))
        assert len(turk.hits) == 1
        assert posting_of(listing).external_id in turk.hits

    def test_a_token_that_was_lost_with_its_answer_is_found_by_reading_back(self, turk):
        listing = published("mturk", places=1)
        before = posting_of(listing).external_id
        ACTIONS.filter(kind=Action.Kind.POST).update(done_at=None, due_at=NOON)
        outbox.deliver_due(clock=frozen(NOON))
        assert posting_of(listing).external_id == before
        assert turk.api.times("CreateHITWithHITType") == 1

    def test_money_that_is_not_there_is_told_on_the_action(self, turk):
        turk.balance = Decimal("0.10")
        published("mturk", places=1)
        assert "insufficient funds" in ACTIONS.get(kind=Action.Kind.POST).error

    def test_ending_lets_hits_expire(self, turk):
        from annotation_site.marketplaces.listings import end

        end(listing=published("mturk", places=2), at=NOON)
        outbox.deliver_due(clock=frozen(NOON))
        assert {hit.expires.year for hit in turk.hits.values()} == {2000}

    def test_production_has_to_be_asked_for(self, turk, settings):
        listing = drafted("mturk", environment="production")
        assert "Set MTURK_PRODUCTION." in obstacles(listing)
        with pytest.raises(NotConfigured, match="MTURK_PRODUCTION"):
            clients.requester(Environment.PRODUCTION)
        settings.MTURK_PRODUCTION = True
        assert obstacles(listing) == []

    def test_a_site_without_tls_is_not_offered(self, turk, settings):
        settings.PUBLIC_URL = "http://label.example"
        assert any("https" in told for told in obstacles(drafted("mturk")))

    def test_keys_that_are_missing_are_named(self, turk, settings, monkeypatch):
        settings.MTURK_ACCESS_KEY_ID = settings.MTURK_SECRET_ACCESS_KEY = ""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # It keeps what keys an earlier test had.
        published("mturk", places=1)
        assert "Set MTURK_ACCESS_KEY_ID" in ACTIONS.first().error


class TestQuestion:
    def test_an_address_is_escaped(self):
        document = external_question('https://label.example/?a=1&b="<>"')
        assert "&amp;b=" in document
        assert next(iter(ElementTree.fromstring(document))).text == 'https://label.example/?a=1&b="<>"'

    def test_plain_http_and_endless_addresses_are_refused(self):
        with pytest.raises(QuestionRefused, match="https"):
            external_question("http://label.example/")
        with pytest.raises(QuestionRefused, match="65535"):
            external_question("https://label.example/" + "a" * 65_535)


class TestRequirements:
    def test_work_is_for_those_who_passed_and_the_test_for_those_who_never_took_it(self):
        listing = Listing(environment="sandbox", remote={"qualification": "3Q"}, wants={})
        assert requirements(listing, "work")[-1]["IntegerValues"] == [1]
        assert requirements(listing, "test")[-1]["Comparator"] == "DoesNotExist"

    def test_eleven_are_too_many(self, turk, monkeypatch):
        monkeypatch.setattr("annotation_site.marketplaces.mturk.marketplace.MOST", 2)
        wants = {"least_rate": 95, "least_approved": 100}
        assert any("at most 2 requirements" in told for told in obstacles(drafted("mturk", wants=wants)))


class TestArriving:
    def test_without_an_assignment_it_is_a_preview(self, turk):
        for query in ({}, {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", "hitId": "3HIT"}):
            assert MTurk("sandbox").arrival(query).is_preview

    def test_an_address_that_lacks_the_worker_is_refused(self, turk):
        with pytest.raises(NotAnArrival, match="workerId"):
            MTurk("sandbox").arrival({"assignmentId": "3A", "hitId": "3HIT"})

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example",
            "https://www.mturk.com.evil.example",
            "javascript:alert(1)",
            "",
            "https://www.mturk.com@evil.example",
        ],
    )
    def test_work_is_handed_in_at_the_marketplace_alone(self, turk, settings, elsewhere):
        settings.MTURK_SUBMIT_ORIGINS = []
        listing = published("mturk", places=1)
        query = {"assignmentId": "3A", "hitId": posting_of(listing).external_id, "workerId": "A1"}
        for environment, host in (("sandbox", "workersandbox.mturk.com"), ("production", "www.mturk.com")):
            assert MTurk(environment).origins(listing) == [f"https://{host}"]
        arrival = visits.read_arrival(listing, {**query, "turkSubmitTo": elsewhere})
        with pytest.raises(NotAnArrival):
            visits.arrive(listing=listing, arrival=arrival, at=NOON)


class TestWork:
    def test_from_a_place_to_its_pay(self, turk, settings):
        settings.MTURK_PRODUCTION = True
        listing = published("mturk", environment="production")
        visit = come(turk, listing)
        work_through(visit)
        hand_in(turk, visit)
        sync()
        sync(LATER)
        assert submission().state == Submission.State.APPROVED
        assert turk.assignments[visit.submission.external_id].status == "Approved"
        assert turk.messages == []
        assert spend_of(listing.project).money == Decimal("0.60")

    def test_many_submissions_are_read_page_by_page(self, turk):
        listing = published("mturk", places=1)
        hit = turk.hits[posting_of(listing).external_id]
        hit.max_assignments = 120
        for number in range(120):
            turk.accept(hit.id, f"A{number}").status = "Submitted"
        assert len(list(MTurk("sandbox").submissions(posting_of(listing)))) == 120
        assert turk.api.times("ListAssignmentsForHIT") == 2

    def test_an_id_that_is_another_workers_there_is_not_paid(self, turk):
        listing = published("mturk")
        visit = come(turk, listing)
        work_through(visit)
        hand_in(turk, visit)
        sync()
        turk.assignments[visit.submission.external_id].worker = "A2THIEF"
        ACTIONS.filter(kind=Action.Kind.APPROVE).update(done_at=None, due_at=LATER)
        turk.assignments[visit.submission.external_id].status = "Submitted"
        outbox.deliver_due(clock=frozen(LATER))
        assert "of another worker" in ACTIONS.get(kind=Action.Kind.APPROVE).error

    def test_a_place_that_was_given_back_is_free_for_its_work_to_move(self, turk):
        listing = published("mturk")
        visit = come(turk, listing)
        visits.bind(visit=visit, assignment=claim_hit(membership=visit.membership, at=NOON))
        turk.give_back(visit.submission.external_id)
        reconciling.hear_all(clock=frozen(NOON + timedelta(days=3650)))
        assert submission().state == Submission.State.RETURNED
        assert turk.messages == []

    def test_what_was_rejected_by_hand_can_be_approved_after_all(self, turk):
        listing = published("mturk")
        visit = come(turk, listing)
        hand_in(turk, visit)
        about = {"listing": listing, "submission": submission(), "worker": submission().worker, "at": NOON}
        ask(kind=Action.Kind.REJECT, reference="reject", reason="Not one outline was looked at.", **about)
        outbox.deliver_due(clock=frozen(NOON))
        assert turk.assignments[visit.submission.external_id].status == "Rejected"
        ask(kind=Action.Kind.APPROVE, reference="approve", **about)
        outbox.deliver_due(clock=frozen(NOON))
        assert "after all" in ACTIONS.get(reference="approve").error
        ask(kind=Action.Kind.OVERRIDE, reference="override", **about)
        outbox.deliver_due(clock=frozen(NOON))
        assert turk.assignments[visit.submission.external_id].status == "Approved"

    def test_a_message_that_nobody_understands_does_not_stay_in_the_way(self, turk, caplog):
        published("mturk")
        turk.messages = [{"Body": "?", "MessageId": "1", "ReceiptHandle": "1"}]
        assert reconciling.hear_all(clock=frozen(NOON)) == 0
        assert turk.messages == []
        assert "not understood" in caplog.text


class TestQualification:
    def test_the_test_opens_the_work_and_a_stop_closes_it(self, turk):
        listing = published("mturk", wants={"testers": 10, "test_reward": "0.05"})
        tests = [posting.places for posting in listing.postings.filter(purpose="test")]
        assert tests == [9, 1]
        (qualification,) = turk.qualifications.values()
        work = turk.hits[posting_of(listing).external_id]
        assert not turk.may_accept(work, "A1WORKER")
        query = {
            "assignmentId": "3A1", "hitId": posting_of(listing, "test").external_id,
            "workerId": "A1WORKER", "turkSubmitTo": turk.url,
        }  # fmt: skip
        visit = visits.arrive(listing=listing, arrival=visits.read_arrival(listing, query), at=NOON)
        sync()
        assert turk.may_accept(work, "A1WORKER")
        assert not turk.may_accept(turk.hits[posting_of(listing, "test").external_id], "A1WORKER")
        (told,) = [told for name, told in turk.api.calls if name == "AssociateQualificationWithWorker"]
        assert told["SendNotification"] is False
        change_standing(membership=visit.membership, to=Standing.STOPPED, reason="a test", at=NOON)
        sync(LATER)
        assert not turk.may_accept(work, "A1WORKER")
        assert (qualification, "A1WORKER") in turk.revoked

    def test_preparing_again_makes_no_second_qualification(self, turk):
        published("mturk", wants={"testers": 1})
        ACTIONS.filter(kind=Action.Kind.PREPARE).update(done_at=None, due_at=NOON)
        Listing.objects.update(remote={})
        outbox.deliver_due(clock=frozen(NOON))
        assert turk.api.times("CreateQualificationType") == 1

    def test_who_never_had_it_is_not_revoked(self, turk):
        listing = published("mturk", wants={"testers": 1})
        visit = come_to_test(turk, listing)
        told = {"listing": listing, "worker": visit.membership.worker, "reason": "x", "at": NOON}
        ask(kind=Action.Kind.REVOKE, reference="revoke", **told)
        assert outbox.deliver_due(clock=frozen(NOON)) == 1
        assert turk.api.times("DisassociateQualificationFromWorker") == 0


def come_to_test(turk: MTurkStandIn, listing: Listing) -> visits.Visit:
    query = {
        "assignmentId": "3A1", "hitId": posting_of(listing, "test").external_id,
        "workerId": "A1WORKER", "turkSubmitTo": turk.url,
    }  # fmt: skip
    return visits.arrive(listing=listing, arrival=visits.read_arrival(listing, query), at=NOON)


class TestBonus:
    @pytest.fixture
    def approved(self, turk) -> Submission:
        visit = come(turk, published("mturk"))
        work_through(visit)
        hand_in(turk, visit)
        sync()
        sync(LATER)
        return submission()

    def pay(self, approved: Submission, reference: str = "1") -> Action:
        told = {"money": Decimal("0.25"), "reason": "Careful work", "reference": reference, "at": LATER}
        return give_bonus(submission=approved, **told)

    def test_a_bonus_is_paid_with_the_token_of_its_row(self, turk, approved):
        action = self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        assert [paid["BonusAmount"] for paid in turk.bonuses] == ["0.25"]
        assert turk.tokens[f"{action.token}"] == approved.external_id

    def test_one_that_was_given_up_and_is_tried_again_is_paid_once(self, turk, approved):
        action = self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        turk.tokens.clear()
        ACTIONS.filter(pk=action.pk).update(done_at=None, failed_at=LATER)
        outbox.retry(action, at=LATER)
        outbox.deliver_due(clock=frozen(LATER))
        assert len(turk.bonuses) == 1

    def test_one_whose_answer_was_lost_is_paid_once_also_after_its_token_ended(self, turk, approved):
        action = self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        turk.tokens.clear()
        ACTIONS.filter(pk=action.pk).update(done_at=None, due_at=LATER, tries=F("tries"))
        outbox.deliver_due(clock=frozen(LATER))
        assert len(turk.bonuses) == 1

    def test_a_second_of_the_same_kind_is_paid_too(self, turk, approved):
        self.pay(approved)
        outbox.deliver_due(clock=frozen(LATER))
        second = self.pay(approved, "2")
        ACTIONS.filter(pk=second.pk).update(tries=1)
        outbox.deliver_due(clock=frozen(LATER))
        assert len(turk.bonuses) == 2


class TestMessages:
    def write(self, listing: Listing, external_id: str) -> Action:
        worker, _ = Worker.objects.get_or_create(provider=listing.realm, external_id=external_id)
        about = {"kind": Action.Kind.MESSAGE, "reference": "message:1", "reason": "Thank you."}
        return ask(listing=listing, worker=worker, at=NOON, **about)

    def test_who_worked_for_us_gets_a_mail(self, turk):
        listing = published("mturk")
        visit = come(turk, listing)
        self.write(listing, visit.membership.worker.external_id)
        assert outbox.deliver_due(clock=frozen(NOON)) == 1
        assert turk.written == [(visit.membership.worker.external_id, "Thank you.")]

    def test_what_is_not_passed_on_is_told_on_the_action(self, turk):
        action = self.write(published("mturk"), "A0NOBODY")
        outbox.deliver_due(clock=frozen(NOON))
        action.refresh_from_db()
        assert action.error == "A0NOBODY never worked for you."


def test_nothing_of_boto3_is_needed_to_serve(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    clients._client.cache_clear()
    with pytest.raises(NotConfigured, match=r"maskgrove\[mturk\]"):
        clients._client("mturk", "http://nowhere", "k", "s")


def test_the_page_of_a_listing_of_nobody_is_not_there(client):
    assert client.get("/arrive/mturk/6a0b6f4e-2f3b-4c0e-9d3c-1f5b1f0e9a11/").status_code == 404
    assert open_project().listings.count() == 0

"""What the API does about those who answer: pay, messages, codes, marketplaces, gold, examples."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from annotation_site.api.models import KeptReply
from annotation_site.api.v1 import idempotency, workers
from annotation_site.budget.caps import change_budget, set_caps
from annotation_site.budget.models import LedgerEntry
from annotation_site.marketplaces.models import Action, Contact, Listing, Message, Payment, Submission
from annotation_site.people.members import join_by_code
from annotation_site.people.models import GoldItem, JoinLink, Membership
from annotation_site.people.qualification.models import Lesson, QualificationPolicy, Vouching
from tests.site.api_ground import ApiGround, client_of
from tests.site.lessons import add_lessons

pytestmark = pytest.mark.django_db


@pytest.fixture
def ground(sent) -> ApiGround:
    ground = ApiGround.laid()
    change_budget(project=ground.project, pay_per_question=Decimal("0.02"))
    return ground


@pytest.fixture
def client(ground) -> Client:
    return ground.client()


@pytest.fixture
def viewer(ground, django_user_model) -> Client:
    return client_of(django_user_model.objects.get(username="other"))


def send(client: Client, method: str, url: str, body: object = None, **headers: str):
    return getattr(client, method)(url, json.dumps(body), "application/json", headers=headers)


def told(client: Client, url: str):
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return answer.json()


# Pay


def test_a_bonus_is_owed_until_it_is_paid(ground, client):
    worker = ground.url("projects/{slug}/workers/{worker}")
    given = send(client, "post", f"{worker}/bonus", {"money": "1.50", "reason": "For patience."})
    assert given.status_code == 201
    assert (given.json()["owed"], given.json()["paid_by_hand"]) == ("1.50", True)
    assert LedgerEntry.objects.get(kind="bonus").note == "owner: For patience."
    paid = send(client, "post", f"{worker}/payments", {"money": "1.00", "note": "cash"})
    assert (paid.status_code, paid.json()["by"]) == (201, "owner")
    assert told(client, f"{worker}/account")["owed"] == "0.50"
    assert told(client, f"{worker}/payments")["results"] == [paid.json()]
    refused = send(client, "post", f"{worker}/payments", {"money": "0.51"})
    assert (refused.status_code, refused.json()["type"]) == (409, "payment-refused")
    set_caps(project=ground.project, questions=None, money=Decimal("1.60"))
    spent = send(client, "post", f"{worker}/bonus", {"money": "1.50", "reason": "Again."})
    assert (spent.status_code, spent.json()["type"]) == (409, "budget-spent")


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("bonus", {"money": "1.50", "reason": "For patience."}, LedgerEntry),
        ("payments", {"money": "1.00"}, Payment),
        ("messages", {"text": "Thank you."}, Message),
    ],
)
def test_what_a_request_did_before_its_process_died_is_not_done_again(ground, client, path, body, model):
    url = ground.url("projects/{slug}/workers/{worker}")
    member = Membership.objects.get(pk=ground.places["worker"])
    Contact.objects.create(worker=member.worker, email="ada@example.org")
    send(client, "post", f"{url}/bonus", {"money": "2.00", "reason": "So that something is owed."})
    key = {"Idempotency-Key": "a"}
    before = model.objects.count()
    assert send(client, "post", f"{url}/{path}", body, **key).status_code == 201
    KeptReply.objects.update(status=None, begun_at=timezone.now() - 2 * idempotency.ABANDONED)
    assert send(client, "post", f"{url}/{path}", body, **key).status_code == 201
    KeptReply.objects.all().delete()  # As after an error that came when it was done.
    assert send(client, "post", f"{url}/{path}", body, **key).status_code == 201
    assert model.objects.count() == before + 1
    assert send(client, "post", f"{url}/{path}", body).status_code == 201
    assert model.objects.count() == before + 2


def test_money_and_messages_are_for_admins_alone(ground, viewer):
    for path in ("account", "payments", "messages"):
        url = ground.url("projects/{slug}/workers/{worker}") + f"/{path}"
        assert viewer.get(url).status_code == 403
    assert told(viewer, ground.url("projects/{slug}/workers/{worker}"))["email"] is None


# Messages and links


def test_a_worker_is_written_to_by_mail(ground, client):
    made = send(
        client,
        "post",
        ground.url("projects/{slug}/workers"),
        {"name": "Grace", "email": "grace@example.org", "mail": True},
    ).json()
    assert (made["email"], made["route"]) == ("grace@example.org", "mail")
    assert made["link"] in mail.outbox[0].body
    nowhere = send(client, "post", ground.url("projects/{slug}/workers"), {"name": "Grace", "mail": True})
    assert (nowhere.status_code, nowhere.json()["type"]) == (422, "address-missing")
    url = ground.url("projects/{slug}/workers/{worker}/messages", worker=made["id"])
    written = send(client, "post", url, {"text": "Look at the frames."})
    assert (written.status_code, written.json()["error"]) == (201, "")
    assert written.json()["arrived_at"] is not None
    assert mail.outbox[1].body == "Look at the frames."
    assert told(client, url)["results"] == [written.json()]
    refused = send(client, "post", ground.url("projects/{slug}/workers/{worker}/messages"), {"text": "Hello"})
    assert (refused.status_code, refused.json()["type"]) == (409, "cannot-write")


def test_a_worker_is_vouched_for_and_given_another_link(ground, client):
    url = ground.url("projects/{slug}/workers/{worker}")
    before = told(client, url)["link"]
    after = send(client, "post", f"{url}/link").json()["link"]
    assert before != after == told(client, url)["link"]
    assert send(client, "post", f"{url}/vouch").status_code == 200
    assert Vouching.objects.get().reason == "owner vouches for them"


def test_what_would_fall_is_told_before_a_worker_is_stopped(ground, client):
    url = ground.url("projects/{slug}/workers/{worker}/stop")
    resting = told(client, f"{url}?weigh=true")
    assert 0 < resting["falling"] <= resting["decisions"] < resting["judgments"]
    later = "since=2100-01-01T00:00:00Z"
    assert told(client, f"{url}?weigh=true&{later}") == {"judgments": 0, "decisions": 0, "falling": 0}
    assert client.get(f"{url}?since=now").status_code == 400
    unweighed = {"decisions": None, "falling": None}
    assert told(client, url) == {"judgments": resting["judgments"], **unweighed}
    assert told(client, f"{url}?{later}") == {"judgments": 0, **unweighed}


def test_decisions_are_not_weighed_unless_asked_for(ground, client, monkeypatch):
    def weighed(**_):
        raise AssertionError("it takes seconds on a large project")

    monkeypatch.setattr(workers, "resting_on", weighed)
    assert client.get(ground.url("projects/{slug}/workers/{worker}/stop")).status_code == 200


def test_answers_of_a_worker_are_told_and_those_to_gold_to_admins_alone(ground, client, viewer):
    url = ground.url("projects/{slug}/workers/{worker}/answers")
    answers, address = [], f"{url}?limit=20"
    while address:
        page = told(client, address)
        answers, address = answers + page["results"], page["next"]
    assert len({one["id"] for one in answers}) == len(answers) > 40
    gold = [one for one in answers if one["gold"]]
    assert gold
    assert all(one["is_right"] for one in gold)
    assert told(client, f"{url}?which=gold&limit=200")["results"] == gold
    seen = told(viewer, f"{url}?limit=200")["results"]
    assert len(seen) == len(answers) - len(gold)
    assert told(viewer, f"{url}?which=gold")["results"] == []


# Codes


def test_a_code_lets_people_join_until_it_is_revoked(ground, client):
    url = ground.url("projects/{slug}/codes")
    made = send(client, "post", url)
    assert made.status_code == 201
    assert made.json()["link"] == f"http://testserver/join/{made.json()['code']}/"
    assert join_by_code(code=made.json()["code"]).project == ground.project
    assert made.json() in told(client, url)["results"]
    assert client.delete(f"{url}/{made.json()['id']}").status_code == 204
    assert client.delete(f"{url}/{made.json()['id']}").status_code == 204
    assert made.json() not in told(client, url)["results"]
    assert JoinLink.objects.get(pk=made.json()["id"]).revoked_at is not None


# Marketplaces


def test_a_listing_tells_how_it_goes(ground, client):
    listing = ground.url("projects/{slug}/listings/{listing}")
    progress = told(client, f"{listing}/progress")
    assert (progress["postings"], progress["posted"], progress["failed"]) == (1, 0, 1)
    assert progress["submissions"]["handed_in"] == 1
    (came,) = told(client, f"{listing}/submissions?state=unexplained")["results"]
    assert (came["worker"], came["state"]) == (ground.places["worker"], "handed_in")
    assert came["work_begun_at"] is None
    (failed,) = told(client, f"{listing}/actions?state=failed")["results"]
    assert failed["id"] == ground.places["action"]
    retried = send(client, "post", ground.url("projects/{slug}/actions/{action}/retry")).json()
    assert (retried["failed_at"], retried["tries"]) == (None, 1)
    assert told(client, f"{listing}/actions?state=failed")["results"] == []


def test_a_submission_is_approved_and_a_bonus_paid_for_it(ground, client, sent):
    came = ground.url("projects/{slug}/submissions/{submission}")
    early = send(client, "post", f"{came}/bonus", {"money": "0.50", "reason": "Good."})
    assert (early.status_code, early.json()["type"]) == (409, "bonus-refused")
    assert send(client, "post", f"{came}/approve").status_code == 200
    assert send(client, "post", f"{came}/approve").status_code == 200
    assert Action.objects.get(kind="approve").submission_id == ground.places["submission"]
    Submission.objects.update(state="approved")
    assert send(client, "post", f"{came}/bonus", {"money": "0.50", "reason": "Good."}).status_code == 201
    assert Action.objects.get(kind="bonus").money == Decimal("0.50")
    assert set(sent) == {"maskgrove.deliver_actions"}
    late = send(client, "post", f"{came}/return")
    assert (late.status_code, late.json()["type"]) == (409, "submission-refused")


def test_a_rejected_submission_is_approved_after_all_and_one_that_only_came_is_not(ground, client):
    came = ground.url("projects/{slug}/submissions/{submission}")
    Submission.objects.update(state="rejected")
    assert send(client, "post", f"{came}/approve").status_code == 200
    assert Action.objects.filter(kind="override").count() == 1
    Submission.objects.update(state="arrived")
    assert send(client, "post", f"{came}/approve").status_code == 409
    assert send(client, "post", f"{came}/return").status_code == 200
    assert Action.objects.filter(kind="release").count() == 1


def test_a_submission_is_rejected_with_a_reason_and_by_that_not_approved(ground, client, sent):
    came = ground.url("projects/{slug}/submissions/{submission}")
    assert send(client, "post", f"{came}/reject").status_code == 400
    why = "Not one outline was looked at."
    for _ in range(2):
        assert send(client, "post", f"{came}/reject", {"reason": why}).status_code == 200
    assert Action.objects.get(kind="reject").reason == why
    assert set(sent) == {"maskgrove.deliver_actions"}
    refused = send(client, "post", f"{came}/approve")
    assert (refused.status_code, refused.json()["type"]) == (409, "submission-refused")


def test_an_approval_that_the_budget_does_not_allow_is_refused(ground, client):
    spent = LedgerEntry.objects.filter(kind="settle").count()
    Listing.objects.update(environment="production")
    set_caps(project=ground.project, questions=None, money=Decimal(0))
    refused = send(client, "post", ground.url("projects/{slug}/submissions/{submission}/approve"))
    assert (refused.status_code, refused.json()["type"]) == (409, "budget-spent")
    assert LedgerEntry.objects.filter(kind="settle").count() == spent


# Gold and examples


def test_a_mask_is_marked_as_gold_retired_and_taken_back(ground, client):
    url = ground.url("projects/{slug}/gold")
    said = {"mask": ground.places["mask"], "is_correct": False}
    made = send(client, "post", url, said)
    assert made.status_code == 201
    assert (made.json()["origin"], made.json()["mask"]) == ("marked", ground.places["mask"])
    assert made.json()["added_by"] == "owner"
    assert send(client, "post", url, said).json()["id"] == made.json()["id"]
    other = send(client, "post", url, {**said, "is_correct": True})
    assert (other.status_code, other.json()["type"]) == (409, "cannot-mark")
    retired = send(client, "post", made["Location"] + "/retire", {"reason": "It is blurred."}).json()
    assert retired["retired_because"] == "It is blurred."
    assert [one["id"] for one in told(client, f"{url}?state=retired")["results"]] == [made.json()["id"]]
    back = send(client, "post", made["Location"] + "/take-back").json()
    assert (back["retired_at"], back["retired_because"]) == (None, "")
    assert told(client, f"{url}?state=retired")["results"] == []


def test_the_answer_of_gold_is_changed_by_retiring_it_and_marking_it_again(ground, client):
    url = ground.url("projects/{slug}/gold")
    said = {"mask": ground.places["mask"], "is_correct": False}
    gold = send(client, "post", url, said).json()["id"]
    send(client, "post", f"{url}/{gold}/retire", {"reason": "It is right, after all."})
    again = send(client, "post", url, {**said, "is_correct": True}).json()
    assert (again["id"], again["is_correct"], again["retired_at"]) == (gold, True, None)
    assert GoldItem.objects.get(pk=gold).iou == 1


def test_gold_is_for_admins_alone_and_of_the_project(ground, client, viewer):
    for path in ("gold", "gold/{gold}", "gold/{gold}/crop", "examples", "codes", "history", "webhooks"):
        assert viewer.get(ground.url("projects/{slug}/" + path)).status_code == 403
    missing = send(client, "post", ground.url("projects/{slug}/gold"), {"mask": 10**9, "is_correct": True})
    assert missing.status_code == 404


def test_an_example_is_left_out_and_shown_again(ground, client):
    url = ground.url("projects/{slug}/examples/{example}")
    assert send(client, "patch", url, {"left_out": True}).json()["left_out"] is True
    assert Lesson.objects.get(pk=ground.places["example"]).left_out_at is not None
    (listed,) = told(client, ground.url("projects/{slug}/examples"))["results"]
    assert listed["left_out"] is True
    assert send(client, "patch", url, {"left_out": False}).json()["left_out"] is False


def test_everyone_is_asked_again(ground, client):
    add_lessons(ground.project, right=5, wrong=4)
    test = ground.url("projects/{slug}/test")
    before = told(client, test)
    assert (before["right"], before["wrong"], before["is_asked"]) == (5, 4, False)
    assert send(client, "post", f"{test}/again").json()["version"] == before["version"] + 1
    assert QualificationPolicy.objects.get().version == 2


# What was done


def test_the_history_tells_who_changed_what(ground, client):
    send(client, "patch", ground.url("projects/{slug}/budget"), {"questions": 900})
    url = ground.url("projects/{slug}/history")
    latest = told(client, f"{url}?what=budget.Budget&who=owner")["results"][0]
    assert (latest["via"], latest["change"]) == ("api", "update")
    assert (latest["before"], latest["after"]) == ({"questions": None}, {"questions": 900})
    assert client.get(f"{url}?what=budget.Nothing").status_code == 400
    webhook = told(client, f"{url}?what=webhooks.Webhook")["results"][0]
    assert "whsec" not in json.dumps(webhook)

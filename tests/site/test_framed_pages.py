"""Pages in a marketplace's frame: who may frame them, where their form goes, whose they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings as site
from django.test import Client
from django.utils import timezone, translation

from annotation_site.marketplaces import visits
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Listing, Submission
from annotation_site.marketplaces.prolific.signatures import sign
from annotation_site.people.models import Membership
from annotation_site.verification.models import Assignment, Judgment, Question
from annotation_site.verification.trust import stop_worker
from tests.factories import NOON, agreeing
from tests.site.campaigns import items, truth
from tests.site.offers import posting_of, published, say, submission

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing(market: InMemory) -> Listing:
    return published("memory")


def arrive(client: Client, listing: Listing, **query: str):
    """Come from the marketplace, as someone who agreed before."""
    told = {"posting": posting_of(listing).external_id, "submission": "S1", "worker": "W1", **query}
    page = client.get(f"/arrive/memory/{listing.key}/", told)
    for member in Membership.objects.filter(consents=None):
        agreeing(member)
    return page


def begun(client: Client, listing: Listing, **query: str) -> str:
    """The address of a visit whose page of work is open."""
    address = arrive(client, listing, **query).url
    assert client.post(f"{address}start/").url == f"{address}verify/"
    return address


def hit(client: Client, address: str) -> dict:
    page = client.get(f"{address}verify/").content.decode()
    return json.loads(re.search(r'<script id="hit" type="application/json">(.*?)</script>', page)[1])


def answer_all(client: Client, address: str) -> None:
    told = hit(client, address)
    for item in items(Assignment.objects.get()):
        client.post(
            f"/api/items/{item.key}/answer",
            {"says": truth(item), "elapsed_ms": 900},
            "application/json",
            headers={"Authorization": f"Worker {told['token']}"},
        )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"posting": "made-up"}, "Dieser Platz ist hier nicht mehr bekannt."),
        ({"worker": "W" * 121}, "Die Adresse dieser Seite ist beschädigt"),
    ],
)
def test_whoever_cannot_arrive_reads_why_in_their_language(client, listing, query, told):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    with translation.override("en"):  # A request leaves its language behind.
        page = arrive(client, listing, **query)
    assert page.status_code == 400
    assert told in page.content.decode()


def test_a_preview_shows_examples_and_opens_nothing(client, listing):
    page = arrive(client, listing, submission="", worker="")
    assert "This is a preview" in page.content.decode()
    assert re.search(r"<button[^>]*disabled>Start", page.content.decode())
    assert not Submission.objects.exists()
    assert not Membership.objects.exists()
    assert not page.cookies


def test_a_visit_goes_from_the_frame_to_the_marketplace_without_a_cookie(listing):
    client = Client(enforce_csrf_checks=True)
    address = begun(client, listing)
    assert len(Assignment.objects.get().items.all()) == 5
    answer_all(client, address)
    page = client.get(address).content.decode()
    assert "All done here" in page
    assert f'action="{InMemory.site}/done"' in page
    assert 'name="submission" value="S1"' in page
    assert client.cookies == {}
    assert submission().assignment == Assignment.objects.get()
    assert client.post(f"{address}start/").headers["X-Notice"] == "visit-over"
    assert Assignment.objects.count() == 1


def test_a_place_tells_what_it_pays_whatever_the_project_pays_its_own(client, listing):
    address = arrive(client, listing).url
    assert "<dd>0.50 <small>USD</small></dd>" in client.get(address).content.decode()


def test_the_verify_page_hands_in_instead_of_going_on(client, listing):
    address = begun(client, listing)
    page = client.get(f"{address}verify/").content.decode()
    assert f'<form method="get" action="{address}" class="row" id="next">' in page
    assert "Next page" not in page
    assert Membership.objects.get().secret not in page


@pytest.mark.parametrize("page", ["", "verify/"])
def test_the_marketplace_alone_may_frame_a_visit(client, listing, page):
    address = begun(client, listing)
    headers = client.get(f"{address}{page}").headers
    policy = headers["Content-Security-Policy"]
    assert f"frame-ancestors {InMemory.site}" in policy
    assert f"form-action 'self' {InMemory.site}" in policy
    assert "script-src 'self';" in policy
    assert "X-Frame-Options" not in headers


def test_the_same_pages_by_a_personal_link_may_not_be_framed(client, listing):
    arrive(client, listing)
    headers = client.get(f"/w/{Membership.objects.get().secret}/").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"


def test_an_address_without_ids_or_of_no_place_is_told_in_the_frame(client, listing):
    for query in ({"posting": "made-up"}, {"worker": "a\0b"}, {"submission": "x" * 65}):
        answer = arrive(client, listing, **query)
        assert answer.status_code == 400
        assert "opened without its task" in answer.content.decode()
        assert f"frame-ancestors {InMemory.site}" in answer.headers["Content-Security-Policy"]
    assert not Submission.objects.exists()


def test_one_workers_visit_opens_nothing_of_anothers(client, listing):
    theirs = begun(client, listing)
    place = listing.postings.order_by("pk")[1].external_id
    mine = begun(client, listing, submission="S2", worker="W2", posting=place)
    key = Assignment.objects.order_by("pk").first().items.first().key
    token = hit(client, mine)["token"]
    told = client.post(
        f"/api/items/{key}/answer",
        {"says": "yes", "elapsed_ms": 900},
        "application/json",
        headers={"Authorization": f"Worker {token}"},
    )
    assert told.status_code == 404
    assert {item["key"] for item in hit(client, mine)["items"]}.isdisjoint(
        {item["key"] for item in hit(client, theirs)["items"]}
    )
    assert not Judgment.objects.exists()


def test_a_stopped_worker_can_hand_in_what_they_did(client, listing):
    address = begun(client, listing)
    told = hit(client, address)
    key = told["items"][0]["key"]
    client.post(
        f"/api/items/{key}/answer",
        {"says": "yes", "elapsed_ms": 900},
        "application/json",
        headers={"Authorization": f"Worker {told['token']}"},
    )
    stop_worker(membership=Membership.objects.get(), reason="a test", at=NOON)
    page = client.get(address)
    assert page.status_code == 403
    assert f'action="{InMemory.site}/done"' in page.content.decode()
    assert 'value="done"' in page.content.decode()


def test_the_way_out_is_in_no_page_before_the_work_is_done(client, listing):
    address = begun(client, listing)
    for page in ("", "verify/"):
        assert "/done" not in client.get(f"{address}{page}").content.decode()
    assignment = Assignment.objects.get()
    say(assignment, items(assignment))
    assert f'action="{InMemory.site}/done"' in client.get(address).content.decode()


def test_who_finds_nothing_to_do_is_told_to_return_the_place(client, listing):
    address = arrive(client, listing).url
    Question.objects.update(wanted=0)
    page = client.post(f"{address}start/").content.decode()
    assert "Return this task" in page
    assert "/done" not in page


def test_who_comes_to_a_place_that_is_taken_is_told_so(client, listing):
    begun(client, listing)
    address = arrive(client, listing, submission="S2", worker="W2").url
    page = client.post(f"{address}start/")
    assert (page.status_code, page.headers["X-Notice"]) == (409, "not-held")
    assert "Return this task" in page.content.decode()


def test_a_place_whose_page_was_done_while_another_opened_is_over(client, listing, monkeypatch):
    address, claim = arrive(client, listing).url, visits.claim_hit

    def slowly(**about):
        page = claim(**about)
        visits.bind(visit=visits.visit_of(about["membership"].address), assignment=page)
        say(page, items(page))
        return claim(**about)

    monkeypatch.setattr(visits, "claim_hit", slowly)
    page = client.post(f"{address}start/", follow=True)
    assert (page.status_code, page.headers["X-Notice"]) == (200, "visit-over")
    assert f'action="{InMemory.site}/done"' in page.content.decode()
    assert not Assignment.objects.live().exists()


def test_what_was_handed_in_is_over(client, listing):
    address = begun(client, listing)
    Submission.objects.update(state=Submission.State.HANDED_IN, handed_in_at=NOON)
    page = client.get(address).content.decode()
    assert "This task is handed in" in page
    assert "/done" not in page


def test_a_title_and_a_name_cannot_break_out_of_the_page(client, listing):
    Listing.objects.update(title="<script>alert(1)</script>")
    listing.project.name = '"><img src=x onerror=alert(1)>'
    listing.project.save()
    for page in (arrive(client, listing, submission=""), client.get(arrive(client, listing).url)):
        assert "<script>alert" not in page.content.decode()
        assert "<img src=x" not in page.content.decode()


def test_pages_of_workers_lead_to_pages_of_the_same_visit():
    """A link by the secret would leave the frame, and tell the marketplace's page what opens everything."""
    for template in Path(site.BASE_DIR, "templates/pages").glob("*.html"):
        assert ".secret" not in template.read_text(), template.name


class TestWebhook:
    def send(self, client: Client, body: bytes, *, secret: str = "s", at=None, **headers: str):
        stamp = str(int((at or timezone.now()).timestamp()))
        signed = {
            "X-Prolific-Request-Timestamp": stamp,
            "X-Prolific-Request-Signature": sign(body, stamp, secret).decode(),
            **headers,
        }
        return client.post("/hooks/prolific/", body, "application/json", headers=signed)

    def test_one_that_is_signed_is_looked_at(
        self, client, settings, monkeypatch, django_capture_on_commit_callbacks
    ):
        settings.PROLIFIC_WEBHOOK_SECRET = "s"
        told = []
        monkeypatch.setattr(
            "annotation_site.enqueue._send", lambda task, arguments, **_: told.append(arguments)
        )
        listing = Listing.objects.create(
            project=published("in-house", places=1).project, provider="prolific", title="t", description="d",
            reward=1, places=1, created_at=NOON,
        )  # fmt: skip
        listing.postings.create(number=1, places=1, external_id="STUDY1")
        with django_capture_on_commit_callbacks(execute=True):
            answer = self.send(client, b'{"resource_id": "STUDY1"}')
        assert answer.status_code == 204
        assert told == [("STUDY1",)]

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"resource_id": 3}', b'{"resource_id": "a\\u0000"}'])
    def test_what_concerns_nobody_is_taken_and_forgotten(self, client, settings, body):
        settings.PROLIFIC_WEBHOOK_SECRET = "s"
        assert self.send(client, body).status_code == 204

    def test_others_are_refused(self, client, settings):
        assert self.send(client, b"{}").status_code == 403
        settings.PROLIFIC_WEBHOOK_SECRET = "s"
        assert self.send(client, b"{}", secret="other").status_code == 403
        assert self.send(client, b"{}", at=NOON).status_code == 403
        forged = {"X-Prolific-Request-Timestamp": "1e9"}
        assert self.send(client, b"{}", **forged).status_code == 403

"""The launch page: what is offered, what it costs, how it goes, and who may change that."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import spend_of
from annotation_site.marketplaces import outbox, reconciling, visits
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Action, Listing, Submission
from annotation_site.marketplaces.seam import Arrival, Refused
from tests.clocks import frozen
from tests.factories import NOON
from tests.site.offers import drafted, open_project, posting_of, published, submission, work_through

pytestmark = pytest.mark.django_db
FORM = {
    "title": "Does the outline fit?", "description": "Say yes or no.", "keywords": "image", "reward": "0.50",
    "currency": "USD", "places": "10", "minutes": "60",
}  # fmt: skip


@pytest.fixture(autouse=True)
def broker(monkeypatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr("annotation_site.enqueue._send", lambda task, arguments, **_: sent.append(task))
    return sent


def signed_in(client: Client, listing_or_project, access: Access = Access.ADMIN) -> Client:
    project = getattr(listing_or_project, "project", listing_or_project)
    user = User.objects.create_user(f"somebody-{access}")
    grant(project=project, user=user, access=access)
    client.force_login(user)
    return client


def address(project, rest: str = "") -> str:
    return f"/projects/{project.slug}/launch/{rest}"


def worked(listing: Listing, market: InMemory) -> Submission:
    arrival = Arrival(posting_of(listing).external_id, "S1", "W1", market.site)
    visit = visits.arrive(listing=listing, arrival=arrival, at=NOON)
    work_through(visit)
    market.hand_in(visit.submission)
    return visit.submission


def test_it_lists_the_marketplaces_and_says_which_one_closed(client):
    project = open_project()
    told = signed_in(client, project).get(address(project, "?on=mturk-sandbox")).content.decode()
    for title in ("In-house", "Mechanical Turk", "Prolific"):
        assert title in told
    assert "closed Mechanical Turk on 30 September 2026" in told


@pytest.mark.parametrize("on", ["", "nowhere-sandbox", "mturk", "mturk-moon", "<script>"])
def test_an_address_that_names_none_shows_the_first(client, on):
    project = open_project()
    assert signed_in(client, project).get(address(project), {"on": on}).status_code == 200


def test_what_is_missing_is_named_and_no_key_is_shown(client, settings):
    settings.PROLIFIC_TOKEN = "very-secret"
    settings.MTURK_SECRET_ACCESS_KEY = "more-secret"
    project = open_project()
    admin = signed_in(client, project)
    for on in ("prolific-production", "mturk-production"):
        told = admin.get(address(project), {"on": on}).content.decode()
        assert "PUBLIC_URL" in told
        assert "secret" not in told


def test_terms_are_kept_and_counted_with_fees(client, settings):
    settings.PUBLIC_URL = "https://label.example"
    project = open_project()
    admin = signed_in(client, project)
    own = {"least_rate": "97", "locales": "us, de", "testers": "10", "test_reward": "0.05"}
    told = admin.post(address(project, "mturk/sandbox/draft/"), {**FORM, **own}, follow=True)
    listing = project.listings.get()
    assert listing.wants == {
        "least_rate": 97,
        "locales": ["US", "DE"],
        "testers": 10,
        "test_reward": "0.05",
        "masters": False,
    }
    assert "6.60 USD" in told.content.decode()
    assert listing.state == Listing.State.DRAFT
    again = admin.get(address(project), {"on": "mturk-sandbox"}).content.decode()
    assert 'value="US, DE"' in again


@pytest.mark.parametrize(
    "wrong",
    [
        {"reward": "free"},
        {"places": "0"},
        {"title": ""},
        {"locales": "Germany"},
        {"least_rate": "101"},
        {"testers": "3"},
    ],
)
def test_terms_that_make_no_sense_are_shown_again_with_the_reason(client, wrong):
    project = open_project()
    told = signed_in(client, project).post(address(project, "mturk/sandbox/draft/"), {**FORM, **wrong})
    assert told.status_code == 400
    assert 'class="error"' in told.content.decode()
    assert not Listing.objects.exists()


def test_publishing_writes_it_down_and_wakes_a_worker(
    client, market, broker, django_capture_on_commit_callbacks
):
    listing = drafted("memory")
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(client, listing).post(address(listing.project, f"{listing.pk}/"), {"do": "publish"})
    listing.refresh_from_db()
    assert listing.state == Listing.State.PUBLISHED
    assert broker == ["maskgrove.deliver_actions"]
    assert Action.objects.waiting().count() == 4


def test_what_stands_in_the_way_is_told(client, market):
    listing = drafted("memory", places=1000)
    admin = signed_in(client, listing)
    page = admin.get(address(listing.project), {"on": "memory-production"}).content.decode()
    assert "the budget has 100.00 left" in page
    assert 'value="publish" disabled' in page
    told = admin.post(address(listing.project, f"{listing.pk}/"), {"do": "publish"}, follow=True)
    assert "All places cost" in told.content.decode()
    assert not Action.objects.exists()


def test_a_budget_below_what_was_spent_is_no_fault_of_the_page(client, market):
    listing = drafted("memory")
    set_caps(project=listing.project, questions=0, money=Decimal(100))
    assert (
        signed_in(client, listing)
        .post(address(listing.project, f"{listing.pk}/"), {"do": "publish"})
        .status_code
        == 302
    )


def test_a_running_listing_shows_how_far_it_is_and_what_was_refused(client, market):
    listing = published("memory")
    market.faults = [Refused("<b>not</b> like this")]
    outbox.ask(listing=listing, kind=Action.Kind.WITHDRAW, reference="w", at=NOON)
    outbox.deliver_due(clock=frozen(NOON))
    admin = signed_in(client, listing)
    told = admin.get(address(listing.project), {"on": "memory-production"}).content.decode()
    assert "&lt;b&gt;not&lt;/b&gt; like this" in told
    assert "3 <small>/ 3 ·" in told
    failed = Action.objects.get(failed_at__isnull=False)
    admin.post(address(listing.project, f"actions/{failed.pk}/"))
    failed.refresh_from_db()
    assert failed.failed_at is None


def test_who_handed_in_without_work_is_approved_by_hand_alone(client, market):
    listing = published("memory")
    arrival = Arrival(posting_of(listing).external_id, "S1", "W1", market.site)
    market.hand_in(visits.arrive(listing=listing, arrival=arrival, at=NOON).submission)
    reconciling.reconcile_all(clock=frozen(NOON))
    admin = signed_in(client, listing)
    page = admin.get(address(listing.project), {"on": "memory-production"}).content.decode()
    assert "without the work" in page
    admin.post(address(listing.project, f"submissions/{submission().pk}/"), {"do": "approve"})
    assert Action.objects.get(kind=Action.Kind.APPROVE).submission == submission()
    assert spend_of(listing.project).money == Decimal("0.60")


def test_a_rejection_says_why(client, market):
    listing = published("memory")
    arrival = Arrival(posting_of(listing).external_id, "S1", "W1", market.site)
    market.hand_in(visits.arrive(listing=listing, arrival=arrival, at=NOON).submission)
    reconciling.reconcile_all(clock=frozen(NOON))
    admin, url = signed_in(client, listing), address(listing.project, f"submissions/{submission().pk}/")
    assert "Say why" in admin.post(url, {"do": "reject", "reason": ""}, follow=True).content.decode()
    admin.post(url, {"do": "reject", "reason": "Not one outline was looked at."})
    assert Action.objects.get(kind=Action.Kind.REJECT).reason == "Not one outline was looked at."


def test_a_bonus_is_given_once_however_often_the_form_is_sent(client, market):
    listing = published("memory")
    worked(listing, market)
    for _ in range(2):
        reconciling.reconcile_all(clock=frozen(NOON))
        outbox.deliver_due(clock=frozen(NOON))
    admin, url = signed_in(client, listing), address(listing.project, f"submissions/{submission().pk}/")
    for _ in range(2):
        admin.post(url, {"do": "bonus", "money": "0.25", "reason": "Careful work", "once": "1"})
    assert Action.objects.filter(kind=Action.Kind.BONUS).count() == 1
    for wrong in ({"money": "much"}, {"money": "-1"}, {"reason": ""}, {"money": "NaN"}, {"money": "1e9"}):
        told = {"do": "bonus", "money": "0.25", "reason": "x", "once": "2", **wrong}
        assert "callout is-reject" in admin.post(url, told, follow=True).content.decode()
    assert Action.objects.filter(kind=Action.Kind.BONUS).count() == 1


def test_ending_takes_the_places_back(client, market):
    listing = published("memory")
    signed_in(client, listing).post(address(listing.project, f"{listing.pk}/"), {"do": "end"})
    outbox.deliver_due(clock=frozen(Action.objects.order_by("pk").last().due_at))
    assert market.done["withdraw"] == 3


def test_who_handed_in_after_the_end_is_still_seen(client, market):
    listing = published("memory")
    worked(listing, market)
    admin = signed_in(client, listing)
    admin.post(address(listing.project, f"{listing.pk}/"), {"do": "end"})
    told = admin.get(address(listing.project), {"on": "memory-production"}).content.decode()
    assert "W1" in told
    assert "What is offered" in told
    assert "End it" not in told


def test_viewers_look_and_find_no_button(client, market):
    listing = published("memory")
    viewer = signed_in(client, listing, Access.VIEWER)
    told = viewer.get(address(listing.project), {"on": "memory-production"}).content.decode()
    assert "End it" not in told
    assert viewer.post(address(listing.project, f"{listing.pk}/"), {"do": "end"}).status_code == 403


def test_listings_of_another_project_are_not_there(client, market):
    theirs, mine = published("memory"), open_project()
    action = theirs.actions.first()
    worked(theirs, market)
    admin = signed_in(client, mine)
    for rest in (f"{theirs.pk}/", f"actions/{action.pk}/", f"submissions/{submission().pk}/"):
        assert admin.post(address(mine, rest), {"do": "end"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == Listing.State.PUBLISHED

"""A participant comes from a stand-in for Prolific, works, and goes back with the code that is right."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation_site.budget.caps import set_caps
from annotation_site.marketplaces import outbox, reconciling
from annotation_site.marketplaces.listings import draft_listing, publish
from annotation_site.marketplaces.models import Listing, Submission
from annotation_site.verification.models import Judgment, Question
from tests.browser.verifying import press, resume
from tests.scene_campaigns import scene_campaign
from tests.site.offers import TERMS, posting_of
from tests.standins.prolific import TOKEN, ProlificStandIn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prolific(settings, live_server) -> Iterator[ProlificStandIn]:
    standin = ProlificStandIn(at_site={"https://label.example": live_server.url})
    settings.PUBLIC_URL = "https://label.example"
    settings.PROLIFIC_TOKEN, settings.PROLIFIC_PRODUCTION = TOKEN, True
    settings.PROLIFIC_URL = f"{standin.url}/api/v1/"
    settings.PROLIFIC_COMPLETE_URL = f"{standin.url}/submissions/complete"
    yield standin
    standin.close()


@pytest.fixture
def listing(prolific, tmp_path) -> Listing:
    project = scene_campaign(tmp_path, hit_size=4).project
    set_caps(project=project, questions=None, money=Decimal(100))
    where = {"project": project, "provider": "prolific", "environment": "production", "at": timezone.now()}
    made = draft_listing(terms=TERMS, **where)
    publish(listing=made, at=timezone.now())
    sync()
    return made


def sync() -> None:
    for _ in range(2):
        reconciling.reconcile_all()
        outbox.deliver_due()


def come(page: Page, prolific: ProlificStandIn, listing: Listing) -> None:
    url, _ = prolific.take(posting_of(listing).external_id, "P1")
    page.goto(url)
    page.get_by_label("I have read this and agree").check()
    page.get_by_role("button", name="Agree and go on").click()


def test_a_participant_works_and_is_paid(contexts, prolific, listing):
    page = contexts.open("phone")
    come(page, prolific, listing)
    page.get_by_role("button", name="Start").click()
    keys = resume(page)
    for _ in keys:
        press(page, "y")
    page.get_by_role("button", name="To the last step").click()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="COMPLETED")).to_be_visible()
    assert Judgment.objects.count() == len(keys)
    sync()
    assert [there["status"] for there in prolific.submissions.values()] == ["APPROVED"]
    assert Submission.objects.get().state == Submission.State.APPROVED


def test_who_finds_nothing_to_do_goes_back_as_over_quota(contexts, prolific, listing):
    page = contexts.open()
    come(page, prolific, listing)
    Question.objects.update(wanted=0)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="NO_PLACES")).to_be_visible()

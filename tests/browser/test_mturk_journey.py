"""From a listing to a bonus, with a real browser in front of a stand-in for Mechanical Turk."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Frame, Page, expect

from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.models import Project
from annotation_site.marketplaces import outbox, reconciling
from annotation_site.marketplaces.listings import draft_listing, publish
from annotation_site.marketplaces.models import Listing, Submission
from annotation_site.marketplaces.paying import give_bonus
from annotation_site.people.qualification.models import AttemptItem
from annotation_site.people.qualification.policy import set_policy
from annotation_site.verification.models import Assignment, Judgment
from tests.browser.axe import RULES
from tests.scene_campaigns import learning_campaign, scene_campaign
from tests.site.offers import TERMS, posting_of
from tests.site.test_mturk import point_at
from tests.standins.mturk import MTurkStandIn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def turk(settings, live_server) -> Iterator[MTurkStandIn]:
    standin = MTurkStandIn(at_site={"https://label.example": live_server.url})
    point_at(settings, standin)
    settings.MTURK_PRODUCTION = True
    yield standin
    standin.close()


@pytest.fixture
def listing(turk, tmp_path) -> Listing:
    return listed(scene_campaign(tmp_path, hit_size=4).project)


def listed(project: Project, **more: object) -> Listing:
    """The project on the marketplace."""
    set_caps(project=project, questions=None, money=Decimal(100))
    at = timezone.now()
    terms = {**TERMS, "places": 2, **more}
    made = draft_listing(project=project, provider="mturk", environment="production", at=at, terms=terms)
    publish(listing=made, at=at)
    sync()
    return made


def sync() -> None:
    for _ in range(2):
        reconciling.hear_all()
        reconciling.reconcile_all()
        outbox.deliver_due()


def frame(page: Page) -> Frame:
    found = page.frame("work")
    assert found is not None
    return found


def answer(page: Page, name: str = "Yes") -> None:
    """One answer, by a button in the frame; waits for the next mask or the end."""
    work = page.frame_locator("iframe")
    before = work.locator("#stage").get_attribute("data-armed")
    work.get_by_role("button", name=name, exact=True).click()
    another = f'#stage[data-armed]:not([data-armed="{before}"])'
    expect(work.locator(f'{another}, #verify:not([data-state="asking"])')).to_be_attached()


def agree(page: Page) -> None:
    """The worker's consent, in the frame; the instructions come next."""
    work = page.frame_locator("iframe")
    work.get_by_label("I have read this and agree").check()
    work.get_by_role("button", name="Agree and go on").click()


def begin(page: Page, name: str) -> None:
    """Press a button that leads to masks, and wait for the first."""
    work = page.frame_locator("iframe")
    work.get_by_role("button", name=name).click()
    expect(work.locator("#stage[data-armed]")).to_be_attached()


def hand_in(page: Page) -> None:
    work = page.frame_locator("iframe")
    work.get_by_role("button", name="Hand in").click()
    expect(work.get_by_role("heading", name="Submitted. Thank you!")).to_be_visible()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_worker_previews_accepts_answers_hands_in_and_is_paid(contexts, turk, listing, size):
    page = contexts.open(size)
    work = page.frame_locator("iframe")
    page.goto(f"{turk.url}/work?hit={posting_of(listing).external_id}&worker=A1WORKER")
    expect(work.get_by_text("This is a preview")).to_be_visible()
    expect(work.get_by_role("button", name="Start")).to_be_disabled()
    assert not Submission.objects.exists()

    page.get_by_role("button", name="Accept").click()
    agree(page)
    begin(page, "Start")
    assert page.context.cookies(frame(page).url) == []
    if size == "desktop":
        found = Axe().run(frame(page), options=RULES).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
    total = Assignment.objects.get().items.count()
    for _ in range(total):
        answer(page)
    work.get_by_role("button", name="To the last step").click()
    hand_in(page)
    assert Judgment.objects.count() == total
    assert Assignment.objects.get().finished_at is not None

    sync()
    (held,) = turk.assignments.values()
    assert (held.status, held.worker, held.fields) == ("Approved", "A1WORKER", {"ending": "done"})
    submission = Submission.objects.select_related("listing", "worker").get()
    assert submission.state == Submission.State.APPROVED
    give_bonus(
        submission=submission, money=Decimal("0.25"), reason="Careful work", reference="1", at=timezone.now()
    )
    sync()
    assert [paid["BonusAmount"] for paid in turk.bonuses] == ["0.25"]
    assert spend_of(listing.project).money == Decimal("0.90")


def test_the_test_is_a_hit_of_its_own_whose_passing_opens_the_work(contexts, turk, tmp_path):
    project = learning_campaign(tmp_path, hit_size=4).project
    set_policy(project=project, questions=2, pass_mark=0.5, attempts=1)
    listing = listed(project, wants={"testers": 1, "test_reward": "0.05"})
    page = contexts.open()
    work = page.frame_locator("iframe")
    assert not turk.may_accept(turk.hits[posting_of(listing).external_id], "A1WORKER")

    page.goto(f"{turk.url}/work?hit={posting_of(listing, 'test').external_id}&worker=A1WORKER")
    page.get_by_role("button", name="Accept").click()
    agree(page)
    begin(page, "Take the test")
    for _ in range(2):
        right = AttemptItem.objects.get(says="", index=AttemptItem.objects.exclude(says="").count())
        answer(page, "Yes" if right.lesson.is_correct else "No")
    work.get_by_role("button", name="See the result").click()
    expect(work.get_by_role("heading", name="Passed")).to_be_visible()
    hand_in(page)
    sync()
    assert [held.status for held in turk.assignments.values()] == ["Approved"]
    assert spend_of(project).money == Decimal("0.06")

    page.goto(f"{turk.url}/work?hit={posting_of(listing).external_id}&worker=A1WORKER")
    page.get_by_role("button", name="Accept").click()
    begin(page, "Start")

"""A newcomer's way in a real browser: consent, instructions, the test, its result, the first HIT."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification.models import Attempt, AttemptItem, Consent
from tests import factories
from tests.browser.test_worker_accessibility import check
from tests.browser.verifying import hit, press, resume, then
from tests.scene_campaigns import Campaign, learning_campaign

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return learning_campaign(tmp_path)


def reach_the_test(page: Page, member: Membership) -> None:
    page.goto(f"/w/{member.secret}/")
    page.get_by_label("I have read this and agree").check()
    page.get_by_role("button", name="Agree and go on").click()
    page.get_by_role("button", name="Take the test").click()
    resume(page)


def take(page: Page, *, wrong: int = 0) -> None:
    """Answer what is left of the test."""
    for number, item in enumerate(hit(page)["items"]):
        is_correct = AttemptItem.objects.select_related("lesson").get(key=item["key"]).lesson.is_correct
        press(page, "y" if is_correct == (number >= wrong) else "n")
    with page.expect_navigation():
        page.get_by_role("button", name="See the result").click()


def test_from_the_link_to_the_first_hit(contexts, campaign):
    page = contexts.open("phone")
    reach_the_test(page, campaign.member)
    expect(page.locator(".badge")).to_have_text("Test")
    take(page)
    expect(page.get_by_role("heading", name="Passed")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    resume(page)
    assert "/verify/" in page.url
    assert Membership.objects.get(pk=campaign.member.pk).standing == Standing.QUALIFIED
    consent = Consent.objects.get(membership=campaign.member)
    assert consent.text.startswith("You look at outlines")


def test_who_fails_sees_why_and_tries_again_with_other_masks(contexts, campaign):
    page = contexts.open()
    reach_the_test(page, campaign.member)
    take(page, wrong=3)
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    wrong = page.get_by_role("region", name="Look at these again").get_by_role("figure")
    expect(wrong).to_have_count(3)
    expect(wrong.first).to_contain_text("You said")
    page.get_by_role("button", name="Try again").click()
    resume(page)
    first, second = (set(attempt.items.values_list("lesson", flat=True)) for attempt in Attempt.objects.all())
    assert first.isdisjoint(second)


def test_a_test_that_was_left_goes_on_where_it_was(contexts, campaign):
    page = contexts.open()
    reach_the_test(page, campaign.member)
    press(page, "y")
    press(page, "n")
    page.goto(f"/w/{campaign.member.secret}/")
    page.get_by_role("button", name="Go on with the test").click()
    resume(page)
    expect(page.locator("#count")).to_have_text("3")
    press(page, "u")
    expect(page.locator("#count")).to_have_text("2")


def test_answers_of_a_test_given_offline_are_sent_to_the_test_later(contexts, campaign):
    page = contexts.open()
    reach_the_test(page, campaign.member)
    page.context.set_offline(True)
    press(page, "y")
    expect(page.locator("#saved-text")).to_have_text("Offline · 1 kept")
    page.context.set_offline(False)
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")
    assert AttemptItem.objects.exclude(says="").count() == 1


def test_the_last_answer_of_a_test_can_be_undone(contexts, campaign):
    page = contexts.open()
    reach_the_test(page, campaign.member)
    for _ in hit(page)["items"]:
        press(page, "y")
    then(page, page.get_by_role("button", name="Undo the last one").click)
    press(page, "n")
    with page.expect_navigation():
        page.get_by_role("button", name="See the result").click()
    assert Attempt.objects.get().passed is not None


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_nothing_on_the_way_stands_in_anyones_way(contexts, campaign, size, scheme):
    page = contexts.open(size, color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"/w/{campaign.member.secret}/")
    check(page)
    page.get_by_label("I have read this and agree").check()
    page.get_by_role("button", name="Agree and go on").click()
    expect(page.get_by_role("heading", name="Right and wrong")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Take the test").click()
    resume(page)
    check(page)
    take(page, wrong=4)
    check(page)


@pytest.mark.parametrize("width", [320, 3840])
def test_no_page_on_the_way_is_wider_than_its_window(contexts, campaign, width):
    page = contexts.open()
    page.set_viewport_size({"width": width, "height": 800})
    fits = "document.documentElement.scrollWidth <= innerWidth"
    page.goto(f"/w/{campaign.member.secret}/")
    assert page.evaluate(fits)
    page.get_by_label("I have read this and agree").check()
    page.get_by_role("button", name="Agree and go on").click()
    assert page.evaluate(fits)
    page.get_by_role("button", name="Take the test").click()
    resume(page)
    take(page, wrong=10)
    assert page.evaluate(fits)


def test_an_admin_sees_what_workers_will_read_while_writing(contexts, campaign, client, django_user_model):
    page = contexts.open(reduced_motion="reduce")
    client.force_login(django_user_model.objects.create_superuser("ann"))
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": contexts.base_url}])
    page.goto(f"/projects/{campaign.project.slug}/instructions/")
    page.get_by_label("What every worker should know").fill(
        "**Stems** belong to it.\n\n<script>alert(1)</script>"
    )
    preview = page.locator("#preview")
    expect(preview.locator("strong")).to_have_text("Stems")
    expect(preview).to_contain_text("<script>alert(1)</script>")
    check(page)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    campaign.project.refresh_from_db()
    assert campaign.project.instructions.startswith("**Stems**")
    page.get_by_role("link", name="mushroom").click()
    expect(page.get_by_role("heading", name="Examples of mushroom")).to_be_visible()
    page.get_by_role("button", name="Leave out").first.click()
    expect(page.get_by_role("button", name="Show again")).to_be_visible()
    check(page)
    assert factories.Lesson.objects.exclude(left_out_at=None).count() == 1

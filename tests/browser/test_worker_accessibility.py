"""Nothing that axe knows stands in a worker's way, by day, by night, on a phone and on a desk."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, Standing
from annotation_site.verification.models import Question
from tests import factories
from tests.browser.axe import RULES
from tests.browser.verifying import begin, press
from tests.scene_campaigns import Campaign, scene_campaign

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path)


@pytest.fixture(params=[("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"])
def page(request, contexts) -> Page:
    size, scheme = request.param
    return contexts.open(size, color_scheme=scheme, reduced_motion="reduce")


def check(page: Page) -> None:
    found = Axe().run(page, options=RULES).response["violations"]
    told = [(one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]]) for one in found]
    assert told == []


def test_the_landing_page(page, campaign):
    campaign.project.instructions = "Judge what can be seen."
    campaign.project.save()
    page.goto(f"/w/{campaign.member.secret}/")
    check(page)


def test_the_verify_page_and_its_help(page, campaign):
    begin(page, campaign.member)
    press(page, "y")
    expect(page.locator("#verdict")).to_have_css("opacity", "0")
    check(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)


def test_the_end_of_a_hit(page, campaign):
    for _ in begin(page, campaign.member):
        press(page, "y")
    expect(page.get_by_role("heading", name="outlines judged")).to_be_focused()
    check(page)


def test_the_invitation(page, campaign):
    link = factories.JoinLinkFactory(project=campaign.project)
    page.goto(f"/join/{link.code}/")
    check(page)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("button", name="Agree and go on")).to_be_visible()


def nothing_left(campaign: Campaign) -> None:
    Question.objects.update(wanted=0)


def paused(campaign: Campaign) -> None:
    Project.objects.update(state=Project.State.PAUSED)


def stopped(campaign: Campaign) -> None:
    Membership.objects.update(standing=Standing.STOPPED)


@pytest.mark.parametrize("bring_about", [nothing_left, paused, stopped])
def test_the_notices(page, contexts, campaign, bring_about):
    page.goto(f"/w/{campaign.member.secret}/")
    bring_about(campaign)
    contexts.expected = ("403",)
    with page.expect_navigation():
        page.get_by_role("button", name="Start").click()
    expect(page.locator("[data-notice-kind] h1")).to_be_visible()
    check(page)


def test_an_unknown_link(page, contexts):
    contexts.expected = ("404",)
    page.goto("/w/nobody/")
    expect(page.get_by_role("heading", name="We do not know this link")).to_be_visible()
    check(page)


def test_everything_is_reached_by_keyboard_in_the_order_seen(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    press(page, "y")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.querySelector('span')?.textContent"))
    assert reached[-7:] == ["Hide", "Fill", "Whole photo", "Undo", "No", "Can’t tell", "Yes"]


def test_the_theme_is_chosen_and_remembered(contexts, campaign):
    page = contexts.open(color_scheme="light")
    page.goto(f"/w/{campaign.member.secret}/")
    ground = "getComputedStyle(document.body).backgroundColor"
    day = page.evaluate(ground)
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    night = page.evaluate(ground)
    assert day != night
    page.reload()
    assert page.evaluate(ground) == night

"""Nothing that axe knows stands in the way of those who run a project: where people are found and watched."""

from __future__ import annotations

from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from annotation_site.catalog.models import Mask, Project, Role
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage, mark_done
from annotation_site.marketplaces import team
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Submission
from annotation_site.marketplaces.providers import PROVIDERS
from annotation_site.people.models import GoldItem, Membership, Standing
from annotation_site.people.standing import change_standing
from annotation_site.results.models import Comparison
from annotation_site.results.usefulness import SETS
from annotation_site.verification.gold_review import retire_gold
from annotation_site.verification.models import Judgment, Says
from tests.browser.axe import RULES
from tests.factories import NOON
from tests.scene_campaigns import Campaign, scene_campaign
from tests.site.campaigns import Person
from tests.site.offers import drafted, posting_of, published

pytestmark = pytest.mark.django_db(transaction=True)

VIEWS = [("desktop", "light"), ("phone", "dark")]
NAMES = ["desk by day", "phone by night"]


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path, gold=10)


@pytest.fixture
def crowd(campaign) -> dict[str, Membership]:
    """Somebody careful with an address, somebody who says no to everything; both see right and wrong gold."""
    Project.objects.filter(pk=campaign.project.pk).update(gold_share=0.5)
    careful = Person(team.invite(project=campaign.project, name="Ada", email="ada@example.org"))
    careless = Person.of(campaign.project, "Sam", says=lambda item: Says.NO)
    for person in (careful, careless):
        person.work()
    change_standing(membership=careful.member, to=Standing.ACTIVE, reason="20 of 20 right", at=NOON)
    return {"careful": careful.member, "careless": careless.member}


def complaints(page: Page, address: str) -> list[object]:
    """What axe finds, and what reaches over the edge."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    found = Axe().run(page, options=RULES).response["violations"]
    told: list[object] = [
        (address, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found
    ]
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return told + ([(address, "too wide", over)] if over > 0 else [])


@pytest.mark.parametrize(("size", "scheme"), VIEWS, ids=NAMES)
def test_the_pages_on_workers(signed_in, campaign, crowd, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    root = f"/projects/{campaign.project.slug}/workers/"
    one = crowd["careless"].pk
    told = complaints(page, root) + complaints(page, f"{root}{one}/") + complaints(page, f"{root}{one}/stop/")
    change_standing(membership=crowd["careless"], to=Standing.STOPPED, reason="always no", at=NOON)
    told += complaints(page, f"{root}{one}/?which=missed") + complaints(page, f"{root}{crowd['careful'].pk}/")
    assert told == []


def compared(project: Project) -> None:
    """Comparisons of the usefulness of masks: one done, one under way, one that failed."""
    about = {"project": project, "round": current_round(project), "asked_at": NOON}
    arms = [
        {"trained_on": name, "repeat": repeat, "images": 12, "masks": 48, "hours": 1.1, "heldout_images": 5,
         "objects": 20, "predictions": 40, "correct": 0.5, "ap50": 0.8, "ap75": 0.5 + place / 10}
        for place, name in enumerate(SETS) for repeat in (0, 1)
    ]  # fmt: skip
    Comparison.objects.create(state="done", seeds=2, arms=arms, **about)
    Comparison.objects.create(state="failed", error="No room is left on the disk.", **about)
    running = {"state": "running", "done": 400, "total": 3000, "message": "initial: iteration 40 of 100"}
    Comparison.objects.create(**running, **about)


@pytest.mark.parametrize(("size", "scheme"), VIEWS, ids=NAMES)
def test_the_pages_on_rounds_trust_and_gold(signed_in, campaign, crowd, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    root = f"/projects/{campaign.project.slug}"
    mark_done(current_round(campaign.project), Stage.OPEN, message="", at=NOON)
    mask = Mask.objects.filter(tree__round__project=campaign.project, tree__role=Role.POOL).first()
    retire_gold(item=GoldItem.objects.order_by("pk").last(), because="a car hides it", at=NOON)
    compared(campaign.project)
    told = [*complaints(page, f"{root}/rounds/"), *complaints(page, f"{root}/masks/{mask.pk}/")]
    told += [*complaints(page, f"{root}/workers/trust/"), *complaints(page, f"{root}/workers/gold/")]
    page.get_by_text("Retire…").first.click()
    page.get_by_label("Why").first.fill("blurred")
    page.get_by_role("button", name="Retire", exact=True).first.click()
    expect(page.get_by_text("Nobody is asked about it any more")).to_be_visible()
    assert told == []


@pytest.mark.parametrize(("size", "scheme"), VIEWS, ids=NAMES)
def test_the_team_page(signed_in, campaign, crowd, size, scheme):
    team.new_code(campaign.project)
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    assert complaints(page, f"/projects/{campaign.project.slug}/team/") == []


@pytest.mark.parametrize(("size", "scheme"), VIEWS, ids=NAMES)
def test_the_launch_page(signed_in, campaign, crowd, monkeypatch, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    root = f"/projects/{campaign.project.slug}/launch/"
    told = complaints(page, root) + complaints(page, f"{root}?on=mturk-production")
    drafted("prolific", campaign.project)
    told += complaints(page, f"{root}?on=prolific-sandbox")
    market = InMemory()
    monkeypatch.setitem(PROVIDERS, "memory", lambda environment: market)
    listing = published("memory", campaign.project, reward=Decimal("0.10"))
    for number, state in enumerate(Submission.State.values):
        Submission.objects.create(
            listing=listing, posting=posting_of(listing), worker=crowd["careful"].worker,
            external_id=f"S{number}", state=state, arrived_at=NOON,
        )  # fmt: skip
    assert told + complaints(page, f"{root}?on=memory-production") == []


def test_a_worker_is_watched_stopped_and_let_in_again(signed_in, campaign, crowd):
    page = signed_in()
    page.goto(f"/projects/{campaign.project.slug}/workers/")
    page.get_by_role("link", name="Gold right").click()
    expect(page.locator("tbody tr").first).to_contain_text("Sam")
    page.get_by_role("link", name="Sam").click()
    expect(page.locator(".u-wrap")).to_have_count(2)
    expect(page.locator('[data-chart="pace"] .numbers tbody tr')).not_to_have_count(0)
    page.get_by_role("link", name="Gold missed").click()
    expect(page.locator(".answered").first).to_contain_text("gold, missed")
    page.get_by_role("link", name="Stop…").click()
    expect(page.locator("#cost")).to_contain_text("Decisions that rest on them")
    mine = Judgment.objects.filter(worker=crowd["careless"].worker, of_gold=False).count()
    expect(page.locator("#cost")).to_contain_text(f"{mine} of {mine}")
    page.get_by_label("All of their answers go on counting").check()
    expect(page.locator("#cost")).to_contain_text(f"0 of {mine}")
    page.get_by_label("None of their answers counts any more").check()
    expect(page.locator("#cost")).to_contain_text(f"{mine} of {mine}")
    page.get_by_label("Reason").fill("says no to everything")
    page.get_by_role("button", name="Stop Sam").click()
    expect(page.locator("h1 .badge")).to_have_text("stopped")
    expect(page.locator(".changes").first).to_contain_text("says no to everything")
    page.get_by_label("Why").fill("a new start")
    page.get_by_role("button", name="Reinstate").click()
    expect(page.locator("h1 .badge")).to_have_text("qualified")


def test_the_pages_on_workers_need_no_scripts(signed_in, campaign, crowd):
    page = signed_in(java_script_enabled=False)
    page.goto(f"/projects/{campaign.project.slug}/workers/{crowd['careless'].pk}/stop/")
    page.get_by_label("Answers from a time on").check()
    page.get_by_label("From when on").fill("2020-01-01T00:00")
    page.get_by_role("button", name="Count what that would cost").click()
    page.get_by_label("Reason").fill("a test")
    page.get_by_role("button", name="Stop Sam").click()
    expect(page.locator("h1 .badge")).to_have_text("stopped")

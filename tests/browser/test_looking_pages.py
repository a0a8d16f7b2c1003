"""Trees, masks and the dataset in a real browser: by mouse, by keys, with nothing that axe finds wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from annotation_site.catalog.models import Mask, Project, Tree
from annotation_site.verification.models import Overruling
from tests.browser.axe import RULES
from tests.scene_campaigns import Campaign, scene_campaign
from tests.site.verified_projects import answer_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    found = scene_campaign(tmp_path)
    Mask.objects.update(iou=0.9)
    answer_all(found.project)
    return found


def largest(project: Project) -> Tree:
    return Tree.objects.filter(round__project=project).order_by("-n").first()


def addresses(project: Project) -> list[str]:
    tree = largest(project)
    mask = Mask.objects.filter(tree=tree).first()
    pages = [
        "trees/", f"trees/{tree.pk}/", f"compare/?a={tree.pk}-0&b={tree.pk}-1", "masks/",
        "masks/?said=refused", f"masks/{mask.pk}/", f"images/{mask.image_id}/", "dataset/", "verdicts/",
    ]  # fmt: skip
    return [f"/projects/{project.slug}/{page}" for page in pages]


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, campaign, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    told = []
    for address in addresses(campaign.project):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found = Axe().run(page, options=RULES).response["violations"]
        told += [(address, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        told += [(address, "too wide", over)] if over > 0 else []
    assert told == []


def explorer(page: Page, project: Project) -> str:
    address = f"/projects/{project.slug}/trees/{largest(project).pk}/"
    page.goto(address)
    page.locator("#grove").focus()
    return address


def shown(page: Page, node: int) -> None:
    expect(page.locator(f'[data-node="{node}"]')).to_be_visible()


def test_arrow_keys_walk_the_tree_and_each_node_has_an_address(signed_in, campaign):
    page = signed_in()
    address = explorer(page, campaign.project)
    shown(page, 0)
    page.keyboard.press("ArrowDown")
    shown(page, 1)
    expect(page).to_have_url(re.compile(f"{address}1/$"))
    expect(page.locator("#grove-said")).to_contain_text("Node 1")
    right = int(page.locator("[data-node]").get_attribute("data-walk-right"))
    page.keyboard.press("ArrowRight")
    shown(page, right)
    page.go_back()
    shown(page, 1)
    page.go_back()
    shown(page, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    shown(page, 0)


def test_a_click_on_the_drawing_opens_that_node(signed_in, campaign):
    page = signed_in(reduced_motion="reduce")
    explorer(page, campaign.project)
    page.wait_for_load_state("networkidle")  # What is clicked has been drawn.
    box = page.locator("#grove").bounding_box()
    with page.expect_response(lambda response: "part=node" in response.url):
        page.mouse.click(box["x"] + 10, box["y"] + 33)
    shown(page, 1)


def test_the_drawing_tells_decisions_apart_by_colour(signed_in, campaign):
    page = signed_in(color_scheme="light", reduced_motion="reduce")
    explorer(page, campaign.project)
    page.wait_for_load_state("networkidle")
    accept = page.evaluate(
        """() => { const p = document.createElement("i"); document.body.append(p);
        p.style.color = "var(--accept)";
        return getComputedStyle(p).color.match(/\\d+/g).map(Number).slice(0, 3) }"""
    )
    pixels = page.evaluate(
        """() => { const c = document.querySelector("#grove canvas");
        return [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data] }"""
    )
    drawn = np.array(pixels, dtype=np.int64).reshape(-1, 4)
    opaque = drawn[drawn[:, 3] == 255][:, :3]
    assert (np.abs(opaque - np.array(accept)).max(axis=1) <= 2).sum() > 1000


def test_a_photo_whose_storage_was_away_is_loaded_again_by_itself(signed_in, campaign, contexts):
    contexts.expected = ("503", "404")
    page = signed_in()
    mask = Mask.objects.first()
    asked: list[int] = []

    def answer(route: Route) -> None:
        asked.append(503)
        if len(asked) > 2:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="away")

    page.route(re.compile(r"/images/\d+\.jpg"), answer)
    page.goto(f"/projects/{campaign.project.slug}/masks/{mask.pk}/")
    loaded = "() => document.querySelector('figure.photo img').naturalWidth > 0"
    page.wait_for_function(loaded)
    assert len(asked) >= 3


def test_a_node_is_rejected_by_hand_and_that_is_undone(signed_in, campaign):
    page = signed_in()
    explorer(page, campaign.project)
    page.get_by_label("Reason").fill("cut off")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("blockquote")).to_have_text("cut off")
    assert Overruling.objects.get().verdict == "reject"
    page.locator("#node").get_by_text("History").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("blockquote")).to_have_count(0)
    assert not Overruling.objects.standing().exists()


def test_the_panel_works_without_scripts(signed_in, campaign):
    page = signed_in(java_script_enabled=False)
    page.goto(f"/projects/{campaign.project.slug}/trees/{largest(campaign.project).pk}/")
    page.get_by_role("link", name="First").click()
    shown(page, 1)
    page.get_by_role("link", name="Parent").click()
    shown(page, 0)


def test_masks_of_an_image_are_drawn_or_not_as_one_chooses(signed_in, campaign):
    page = signed_in()
    mask = Mask.objects.filter(tree=largest(campaign.project)).first()
    page.goto(f"/projects/{campaign.project.slug}/images/{mask.image_id}/")
    rows = page.locator("tr[data-mask]:visible")
    before = rows.count()
    assert before > 0
    page.get_by_label("accepted").uncheck()
    expect(page.locator("g.drawn:not(.is-hidden)")).to_have_count(rows.count())
    assert rows.count() < before


def test_the_dataset_page_draws_its_charts_with_the_numbers_behind(signed_in, campaign):
    page = signed_in()
    page.goto(f"/projects/{campaign.project.slug}/dataset/")
    expect(page.locator("#counting")).to_be_hidden()
    expect(page.locator(".u-wrap")).to_have_count(2)
    expect(page.locator(".dumbbell")).to_have_count(2)
    expect(page.locator('[data-chart="sizes"] .numbers tbody tr')).to_have_count(20)

"""The model page in a real browser: its curves, uploads, and K_pa moved by keys, by mouse and by finger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from playwright.sync_api import Page, expect

from annotation_site.catalog.models import OfferedPredictions, Project, Role, Round
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import Stage
from annotation_site.dashboards.model.heldout import forget_rated
from annotation_site.verification.carrying_on import carry_on
from tests.browser.axe import RULES
from tests.site.painted_projects import painted_project

pytestmark = pytest.mark.django_db(transaction=True)

IMAGES = {Role.INITIAL: 3, Role.HELDOUT: 6, Role.POOL: 10}


@pytest.fixture
def project(tmp_path: Path, settings) -> Project:
    backend = "django.core.files.storage.FileSystemStorage"
    place = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "artifacts"}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}
    forget_rated()
    cache.clear()
    found = painted_project(tmp_path, images=IMAGES)
    carry_on(current_round(found), until=Stage.CALIBRATE)
    Round.objects.update(k_pa=0.5)
    return found


def address(project: Project, rest: str = "") -> str:
    return f"/projects/{project.slug}/model/{rest}"


def opened(page: Page, project: Project):
    """The page with the effect of K_pa shown; the handle."""
    page.goto(address(project))
    # The first look of a process compiles its kernel, unless machine code was kept.
    expect(page.locator('[data-part="figures"]')).to_be_visible(timeout=60_000)
    handle = page.get_by_role("slider", name="K_pa")
    expect(handle).to_be_visible()
    return handle


def figure(page: Page, name: str) -> int:
    return int(page.locator(f'#effect [data-figure="{name}"]').inner_text().replace(",", ""))


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, project, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    told = []
    for rest in ("", "sheet/"):
        page.goto(address(project, rest))
        if not rest:
            opened(page, project)
            page.get_by_text("Choose a model").click()
        found = Axe().run(page, options=RULES).response["violations"]
        told += [(rest, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        told += [(rest, "too wide", over)] if over > 0 else []
    assert told == []


def test_keys_move_the_handle_and_the_figures_follow(signed_in, project):
    page = signed_in()
    handle = opened(page, project)
    use = page.get_by_role("button", name="Use this K_pa")
    expect(use).to_be_disabled()
    handle.focus()
    page.keyboard.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "0.51")
    page.keyboard.press("PageDown")
    expect(handle).to_have_attribute("aria-valuenow", "0.41")
    page.keyboard.press("End")
    expect(handle).to_have_attribute("aria-valuenow", "1.00")
    assert figure(page, "questions") == 0
    page.keyboard.press("Home")
    expect(handle).to_have_attribute("aria-valuetext", re.compile("0.00: .* questions, .* accepted masks"))
    assert figure(page, "questions") > 0
    expect(use).to_be_enabled()


def test_the_mouse_drags_it_and_what_is_chosen_is_used(signed_in, project):
    page = signed_in()
    handle = opened(page, project)
    handle.scroll_into_view_if_needed()
    over = page.locator(".threshold .u-over").bounding_box()
    box = handle.bounding_box()
    middle = over["y"] + over["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(over["x"] + 0.7 * over["width"], middle, steps=4)
    page.mouse.move(over["x"] + 0.2 * over["width"], middle, steps=4)
    page.mouse.up()
    expect(handle).to_have_attribute("aria-valuenow", "0.20")
    page.mouse.move(over["x"] + 0.9 * over["width"], middle)
    expect(handle).to_have_attribute("aria-valuenow", "0.20")
    page.mouse.click(over["x"] + 0.3 * over["width"], middle)
    expect(handle).to_have_attribute("aria-valuenow", "0.30")
    page.get_by_role("button", name="Use this K_pa").click()
    expect(page.locator(".messages")).to_contain_text("K_pa is 0.30.")
    assert Round.objects.get().k_pa == Project.objects.get().k_pa == 0.3
    page.get_by_text("Chosen by hand").click()
    expect(page.locator("#choices li")).to_contain_text("0.30, ada")


def test_a_finger_moves_it_on_a_phone(signed_in, project):
    page = signed_in("phone")
    handle = opened(page, project)
    handle.scroll_into_view_if_needed()
    over = page.locator(".threshold .u-over").bounding_box()
    page.touchscreen.tap(over["x"] + 0.8 * over["width"], over["y"] + over["height"] / 2)
    expect(handle).to_have_attribute("aria-valuenow", re.compile(r"0\.(79|80|81)"))


def test_each_chart_has_its_numbers_and_the_scatter_its_categories(signed_in, project):
    page = signed_in()
    opened(page, project)
    expect(page.locator("#training .numbers tbody tr")).to_have_count(20)
    expect(page.locator(".u-wrap")).to_have_count(4)
    expect(page.locator("#outlook .numbers tbody tr")).to_have_count(101)
    with page.expect_response(lambda response: "category=" in response.url and response.ok):
        page.locator("#scores-category").select_option(index=1)


def test_what_is_wrong_with_an_upload_is_said_and_a_good_one_waits(signed_in, project, contexts):
    contexts.expected = ("400",)
    page = signed_in()
    page.goto(address(project))
    page.get_by_text("Choose a model").click()
    wrong = {"name": "mine.txt", "mimeType": "text/plain", "buffer": b"no json"}
    page.locator("#id_results").set_input_files(wrong)
    page.get_by_label("Replace the round").check()
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#offer-form .errorlist")).to_contain_text("mine.txt is no JSON")
    right = {"name": "mine.json", "mimeType": "application/json", "buffer": b"[]"}
    page.locator("#id_results").set_input_files(right)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#offer")).to_contain_text("mine.json")
    assert OfferedPredictions.objects.get().replaces

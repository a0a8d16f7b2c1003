"""From an empty database to trees in a real browser, with what workers do done in between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from annotation_site import enqueue
from annotation_site.catalog.models import Project
from annotation_site.dashboards.setup import page as page_module
from annotation_site.preparing import pieces, uploads
from annotation_site.preparing.models import ImportRun
from pipeline.scenes import SceneOptions, write_scenes
from tests.browser.axe import RULES
from tests.site.bringing_in import folder_bytes, zipped
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)


class Queue:
    """What the site leaves to workers; a worker that is here when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, tuple]] = []

    def send(self, task: str, arguments: tuple, **_: object) -> None:
        self.waiting.append((task, arguments))

    def work(self) -> None:
        """Do what waits, and what follows from it."""
        while self.waiting:
            task, arguments = self.waiting.pop(0)
            tasks.app.tasks[task](*arguments)


@pytest.fixture
def queue(monkeypatch, settings, tmp_path) -> Queue:
    place = "django.core.files.storage.FileSystemStorage"
    own = {
        name: {"BACKEND": place, "OPTIONS": {"location": tmp_path / name}} for name in ("images", "artifacts")
    }
    settings.STORAGES = {**settings.STORAGES, **own}
    found = Queue()
    monkeypatch.setattr(enqueue, "_send", found.send)
    return found


@pytest.fixture
def ada() -> User:
    """Somebody without any project."""
    return User.objects.create_user("ada")


@pytest.fixture
def small_pieces(monkeypatch) -> None:
    """Files of some hundred kilobytes come in several pieces."""
    for module in (pieces, uploads, page_module):
        monkeypatch.setattr(module, "PIECE", 100_000)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> tuple[Path, Path]:
    """A zip of small scenes with their COCO file inside, and that file beside it."""
    folder = tmp_path_factory.mktemp("scenes")
    options = SceneOptions(height=160, width=160, categories=("mushroom", "leaf"))
    made = write_scenes(folder, seed=4, counts={"all": 12}, options=options)["all"]
    archive = folder / "scenes.zip"
    archive.write_bytes(zipped({**folder_bytes(made.images), "coco.json": made.annotations.read_bytes()}))
    return archive, made.annotations


def create(page: Page, coco: Path) -> Project:
    page.goto("/")
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name", exact=True).fill("Forest floor")
    page.get_by_label("or those of a COCO file").set_input_files(coco)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_have_text("Set up")
    return Project.objects.get()


def bring_in(page: Page, archive: Path) -> None:
    page.locator("#choose-files").set_input_files(archive)
    expect(page.locator("#chosen")).to_contain_text("1 files")
    page.get_by_label("Divide them among these").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#upload-said")).to_contain_text("A worker imports it now")


def test_a_project_is_set_up_from_an_empty_database_to_its_trees(signed_in, queue, scenes, small_pieces):
    archive, coco = scenes
    page = signed_in()
    project = create(page, coco)
    assert list(project.categories.values_list("name", flat=True)) == ["mushroom", "leaf"]
    bring_in(page, archive)
    queue.work()
    expect(page.locator(".import")).to_contain_text("12 images")
    expect(page.locator("#step-images")).to_have_class("is-done")
    page.locator("[data-step=parameters]").click()
    page.get_by_label("Detector", exact=True).select_option("fake")
    page.locator("#parameters").get_by_role("button", name="Save").click()
    page.locator("[data-step=stages]").click()
    page.get_by_role("button", name="Run all", exact=True).click()
    expect(page.locator("#stage-train")).to_contain_text("Waits for a worker")
    queue.work()
    expect(page.locator("#step-stages")).to_have_class("is-done")
    expect(page.locator("#stage-calibrate")).to_contain_text("K_pa is")
    assert project.rounds.get().trees.exists()


def test_an_upload_whose_connection_breaks_is_whole_in_the_end(signed_in, queue, scenes, small_pieces):
    archive, coco = scenes
    page = signed_in()
    create(page, coco)
    sent: list[str] = []

    def break_once(route) -> None:
        sent.append(route.request.url)
        if len(sent) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/files/**", break_once)
    bring_in(page, archive)
    run = ImportRun.objects.get()
    assert run.state == "waiting"
    assert sent[1] == sent[2]
    queue.work()
    expect(page.locator(".import")).to_contain_text("12 images")


def test_an_upload_that_is_under_way_says_how_much_of_it_is_here(signed_in, queue, scenes):
    archive, coco = scenes
    page = signed_in()
    create(page, coco)
    held: list[Route] = []
    page.route("**/files/**", lambda route: route.continue_() if held else held.append(route))
    page.locator("#choose-files").set_input_files(archive)
    page.get_by_label("Divide them among these").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator(".import")).to_contain_text(re.compile("^.*0.bytes of .* are here", re.DOTALL))
    expect(page.locator(".import").get_by_role("progressbar", name="Uploaded")).to_be_visible()
    held[0].continue_()
    expect(page.locator("#upload-said")).to_contain_text("A worker imports it now")


@pytest.mark.parametrize("address", ["?at=budget", "?at=budget#budget", "#budget"])
def test_an_address_leads_to_its_step(signed_in, scenes, address):
    page = signed_in()
    create(page, scenes[1])
    page.goto(f"/projects/{Project.objects.get().slug}/setup/{address}")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#budget")).to_be_focused()
    expect(page.locator("#budget summary")).to_be_in_viewport()
    page.locator("[data-step=categories]").click()
    expect(page.locator("#categories")).to_be_focused()


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, queue, scenes, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    told = []
    for address in ("/", "/projects/new/", "setup"):
        if address == "setup":
            create(page, scenes[1])
            bring_in(page, scenes[0])
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        else:
            page.goto(address)
        found = Axe().run(page, options=RULES).response["violations"]
        told += [(address, one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        told += [(address, "too wide", over)] if over > 0 else []
    assert told == []

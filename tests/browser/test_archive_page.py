"""Putting a project away, taking it out and deleting it, in a real browser."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Image, Project
from annotation_site.closing.archiving import archive
from annotation_site.closing.deleting import ask_for_deletion, run_deletion
from annotation_site.closing.models import Deletion
from annotation_site.verification.models import Judgment
from tests.browser.axe import RULES
from tests.factories import NOON, ImageFactory
from tests.site.campaigns import Person, opened, project_with_tree

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "send", lambda *_, **__: None)
    monkeypatch.setattr(enqueue, "served_queues", lambda: frozenset({"gpu", "cpu", "io"}))


@pytest.fixture
def project() -> Project:
    made = opened(project_with_tree([True] * 64, name="Facades of Lisbon", slug="facades", hit_size=10))
    set_caps(project=made, questions=500, money=Decimal(100), pay_per_question=Decimal("0.10"))
    for name in ("Ada", "Ben"):
        Person.of(made, name).work()
    ImageFactory(project=made, path="/data/photos/a.jpg")
    return made


@pytest.fixture
def ada(project: Project) -> User:
    user = User.objects.create_user("ada", "ada@example.org")
    grant(project=project, user=user, access=Access.OWNER)
    return user


def gone(name: str, ada: User) -> Deletion:
    """A project that was deleted."""
    made = opened(project_with_tree([True] * 64, name=name, slug=name.lower(), hit_size=10))
    set_caps(project=made, questions=None, money=Decimal(100), pay_per_question=Decimal("0.10"))
    Person.of(made, "Cleo").work()
    archive(project=made, at=NOON)
    return run_deletion(ask_for_deletion(project=made, name=name, keep_answers=True, by=ada, at=NOON))


def complaints(page: Page, address: str) -> list[object]:
    page.goto(address)
    page.wait_for_load_state("load")
    found = Axe().run(page, options=RULES).response["violations"]
    told: list[object] = [
        (address, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found
    ]
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return told + ([(address, "too wide", over)] if over > 0 else [])


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, project, ada, size, scheme):
    done, running, failed = (gone(*of) for of in (("Doors", ada), ("Oaks", ada), ("Elms", ada)))
    Deletion.objects.filter(pk=running.pk).update(state="running", done=4_120_000, total=10_450_000)
    Deletion.objects.filter(pk=failed.pk).update(state="failed", error="The disk is full.")
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    found = complaints(page, "/projects/facades/archive/")
    archive(project=project, at=NOON)
    pages = ("", "archive/", "setup/", "instructions/", "webhooks/", "exports/", "team/", "launch/")
    for address in (
        "/", "/?archived", "/deletions/", *(f"/deletions/{one.pk}/" for one in (done, running, failed)),
        *(f"/projects/facades/{part}" for part in pages),
    ):  # fmt: skip
        found += complaints(page, address)
    assert found == []


def test_a_project_is_put_away_and_taken_out(signed_in, project):
    page = signed_in()
    page.goto("/projects/facades/")
    page.get_by_role("link", name="Archive", exact=True).click()
    page.get_by_role("button", name="Archive", exact=True).click()
    expect(page.get_by_text("The project is archived.")).to_be_visible()
    page.get_by_role("link", name="Set up", exact=True).click()
    expect(page.locator("#parameters button", has_text="Save").first).to_be_disabled()
    page.goto("/")
    expect(page.get_by_role("link", name="Facades of Lisbon")).to_have_count(0)
    page.get_by_role("link", name="Archived").click()
    page.get_by_role("link", name="Facades of Lisbon").click()
    expect(page.get_by_role("button", name="Open to workers")).to_have_count(0)
    page.get_by_role("link", name="Take it out, or delete it").click()
    page.get_by_role("button", name="Take out of the archive").click()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("button", name="Open to workers")).to_be_visible()


def test_a_project_is_deleted_by_its_name_and_its_statement_stays(signed_in, contexts, project):
    contexts.expected = ("409",)
    archive(project=project, at=NOON)
    page = signed_in()
    page.goto("/projects/facades/archive/")
    expect(page.get_by_text("1 image in the folder that was named")).to_be_visible()
    page.get_by_label("Type Facades of Lisbon to delete it").fill("facades")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the name of the project")
    page.get_by_label("Type Facades of Lisbon to delete it").fill("Facades of Lisbon")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Waits for a worker.")).to_be_visible()
    answers = Judgment.objects.count()
    run_deletion(Deletion.objects.get())
    expect(page.get_by_role("heading", name="Deleted", exact=True)).to_be_visible()  # By itself.
    assert not Image.objects.exists()
    expect(page.get_by_role("row", name=re.compile("^Ada"))).to_contain_text("0.60")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "Ben,link" in download.value.path().read_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert len(download.value.path().read_text().splitlines()) == answers + 1
    page.get_by_role("link", name="Deleted projects").click()
    expect(page.get_by_role("link", name="Facades of Lisbon")).to_be_visible()


def test_a_worker_reads_politely_that_the_work_has_ended(contexts, project):
    member = Person.of(project, "Dora").member
    archive(project=project, at=NOON)
    page = contexts.open("phone", color_scheme="dark")
    assert complaints(page, f"/w/{member.secret}/") == []
    expect(page.get_by_role("heading", name="This work has ended")).to_be_visible()

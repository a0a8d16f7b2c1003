"""The pages of the API in a real browser: its description, drawn and tried; tokens, made and revoked."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.api.models import ApiToken
from tests.browser.axe import RULES
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    """The owner of a project."""
    ada = User.objects.create_user("ada")
    grant(project=ProjectFactory(name="Facades", slug="facades"), user=ada, access=Access.OWNER)
    return ada


def tried(page: Page, operation: str, body: str = "") -> str:
    """Open an operation of the document, execute it, and read the status of what came."""
    tag = page.locator("[data-tag='projects']")
    if tag.get_attribute("data-is-open") == "false":
        tag.click()
    block = page.locator(f"[id$='-{operation}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    slug = block.locator("tr[data-param-name='slug'] input")
    if slug.count():
        slug.fill("facades")
    if body:
        block.locator("textarea.body-param__text").fill(body)
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response-col_status").last.inner_text()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_description_is_drawn_and_tried_under_the_policy(signed_in, colours):
    page = signed_in(color_scheme=colours)
    page.goto("/api/docs/")
    expect(page.locator(".opblock-tag").first).to_be_visible(timeout=30_000)
    assert page.locator("html.dark-mode").count() == (colours == "dark")
    assert tried(page, "read_project").startswith("200")
    assert tried(page, "change_project", '{"k_a": 0.8}').startswith("200")
    assert page.evaluate("document.querySelectorAll('script:not([src])').length") == 0


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_token_is_made_copied_and_revoked(signed_in, size):
    page = signed_in(size)
    page.goto("/account/tokens/")
    page.get_by_label("Name").fill("nightly import")
    page.get_by_label("Scope").select_option("write")
    page.get_by_label("Facades").check()
    page.get_by_role("button", name="Make a token").click()
    secret = page.locator("#secret").inner_text()
    assert re.fullmatch(r"mg_[\w-]{43}", secret)
    assert ApiToken.objects.get().is_restricted
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0
    assert Axe().run(page, options=RULES).response["violations"] == []
    page.get_by_role("button", name="Revoke nightly import").click()
    expect(page.get_by_text("You have no token.")).to_be_visible()
    assert ApiToken.objects.get().revoked_at is not None

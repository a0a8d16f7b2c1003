"""The history and the webhooks in a real browser, with a receiver beside the site."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect
from standardwebhooks.webhooks import Webhook as Verifier

from annotation_site.access.granting import grant, invite
from annotation_site.access.models import Access
from annotation_site.budget import caps
from annotation_site.catalog.instructing import set_instructions
from annotation_site.catalog.models import Project
from annotation_site.webhooks import delivering, webhooks
from annotation_site.webhooks.models import Delivery, Kind, Webhook
from annotation_site.webhooks.sending import Reply
from tests.browser.axe import RULES
from tests.factories import CategoryFactory, ProjectFactory
from tests.standins.serving import Answer, Request, Server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    made = ProjectFactory(slug="facades", name="Facades of Lisbon")
    CategoryFactory(project=made, name="window")
    set_instructions(project=made, text="A window ends at its frame.\n\nShutters are no part of it.")
    set_instructions(project=made, text="A window ends at its frame.\n\nShutters are part of it.")
    caps.change_budget(project=made, money=250, pay_per_hit="0.45")
    Project.objects.update(detector_options={"train": {"batch_size": 8}}, k_a=0.9)
    invite(project=made, email="bo@example.org", access=Access.VIEWER, at=timezone.now())
    return made


@pytest.fixture
def ada(project: Project) -> User:
    user = User.objects.create_user("ada", "ada@example.org", is_superuser=True)
    grant(project=project, user=user, access=Access.OWNER)
    return user


@pytest.fixture
def told(project: Project) -> Webhook:
    """A webhook that took one message, refused one, and has one waiting."""
    url = "https://receiver.example/hooks/maskgrove"
    made = webhooks.add_webhook(
        project=project, url=url, kinds=Kind.values, description="the pager", by=None, at=timezone.now()
    )
    for reply in (Reply(204, elapsed_ms=31), Reply(500, "<h1>database away</h1>", elapsed_ms=1204)):
        delivering.send_test(made, at=timezone.now())
        delivering.deliver_due(send=lambda *_, reply=reply, **__: reply)
    delivering.send_test(made, at=timezone.now())
    return made


def addresses(project: Project, made: Webhook) -> list[str]:
    delivery = Delivery.objects.filter(state="failed").get()
    return [
        "/system/history/",
        *(
            f"/projects/{project.slug}/{page}"
            for page in (
                "history/",
                "webhooks/",
                f"webhooks/{made.pk}/",
                f"webhooks/deliveries/{delivery.pk}/",
            )
        ),
    ]


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, project, told, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    found = []
    for address in addresses(project, told):
        page.goto(address)
        page.wait_for_load_state("load")
        violations = Axe().run(page, options=RULES).response["violations"]
        found += [(address, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in violations]
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [(address, "too wide", over)] if over > 0 else []
    assert found == []


def test_a_change_is_found_by_who_and_what(signed_in, project):
    page = signed_in()
    page.goto("/projects/facades/webhooks/")
    page.get_by_label("Address").fill("https://receiver.example/")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="History").click()
    page.get_by_label("Who").select_option("ada")
    page.get_by_label("What").select_option("webhooks.Webhook")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".change")).to_have_count(1)
    expect(page.locator(".change")).to_contain_text("https://receiver.example/")
    expect(page.locator(".change")).to_contain_text("(hidden)")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "receiver.example" in download.value.path().read_text()


def test_a_webhook_is_added_tested_and_its_message_verified(signed_in, project, settings):
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.0/8"]
    got: list[Request] = []
    server = Server(lambda request: got.append(request) or Answer(b"thanks"))
    page = signed_in()
    page.goto("/projects/facades/webhooks/")
    page.get_by_label("Address").fill(f"{server.url}/maskgrove")
    page.get_by_label("a stage finished").uncheck()
    page.get_by_role("button", name="Add").click()
    page.get_by_text("Show", exact=True).click()
    secret = page.locator(".secret-text").inner_text()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("cell", name="waiting")).to_be_visible()
    delivering.deliver_due()
    expect(page.get_by_role("cell", name="delivered")).to_be_visible()
    server.close()
    message = Verifier(secret).verify(got[0].body, got[0].headers)
    assert message["data"]["project"]["slug"] == "facades"
    page.get_by_role("link", name="test", exact=True).click()
    expect(page.locator(".message").first).to_have_text(json.dumps(message, indent=2))
    expect(page.get_by_text("thanks")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".badge").first).to_have_text("waiting")


def test_deleting_wants_a_tick(signed_in, told):
    page = signed_in()
    page.goto(f"/projects/facades/webhooks/{told.pk}/")
    page.get_by_role("button", name="Delete this webhook").click()
    assert Webhook.objects.exists()
    page.get_by_label("Its deliveries go with it").check()
    page.get_by_role("button", name="Delete this webhook").click()
    expect(page.get_by_text("Nobody is told yet")).to_be_visible()
    assert not Webhook.objects.exists()

"""Takes the pictures of the README and the docs from a running site: see `make shots`.

`python docs/images/shots.py SLUG` takes them of another project;
let it be one of generated scenes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent
CHROMIUM = next(
    (str(path) for path in map(Path, ("/usr/bin/chromium", "/usr/bin/google-chrome")) if path.exists()), None
)


def page_of(browser: Browser, *, width: int, height: int) -> Page:
    """A fresh browser window; more pixels, so that outlines are as sharp as on a good screen."""
    return browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=1.5, reduced_motion="reduce"
    ).new_page()


def take(page: Page, name: str) -> None:
    """Save what the page shows."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=HERE / name)


def shoot_worker(browser: Browser, link: str) -> None:
    """The page of work."""
    page = page_of(browser, width=1280, height=800)
    page.goto(link)
    if page.locator("input[name=agree]").count():
        page.locator("input[name=agree]").check()
        page.locator(".consent button").click()
        page.goto(link)
    page.locator("main form button").first.click()
    expect(page.locator("#stage[data-armed]")).to_be_attached()
    take(page, "worker-page.png")


def shoot_admin(browser: Browser, project: str, session: str, tree: int) -> None:
    """The overview, the largest category's tree, and the calibration."""
    page = page_of(browser, width=1280, height=900)
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": project}])
    page.goto(project)
    expect(page.locator(".u-wrap").first).to_be_visible()
    page.locator("#bought").evaluate("part => scrollTo(0, part.offsetTop - 84)")
    take(page, "overview-page.png")
    page.goto(f"{project}trees/{tree}/")
    expect(page.locator("canvas").first).to_be_visible()
    take(page, "tree-page.png")
    page.goto(f"{project}model/")
    expect(page.get_by_role("slider", name="K_pa")).to_be_visible(timeout=60_000)
    page.locator("#calibration").evaluate("part => scrollTo(0, part.offsetTop - 84)")
    take(page, "calibration.png")


def main() -> None:
    """Find the running site and take all pictures."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client
    from django.utils import timezone

    from annotation_site.catalog.models import Role, Tree
    from annotation_site.catalog.rounds import current_round, find_project
    from annotation_site.local.demo import folder
    from annotation_site.people.members import invite
    from annotation_site.people.qualification.policy import vouch

    site = json.loads((folder().parent / "run" / "supervisor.json").read_text())["url"]
    project = find_project(sys.argv[1] if len(sys.argv) > 1 else "demo")
    worker = invite(project=project, name="Photographer")
    vouch(membership=worker, reason="takes the pictures", at=timezone.now())
    client = Client()
    client.force_login(User.objects.filter(is_superuser=True).order_by("pk")[0])
    tree = Tree.objects.filter(round=current_round(project), role=Role.POOL).order_by("-n")[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shoot_worker(browser, f"{site}w/{worker.secret}/")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        shoot_admin(browser, f"{site}projects/{project.slug}/", session, tree.pk)
    sys.stdout.write(f"Pictures are in {HERE}.\n")


if __name__ == "__main__":
    main()

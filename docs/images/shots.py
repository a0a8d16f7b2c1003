"""Takes the pictures of the README and the docs from a running demo: `make shots` while `make demo` runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
CHROMIUM = next(
    (str(path) for path in map(Path, ("/usr/bin/chromium", "/usr/bin/google-chrome")) if path.exists()), None
)


def page_of(browser: Browser, *, width: int, height: int) -> Page:
    """A fresh browser window; twice the pixels, so that outlines are as sharp as on a good screen."""
    return browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=2).new_page()


def take(page: Page, name: str) -> None:
    """Save what the page shows."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=HERE / name)


def shoot_worker(browser: Browser, link: str) -> None:
    """The page of work, on a desk and on a phone."""
    for name, width, height in (("worker-page.png", 1280, 800), ("worker-page-phone.png", 390, 844)):
        page = page_of(browser, width=width, height=height)
        page.goto(link)
        if page.locator("input[name=agree]").count():
            page.locator("input[name=agree]").check()
            page.locator(".consent button").click()
            page.goto(link)
        page.locator("main form button").first.click()
        take(page, name)


def shoot_admin(browser: Browser, site: str, password: str) -> None:
    """The project's overview, and how it was set up."""
    page = page_of(browser, width=1280, height=1000)
    page.goto(f"{site}login/?next=/projects/demo/")
    page.fill("input[name=login]", "demo")
    page.fill("input[name=password]", password)
    page.locator("main form button").first.click()
    take(page, "project-page.png")
    page.goto(f"{site}projects/demo/setup/?at=images")
    take(page, "set-up-page.png")


def main() -> None:
    """Find the running demo and take all pictures."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()
    from django.utils import timezone

    from annotation_site.local.demo import SCALES, begin, folder
    from annotation_site.people.qualification.policy import vouch

    told = json.loads((folder().parent / "run" / "supervisor.json").read_text())
    demo = begin(SCALES["full"])
    vouch(membership=demo.worker, reason="takes the pictures", at=timezone.now())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shoot_worker(browser, told["url"] + demo.worker_path)
        shoot_admin(browser, told["url"], demo.password)
    sys.stdout.write(f"Pictures are in {HERE}.\n")


if __name__ == "__main__":
    main()

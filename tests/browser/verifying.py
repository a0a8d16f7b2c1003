"""What a worker does on the verify page, as tests say it. Waits for what shows, never for time."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect

from annotation_site.people.models import Membership
from annotation_site.verification.models import Judgment


def begin(page: Page, member: Membership) -> list[str]:
    """Open the personal link and start; the keys of the HIT's items."""
    page.goto(f"/w/{member.secret}/")
    page.locator("form button.is-primary").first.click()
    return resume(page)


def resume(page: Page) -> list[str]:
    """Wait until the page takes an answer; the keys of its items."""
    expect(page.locator("#stage[data-armed]")).to_be_attached()
    return [item["key"] for item in hit(page)["items"]]


def hit(page: Page) -> dict:
    return json.loads(page.locator("#hit").text_content())


def place(page: Page) -> int:
    """Index of the item that is shown."""
    return int(page.locator("#stage").get_attribute("data-armed"))


def press(page: Page, key: str) -> None:
    """Answer or undo by key, and wait for what follows."""
    then(page, lambda: page.keyboard.press(key))


def then(page: Page, act: Callable[[], object]) -> None:
    """Do something, and wait until another mask takes answers or the page is done."""
    before = page.locator("#stage").get_attribute("data-armed")
    act()
    another = f'#stage[data-armed]:not([data-armed="{before}"])'
    expect(page.locator(f'{another}, #verify:not([data-state="asking"])')).to_be_attached()


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until something holds that the page itself does not show."""
    for _ in range(500):
        if holds():
            return
        page.wait_for_timeout(20)
    raise AssertionError("That did not come to pass within ten seconds.")


def saved(page: Page) -> None:
    """Wait until the server has every answer."""
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")


def answers(keys: list[str]) -> list[str | None]:
    """What stands in the database, in the order of the keys."""
    standing = Judgment.objects.filter(retracted_at__isnull=True).select_related("item")
    by_key = {str(judgment.item.key): judgment.says for judgment in standing}
    return [by_key.get(key) for key in keys]

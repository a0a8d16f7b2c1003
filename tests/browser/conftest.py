"""A real Chromium against the real site on the real Postgres."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from threading import Lock
from time import monotonic, sleep

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LONGEST = 20.0
"""Seconds that a request may take at the end of a test."""
SIZES = {"desktop": (1280, 800), "phone": (360, 740)}

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "true"  # Playwright's loop runs in the thread that asks the database.
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            # A browser misses a time limit now and then on a busy machine; the summary counts second tries.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Contexts:
    """Windows of one test; `complaints` gathers what their consoles and failed scripts said.

    Browsers complain of every refused request; `expected` holds the statuses that a test means to get.
    """

    def __init__(self, browser: Browser, base_url: str) -> None:
        self.browser, self.base_url = browser, base_url
        self.opened: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()

    def open(self, size: str = "desktop", **options: object) -> Page:
        """A page in a context of its own."""
        width, height = SIZES[size]
        touch = {"has_touch": True, "is_mobile": True} if size == "phone" else {}
        context = self.browser.new_context(
            base_url=self.base_url, viewport={"width": width, "height": height}, **touch, **options
        )
        self.opened.append(context)
        return self.another(context)

    def another(self, context: BrowserContext) -> Page:
        """A further tab."""
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        return page

    def _hear(self, message: object) -> None:
        unsaid = ("net::ERR_", *(f"status of {status}" for status in self.expected))
        if message.type == "error" and not any(text in message.text for text in unsaid):
            self.complaints.append(message.text)


class Requests:
    """How many requests the site, which runs in a thread of this process, is answering."""

    def __init__(self) -> None:
        self.under_way = 0
        self.lock = Lock()
        request_started.connect(self._begun)
        request_finished.connect(self._done)

    def end_within(self, seconds: float) -> bool:
        """Wait until none is under way; whether that came about."""
        deadline = monotonic() + seconds
        while self.under_way and monotonic() < deadline:
            sleep(0.01)
        return not self.under_way

    def _begun(self, **_: object) -> None:
        with self.lock:
            self.under_way += 1

    def _done(self, **_: object) -> None:
        with self.lock:
            self.under_way -= 1


@pytest.fixture(scope="session")
def requests() -> Requests:
    return Requests()


@pytest.fixture
def contexts(browser: Browser, live_server: object, requests: Requests) -> Iterator[Contexts]:
    """Opens pages on the running site; no page may have complained at the end.

    A page that is left still sends its answers: the database is emptied after those.
    """
    windows = Contexts(browser, live_server.url)
    requests.under_way = 0  # Clients of other tests may have left answers unread.
    yield windows
    for context in windows.opened:
        for page in context.pages:
            page.goto("about:blank")
            page.wait_for_load_state("networkidle")
        context.close()
    assert requests.end_within(LONGEST), f"{requests.under_way} requests are never answered."
    assert windows.complaints == []


@pytest.fixture
def ada(django_user_model):
    """Whom `signed_in` signs in. A file that means somebody of fewer rights makes its own."""
    return django_user_model.objects.create_user("ada", is_superuser=True)


@pytest.fixture
def signed_in(contexts: Contexts, ada) -> Callable[..., Page]:
    """Opens a page for ada."""
    client = Client()
    client.force_login(ada)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value

    def open_(*args: str, **options: object) -> Page:
        page = contexts.open(*args, **options)
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": contexts.base_url}]
        )
        return page

    return open_

"""One worker's browser, without a screen: the pages and requests that a person's browser loads and sends."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

TIMEOUT = 30.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
"""Seconds between two tries while the site is away."""
PATIENCE = 180.0
"""Seconds after which a site that does not answer is given up."""

VERSION = re.compile(r'name="version" value="(\w+)"')
HIT = re.compile(r'<script id="hit" type="application/json">(.*?)</script>', re.DOTALL)


class SiteGone(Exception):
    """The site did not answer for so long that nobody would wait."""


class UnexpectedPage(Exception):
    """A page that is neither work nor a notice."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mask of a page of work."""

    key: UUID
    crop: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of work: the HIT that the verify page holds, or the test's questions."""

    token: str
    api: str
    items: list[Entry]

    @property
    def is_test(self) -> bool:
        """Whether these are questions of the test before the first HIT."""
        return self.api.endswith("/test/")


@dataclass(frozen=True, slots=True)
class Notice:
    """Why there is no page of work: nothing-yet, nothing-left, budget-spent, paused, not-passed, …"""

    kind: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API said to an answer: `problem` is the type of a refusal, or empty."""

    remaining: int
    late: bool
    problem: str = ""


@dataclass
class Visitor:
    """A browser on the personal link `/w/<secret>/`. Requests are repeated until the site answers them."""

    base_url: str
    secret: str
    sleep: Callable[[float], None] = time.sleep
    transport: httpx.BaseTransport | None = None
    retries: int = 0
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.base_url, timeout=TIMEOUT, follow_redirects=True, transport=self.transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def arrive(self) -> None:
        """Look at the landing page."""
        self._send("GET", f"/w/{self.secret}/")

    def open_page(self) -> Page | Notice:
        """Press "start": the page of work, the test that comes before it, or why there is neither."""
        response = self._send("POST", f"/w/{self.secret}/start/")
        if response.headers.get("X-Step") == "agree":
            response = self._agree(response)
        if response.headers.get("X-Step") == "test":
            response = self._send("POST", f"/w/{self.secret}/test/begin/")
        elif response.headers.get("X-Step") == "work":
            response = self._send("POST", f"/w/{self.secret}/start/")
        if notice := response.headers.get("X-Notice"):
            return Notice(notice)
        return self._read(response)

    def _agree(self, landing: httpx.Response) -> httpx.Response:
        """Tick the box under the text that the landing page shows; the instructions follow."""
        version = VERSION.search(landing.text)
        if version is None:
            raise UnexpectedPage(f"{landing.url} asks for consent to no text.")
        return self._send("POST", f"/w/{self.secret}/agree/", data={"agree": "on", "version": version[1]})

    def look_at(self, entry: Entry) -> None:
        """Load the crop."""
        self._send("GET", entry.crop)

    def answer(self, page: Page, entry: Entry, *, says: str, elapsed_ms: int) -> Reply:
        """Send an answer."""
        return self._post(page, entry, "answer", {"says": says, "elapsed_ms": elapsed_ms})

    def undo(self, page: Page, entry: Entry) -> Reply:
        """Take an answer back."""
        return self._post(page, entry, "undo", {})

    def _post(self, page: Page, entry: Entry, verb: str, body: dict[str, Any]) -> Reply:
        response = self._send(
            "POST",
            f"{page.api}{entry.key}/{verb}",
            json=body,
            headers={"Authorization": f"Worker {page.token}"},
        )
        told = response.json()
        if response.is_success:
            return Reply(told["remaining"], told["late"])
        return Reply(-1, late=False, problem=told["type"])

    def _read(self, response: httpx.Response) -> Page:
        found = HIT.search(response.text)
        if found is None:
            raise UnexpectedPage(f"{response.url} answered {response.status_code} without a HIT.")
        hit = json.loads(unescape(found[1]))
        items = [Entry(UUID(item["key"]), item["crop"], item["answer"]) for item in hit["items"]]
        return Page(hit["token"], hit["api"], items)

    def _send(self, method: str, url: str, **content: Any) -> httpx.Response:
        """Send until the site answers. All requests may be repeated: the site makes sure of that.

        Raises
        ------
        SiteGone
        """
        waited, wait = 0.0, FIRST_WAIT
        while True:
            response = self._try(method, url, **content)
            if response is not None:
                return response
            if waited > PATIENCE:
                raise SiteGone(f"{self.base_url} did not answer for {PATIENCE:.0f} seconds.")
            self.retries += 1
            self.sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)

    def _try(self, method: str, url: str, **content: Any) -> httpx.Response | None:
        """The response; None where the site was away, broken or busy for now."""
        try:
            response = self._client.request(method, url, **content)
        except httpx.TransportError:
            return None
        busy = response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error
        return None if busy else response

"""Requests that are repeated until they are answered, without anything being done twice."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from maskgrove_client.errors import KINDS, ApiError, Unreachable

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""
STILL_UNDER_WAY = "still-under-way"


class Connection:
    """One site, one token.

    Parameters
    ----------
    retries : attempts after the first, while the site is away, busy, or says to wait
    transport : of httpx, for tests and proxies
    sleep : waits for so many seconds
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._retries, self._sleep = retries, sleep
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {token}", "User-Agent": "maskgrove-client"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """What is there, as JSON has it; a query of None is left out."""
        return self._asked("GET", path, params=_given(query)).json()

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every result of a list, page after page."""
        address: str | None = path
        params: Mapping[str, Any] | None = _given(query)
        while address is not None:
            page = self._asked("GET", address, params=params).json()
            yield from page["results"]
            address, params = page["next"], None

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change something. An attempt that got no answer is repeated and changes nothing more."""
        answer = self._asked(method, path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        return answer.json() if answer.content else None

    def send_files(
        self, path: str, files: Mapping[str, tuple[str, BinaryIO]], said: Mapping[str, str]
    ) -> Any:
        """Send files, by name and what they are called, with what is said of them; done once, as `send`."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._asked("POST", path, files=files, data=said, headers=headers).json()

    def put(self, path: str, content: bytes, **query: Any) -> Any:
        """Leave bytes at an address; repeated, they change nothing more."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._asked("PUT", path, params=_given(query), content=content, headers=headers).json()

    def download(self, path: str, target: Path, *, sha256: str = "") -> Path:
        """Stream a file to a disk; what is there is replaced once all of it has come.

        Raises
        ------
        OSError
            When what came has another SHA-256.
        """
        unfinished = target.with_name(f".{target.name}.part")
        digest = hashlib.sha256()
        with self._http.stream("GET", path) as answer, unfinished.open("wb") as file:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            for block in answer.iter_bytes():
                digest.update(block)
                file.write(block)
        if sha256 and digest.hexdigest() != sha256:
            raise OSError(f"What came of {path} is not what the site has: download it again.")
        return unfinished.replace(target)

    def _asked(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to a request, which may be repeated."""
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if is_last:
                    raise Unreachable(f"{self._http.base_url} does not answer: {error!r}") from error
                self._sleep(2.0**attempt)
                continue
            if answer.is_success:
                return answer
            if is_last or not _is_worth_repeating(answer):
                raise _error(answer)
            self._sleep(_pause(answer, attempt))
        raise AssertionError("the last attempt returns or raises")


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _is_worth_repeating(answer: httpx.Response) -> bool:
    return answer.status_code in AGAIN or _problem(answer).get("type") == STILL_UNDER_WAY


def _pause(answer: httpx.Response, attempt: int) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(float(said) if said.isdecimal() else 2.0**attempt, LONGEST_WAIT)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _error(answer: httpx.Response) -> ApiError:
    return KINDS.get(answer.status_code, ApiError)(answer.status_code, _problem(answer))

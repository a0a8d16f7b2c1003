"""The Python client on lines that are slow, busy or break."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from maskgrove_client import Conflict, TooManyRequests, Unreachable
from maskgrove_client.connection import Connection
from maskgrove_client.project import ProjectClient


def answering(*answers: httpx.Response, retries: int = 4) -> tuple[Connection, list[float], list[Any]]:
    """A connection to these answers, how long it slept, and what it asked."""
    waiting, slept, asked = list(answers), list[float](), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return waiting.pop(0)

    return connected(handle, slept, retries=retries), slept, asked


def connected(handle: Any, slept: list[float], *, retries: int) -> Connection:
    transport = httpx.MockTransport(handle)
    return Connection("http://site", "mg_x", transport=transport, sleep=slept.append, retries=retries)


def test_it_waits_as_long_as_it_is_told():
    busy = httpx.Response(429, headers={"Retry-After": "7"}, json={"type": "throttled", "detail": "Slower."})
    connection, slept, _ = answering(busy, httpx.Response(503), httpx.Response(200, json={"a": 1}))
    assert connection.get("me") == {"a": 1}
    assert slept == [7.0, 2.0]


def test_it_gives_up_at_last():
    busy = httpx.Response(429, json={"type": "throttled", "detail": "Slower."})
    connection, slept, _ = answering(*[busy] * 3, retries=2)
    with pytest.raises(TooManyRequests, match="Slower"):
        connection.get("me")
    assert len(slept) == 2

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    silent = Connection(
        "http://site", "x", transport=httpx.MockTransport(away), sleep=slept.append, retries=1
    )
    with pytest.raises(Unreachable, match="does not answer"):
        silent.get("me")


def test_attempts_of_a_write_carry_one_key_and_writes_different_ones():
    busy = httpx.Response(409, json={"type": "still-under-way", "detail": "Wait."})
    done = httpx.Response(200, json={})
    connection, _, asked = answering(busy, done, done)
    connection.send("POST", "projects", {})
    connection.send("POST", "projects", {})
    keys = [request.headers["Idempotency-Key"] for request in asked]
    assert keys[0] == keys[1] != keys[2]


def test_an_outlook_is_waited_for():
    looking, slept = {"done": 1, "of": 2, "outlook": None}, list[float]()
    through = {"done": 2, "of": 2, "outlook": [{"k_pa": 0.0}]}
    connection, _, asked = answering(*(httpx.Response(200, json=one) for one in (looking, through)))
    found = ProjectClient(connection, "doors").outlook(round=2, sleep=slept.append)
    assert (found, slept) == (through, [0.2])
    assert [str(request.url) for request in asked] == [
        "http://site/api/v1/projects/doors/threshold/outlook?round=2"
    ] * 2


def test_what_will_not_change_is_not_asked_again():
    connection, slept, _ = answering(httpx.Response(409, json={"type": "last-owner", "detail": "Stay."}))
    with pytest.raises(Conflict, match="Stay"):
        connection.send("DELETE", "projects/a/people/1")
    assert slept == []

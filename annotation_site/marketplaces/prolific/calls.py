"""Requests to Prolific's API, from settings, with its refusals in the seam's words."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings

from annotation_site.marketplaces.seam import NotConfigured, Refused, Unavailable

PAGE = 100
TIMEOUT = httpx.Timeout(20, connect=5)


def call(method: str, path: str, **options: Any) -> dict[str, Any]:
    """Send one request; its JSON, empty where there is none.

    Raises
    ------
    Unavailable
        When it does not answer, has too much to do or is broken.
    Refused
        When it says no.
    NotConfigured
        When PROLIFIC_TOKEN is missing or wrong.
    """
    if not settings.PROLIFIC_TOKEN:
        raise NotConfigured("Set PROLIFIC_TOKEN to a token of your workspace.")
    headers = {"Authorization": f"Token {settings.PROLIFIC_TOKEN}"}
    url = f"{settings.PROLIFIC_URL.rstrip('/')}/{path}"
    try:
        answer = httpx.request(method, url, headers=headers, timeout=TIMEOUT, **options)
    except httpx.HTTPError as error:
        raise Unavailable(f"Prolific cannot be reached: {error}") from error
    return _read(answer)


def submission(known: str) -> dict[str, Any]:
    """A submission by its id, which may come from an address that anybody wrote. Raises as `call`.

    Raises
    ------
    Refused
        Also when Prolific answers with anything else than the submission of that id.
    """
    found = call("GET", f"{submission_path(known)}/")
    if str(found.get("id")) != known:
        raise Refused(f"Prolific does not know submission {known}.")
    return found


def submission_path(known: str) -> str:
    """Where a submission is, whatever stands in its id.

    Raises
    ------
    Refused
        When the id is dots alone, which lead elsewhere however they are written.
    """
    if not known.strip("."):
        raise Refused(f"Prolific knows no submission {known}.")
    return f"submissions/{quote(known, safe='')}"


def pages(path: str) -> Iterator[dict[str, Any]]:
    """Everything that a list has, one request for every hundred. Raises as `call`."""
    offset = 0
    while True:
        found = call("GET", path, params={"limit": PAGE, "offset": offset}).get("results", [])
        yield from found
        if len(found) < PAGE:
            return
        offset += PAGE


def _read(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise NotConfigured("Prolific does not know PROLIFIC_TOKEN.")
    told = _json(answer)
    if answer.status_code >= 500 or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable(f"Prolific answers {answer.status_code}.")
    if answer.is_error:
        error = told.get("error", told)
        detail = error.get("detail", error) if isinstance(error, dict) else error
        raise Refused(f"Prolific says: {detail}")
    return told


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {"results": told}

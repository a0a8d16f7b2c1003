"""Pages that say why there is nothing to do here now, and what to do instead."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation_site.people.models import Membership

STATUS = {
    "unknown-link": HTTPStatus.NOT_FOUND,
    "unknown-join-link": HTTPStatus.NOT_FOUND,
    "stopped": HTTPStatus.FORBIDDEN,
    "paused": HTTPStatus.OK,
    "nothing-yet": HTTPStatus.OK,
    "nothing-left": HTTPStatus.OK,
    "budget-spent": HTTPStatus.OK,
}


def notice(request: HttpRequest, kind: str, membership: Membership | None = None) -> HttpResponse:
    """The page of one kind of notice; programs read the kind from the header X-Notice."""
    context = {"kind": kind, "membership": membership}
    page = render(request, "pages/notice.html", context, status=STATUS[kind])
    page.headers["X-Notice"] = kind
    return page

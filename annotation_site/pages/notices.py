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
    "not-passed": HTTPStatus.FORBIDDEN,
    "paused": HTTPStatus.OK,
    "ended": HTTPStatus.OK,
    "not-held": HTTPStatus.CONFLICT,
    "nothing-yet": HTTPStatus.OK,
    "wait": HTTPStatus.OK,
    "nothing-left": HTTPStatus.OK,
    "budget-spent": HTTPStatus.OK,
    "visit-over": HTTPStatus.OK,
    "handed-in": HTTPStatus.OK,
}


def notice(
    request: HttpRequest, kind: str, membership: Membership | None = None, **told: object
) -> HttpResponse:
    """The page of one kind of notice; programs read the kind from the header X-Notice.

    Parameters
    ----------
    told : what else its text says
    """
    visit = getattr(request, "visit", None)
    way_out = visit.way_out(kind) if visit else None
    context = {"kind": kind, "membership": membership, "way_out": way_out, **told}
    page = render(request, "pages/notice.html", context, status=STATUS[kind])
    page.headers["X-Notice"] = kind
    return page

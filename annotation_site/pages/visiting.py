"""Workers who come from a marketplace: the address that it opens, and what its frame allows of our pages."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation_site.limits import limited
from annotation_site.marketplaces import visits
from annotation_site.marketplaces.models import Listing
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.marketplaces.seam import NotAnArrival
from annotation_site.marketplaces.visits import Visit
from annotation_site.pages.figures import Figure
from annotation_site.pages.notices import notice
from annotation_site.people import members
from annotation_site.people.models import Membership
from annotation_site.people.qualification.lessons import gallery
from annotation_site.security import policy


def caller(address: str) -> tuple[Membership, Visit | None]:
    """Who opens a page: by the secret of a personal link, or by the token of a visit.

    Raises
    ------
    UnknownLink
    """
    if not visits.is_visit(address):
        return members.member_of(address), None
    visit = visits.visit_of(address)
    return visit.membership, visit


@never_cache
@require_safe
@limited("arrive", methods=("GET",))
def arrive(request: HttpRequest, provider: str, key: UUID) -> HttpResponseBase:
    """The address that a marketplace opens: a preview shows examples, else a visit begins. Opens no HIT."""
    listing = get_object_or_404(Listing.objects.select_related("project"), provider=provider, key=key)
    return within(listing, _arrive(request, listing))


def _arrive(request: HttpRequest, listing: Listing) -> HttpResponse:
    try:
        arrival = visits.read_arrival(listing, request.GET)
        if arrival.is_preview:
            return _preview(request, listing)
        if listing.project.is_archived and not visits.is_held(listing, arrival):
            return notice(request, "ended")
        visit = visits.arrive(listing=listing, arrival=arrival, at=timezone.now())
    except NotAnArrival as error:
        context = {"kind": "not-an-arrival", "reason": str(error)}
        return render(request, "pages/notice.html", context, status=HTTPStatus.BAD_REQUEST)
    return redirect("pages:landing", visit.token)


def _preview(request: HttpRequest, listing: Listing) -> HttpResponse:
    examples = [Figure.of_example(lesson) for lesson in gallery(listing.project, most=4)]
    context = {"listing": listing, "project": listing.project, "examples": examples}
    return render(request, "pages/preview.html", context)


def over(request: HttpRequest) -> HttpResponse | None:
    """The last page of a visit whose place has nothing left to do; None while it has, and without a visit."""
    visit: Visit | None = getattr(request, "visit", None)
    if visit is None or not visit.is_over:
        return None
    return notice(request, "handed-in" if visit.is_handed_in else "visit-over", visit.membership)


def within(listing: Listing, response: HttpResponse) -> HttpResponse:
    """Allow the marketplace's own pages, and nobody else's, to frame a page and to take its form."""
    market = marketplace_of(listing)
    origins = market.origins(listing)
    allowed = {"form-action": ["'self'", *origins]}
    if market.framed:
        allowed["frame-ancestors"] = origins
        response.xframe_options_exempt = True  # It can name no other site.
    response.headers["Content-Security-Policy"] = policy({**settings.SECURE_CSP, **allowed})
    return response

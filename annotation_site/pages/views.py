"""Pages of workers, addressed by the secret of their personal link: no account and no session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation_site.budget.ledger import BudgetSpent
from annotation_site.catalog.models import Project
from annotation_site.limits import limited
from annotation_site.marketplaces import visits
from annotation_site.marketplaces.visits import Visit
from annotation_site.pages import visiting, work
from annotation_site.pages.briefing import Briefing
from annotation_site.pages.figures import Figure
from annotation_site.pages.notices import notice
from annotation_site.pages.texts import refusal_texts, verify_texts
from annotation_site.pages.way import Step, Terms, Way, stepping
from annotation_site.people import members
from annotation_site.people.models import Membership, Standing
from annotation_site.people.qualification import consent
from annotation_site.people.qualification.lessons import gallery
from annotation_site.people.qualification.policy import NotQualified
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import claiming, leaving

MemberView = Callable[..., HttpResponse]

KNOWN_BY = "member"
"""Cookie with the secret of the membership that this browser last got from a join link."""


def for_members(view: MemberView) -> Callable[..., HttpResponse]:
    """Hand the view the membership of the link's secret, or say why there is nothing for its owner to do."""

    @never_cache
    @wraps(view)
    def found(request: HttpRequest, secret: str, **rest: Any) -> HttpResponse:
        try:
            membership, visit = visiting.caller(secret)
        except members.UnknownLink:
            return notice(request, "unknown-link")
        request.visit = visit  # type: ignore[attr-defined]
        response = _let_in(view, request, membership, **rest)
        return response if visit is None else visiting.within(visit.submission.listing, response)

    return found


def _let_in(view: MemberView, request: HttpRequest, membership: Membership, **rest: Any) -> HttpResponse:
    if membership.standing == Standing.STOPPED:
        return notice(request, "stopped", membership)
    if membership.project.is_archived and not _may_end(request, membership):
        return visiting.over(request) or notice(request, "ended", membership)
    return view(request, membership, **rest)


def _may_end(request: HttpRequest, membership: Membership) -> bool:
    """Whether somebody is at a page of work, or at a test that a marketplace pays: they may end it."""
    if work.open_assignment(membership, at=timezone.now()) is not None:
        return True
    visit = request.visit  # type: ignore[attr-defined]
    return visit is not None and visit.is_test and not visit.is_over


@require_safe
@for_members
def landing(request: HttpRequest, membership: Membership) -> HttpResponse:
    """What the task is, and the way in; a page of work that was begun can be ended in a pause too."""
    if (ended := visiting.over(request)) is not None:
        return ended
    briefing = _briefing(request, membership)
    if membership.project.state != Project.State.OPEN and briefing.left is None:
        return notice(request, "paused", membership)
    return _landing(request, membership, briefing)


def _briefing(request: HttpRequest, membership: Membership) -> Briefing:
    visit: Visit | None = request.visit  # type: ignore[attr-defined]
    return Briefing.of(membership, promised=None if visit is None else visit.promised)


def _landing(
    request: HttpRequest, membership: Membership, briefing: Briefing, *, error: bool = False
) -> HttpResponse:
    way = Way.of(membership)
    if way.step == Step.NOT_PASSED and briefing.left is None:
        return notice(request, "not-passed", membership)
    examples = [Figure.of_example(lesson) for lesson in gallery(membership.project, most=4)]
    context = {"briefing": briefing, "way": way, "examples": examples, "not_agreed": error}
    context["texts"] = refusal_texts()
    status = HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK
    return stepping(render(request, "pages/landing.html", context, status=status), way)


@csrf_exempt  # Who can address this view has the secret; a cookie would prove less.
@require_POST
@for_members
def agree(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Note that the worker agrees to the text in force; the instructions come next."""
    terms = Terms.of(membership.project)
    if request.POST.get("agree") != "on" or request.POST.get("version") != terms.version:
        return _landing(request, membership, _briefing(request, membership), error=True)
    consent.agree(
        membership=membership,
        version=terms.version,
        text=terms.text,
        language=get_language() or "en",
        at=timezone.now(),
    )
    return redirect("pages:instructions", membership.address)


@csrf_exempt  # Who can address this view has the secret; a cookie would prove less.
@require_POST
@for_members
def start(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Open a page of work, or the one that is open already."""
    if (ended := visiting.over(request)) is not None:
        return ended
    if not consent.has_agreed(membership, version=Terms.of(membership.project).version):
        return redirect("pages:landing", membership.address)
    visit: Visit | None = request.visit  # type: ignore[attr-defined]
    try:
        if visit is not None:
            visits.open_page(visit=visit, at=timezone.now())
        else:
            claiming.claim_hit(membership=membership, at=timezone.now())
    except visits.NotHeld:
        return notice(request, "not-held", membership)
    except members.UnknownLink:  # Its page was done meanwhile: what this request knows of the place is old.
        return redirect("pages:landing", membership.address)
    except claiming.NothingToAsk as nothing:
        return notice(request, "nothing-yet" if nothing.later else "nothing-left", membership)
    except leaving.MustWait as left:
        return notice(request, "wait", membership, pages=left.left, minutes=left.minutes, hours=left.hours)
    except BudgetSpent:
        return notice(request, "budget-spent", membership)
    except claiming.CampaignPaused:
        return notice(request, "paused", membership)
    except NotQualified as untested:
        if untested.left == 0:
            return notice(request, "not-passed", membership)
        return redirect("pages:instructions", membership.address)
    except WorkerStopped:
        return notice(request, "stopped", membership)
    return redirect("pages:verify", membership.address)


@require_safe
@for_members
def verify(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The page of work that is open."""
    assignment = work.open_assignment(membership, at=timezone.now())
    if assignment is None:
        return redirect("pages:landing", membership.address)
    hit = work.page_of(assignment, membership)
    shown = {card["category"] for card in hit["items"]}
    context = {
        "membership": membership,
        "hit": hit,
        "texts": verify_texts(),
        "guides": membership.project.categories.filter(name__in=shown).exclude(guide=""),
    }
    return render(request, "pages/verify.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("join")
def join(request: HttpRequest, code: str) -> HttpResponseBase:
    """Become a worker of a project; a browser that did so before is recognised."""
    try:
        link = members.join_link(code)
    except members.UnknownLink:
        return notice(request, "unknown-join-link")
    known = Membership.objects.filter(project=link.project, secret=request.COOKIES.get(KNOWN_BY, "")).first()
    if known is not None:
        return redirect("pages:landing", known.secret)
    if link.project.is_archived:
        return notice(request, "ended")
    if request.method != "POST":
        return render(request, "pages/join.html", {"project": link.project})
    member = members.join_by_code(code=code, name=_printable(request.POST.get("name", ""))[:120])
    return _remembering(request, member, redirect("pages:landing", member.secret))


def _printable(name: str) -> str:
    """A name without control characters, some of which the database refuses."""
    return "".join(letter for letter in name if letter.isprintable()).strip()


def _remembering(request: HttpRequest, member: Membership, response: HttpResponse) -> HttpResponse:
    response.set_cookie(
        KNOWN_BY,
        member.secret,
        max_age=timedelta(days=180),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response

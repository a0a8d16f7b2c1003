"""The launch page: where a project finds its workers, what that costs, and how it goes there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.budget.caps import BudgetError
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.listing_form import ListingForm, form_for
from annotation_site.dashboards.overview import forecast
from annotation_site.marketplaces import by_hand, listings, paying, reconciling
from annotation_site.marketplaces.models import Action, Environment, Listing, Submission
from annotation_site.marketplaces.progress import progress_of
from annotation_site.marketplaces.providers import PROVIDERS, marketplace, marketplace_of
from annotation_site.marketplaces.seam import Marketplace

SHOWN = 50
"""Submissions and failed actions of a page."""
MOST_UNEXPLAINED = 100
"""Submissions that wait for a person, on a page."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One marketplace in one environment, as the page lists it."""

    provider: str
    environment: str
    market: Marketplace
    listing: Listing | None
    is_chosen: bool


@viewers
@require_GET
def launch(request: HttpRequest, project: Project) -> HttpResponse:
    """The marketplaces, and the listing on the one that is chosen."""
    provider, environment = _chosen(request.GET.get("on", ""))
    return _page(request, project, provider, environment)


@admins
@require_POST
def draft(request: HttpRequest, project: Project, provider: str, environment: str) -> HttpResponse:
    """Keep the terms of a listing; the page tells what they cost."""
    _check(provider, environment)
    there = _listing(project, provider, environment)
    form = form_for(provider)(request.POST, project=project, instance=there)
    if form.is_valid():
        try:
            listings.draft_listing(
                project=project,
                provider=provider,
                environment=environment,
                at=timezone.now(),
                terms=form.terms(),
            )
        except listings.ListingRefused as error:
            messages.error(request, str(error))
        return _back(project, provider, environment)
    return _page(request, project, provider, environment, form=form)


@admins
@require_POST
def change_listing(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Publish a listing, or end it."""
    listing = get_object_or_404(Listing, pk=pk, project=project)
    try:
        if request.POST.get("do") == "publish":
            listings.publish(listing=listing, at=timezone.now())
        elif request.POST.get("do") == "end":
            listings.end(listing=listing, at=timezone.now())
    except (listings.ListingRefused, BudgetError) as error:
        messages.error(request, str(error))
    enqueue.send("maskgrove.deliver_actions")
    return _back(project, listing.provider, listing.environment)


@admins
@require_POST
def retry_action(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Tell the marketplace again what it refused."""
    action = get_object_or_404(Action.objects.select_related("listing"), pk=pk, listing__project=project)
    try:
        by_hand.try_again(action=action, at=timezone.now())
    except (BudgetError, by_hand.SubmissionRefused) as error:
        messages.error(request, str(error))
    enqueue.send("maskgrove.deliver_actions")
    return _back(project, action.listing.provider, action.listing.environment)


@admins
@require_POST
def change_submission(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Approve a submission by hand, reject it, ask for its return, or pay a bonus for it."""
    joined = Submission.objects.select_related("listing__project", "worker", "posting", "assignment")
    submission = get_object_or_404(joined, pk=pk, listing__project=project)
    verb = VERBS.get(request.POST.get("do", ""))
    if verb is not None:
        try:
            verb(request, submission, timezone.now())
        except (BudgetError, paying.BonusRefused, by_hand.SubmissionRefused) as error:
            messages.error(request, str(error))
        enqueue.send("maskgrove.deliver_actions")
    return _back(project, submission.listing.provider, submission.listing.environment)


def _approve(_request: HttpRequest, submission: Submission, at: datetime) -> None:
    by_hand.approve_by_hand(submission=submission, at=at)


def _release(_request: HttpRequest, submission: Submission, at: datetime) -> None:
    by_hand.ask_to_return(submission=submission, at=at)


def _reject(request: HttpRequest, submission: Submission, at: datetime) -> None:
    by_hand.reject_by_hand(submission=submission, reason=request.POST.get("reason", "")[:1000], at=at)


def _bonus(request: HttpRequest, submission: Submission, at: datetime) -> None:
    money = _money(request.POST.get("money", ""))
    told = {"reason": request.POST.get("reason", "")[:500], "reference": request.POST.get("once", "")[:40]}
    paying.give_bonus(submission=submission, money=money, at=at, **told)
    messages.success(request, _("The bonus is in the ledger, and on its way."))


def _money(text: str) -> Decimal:
    try:
        money = Decimal(text)
    except InvalidOperation as error:
        raise paying.BonusRefused(_("Say how much the bonus is, as 0.50.")) from error
    if not money.is_finite():
        raise paying.BonusRefused(_("Say how much the bonus is, as 0.50."))
    return money


VERBS: dict[str, Callable[[HttpRequest, Submission, datetime], None]] = {
    "approve": _approve,
    "reject": _reject,
    "release": _release,
    "bonus": _bonus,
}
"""What an admin may do about a submission."""


def _page(
    request: HttpRequest,
    project: Project,
    provider: str,
    environment: str,
    *,
    form: ListingForm | None = None,
) -> HttpResponse:
    listing = _listing(project, provider, environment)
    context: dict[str, Any] = {
        "project": project,
        "section": "launch",
        "tabs": _tabs(project, provider, environment),
        "provider": provider,
        "environment": environment,
        "market": marketplace(provider, environment),
        "listing": listing,
        **forecast(project),
        "form": form or form_for(provider)(project=project, instance=listing),
    }
    if listing is not None:
        context |= {"estimate": listings.estimate(listing), "obstacles": listings.obstacles(listing)}
    running = listing if listing and listing.state == Listing.State.PUBLISHED else None
    shown = running or _ended(project, provider, environment)
    if shown is not None:
        context |= {"shown": shown, **_progress(shown)}
    status = 200 if form is None else 400
    return render(request, "dashboards/launch.html", context, status=status)


def _progress(listing: Listing) -> dict[str, Any]:
    """How a published listing goes: counts, and bounded lists."""
    submissions = listing.submissions.select_related("worker", "posting", "assignment").order_by("-pk")
    unexplained = reconciling.unexplained(listing).select_related("worker").order_by("pk")
    progress = progress_of(listing)
    return {
        "progress": progress,
        "failed": listing.actions.filter(failed_at__isnull=False).order_by("-pk")[:SHOWN],
        "counts": [(Submission.State(state).label, number) for state, number in progress.submissions.items()],
        "least_reason": marketplace_of(listing).least_reason,
        "unexplained": unexplained[:MOST_UNEXPLAINED],
        "submissions": submissions[:SHOWN],
    }


def _tabs(project: Project, provider: str, environment: str) -> list[Tab]:
    there = {
        (listing.provider, listing.environment): listing
        for listing in project.listings.exclude(state=Listing.State.ENDED)
    }
    places = [
        (name, environment.value) for name in PROVIDERS if name != "in-house" for environment in Environment
    ]
    return [
        Tab(*place, marketplace(*place), there.get(place), place == (provider, environment))
        for place in places
    ]


def _chosen(on: str) -> tuple[str, str]:
    provider, _, environment = on.partition("-")
    if provider not in PROVIDERS or environment not in Environment.values:
        return "prolific", Environment.SANDBOX.value
    return provider, environment


def _check(provider: str, environment: str) -> None:
    if provider not in PROVIDERS or environment not in Environment.values:
        raise Http404


def _listing(project: Project, provider: str, environment: str) -> Listing | None:
    """The one that is drafted or published."""
    there = project.listings.filter(provider=provider, environment=environment)
    return there.exclude(state=Listing.State.ENDED).first()


def _ended(project: Project, provider: str, environment: str) -> Listing | None:
    """The last that ended: people hand in, and are paid, after that."""
    there = project.listings.filter(provider=provider, environment=environment)
    return there.filter(state=Listing.State.ENDED).order_by("-pk").first()


def _back(project: Project, provider: str, environment: str) -> HttpResponse:
    return redirect(f"{reverse('dashboards:launch', args=[project.slug])}?on={provider}-{environment}")

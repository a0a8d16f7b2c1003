"""What an admin does about a worker: stop, let work again, note, pay, write."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation_site import enqueue
from annotation_site.budget.caps import BudgetError
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.workers.views import member_of
from annotation_site.marketplaces.accounts import PaymentRefused, give_member_bonus, note_payment
from annotation_site.marketplaces.messaging import LONGEST, CannotWrite, write_to
from annotation_site.marketplaces.paying import BonusRefused
from annotation_site.people.models import Membership, Standing
from annotation_site.verification import trust
from annotation_site.verification.models import Judgment
from annotation_site.verification.withdrawing import Resting, resting_on

ALL, SINCE, NONE = "all", "since", "none"


class Reason(forms.Form):
    """Why something is done; kept with it."""

    reason = forms.CharField(max_length=500)


class Reinstating(Reason):
    """With `restore`, what the stop took away counts again."""

    restore = forms.BooleanField(required=False)


class Scope(forms.Form):
    """Which answers of a worker who is stopped do not count any more."""

    counts = forms.ChoiceField(
        choices=[
            (ALL, gettext_lazy("None of their answers counts any more")),
            (SINCE, gettext_lazy("Answers from a time on do not count any more")),
            (NONE, gettext_lazy("All of their answers go on counting")),
        ],
        widget=forms.RadioSelect,
        initial=ALL,
    )
    since = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("counts") == SINCE and not cleaned.get("since") and "since" not in self.errors:
            self.add_error("since", _("Say from when on."))
        return cleaned

    @property
    def moment(self) -> datetime | None:
        """From when on they stop counting; None is from the first."""
        since: datetime | None = self.cleaned_data["since"]
        return since if self.cleaned_data["counts"] == SINCE else None

    @property
    def retracts(self) -> bool:
        return bool(self.cleaned_data["counts"] != NONE)


class Paying(forms.Form):
    """Money, once a form."""

    money = forms.DecimalField(min_value=Decimal("0.01"), max_digits=10, decimal_places=2)
    reason = forms.CharField(max_length=200, required=False)
    once = forms.UUIDField()


class Writing(forms.Form):
    """A message, once a form."""

    text = forms.CharField(max_length=LONGEST)
    once = forms.UUIDField()


@admins
@require_http_methods(["GET", "POST"])
@never_cache
def stop(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What would be lost with a worker's answers, and then the stop itself.

    Counting what rests on them takes seconds on a large project: the page comes first, and asks for that.
    """
    member = member_of(project, pk)
    scope = Scope(request.POST if request.method == "POST" else (request.GET or {"counts": ALL}))
    reason = Reason(request.POST if request.method == "POST" else None)
    if request.method == "POST" and scope.is_valid() and reason.is_valid():
        return _stop(request, member, scope, reason.cleaned_data["reason"])
    asked = bool(request.GET or request.POST)
    resting = _resting(member, scope) if asked and scope.is_valid() else None
    counting = Judgment.objects.counting().filter(worker=member.worker_id, question__project=project)
    context = {
        "project": project, "section": "workers", "member": member, "scope": scope, "reason": reason,
        "resting": resting, "counting": counting.filter(of_gold=False).count(),
    }  # fmt: skip
    status = 400 if request.method == "POST" else 200
    return render(request, "dashboards/workers/stop.html", context, status=status)


def _resting(member: Membership, scope: Scope) -> Resting:
    return resting_on(membership=member, since=scope.moment) if scope.retracts else Resting()


def _stop(request: HttpRequest, member: Membership, scope: Scope, reason: str) -> HttpResponse:
    lost = trust.stop_worker(
        membership=member,
        reason=reason,
        by=_name(request),
        at=timezone.now(),
        retract=scope.retracts,
        since=scope.moment,
    )
    told = _("%(name)s is stopped; %(judgments)s answers stopped counting, %(decisions)s decisions fell.")
    numbers = {"name": member.worker, "judgments": lost.judgments, "decisions": lost.withdrawn}
    messages.success(request, told % numbers)
    return _back(member)


@admins
@require_POST
def reinstate(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Let a stopped worker answer again; with one click where the stop is doubtful."""
    member = member_of(project, pk)
    form = Reinstating(request.POST)
    if member.standing != Standing.STOPPED:
        messages.error(request, _("%(name)s is not stopped.") % {"name": member.worker})
    elif not form.is_valid():
        messages.error(request, _("Say why: it is kept with the change."))
    else:
        trust.reinstate_worker(membership=member, by=_name(request), at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("%(name)s may answer again.") % {"name": member.worker})
    return _back(member)


@admins
@require_POST
def note(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Note something of a worker."""
    member, form = member_of(project, pk), Reason(request.POST)
    if form.is_valid():
        text = form.cleaned_data["reason"]
        trust.note_worker(membership=member, text=text, at=timezone.now(), by=_name(request))
    else:
        messages.error(request, _("A note says something, in at most 500 characters."))
    return _back(member)


@admins
@require_POST
def bonus(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Give a worker more: into the ledger, and on from there to the marketplace."""
    member, form = member_of(project, pk), Paying(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say how much the bonus is, as 0.50."))
        return _back(member)
    try:
        give_member_bonus(membership=member, by=_name(request), at=timezone.now(), **form.cleaned_data)
    except (BudgetError, BonusRefused) as error:
        messages.error(request, str(error))
    else:
        enqueue.send("maskgrove.deliver_actions")
        messages.success(request, _("The bonus is in the ledger."))
    return _back(member)


@admins
@require_POST
def paid(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Note that somebody of one's own was paid."""
    member, form = member_of(project, pk), Paying(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say how much was paid, as 12.50."))
        return _back(member)
    said = form.cleaned_data
    try:
        note_payment(
            membership=member,
            money=said["money"],
            note=said["reason"],
            once=said["once"],
            by=_name(request),
            at=timezone.now(),
        )
    except PaymentRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The payment is noted."))
    return _back(member)


@admins
@require_POST
def write(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Send a worker a message."""
    member, form = member_of(project, pk), Writing(request.POST)
    if not form.is_valid():
        messages.error(request, _("A message says something, in at most 4,000 characters."))
        return _back(member)
    try:
        message = write_to(membership=member, by=_name(request), at=timezone.now(), **form.cleaned_data)
    except CannotWrite as error:
        messages.error(request, str(error))
    else:
        if message.action_id:
            enqueue.send("maskgrove.deliver_actions")
        messages.success(request, _("The message is on its way."))
    return _back(member)


def _name(request: HttpRequest) -> str:
    return str(request.user.get_username())


def _back(member: Membership) -> HttpResponse:
    return redirect("dashboards:worker", slug=member.project.slug, pk=member.pk)

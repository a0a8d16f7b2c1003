"""Pages on who runs a project, and the page that an invitation leads to."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation_site.access import granting
from annotation_site.access.models import Access, Invitation
from annotation_site.access.signing_up import SESSION_KEY
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import owners, viewers


class InvitationForm(forms.Form):
    """Whom to invite, as what."""

    email = forms.EmailField()
    access = forms.ChoiceField(choices=Access.choices)


@viewers
@require_GET
def people(request: HttpRequest, project: Project) -> HttpResponse:
    """Who has access; to owners, also the invitations that wait, with their links."""
    invitations = list(granting.open_invitations(project, at=timezone.now()))
    for waiting in invitations:
        waiting.link = request.build_absolute_uri(reverse("dashboards:invitation", args=[waiting.secret]))  # type: ignore[attr-defined]
    context = {
        "project": project,
        "section": "people",
        "grants": project.grants.select_related("user").order_by("user__username"),
        "invitations": invitations,
        "choices": Access.choices,
    }
    return render(request, "dashboards/people.html", context)


@owners
@require_POST
def change_access(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Give a person of the project another access, or none."""
    user = get_object_or_404(User, pk=pk, grants__project=project)
    access = request.POST.get("access", "")
    try:
        if not access:
            granting.revoke(project=project, user=user)
        elif access in Access.values:
            granting.grant(project=project, user=user, access=Access(access))
    except granting.LastOwner as error:
        messages.error(request, str(error))
    return redirect("dashboards:people", slug=project.slug)


@owners
@require_POST
def invite(request: HttpRequest, project: Project) -> HttpResponse:
    """Make an invitation; its link is shown to owners, to be sent by whatever way."""
    form = InvitationForm(request.POST)
    if form.is_valid():
        access = Access(form.cleaned_data["access"])
        granting.invite(project=project, email=form.cleaned_data["email"], access=access, at=timezone.now())
        messages.success(request, _("Send them the link: it is good for one person, for two weeks."))
    else:
        messages.error(request, _("That is no email address."))
    return redirect("dashboards:people", slug=project.slug)


@owners
@require_POST
def uninvite(_request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Take an invitation back."""
    found = get_object_or_404(Invitation, pk=pk, project=project)
    granting.revoke_invitation(invitation=found, at=timezone.now())
    return redirect("dashboards:people", slug=project.slug)


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What an invitation leads to: sign in or make an account, then accept."""
    at = timezone.now()
    try:
        found = granting.invitation(secret, at=at)
        if request.method == "POST" and isinstance(request.user, User):
            granting.accept_invitation(secret=secret, user=request.user, at=at)
            return redirect("dashboards:project", slug=found.project.slug)
    except granting.InvitationOver as error:
        return render(request, "dashboards/invitation.html", {"reason": str(error)}, status=404)
    request.session[SESSION_KEY] = secret
    return render(request, "dashboards/invitation.html", {"invitation": found})
